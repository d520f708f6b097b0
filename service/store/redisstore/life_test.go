package redisstore

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// eager begins a new store at once.
func eager() Options { return Options{Conception: -1} }

// filled is a process that knows data.
func filled(t *testing.T, server *redistest.Server) (*Store, *writer) {
	t.Helper()
	s := open(t, server.URL(), eager())
	system, w := newWriter(t, s, store.System), newWriter(t, s, "p")
	for range 5 {
		system.commit()
		w.commit()
	}
	return s, w
}

// requireRefused: every call that would read, or begin anew, is refused, with the line that an operator needs.
func requireRefused(t *testing.T, s *Store, scopes ...string) {
	t.Helper()
	for _, scope := range scopes {
		_, err := s.Head(t.Context(), scope)
		require.ErrorIs(t, err, store.ErrEmptied, scope)
		require.ErrorContains(t, err, "dimmer adopt --store "+s.address)
		_, err = s.Read(t.Context(), scope)
		require.ErrorIs(t, err, store.ErrEmptied, scope)
		_, err = s.Reconcile(t.Context(), scope, store.Head{})
		require.ErrorIs(t, err, store.ErrEmptied, scope)
		_, err = s.Commit(t.Context(), newWriter(t, s, scope).seal())
		require.ErrorIs(t, err, store.ErrEmptied, scope)
	}
}

// TestLossOutlivesProcesses: what one process missed is refused by those that start later and know nothing, until an operator adopts it.
func TestLossOutlivesProcesses(t *testing.T) {
	server := redistest.Start(t, redistest.Args("--requirepass", "s3cret"))
	url := "redis://:s3cret@" + server.Addr
	do := func(args ...string) { // the server's own connections have no password
		s := open(t, url, Options{})
		require.NoError(t, s.client.Do(t.Context(), anys(args)...).Err())
	}
	s := open(t, url, eager())
	newWriter(t, s, store.System).commit()
	newWriter(t, s, "p").commit()
	do("FLUSHALL")
	_, err := s.Head(t.Context(), store.System)
	require.ErrorIs(t, err, store.ErrEmptied)
	require.NoError(t, s.Close())
	for range 2 { // also when all were restarted, twice
		fresh := open(t, url, eager())
		requireRefused(t, fresh, store.System, "p", "new")
		_, err = fresh.Head(t.Context(), store.System)
		require.ErrorContains(t, err, `revision 1 of "_system" was known`)
		require.NotContains(t, err.Error(), "s3cret")
		r, err := fresh.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, strings.Join(r.Warnings, "\n"), "dimmer adopt")
	}
	running := open(t, url, eager())
	require.NoError(t, open(t, url, Options{}).Adopt(t.Context()))
	for _, h := range []*Store{running, open(t, url, Options{})} {
		head, err := h.Head(t.Context(), store.System)
		require.NoError(t, err)
		require.Zero(t, head)
	}
	began := time.Now()
	newWriter(t, open(t, url, Options{}), store.System).commit()
	require.Less(t, time.Since(began), conception, "an adopted store is not doubted")
	newWriter(t, running, "p").commit()
	r, err := running.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{noAOF}, r.Warnings)
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// TestAnotherStore: a store that somebody began anew at the same address is not followed by those who know better, and what they know does not change it, until it is
// adopted: then they are told by a higher epoch.
func TestAnotherStore(t *testing.T) {
	server := redistest.Start(t)
	s, w := filled(t, server)
	var mu sync.Mutex
	epochs := 0
	mirror := store.NewMirror(s, "p", store.MirrorOptions{OnEpoch: func(_, _ *store.State) {
		mu.Lock()
		defer mu.Unlock()
		epochs++
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = mirror.Run(ctx) }) // ends with ctx
	<-mirror.Ready()
	known := w.state.Head()
	require.Equal(t, known, mirror.State().Head())

	aside := open(t, server.URL()+"/1", eager())
	system, other := newWriter(t, aside, store.System), newWriter(t, aside, "p")
	for range 2 { // fewer than were known, so that the scopes seem to have gone back
		system.commit()
		other.commit()
	}
	server.Must("SWAPDB", "0", "1") // at once: nobody sees it empty
	fresh := open(t, server.URL(), eager())
	system.s, other.s = fresh, fresh
	requireStays := func() {
		t.Helper()
		for _, scope := range []string{store.System, "p"} {
			_, err := s.Head(t.Context(), scope)
			require.ErrorIs(t, err, store.ErrEmptied)
			require.ErrorContains(t, err, "another store")
			_, err = s.Reconcile(t.Context(), scope, known)
			require.ErrorIs(t, err, store.ErrEmptied)
		}
		_, err := s.Commit(t.Context(), newWriter(t, s, "new").seal())
		require.ErrorIs(t, err, store.ErrEmptied)
		require.Equal(t, other.state.Head(), other.head(), "nobody raised its epoch")
		require.Equal(t, known, mirror.State().Head())
	}
	eventually(t, "the mirror has noticed", func() bool { return mirror.Err() != nil })
	require.ErrorIs(t, mirror.Err(), store.ErrEmptied)
	requireStays()
	for range 8 { // more than were known
		system.commit()
		other.commit()
	}
	requireStays()
	r, err := fresh.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "a process missed the store")
	require.Zero(t, epochs)

	require.NoError(t, open(t, server.URL(), Options{}).Adopt(t.Context()))
	eventually(t, "the mirror follows", func() bool { return mirror.State().Head().Hash == other.state.Head().Hash })
	require.NoError(t, mirror.Err())
	require.Greater(t, mirror.State().Head().Epoch, known.Epoch)
	mu.Lock()
	require.Equal(t, 1, epochs)
	mu.Unlock()
	r, err = fresh.Check(t.Context())
	require.NoError(t, err)
	require.NotContains(t, strings.Join(r.Warnings, "\n"), "missed")
}

// TestConception: the first commit of a store that looks new waits for those who know better, who are away a moment as everybody is whose Redis was replaced.
func TestConception(t *testing.T) {
	server := redistest.Start(t)
	s, _ := filled(t, server)
	server.Must("FLUSHALL")
	fresh := open(t, server.URL(), Options{})
	var wait sync.WaitGroup
	wait.Go(func() {
		time.Sleep(time.Second) // waits: as long as a process is away at least
		if _, err := s.Head(t.Context(), store.System); err == nil {
			t.Error("it misses nothing")
		}
	})
	_, err := fresh.Commit(t.Context(), newWriter(t, fresh, store.System).seal())
	require.ErrorIs(t, err, store.ErrEmptied)
	wait.Wait()
	require.Equal(t, s.keys.record(), server.Must("KEYS", "*"))

	server.Must("FLUSHALL") // really new, or nobody is left
	server.Must("SET", s.keys.adopted(), "old")
	fresh = open(t, server.URL(), Options{Prefix: "other"})
	began := time.Now()
	newWriter(t, fresh, store.System).commit()
	require.GreaterOrEqual(t, time.Since(began), conception)
	began = time.Now()
	newWriter(t, fresh, "p").commit()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = open(t, server.URL(), Options{Prefix: "third"}).Commit(ctx, newWriter(t, fresh, store.System).seal())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), conception)
}

// TestScopeLost: a project that is gone while the system scope is there is missed by everyone, and holds up nothing else.
func TestScopeLost(t *testing.T) {
	for name, noticed := range map[string]bool{"somebody noticed": true, "nobody was there": false} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s, _ := filled(t, server)
			server.Must("DEL", s.keys.head("p"), s.keys.docs("p"), s.keys.log("p"))
			if noticed {
				_, err := s.Head(t.Context(), "p")
				require.ErrorIs(t, err, store.ErrEmptied)
			}
			fresh := open(t, server.URL(), Options{})
			requireRefused(t, fresh, "p")
			_, err := fresh.Head(t.Context(), store.System)
			require.NoError(t, err)
			newWriter(t, fresh, "new").commit()
			require.NoError(t, open(t, server.URL(), Options{}).Adopt(t.Context()))
			newWriter(t, fresh, "p").commit()
			_, err = s.Head(t.Context(), "p")
			require.NoError(t, err)
			_, err = s.Head(t.Context(), "new")
			require.NoError(t, err)
		})
	}
}

// TestWithoutRecord: a store that an earlier version made gets its record from whoever sees it, and nobody takes it for another.
func TestWithoutRecord(t *testing.T) {
	server := redistest.Start(t)
	s, w := filled(t, server)
	forget := func() {
		server.Must("DEL", s.keys.record())
		server.Must("HDEL", s.keys.head(store.System), "birth")
		server.Must("HDEL", s.keys.head("p"), "birth")
	}
	birth := server.Must("HGET", s.keys.record(), "birth")
	forget()
	w.commit()
	_, err := s.Head(t.Context(), store.System)
	require.NoError(t, err)
	require.Equal(t, birth, server.Must("HGET", s.keys.record(), "birth"), "who knows it writes it down again")
	forget()
	fresh := open(t, server.URL(), Options{})
	head, err := fresh.Head(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, w.state.Head(), head)
	_, err = fresh.Reconcile(t.Context(), store.System, store.Head{})
	require.NoError(t, err)
	require.Len(t, server.Must("HGET", s.keys.record(), "birth"), 32)
	require.Equal(t, "1", server.Must("HGET", s.keys.record(), "scope:p"))
	newWriter(t, fresh, "q").commit()
	server.Must("FLUSHALL")
	_, err = fresh.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrEmptied)
}

// TestOlderDump: a Redis that is restored from an older dump of itself is followed, in a new epoch.
func TestOlderDump(t *testing.T) {
	server := redistest.Start(t)
	s, w := filled(t, server)
	server.Must("SAVE")
	dump := filepath.Join(server.Dir(), "dump.rdb")
	older, err := os.ReadFile(dump)
	require.NoError(t, err)
	kept := w.state.Head()
	w.commit()
	server.Kill9()
	require.NoError(t, os.WriteFile(dump, older, 0o600))
	server.Restart()
	head, err := s.Reconcile(t.Context(), "p", w.state.Head())
	require.NoError(t, err)
	require.Equal(t, store.Head{Epoch: 2, Revision: kept.Revision, Hash: kept.Hash}, head)
	_, err = s.Head(t.Context(), store.System)
	require.NoError(t, err)
}

// TestOlderAdoption: an adoption that an older dump brings back is not about what the dump lacks.
func TestOlderAdoption(t *testing.T) {
	server := redistest.Start(t)
	s, _ := filled(t, server)
	require.NoError(t, s.Adopt(t.Context()))
	word := server.Must("GET", s.keys.adopted())
	require.NoError(t, s.Adopt(t.Context()))
	require.Greater(t, server.Must("GET", s.keys.adopted()), word)
	newWriter(t, s, "later").commit()
	server.Must("SET", s.keys.adopted(), word)
	server.Must("DEL", s.keys.head("later"), s.keys.docs("later"), s.keys.log("later"))
	_, err := s.Head(t.Context(), "later")
	require.ErrorIs(t, err, store.ErrEmptied)
}

// TestRestoreWhereLost: a backup that is restored into a store that was emptied is followed by those who missed it, at once and never half.
func TestRestoreWhereLost(t *testing.T) {
	server := redistest.Start(t)
	s, w := filled(t, server)
	var backup bytes.Buffer
	require.NoError(t, store.Backup(t.Context(), s, &backup, time.Now()))
	kept := w.state.Head()
	w.commit()
	known := w.state.Head()
	server.Must("FLUSHALL")
	_, err := s.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrEmptied)

	half := open(t, server.URL(), Options{})
	require.Error(t, func() error {
		_, err := store.Restore(t.Context(), half, bytes.NewReader(backup.Bytes()[:backup.Len()-10]))
		return err
	}())
	requireRefused(t, open(t, server.URL(), eager()), store.System)
	_, err = s.Reconcile(t.Context(), "p", known)
	require.ErrorIs(t, err, store.ErrEmptied)

	operator := pausing{open(t, server.URL(), Options{}), func() {
		_, err := s.Reconcile(t.Context(), "p", known)
		require.ErrorIs(t, err, store.ErrEmptied, "not before all of it is there")
	}}
	_, err = store.Restore(t.Context(), operator, bytes.NewReader(backup.Bytes()))
	require.NoError(t, err)
	head, err := s.Reconcile(t.Context(), "p", known)
	require.NoError(t, err)
	require.Greater(t, head.Epoch, known.Epoch)
	require.Equal(t, kept.Revision, head.Revision)
	_, err = s.Head(t.Context(), store.System)
	require.NoError(t, err)
	fresh := open(t, server.URL(), Options{})
	again, err := fresh.Head(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, head, again)
}

// pausing calls fn after each scope that was imported.
type pausing struct {
	*Store
	fn func()
}

func (p pausing) Import(ctx context.Context, scope string, r io.Reader, raise bool) error {
	defer p.fn()
	return p.Store.Import(ctx, scope, r, raise)
}
