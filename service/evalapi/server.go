// Package evalapi is the gRPC edge for SDKs: remote evaluation, the sync stream that feeds local evaluation, and health. It decodes, calls one
// function, and encodes. What a caller may do is declared per RPC in guard.go; an RPC that is not listed there is refused to everyone.
package evalapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
)

// The limits of this edge.
const (
	maxRequest = 256 << 10 // bytes of one message from a client
	maxStreams = 250       // of one connection
	maxHeaders = 16 << 10  // bytes of metadata
	// What a stream, and a connection, may send before the server has read it. Fixed: otherwise grpc answers each message of a client, such as
	// an acknowledgement, with a ping to measure the way, and lets connections that are fast hold 16 MiB.
	streamWindow    = maxRequest
	connWindow      = 1 << 20
	handshakeLimit  = 5 * time.Second  // for TLS and HTTP/2 to be set up
	helloLimit      = 10 * time.Second // for a sync stream's first message
	sendLimit       = 10 * time.Second // for a client to take one message
	heartbeat       = 5 * time.Second
	checkEvery      = heartbeat / 3 // how often an open stream asks whether its token is still good
	followLimit     = 3 * time.Second
	keepaliveTime   = 10 * time.Second
	keepaliveAnswer = 5 * time.Second
	// pingEvery is how often a client may ping at most. SDKs ping to find dead links, also without a stream.
	pingEvery = 5 * time.Second
	idleLimit = 5 * time.Minute // for a connection without a call
	// readBuffer is small because a connection with TLS has one all the time. One without has a buffer only while there is something to read, which grpc does for
	// a *net.TCPConn that nothing is wrapped around.
	readBuffer = 4 << 10
)

// Authenticator is what this edge needs of package auth.
type Authenticator interface {
	// Authenticate finds out whose token it is, from memory.
	Authenticate(text, address string) (policy.Principal, error)
	// Check is nil while the token behind the principal is good.
	Check(p policy.Principal) error
}

// Options are what a Server is made of. Feeds, Auth and Receipts are required.
type Options struct {
	Feeds    *feed.Set
	Auth     Authenticator
	Receipts *receipt.Service
	// Follow starts following a project and waits for its first load, as far as the context allows. nil: what is followed is
	// decided elsewhere. Its error is answered as unavailable.
	Follow func(ctx context.Context, project string) error
	// StoreAge is how long ago the store last answered for a project; it is told to clients as a proof of freshness. nil: 0.
	StoreAge    func(project string) time.Duration
	Credentials credentials.TransportCredentials // nil: plain text
	// ServerOptions go first, so that what they intercept is seen before anything is refused: measurements.
	ServerOptions []grpc.ServerOption
	RateLimits    RateLimits
	Clock         func() time.Time // for the limits. nil: time.Now
	Logger        *slog.Logger     // nil: discards
}

// Server serves the API. Its methods may be called concurrently.
type Server struct {
	opts   Options
	grpc   *grpc.Server
	health *health.Server

	draining  chan struct{} // closed when streams have to say Goodbye
	drainOnce sync.Once
	streams   counter
	limits    limits
	crowds    crowds         // of sync streams
	workers   sync.WaitGroup // of the crowds: they end with their last stream
}

// New makes a Server. It starts nothing.
func New(opts Options) *Server {
	if opts.StoreAge == nil {
		opts.StoreAge = func(string) time.Duration { return 0 }
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: opts, draining: make(chan struct{}), health: health.NewServer()}
	s.limits.init(opts.RateLimits)
	s.crowds = crowds{server: s, known: map[*feed.Feed]*crowd{}, greeting: map[*syncStream]bool{}}
	options := append(slices.Clone(opts.ServerOptions),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.InTapHandle(s.tap),
		grpc.ChainUnaryInterceptor(s.unary),
		grpc.ChainStreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ConnectionTimeout(handshakeLimit),
		grpc.ReadBufferSize(readBuffer),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleLimit, Time: keepaliveTime, Timeout: keepaliveAnswer}),
	)
	if opts.Credentials != nil {
		options = append(options, grpc.Creds(opts.Credentials))
	}
	s.grpc = grpc.NewServer(options...)
	pb.RegisterEvaluationServiceServer(s.grpc, evaluationService{Server: s})
	pb.RegisterSyncServiceServer(s.grpc, syncService{Server: s})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	return s
}

// Serve accepts connections until Drain or Close. It owns the listener, and returns nil after either.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil // it was closed before it began
}

// SetServing says in the health service whether this node takes requests.
func (s *Server) SetServing(serving bool) {
	state := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthv1.HealthCheckResponse_SERVING
	}
	for _, service := range []string{"", pb.EvaluationService_ServiceDesc.ServiceName, pb.SyncService_ServiceDesc.ServiceName} {
		s.health.SetServingStatus(service, state)
	}
}

// Drain says Goodbye on every sync stream, ends the watches, lets requests in flight finish, and returns when all is closed. When the context ends first
// the rest is cut. It may be called more than once.
func (s *Server) Drain(ctx context.Context) error {
	s.health.Shutdown()
	s.drainOnce.Do(func() {
		close(s.draining)
		s.crowds.drain()
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
		s.workers.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop() // which makes GracefulStop return
		<-done
		return ctx.Err()
	}
}

// Close cuts everything.
func (s *Server) Close() {
	s.health.Shutdown()
	s.grpc.Stop() // returns when all handlers have
	s.workers.Wait()
}

// Streams is how many sync and watch streams are open.
func (s *Server) Streams() int { return int(s.streams.n.Load()) }
