package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) {
	// The client library's dialler looks up to a second after Close whether it is still wanted.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// soak is for `make soak`: the same tests, longer.
var soak = os.Getenv("DIMMER_SOAK") != ""

var prefixes atomic.Int64

// own is a prefix that nobody else has, so that tests share a server.
func own() Options {
	return Options{Prefix: fmt.Sprintf("t%d", prefixes.Add(1))}
}

// silent is for what reports thousands of raised epochs on purpose.
func silent(o Options) Options {
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

func open(t *testing.T, url string, opts Options) *Store {
	t.Helper()
	if testing.Verbose() && opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := Open(t.Context(), url, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// suite runs the conformance suite against one Redis. What empties or fills it gets one of its own.
func suite(t *testing.T, url string) {
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t,
			func(t *testing.T) store.Store { return open(t, url, silent(own())) },
			storetest.WithPeer(func(t *testing.T, s store.Store) store.Store {
				return open(t, url, silent(Options{Prefix: s.(*Store).opts.Prefix}))
			}),
			storetest.WithClock(func(t *testing.T) (store.Store, func(time.Duration)) {
				opts := silent(own())
				var ahead atomic.Int64
				opts.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				s := open(t, url, opts)
				return s, func(d time.Duration) {
					ahead.Add(int64(d))
					s.ahead.Add(d.Milliseconds())
				}
			}),
			storetest.WithLimit(func(t *testing.T) store.Store {
				return open(t, redistest.Start(t, redistest.MaxMemory("24mb", "noeviction")).URL(), own())
			}),
			storetest.WithWipe(func(t *testing.T) (store.Store, func() store.Store) {
				server := redistest.Start(t)
				s := open(t, server.URL(), own())
				return s, func() store.Store {
					server.Must("FLUSHALL")
					return s
				}
			}))
	})
}

// writer commits one document after the other to a scope, by itself.
type writer struct {
	t     *testing.T
	s     store.Store
	scope string
	state *store.State
	n     int
	// repair is called after a failure, before the writer looks at what is there; nil: it repairs itself.
	repair func()
}

func newWriter(t *testing.T, s store.Store, scope string) *writer {
	return &writer{t: t, s: s, scope: scope, state: &store.State{}}
}

func (w *writer) seal() store.Txn {
	w.n++
	k := store.Key{Collection: "flag", ID: fmt.Sprintf("f%d", w.n%50)}
	before, _ := w.state.Get(k)
	e, err := store.Seal(w.state.Head(), store.Meta{At: time.Now(), Actor: "token:1", Verb: "flag.edit", Target: "flag/" + k.ID},
		[]store.Change{{Key: k, Before: before, After: fmt.Appendf(nil, `{"n":%d}`, w.n)}})
	require.NoError(w.t, err)
	return store.Txn{Scope: w.scope, Base: w.state.Head(), Entry: e}
}

func (w *writer) commit() store.Committed {
	w.t.Helper()
	txn := w.seal()
	done, err := w.s.Commit(w.t.Context(), txn)
	require.NoError(w.t, err)
	w.state, err = w.state.Apply(txn.Entry)
	require.NoError(w.t, err)
	return done
}

// write is for a store that fails: it commits n times, and after each failure finds out what is there. It returns what it sent, what was acknowledged
// and how, and the longest time without an acknowledgement.
func (w *writer) write(ctx context.Context, n int, during func(i int)) (sent map[store.Hash]bool, acknowledged map[store.Hash]store.Durability, gap time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	sent, acknowledged = map[store.Hash]bool{}, map[store.Hash]store.Durability{}
	last := time.Now()
	for i := 0; i < n; i++ {
		during(i)
		txn := w.seal()
		sent[txn.Entry.Hash] = true
		done, err := w.s.Commit(ctx, txn)
		if err == nil {
			acknowledged[txn.Entry.Hash] = done.Durability
			gap, last = max(gap, time.Since(last)), time.Now()
			w.state, err = w.state.Apply(txn.Entry)
			require.NoError(w.t, err)
			continue
		}
		require.True(w.t, errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict), "%v", err)
		if w.repair != nil {
			w.repair()
		}
		for {
			state, err := w.s.Read(ctx, w.scope)
			if err == nil {
				w.state = state
				break
			}
			require.NoError(w.t, ctx.Err(), "it does not come back: %v", err)
			require.ErrorIs(w.t, err, store.ErrUnavailable)
			time.Sleep(5 * time.Millisecond)
		}
	}
	return sent, acknowledged, gap
}

// requireHistory checks acknowledged ⊆ stored ⊆ sent; only says which acknowledgements count.
func requireHistory(t *testing.T, s *Store, scope string, sent map[store.Hash]bool, acknowledged map[store.Hash]store.Durability, only ...store.Durability) {
	t.Helper()
	log, err := s.Log(t.Context(), scope, 0, 1<<20)
	require.NoError(t, err)
	stored := map[store.Hash]bool{}
	for _, e := range log {
		require.True(t, sent[e.Hash], "revision %d was never sent", e.Revision)
		stored[e.Hash] = true
	}
	missing := 0
	for hash, d := range acknowledged {
		for _, counts := range only {
			if d == counts && !stored[hash] {
				missing++
			}
		}
	}
	require.Zero(t, missing, "acknowledged as %v and lost", only)
	state, err := s.Read(t.Context(), scope)
	require.NoError(t, err)
	fold := &store.State{}
	for i := range log {
		e := log[len(log)-1-i]
		if e.Epoch > fold.Head().Epoch && fold.Head().Revision > 0 {
			h := fold.Head()
			h.Epoch = e.Epoch
			fold = store.NewState(h, fold.All())
		}
		fold, err = fold.Apply(e)
		require.NoError(t, err)
	}
	require.Empty(t, store.Diff(fold, state, ""), "the documents are not the fold of the log")
}

func count(acknowledged map[store.Hash]store.Durability, d store.Durability) int {
	n := 0
	for _, got := range acknowledged {
		if got == d {
			n++
		}
	}
	return n
}

// follow watches from a cursor until the test ends; what it sees goes to the function returned.
func follow(t *testing.T, s store.Store, scope string, after store.Cursor) (seen func() []store.Entry, ended func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var entries []store.Entry
	var failed error
	var wait sync.WaitGroup
	wait.Go(func() {
		for e, err := range s.Watch(ctx, scope, after) {
			mu.Lock()
			if err != nil {
				failed = err
			} else {
				entries = append(entries, e)
			}
			mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
	seen = func() []store.Entry {
		mu.Lock()
		defer mu.Unlock()
		return append([]store.Entry(nil), entries...)
	}
	ended = func() error {
		mu.Lock()
		defer mu.Unlock()
		return failed
	}
	return seen, ended
}

const patience = 20 * time.Second

func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	require.Eventually(t, fn, patience, 5*time.Millisecond, what)
}

func TestServer(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("everysec"))
	suite(t, server.URL())
	t.Run("idempotency ends after a day", func(t *testing.T) {
		s := open(t, server.URL(), own())
		w := newWriter(t, s, "p")
		txn := w.seal()
		txn.Idempotency = &store.Idempotency{Key: "key", Request: store.Hash{1}, Answer: []byte("answer")}
		_, err := s.Commit(t.Context(), txn)
		require.NoError(t, err)
		r, found, err := s.Recorded(t.Context(), "p", "key")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, store.Record{Request: store.Hash{1}, Answer: []byte("answer"), Revision: 1}, r)

		ends := s.keys.idemEnd("p")
		score := server.Must("ZSCORE", ends, idemID("key"))
		now := strings.Split(server.Must("TIME"), "\n")[0]
		require.Equal(t, "1", server.Must("EVAL", "local left = tonumber(ARGV[1]) / 1000 - tonumber(ARGV[2]); return (left > 86390 and left < 86410) and 1 or 0", "0", score, now))
		server.Must("ZADD", ends, "1", idemID("key"))
		_, found, err = s.Recorded(t.Context(), "p", "key")
		require.NoError(t, err)
		require.False(t, found, "a day later")
		w.state, err = w.state.Apply(txn.Entry)
		require.NoError(t, err)
		w.commit()
		require.Equal(t, "0", server.Must("HLEN", s.keys.idem("p")), "the next commit removes what has expired")
	})
	t.Run("hostile names", func(t *testing.T) { hostileNames(t, server) })
	t.Run("hostile content", func(t *testing.T) { hostileContent(t, server) })
	t.Run("compaction", func(t *testing.T) { compaction(t, server) })
	t.Run("no replica and no synced file", func(t *testing.T) {
		require.Equal(t, store.Unconfirmed, newWriter(t, open(t, server.URL(), own()), "p").commit().Durability)
		r, err := open(t, server.URL(), own()).Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, store.Report{Backend: "redis"}, r)
	})
	t.Run("scripts that the server forgot", func(t *testing.T) {
		w := newWriter(t, open(t, server.URL(), own()), "p")
		w.commit()
		server.Must("SCRIPT", "FLUSH")
		w.commit()
		require.EqualValues(t, 2, w.state.Head().Revision)
	})
	t.Run("a read under writes", func(t *testing.T) { readUnderWrites(t, server.URL()) })
	t.Run("a context that ends", func(t *testing.T) {
		s := open(t, server.URL(), own())
		newWriter(t, s, "p").commit()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		for e, err := range s.Watch(ctx, "p", store.Cursor{}) {
			if err == nil {
				require.EqualValues(t, 1, e.Revision)
				cancel()
				continue
			}
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
		require.Less(t, time.Since(began), 5*time.Second)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	})
}
