package dimmer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

const testToken = "dms_test"

// nodes is a hand-written set of nodes: the test says, message by message, what each of them does.
type nodes struct {
	arrivals chan *conn

	lock sync.Mutex
	down map[string]error // by endpoint: what a dial answers
	log  []dialled
}

type dialled struct {
	endpoint string
	at       time.Time
}

func newNodes() *nodes {
	return &nodes{arrivals: make(chan *conn, 1000), down: map[string]error{}}
}

func (n *nodes) dial(ctx context.Context, endpoint string) (link, func(), error) {
	n.lock.Lock()
	n.log = append(n.log, dialled{endpoint, time.Now()})
	err := n.down[endpoint]
	n.lock.Unlock()
	if err != nil {
		return nil, nil, err
	}
	c := newConn(ctx, endpoint)
	select {
	case n.arrivals <- c:
		return fakeLink{c}, func() {}, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (n *nodes) setDown(endpoint string, err error) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.down[endpoint] = err
}

// dials are the endpoints that were dialled and the time between one and the next.
func (n *nodes) dials() (endpoints []string, waits []time.Duration) {
	n.lock.Lock()
	defer n.lock.Unlock()
	for i, d := range n.log {
		endpoints = append(endpoints, d.endpoint)
		if i > 0 {
			waits = append(waits, d.at.Sub(n.log[i-1].at))
		}
	}
	return endpoints, waits
}

// client starts a client that talks to these nodes, and closes it at the end. It does not wait for the first ruleset.
func (n *nodes) client(t testing.TB, addr string, options ...Option) *Client {
	t.Helper()
	all := append([]Option{
		WithToken(testToken), WithApplication("test"), WithInitTimeout(0), WithLogger(slog.New(slog.DiscardHandler)),
		func(c *config) { c.dial = n.dial; c.random = func() float64 { return 0.5 } },
	}, options...)
	c, err := New(addr, all...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// accept is the next client that arrives, after its Hello.
func (n *nodes) accept(t testing.TB) *conn {
	t.Helper()
	select {
	case c := <-n.arrivals:
		c.t = t
		c.hello = c.recv().GetHello()
		require.NotNil(t, c.hello, "the first message is a Hello")
		return c
	case <-time.After(time.Hour): // of the bubble's time
		require.FailNow(t, "nobody came")
		return nil
	}
}

// conn is one stream as the node sees it.
type conn struct {
	t        testing.TB
	ctx      context.Context // the client's
	endpoint string
	hello    *dimmerv1.Hello
	in       chan *dimmerv1.SyncRequest // closed by CloseSend
	out      chan received
}

func newConn(ctx context.Context, endpoint string) *conn {
	return &conn{ctx: ctx, endpoint: endpoint, in: make(chan *dimmerv1.SyncRequest, 10_000), out: make(chan received, 10_000)}
}

type fakeLink struct{ *conn }

func (l fakeLink) Send(m *dimmerv1.SyncRequest) error {
	select {
	case l.in <- m:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

func (l fakeLink) Recv() (*dimmerv1.SyncResponse, error) {
	select {
	case r := <-l.out:
		if r.message == nil && r.err == nil {
			return nil, io.EOF
		}
		return r.message, r.err
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
}

func (l fakeLink) CloseSend() error {
	close(l.in)
	return nil
}

// recv is the next message of the client, nil when it has closed its side.
func (c *conn) recv() *dimmerv1.SyncRequest {
	c.t.Helper()
	select {
	case m := <-c.in:
		return m
	case <-time.After(time.Minute):
		require.FailNow(c.t, "the client says nothing")
		return nil
	}
}

func (c *conn) expectAck(rev Revision) {
	c.t.Helper()
	m := c.recv()
	require.NotNil(c.t, m.GetAck(), "want an Ack of %s, got %v", rev, m)
	require.Equal(c.t, rev, revisionOf(m.GetAck().GetRevision()))
}

func (c *conn) expectNack() *dimmerv1.Nack {
	c.t.Helper()
	m := c.recv()
	require.NotNil(c.t, m.GetNack(), "want a Nack, got %v", m)
	return m.GetNack()
}

// expectGone waits until the client has left.
func (c *conn) expectGone() {
	c.t.Helper()
	select {
	case <-c.ctx.Done():
	case <-time.After(time.Minute):
		require.FailNow(c.t, "the client stays")
	}
}

func (c *conn) say(m *dimmerv1.SyncResponse) { c.out <- received{message: m} }

// hangUp ends the stream, with io.EOF if err is nil.
func (c *conn) hangUp(err error) { c.out <- received{err: err} }

func (c *conn) intent(mode dimmerv1.Intent_Mode) {
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Intent{Intent: &dimmerv1.Intent{Mode: mode}}})
}

func (c *conn) changes(docs ...evaluator.Document) {
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Changes{Changes: changesOf(docs)}})
}

func changesOf(docs []evaluator.Document) *dimmerv1.Changes {
	m := &dimmerv1.Changes{}
	for _, d := range docs {
		m.Changes = append(m.Changes, &dimmerv1.Change{Kind: string(d.Kind), Key: d.Key, Json: d.JSON, Deleted: d.JSON == nil})
	}
	return m
}

func (c *conn) commit(s *evaluator.Snapshot, count int) {
	digest := s.Digest()
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Commit{Commit: &dimmerv1.Commit{
		Revision: revisionTo(s.Revision()), Count: int64(count), Digest: digest[:],
	}}})
}

func (c *conn) heartbeat(s *evaluator.Snapshot, storeAge time.Duration) {
	digest := s.Digest()
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Heartbeat{Heartbeat: &dimmerv1.Heartbeat{
		Revision: revisionTo(s.Revision()), Digest: digest[:], StoreAgeMs: storeAge.Milliseconds(),
	}}})
}

func (c *conn) goodbye(retryAfter, spread time.Duration) {
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Goodbye{Goodbye: &dimmerv1.Goodbye{
		RetryAfterMs: retryAfter.Milliseconds(), SpreadMs: spread.Milliseconds(),
	}}})
}

// full sends all of a snapshot, and then the Intent under which changes follow.
func (c *conn) full(s *evaluator.Snapshot) {
	c.intent(dimmerv1.Intent_MODE_FULL)
	count := 0
	for doc := range s.Documents() {
		c.changes(doc)
		count++
	}
	c.commit(s, count)
	c.intent(dimmerv1.Intent_MODE_DELTA)
}

// delta sends changes that lead to a snapshot, with their Commit in one message, as nodes have done since protocol 1. full has the older form.
func (c *conn) delta(to *evaluator.Snapshot, changes ...evaluator.Document) {
	digest := to.Digest()
	m := changesOf(changes)
	m.Commit = &dimmerv1.Commit{Revision: revisionTo(to.Revision()), Count: int64(len(changes)), Digest: digest[:]}
	c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Changes{Changes: m}})
}

func rev(epoch, number int64) Revision { return Revision{Epoch: epoch, Number: number} }

// boolFlag is a flag that answers value to everybody.
func boolFlag(key string, value bool) evaluator.Document {
	serve := map[bool]string{true: "on", false: "off"}[value]
	return flagDoc(key, "boolean", `{"key":"on","value":true},{"key":"off","value":false}`, `{"variant":"`+serve+`"}`)
}

func flagDoc(key, typ, variants, serve string) evaluator.Document {
	return evaluator.Document{Kind: evaluator.KindFlag, Key: key, JSON: fmt.Appendf(nil,
		`{"key":%q,"type":%q,"version":3,"salt":"abcdefghijkl","enabled":true,"off":"off","variants":[%s],"default":%s}`, key, typ, variants, serve)}
}

func killDoc(id, flag string) evaluator.Document {
	return evaluator.Document{Kind: evaluator.KindKill, Key: id, JSON: fmt.Appendf(nil, `{"id":%q,"flag":%q,"at":"2026-11-20T14:02:00Z"}`, id, flag)}
}

func gone(doc evaluator.Document) evaluator.Document {
	doc.JSON = nil
	return doc
}

func snapshotOf(r Revision, docs ...evaluator.Document) *evaluator.Snapshot {
	s, _ := evaluator.New(r, docs)
	return s
}

// grpcNodes serves the same scripts over gRPC on loopback.
type grpcNodes struct {
	*nodes
	server *grpc.Server
	addr   string
	token  string // what is accepted
}

func startGRPC(t testing.TB, addr string, options ...grpc.ServerOption) *grpcNodes {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	g := &grpcNodes{nodes: newNodes(), server: grpc.NewServer(options...), addr: listener.Addr().String(), token: testToken}
	dimmerv1.RegisterSyncServiceServer(g.server, syncHandler{nodes: g})
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(listener) }()
	t.Cleanup(func() {
		g.server.Stop()
		require.NoError(t, <-served)
	})
	return g
}

type syncHandler struct {
	dimmerv1.UnimplementedSyncServiceServer
	nodes *grpcNodes
}

func (h syncHandler) Sync(stream grpc.BidiStreamingServer[dimmerv1.SyncRequest, dimmerv1.SyncResponse]) error {
	if got := metadata.ValueFromIncomingContext(stream.Context(), "authorization"); len(got) != 1 || got[0] != "Bearer "+h.nodes.token {
		return status.Error(codes.Unauthenticated, "no such token")
	}
	c := newConn(stream.Context(), h.nodes.addr)
	h.nodes.arrivals <- c
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				close(c.in)
				c.hangUp(nil)
			}
			if err != nil {
				return
			}
			c.in <- m
		}
	}()
	for {
		select {
		case r := <-c.out:
			if r.message == nil {
				return r.err
			}
			if err := stream.Send(r.message); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// eventually polls: real time, for what runs over the network.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 20*time.Second, time.Millisecond, what)
}
