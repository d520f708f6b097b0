package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
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

// How a mirror keeps time.
const (
	headEvery    = time.Second            // a watch that has stalled is noticed after two of these
	answerWithin = 3 * time.Second        // a question that takes longer has no answer
	readWithin   = 30 * time.Second       // a full read
	retryFirst   = 100 * time.Millisecond // the most that is waited before the first retry; doubled up to
	retryMost    = 2 * time.Second
)

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
	failure  atomic.Pointer[error]  // why it does not follow the store at present; nil while it does

	// Run's goroutine alone:
	loaded  bool
	reload  bool // the next attempt takes a full read
	failing bool // said in the log
	refused bool // said in the log that the store lacks what was known
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
	m := &Mirror{store: s, scope: scope, opts: opts, ready: make(chan struct{}), reload: true}
	m.now.Store(&moment{state: &State{}, next: make(chan struct{})})
	return m
}

// Ready is closed after the first full load.
func (m *Mirror) Ready() <-chan struct{} { return m.ready }

// State is the newest state known, an empty one before the first load; never nil.
func (m *Mirror) State() *State { return m.now.Load().state }

// Newest is State, and a channel that is closed as soon as there is a newer one.
func (m *Mirror) Newest() (state *State, newer <-chan struct{}) {
	now := m.now.Load()
	return now.state, now.next
}

// Sync asks the store where the scope stands and waits until State is there, or beyond.
func (m *Mirror) Sync(ctx context.Context) (*State, error) {
	head, err := m.store.Head(ctx, m.scope)
	if err != nil {
		return nil, fmt.Errorf("sync %s: %w", m.scope, err)
	}
	m.heard()
	for {
		now := m.now.Load()
		if now.state.head.Cursor().Compare(head.Cursor()) >= 0 {
			return now.state, nil
		}
		select {
		case <-now.next:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: sync %s: this process has not come to revision %d: %w", ErrUnavailable, m.scope, head.Revision, ctx.Err())
		}
	}
}

// Age is how long ago the store last answered for this scope; the largest duration when it never did. It is asked every second.
func (m *Mirror) Age(now time.Time) time.Duration {
	at := m.answered.Load()
	if at == 0 {
		return math.MaxInt64
	}
	return max(0, now.Sub(time.Unix(0, at)))
}

// Err is why the mirror does not follow the store at present; nil while it does, and before the first attempt has ended.
func (m *Mirror) Err() error {
	if err := m.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (m *Mirror) heard() { m.answered.Store(m.opts.Clock().UnixNano()) }

// Run loads the scope and follows it until ctx ends (nil) or the store is closed ([ErrClosed]); whatever else goes wrong, it tries again. It is called once.
func (m *Mirror) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := m.follow(ctx) // never nil
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end that the caller asked for
		}
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case time.Since(began) > retryMost:
			attempt = 0 // it worked for a while, or the attempt was a long wait itself
		}
		m.failure.Store(&err)
		m.failed(err)
		timer := time.NewTimer(m.opts.Jitter(min(retryMost, retryFirst<<min(attempt, 10))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// failed says in the log what went wrong, once for each outage.
func (m *Mirror) failed(err error) {
	switch {
	case errors.Is(err, ErrCompacted), errors.Is(err, ErrEpoch), errors.Is(err, errMoved):
		m.opts.Logger.Info("reloads from the store", "cause", err)
	case errors.Is(err, errStalled), errors.Is(err, ErrGap):
		m.opts.Logger.Warn("reloads from the store", "cause", err)
	case errors.Is(err, ErrEmptied) && !m.refused:
		m.refused, m.failing = true, true
		m.opts.Logger.Error("REFUSES THE STORE and serves what is known", "cause", err, "revision", m.State().head.Revision)
	case !m.failing:
		m.failing = true
		m.opts.Logger.Warn("lost the store; serves what is known", "cause", err, "revision", m.State().head.Revision)
	}
}

var (
	errMoved   = errors.New("store: the head is of another history than what was followed")
	errBehind  = errors.New("store: it is behind what was read from it before")
	errStalled = errors.New("store: the watch stands still while the head has moved")
)

// follow is one attempt: reconcile, load where needed, watch. It always returns an error.
func (m *Mirror) follow(ctx context.Context) error {
	if err := m.align(ctx); err != nil {
		return err
	}
	if m.reload {
		if err := m.load(ctx); err != nil {
			return err
		}
	}
	m.failure.Store(nil)
	if m.failing {
		m.failing, m.refused = false, false
		m.opts.Logger.Info("has the store again", "revision", m.State().head.Revision)
	}
	ctx, stop := context.WithCancelCause(ctx)
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		stop(m.poll(ctx))
	}()
	err := m.watch(ctx)
	stop(err)
	<-polled
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what ended it first
	}
	if errors.Is(err, ErrCompacted) || errors.Is(err, ErrEpoch) || errors.Is(err, ErrGap) || errors.Is(err, errStalled) || errors.Is(err, errMoved) {
		m.reload = true
	}
	return err
}

// align tells the store what is known here, and finds out whether it can be followed from there.
func (m *Mirror) align(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	known := m.State().head
	head, err := m.store.Reconcile(ctx, m.scope, known)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	m.heard()
	switch {
	case head.Epoch != known.Epoch || head.Revision == known.Revision && head.Hash != known.Hash:
		m.reload = true
	case head.Revision < known.Revision:
		return fmt.Errorf("%w: revision %d, of %d", errBehind, head.Revision, known.Revision)
	}
	return nil
}

// load takes a full read.
func (m *Mirror) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	next, err := m.store.Read(ctx, m.scope)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	m.heard()
	known := m.State().head
	switch c := next.head.Cursor().Compare(known.Cursor()); {
	case !m.loaded:
	case c < 0:
		return fmt.Errorf("%w: epoch %d, revision %d, of %d, %d", errBehind, next.head.Epoch, next.head.Revision, known.Epoch, known.Revision)
	case c == 0 && next.head.Hash != known.Hash:
		return fmt.Errorf("%w, though its epoch is the same", errMoved)
	case c == 0:
		m.reload = false
		return nil
	}
	m.reload = false
	m.step(next, nil)
	return nil
}

// step moves on, and tells those who are to know.
func (m *Mirror) step(next *State, e *Entry) {
	before := m.now.Load()
	m.now.Store(&moment{state: next, next: make(chan struct{})})
	close(before.next)
	m.opts.OnStep(Step{State: next, Entry: e})
	if !m.loaded {
		m.loaded = true
		close(m.ready) // after OnStep: whoever waits for it finds what was made of the first step
	}
	if before.state.head.Revision > 0 && next.head.Epoch != before.state.head.Epoch {
		m.opts.Logger.Warn("the store's history was rewritten", "epoch", next.head.Epoch, "revision", next.head.Revision,
			"epoch before", before.state.head.Epoch, "revision before", before.state.head.Revision)
		m.opts.OnEpoch(before.state, next)
	}
}

// watch applies entries as they come.
func (m *Mirror) watch(ctx context.Context) error {
	for e, err := range m.store.Watch(ctx, m.scope, m.State().head.Cursor()) {
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		m.heard()
		next, err := m.State().Apply(e)
		if err != nil {
			return fmt.Errorf("watch: %w: %w", ErrGap, err)
		}
		m.step(next, &e)
	}
	return fmt.Errorf("%w: the watch ended without saying why", ErrUnavailable)
}

// poll reads the head every second: an unanswered question ends the attempt, since what comes after it may be another store; and a watch that has
// stalled is found out.
func (m *Mirror) poll(ctx context.Context) error {
	ticker := time.NewTicker(headEvery)
	defer ticker.Stop()
	var last *State // what was known at the last tick, if the head was ahead of it
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		known := m.State() // before the question: the answer cannot be older
		head, err := m.head(ctx)
		if err != nil {
			return fmt.Errorf("head: %w", err)
		}
		switch {
		case head == known.head:
			last = nil
		case head.Epoch != known.head.Epoch && known.head.Revision > 0:
			return fmt.Errorf("%w: its epoch is %d, not %d", errMoved, head.Epoch, known.head.Epoch)
		case head.Revision < known.head.Revision:
			return fmt.Errorf("%w: revision %d, of %d", errBehind, head.Revision, known.head.Revision)
		case head.Revision == known.head.Revision:
			return fmt.Errorf("%w: at revision %d", errMoved, head.Revision)
		case last == known:
			return fmt.Errorf("%w: from revision %d to %d", errStalled, known.head.Revision, head.Revision)
		default:
			last = known
		}
	}
}

func (m *Mirror) head(ctx context.Context) (Head, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	head, err := m.store.Head(ctx, m.scope)
	if err == nil {
		m.heard()
	}
	return head, err
}
