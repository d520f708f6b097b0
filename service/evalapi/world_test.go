package evalapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "shop"

// world is a server with one project, whose changes a test makes.
type world struct {
	t        testing.TB
	server   *Server
	feeds    *feed.Set
	receipts *receipt.Service
	presence *presence
	auth     *keys
	address  string
	dial     func(ctx context.Context, address string) (net.Conn, error) // nil: TCP

	mu    sync.Mutex
	state *store.State
}

// presence is a store whose presence a test can hold back.
type presence struct {
	*storetest.Memory
	held atomic.Pointer[chan struct{}] // what is put waits until it is closed
}

func (p *presence) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	if held := p.held.Load(); held != nil {
		select {
		case <-*held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.Memory.PutPresence(ctx, scope, id, value, expiry)
}

type worldOptions struct {
	encoder feed.Encoder
	memory  bool // connections in memory
	log     io.Writer
	change  func(*Options)
}

func newWorld(t testing.TB, o worldOptions) *world {
	w := &world{t: t, state: &store.State{}, auth: newKeys()}
	if o.encoder == nil {
		o.encoder = Encoder
	}
	logger := slog.New(slog.DiscardHandler)
	if o.log != nil {
		logger = slog.New(slog.NewTextHandler(o.log, nil))
	}
	w.presence = &presence{Memory: storetest.NewMemory()}
	w.receipts = receipt.New(receipt.Options{Store: w.presence, Node: "a"})
	w.feeds = feed.NewSet(feed.Options{Encoder: o.encoder, Served: w.receipts.Served, Vanished: w.receipts.Vanished})
	options := Options{Feeds: w.feeds, Auth: w.auth, Receipts: w.receipts, Logger: logger}
	if o.change != nil {
		o.change(&options)
	}
	w.server = New(options)
	var listener net.Listener
	if o.memory {
		mem := bufconn.Listen(1 << 20)
		listener, w.address = mem, "passthrough:///memory"
		w.dial = func(ctx context.Context, _ string) (net.Conn, error) { return mem.DialContext(ctx) }
	} else {
		var err error
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		w.address = listener.Addr().String()
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	ctx, stop := context.WithCancel(context.Background())
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = w.receipts.Run(ctx)
	}()
	t.Cleanup(func() {
		w.server.Close()
		require.NoError(t, <-served)
		stop()
		<-told
	})
	return w
}

// put is a change of one document; an empty text deletes it.
type put struct{ collection, id, text string }

func flagDoc(environment string, f evaluator.Flag) put {
	data, err := feature.Encode(f)
	if err != nil {
		panic(err)
	}
	return put{store.RulesetCollection(environment), "flag/" + f.Key, string(data)}
}

func environmentDoc(key string) put { return put{"environment", key, "{}"} }

// boolFlag serves on to everybody when it is on.
func boolFlag(key string, on bool, version int64) evaluator.Flag {
	return evaluator.Flag{
		Key: key, Type: evaluator.TypeBoolean, Version: version, Salt: "abcdefghijkl", Enabled: on, Off: "off",
		Variants: []evaluator.Variant{{Key: "on", Value: []byte("true")}, {Key: "off", Value: []byte("false")}},
		Default:  evaluator.Serve{Variant: "on"},
	}
}

// commit makes one entry and gives it to the node.
func (w *world) commit(puts ...put) store.Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	var changes []store.Change
	for _, p := range puts {
		k := store.Key{Collection: p.collection, ID: p.id}
		before, _ := w.state.Get(k)
		c := store.Change{Key: k, Before: before}
		if p.text != "" {
			c.After = []byte(p.text)
		} else if before == nil {
			continue
		}
		changes = append(changes, c)
	}
	e, err := store.Seal(w.state.Head(), store.Meta{Actor: "test", Verb: "test", At: time.Unix(0, 0)}, changes)
	require.NoError(w.t, err)
	next, err := w.state.Apply(e)
	require.NoError(w.t, err)
	w.state = next
	w.feeds.Step(project, store.Step{State: next, Entry: &e})
	return e.Cursor()
}

// reload replaces everything, as a mirror does that missed entries.
func (w *world) reload(head store.Head, docs map[store.Key][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = store.NewState(head, maps.All(docs))
	w.feeds.Step(project, store.Step{State: w.state})
}

// documents are an environment's as the store has them.
func (w *world) documents(environment string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]string{}
	for id, data := range w.state.List(store.RulesetCollection(environment)) {
		out[id] = string(data)
	}
	return out
}

func (w *world) revision() evaluator.Revision {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.state.Head()
	return evaluator.Revision{Epoch: h.Epoch, Number: h.Revision}
}

// conn connects with a token.
func (w *world) conn(token string, options ...grpc.DialOption) *grpc.ClientConn {
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	if w.dial != nil {
		options = append(options, grpc.WithContextDialer(w.dial))
	}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	c, err := grpc.NewClient(w.address, options...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func withHeader(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// keys authenticates by a list.
type keys struct {
	mu     sync.Mutex
	tokens map[string]policy.Principal
	asked  int
}

func newKeys() *keys {
	k := &keys{tokens: map[string]policy.Principal{}}
	for kind, token := range map[policy.Kind]string{policy.KindServer: "server", policy.KindClient: "client", policy.KindKill: "kill"} {
		k.tokens[token] = policy.Principal{ID: "token:" + token, Kind: kind, Project: project, Environment: "prod"}
	}
	k.tokens["admin"] = policy.Principal{ID: "token:admin", Kind: policy.KindAdmin, Role: policy.RoleAdmin}
	k.tokens["elsewhere"] = policy.Principal{ID: "token:elsewhere", Kind: policy.KindServer, Project: "other", Environment: "prod"}
	k.tokens["nowhere"] = policy.Principal{ID: "token:nowhere", Kind: policy.KindServer, Project: project, Environment: "nowhere"}
	return k
}

func (k *keys) Authenticate(text, address string) (policy.Principal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.tokens[text]
	if !ok {
		return policy.Principal{}, feature.Unauthenticated("the token is not known")
	}
	p.Address = address
	return p, nil
}

func (k *keys) Check(p policy.Principal) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	for _, known := range k.tokens {
		if known.ID == p.ID {
			return nil
		}
	}
	return feature.Unauthenticated("the token is not valid any more")
}

func (k *keys) revoke(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tokens, token)
}

// client is a sync client as dumb as can be: it keeps what it is sent, and checks all that it can.
type client struct {
	stream   grpc.BidiStreamingClient[pb.SyncRequest, pb.SyncResponse]
	id       string
	old      bool // of the time when a Commit was always a message of its own
	process  []byte
	messages int // of changes and commits

	revision evaluator.Revision
	docs     map[string]string
	next     map[string]string // nil: no step has begun
	digest   evaluator.Digest  // of docs
	sum      evaluator.Digest  // of next
	count    int64
	full     bool // the step under way is a whole ruleset

	modes      []pb.Intent_Mode
	heartbeats int
	fulls      int
	mismatches int
}

// open says Hello with what the client holds.
func (c *client) open(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := pb.NewSyncServiceClient(conn).Sync(ctx)
	if err != nil {
		return err
	}
	c.stream, c.next, c.count, c.full = stream, nil, 0, false
	if c.docs == nil {
		c.docs = map[string]string{}
	}
	c.digest = digestOf(c.docs)
	d, protocol := c.digest, int32(protocolJoined)
	if c.old {
		protocol = 0
	}
	return stream.Send(&pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: &pb.Hello{
		Instance: c.id, Sdk: "test", SdkVersion: "0", Schema: 1, After: c.rev(), Digest: d[:],
		Protocol: protocol, Process: c.process,
	}}})
}

func (c *client) rev() *pb.Revision {
	return &pb.Revision{Epoch: c.revision.Epoch, Number: c.revision.Number}
}

// step takes one message. It fails when the server does what it must not.
func (c *client) step() error {
	m, err := c.stream.Recv()
	if err != nil {
		return err
	}
	return c.take(m)
}

func (c *client) take(m *pb.SyncResponse) error {
	switch m := m.GetMessage().(type) {
	case *pb.SyncResponse_Intent:
		if c.next != nil {
			return fmt.Errorf("an intent within a step")
		}
		c.modes = append(c.modes, m.Intent.GetMode())
		c.full = m.Intent.GetMode() == pb.Intent_MODE_FULL
	case *pb.SyncResponse_Changes:
		c.begin()
		c.messages++
		for _, ch := range m.Changes.GetChanges() {
			c.count++
			id := ch.GetKind() + "/" + ch.GetKey()
			if old, there := c.next[id]; there {
				c.sum = c.sum.Remove(documentOf(id, old))
				delete(c.next, id)
			}
			if !ch.GetDeleted() {
				c.next[id] = string(ch.GetJson())
				c.sum = c.sum.Add(documentOf(id, c.next[id]))
			}
		}
		if commit := m.Changes.GetCommit(); commit != nil {
			if c.old {
				return errors.New("a commit within changes, to a client that does not know of it")
			}
			return c.commit(commit)
		}
	case *pb.SyncResponse_Commit:
		if c.messages++; !c.old {
			return errors.New("a commit of its own, to a client that takes it within changes")
		}
		return c.commit(m.Commit)
	case *pb.SyncResponse_Heartbeat:
		c.heartbeats++
		return c.heard(m.Heartbeat)
	}
	return nil
}

func (c *client) begin() {
	if c.next == nil {
		c.next, c.sum = maps.Clone(c.docs), c.digest
		if c.full {
			c.next, c.sum = map[string]string{}, evaluator.Digest{}
		}
	}
}

func (c *client) commit(m *pb.Commit) error {
	c.begin()
	next, count, rev := c.next, c.count, revisionOf(m.GetRevision())
	c.next, c.count = nil, 0
	if c.full {
		c.fulls++
	}
	switch {
	case count != m.GetCount():
		return fmt.Errorf("%d changes, the commit says %d", count, m.GetCount())
	case rev.Compare(c.revision) < 0, rev == c.revision && !c.full:
		return fmt.Errorf("from %v to %v", c.revision, rev)
	case c.sum != evaluator.Digest(m.GetDigest()):
		c.mismatches++
		return c.stream.Send(&pb.SyncRequest{Message: &pb.SyncRequest_Nack{Nack: &pb.Nack{Revision: m.GetRevision(), Reason: "digest"}}})
	}
	c.docs, c.digest, c.revision = next, c.sum, rev
	return c.ack()
}

func (c *client) heard(m *pb.Heartbeat) error {
	rev := revisionOf(m.GetRevision())
	if rev.Compare(c.revision) <= 0 || c.digest != evaluator.Digest(m.GetDigest()) {
		return nil
	}
	c.revision = rev
	return c.ack()
}

func (c *client) ack() error {
	return c.stream.Send(&pb.SyncRequest{Message: &pb.SyncRequest_Ack{Ack: &pb.Ack{Revision: c.rev()}}})
}

// until takes messages until the client is at a revision.
func (c *client) until(rev evaluator.Revision) error {
	for c.revision.Compare(rev) < 0 {
		if err := c.step(); err != nil {
			return fmt.Errorf("at %v on the way to %v: %w", c.revision, rev, err)
		}
	}
	return nil
}

func (c *client) bye() error {
	if err := c.stream.Send(&pb.SyncRequest{Message: &pb.SyncRequest_Bye{Bye: &pb.Bye{}}}); err != nil {
		return err
	}
	for {
		if _, err := c.stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func digestOf(docs map[string]string) (d evaluator.Digest) {
	for id, text := range docs {
		d = d.Add(documentOf(id, text))
	}
	return d
}

func documentOf(id, text string) evaluator.Document {
	kind, key, _ := cutID(id)
	return evaluator.Document{Kind: evaluator.Kind(kind), Key: key, JSON: []byte(text)}
}

func cutID(id string) (kind, key string, ok bool) {
	for i := range id {
		if id[i] == '/' {
			return id[:i], id[i+1:], true
		}
	}
	return id, "", false
}

func deadline(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
