package localstore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/dimmerhq/dimmer/service/store"
)

// Reconcile implements [store.Store]. A file does not lose commits; another one may have been put in its place.
func (s *Store) Reconcile(ctx context.Context, scope string, known store.Head) (store.Head, error) {
	var head store.Head
	decide := func(b *bbolt.Bucket) (stand, error) {
		at, err := s.standOf(b)
		if err != nil {
			return at, err
		}
		head, err = store.Reconciled(at.Head, known, func(revision int64) (store.Hash, bool, error) {
			switch {
			case revision == at.Checkpoint.Revision:
				return at.Checkpoint.Hash, true, nil
			case revision < at.Checkpoint.Revision:
				return store.Hash{}, false, nil
			}
			k := revisionKey(revision)
			e, err := s.entry(k, b.Bucket(logBucket).Get(k))
			return e.Hash, true, err
		})
		return at, err
	}
	var at stand
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		at, err = decide(scopeOf(tx, scope))
		return err
	})
	if err != nil || head == at.Head {
		return head, err
	}
	if err := store.CheckScope(scope); err != nil {
		return store.Head{}, err
	}
	err = s.change(ctx, scope, 0, func(_ *bbolt.Tx, b *bbolt.Bucket) error {
		at, err := decide(b) // it may have changed since
		if err != nil {
			return err
		}
		at.Head = head
		return putJSON(b, standKey, at)
	})
	if err != nil {
		return store.Head{}, err
	}
	s.opts.Logger.Warn("the epoch was raised: what was known is not what is stored", "scope", scope, "epoch", head.Epoch, "revision", head.Revision)
	return head, nil
}

// compactAtOnce is how many entries go in one transaction, so that commits between them do not wait long.
const compactAtOnce = 1000

// Compact implements [store.Store]. The entries go to a file in the archive folder first; when the process ends in between, they are there and in
// the log, and the next call writes them again.
func (s *Store) Compact(ctx context.Context, scope string, keep store.Retention) error {
	select {
	case s.compact <- struct{}{}:
		defer func() { <-s.compact }()
	case <-ctx.Done():
		return interrupted(ctx)
	case <-s.closing:
		return store.ErrClosed
	}
	for {
		from, due, err := s.due(ctx, scope, keep)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := s.archive(scope, from, due); err != nil {
			return fmt.Errorf("archive %s: %w", scope, err)
		}
		last := due[len(due)-1].Head()
		if err := s.change(ctx, scope, 0, func(_ *bbolt.Tx, b *bbolt.Bucket) error {
			at, err := s.standOf(b)
			if err != nil {
				return err
			}
			if at.Checkpoint != from || at.Head.Revision < last.Revision { // dropped meanwhile
				return refused{store.ErrConflict}
			}
			log := b.Bucket(logBucket)
			for _, e := range due {
				if err := log.Delete(revisionKey(e.Revision)); err != nil {
					return err
				}
			}
			at.Checkpoint = last
			return putJSON(b, standKey, at)
		}); err != nil {
			return err
		}
	}
}

// due lists the oldest entries that are beyond the retention, some of them when they are many, and the checkpoint before them.
func (s *Store) due(ctx context.Context, scope string, keep store.Retention) (from store.Head, due []store.Entry, err error) {
	now := s.opts.Clock()
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		b := scopeOf(tx, scope)
		at, err := s.standOf(b)
		if err != nil || at.Head.Revision == at.Checkpoint.Revision {
			return err
		}
		from = at.Checkpoint
		c := b.Bucket(logBucket).Cursor()
		size := 0
		for k, v := c.First(); k != nil && len(due) < compactAtOnce && size < pageBytes; k, v = c.Next() {
			e, err := s.entry(k, v)
			if err != nil {
				return err
			}
			if !keep.Drops(&e, at.Head.Revision, now) {
				return nil
			}
			due = append(due, e)
			size += len(v)
		}
		return nil
	})
	return from, due, err
}

// archiveHeader is the first line of an archive file; entries follow, oldest first, each proven by its hash and that of the one before.
type archiveHeader struct {
	Dimmer  string     `json:"dimmer"`
	Version int        `json:"version"`
	Scope   string     `json:"scope"`
	After   store.Head `json:"after"` // the head before the first entry
}

func (s *Store) archive(scope string, after store.Head, entries []store.Entry) error {
	dir := filepath.Join(s.dir, archiveName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := url.PathEscape(scope)
	if len(name) > 150 {
		sum := sha256.Sum256([]byte(scope))
		name = hex.EncodeToString(sum[:])
	}
	first, last := entries[0], entries[len(entries)-1]
	path := filepath.Join(dir, fmt.Sprintf("%s-%d-%d-%.8s.jsonl", name, first.Revision, last.Revision, last.Hash))
	err := writeFile(path, func(f *os.File) error {
		out := bufio.NewWriter(f)
		lines := json.NewEncoder(out)
		if err := lines.Encode(archiveHeader{Dimmer: "archive", Version: 1, Scope: scope, After: after}); err != nil {
			return err
		}
		for _, e := range entries {
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	return errors.Join(err, syncDir(s.dir))
}

// Import implements [store.Store]. It reads the whole stream before it writes anything.
func (s *Store) Import(ctx context.Context, scope string, r io.Reader, raise bool) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckScope(scope); err != nil {
		return err
	}
	in, err := store.ReadScope(r)
	if err != nil {
		return err
	}
	var log []store.Entry
	for e, err := range in.Log() {
		if err != nil {
			return err
		}
		log = append(log, e)
	}
	return s.change(ctx, scope, batchBytes, func(tx *bbolt.Tx, b *bbolt.Bucket) error {
		at, err := s.standOf(b)
		if err != nil {
			return err
		}
		if at.Head.Revision > 0 {
			return refused{fmt.Errorf("%w: %s", store.ErrExists, scope)}
		}
		at = stand{Head: in.State.Head().Imported(at.Head, raise), Checkpoint: in.Checkpoint}
		if b, err = replace(tx, scope, at); err != nil {
			return err
		}
		return fill(b, in.State, log)
	})
}

// fill writes the documents and the log, newest first, of a scope that has none.
func fill(b *bbolt.Bucket, state *store.State, log []store.Entry) error {
	docs, err := b.CreateBucket(docsBucket)
	if err != nil {
		return err
	}
	docs.FillPercent = 0.9
	for k, data := range state.All() {
		if err := put(docs, docKey(k), data); err != nil {
			return err
		}
	}
	entries, err := b.CreateBucket(logBucket)
	if err != nil {
		return err
	}
	entries.FillPercent = 1
	for i := len(log) - 1; i >= 0; i-- {
		if err := putJSON(entries, revisionKey(log[i].Revision), log[i]); err != nil {
			return err
		}
	}
	return nil
}

// replace empties a scope.
func replace(tx *bbolt.Tx, scope string, at stand) (*bbolt.Bucket, error) {
	scopes := tx.Bucket(scopesBucket)
	if err := scopes.DeleteBucket([]byte(scope)); err != nil {
		return nil, err
	}
	b, err := scopes.CreateBucket([]byte(scope))
	if err != nil {
		return nil, err
	}
	return b, putJSON(b, standKey, at)
}

// Drop implements [store.Store]. Archive files stay.
func (s *Store) Drop(ctx context.Context, scope string) error {
	at, err := s.stand(ctx, scope)
	if err != nil {
		return err
	}
	if at.Head.Revision > 0 {
		err = s.change(ctx, scope, 0, func(tx *bbolt.Tx, b *bbolt.Bucket) error {
			at, err := s.standOf(b)
			if err != nil || at.Head.Revision == 0 {
				return err
			}
			_, err = replace(tx, scope, stand{Head: at.Head.Dropped()})
			return err
		})
	}
	if err == nil {
		s.mu.Lock()
		delete(s.presence, scope)
		s.mu.Unlock()
	}
	return err
}

// Missing says what the store lacks that was known, and Adopt would give up.
func (s *Store) Missing(ctx context.Context) ([]string, error) {
	switch err := s.ready(ctx); {
	case errors.Is(err, store.ErrEmptied):
		return []string{s.lack()}, nil
	default:
		return nil, err
	}
}

// Adopt implements [store.Store].
func (s *Store) Adopt(ctx context.Context) error {
	err := s.ready(ctx)
	if !errors.Is(err, store.ErrEmptied) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Nothing else writes while the store is refused as empty, so this does not go through the writer.
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(rootBucket).Delete(emptiedKey) }); err != nil {
		return fmt.Errorf("%w: adopt: %w", store.ErrUnavailable, err)
	}
	s.emptied = false
	return nil
}

// Check implements [store.Store].
func (s *Store) Check(ctx context.Context) (store.Report, error) {
	report := store.Report{Backend: "local"}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		report.Used = s.used(tx)
		return nil
	})
	if err != nil {
		return report, err
	}
	if err := s.brokenBy(); err != nil {
		return report, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if report.Used >= 0.9 {
		report.Warnings = append(report.Warnings, "the data take 90 % of their limit: only changes that lower exposure are accepted")
	}
	return report, nil
}
