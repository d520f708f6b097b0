package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// writes is how many commits a fault has to survive.
const writes = 2000

// longestGap is how long a failover may keep writes from being acknowledged.
const longestGap = 5 * time.Second

func TestReplicas(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{WaitTimeout: 300 * time.Millisecond})
	w := newWriter(t, s, "p")
	require.Equal(t, store.Unconfirmed, w.commit().Durability, "no replica, nothing on disk")

	replica := redistest.StartReplica(t, server)
	second := redistest.StartReplica(t, server)
	eventually(t, "the replicas are counted", func() bool { return w.commit().Durability == store.Confirmed })
	require.EqualValues(t, 1, w.state.Head().Epoch, "the first replica gives the primary another replication id")
	for _, r := range []*redistest.Server{replica, second} {
		require.Equal(t, server.Must("HGET", s.keys.head("p"), "hash"), r.Must("HGET", s.keys.head("p"), "hash"), "confirmed: it is there")
	}
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, r.Replicas)

	replica.Stop()
	began := time.Now()
	require.Equal(t, store.Unconfirmed, w.commit().Durability, "one of two has it, and the other may be promoted")
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	require.Less(t, time.Since(began), 3*time.Second)
	var others sync.WaitGroup
	for i := range 8 { // WAIT on another connection than the write's would say that all is well
		others.Go(func() {
			txn := newWriter(t, s, fmt.Sprint("other", i)).seal()
			if done, err := s.Commit(t.Context(), txn); err != nil || done.Durability != store.Unconfirmed {
				t.Error(done, err)
			}
		})
	}
	others.Wait()
	replica.Cont()
	eventually(t, "it is confirmed again", func() bool { return w.commit().Durability == store.Confirmed })

	replica.Kill9()
	eventually(t, "the one that is left is enough", func() bool { return w.commit().Durability == store.Confirmed })
	strict := open(t, server.URL(), Options{MinReplicas: 2})
	x := newWriter(t, strict, "q")
	require.Equal(t, store.Unconfirmed, x.commit().Durability, "the floor is two")
	second.Kill9()
	eventually(t, "none is not enough", func() bool { return w.commit().Durability == store.Unconfirmed })
	require.Equal(t, w.state.Head(), w.head())
}

func (w *writer) head() store.Head {
	w.t.Helper()
	head, err := w.s.Head(w.t.Context(), w.scope)
	require.NoError(w.t, err)
	return head
}

// TestKill9: a server that syncs its file before it answers is killed under writes. What it acknowledged is there, and its epoch stays.
func TestKill9(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	var killed sync.WaitGroup
	kills := 0
	w.repair = func() {
		killed.Wait()
		server.Restart()
	}
	sent, acknowledged, gap := w.write(t.Context(), writes, func(i int) {
		if i%500 != 250 {
			return
		}
		kills++
		after := time.Duration(rand.IntN(2000)) * time.Microsecond
		killed.Go(func() {
			time.Sleep(after) // waits: to kill at a moment that nothing chose
			server.Kill9()
		})
	})
	killed.Wait()
	require.Equal(t, 4, kills)
	require.Equal(t, len(acknowledged), count(acknowledged, store.Confirmed), "on disk before the answer")
	requireHistory(t, s, "p", sent, acknowledged, store.Confirmed)
	require.EqualValues(t, 1, w.head().Epoch, "it continues what is known")
	t.Logf("%d kills: %d commits sent, %d acknowledged, %d stored; the longest time without one %v", kills, len(sent), len(acknowledged), w.head().Revision, gap)
}

// TestRestart: a plain restart keeps the epoch, and who watches goes on from the last entry.
func TestRestart(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	for range 20 {
		w.commit()
	}
	seen, ended := follow(t, s, "p", store.Cursor{})
	eventually(t, "the watch has caught up", func() bool { return len(seen()) == 20 })
	mirror := store.NewMirror(s, "p", store.MirrorOptions{OnEpoch: func(_, _ *store.State) { t.Error("a new epoch") }})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := mirror.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	<-mirror.Ready()

	server.Kill9()
	eventually(t, "the watch ends", func() bool { return ended() != nil })
	require.ErrorIs(t, ended(), store.ErrUnavailable)
	_, err := s.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Commit(t.Context(), w.seal())
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Scopes(t.Context())
	require.ErrorIs(t, err, store.ErrUnavailable, "unavailable is not empty")
	_, err = Open(t.Context(), server.URL(), Options{})
	require.ErrorIs(t, err, store.ErrUnavailable)
	server.Restart()

	seen, _ = follow(t, s, "p", w.state.Head().Cursor())
	w.commit()
	eventually(t, "the watch goes on", func() bool { return len(seen()) == 1 })
	require.Equal(t, w.state.Head(), seen()[0].Head())
	require.EqualValues(t, 1, w.head().Epoch)
	state, err := mirror.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.state.Head(), state.Head())
	require.Empty(t, store.Diff(w.state, state, ""))

	cancel()

	// Somebody who knows nothing cannot vouch for a server whose lineage is new: whoever comes to it first raises the epoch.
	gone := open(t, server.URL(), Options{})
	x := newWriter(t, gone, "q") // nobody else knows this one
	x.commit()
	require.NoError(t, gone.Close())
	server.Restart()
	fresh := open(t, server.URL(), Options{})
	_, err = fresh.Commit(t.Context(), x.seal())
	require.ErrorIs(t, err, store.ErrConflict, "nor does it commit before that")
	head, err := fresh.Head(t.Context(), "q")
	require.NoError(t, err)
	require.EqualValues(t, 2, head.Epoch)
	require.Equal(t, x.state.Head().Hash, head.Hash)
	x.s = s
	require.Equal(t, head, x.head(), "once")
}

// TestTruncated: a server that comes back without its newest writes gets a new epoch, from whoever knew them.
func TestTruncated(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s, lagging := open(t, server.URL(), Options{}), open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	for range 10 {
		w.commit()
	}
	_, err := lagging.Head(t.Context(), "p")
	require.NoError(t, err)
	for range 10 {
		w.commit()
	}
	known := w.state.Head()
	seen, ended := follow(t, s, "p", known.Cursor())
	server.Shutdown()
	server.TruncateAOF(1500)
	server.Restart()

	// A process that had seen less may come first, and finds nothing wrong; even its commits do not hide the loss from those who know.
	was, err := lagging.Head(t.Context(), "p")
	require.NoError(t, err)
	require.EqualValues(t, 1, was.Epoch)
	require.Greater(t, was.Revision, int64(10))
	require.Less(t, was.Revision, known.Revision)
	state, err := lagging.Read(t.Context(), "p")
	require.NoError(t, err)
	x := newWriter(t, lagging, "p")
	x.state = state
	for x.state.Head().Revision < known.Revision+5 {
		x.commit()
	}

	head, err := s.Reconcile(t.Context(), "p", known)
	require.NoError(t, err)
	require.Equal(t, store.Head{Epoch: 2, Revision: x.state.Head().Revision, Hash: x.state.Head().Hash}, head)
	eventually(t, "the old watch ends", func() bool { return ended() != nil })
	require.True(t, errors.Is(ended(), store.ErrEpoch) || errors.Is(ended(), store.ErrUnavailable), "%v", ended())
	require.Empty(t, seen(), "nothing of the other history came through")
	for _, h := range []*Store{s, lagging, s} {
		again, err := h.Reconcile(t.Context(), "p", known)
		require.NoError(t, err)
		require.Equal(t, head, again, "the epoch is raised once")
	}
	_, err = lagging.Commit(t.Context(), x.seal())
	require.ErrorIs(t, err, store.ErrConflict, "what was made in the old epoch is not taken")
	x.state = store.NewState(head, x.state.All())
	x.commit()
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), `the history of "p" was rewritten`)
}

// TestEmptied: an empty server where there was data is refused by everybody who knows, until an operator adopts it.
func TestEmptied(t *testing.T) {
	server := redistest.Start(t)
	s, peer := open(t, server.URL(), Options{}), open(t, server.URL(), Options{})
	system, w := newWriter(t, s, store.System), newWriter(t, s, "p")
	for range 5 {
		system.commit()
		w.commit()
	}
	_, err := peer.Head(t.Context(), "p")
	require.NoError(t, err)
	_, ended := follow(t, peer, "p", w.state.Head().Cursor())
	server.Must("FLUSHALL")

	refuse := func(s *Store) {
		t.Helper()
		_, err := s.Head(t.Context(), "p")
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Read(t.Context(), "p")
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Log(t.Context(), "p", 0, 10)
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Scopes(t.Context())
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Commit(t.Context(), w.seal())
		require.ErrorIs(t, err, store.ErrEmptied)
		_, _, err = s.Recorded(t.Context(), "p", "key")
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Reconcile(t.Context(), "p", w.state.Head())
		require.ErrorIs(t, err, store.ErrEmptied)
		_, err = s.Commit(t.Context(), newWriter(t, s, "new").seal())
		require.ErrorIs(t, err, store.ErrEmptied, "nothing begins in a store that lost everything")
		_, err = s.Commit(t.Context(), newWriter(t, s, "p").seal())
		require.ErrorIs(t, err, store.ErrEmptied)
	}
	refuse(s)
	refuse(peer)
	eventually(t, "the watch ends", func() bool { return ended() != nil })
	require.ErrorIs(t, ended(), store.ErrEmptied)
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "adopt")
	require.Equal(t, s.keys.record(), server.Must("KEYS", "*"), "nothing was written, but that something is missed")

	// A process that started later knows only what it is told.
	fresh := open(t, server.URL(), Options{})
	_, err = fresh.Reconcile(t.Context(), "p", w.state.Head())
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = fresh.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrEmptied, "and remembers it")

	require.NoError(t, peer.Adopt(t.Context()))
	for _, h := range []*Store{peer, s, fresh} {
		head, err := h.Head(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, head)
	}
	newWriter(t, s, "new").commit()
	known := w.state.Head()
	head, err := s.Reconcile(t.Context(), "p", known)
	require.NoError(t, err)
	require.Equal(t, store.Head{Epoch: known.Epoch + 1}, head, "who was there is told")
	w.state = store.NewState(head, (&store.State{}).All())
	w.commit()
	require.Equal(t, w.state.Head(), w.head())

	server.Must("FLUSHALL") // again: the adoption was for the first time
	_, err = s.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrEmptied)
}

func TestRefused(t *testing.T) {
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		_, err := Open(t.Context(), redistest.Start(t, redistest.MaxMemory("64mb", policy)).URL(), Options{})
		require.ErrorContains(t, err, policy)
		require.ErrorContains(t, err, "noeviction")
		require.NotErrorIs(t, err, store.ErrUnavailable, "no retry helps")
	}
	server := redistest.Start(t, redistest.Args("--requirepass", "s3cret"))
	for _, url := range []string{server.URL(), "redis://:wr0ng@" + server.Addr} {
		_, err := Open(t.Context(), url, Options{})
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.NotContains(t, err.Error(), "wr0ng")
	}
	s := open(t, "redis://:s3cret@"+server.Addr+"/1", Options{})
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{noAOF}, r.Warnings)
}

// TestFull: above 90 % only urgent changes are taken, and those even above the limit.
func TestFull(t *testing.T) {
	server := redistest.Start(t, redistest.MaxMemory("24mb", "noeviction"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	w.commit()
	commit := func(class store.Class, id, text string) error {
		before, _ := w.state.Get(store.Key{Collection: "c", ID: id})
		e, err := store.Seal(w.state.Head(), store.Meta{}, []store.Change{{Key: store.Key{Collection: "c", ID: id}, Before: before, After: []byte(text)}})
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), store.Txn{Scope: "p", Base: w.state.Head(), Entry: e, Class: class})
		if err == nil {
			w.state, err = w.state.Apply(e)
			require.NoError(t, err)
		}
		return err
	}
	var err error
	for i := 0; err == nil; i++ {
		err = commit(store.ClassNormal, fmt.Sprint(i), strings.Repeat("x", 64<<10))
	}
	require.ErrorIs(t, err, store.ErrFull)
	require.Less(t, used(fields(server.Must("INFO", "memory"))), 1.0, "room is left for what is urgent")
	require.NoError(t, commit(store.ClassLowering, "low", "1"))
	require.NoError(t, commit(store.ClassKill, "kill", "1"))

	server.Must("CONFIG", "SET", "maxmemory", "4mb")
	_, err = server.Do("SET", "x", "y")
	require.ErrorContains(t, err, "OOM", "the server is above its limit")
	require.ErrorIs(t, commit(store.ClassNormal, "a", "1"), store.ErrFull)
	require.NoError(t, commit(store.ClassLowering, "low", "2"))
	require.NoError(t, commit(store.ClassKill, "kill", "2"), "a kill is never refused for want of memory")
	state, err := s.Read(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, w.state.Head(), state.Head())
	require.Empty(t, store.Diff(w.state, state, ""))
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "memory")
	server.Must("CONFIG", "SET", "maxmemory", "0")
	eventually(t, "it is noticed", func() bool { return commit(store.ClassNormal, "a", "1") == nil })
}

// TestHung: a server that does not answer is unavailable within the time limit, and the fate of a commit unknown.
func TestHung(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{Timeout: 300 * time.Millisecond})
	w := newWriter(t, s, "p")
	w.commit()
	_, ended := follow(t, s, "p", w.state.Head().Cursor())
	server.Stop()
	began := time.Now()
	_, err := s.Commit(t.Context(), w.seal())
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's time was not up")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Head(ctx, "p")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	eventually(t, "the watch ends", func() bool { return ended() != nil })
	require.ErrorIs(t, ended(), store.ErrUnavailable)
	require.Less(t, time.Since(began), 10*time.Second)
	server.Cont()
	eventually(t, "it answers again", func() bool { _, err := s.Head(t.Context(), "p"); return err == nil })
}

func TestSentinel(t *testing.T) {
	set := redistest.StartSentinel(t, redistest.AppendOnly("everysec"))
	suite(t, set.URL())
	t.Run("report", func(t *testing.T) {
		r, err := open(t, set.URL(), own()).Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, store.Report{Backend: "redis+sentinel", Replicas: 2}, r)
	})
	t.Run("failover", func(t *testing.T) {
		for i := range repetitions() {
			if i > 0 {
				set.Heal()
			}
			failover(t, set.URL(), func(string) {
				primary := set.Primary()
				require.NotNil(t, primary)
				primary.Kill9()
			})
		}
	})
}

func TestCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, redistest.AppendOnly("everysec"))
	suite(t, cluster.URL())
	t.Run("report", func(t *testing.T) {
		r, err := open(t, cluster.URL(), own()).Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, store.Report{Backend: "redis+cluster", Replicas: 1}, r)
	})
	t.Run("a slot that moves", func(t *testing.T) { moveSlot(t, cluster) })
	t.Run("failover", func(t *testing.T) {
		for i := range repetitions() {
			if i > 0 {
				cluster.Heal()
			}
			failover(t, cluster.URL(), func(key string) { cluster.Primary(key).Kill9() })
		}
	})
}

// moveSlot moves a scope to another primary under its writer, as a cluster does when it is made larger.
func moveSlot(t *testing.T, cluster *redistest.Cluster) {
	s := open(t, cluster.URL(), own())
	w := newWriter(t, s, "p")
	for range 5 {
		w.commit()
	}
	seen, ended := follow(t, s, "p", store.Cursor{})
	key := s.keys.head("p")
	from := cluster.Primary(key)
	var to *redistest.Server
	for _, server := range cluster.Servers {
		if server != from && server.Info("replication", "role") == "master" {
			to = server
		}
	}
	// A record for idempotency, as every write of the API has one: what has all its keys may be written to on its way.
	txn := w.seal()
	txn.Idempotency = &store.Idempotency{Key: "k"}
	_, err := s.Commit(t.Context(), txn)
	require.NoError(t, err)
	w.state, err = w.state.Apply(txn.Entry)
	require.NoError(t, err)
	slot, source, target := from.Must("CLUSTER", "KEYSLOT", key), from.Must("CLUSTER", "MYID"), to.Must("CLUSTER", "MYID")
	to.Must("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Must("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	keys := strings.Split(from.Must("CLUSTER", "GETKEYSINSLOT", slot, "100"), "\n")
	from.Must("MIGRATE", "127.0.0.1", fmt.Sprint(to.Port), keys[0], "0", "5000")
	_, err = s.Commit(t.Context(), w.seal())
	require.ErrorIs(t, err, store.ErrUnavailable, "its keys are on two servers")
	for _, k := range keys[1:] {
		from.Must("MIGRATE", "127.0.0.1", fmt.Sprint(to.Port), k, "0", "5000")
	}
	to.Must("SCRIPT", "FLUSH")
	w.commit() // the slot is still the first one's, which says ASK
	to.Must("CLUSTER", "SETSLOT", slot, "NODE", target)
	from.Must("CLUSTER", "SETSLOT", slot, "NODE", target)

	require.Equal(t, w.state.Head(), w.head(), "the same epoch on another server, and nothing of the commit that failed")
	w.commit()
	require.Same(t, to, cluster.Primary(key))
	state, err := s.Read(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, store.Diff(w.state, state, ""))
	if eventually(t, "the watch goes on or ends", func() bool { return len(seen()) == 8 || ended() != nil }); ended() != nil {
		require.ErrorIs(t, ended(), store.ErrUnavailable)
	}
}

func repetitions() int {
	if soak {
		return 20
	}
	return 1
}

// failover kills the primary under writes, and checks that what was confirmed is there, and how long nothing was acknowledged.
func failover(t *testing.T, url string, kill func(key string)) {
	t.Helper()
	s := open(t, url, own())
	w := newWriter(t, s, "p")
	w.commit()
	sent, acknowledged, gap := w.write(t.Context(), writes, func(i int) {
		if i == writes/2 {
			kill(s.keys.head("p"))
		}
	})
	e, err := s.Log(t.Context(), "p", 1<<40, 1<<20)
	require.NoError(t, err)
	sent[e[len(e)-1].Hash] = true // the first, before the loop
	requireHistory(t, s, "p", sent, acknowledged, store.Confirmed)
	confirmed := count(acknowledged, store.Confirmed)
	require.Greater(t, confirmed, writes/3, "most is confirmed")
	t.Logf("failover: %.2f s without an acknowledgement; %d commits sent, %d acknowledged, %d of them confirmed; 0 confirmed lost; epoch %d",
		gap.Seconds(), len(sent), len(acknowledged), confirmed, w.head().Epoch)
	require.LessOrEqual(t, gap, longestGap)
}
