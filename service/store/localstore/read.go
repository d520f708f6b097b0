package localstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/dimmerhq/dimmer/service/store"
)

// Bounds of what is read of a log in one transaction.
const (
	pageEntries = 256
	pageBytes   = 4 << 20
)

// Scopes implements [store.Store].
func (s *Store) Scopes(ctx context.Context) ([]string, error) {
	var out []string
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		scopes := tx.Bucket(scopesBucket)
		return scopes.ForEachBucket(func(name []byte) error {
			at, err := s.standOf(scopes.Bucket(name))
			if err == nil && at.Head.Revision > 0 {
				out = append(out, string(name))
			}
			return err
		})
	})
	return out, err
}

// Head implements [store.Store].
func (s *Store) Head(ctx context.Context, scope string) (store.Head, error) {
	at, err := s.stand(ctx, scope)
	return at.Head, err
}

func (s *Store) stand(ctx context.Context, scope string) (at stand, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		at, err = s.standOf(scopeOf(tx, scope))
		return err
	})
	return at, err
}

// Read implements [store.Store].
func (s *Store) Read(ctx context.Context, scope string) (*store.State, error) {
	state, _, err := s.read(ctx, scope)
	return state, err
}

// read returns the documents, and the checkpoint of the log that leads to them.
func (s *Store) read(ctx context.Context, scope string) (state *store.State, checkpoint store.Head, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		b := scopeOf(tx, scope)
		at, err := s.standOf(b)
		if err != nil {
			return err
		}
		checkpoint = at.Checkpoint
		var docs *bbolt.Bucket
		if b != nil {
			docs = b.Bucket(docsBucket)
		}
		var failed error
		state = store.NewState(at.Head, func(yield func(store.Key, []byte) bool) {
			if docs != nil {
				failed = s.documents(docs, yield)
			}
		})
		return failed
	})
	return state, checkpoint, err
}

func (s *Store) documents(docs *bbolt.Bucket, yield func(store.Key, []byte) bool) error {
	var collection string
	c := docs.Cursor()
	for k, sealed := c.First(); k != nil; k, sealed = c.Next() {
		data, err := s.open(k, sealed)
		if err != nil {
			return err
		}
		name, id, found := bytes.Cut(k, []byte{0})
		if !found {
			return s.corrupt(fmt.Errorf("a document without a key, %q", k))
		}
		if string(name) != collection { // one string for all of a collection
			collection = string(name)
		}
		if !yield(store.Key{Collection: collection, ID: string(id)}, slices.Clone(data)) {
			return nil
		}
	}
	return nil
}

// entry decodes an entry of the log; nothing in it points into the file.
func (s *Store) entry(k, sealed []byte) (store.Entry, error) {
	var e store.Entry
	data, err := s.open(k, sealed)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, s.corrupt(err)
	}
	if len(k) != 8 || uint64(e.Revision) != binary.BigEndian.Uint64(k) {
		return e, s.corrupt(fmt.Errorf("entry %d stands at %x", e.Revision, k))
	}
	return e, nil
}

// Recorded implements [store.Store].
func (s *Store) Recorded(ctx context.Context, scope, key string) (out store.Record, found bool, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		r, there, err := s.recorded(scopeOf(tx, scope), key)
		if found = there; there {
			out = store.Record{Request: r.Request, Answer: r.Answer, Revision: r.Revision}
		}
		return err
	})
	return out, found, err
}

// Watch implements [store.Store]. Nothing is held between two entries.
func (s *Store) Watch(ctx context.Context, scope string, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		w := watch{s: s, scope: scope, at: after}
		for {
			changed := s.signal(scope) // before the look, or a change in between were missed
			page, err := w.next(ctx)
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			case <-s.closing:
			}
		}
	}
}

// watch is the position of one.
type watch struct {
	s     *Store
	scope string
	at    store.Cursor
	epoch int64 // of the head since the watch began; 0 while there was none
}

// next returns the entries that follow, some of them when they are many.
func (w *watch) next(ctx context.Context) (page []store.Entry, err error) {
	err = w.s.view(ctx, func(tx *bbolt.Tx) error {
		b := scopeOf(tx, w.scope)
		at, err := w.s.standOf(b)
		if err != nil {
			return err
		}
		if w.epoch == 0 {
			if err := store.WatchFrom(w.at, at.Head, at.Checkpoint); err != nil {
				return err
			}
			w.epoch = at.Head.Epoch
		}
		switch {
		case at.Head.Epoch != w.epoch || at.Head.Revision < w.at.Revision:
			return store.ErrEpoch
		case w.at.Revision < at.Checkpoint.Revision:
			return store.ErrCompacted
		case w.at.Revision == at.Head.Revision:
			return nil
		}
		c := b.Bucket(logBucket).Cursor()
		size := 0
		for k, v := c.Seek(revisionKey(w.at.Revision + 1)); k != nil && len(page) < pageEntries && size < pageBytes; k, v = c.Next() {
			e, err := w.s.entry(k, v)
			if err != nil {
				return err
			}
			page = append(page, e)
			size += len(v)
		}
		return nil
	})
	if len(page) > 0 {
		w.at = page[len(page)-1].Cursor()
	}
	return page, err
}

// Log implements [store.Store].
func (s *Store) Log(ctx context.Context, scope string, before int64, limit int) (out []store.Entry, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		b := scopeOf(tx, scope)
		at, err := s.standOf(b)
		if err != nil || limit <= 0 || at.Head.Revision == 0 {
			return err
		}
		from := at.Head.Revision
		if before > 0 {
			from = min(from, before-1)
		}
		if from > 0 && from <= at.Checkpoint.Revision {
			return store.ErrCompacted
		}
		log := b.Bucket(logBucket)
		size := 0
		for revision := from; revision > at.Checkpoint.Revision && len(out) < limit && size < store.LogBytes; revision-- {
			k := revisionKey(revision)
			v := log.Get(k)
			e, err := s.entry(k, v)
			if err != nil {
				return err
			}
			out = append(out, e)
			size += len(v)
		}
		return nil
	})
	return out, err
}

// Export implements [store.Store]. It reads in short transactions, so that a slow reader holds up nobody; when the log is compacted under it, it fails with ErrCompacted
// and can be repeated.
func (s *Store) Export(ctx context.Context, scope string, w io.Writer) error {
	state, checkpoint, err := s.read(ctx, scope)
	if err != nil {
		return err
	}
	if state.Head().Revision == 0 {
		return fmt.Errorf("%w: %s", store.ErrMissing, scope)
	}
	return store.WriteScope(w, scope, state, checkpoint, func(yield func(store.Entry, error) bool) {
		for before := state.Head().Revision + 1; before > checkpoint.Revision+1; {
			page, err := s.Log(ctx, scope, before, int(min(pageEntries, before-1-checkpoint.Revision)))
			if err == nil && len(page) == 0 {
				err = store.ErrCompacted
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range page {
				if before = e.Revision; !yield(e, nil) {
					return
				}
			}
		}
	})
}
