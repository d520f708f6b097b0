package admin

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// memory is a store in memory for these tests, with switches for what goes wrong in a real one. Its mirrors lag behind it on purpose: they move on
// Sync only.
type memory struct {
	store.Store // what is not written here is not needed

	mu      sync.Mutex
	scopes  map[string]*memoryScope
	commits int                   // attempts that came to be decided
	before  func(store.Txn) error // asked before a commit; an error stops it
	after   func(store.Txn) error // asked after a commit; an error is answered though it was made
	down    error                 // answered by every call while it is set
	reads   int                   // of the log
	logged  func([]store.Entry)   // is told what a read of the log gave
	alone   bool                  // no replica has what is committed
	classes []store.Class         // of the commits that were made
	dropped []string
}

type memoryScope struct {
	state   *store.State
	log     []store.Entry
	records map[string]store.Record
}

func newMemory() *memory { return &memory{scopes: map[string]*memoryScope{}} }

func (m *memory) scope(name string) *memoryScope {
	s := m.scopes[name]
	if s == nil {
		s = &memoryScope{state: &store.State{}, records: map[string]store.Record{}}
		m.scopes[name] = s
	}
	return s
}

func (m *memory) Commit(ctx context.Context, txn store.Txn) (store.Committed, error) {
	if err := ctx.Err(); err != nil {
		return store.Committed{}, err
	}
	if m.before != nil {
		if err := m.before(txn); err != nil {
			return store.Committed{}, err
		}
	}
	done, err := m.commit(txn)
	if err == nil && m.after != nil {
		err = m.after(txn)
	}
	return done, err
}

func (m *memory) commit(txn store.Txn) (store.Committed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return store.Committed{}, m.down
	}
	m.commits++
	s := m.scope(txn.Scope)
	if txn.Idempotency != nil {
		if _, taken := s.records[txn.Idempotency.Key]; taken {
			return store.Committed{}, store.ErrDuplicate
		}
	}
	if s.state.Head() != txn.Base {
		return store.Committed{}, store.ErrConflict
	}
	next, err := s.state.Apply(txn.Entry)
	if err != nil {
		return store.Committed{}, err
	}
	if txn.Idempotency != nil {
		s.records[txn.Idempotency.Key] = store.Record{Request: txn.Idempotency.Request, Answer: txn.Idempotency.Answer, Revision: txn.Entry.Revision}
	}
	s.state, s.log = next, append(s.log, txn.Entry)
	m.classes = append(m.classes, txn.Class)
	durability := store.Confirmed
	if m.alone {
		durability = store.Unconfirmed
	}
	return store.Committed{Head: next.Head(), Durability: durability}, nil
}

func (m *memory) Recorded(_ context.Context, scope, key string) (store.Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return store.Record{}, false, m.down
	}
	r, found := m.scope(scope).records[key]
	return r, found, nil
}

func (m *memory) Log(_ context.Context, scope string, before int64, limit int) ([]store.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	var out []store.Entry
	for _, e := range slices.Backward(m.scope(scope).log) {
		if (before == 0 || e.Revision < before) && len(out) < limit {
			out = append(out, e)
		}
	}
	if m.logged != nil {
		m.logged(out)
	}
	return out, nil
}

func (m *memory) Drop(_ context.Context, scope string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.scopes, scope)
	m.dropped = append(m.dropped, scope)
	return m.down
}

func (m *memory) Export(context.Context, string, io.Writer) error { return nil }

// state is the newest, as a test looks at it.
func (m *memory) state(scope string) *store.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.scope(scope).state
}

// lagging is a mirror that sees the store when it is told to.
type lagging struct {
	m     *memory
	scope string

	mu    sync.Mutex
	seen  *store.State
	newer chan struct{}
}

func (l *lagging) State() *store.State {
	state, _ := l.Newest()
	return state
}

func (l *lagging) Newest() (*store.State, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen, l.newer
}

func (l *lagging) Age(time.Time) time.Duration { return 0 }

func (l *lagging) Sync(context.Context) (*store.State, error) {
	l.m.mu.Lock()
	state, err := l.m.scope(l.scope).state, l.m.down
	l.m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if state != l.seen {
		l.seen = state
		close(l.newer)
		l.newer = make(chan struct{})
	}
	return state, nil
}

// mirrors gives each node of a test its own.
func mirrors(m *memory) func(context.Context, string) (Mirror, error) {
	var mu sync.Mutex
	known := map[string]*lagging{}
	return func(_ context.Context, scope string) (Mirror, error) {
		mu.Lock()
		defer mu.Unlock()
		if known[scope] == nil {
			known[scope] = &lagging{m: m, scope: scope, seen: &store.State{}, newer: make(chan struct{})}
		}
		return known[scope], nil
	}
}

// clock is a clock that a test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
