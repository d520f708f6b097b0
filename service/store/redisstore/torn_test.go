package redisstore

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// tear kills a server and takes the end of its last commit from its file, as when it is killed while it writes: what is left is a transaction that begins and does
// not end, with the entry in the log, the document, and half of the head.
func tear(t *testing.T, server *redistest.Server) {
	t.Helper()
	server.Kill9()
	server.TruncateAOF(60)
	server.Restart()
}

// TestTorn: Redis cuts the torn command from its file and keeps the beginning of the transaction, which the next commit's end would complete when it starts
// a second time. By then the file has been written anew, and until then nothing is called confirmed.
func TestTorn(t *testing.T) {
	for name, elsewhere := range map[string]bool{"the same scope goes on": false, "another scope goes on": true} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, redistest.AppendOnly("always"))
			s := open(t, server.URL(), Options{})
			w, other := newWriter(t, s, "p"), newWriter(t, s, "other")
			for range 5 {
				w.commit()
				other.commit()
			}
			kept := w.state
			w.commit()
			tear(t, server)
			head := w.head()
			require.Equal(t, store.Head{Epoch: 2, Revision: kept.Head().Revision, Hash: kept.Head().Hash}, head)
			w.state = store.NewState(head, kept.All())
			w.n += 7 // what comes now is not what was lost
			next := w
			if elsewhere {
				other.head()
				next = other
			}
			sent, acknowledged := map[store.Hash]bool{}, map[store.Hash]store.Durability{}
			eventually(t, "it is confirmed", func() bool {
				done := next.commit()
				acknowledged[done.Head.Hash] = done.Durability
				return done.Durability == store.Confirmed
			})
			server.Restart()

			for _, h := range []*Store{s, open(t, server.URL(), Options{})} {
				for _, x := range []*writer{w, other} {
					log, err := h.Log(t.Context(), x.scope, 0, 1<<20)
					require.NoError(t, err)
					for _, e := range log {
						sent[e.Hash] = true
					}
					require.Len(t, log, int(x.state.Head().Revision))
					state, err := h.Read(t.Context(), x.scope)
					require.NoError(t, err)
					require.Empty(t, store.Diff(x.state, state, ""), "documents that nobody acknowledged")
				}
				requireHistory(t, h, next.scope, sent, acknowledged, store.Confirmed)
			}
			w.s, w.state = s, store.NewState(w.head(), w.state.All())
			w.commit()
		})
	}
}

// TestSlowRewrite: where the file takes long, commits go on, and are unconfirmed until it is done, whoever makes them.
func TestSlowRewrite(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	for range 5 {
		w.commit()
	}
	require.Equal(t, store.Confirmed, w.commit().Durability)
	for i := range 40 {
		server.Must("SET", "other-"+strconv.Itoa(i), "x")
	}
	server.Restart(redistest.Args("--rdb-key-save-delay", "100000")) // microseconds for each key
	began := time.Now()
	require.Equal(t, store.Unconfirmed, w.commit().Durability)
	require.Less(t, time.Since(began), rewriteWithin+time.Second, "commits do not wait longer than that")
	require.EqualValues(t, 1, w.head().Epoch)
	peer := newWriter(t, open(t, server.URL(), Options{}), "p")
	peer.state = w.state
	peer.n = w.n
	require.Equal(t, store.Unconfirmed, peer.commit().Durability, "another process knows as well")
	require.Equal(t, "1", server.Info("persistence", "aof_rewrite_in_progress"), "it runs all the time")
	eventually(t, "it is confirmed once the file is done", func() bool { return peer.commit().Durability == store.Confirmed })
	require.Equal(t, "0", server.Info("persistence", "aof_rewrite_in_progress"))
	require.Empty(t, server.Must("HGET", s.keys.head("p"), "doubt"))
}

// TestRewriteRefused: where the command is taken away an operator is told, and everything else goes on.
func TestRewriteRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"renamed": {"--rename-command", "BGREWRITEAOF", ""},
		"by ACL":  {"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-bgrewriteaof"},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, redistest.AppendOnly("always"), redistest.Args(args...))
			s := open(t, server.URL(), Options{})
			w := newWriter(t, s, "p")
			w.commit()
			r, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Empty(t, r.Warnings)
			server.Restart()
			require.Equal(t, store.Confirmed, w.commit().Durability)
			require.EqualValues(t, 1, w.head().Epoch)
			r, err = s.Check(t.Context())
			require.NoError(t, err)
			require.Contains(t, strings.Join(r.Warnings, "\n"), "BGREWRITEAOF")
		})
	}
}

// TestTornComesBack: where a server dies a second time before its file is written anew, half of a commit that nobody acknowledged is in the log, and in the way of
// every other. It is taken back, with its idempotency record: who sends it again is not told that it was done.
func TestTornComesBack(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	for range 60 { // more than there are documents, so that some had been there before
		w.commit()
	}
	txn := w.seal()
	k := store.Key{Collection: "flag", ID: "new"}
	e, err := store.Seal(w.state.Head(), store.Meta{Actor: "token:1", Verb: "flag.create", Target: "flag/new"}, append(txn.Entry.Changes, store.Change{Key: k, After: []byte("{}")}))
	require.NoError(t, err)
	txn.Entry, txn.Idempotency = e, &store.Idempotency{Key: "again"}
	_, err = s.Commit(t.Context(), txn)
	require.NoError(t, err)
	tear(t, server)
	server.Must("EVAL", "redis.call('SET', 'a', '1') redis.call('SET', 'b', '1')", "0") // before anybody has the file written anew
	server.Restart()
	require.Equal(t, "1", server.Must("HEXISTS", s.keys.docs("p"), field(k)), "it is back")
	_, found, err := s.Recorded(t.Context(), "p", "again")
	require.NoError(t, err)
	require.True(t, found)

	w.state = store.NewState(w.head(), w.state.All())
	w.n += 3
	eventually(t, "commits are possible again", func() bool {
		txn := w.seal()
		_, err := s.Commit(t.Context(), txn)
		if err != nil {
			require.ErrorIs(t, err, store.ErrUnavailable)
			return false
		}
		w.state, err = w.state.Apply(txn.Entry)
		require.NoError(t, err)
		return true
	})
	_, found, err = s.Recorded(t.Context(), "p", "again")
	require.NoError(t, err)
	require.False(t, found)
	state, err := s.Read(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, store.Diff(w.state, state, ""))
	log, err := s.Log(t.Context(), "p", 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, int(w.state.Head().Revision))
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "taken back")
	require.NotContains(t, strings.Join(r.Warnings, "\n"), "do not belong together")
}

// TestNotAChain: whatever made the log, the documents and the head differ, it is said, and what is there is served.
func TestNotAChain(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	for name, test := range map[string]struct {
		harm func(t *testing.T, s *Store, w *writer)
		want string
	}{
		"an entry of another history after the head": {func(t *testing.T, s *Store, w *writer) {
			other := newWriter(t, open(t, server.URL(), own()), "p")
			other.n += 3
			for range 5 {
				other.commit()
			}
			e := other.seal().Entry
			server.Must("XADD", s.keys.log("p"), "0-6", "h", e.Hash.String(), "e", encoded(t, store.Txn{Entry: e}))
		}, "revision 6, which is not committed"},
		"an entry that is gone":               {func(_ *testing.T, s *Store, _ *writer) { server.Must("XDEL", s.keys.log("p"), "0-5") }, "revision 4 where 5 belongs"},
		"an entry that is gone in the middle": {func(_ *testing.T, s *Store, _ *writer) { server.Must("XDEL", s.keys.log("p"), "0-3") }, "revision 2 where 3 belongs"},
		"a document that somebody changed": {func(_ *testing.T, s *Store, _ *writer) {
			server.Must("HSET", s.keys.docs("p"), "flag\x00f3", "{}")
		}, "flag/f3 is not what revision 3 made of it"},
		"a document that somebody deleted": {func(_ *testing.T, s *Store, _ *writer) { server.Must("HDEL", s.keys.docs("p"), "flag\x00f1") }, "flag/f1"},
		"a log that somebody deleted":      {func(_ *testing.T, s *Store, _ *writer) { server.Must("DEL", s.keys.log("p")) }, "the log ends"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := own()
			var said said
			opts.Logger = slog.New(slog.NewTextHandler(&said, nil))
			s := open(t, server.URL(), opts)
			w := newWriter(t, s, "p")
			for range 5 {
				w.commit()
			}
			_, err := s.Reconcile(t.Context(), "p", store.Head{})
			require.NoError(t, err)
			sound, err := s.audit(t.Context(), "p")
			require.NoError(t, err)
			require.Empty(t, sound)
			test.harm(t, s, w)
			fresh := open(t, server.URL(), opts)
			_, err = fresh.Reconcile(t.Context(), "p", store.Head{})
			require.NoError(t, err)
			eventually(t, "Check says so", func() bool {
				r, err := fresh.Check(t.Context())
				require.NoError(t, err)
				return strings.Contains(strings.Join(r.Warnings, "\n"), test.want)
			})
			require.Contains(t, said.String(), "THE STORE IS DAMAGED")
			_, err = fresh.Read(t.Context(), "p")
			require.NoError(t, err, "it is served")
		})
	}
}

// said collects what is logged.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *said) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *said) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
