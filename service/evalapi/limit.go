package evalapi

import (
	"context"
	"net"
	"net/netip"
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
type budget struct {
	tokens    *limit.Buckets[string]
	addresses *limit.Buckets[netip.Prefix]
}

func newBudget(r, standard limit.Rate) budget {
	r = r.Or(standard)
	return budget{limit.New[string](r), limit.New[netip.Prefix](r.Times(perAddress))}
}

type limits struct {
	evaluate, open budget
	refused        *limit.Buckets[netip.Prefix]
	hits           atomic.Int64 // calls that were over a limit
	said           atomic.Int64 // when that was last logged, in Unix nanoseconds
}

func (l *limits) init(r RateLimits) {
	l.evaluate = newBudget(r.Evaluate, limit.Rate{PerSecond: 20_000, Burst: 20_000})
	l.open = newBudget(r.Open, limit.Rate{PerSecond: 5_000, Burst: 20_000})
	l.refused = limit.New[netip.Prefix](r.Refused.Or(limit.Rate{PerSecond: 20, Burst: 200}))
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
func admit[K comparable](s *Server, b *limit.Buckets[K], method string, caller K) error {
	now := s.opts.Clock()
	wait := b.Take(caller, now)
	if wait == 0 {
		return nil
	}
	s.limits.hits.Add(1)
	const every = 10 * time.Second
	if said := s.limits.said.Load(); now.UnixNano()-said >= int64(every) && s.limits.said.CompareAndSwap(said, now.UnixNano()) {
		s.opts.Logger.Warn("evalapi: a caller is over its limit", "caller", caller, "method", method, "calls refused so far", s.limits.hits.Load())
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
	if err := admit(s, s.limits.of(method).addresses, method, prefixOf(ctx)); err != nil {
		return nil, s.answer(method, err)
	}
	if opens(method) {
		ctx, cut := context.WithCancelCause(ctx) // ends with its parent, which the transport cancels
		return context.WithValue(ctx, cutKey{}, cut), nil
	}
	return ctx, nil
}

// addressOf is who is at the other end of a call's connection. It is nil in tests that have no network.
func addressOf(ctx context.Context) net.Addr {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	return p.Addr
}

// prefixOf is the address as limits count it.
func prefixOf(ctx context.Context) netip.Prefix {
	if tcp, ok := addressOf(ctx).(*net.TCPAddr); ok {
		return limit.Prefix(tcp.AddrPort().Addr())
	}
	return netip.Prefix{}
}
