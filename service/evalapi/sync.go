package evalapi

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
)

// syncService is the feed on the wire. Details that sync.proto leaves open:
//
//   - After the Commit of a FULL another Intent follows (DELTA or NONE): nobody has to guess whether the next changes are a whole ruleset.
//   - A Commit comes for a change of the environment's ruleset. The project's revision also moves without one; a client learns that from the next
//     Heartbeat, whose digest is then the one that it holds, and may take over the revision. One follows an Intent NONE at once.
//   - While the node is LAGGING its heartbeats carry its own revision, which is below the client's. They are a sign of life, no proof of freshness.
//   - A Hello whose digest matches counts as an acknowledgement of what it holds.
//   - An Ack of a revision that was not sent on this stream counts for nothing.
type syncService struct {
	pb.UnimplementedSyncServiceServer
	*Server
}

// Why a stream ends.
var (
	errLeft     = errors.New("the client left")
	errNoHello  = feature.Malformed("", "the first message must be a Hello, within 10 s, and the only one")
	errSlow     = &feature.Error{Code: feature.CodeUnavailable, Msg: "the client took nothing for 10 s"}
	errDraining = feature.Unavailable(nil, "the node is going down")
)

// Sync implements the SyncService. The handler is the sending half; the receiving half has a goroutine, which ends when the handler has returned: while
// it has not, only a failed message would end it, and that would take the place of the status that the client is to get.
func (s syncService) Sync(stream grpc.BidiStreamingServer[pb.SyncRequest, pb.SyncResponse]) error {
	ctx := stream.Context()
	f, err := s.feed(ctx)
	if err != nil {
		return err
	}
	y := &syncStream{
		Server: s.Server, stream: stream, feed: f, cut: cutter(ctx),
		hello: make(chan *pb.Hello), linked: make(chan struct{}), ended: make(chan struct{}), nacked: make(chan struct{}, 1),
	}
	s.receivers.Go(func() { y.receive(ctx) })
	hello, err := y.awaitHello(ctx)
	if err != nil {
		return err
	}
	defer s.streams.open()()
	y.held = revisionOf(hello.GetAfter())
	y.link = s.opts.Receipts.Connect(f.Project(), f.Environment(), receipt.Instance{
		ID: hello.GetInstance(), Application: hello.GetApplication(), SDK: hello.GetSdk(), SDKVersion: hello.GetSdkVersion(),
	})
	defer func() { y.link.Close(y.bye.Load()) }()
	close(y.linked)
	err = y.send(ctx, hello.GetDigest())
	if errors.Is(err, errLeft) {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
		return cause
	}
	return err
}

// feed finds the feed of the caller's environment, and has its project followed if need be.
func (s *Server) feed(ctx context.Context) (*feed.Feed, error) {
	p := principal(ctx)
	if f, ok := s.opts.Feeds.Environment(p.Project, p.Environment); ok {
		return f, nil
	}
	if !s.opts.Feeds.Loaded(p.Project) {
		if s.opts.Follow == nil {
			return nil, feature.Unavailable(nil, "the project is not loaded yet")
		}
		ctx, cancel := context.WithTimeout(ctx, followLimit)
		defer cancel()
		if err := s.opts.Follow(ctx, p.Project); err != nil {
			return nil, feature.Unavailable(err, "the project is not loaded yet")
		}
		if f, ok := s.opts.Feeds.Environment(p.Project, p.Environment); ok {
			return f, nil
		}
	}
	return nil, feature.NotFound("environment", p.Environment)
}

func (y *syncStream) awaitHello(ctx context.Context) (*pb.Hello, error) {
	limit := time.NewTimer(helloLimit)
	defer limit.Stop()
	select {
	case hello := <-y.hello:
		return hello, checkHello(hello)
	case <-y.ended:
		if y.err == nil { // it left without a word
			return nil, errNoHello
		}
		return nil, y.err
	case <-limit.C:
		return nil, errNoHello
	case <-y.draining:
		return nil, errDraining
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// The limits of a Hello, in bytes.
const (
	maxInstance    = 128
	maxApplication = 128
	maxSDK         = 64
)

func checkHello(h *pb.Hello) error {
	for _, text := range []struct {
		name, value string
		min, max    int
	}{
		{"instance", h.GetInstance(), 1, maxInstance},
		{"sdk", h.GetSdk(), 0, maxSDK},
		{"sdk_version", h.GetSdkVersion(), 0, maxSDK},
		{"application", h.GetApplication(), 0, maxApplication},
	} {
		if n := len(text.value); n < text.min || n > text.max {
			return feature.Invalid("hello."+text.name, "must have %d to %d bytes, has %d", text.min, text.max, n)
		}
		if !printable(text.value) {
			return feature.Invalid("hello."+text.name, "must be printable")
		}
	}
	if n := len(h.GetDigest()); n != 0 && n != len(evaluator.Digest{}) {
		return feature.Invalid("hello.digest", "must have 16 bytes, has %d", n)
	}
	if h.GetSchema() < 0 || h.GetAfter().GetEpoch() < 0 || h.GetAfter().GetNumber() < 0 {
		return feature.Invalid("hello", "schema and revision cannot be negative")
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func revisionOf(r *pb.Revision) evaluator.Revision {
	return evaluator.Revision{Epoch: r.GetEpoch(), Number: r.GetNumber()}
}

func cursorOf(r evaluator.Revision) store.Cursor {
	return store.Cursor{Epoch: r.Epoch, Revision: r.Number}
}

// syncStream is one stream. Its memory is constant: a position in the feed.
type syncStream struct {
	*Server
	stream grpc.ServerStream
	feed   *feed.Feed
	cut    context.CancelCauseFunc
	hello  chan *pb.Hello
	linked chan struct{} // closed when link and held are set
	link   *receipt.Link
	nacked chan struct{} // the client asked for a FULL
	bye    atomic.Bool   // it said so
	ended  chan struct{} // closed when the receiving half has ended
	err    error         // why; nil: the client left

	// The sender's alone:
	at    evaluator.Revision // where the client is; see feed.Node.After
	full  bool               // the client needs a FULL
	mode  []byte             // the last intent
	limit *time.Timer        // cuts a client that takes nothing
	asked time.Time          // when the token was last looked at while sending

	mu      sync.Mutex
	held    evaluator.Revision // the highest revision that the client may acknowledge: it said so in Hello, or it was sent
	wholeAt evaluator.Revision // of the last FULL

	nacks int // receive's alone
}

// send is the sending half. It returns when the stream has to end.
func (y *syncStream) send(ctx context.Context, digest []byte) error {
	y.limit = time.AfterFunc(sendLimit, func() { y.cut(errSlow) })
	defer y.limit.Stop()
	y.limit.Stop()
	beat := time.NewTicker(checkEvery)
	defer beat.Stop()
	if err := y.begin(ctx, digest, beat.C); err != nil {
		return err
	}
	for beats := 1; ; {
		if err := y.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-y.feed.Current().Next():
		case <-y.nacked:
			y.full = true
		case <-beat.C:
			if err := y.opts.Auth.Check(*principal(ctx)); err != nil {
				return err
			}
			if beats++; time.Duration(beats)*checkEvery > heartbeat {
				beats = 1
				if err := y.catchUpAndBeat(ctx); err != nil {
					return err
				}
			}
		case <-y.draining:
			return y.goodbye()
		case <-y.feed.Gone():
			return feature.NotFound("environment", y.feed.Environment())
		case <-y.ended:
			return y.left()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin finds out what the client needs first. A node that is behind the client says so and waits until it is not.
func (y *syncStream) begin(ctx context.Context, digest []byte, beat <-chan time.Time) error {
	client := y.held
	for beats := 0; y.feed.Current().Revision().Compare(client) < 0; {
		if beats++; beats == 1 {
			if err := y.intend(intentLagging); err != nil {
				return err
			}
		}
		// Entries that do not touch the environment wake nobody, so each beat looks, too.
		select {
		case <-y.feed.Current().Next():
			continue
		case <-beat:
		case <-y.draining:
			return y.goodbye()
		case <-y.feed.Gone():
			return feature.NotFound("environment", y.feed.Environment())
		case <-y.ended:
			return y.left()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := y.opts.Auth.Check(*principal(ctx)); err != nil {
			return err
		}
		if time.Duration(beats)*checkEvery >= heartbeat {
			beats = 1
			n := y.feed.Current()
			if err := y.write(heartbeatMessage(n.Revision(), n.Digest(), y.storeAge())); err != nil {
				return err
			}
		}
	}
	n := y.feed.Current()
	known := len(digest) == len(evaluator.Digest{})
	if known {
		y.at, known = n.Locate(client, evaluator.Digest(digest))
	}
	switch step, kept := n.After(y.at); {
	case !known || !kept:
		y.full, y.at = true, client
		return nil
	case step != nil:
		y.link.Ack(cursorOf(y.at))
		return y.intend(intentDelta)
	}
	if err := y.intend(intentNone); err != nil {
		return err
	}
	if err := y.beat(n); err != nil {
		return err
	}
	y.link.Ack(cursorOf(y.at))
	return nil
}

// catchUp sends what the client does not have yet, until there is nothing.
func (y *syncStream) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-y.draining:
			return y.goodbye()
		case <-y.ended:
			return y.left()
		default:
		}
		step, kept := y.feed.Current().After(y.at)
		switch {
		case y.full || !kept:
			if err := y.sendFull(); err != nil {
				return err
			}
		case step == nil:
			return nil
		default:
			if string(y.mode) == string(intentFull) {
				if err := y.intend(intentDelta); err != nil {
					return err
				}
			}
			if err := y.take(step.Messages(), step.Revision()); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

func (y *syncStream) sendFull() error {
	y.full = false
	full := y.feed.Current().Full(y.at)
	y.mu.Lock()
	y.wholeAt = full.Revision()
	y.mu.Unlock()
	if err := y.intend(intentFull); err != nil {
		return err
	}
	return y.take(full.Messages(), full.Revision())
}

// take sends a step, which brings the client to a revision. It keeps nothing of the node that the step came from.
func (y *syncStream) take(messages [][]byte, to evaluator.Revision) error {
	for i, m := range messages {
		// A client that takes one message every few seconds keeps a FULL of many from ever coming back to the loop that looks otherwise.
		if now := time.Now(); now.Sub(y.asked) >= checkEvery {
			y.asked = now
			if err := y.opts.Auth.Check(*principal(y.stream.Context())); err != nil {
				return err
			}
		}
		if i == len(messages)-1 {
			y.sent(to) // before the Commit, so that the acknowledgement cannot overtake it
		}
		if err := y.write(m); err != nil {
			return err
		}
	}
	return nil
}

func (y *syncStream) sent(rev evaluator.Revision) {
	y.at = rev
	y.mu.Lock()
	defer y.mu.Unlock()
	y.held = rev
}

// catchUpAndBeat sends a heartbeat of a revision that the client has got everything of.
func (y *syncStream) catchUpAndBeat(ctx context.Context) error {
	for {
		if err := y.catchUp(ctx); err != nil {
			return err
		}
		n := y.feed.Current()
		if step, kept := n.After(y.at); step == nil && kept {
			return y.beat(n)
		}
	}
}

// beat tells a client that has everything of a node where that is.
func (y *syncStream) beat(n *feed.Node) error {
	if string(y.mode) == string(intentFull) {
		if err := y.intend(intentNone); err != nil {
			return err
		}
	}
	y.sent(n.Revision())
	return y.write(heartbeatMessage(n.Revision(), n.Digest(), y.storeAge()))
}

func (y *syncStream) storeAge() int64 {
	return min(y.opts.StoreAge(y.feed.Project()).Milliseconds(), math.MaxInt32)
}

// goodbye asks the client to leave. The share that it waits grows with how many have to.
func (y *syncStream) goodbye() error {
	const perSecond = 1000 // reconnects that another node takes easily
	spread := 1000 * (1 + y.streams.n.Load()/perSecond)
	if err := y.write(goodbyeMessage(0, spread)); err != nil {
		return err
	}
	return errDraining
}

func (y *syncStream) intend(mode []byte) error {
	y.mode = mode
	return y.write(mode)
}

// write sends one message. A client that takes nothing for the time limit is cut; nothing but its own stream waits for it. (It then sees
// Canceled, whatever this end says: grpc answers a SendMsg that failed by itself.)
func (y *syncStream) write(m []byte) error {
	y.limit.Reset(sendLimit)
	err := y.stream.SendMsg((*encoded)(&m))
	y.limit.Stop()
	return err
}

// maxNacks is how many refusals are logged for one stream.
const maxNacks = 10

// left is what a stream ends with whose client has left: always an error, so that sending stops.
func (y *syncStream) left() error {
	if y.err == nil {
		return errLeft
	}
	return y.err
}

// receive is the receiving half.
func (y *syncStream) receive(ctx context.Context) {
	defer close(y.ended)
	defer func() {
		if r := recover(); r != nil {
			y.err = y.panicked(pb.SyncService_Sync_FullMethodName, r)
		}
	}()
	y.err = y.receiveAll(ctx)
}

func (y *syncStream) receiveAll(ctx context.Context) error {
	for greeted := false; ; {
		m := new(pb.SyncRequest)
		switch err := y.stream.RecvMsg(m); {
		case err == io.EOF: //nolint:errorlint // grpc returns it as it is
			return nil
		case err != nil:
			return err
		}
		if hello := m.GetHello(); hello == nil != greeted {
			return errNoHello
		} else if hello != nil {
			greeted = true
			if !y.greet(ctx, hello) {
				return nil
			}
			continue
		}
		y.link.Seen()
		switch m := m.GetMessage().(type) {
		case *pb.SyncRequest_Ack:
			y.acknowledged(revisionOf(m.Ack.GetRevision()))
		case *pb.SyncRequest_Nack:
			y.refused(ctx, m.Nack)
		case *pb.SyncRequest_Bye:
			y.bye.Store(true)
			return nil
		default:
			// Of a later version of the protocol; or empty. Not to be held against the client.
		}
	}
}

// greet hands over the Hello and waits until the sending half has dealt with it; false: it has given up.
func (y *syncStream) greet(ctx context.Context, hello *pb.Hello) bool {
	select {
	case y.hello <- hello:
	case <-ctx.Done():
		return false
	}
	select {
	case <-y.linked:
		return true
	case <-ctx.Done():
		return false
	}
}

func (y *syncStream) acknowledged(rev evaluator.Revision) {
	y.mu.Lock()
	known := rev.Compare(y.held) <= 0
	y.mu.Unlock()
	if known {
		y.link.Ack(cursorOf(rev))
	}
}

// refused takes a Nack: a step that could not be taken is answered with a FULL; a document that the client cannot evaluate is noted.
func (y *syncStream) refused(ctx context.Context, n *pb.Nack) {
	if y.nacks++; y.nacks <= maxNacks {
		y.opts.Logger.WarnContext(ctx, "evalapi: a client refused what it was sent", "project", y.feed.Project(), "environment", y.feed.Environment(),
			"revision", revisionOf(n.GetRevision()), "kind", clip(n.GetKind()), "key", clip(n.GetKey()), "reason", clip(n.GetReason()))
	}
	if n.GetKind() != "" {
		return
	}
	y.mu.Lock()
	whole := revisionOf(n.GetRevision()) == y.wholeAt
	y.mu.Unlock()
	if whole {
		y.feed.ForgetFull() // it may be damaged, so the next one is made anew
	}
	select {
	case y.nacked <- struct{}{}:
	default: // one is already asked for
	}
}

// clip bounds what a client has written into a log.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
