package evalapi

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

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
	errNoHello  = feature.Malformed("", "the first message must be a Hello, within 10 s, and the only one")
	errSlow     = &feature.Error{Code: feature.CodeUnavailable, Msg: "the client took nothing for 10 s"}
	errDraining = feature.Unavailable(nil, "the node is going down")
)

// Sync implements the SyncService. The handler is the receiving half; what is to be sent, turns send, see crowd.
func (s syncService) Sync(stream grpc.BidiStreamingServer[pb.SyncRequest, pb.SyncResponse]) error {
	ctx := stream.Context()
	f, err := s.feed(ctx)
	if err != nil {
		return err
	}
	y := &syncStream{Server: s.Server, stream: stream, feed: f, cut: cutter(ctx)}
	hello, err := y.awaitHello()
	if err != nil {
		return err
	}
	defer s.streams.open()()
	y.held, y.digest, y.protocol = revisionOf(hello.GetAfter()), hello.GetDigest(), hello.GetProtocol()
	y.link = s.opts.Receipts.Connect(f.Project(), f.Environment(), receipt.Instance{
		ID: hello.GetInstance(), Process: string(hello.GetProcess()), Application: hello.GetApplication(), SDK: hello.GetSdk(), SDKVersion: hello.GetSdkVersion(),
	})
	leave := s.crowds.join(y)
	defer func() {
		// From here on nothing may be sent. A turn that is at work ends with its message, or is cut when the client does not take that.
		y.leaving.Store(true)
		leave()
		late := time.AfterFunc(sendLimit, func() { y.cut(errSlow) })
		y.working.Wait()
		late.Stop()
		y.link.Close(y.bye)
	}()
	return y.why(y.receive())
}

// end ends the stream from this end: the client gets the error, and the handler's RecvMsg returns. grpc lets a handler end a stream by returning, which one that
// waits for a message cannot, and cancels the context once the status is written; so this writes it.
func (y *syncStream) end(err error) {
	y.reason.CompareAndSwap(nil, &err)
	st := status.Convert(y.answer(pb.SyncService_Sync_FullMethodName, err))
	transport, ok := grpc.ServerTransportStreamFromContext(y.stream.Context()).(interface{ WriteStatus(*status.Status) error })
	if !ok || transport.WriteStatus(st) != nil {
		y.cut(err) // the client sees Canceled
	}
}

// why is what the handler returns when it has received err.
func (y *syncStream) why(err error) error {
	if reason := y.reason.Load(); reason != nil {
		return *reason
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
	link   *receipt.Link

	// What wakes a turn, see crowd:
	pending atomic.Bool           // one is on its way, and will see all that was before
	due     atomic.Bool           // it is time for a look at the token, and perhaps for a heartbeat
	nacked  atomic.Bool           // the client asked for a FULL
	writing atomic.Int64          // since when a message waits to be taken, in Unix nanoseconds; 0: none
	leaving atomic.Bool           // the stream ends: nothing more is to be sent
	reason  atomic.Pointer[error] // why this end ended it
	bucket  int                   // of those that are due together
	place   int                   // in the crowd, which guards it

	working sync.WaitGroup // turns; the handler waits for them
	turns   sync.Mutex     // held by a turn. What follows is a turn's alone:

	protocol int32              // that the client speaks
	digest   []byte             // of what the client said it holds; nil once that was looked at
	begun    bool               // the client knows how what it holds stands to what there is
	at       evaluator.Revision // where the client is; see feed.Node.After
	full     bool               // the client needs a FULL
	repairs  repairs            // the FULLs that it asked for
	mode     []byte             // the last intent
	beats    int                // since the last heartbeat
	asked    time.Time          // when the token was last looked at while sending

	mu      sync.Mutex
	held    evaluator.Revision // the highest revision that the client may acknowledge: it said so in Hello, or it was sent
	wholeAt evaluator.Revision // of the last FULL

	// The receiving half's alone:
	bye   bool // the client said it
	nacks int
	pace  pace
}
