package storetest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// Memory is a store in memory for tests, with switches for what goes wrong in a real one. It passes the suite. It works inside synctest's bubble when it
// was made there, and is written for reading rather than speed.
type Memory struct {
	mu      sync.Mutex
	scopes  map[string]*memoryScope
	clock   func() time.Time
	limit   int // bytes of documents; 0: none
	emptied bool
	closed  bool
	fail    error
	hang    chan struct{} // closed when calls go on; nil: they do not hang
	stalled bool
	changed chan struct{} // closed at every change of anything
	reads   int
}

type memoryScope struct {
	state      *store.State
	checkpoint store.Head
	log        []store.Entry
	records    map[string]memoryRecord
	presence   map[string]memoryValue
}

type memoryRecord struct {
	store.Record
	expires time.Time
}

type memoryValue struct {
	data    []byte
	expires time.Time
}

var _ store.Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{scopes: map[string]*memoryScope{}, clock: time.Now, changed: make(chan struct{})}
}

// SetClock replaces time.Now.
func (m *Memory) SetClock(clock func() time.Time) { m.change(func() { m.clock = clock }) }

// SetLimit bounds the bytes of all documents: from 90 % of it on the store is nearly full.
func (m *Memory) SetLimit(bytes int) { m.change(func() { m.limit = bytes }) }

// Fail makes every call fail with err, and ends watches with it; nil ends that.
func (m *Memory) Fail(err error) { m.change(func() { m.fail = err }) }

// Hang makes every call wait until its context ends or Hang(false).
func (m *Memory) Hang(on bool) {
	m.change(func() {
		if m.hang != nil {
			close(m.hang)
			m.hang = nil
		}
		if on {
			m.hang = make(chan struct{})
		}
	})
}

// StallWatches keeps watches from yielding anything, and from noticing it, as a stream that was reset does.
func (m *Memory) StallWatches(on bool) { m.change(func() { m.stalled = on }) }

// Wipe loses everything, as FLUSHALL does.
func (m *Memory) Wipe() {
	m.change(func() {
		m.scopes = map[string]*memoryScope{}
		m.emptied = true
	})
}

// Rewind loses the newest n commits of a scope and keeps its epoch, as a failover to a replica that is behind does.
func (m *Memory) Rewind(scope string, n int) {
	m.change(func() {
		s := m.scopes[scope]
		s.log = slices.Clone(s.log[:len(s.log)-n])
		state := &store.State{}
		for _, e := range s.log {
			state, _ = state.Apply(e)
		}
		s.state = state
	})
}

// Reads is how many full reads were answered.
func (m *Memory) Reads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *Memory) change(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
	m.notify()
}

func (m *Memory) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// do runs fn with the lock held, unless something is wrong with the store.
func (m *Memory) do(ctx context.Context, fn func() error) error {
	m.mu.Lock()
	for m.hang != nil && ctx.Err() == nil {
		hang := m.hang
		m.mu.Unlock()
		select {
		case <-hang:
		case <-ctx.Done():
		}
		m.mu.Lock()
	}
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return store.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	case m.fail != nil:
		return m.fail
	case m.emptied:
		return store.ErrEmptied
	}
	return fn()
}

func (m *Memory) scope(name string) *memoryScope {
	s := m.scopes[name]
	if s == nil {
		s = &memoryScope{state: &store.State{}, records: map[string]memoryRecord{}, presence: map[string]memoryValue{}}
		m.scopes[name] = s
	}
	return s
}

// Scopes implements store.Store.
func (m *Memory) Scopes(ctx context.Context) (out []string, err error) {
	err = m.do(ctx, func() error {
		for _, name := range slices.Sorted(maps.Keys(m.scopes)) {
			if m.scopes[name].state.Head().Revision > 0 {
				out = append(out, name)
			}
		}
		return nil
	})
	return out, err
}

// Head implements store.Store.
func (m *Memory) Head(ctx context.Context, scope string) (head store.Head, err error) {
	err = m.do(ctx, func() error {
		head = m.scope(scope).state.Head()
		return nil
	})
	return head, err
}

// Read implements store.Store.
func (m *Memory) Read(ctx context.Context, scope string) (state *store.State, err error) {
	err = m.do(ctx, func() error {
		m.reads++
		state = m.scope(scope).state
		return nil
	})
	return state, err
}

// Commit implements store.Store.
func (m *Memory) Commit(ctx context.Context, txn store.Txn) (done store.Committed, err error) {
	if err := txn.Check(); err != nil {
		return done, err
	}
	err = m.do(ctx, func() error {
		s := m.scope(txn.Scope)
		i := txn.Idempotency
		if i != nil {
			if r, taken := s.records[i.Key]; taken && r.expires.After(m.clock()) {
				return store.ErrDuplicate
			}
		}
		if s.state.Head() != txn.Base {
			return store.ErrConflict
		}
		if txn.Class == store.ClassNormal && m.used() >= 0.9 {
			return store.ErrFull
		}
		next, err := s.state.Apply(txn.Entry)
		if err != nil {
			return err
		}
		if i != nil {
			s.records[i.Key] = memoryRecord{store.Record{Request: i.Request, Answer: i.Answer, Revision: txn.Entry.Revision}, m.clock().Add(24 * time.Hour)}
		}
		s.state, s.log = next, append(s.log, txn.Entry)
		done = store.Committed{Head: next.Head(), Durability: store.Confirmed}
		m.notify()
		return nil
	})
	return done, err
}

func (m *Memory) used() float64 {
	if m.limit == 0 {
		return 0
	}
	n := 0
	for _, s := range m.scopes {
		for _, data := range s.state.All() {
			n += len(data)
		}
	}
	return min(1, float64(n)/float64(m.limit))
}

// Recorded implements store.Store.
func (m *Memory) Recorded(ctx context.Context, scope, key string) (r store.Record, found bool, err error) {
	err = m.do(ctx, func() error {
		kept, there := m.scope(scope).records[key]
		if found = there && kept.expires.After(m.clock()); found {
			r = kept.Record
		}
		return nil
	})
	return r, found, err
}

// Watch implements store.Store.
func (m *Memory) Watch(ctx context.Context, scope string, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var epoch int64 // of the head while this watch goes on
		for {
			var fresh []store.Entry
			var changed chan struct{}
			err := m.do(ctx, func() error {
				changed = m.changed
				if m.stalled {
					return nil
				}
				s := m.scope(scope)
				head := s.state.Head()
				if epoch == 0 {
					if err := store.WatchFrom(after, head, s.checkpoint); err != nil {
						return err
					}
					epoch = head.Epoch
				}
				if head.Epoch != epoch || head.Revision < after.Revision {
					return store.ErrEpoch
				}
				if after.Revision < s.checkpoint.Revision {
					return store.ErrCompacted
				}
				fresh = slices.Clone(s.log[after.Revision-s.checkpoint.Revision:])
				return nil
			})
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range fresh {
				if after = e.Cursor(); !yield(e, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// Log implements store.Store.
func (m *Memory) Log(ctx context.Context, scope string, before int64, limit int) (out []store.Entry, err error) {
	err = m.do(ctx, func() error {
		s := m.scope(scope)
		if before > 1 && before <= s.checkpoint.Revision+1 && limit > 0 {
			return store.ErrCompacted
		}
		size := 0
		for _, e := range slices.Backward(s.log) {
			if (before == 0 || e.Revision < before) && len(out) < limit && size < store.LogBytes {
				out = append(out, e)
				size += e.Size()
			}
		}
		return nil
	})
	return out, err
}

// Reconcile implements store.Store.
func (m *Memory) Reconcile(ctx context.Context, scope string, known store.Head) (head store.Head, err error) {
	err = m.do(ctx, func() error {
		s := m.scope(scope)
		before := s.state.Head()
		head, err = store.Reconciled(before, known, func(revision int64) (store.Hash, bool, error) {
			if revision == s.checkpoint.Revision {
				return s.checkpoint.Hash, true, nil
			}
			if revision < s.checkpoint.Revision {
				return store.Hash{}, false, nil
			}
			return s.log[revision-s.checkpoint.Revision-1].Hash, true, nil
		})
		if err == nil && head != before {
			s.state = store.NewState(head, s.state.All())
			m.notify()
		}
		return err
	})
	return head, err
}

// Compact implements store.Store.
func (m *Memory) Compact(ctx context.Context, scope string, keep store.Retention) error {
	return m.do(ctx, func() error {
		s := m.scope(scope)
		for len(s.log) > 0 && keep.Drops(&s.log[0], s.state.Head().Revision, m.clock()) {
			s.checkpoint, s.log = s.log[0].Head(), slices.Clone(s.log[1:])
		}
		return nil
	})
}

// PutPresence implements store.Store.
func (m *Memory) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	return m.do(ctx, func() error {
		m.scope(scope).presence[id] = memoryValue{slices.Clone(value), m.clock().Add(expiry)}
		return nil
	})
}

// Presence implements store.Store.
func (m *Memory) Presence(ctx context.Context, scope string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := m.do(ctx, func() error {
		for id, v := range m.scope(scope).presence {
			if v.expires.After(m.clock()) {
				out[id] = v.data
			}
		}
		return nil
	})
	return out, err
}

// DeletePresence implements store.Store.
func (m *Memory) DeletePresence(ctx context.Context, scope, id string) error {
	return m.do(ctx, func() error {
		delete(m.scope(scope).presence, id)
		return nil
	})
}

// Export implements store.Store.
func (m *Memory) Export(ctx context.Context, scope string, w io.Writer) error {
	var s memoryScope
	if err := m.do(ctx, func() error {
		s = *m.scope(scope)
		return nil
	}); err != nil {
		return err
	}
	if s.state.Head().Revision == 0 {
		return fmt.Errorf("%w: %s", store.ErrMissing, scope)
	}
	return store.WriteScope(w, scope, s.state, s.checkpoint, func(yield func(store.Entry, error) bool) {
		for _, e := range slices.Backward(s.log) {
			if !yield(e, nil) {
				return
			}
		}
	})
}

// Import implements store.Store.
func (m *Memory) Import(ctx context.Context, scope string, r io.Reader, raise bool) error {
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
	slices.Reverse(log)
	return m.do(ctx, func() error {
		s := m.scope(scope)
		left := s.state.Head()
		if left.Revision > 0 {
			return fmt.Errorf("%w: %s", store.ErrExists, scope)
		}
		s.state, s.checkpoint, s.log = store.NewState(in.State.Head().Imported(left, raise), in.State.All()), in.Checkpoint, log
		m.notify()
		return nil
	})
}

// Drop implements store.Store.
func (m *Memory) Drop(ctx context.Context, scope string) error {
	return m.do(ctx, func() error {
		head := m.scope(scope).state.Head()
		delete(m.scopes, scope)
		if head.Revision > 0 {
			head = head.Dropped()
		}
		m.scope(scope).state = store.NewState(head, maps.All(map[store.Key][]byte{}))
		m.notify()
		return nil
	})
}

// Adopt implements store.Store.
func (m *Memory) Adopt(ctx context.Context) error {
	m.change(func() { m.emptied = false })
	return m.do(ctx, func() error { return nil })
}

// Check implements store.Store.
func (m *Memory) Check(ctx context.Context) (r store.Report, err error) {
	err = m.do(ctx, func() error {
		r = store.Report{Backend: "memory", Used: m.used()}
		return nil
	})
	return r, err
}

// Close implements store.Store.
func (m *Memory) Close() error {
	m.change(func() { m.closed = true })
	return nil
}
