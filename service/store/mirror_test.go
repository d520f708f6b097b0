package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a store in memory with a mirror that follows it, in a synctest bubble.
type rig struct {
	t      *testing.T
	s      *storetest.Memory
	mirror *store.Mirror
	steps  []store.Step
	epochs [][2]*store.State
	stop   context.CancelFunc
	ended  chan error
}

// run starts a rig in a bubble. The mirror is checked all along: it never goes back, and each entry leads from one step to the next.
func run(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, s: storetest.NewMemory(), ended: make(chan error, 1)}
		var ctx context.Context
		ctx, r.stop = context.WithCancel(t.Context())
		r.mirror = store.NewMirror(r.s, "shop", store.MirrorOptions{
			OnStep: func(s store.Step) {
				require.Same(t, s.State, r.mirror.State(), "State has moved before OnStep")
				if n := len(r.steps); n > 0 {
					before := r.steps[n-1].State
					require.Positive(t, s.State.Head().Cursor().Compare(before.Head().Cursor()))
					if s.Entry != nil {
						require.Equal(t, s.Entry.Changes, store.Diff(before, s.State, ""))
						require.Equal(t, s.Entry.Head(), s.State.Head())
					}
				}
				r.steps = append(r.steps, s)
			},
			OnEpoch: func(before, after *store.State) {
				require.Same(t, after, r.steps[len(r.steps)-1].State)
				require.Nil(t, r.steps[len(r.steps)-1].Entry)
				r.epochs = append(r.epochs, [2]*store.State{before, after})
			},
		})
		go func() { r.ended <- r.mirror.Run(ctx) }()
		synctest.Wait()
		test(t, r)
		r.stop()
		synctest.Wait()
		require.NoError(t, <-r.ended)
	})
}

// sleep lets the bubble's time pass, and everything happen that is due by then.
func (r *rig) sleep(d time.Duration) {
	time.Sleep(d) // waits: time in the bubble, which costs nothing
	synctest.Wait()
}

// commit changes the document once the mirror has done what it has to do now: a reconciliation moves the head, too.
func (r *rig) commit(text string) store.Entry {
	synctest.Wait()
	return commitTo(r.t, r.s, "shop", text)
}

// commitTo changes the scope's document; the store has to be well.
func commitTo(t *testing.T, s store.Store, scope, text string) store.Entry {
	t.Helper()
	state, err := s.Read(t.Context(), scope)
	require.NoError(t, err)
	k := store.Key{Collection: "flag", ID: "a"}
	before, _ := state.Get(k)
	e, err := store.Seal(state.Head(), store.Meta{At: time.Now()}, []store.Change{{Key: k, Before: before, After: []byte(text)}, {
		Key: store.Key{Collection: "log", ID: fmt.Sprint(state.Head())}, After: []byte(text),
	}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Txn{Scope: scope, Base: state.Head(), Entry: e})
	require.NoError(t, err)
	return e
}

// requireSame: the mirror is where the store is.
func (r *rig) requireSame() {
	r.t.Helper()
	synctest.Wait()
	want, err := r.s.Read(r.t.Context(), "shop")
	require.NoError(r.t, err)
	require.Equal(r.t, want.Head(), r.mirror.State().Head())
	require.Empty(r.t, store.Diff(want, r.mirror.State(), ""))
}

func (r *rig) kinds() string {
	out := ""
	for _, s := range r.steps {
		if s.Entry == nil {
			out += "F"
		} else {
			out += "e"
		}
	}
	return out
}

func TestMirrorFollows(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		<-r.mirror.Ready()
		require.Zero(t, r.mirror.State().Head())
		for i := range 10 {
			r.commit(strconv.Itoa(i))
			r.requireSame()
		}
		require.Equal(t, "Feeeeeeeeee", r.kinds())
		r.sleep(time.Hour) // it asks for the head 3,600 times
		require.Equal(t, "Feeeeeeeeee", r.kinds())
		require.Less(t, r.mirror.Age(time.Now()), 1100*time.Millisecond)
		require.Empty(t, r.epochs)
	})
}

func TestMirrorBeforeTheFirstLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewMemory()
		commitTo(t, s, "shop", "1")
		s.Fail(store.ErrUnavailable)
		m := store.NewMirror(s, "shop", store.MirrorOptions{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		time.Sleep(time.Minute)
		select {
		case <-m.Ready():
			t.Fatal("ready without a load")
		default:
		}
		require.Zero(t, m.State().Len())
		require.Equal(t, time.Duration(math.MaxInt64), m.Age(time.Now()))
		_, err := m.Sync(t.Context())
		require.ErrorIs(t, err, store.ErrUnavailable)
		s.Fail(nil)
		<-m.Ready()
		require.EqualValues(t, 1, m.State().Head().Revision)
		stop()
		require.NoError(t, <-ended)
	})
}

func TestMirrorLivesThroughOutages(t *testing.T) {
	for name, fault := range map[string]struct{ begin, end func(s *storetest.Memory) }{
		"errors":  {begin: func(s *storetest.Memory) { s.Fail(store.ErrUnavailable) }, end: func(s *storetest.Memory) { s.Fail(nil) }},
		"emptied": {begin: func(s *storetest.Memory) { s.Fail(store.ErrEmptied) }, end: func(s *storetest.Memory) { s.Fail(nil) }},
		"silence": {begin: func(s *storetest.Memory) { s.Hang(true) }, end: func(s *storetest.Memory) { s.Hang(false) }},
		"defects": {begin: func(s *storetest.Memory) { s.Fail(errors.New("boom")) }, end: func(s *storetest.Memory) { s.Fail(nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				r.commit("1")
				r.requireSame()
				known := r.mirror.State()
				fault.begin(r.s)
				r.sleep(10 * time.Minute)
				require.Same(t, known, r.mirror.State())
				require.Greater(t, r.mirror.Age(time.Now()), 9*time.Minute)
				reads := r.s.Reads()
				fault.end(r.s)
				r.sleep(6 * time.Second) // the longest wait between two attempts, and a question without an answer
				require.Less(t, r.mirror.Age(time.Now()), 2*time.Second)
				require.Equal(t, reads, r.s.Reads(), "nothing had changed: no full read")
				r.commit("2")
				r.requireSame()
				require.Equal(t, "Fee", r.kinds())
				require.Empty(t, r.epochs)
			})
		})
	}
}

func TestMirrorReloadsOnceAfterAGap(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.commit("0")
		r.requireSame()
		r.s.StallWatches(true)
		for i := range 20 {
			r.commit(strconv.Itoa(i))
		}
		synctest.Wait()
		require.EqualValues(t, 1, r.mirror.State().Head().Revision)
		reads := r.s.Reads()
		r.sleep(4 * time.Second) // two looks at the head, and the way back
		require.EqualValues(t, 21, r.mirror.State().Head().Revision, "a watch that stands still is found out")
		require.Equal(t, reads+1, r.s.Reads())
		require.Equal(t, "FeF", r.kinds())
		r.s.StallWatches(false)
		r.commit("last")
		r.requireSame()
		require.Equal(t, "FeFe", r.kinds())
		require.Empty(t, r.epochs)
	})
}

func TestMirrorReloadsWhenTheLogWasCompacted(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.commit("0")
		r.requireSame()
		r.s.StallWatches(true)
		r.s.Fail(store.ErrUnavailable)
		r.sleep(2 * time.Second)
		r.s.Fail(nil)
		r.commit("1")
		r.commit("2")
		r.commit("3")
		require.NoError(t, r.s.Compact(t.Context(), "shop", store.Retention{Age: -time.Hour}))
		r.s.StallWatches(false)
		r.sleep(10 * time.Second)
		r.requireSame()
		require.Equal(t, "FeF", r.kinds())
	})
}

// TestMirrorAfterAFailover: commits that were known are gone. The epoch is raised, and whoever restores kills is told what was known.
func TestMirrorAfterAFailover(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		for i := range 5 {
			r.commit(strconv.Itoa(i))
		}
		r.requireSame()
		known := r.mirror.State()
		r.s.Rewind("shop", 2)
		r.sleep(5 * time.Second)
		r.requireSame()
		require.Equal(t, "FeeeeeF", r.kinds())
		require.Len(t, r.epochs, 1)
		require.Same(t, known, r.epochs[0][0])
		require.Equal(t, store.Cursor{Epoch: 2, Revision: 3}, r.epochs[0][1].Head().Cursor())
		r.commit("again")
		r.requireSame()
		require.Equal(t, "FeeeeeFe", r.kinds())
		require.Len(t, r.epochs, 1)
	})
}

// TestMirrorAfterAFailoverAndNewCommits: others have committed more than what was lost, before this mirror looked.
func TestMirrorAfterAFailoverAndNewCommits(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		for i := range 3 {
			r.commit(strconv.Itoa(i))
		}
		r.requireSame()
		r.s.StallWatches(true)
		r.s.Rewind("shop", 1)
		r.commit("other")
		r.commit("more")
		r.s.StallWatches(false)
		r.sleep(10 * time.Second)
		r.requireSame()
		require.Len(t, r.epochs, 1)
		require.EqualValues(t, 2, r.mirror.State().Head().Epoch)
	})
}

func TestMirrorKeepsWhatItHasWhenTheStoreIsEmpty(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.commit("1")
		r.commit("2")
		r.requireSame()
		known := r.mirror.State()
		r.s.Wipe()
		r.sleep(time.Minute)
		require.Same(t, known, r.mirror.State())
		require.ErrorIs(t, r.mirror.Err(), store.ErrEmptied)
		require.NoError(t, r.s.Adopt(t.Context()))
		r.sleep(5 * time.Second)
		require.Equal(t, store.Cursor{Epoch: 2}, r.mirror.State().Head().Cursor(), "an operator has said that it is empty")
		require.Zero(t, r.mirror.State().Len())
		require.Len(t, r.epochs, 1)
		require.Same(t, known, r.epochs[0][0])
		require.NoError(t, r.mirror.Err())
		r.commit("anew")
		r.requireSame()
	})
}

// TestMirrorsOfARefusedScope: nobody waits for a scope that the store lacks, and it is there once the store has it again.
func TestMirrorsOfARefusedScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewMemory()
		commitTo(t, s, "shop", "1")
		s.Fail(store.ErrEmptied)
		ms := store.NewMirrors(s, store.MirrorsOptions{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- ms.Run(ctx) }()
		began := time.Now()
		brief, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := ms.Get(brief, "shop")
		require.ErrorIs(t, err, store.ErrEmptied)
		require.Less(t, time.Since(began), time.Second)
		s.Fail(nil)
		time.Sleep(5 * time.Second) // waits: in the bubble's time, for the mirror's next attempt
		m, err := ms.Get(t.Context(), "shop")
		require.NoError(t, err)
		require.EqualValues(t, 1, m.State().Head().Revision)
		require.NoError(t, m.Err())
		stop()
		require.NoError(t, <-ended)
	})
}

func TestMirrorSync(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		e := r.commit("1")
		state, err := r.mirror.Sync(t.Context())
		require.NoError(t, err)
		require.Equal(t, e.Head(), state.Head())

		r.s.StallWatches(true)
		e = r.commit("2")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = r.mirror.Sync(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, store.ErrUnavailable)
		state, err = r.mirror.Sync(t.Context()) // until the stall is found out
		require.NoError(t, err)
		require.Equal(t, e.Head(), state.Head())
		r.s.Fail(store.ErrUnavailable)
		_, err = r.mirror.Sync(t.Context())
		require.ErrorIs(t, err, store.ErrUnavailable)
		r.s.Fail(nil)
	})
}

func TestMirrorEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewMemory()
		commitTo(t, s, "shop", "1")
		m := store.NewMirror(s, "shop", store.MirrorOptions{})
		ended := make(chan error)
		go func() { ended <- m.Run(t.Context()) }()
		<-m.Ready()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-ended, store.ErrClosed)
		require.EqualValues(t, 1, m.State().Head().Revision)
	})
}

// TestMirrorUnderFaults: whatever happens to the store, the mirror never goes back (run checks it), and is right in the end.
func TestMirrorUnderFaults(t *testing.T) {
	for seed := range 20 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				next := uint32(seed)*2654435761 + 12345
				roll := func(n uint32) uint32 {
					next = next*1664525 + 1013904223
					return next >> 16 % n
				}
				for i := range 60 {
					switch roll(8) {
					case 0:
						r.s.Fail(store.ErrUnavailable)
						r.sleep(time.Duration(roll(3000)) * time.Millisecond)
						r.s.Fail(nil)
					case 1:
						r.s.Hang(true)
						r.sleep(time.Duration(roll(9000)) * time.Millisecond)
						r.s.Hang(false)
					case 2:
						r.s.StallWatches(true)
					case 3:
						r.s.StallWatches(false)
					case 4:
						if head, err := r.s.Head(t.Context(), "shop"); err == nil && head.Epoch == 1 && head.Revision > 4 {
							r.s.Rewind("shop", 2)
						}
					default:
						r.commit(strconv.Itoa(i))
					}
					if roll(2) == 0 {
						r.sleep(time.Duration(roll(2000)) * time.Millisecond)
					}
				}
				r.s.StallWatches(false)
				r.sleep(30 * time.Second)
				r.requireSame()
			})
		})
	}
}

func TestMirrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewMemory()
		commitTo(t, s, "shop", "1")
		var mu sync.Mutex
		steps := map[string]int{}
		ms := store.NewMirrors(s, store.MirrorsOptions{OnStep: func(scope string, _ store.Step) {
			mu.Lock()
			defer mu.Unlock()
			steps[scope]++
		}})
		count := func(scope string) int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return steps[scope]
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := ms.Get(brief, "shop")
		require.ErrorIs(t, err, store.ErrUnavailable, "Run has not begun")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- ms.Run(ctx) }()
		m, err := ms.Get(t.Context(), "shop")
		require.NoError(t, err)
		require.EqualValues(t, 1, m.State().Head().Revision)
		again, err := ms.Get(t.Context(), "shop")
		require.NoError(t, err)
		require.Same(t, m, again)
		require.Equal(t, 1, count("shop"))
		_, err = ms.Get(t.Context(), "no\x00name")
		require.Error(t, err)
		var all sync.WaitGroup
		for i := range 20 { // at once
			all.Go(func() {
				_, err := ms.Get(t.Context(), fmt.Sprint("p", i%2))
				require.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 1, count("p0"))
		commitTo(t, s, "p0", "1")
		require.Equal(t, 2, count("p0"))
		require.Equal(t, 1, count("p1"))

		ms.Drop("p0")
		ms.Drop("never")
		commitTo(t, s, "p0", "2")
		require.Equal(t, 2, count("p0"), "a dropped scope is followed no more")
		m, err = ms.Get(t.Context(), "p0")
		require.NoError(t, err)
		require.EqualValues(t, 2, m.State().Head().Revision, "and again when it is asked for")
		require.Equal(t, 3, count("p0"))

		s.Fail(store.ErrUnavailable)
		brief, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ms.Get(brief, "other")
		require.ErrorIs(t, err, store.ErrUnavailable)
		_, err = ms.Get(brief, "shop")
		require.NoError(t, err, "what is loaded is there, whatever the store does")
		stop()
		require.NoError(t, <-ended)
		_, err = ms.Get(t.Context(), "after")
		require.ErrorIs(t, err, store.ErrUnavailable)
	})
}

// lying is a store that answers some questions wrongly: from a replica that is behind, or not at all.
type lying struct {
	*storetest.Memory

	mu    sync.Mutex
	stale *store.State // answered by Read, Head and Reconcile while it is set
	deaf  bool         // the next Head gets no answer
}

func (l *lying) set(stale *store.State, deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale, l.deaf = stale, deaf
}

func (l *lying) lie() *store.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stale
}

func (l *lying) Head(ctx context.Context, scope string) (store.Head, error) {
	l.mu.Lock()
	deaf := l.deaf
	l.deaf = false
	l.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return store.Head{}, ctx.Err()
	}
	if s := l.lie(); s != nil {
		return s.Head(), nil
	}
	return l.Memory.Head(ctx, scope)
}

func (l *lying) Read(ctx context.Context, scope string) (*store.State, error) {
	if s := l.lie(); s != nil {
		return s, nil
	}
	return l.Memory.Read(ctx, scope)
}

func (l *lying) Reconcile(ctx context.Context, scope string, known store.Head) (store.Head, error) {
	if s := l.lie(); s != nil {
		return s.Head(), nil
	}
	return l.Memory.Reconcile(ctx, scope, known)
}

// TestMirrorNeverGoesBack: a store that answers with something older, or with another history of the same epoch, is not believed.
func TestMirrorNeverGoesBack(t *testing.T) {
	other := func(h store.Head) store.Head { h.Hash[0]++; return h }
	for name, lie := range map[string]func(all []*store.State) *store.State{
		"a replica that is behind":         func(all []*store.State) *store.State { return all[1] },
		"an empty one":                     func([]*store.State) *store.State { return &store.State{} },
		"another commit at the same place": func(all []*store.State) *store.State { return store.NewState(other(all[3].Head()), all[3].All()) },
		"another commit before it":         func(all []*store.State) *store.State { return store.NewState(other(all[1].Head()), all[1].All()) },
		"an earlier epoch":                 func(all []*store.State) *store.State { return store.NewState(store.Head{Revision: 9}, all[3].All()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &lying{Memory: storetest.NewMemory()}
				all := []*store.State{{}}
				for i := range 3 {
					commitTo(t, s, "shop", strconv.Itoa(i))
					state, err := s.Memory.Read(t.Context(), "shop")
					require.NoError(t, err)
					all = append(all, state)
				}
				steps := 0
				m := store.NewMirror(s, "shop", store.MirrorOptions{OnStep: func(store.Step) { steps++ }})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- m.Run(ctx) }()
				<-m.Ready()
				known := m.State()
				require.Equal(t, 1, steps)
				s.set(lie(all), false)
				time.Sleep(time.Minute)
				require.Same(t, known, m.State())
				require.Equal(t, 1, steps)
				s.set(nil, false)
				commitTo(t, s, "shop", "after")
				time.Sleep(3 * time.Second)
				require.EqualValues(t, 4, m.State().Head().Revision)
				stop()
				require.NoError(t, <-ended)
			})
		})
	}
}

// TestMirrorIsNotHeldUpByALostAnswer: one question without an answer ends the attempt, not the mirror.
func TestMirrorIsNotHeldUpByALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lying{Memory: storetest.NewMemory()}
		m := store.NewMirror(s, "shop", store.MirrorOptions{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		<-m.Ready()
		s.set(nil, true)
		time.Sleep(6 * time.Second)
		require.Less(t, m.Age(time.Now()), 1100*time.Millisecond)
		stop()
		require.NoError(t, <-ended)
	})
}

// TestMirrorsOfAScopeDoNotOverlap: one that is dropped and asked for again begins after the old one's last callback.
func TestMirrorsOfAScopeDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewMemory()
		held, calls := make(chan struct{}), make(chan struct{}, 10)
		drops := make(chan int, 10) // the calls before
		ms := store.NewMirrors(s, store.MirrorsOptions{
			OnStep: func(string, store.Step) {
				calls <- struct{}{}
				<-held
			},
			OnDrop: func(string) { drops <- len(calls) },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- ms.Run(ctx) }()
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := ms.Get(brief, "shop")
		require.ErrorIs(t, err, store.ErrUnavailable)
		ms.Drop("shop")
		ms.Drop("shop")
		ms.Drop("never")
		synctest.Wait()
		require.Empty(t, drops, "a callback is at work still")
		brief, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ms.Get(brief, "shop")
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Len(t, calls, 1)
		close(held)
		_, err = ms.Get(t.Context(), "shop")
		require.NoError(t, err)
		require.Len(t, calls, 2)
		require.Equal(t, 1, <-drops, "after the last callback of the old one, before the first of the new one")
		stop()
		require.NoError(t, <-ended)
		require.Empty(t, drops, "the end of all is no drop")
	})
}
