package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// hostileNames: whatever people call things, scopes stay apart and keys stay well-formed.
func hostileNames(t *testing.T, server *redistest.Server) {
	s := open(t, server.URL(), own())
	names := []string{
		"a b", "a%20b", "a%2520b", "a:head", "a", "A", "*", "?", "[a]", "ü", "\u202e", "import-00", `"]; redis.call('FLUSHALL') --`, "%s%d", "..", "\r",
		strings.Repeat("x", store.MaxKey), "-inf", "+", "$", "_system",
	}
	for i, name := range names {
		w := newWriter(t, s, name)
		for range i%3 + 1 {
			w.commit()
		}
		k := store.Key{Collection: name, ID: name + "\r\n*3\r\n" + name}
		if len(k.ID) <= store.MaxKey {
			e, err := store.Seal(w.state.Head(), store.Meta{}, []store.Change{{Key: k, After: []byte(name)}})
			require.NoError(t, err)
			_, err = s.Commit(t.Context(), store.Txn{Scope: name, Base: w.state.Head(), Entry: e, Idempotency: &store.Idempotency{Key: name + "\x00\xff"}})
			require.NoError(t, err)
			state, err := s.Read(t.Context(), name)
			require.NoError(t, err)
			got, found := state.Get(k)
			require.True(t, found)
			require.Equal(t, name, string(got))
			_, found, err = s.Recorded(t.Context(), name, name+"\x00\xff")
			require.NoError(t, err)
			require.True(t, found)
		}
		require.NoError(t, s.PutPresence(t.Context(), name, k.ID, []byte(name), time.Hour))
		here, err := s.Presence(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{k.ID: []byte(name)}, here)
	}
	scopes, err := s.Scopes(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, names, scopes)
	formed := regexp.MustCompile(`^` + s.opts.Prefix + `:\{[A-Za-z0-9_.%-]+\}:[a-z-]+$`)
	for key := range strings.SplitSeq(server.Must("KEYS", s.opts.Prefix+":*"), "\n") {
		require.Regexp(t, formed, key)
	}
	for _, name := range []string{"", "a{b}", "a}", "a\x00", "a\nb", "\xff", strings.Repeat("x", store.MaxKey+1)} {
		_, err := s.Head(t.Context(), name)
		require.Error(t, err, "%q", name)
		require.NotErrorIs(t, err, store.ErrUnavailable)
	}
}

// hostileContent: what somebody else wrote into Redis is not taken for data, and a commit that finds it writes nothing.
func hostileContent(t *testing.T, server *redistest.Server) {
	defect := func(t *testing.T, err error) {
		t.Helper()
		require.Error(t, err)
		require.NotErrorIs(t, err, store.ErrUnavailable)
		require.Equal(t, feature.CodeInternal, feature.CodeOf(err), "%v", err)
	}
	begin := func(t *testing.T) (*Store, *writer) {
		s := open(t, server.URL(), own())
		w := newWriter(t, s, "p")
		w.commit()
		w.commit()
		return s, w
	}
	for name, entry := range map[string]func(w *writer) (h, e string){
		"an entry that is no JSON":  func(*writer) (string, string) { return "", "{" },
		"an entry of nobody":        func(*writer) (string, string) { return strings.Repeat("0", 64), "{}" },
		"an entry without its hash": func(w *writer) (string, string) { e := encoded(t, w.seal()); return "", e },
		"an entry that was altered": func(w *writer) (string, string) {
			x := w.seal()
			return x.Entry.Hash.String(), strings.Replace(encoded(t, x), "flag.edit", "flag.make", 1)
		},
		"an entry that stands wrong": func(w *writer) (string, string) {
			w.commit()
			x := w.seal()
			return x.Entry.Hash.String(), encoded(t, x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := begin(t)
			h, e := entry(w)
			seen, ended := follow(t, s, "p", store.Cursor{Epoch: 1, Revision: 2})
			id := entryID(w.state.Head().Revision + 1)
			if strings.Contains(name, "wrong") {
				id = entryID(w.state.Head().Revision + 2)
			}
			server.Must("XADD", s.keys.log("p"), id, "h", h, "e", e)
			eventually(t, "the watch ends", func() bool { return ended() != nil })
			defect(t, ended())
			for _, e := range seen() {
				require.LessOrEqual(t, e.Revision, w.state.Head().Revision, "only what was committed")
			}
			before, err := s.Read(t.Context(), "p")
			require.NoError(t, err)
			_, err = s.Commit(t.Context(), w.seal())
			require.Error(t, err, "the revision is taken")
			after, err := s.Read(t.Context(), "p")
			require.NoError(t, err)
			require.Equal(t, before.Head(), after.Head())
			require.Empty(t, store.Diff(before, after, ""))
		})
	}
	t.Run("an entry that follows another", func(t *testing.T) {
		s, w := begin(t)
		other := newWriter(t, open(t, server.URL(), own()), "p")
		other.commit()
		other.commit()
		x := other.seal()
		seen, ended := follow(t, s, "p", w.state.Head().Cursor())
		server.Must("XADD", s.keys.log("p"), entryID(3), "h", x.Entry.Hash.String(), "e", encoded(t, x))
		eventually(t, "the watch ends", func() bool { return ended() != nil })
		require.ErrorIs(t, ended(), store.ErrEpoch, "it is a well-formed entry of another history")
		require.Empty(t, seen())
	})
	for name, args := range map[string][]string{
		"a head without a number":         {"HSET", "head", "revision", "two"},
		"a head with another hash's form": {"HSET", "head", "hash", "ABC"},
		"a checkpoint beyond the head":    {"HSET", "head", "cp_revision", "9", "cp_epoch", "1", "cp_hash", strings.Repeat("0", 64)},
		"a document without a key":        {"HSET", "docs", "nobody", "{}"},
		"a document without a body":       {"HSET", "docs", "a\x00b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := begin(t)
			args[1] = s.keys.key("p", args[1])
			server.Must(args...)
			_, err := s.Read(t.Context(), "p")
			defect(t, err)
		})
	}
	t.Run("a record that is too short", func(t *testing.T) {
		s, _ := begin(t)
		server.Must("HSET", s.keys.idem("p"), idemID("k"), "short")
		server.Must("ZADD", s.keys.idemEnd("p"), "9e15", idemID("k"))
		_, _, err := s.Recorded(t.Context(), "p", "k")
		defect(t, err)
	})
	t.Run("keys of another kind", func(t *testing.T) {
		s, w := begin(t)
		server.Must("DEL", s.keys.docs("p"))
		server.Must("SET", s.keys.docs("p"), "x")
		_, err := s.Read(t.Context(), "p")
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.NotContains(t, err.Error(), "Operation against", "Redis is not quoted")
		_ = w
	})
}

func encoded(t *testing.T, txn store.Txn) string {
	t.Helper()
	s := &Store{}
	args, err := s.commitArgs(txn, "")
	require.NoError(t, err)
	return string(args[5].([]byte))
}

// compaction: what is dropped was archived, once all of it is archived; what fails keeps the log.
func compaction(t *testing.T, server *redistest.Server) {
	var mu sync.Mutex
	var archived []store.Entry
	var broken error
	opts := own()
	opts.Archive = func(_ context.Context, scope string, entries []store.Entry) error {
		mu.Lock()
		defer mu.Unlock()
		if broken != nil {
			return broken
		}
		archived = append(archived, entries...)
		return nil
	}
	opts.Clock = func() time.Time { return time.Now().Add(time.Hour) }
	s := open(t, server.URL(), opts)
	w := newWriter(t, s, "p")
	for range 300 {
		w.commit()
	}
	keep := store.Retention{Age: time.Minute, Entries: 100}
	broken = errors.New("the disk is full")
	require.ErrorIs(t, s.Compact(t.Context(), "p", keep), broken)
	log, err := s.Log(t.Context(), "p", 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, 300, "nothing was dropped")

	broken = nil
	seen, ended := follow(t, s, "p", store.Cursor{Epoch: 1, Revision: 200})
	peer := open(t, server.URL(), opts)
	var wait sync.WaitGroup
	for _, h := range []*Store{s, peer} {
		wait.Go(func() {
			if err := h.Compact(t.Context(), "p", keep); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	log, err = s.Log(t.Context(), "p", 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, 100)
	distinct := map[int64]bool{}
	for _, e := range archived {
		distinct[e.Revision] = true
	}
	require.Len(t, distinct, 200)
	eventually(t, "a watch within the log goes on", func() bool { return len(seen()) == 100 })
	require.NoError(t, ended())
	require.NoError(t, s.Compact(t.Context(), "p", store.Retention{}))
	log, err = s.Log(t.Context(), "p", 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, 1, "the newest stays")
	w.commit()
	head, err := s.Reconcile(t.Context(), "p", log[0].Head())
	require.NoError(t, err)
	require.Equal(t, w.state.Head(), head)
}

// readUnderWrites: every read is one cut, though it takes many answers of Redis.
func readUnderWrites(t *testing.T, url string) {
	s := open(t, url, own())
	w := newWriter(t, s, "p")
	var changes []store.Change
	for i := range 3000 {
		changes = append(changes, store.Change{Key: store.Key{Collection: "bulk", ID: fmt.Sprint(i)}, After: []byte(strings.Repeat("x", 100))})
	}
	e, err := store.Seal(store.Head{}, store.Meta{}, changes)
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Txn{Scope: "p", Entry: e})
	require.NoError(t, err)
	w.state, err = w.state.Apply(e)
	require.NoError(t, err)

	var mu sync.Mutex
	states := map[store.Head]*store.State{w.state.Head(): w.state}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			id := fmt.Sprint(n * 7 % 3000)
			k := store.Key{Collection: "bulk", ID: id}
			before, _ := w.state.Get(k)
			c := store.Change{Key: k, Before: before, After: fmt.Append(nil, n)}
			if n%5 == 0 && before != nil {
				c.After = nil
			}
			e, err := store.Seal(w.state.Head(), store.Meta{}, []store.Change{c})
			if err == nil {
				var next *store.State
				if next, err = w.state.Apply(e); err == nil {
					mu.Lock()
					states[next.Head()] = next
					mu.Unlock()
					_, err = s.Commit(t.Context(), store.Txn{Scope: "p", Base: w.state.Head(), Entry: e})
					w.state = next
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	moved := 0
	for range 30 {
		state, err := s.Read(t.Context(), "p")
		require.NoError(t, err)
		mu.Lock()
		want := states[state.Head()]
		mu.Unlock()
		require.NotNil(t, want)
		require.Empty(t, store.Diff(want, state, ""))
		require.Equal(t, want.Len(), state.Len())
		if state.Head().Revision > 1 {
			moved++
		}
	}
	cancel()
	wait.Wait()
	require.NotZero(t, moved)
}
