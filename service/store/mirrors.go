package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// MirrorsOptions are those of every mirror; the callbacks get its scope. Those of one scope are called in order, those of several concurrently.
type MirrorsOptions struct {
	OnStep  func(scope string, s Step)
	OnEpoch func(scope string, before, after *State)
	// OnDrop is called for a scope that was dropped, after its last OnStep, and before the first of a mirror that takes its place.
	OnDrop func(scope string)
	Clock  func() time.Time
	Jitter func(most time.Duration) time.Duration
	Logger *slog.Logger
}

// Mirrors runs one Mirror for each scope that was asked for. All methods may be called concurrently; Get before Run waits for it.
type Mirrors struct {
	store Store
	opts  MirrorsOptions

	mu      sync.RWMutex
	ctx     context.Context // of Run; nil before it
	ended   bool            // nothing is started any more
	scopes  map[string]*following
	leaving map[string]*following // dropped, its goroutine possibly still at work
	work    sync.WaitGroup
}

// following is a mirror with its goroutine.
type following struct {
	mirror *Mirror
	cancel context.CancelFunc // nil: not started
	done   chan struct{}

	dropped, over bool // Mirrors.mu guards them
}

// NewMirrors makes an empty set. Run makes it work.
func NewMirrors(s Store, opts MirrorsOptions) *Mirrors {
	if opts.OnDrop == nil {
		opts.OnDrop = func(string) {}
	}
	return &Mirrors{store: s, opts: opts, scopes: map[string]*following{}, leaving: map[string]*following{}}
}

// Run owns the goroutines of all mirrors. It ends with ctx, after they have ended. It is called once.
func (m *Mirrors) Run(ctx context.Context) error {
	m.mu.Lock()
	m.ctx = ctx
	for scope, f := range m.scopes {
		m.start(scope, f)
	}
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.work.Wait()
	return nil
}

// start runs a mirror, after an earlier one of the same scope has ended. The caller holds mu, and Run has begun.
func (m *Mirrors) start(scope string, f *following) {
	if m.ended {
		f.cancel = func() {}
		close(f.done)
		return
	}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(m.ctx)
	earlier := m.leaving[scope]
	m.work.Go(func() {
		defer m.left(scope, f)
		if earlier != nil {
			<-earlier.done
		}
		if err := f.mirror.Run(ctx); err != nil && m.opts.Logger != nil {
			m.opts.Logger.Warn("follows a scope no more", "scope", scope, "cause", err)
		}
	})
}

// left notes that a mirror's goroutine has ended.
func (m *Mirrors) left(scope string, f *following) {
	f.cancel()
	m.mu.Lock()
	dropped := f.dropped
	f.over = true
	m.mu.Unlock()
	if dropped {
		m.opts.OnDrop(scope)
	}
	close(f.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving[scope] == f {
		delete(m.leaving, scope)
	}
}

// Get returns the running mirror of a scope. It starts it when needed, and waits for the first load, at most until ctx ends: then
// the error wraps ErrUnavailable and the context's. ErrEmptied at once where the store lacks the scope; the mirror goes on trying.
func (m *Mirrors) Get(ctx context.Context, scope string) (*Mirror, error) {
	m.mu.RLock()
	f := m.scopes[scope]
	m.mu.RUnlock()
	if f == nil {
		if err := CheckScope(scope); err != nil {
			return nil, err
		}
		f = m.add(scope)
	}
	look := time.NewTicker(refusedEvery)
	defer look.Stop()
	for {
		select {
		case <-f.mirror.Ready():
			return f.mirror, nil
		default:
		}
		if err := f.mirror.Err(); errors.Is(err, ErrEmptied) {
			return nil, fmt.Errorf("%s: %w", scope, err) // that does not pass by waiting
		}
		select {
		case <-f.mirror.Ready():
		case <-look.C:
		case <-f.done:
			return nil, fmt.Errorf("%w: %s is not followed any more", ErrUnavailable, scope)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s is not loaded yet: %w", ErrUnavailable, scope, errors.Join(ctx.Err(), f.mirror.Err()))
		}
	}
}

// refusedEvery is how often Get looks whether the scope is refused.
const refusedEvery = 20 * time.Millisecond

func (m *Mirrors) add(scope string) *following {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.scopes[scope]; f != nil {
		return f
	}
	opts := MirrorOptions{Clock: m.opts.Clock, Jitter: m.opts.Jitter, Logger: m.opts.Logger}
	if m.opts.OnStep != nil {
		opts.OnStep = func(s Step) { m.opts.OnStep(scope, s) }
	}
	if m.opts.OnEpoch != nil {
		opts.OnEpoch = func(before, after *State) { m.opts.OnEpoch(scope, before, after) }
	}
	f := &following{mirror: NewMirror(m.store, scope, opts), done: make(chan struct{})}
	m.scopes[scope] = f
	if m.ctx != nil {
		m.start(scope, f)
	}
	return f
}

// Drop stops following a scope (its project was deleted), without waiting: a callback that has begun may still be at work afterwards; OnDrop comes when none is
// any more. Those who hold the mirror keep its last state.
func (m *Mirrors) Drop(scope string) {
	if m.drop(scope) {
		m.opts.OnDrop(scope)
	}
}

// drop says whether there is no goroutine that would say it.
func (m *Mirrors) drop(scope string) (ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.scopes[scope]
	if f == nil {
		return false
	}
	delete(m.scopes, scope)
	f.dropped = true
	if f.cancel == nil { // Run has not begun
		close(f.done)
		return true
	}
	f.cancel()
	if !f.over {
		m.leaving[scope] = f
	}
	return f.over
}
