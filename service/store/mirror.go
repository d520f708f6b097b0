package store

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Step is one move of a mirror: State is where it stands now, Entry what led there from the step before; nil when that cannot be said in
// one entry (the first load, a gap, a new epoch), so that everything may be different.
type Step struct {
	State *State
	Entry *Entry
}

// MirrorOptions are all optional.
type MirrorOptions struct {
	// OnStep is called in order by Run's goroutine, after State has moved. It must not block.
	OnStep func(Step)
	// OnEpoch is called by Run's goroutine after the OnStep of a new epoch, with the last state of the old one: history may have been rewritten, and
	// what must not be lost (kills) is to be compared and committed again. It must not block.
	OnEpoch func(before, after *State)
	Clock   func() time.Time                       // nil: time.Now
	Jitter  func(most time.Duration) time.Duration // a random part of most; nil: math/rand
	Logger  *slog.Logger                           // nil: discards
}

// Mirror is a local replica of one scope that follows the store. Reads cost nothing; they may be called concurrently, before Run and after it.
//
// A mirror never goes back within an epoch, and never to an earlier epoch. While the store does not answer, is empty where it was not ([ErrEmptied]), or answers with
// something older, the mirror keeps what it has. It checks that each entry follows the last, and takes one full Read where one does not.
type Mirror struct {
	store Store
	scope string
	opts  MirrorOptions

	now      atomic.Pointer[moment] // what is known; never nil
	ready    chan struct{}          // closed after the first load
	answered atomic.Int64           // when the store last answered, in Unix nanoseconds; 0: never
}

// moment is a state until there is a newer one.
type moment struct {
	state *State
	next  chan struct{} // closed when it is not the newest any more
}

// NewMirror makes a mirror that knows nothing yet. Run makes it follow.
func NewMirror(s Store, scope string, opts MirrorOptions) *Mirror {
	if opts.OnStep == nil {
		opts.OnStep = func(Step) {}
	}
	if opts.OnEpoch == nil {
		opts.OnEpoch = func(*State, *State) {}
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Jitter == nil {
		opts.Jitter = rand.N[time.Duration]
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = opts.Logger.With("scope", scope)
	m := &Mirror{store: s, scope: scope, opts: opts, ready: make(chan struct{})}
	m.now.Store(&moment{state: &State{}, next: make(chan struct{})})
	return m
}

// Run loads the scope and follows it until ctx ends (nil) or the store is closed ([ErrClosed]); whatever else goes wrong, it tries again. It is called once.
func (m *Mirror) Run(ctx context.Context) error { panic("TODO") }

// Ready is closed after the first full load.
func (m *Mirror) Ready() <-chan struct{} { return m.ready }

// State is the newest state known, an empty one before the first load; never nil.
func (m *Mirror) State() *State { return m.now.Load().state }

// Sync asks the store where the scope stands and waits until State is there, or beyond.
func (m *Mirror) Sync(ctx context.Context) (*State, error) { panic("TODO") }

// Age is how long ago the store last answered for this scope; the largest duration when it never did. It is asked every second.
func (m *Mirror) Age(now time.Time) time.Duration { panic("TODO") }
