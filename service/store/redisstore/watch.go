package redisstore

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// headEvery is how often a watch asks for the head, and the longest that a blocking read lasts. A stream says nothing of entries that are gone, and
// is silent for ever after one that went back.
const headEvery = time.Second

// part is what a watch's reader hands over.
type part struct {
	entries []store.Entry
	err     error
}

// Watch implements [store.Store]. It holds a connection as long as it lasts. The entries come from a goroutine of its own, because a blocking read does not
// end with its context; the goroutine ends within a second or so, and Close waits for it.
func (s *Store) Watch(ctx context.Context, scope string, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := s.begin(ctx, scope); err != nil {
			yield(store.Entry{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		parts := make(chan part)
		if !s.start(func() { s.read(ctx, scope, after, parts) }) {
			yield(store.Entry{}, store.ErrClosed)
			return
		}
		for {
			var p part
			select {
			case p = <-parts:
			case <-ctx.Done():
				p.err = s.fail(ctx, "watch", ctx.Err())
			case <-s.ctx.Done():
				p.err = store.ErrClosed
			}
			for _, e := range p.entries {
				if !yield(e, nil) {
					return
				}
			}
			if p.err != nil {
				yield(store.Entry{}, p.err)
				return
			}
		}
	}
}

// start runs fn in a goroutine that Close waits for; false when the store is closed already.
func (s *Store) start(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.readers.Go(fn)
	return true
}

// read follows the log and hands over what it finds, until something is wrong.
func (s *Store) read(ctx context.Context, scope string, after store.Cursor, parts chan<- part) {
	hand := func(p part) bool {
		select {
		case parts <- p:
			return p.err == nil
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
		return false
	}
	f, err := s.follow(ctx, scope, after)
	for err == nil {
		var entries []store.Entry
		entries, err = f.next(ctx)
		if len(entries) > 0 && !hand(part{entries: entries}) {
			return
		}
	}
	hand(part{err: err})
}

// follower is a place in a scope's log.
type follower struct {
	s        *Store
	scope    string
	epoch    int64 // of the head as long as this watch may go on; 0: there is no commit yet
	revision int64 // of the last entry
	hash     *store.Hash
	asked    time.Time
}

// follow finds the place after a cursor.
func (s *Store) follow(ctx context.Context, scope string, after store.Cursor) (*follower, error) {
	st, err := s.look(ctx, scope)
	if err != nil {
		return nil, err
	}
	if err := store.WatchFrom(after, st.head, st.checkpoint); err != nil {
		return nil, err
	}
	f := &follower{s: s, scope: scope, epoch: st.head.Epoch, revision: after.Revision, asked: time.Now()}
	switch after.Revision {
	case 0:
		f.hash = &store.Hash{}
	case st.head.Revision:
		f.hash = &st.head.Hash
	case st.checkpoint.Revision:
		f.hash = &st.checkpoint.Hash
	default: // the entry that was seen last is still kept
		entries, err := s.entries(ctx, scope, after.Revision, after.Revision)
		if err != nil {
			return nil, err
		}
		if len(entries) != 1 {
			return nil, store.ErrCompacted
		}
		f.hash = &entries[0].Hash
	}
	return f, nil
}

// next waits for entries, at most until it is time to ask for the head. What it returns follows what was returned before.
func (f *follower) next(ctx context.Context) ([]store.Entry, error) {
	if time.Since(f.asked) >= headEvery {
		if err := f.check(ctx); err != nil {
			return nil, err
		}
	}
	within, cancel := context.WithTimeout(ctx, headEvery+f.s.opts.Timeout)
	defer cancel()
	list, err := f.s.watcher.XRead(within, &redis.XReadArgs{
		Streams: []string{f.s.keys.log(f.scope), entryID(f.revision)}, Count: entriesPart, Block: headEvery,
	}).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil && strings.Contains(err.Error(), "UNBLOCKED"):
		return nil, f.check(ctx) // the stream was deleted, or the server demoted
	case err != nil:
		f.s.lost(ctx)
		return nil, f.s.fail(ctx, "watch", err)
	case len(list) != 1:
		return nil, nil
	}
	entries, err := decodeEntries(list[0].Messages)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if err := f.take(e); err != nil {
			return entries[:i], err
		}
	}
	return entries, nil
}

// take moves past an entry, or says why it is not the next one.
func (f *follower) take(e store.Entry) error {
	switch {
	case f.epoch == 0:
		f.epoch = e.Epoch
	case e.Epoch > f.epoch:
		return store.ErrEpoch
	}
	if e.Revision > f.revision+1 {
		return store.ErrCompacted // trimmed before it was read
	}
	if e.Prev != *f.hash {
		return store.ErrEpoch // another history has come to these revisions
	}
	f.revision, f.hash = e.Revision, &e.Hash
	f.s.note(f.scope, e.Head())
	return nil
}

// check compares the place with the head.
func (f *follower) check(ctx context.Context) error {
	f.asked = time.Now()
	st, err := f.s.look(ctx, f.scope)
	if err != nil {
		return err
	}
	switch {
	case f.revision < st.checkpoint.Revision && (f.epoch == 0 || f.epoch == st.head.Epoch):
		return store.ErrCompacted // an import without a log makes no entry that could say so
	case f.epoch == 0:
		return nil // entries will say
	case st.head.Epoch != f.epoch, st.head.Revision < f.revision, st.head.Revision == f.revision && st.head.Hash != *f.hash:
		return store.ErrEpoch
	}
	return nil
}
