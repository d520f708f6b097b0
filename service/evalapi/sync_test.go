package evalapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
)

func TestSync(t *testing.T) {
	for name, memory := range map[string]bool{"bufconn": true, "tcp": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, worldOptions{memory: memory})
			w.commit(environmentDoc("prod"), environmentDoc("dev"), flagDoc("prod", boolFlag("a", true, 1)), flagDoc("prod", boolFlag("b", true, 1)))
			conn := w.conn("server")
			c := &client{id: "one"}
			require.NoError(t, c.open(deadline(t, time.Minute), conn))
			require.NoError(t, c.until(w.revision()))
			require.Equal(t, w.documents("prod"), c.docs)

			w.commit(flagDoc("prod", boolFlag("a", false, 2)))
			w.commit(put{store.RulesetCollection("prod"), "flag/b", ""}, flagDoc("prod", boolFlag("c", true, 3)))
			require.NoError(t, c.until(w.revision()))
			require.Equal(t, w.documents("prod"), c.docs)
			require.Equal(t, []pb.Intent_Mode{pb.Intent_MODE_FULL, pb.Intent_MODE_DELTA}, c.modes)
			confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
			require.NoError(t, c.bye())
			confirmed(t, w, w.revision(), receipt.Count{})

			c.modes = nil
			require.NoError(t, c.open(deadline(t, time.Minute), conn))
			for c.heartbeats == 0 {
				require.NoError(t, c.step())
			}
			require.Equal(t, []pb.Intent_Mode{pb.Intent_MODE_NONE}, c.modes)
			confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})

			w.commit(flagDoc("prod", boolFlag("a", true, 4)))
			require.NoError(t, c.bye()) // without having taken it
			w.commit(flagDoc("dev", boolFlag("a", true, 5)))
			c.modes = nil
			require.NoError(t, c.open(deadline(t, time.Minute), conn))
			require.NoError(t, c.until(evaluator.Revision{Epoch: 1, Number: 4}))
			require.Equal(t, []pb.Intent_Mode{pb.Intent_MODE_DELTA}, c.modes)
			require.Equal(t, w.documents("prod"), c.docs)
			confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
			require.Equal(t, 1, c.fulls)
		})
	}
}

// TestNobodyIsServedUnannounced: until the other nodes can know of this one it serves neither streams nor requests, and then those that have waited.
func TestNobodyIsServedUnannounced(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	held := make(chan struct{})
	w.presence.held.Store(&held)
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	conn := w.conn("server")
	c := &client{id: "one"}
	answered := make(chan error, 2)
	require.NoError(t, c.open(deadline(t, time.Minute), conn))
	go func() { answered <- c.until(w.revision()) }()
	go func() {
		_, err := pb.NewEvaluationServiceClient(conn).Evaluate(deadline(t, time.Minute), &pb.EvaluateRequest{Flag: "a"})
		answered <- err
	}()
	select {
	case err := <-answered:
		require.Fail(t, "served", "%v", err)
	case <-time.After(200 * time.Millisecond): // long for an answer, short of the 2 s after which a node serves all the same
	}
	require.Zero(t, w.server.Streams())
	close(held)
	for range 2 {
		require.NoError(t, <-answered)
	}
}

// TestRestartedUnderItsName: what the process before acknowledged does not count for the one that has its name now.
func TestRestartedUnderItsName(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	ctx := deadline(t, time.Minute)
	before := &client{id: "one", process: []byte("before")}
	require.NoError(t, before.open(ctx, w.conn("server")))
	require.NoError(t, before.until(w.revision()))
	confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
	conn := w.conn("server")
	after := &client{id: "one", process: []byte("after")}
	require.NoError(t, after.open(ctx, conn)) // and reads nothing yet
	confirmed(t, w, w.revision(), receipt.Count{Done: 0, Total: 1})
	require.NoError(t, after.until(w.revision()))
	confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})

	again := &client{id: "one", process: []byte("after"), revision: after.revision, docs: after.docs}
	require.NoError(t, again.open(ctx, conn))
	require.NoError(t, again.step())
	confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
}

// TestOldProtocol: a client that does not know of commits within changes gets them as it always did, beside one that does, and both end equal: also by
// a step of several messages.
func TestOldProtocol(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"))
	conn := w.conn("server")
	clients := []*client{{id: "old", old: true}, {id: "new"}}
	for _, c := range clients {
		require.NoError(t, c.open(deadline(t, time.Minute), conn))
		require.NoError(t, c.until(w.revision()))
		require.Empty(t, c.docs)
	}
	large := strings.Repeat("x", 100<<10)
	var many []put
	for n := range 25 {
		f := boolFlag(fmt.Sprintf("large%d", n), true, 1)
		f.Variants[0].Value = []byte(`"` + large + `"`)
		many = append(many, flagDoc("prod", f))
	}
	for _, puts := range [][]put{{flagDoc("prod", boolFlag("a", true, 1))}, many, {flagDoc("prod", boolFlag("a", false, 2)), {store.RulesetCollection("prod"), "flag/large3", ""}}} {
		w.commit(puts...)
		for _, c := range clients {
			require.NoError(t, c.until(w.revision()))
			require.Equal(t, w.documents("prod"), c.docs)
		}
	}
	require.Equal(t, 1+3+1, clients[1].messages)
	require.Equal(t, 2+4+2, clients[0].messages)
	late := &client{id: "late", old: true}
	require.NoError(t, late.open(deadline(t, time.Minute), conn))
	require.NoError(t, late.until(w.revision()))
	require.Equal(t, w.documents("prod"), late.docs)
	require.Zero(t, clients[0].mismatches+clients[1].mismatches+late.mismatches)
}

// confirmed waits until the receipt says so.
func confirmed(t *testing.T, w *world, rev evaluator.Revision, want receipt.Count) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, err := w.receipts.Wait(t.Context(), project, "prod", cursorOf(rev), receipt.WantNone)
		return err == nil && r.Instances == want
	}, 10*time.Second, 5*time.Millisecond)
}

// TestQuietRevision: a change elsewhere comes with a heartbeat and counts as acknowledged at once.
func TestQuietRevision(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), environmentDoc("dev"), flagDoc("prod", boolFlag("a", true, 1)))
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	w.commit(flagDoc("dev", boolFlag("a", true, 2)))
	confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
	require.NoError(t, c.until(w.revision())) // a heartbeat, within 5 s
	require.Equal(t, 1, c.heartbeats)
	require.Equal(t, w.documents("prod"), c.docs)
}

// TestComeAndGo: 200 clients come, go and come back during 1,000 changes, 10,000 in the long version. Each ends with the server's documents byte for byte, having checked
// each digest and that nothing went back.
func TestComeAndGo(t *testing.T) {
	w := newWorld(t, worldOptions{})
	const clients, flags = 200, 20
	changes, limit := 1000, 5*time.Minute // seconds, where nothing else runs
	if os.Getenv("DIMMER_SOAK") != "" {
		changes, limit = 10_000, 30*time.Minute
	}
	begin := []put{environmentDoc("prod"), environmentDoc("dev")}
	for n := range flags {
		begin = append(begin, flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n), true, 1)))
	}
	w.commit(begin...)
	ctx := deadline(t, limit)
	all := make([]*client, clients)
	errs := make([]error, clients)
	last := make(chan struct{}) // closed when the last change is made
	var wg sync.WaitGroup
	for i := range clients {
		conn := w.conn("server")
		all[i] = &client{id: fmt.Sprintf("c%d", i)}
		wg.Go(func() {
			errs[i] = comeAndGo(ctx, all[i], func() error { return all[i].open(ctx, conn) }, last, w.revision)
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range changes {
		key := fmt.Sprintf("f%d", random.IntN(flags))
		switch random.IntN(10) {
		case 0:
			w.commit(flagDoc("dev", boolFlag(key, true, int64(n))))
		case 1:
			w.commit(put{store.RulesetCollection("prod"), "flag/extra", ""}, flagDoc("prod", boolFlag(key, n%2 == 0, int64(n))))
		case 2:
			w.commit(flagDoc("prod", boolFlag("extra", true, int64(n))))
		default:
			w.commit(flagDoc("prod", boolFlag(key, n%2 == 0, int64(n))))
		}
		time.Sleep(time.Millisecond)
	}
	w.commit(flagDoc("prod", boolFlag("extra", true, int64(changes))))
	close(last)
	wg.Wait()
	want := w.documents("prod")
	fulls := 0
	for i, c := range all {
		require.NoError(t, errs[i], "%s, %d streams", c.id, len(c.modes))
		require.Equal(t, want, c.docs)
		require.Equal(t, w.revision(), c.revision)
		require.Zero(t, c.mismatches)
		fulls += c.fulls
	}
	if changes > 1000 {
		// The clients share two cores with the server and fall behind the ring by and by, each for itself.
		t.Logf("%d changes, %d FULLs to %d clients", changes, fulls, clients)
	} else {
		require.Equal(t, clients, fulls, "who comes back goes on with a delta")
	}
	confirmed(t, w, w.revision(), receipt.Count{Done: clients, Total: clients})
}

// comeAndGo follows for some steps, leaves in one way or the other, and comes back; in the end it stays. On a machine that is so busy that it does not answer
// the server's pings in time a client is cut, which is one more way to leave.
func comeAndGo(ctx context.Context, c *client, open func() error, last <-chan struct{}, end func() evaluator.Revision) error {
	random := rand.New(rand.NewPCG(3, uint64(len(c.id)*7919+int(c.id[len(c.id)-1]))))
	for {
		stays, err := oneLife(c, random, open, last, end)
		switch {
		case err != nil && (status.Code(err) != codes.Unavailable && !errors.Is(err, io.EOF) || ctx.Err() != nil): // EOF is what Send says then
			return err
		case err == nil && stays:
			return nil
		}
	}
}

func oneLife(c *client, random *rand.Rand, open func() error, last <-chan struct{}, end func() evaluator.Revision) (stays bool, err error) {
	if err := open(); err != nil {
		return false, err
	}
	for range 3 + random.IntN(60) {
		select {
		case <-last:
			return true, c.until(end())
		default:
		}
		if err := c.step(); err != nil {
			return false, err
		}
	}
	if random.IntN(2) == 0 {
		if err := c.stream.CloseSend(); err != nil {
			return false, err
		}
		for {
			if _, err := c.stream.Recv(); err != nil {
				return false, nil //nolint:nilerr // the end that was asked for
			}
		}
	}
	return false, c.bye()
}

// corrupting damages the changes of one revision, once.
type corrupting struct {
	feed.Encoder
	mu   sync.Mutex
	next bool
}

func (c *corrupting) Changes(docs []evaluator.Document, end *feed.End) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.Encoder.Changes(docs, end)
	if c.next {
		c.next = false
		at := bytes.Index(out, []byte(`"salt":"`)) + len(`"salt":"`)
		out[at] ^= 1
	}
	return out
}

func (c *corrupting) damage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = true
}

// TestCorruptedDelta: a delta that was damaged on the way is noticed by every client, and a whole ruleset repairs it.
func TestCorruptedDelta(t *testing.T) {
	encoder := &corrupting{Encoder: Encoder}
	w := newWorld(t, worldOptions{encoder: encoder, memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)), flagDoc("prod", boolFlag("b", true, 1)))
	var all []*client
	for n := range 5 {
		c := &client{id: fmt.Sprint(n)}
		require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
		require.NoError(t, c.until(w.revision()))
		all = append(all, c)
	}
	encoder.damage()
	w.commit(flagDoc("prod", boolFlag("a", false, 2)))
	damaged := w.revision()
	for _, c := range all {
		require.NoError(t, c.until(damaged))
		require.Equal(t, 1, c.mismatches)
		require.Equal(t, w.documents("prod"), c.docs)
		require.Equal(t, 2, c.fulls)
	}
	w.commit(flagDoc("prod", boolFlag("a", true, 3)))
	for _, c := range all {
		require.NoError(t, c.until(w.revision()))
		require.Equal(t, w.documents("prod"), c.docs)
		require.Equal(t, 2, c.fulls, "and then deltas again")
		require.Equal(t, pb.Intent_MODE_DELTA, c.modes[len(c.modes)-1])
	}

	// A whole ruleset that is damaged itself is made anew.
	encoder.damage()
	w.feed().ForgetFull()
	late := &client{id: "late"}
	require.NoError(t, late.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, late.until(w.revision()))
	require.Equal(t, 1, late.mismatches)
	require.Equal(t, w.documents("prod"), late.docs)
}

func (w *world) feed() *feed.Feed {
	f, ok := w.feeds.Environment(project, "prod")
	require.True(w.t, ok)
	return f
}

// TestLagging: a node that is behind a client says so, sends nothing that would lead back, and goes on when it has caught up.
func TestLagging(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), environmentDoc("dev"), flagDoc("prod", boolFlag("a", true, 1)))
	ahead := &client{id: "ahead", revision: evaluator.Revision{Epoch: 1, Number: 3}, docs: w.documents("prod")}
	require.NoError(t, ahead.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, ahead.step())
	require.Equal(t, []pb.Intent_Mode{pb.Intent_MODE_LAGGING}, ahead.modes)
	w.commit(flagDoc("prod", boolFlag("a", false, 2)))
	w.commit(flagDoc("prod", boolFlag("a", true, 1)))
	w.commit(flagDoc("prod", boolFlag("b", true, 4)))
	require.NoError(t, ahead.until(w.revision()))
	// DELTA when the stream looked after the last commit; NONE when it looked at the one before, which is what the client holds.
	require.Contains(t, []pb.Intent_Mode{pb.Intent_MODE_DELTA, pb.Intent_MODE_NONE}, ahead.modes[len(ahead.modes)-1])
	require.Len(t, ahead.modes, 2)
	require.Zero(t, ahead.fulls)
	require.Equal(t, w.documents("prod"), ahead.docs)

	other := &client{id: "other", revision: evaluator.Revision{Epoch: 1, Number: 5}, docs: map[string]string{"flag/x": "{}"}}
	require.NoError(t, other.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, other.step())
	w.commit(flagDoc("dev", boolFlag("a", false, 5))) // wakes nobody: the node sees it at the next beat
	require.NoError(t, other.until(w.revision()))
	for other.fulls == 0 {
		require.NoError(t, other.step())
	}
	require.Equal(t, w.documents("prod"), other.docs)
}

// TestNewEpoch: after a failover that lost writes, clients that were up to date get the difference, and others everything.
func TestNewEpoch(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)), flagDoc("prod", boolFlag("b", true, 1)))
	docs := map[store.Key][]byte{{Collection: "environment", ID: "prod"}: []byte("{}")}
	for id, text := range w.documents("prod") {
		docs[store.Key{Collection: store.RulesetCollection("prod"), ID: id}] = []byte(text)
	}
	w.commit(flagDoc("prod", boolFlag("a", false, 2)))
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	w.reload(store.Head{Epoch: 2, Revision: 1}, docs)
	require.NoError(t, c.until(w.revision()))
	require.Equal(t, w.documents("prod"), c.docs)
	require.Equal(t, 1, c.fulls)

	stranger := &client{id: "two", revision: evaluator.Revision{Epoch: 1, Number: 77}, docs: map[string]string{"flag/x": "{}"}}
	require.NoError(t, stranger.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, stranger.until(w.revision()))
	require.Equal(t, 1, stranger.fulls)
	require.Equal(t, w.documents("prod"), stranger.docs)
}

// TestAcknowledgementsAreChecked: nobody confirms what he was not sent.
func TestAcknowledgementsAreChecked(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	c := &client{id: "liar"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	confirmed(t, w, w.revision(), receipt.Count{Done: 1, Total: 1})
	honest := c.revision
	c.revision = evaluator.Revision{Epoch: 1, Number: 1000}
	require.NoError(t, c.ack())
	c.revision = honest
	require.NoError(t, c.ack())
	confirmed(t, w, evaluator.Revision{Epoch: 1, Number: 1}, receipt.Count{Done: 1, Total: 1})
	confirmed(t, w, evaluator.Revision{Epoch: 1, Number: 2}, receipt.Count{Done: 0, Total: 1})
	r, err := w.receipts.List(t.Context(), project, "prod")
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Instances[0].Revision)
}

func TestDrain(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(deadline(t, 20*time.Second)) }()
	var goodbye *pb.Goodbye
	for goodbye == nil {
		m, err := c.stream.Recv()
		require.NoError(t, err)
		goodbye = m.GetGoodbye()
	}
	require.Positive(t, goodbye.GetSpreadMs())
	_, err := c.stream.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, <-drained)
	require.Zero(t, w.server.Streams())
	confirmed(t, w, w.revision(), receipt.Count{Done: 0, Total: 1}) // it is expected elsewhere
}

func TestRevokedStreams(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	watch, err := pb.NewEvaluationServiceClient(w.conn("client")).Watch(deadline(t, time.Minute), &pb.WatchRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	w.auth.revoke("server")
	w.auth.revoke("client")
	revoked := time.Now()
	for err = c.step(); err == nil; err = c.step() {
	}
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	for err = nil; err == nil; _, err = watch.Recv() {
	}
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.Less(t, time.Since(revoked), 5*time.Second)
}

func TestEnvironmentIsDeleted(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	w.commit(put{"environment", "prod", ""})
	err := c.step()
	for err == nil {
		err = c.step()
	}
	require.Equal(t, codes.NotFound, status.Code(err))
}
