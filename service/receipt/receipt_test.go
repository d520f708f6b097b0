package receipt

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(revision int64) store.Cursor { return store.Cursor{Epoch: 1, Revision: revision} }

// cluster is some nodes on one store, in a bubble whose time a test moves.
type cluster struct {
	t     *testing.T
	store *storetest.Memory
	stop  map[*Service]context.CancelFunc
	ended map[*Service]chan struct{}
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, store: storetest.NewMemory(), stop: map[*Service]context.CancelFunc{}, ended: map[*Service]chan struct{}{}}
	t.Cleanup(func() {
		for s := range c.stop {
			c.end(s)
		}
	})
	return c
}

func (c *cluster) node(name string) *Service {
	s := New(Options{Store: c.store, Node: name})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	c.stop[s], c.ended[s] = stop, ended
	go func() {
		defer close(ended)
		_ = s.Run(ctx)
	}()
	return s
}

// end stops a node as a planned shutdown does.
func (c *cluster) end(s *Service) {
	c.stop[s]()
	<-c.ended[s]
	delete(c.stop, s)
}

// kill makes a node vanish: what it writes when it stops is undone.
func (c *cluster) kill(s *Service) {
	before, err := c.store.Presence(context.Background(), "shop")
	require.NoError(c.t, err)
	c.end(s)
	for _, id := range []string{nodePrefix + s.opts.Node, lastPrefix + s.opts.Node, rosterPrefix + s.opts.Node} {
		if value, there := before[id]; there {
			require.NoError(c.t, c.store.PutPresence(context.Background(), "shop", id, value, map[bool]time.Duration{true: expiry, false: rosterExpiry}[id[0] == 'n']))
		}
	}
}

func (c *cluster) wait(s *Service, revision int64, want Want, limit time.Duration) (Receipt, time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	r, err := s.Wait(ctx, "shop", "prod", at(revision), want)
	require.NoError(c.t, err)
	return r, time.Since(began)
}

func connect(s *Service, id string, revision int64) *Link {
	l := s.Connect("shop", "prod", Instance{ID: id, Process: "of " + id, SDK: "go", SDKVersion: "1.2.3"})
	if revision > 0 {
		l.Ack(at(revision))
	}
	return l
}

func ids(list []Instance) []string {
	out := []string{}
	for _, i := range list {
		out = append(out, fmt.Sprintf("%s %s@%s", i.ID, i.State, i.Node))
	}
	return out
}

func TestAcknowledgementsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		one, two, three := connect(a, "one", 7), connect(b, "two", 7), connect(b, "three", 7)
		time.Sleep(time.Second)

		a.Served("shop", "prod", at(8), at(8))
		one.Ack(at(8))
		r, took := c.wait(a, 8, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, time.Second, took, "it waits as long as it may")
		require.Equal(t, Count{1, 2}, r.Nodes)
		require.Equal(t, Count{1, 3}, r.Instances)
		require.Equal(t, []string{"three connected@b", "two connected@b"}, ids(r.Missing), "up to date with their node, which is behind")

		go func() {
			time.Sleep(100 * time.Millisecond)
			b.Served("shop", "prod", at(8), at(8))
			two.Ack(at(8))
			time.Sleep(20 * time.Millisecond)
			three.Ack(at(8))
		}()
		r, took = c.wait(a, 8, WantInstances, time.Minute)
		require.True(t, r.Complete)
		require.Equal(t, Receipt{Nodes: Count{2, 2}, Instances: Count{3, 3}, Complete: true}, r)
		require.Less(t, took, 120*time.Millisecond+2*publishEvery+2*lookLocal)

		r, took = c.wait(b, 8, WantInstances, time.Minute)
		require.True(t, r.Complete)
		require.Zero(t, took, "it is known already")
	})
}

func TestWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		connect(a, "one", 3)
		time.Sleep(time.Second)
		r, took := c.wait(a, 7, WantNodes, time.Minute)
		require.True(t, r.Complete)
		require.Zero(t, took)
		require.Equal(t, []string{"one behind@a"}, ids(r.Missing))
		require.EqualValues(t, 4, r.Missing[0].Lag)
		r, took = c.wait(a, 7, WantNone, time.Minute)
		require.True(t, r.Complete)
		require.Equal(t, Count{0, 1}, r.Instances)
		require.Zero(t, took)
		r, _ = c.wait(a, 8, WantNodes, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, Count{0, 1}, r.Nodes)
	})
}

// TestQuietRevisions: who acknowledged the revision since when nothing has changed serves every later one up to the node's.
func TestQuietRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(9), at(5))
		connect(a, "one", 5)
		connect(a, "two", 4)
		time.Sleep(time.Second)
		r, _ := c.wait(a, 9, WantInstances, time.Second)
		require.Equal(t, Count{1, 2}, r.Instances)
		require.Equal(t, []string{"two behind@a"}, ids(r.Missing))
		r, _ = c.wait(a, 10, WantInstances, time.Second)
		require.Equal(t, Count{0, 2}, r.Instances, "the node has not got that far")
	})
}

// TestLost: an instance that went without a goodbye is expected for ten minutes, is named, and never counts.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		connect(a, "crashed", 7).Close(false)
		connect(a, "stopped", 7).Close(true)
		moved := connect(a, "moved", 7)
		time.Sleep(time.Second)
		moved.Close(false)
		moved.Close(true) // too late
		connect(b, "moved", 7)
		time.Sleep(time.Second)
		for _, s := range []*Service{a, b} {
			r, _ := c.wait(s, 7, WantInstances, time.Second)
			require.False(t, r.Complete)
			require.Equal(t, Count{1, 2}, r.Instances)
			require.Equal(t, []string{"crashed lost@a"}, ids(r.Missing))
		}
		list, err := a.List(t.Context(), "shop", "")
		require.NoError(t, err)
		require.Equal(t, []string{"crashed lost@a", "moved connected@b"}, ids(list.Instances))
		require.Equal(t, "1.2.3", list.Instances[1].SDKVersion)

		back := connect(a, "crashed", 0)
		time.Sleep(time.Second)
		r, _ := c.wait(b, 7, WantInstances, time.Second)
		require.Equal(t, []string{"crashed behind@a"}, ids(r.Missing), "it is back, and has not said what it has")
		back.Ack(at(7))
		r, _ = c.wait(b, 7, WantInstances, time.Second)
		require.True(t, r.Complete)

		back.Close(false)
		time.Sleep(lostFor + time.Second)
		r, _ = c.wait(b, 7, WantInstances, time.Second)
		require.True(t, r.Complete, "after ten minutes nobody expects it any more")
		require.Equal(t, Count{1, 1}, r.Instances)
	})
}

// TestMovedThenLeft: a goodbye to one node is a goodbye to all, also to the one that lost the instance before.
func TestMovedThenLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		connect(a, "one", 7).Close(false)
		connect(b, "one", 7).Close(true)
		time.Sleep(time.Second)
		r, _ := c.wait(a, 7, WantInstances, time.Second)
		require.True(t, r.Complete)
		require.Zero(t, r.Instances)
	})
}

// TestNodeDies: its instances are expected, and named, until they turn up elsewhere.
func TestNodeDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		connect(a, "one", 7)
		connect(a, "two", 7)
		time.Sleep(rosterEvery + publishIdle + time.Second)
		c.kill(a)
		b.Served("shop", "prod", at(8), at(8))
		connect(b, "one", 8)
		r, _ := c.wait(b, 8, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, Count{1, 2}, r.Nodes, "nobody knows yet that it is dead")

		r, took := c.wait(b, 8, WantNodes, time.Minute)
		require.True(t, r.Complete)
		require.Equal(t, Count{1, 1}, r.Nodes)
		require.Less(t, took, expiry+time.Second)
		r, _ = c.wait(b, 8, WantInstances, time.Second)
		require.Equal(t, Count{1, 2}, r.Instances)
		require.Equal(t, []string{"two lost@a"}, ids(r.Missing))

		time.Sleep(rosterExpiry)
		r, _ = c.wait(b, 8, WantInstances, time.Second)
		require.True(t, r.Complete)
	})
}

// TestNodeRestarts: who was there before is expected by the node's next life.
func TestNodeRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		connect(a, "one", 7)
		connect(a, "two", 7)
		connect(a, "three", 7).Close(true)
		time.Sleep(time.Second)
		c.end(a)
		presence, err := c.store.Presence(t.Context(), "shop")
		require.NoError(t, err)
		require.NotContains(t, presence, "node/a")
		require.Contains(t, presence, "roster/a")

		a = c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		connect(a, "one", 7)
		time.Sleep(time.Second)
		r, _ := c.wait(a, 7, WantInstances, time.Second)
		require.Equal(t, []string{"two lost@a"}, ids(r.Missing))
		require.Equal(t, Count{1, 2}, r.Instances)
	})
}

// TestStoreDown: nothing is confirmed while the other nodes cannot be asked.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		connect(a, "one", 7)
		time.Sleep(time.Second)
		c.store.Fail(errors.New("down"))
		r, took := c.wait(a, 7, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, Count{1, 1}, r.Instances, "what is known here is told")
		require.Equal(t, time.Second, took)
		_, err := a.List(t.Context(), "shop", "")
		require.Error(t, err)
		go func() {
			time.Sleep(2 * time.Second)
			c.store.Fail(nil)
		}()
		r, _ = c.wait(a, 7, WantInstances, time.Minute)
		require.True(t, r.Complete)
		time.Sleep(time.Second)
		c.store.Hang(true)
		r, took = c.wait(a, 7, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.LessOrEqual(t, took, publishLimit+time.Second)
		c.store.Hang(false)
	})
}

// TestSecondConnection: the newest counts, and what the old one still says does not.
func TestSecondConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		old := connect(a, "one", 3)
		connect(a, "one", 4)
		old.Ack(at(7))
		old.Close(true)
		r, _ := c.wait(a, 7, WantInstances, time.Second)
		require.Equal(t, []string{"one behind@a"}, ids(r.Missing))
		require.EqualValues(t, 4, r.Missing[0].Revision)
	})
}

// TestProcessesOfOneName: an instance that is started anew under its name has what its new process acknowledged, whatever the connection of the old one says,
// which nobody knows to be dead yet. On one node and on two, and in reports that say nothing of processes.
func TestProcessesOfOneName(t *testing.T) {
	of := func(s *Service, process string, acked int64) *Link {
		l := s.Connect("shop", "prod", Instance{ID: "one", Process: process})
		if acked > 0 {
			l.Ack(at(acked))
		}
		return l
	}
	for name, test := range map[string]struct {
		first, second string // processes
		nodes         int
		counts        bool // for the second, what the first acknowledged
	}{
		"another process, same node":     {"a", "b", 1, false},
		"another process, other node":    {"a", "b", 2, false},
		"same process, same node":        {"a", "a", 1, true},
		"same process, other node":       {"a", "a", 2, true},
		"nothing is known, same node":    {"", "", 1, false},
		"nothing is known, other node":   {"", "", 2, false},
		"nothing is known of the second": {"a", "", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				nodes := []*Service{c.node("a"), c.node("b")}[:test.nodes]
				for _, s := range nodes {
					s.Served("shop", "prod", at(7), at(7))
				}
				old := of(nodes[0], test.first, 7)
				time.Sleep(time.Second)
				again := of(nodes[len(nodes)-1], test.second, 0)
				time.Sleep(time.Second)
				for _, s := range nodes {
					r, _ := c.wait(s, 7, WantInstances, 100*time.Millisecond)
					require.Equal(t, test.counts, r.Complete, "%+v", r)
					require.Equal(t, 1, r.Instances.Total, "they have one name")
				}
				again.Ack(at(7))
				time.Sleep(time.Second)
				for _, s := range nodes {
					r, _ := c.wait(s, 7, WantInstances, 100*time.Millisecond)
					require.True(t, r.Complete)
				}
				// And the other way round: while the old one is there it has to acknowledge, too.
				for _, s := range nodes {
					s.Served("shop", "prod", at(8), at(8))
				}
				again.Ack(at(8))
				time.Sleep(time.Second)
				r, _ := c.wait(nodes[0], 8, WantInstances, 100*time.Millisecond)
				require.Equal(t, test.counts, r.Complete)
				old.Close(false)
				time.Sleep(time.Second)
				for _, s := range nodes {
					r, _ = c.wait(s, 8, WantInstances, 100*time.Millisecond)
					require.True(t, r.Complete)
					require.Equal(t, Count{1, 1}, r.Instances)
				}
				again.Close(true)
				time.Sleep(time.Second)
				r, _ = c.wait(nodes[0], 8, WantInstances, 100*time.Millisecond)
				require.Zero(t, r.Instances)
			})
		})
	}
}

// TestRestartedNodeExpectsAll: a node that died with more instances than its reports name expects all of them when it is back.
func TestRestartedNodeExpectsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		const many = maxNamed + 200
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		for n := range many {
			connect(a, fmt.Sprintf("i%04d", n), 7)
		}
		time.Sleep(time.Minute)
		c.kill(a)
		a = c.node("a")
		a.Served("shop", "prod", at(8), at(8))
		time.Sleep(time.Second)
		for life := range 2 {
			r, _ := c.wait(a, 8, WantInstances, 100*time.Millisecond)
			require.False(t, r.Complete, "life %d", life)
			require.Equal(t, Count{0, many}, r.Instances)
			c.kill(a) // and once more, since what it inherited it leaves behind
			a = c.node("a")
			a.Served("shop", "prod", at(8), at(8))
			time.Sleep(time.Second)
		}
		for n := range many {
			if l := connect(a, fmt.Sprintf("i%04d", n), 8); n%2 == 0 {
				l.Close(true)
			}
		}
		time.Sleep(time.Second)
		r, _ := c.wait(a, 8, WantInstances, 100*time.Millisecond)
		require.True(t, r.Complete)
		require.Equal(t, Count{many / 2, many / 2}, r.Instances, "who is back is not lost")
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		for n := range maxNamed + 100 {
			connect(a, fmt.Sprintf("i%04d", n), 7)
		}
		time.Sleep(time.Minute)
		c.kill(a)
		a = c.node("a")
		a.Served("shop", "prod", at(8), at(8))
		time.Sleep(lostFor + time.Minute)
		r, _ := c.wait(a, 8, WantInstances, 100*time.Millisecond)
		require.True(t, r.Complete, "after ten minutes nobody is expected any more")
		require.Zero(t, r.Instances)
	})
}

// TestAnnounced: a node is announced when the others can know that it serves; a store that takes no reports is waited for, but not for ever.
func TestAnnounced(t *testing.T) {
	announced := func(s *Service) bool {
		select {
		case <-s.Announced("shop"):
			return true
		default:
			return false
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		require.False(t, announced(a))
		a.project("shop")
		time.Sleep(2 * announceLimit)
		require.False(t, announced(a), "it has said nothing of what it serves")
		a.Served("shop", "prod", at(7), at(7))
		<-a.Announced("shop")
		values, err := c.store.Presence(t.Context(), "shop")
		require.NoError(t, err)
		require.EqualValues(t, 7, decode(values[nodePrefix+"a"]).Environments["prod"].Revision)
		a.Drop("shop")
		require.False(t, announced(a), "one that is made anew begins anew")
	})
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Store: &refusing{Memory: storetest.NewMemory()}, Node: "a"})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = a.Run(ctx)
		}()
		began := time.Now()
		a.Served("shop", "prod", at(7), at(7))
		<-a.Announced("shop")
		require.Equal(t, announceLimit, time.Since(began))
		stop()
		<-ended
	})
}

// refusing is a store that takes no presence.
type refusing struct{ *storetest.Memory }

func (refusing) PutPresence(context.Context, string, string, []byte, time.Duration) error {
	return store.ErrFull
}

func TestVanishedEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		l := connect(a, "one", 7)
		a.Vanished("shop", "prod")
		l.Ack(at(8))
		l.Close(false)
		list, err := a.List(t.Context(), "shop", "")
		require.NoError(t, err)
		require.Empty(t, list.Instances)
	})
}

// TestPublishing counts what is written: much when much happens, little when nothing does, and never more than the bound.
func TestPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		writes := &counting{Memory: c.store}
		a := New(Options{Store: writes, Node: "a"})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = a.Run(ctx)
		}()
		a.Served("shop", "prod", at(1), at(1))
		links := make([]*Link, 2000)
		for i := range links {
			links[i] = connect(a, fmt.Sprintf("i%d", i), 1)
		}
		time.Sleep(time.Minute)
		n, size := writes.counts()
		time.Sleep(time.Minute)
		n2, size2 := writes.counts()
		require.LessOrEqual(t, n2-n, int64(13), "nothing happens")
		require.Less(t, (size2-size)/(n2-n), int64(40<<10))
		for n := range int64(20) {
			a.Served("shop", "prod", at(2+n), at(2+n))
			for _, l := range links {
				l.Ack(at(2 + n))
			}
			time.Sleep(100 * time.Millisecond)
		}
		n, size = writes.counts()
		require.LessOrEqual(t, n-n2, int64(42))
		require.Less(t, (size-size2)/(n-n2), int64(40<<10), "twelve bytes an instance, without names")
		stop()
		<-ended
	})
}

type counting struct {
	*storetest.Memory
	writes, size atomic.Int64
}

func (c *counting) counts() (writes, size int64) { return c.writes.Load(), c.size.Load() }

func (c *counting) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	c.writes.Add(1)
	c.size.Add(int64(len(value)))
	return c.Memory.PutPresence(ctx, scope, id, value, expiry)
}

// TestMemoryIsBounded: instances that come once and never again do not fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		for n := range maxRemembered + 5000 {
			connect(a, fmt.Sprintf("lost%d", n), 7).Close(false)
			connect(a, fmt.Sprintf("left%d", n), 7).Close(true)
		}
		time.Sleep(time.Second)
		p := a.project("shop")
		p.mu.Lock()
		e := p.environments["prod"]
		require.LessOrEqual(t, len(e.instances), maxRemembered)
		require.LessOrEqual(t, len(e.left), maxRemembered)
		p.mu.Unlock()
		r, _ := c.wait(a, 7, WantInstances, time.Second)
		require.Equal(t, Count{0, maxRemembered}, r.Instances)
		require.Len(t, r.Missing, maxMissing)
		list, err := a.List(t.Context(), "shop", "prod")
		require.NoError(t, err)
		require.True(t, list.Truncated)
	})
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"node":"a","at":"2026-01-01T00:00:00Z","environments":{"prod":{"epoch":1,"revision":2,"groups":[{"epoch":1,"revision":2,"keys":"AAAAAAAAAAA="}],"lost":"AAE=","named":[{"id":"x"}]}}}`))
	f.Add([]byte(`{"environments":{"prod":null}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		o := &others{}
		o.take(map[string][]byte{"node/x": data, "roster/x": data, "roster/y": data, "other": data}, "self")
		for _, r := range o.reports {
			r.node("")
		}
		merge(o.reports, "prod", time.Now())
	})
}

// TestNodeDiesAtOnce: who had just connected when its node died is expected, too.
func TestNodeDiesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		time.Sleep(rosterEvery + time.Second)
		connect(a, "old", 7)
		time.Sleep(time.Second) // this one writes the roster
		connect(a, "new", 7)
		time.Sleep(2 * publishEvery)
		c.kill(a)
		time.Sleep(expiry + time.Second)
		r, _ := c.wait(b, 7, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, []string{"new lost@a", "old lost@a"}, ids(r.Missing))
	})
}

// TestGoodbyeOfAnEarlierLife: an instance that said goodbye to one node, came back on another and was lost there is expected.
func TestGoodbyeOfAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.node("a"), c.node("b")
		for _, s := range []*Service{a, b} {
			s.Served("shop", "prod", at(7), at(7))
		}
		connect(a, "one", 7).Close(true)
		time.Sleep(time.Second)
		connect(b, "one", 7).Close(false)
		time.Sleep(time.Second)
		r, _ := c.wait(a, 7, WantInstances, time.Second)
		require.False(t, r.Complete)
		require.Equal(t, []string{"one lost@b"}, ids(r.Missing))
	})
}

// TestJustConnected: a kill right after a connect elsewhere waits for that instance, also when others were asked for a moment before.
func TestJustConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.node("a")
		a.Served("shop", "prod", at(7), at(7))
		time.Sleep(time.Second)
		r, _ := c.wait(a, 7, WantInstances, time.Second) // the other nodes are asked: there is none
		require.True(t, r.Complete)
		time.Sleep(lookRemote / 5)
		b := c.node("b")
		b.Served("shop", "prod", at(7), at(7))
		time.Sleep(lookRemote / 5)
		late := connect(b, "late", 7)
		a.Served("shop", "prod", at(8), at(8))
		r, _ = c.wait(a, 8, WantInstances, time.Millisecond)
		require.False(t, r.Complete, "the other node is not at the kill")
		go func() {
			time.Sleep(300 * time.Millisecond)
			b.Served("shop", "prod", at(8), at(8))
			time.Sleep(300 * time.Millisecond)
			late.Ack(at(8))
		}()
		r, took := c.wait(a, 8, WantInstances, time.Minute)
		require.True(t, r.Complete)
		require.Equal(t, Count{1, 1}, r.Instances)
		require.GreaterOrEqual(t, took, 600*time.Millisecond)
	})
}
