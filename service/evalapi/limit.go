package evalapi

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/limit"
)

// RateLimits bound what one caller can take from the others; see [limit.Rate]. One address may do twice as much as one token, for all tokens behind it
// together. Who is over a limit gets RESOURCE_EXHAUSTED, with a RetryInfo that says when to go on.
type RateLimits struct {
	// Evaluate is for single requests. Default: 20,000 a second and at once.
	Evaluate limit.Rate
	// Open is for streams that are opened: all SDKs of an environment may share one token, and come back within seconds when a node
	// has gone. Default: 5,000 a second, 20,000 at once.
	Open limit.Rate
	// Refused is for tokens that are not taken, by address alone: a token cannot be guessed, so this is about the noise. Who has a good one
	// is served however many bad ones come from his address. Default: 20 a second, 200 at once.
	Refused limit.Rate
}

// perAddress is how many tokens' budget one address has.
const perAddress = 2

// budget is a limit by token and by address.
type budget struct{ tokens, addresses *limit.Buckets }

func newBudget(r, standard limit.Rate) budget {
	r = r.Or(standard)
	return budget{limit.New(r), limit.New(r.Times(perAddress))}
}

type limits struct {
	evaluate, open budget
	refused        *limit.Buckets
	hits           atomic.Int64 // calls that were over a limit
	said           atomic.Int64 // when that was last logged, in Unix nanoseconds
}

func (l *limits) init(r RateLimits) {
	l.evaluate = newBudget(r.Evaluate, limit.Rate{PerSecond: 20_000, Burst: 20_000})
	l.open = newBudget(r.Open, limit.Rate{PerSecond: 5_000, Burst: 20_000})
	l.refused = limit.New(r.Refused.Or(limit.Rate{PerSecond: 20, Burst: 200}))
}

// of is the budget that an RPC draws on.
func (l *limits) of(method string) *budget {
	if opens(method) {
		return &l.open
	}
	return &l.evaluate
}

// opens says whether an RPC is a stream that lasts.
func opens(method string) bool {
	return method == pb.SyncService_Sync_FullMethodName || method == pb.EvaluationService_Watch_FullMethodName
}

// tooMany is a limit that was hit, with the time until the next call is taken.
type tooMany struct{ wait time.Duration }

func (e *tooMany) Error() string { return "too many requests; RetryInfo says when to go on" }

// admit is nil, or says how long a caller of a bucket has to wait.
func (s *Server) admit(ctx context.Context, b *limit.Buckets, method, caller string) error {
	now := s.opts.Clock()
	wait := b.Take(caller, now)
	if wait == 0 {
		return nil
	}
	s.limits.hits.Add(1)
	const every = 10 * time.Second
	if said := s.limits.said.Load(); now.UnixNano()-said >= int64(every) && s.limits.said.CompareAndSwap(said, now.UnixNano()) {
		s.opts.Logger.WarnContext(ctx, "evalapi: a caller is over its limit", "caller", caller, "method", method, "calls refused so far", s.limits.hits.Load())
	}
	return &tooMany{wait}
}

// Limited is how many calls were refused because their caller was over a limit.
func (s *Server) Limited() int64 { return s.limits.hits.Load() }

// tap sees a call before its message is read and before it has a goroutine, so that a flood from one address costs next to nothing. It runs on the
// connection's reading goroutine and must not wait.
//
// It also gives long streams a context that this package can end. That is the one way to make a SendMsg return that waits for a client which does
// not read: the transport watches the context that was in place when the stream began.
func (s *Server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	method := info.FullMethodName
	if err := s.admit(ctx, s.limits.of(method).addresses, method, addressOf(ctx).caller); err != nil {
		return nil, s.answer(method, err)
	}
	if opens(method) {
		ctx, cut := context.WithCancelCause(ctx) // ends with its parent, which the transport cancels
		return context.WithValue(ctx, cutKey{}, cut), nil
	}
	return ctx, nil
}

// acceptor gives each connection an address that is put into words once, not for each call.
type acceptor struct{ net.Listener }

func (l acceptor) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	text := c.RemoteAddr().String()
	return conn{c, &address{c.RemoteAddr(), text, limit.Address(text)}}, nil
}

type conn struct {
	net.Conn
	remote *address
}

// RemoteAddr implements net.Conn.
func (c conn) RemoteAddr() net.Addr { return c.remote }

type address struct {
	net.Addr
	text   string
	caller string // see [limit.Address]
}

// String implements net.Addr.
func (a *address) String() string { return a.text }

// addressOf is who is at the other end of a call's connection.
func addressOf(ctx context.Context) *address {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.Addr.(*address); ok {
			return a
		}
	}
	return &address{} // not reachable: all connections come through an acceptor
}
