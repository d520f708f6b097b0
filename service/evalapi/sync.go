package evalapi

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/receipt"
)

// syncService is the feed on the wire; sync.proto says what is sent when. Beyond that, a Hello whose digest matches counts as an acknowledgement of what
// it holds.
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
	y.held, y.protocol = revisionOf(hello.GetAfter()), hello.GetProtocol()
	y.link = s.opts.Receipts.Connect(f.Project(), f.Environment(), receipt.Instance{
		ID: hello.GetInstance(), Process: string(hello.GetProcess()), Application: hello.GetApplication(), SDK: hello.GetSdk(), SDKVersion: hello.GetSdkVersion(),
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

// feed finds the feed of the caller's environment, and has its project followed if need be. A node that the others do not know of yet serves nobody: they
// would say that a kill is everywhere while it is not.
func (s *Server) feed(ctx context.Context) (*feed.Feed, error) {
	f, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.opts.Receipts.Announced(f.Project()):
		return f, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Server) find(ctx context.Context) (*feed.Feed, error) {
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
	protocol int32              // that the client speaks
	at       evaluator.Revision // where the client is; see feed.Node.After
	full     bool               // the client needs a FULL
	mode     []byte             // the last intent
	limit    *time.Timer        // cuts a client that takes nothing
	asked    time.Time          // when the token was last looked at while sending

	mu      sync.Mutex
	held    evaluator.Revision // the highest revision that the client may acknowledge: it said so in Hello, or it was sent
	wholeAt evaluator.Revision // of the last FULL

	nacks int // receive's alone
}
