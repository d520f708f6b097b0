package evalapi

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// permission is what an RPC requires: an action that the caller's token allows, or nothing at all.
type permission struct {
	action policy.Action
	public bool
}

// permissions declares every RPC. One that is missing is refused to everyone.
var permissions = map[string]permission{
	pb.EvaluationService_Evaluate_FullMethodName:    {action: policy.EvaluateClient},
	pb.EvaluationService_EvaluateAll_FullMethodName: {action: policy.EvaluateClient},
	pb.EvaluationService_Watch_FullMethodName:       {action: policy.EvaluateClient},
	pb.SyncService_Sync_FullMethodName:              {action: policy.Sync},
	// Balancers and orchestrators ask these, without a token. They tell nothing but whether the node serves.
	healthv1.Health_Check_FullMethodName: {public: true},
	healthv1.Health_Watch_FullMethodName: {public: true},
	healthv1.Health_List_FullMethodName:  {public: true},
}

type principalKey struct{}

// principal is who calls; the interceptors put it there.
func principal(ctx context.Context) *policy.Principal {
	p, _ := ctx.Value(principalKey{}).(*policy.Principal)
	if p == nil {
		return &policy.Principal{} // not reachable: who may do nothing
	}
	return p
}

// authorize finds out who calls and whether the RPC is allowed. A caller's token names the project and environment; one that does not is for
// people and tools, and has nothing to do here.
func (s *Server) authorize(ctx context.Context, method string) (context.Context, error) {
	need, declared := permissions[method]
	switch {
	case !declared:
		return nil, feature.Denied("nobody may call this")
	case need.public:
		return ctx, nil
	}
	p, err := s.authenticate(ctx)
	if err != nil {
		if feature.CodeOf(err) == feature.CodeUnauthenticated {
			if over := admit(s, s.limits.refused, method, prefixOf(ctx)); over != nil {
				return nil, over
			}
		}
		return nil, err
	}
	if err := admit(s, s.limits.of(method).tokens, method, p.ID); err != nil {
		return nil, err
	}
	if p.Project == "" || p.Environment == "" {
		return nil, feature.Denied("this needs a token that is made for one project and one environment, such as a server token")
	}
	if err := policy.Can(p, need.action, policy.Resource{Project: p.Project, Environment: p.Environment}); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, principalKey{}, &p), nil
}

func (s *Server) authenticate(ctx context.Context) (policy.Principal, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return policy.Principal{}, feature.Unauthenticated("exactly one authorization header is required: Bearer and a token")
	}
	const scheme = "bearer "
	if len(values[0]) < len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return policy.Principal{}, feature.Unauthenticated("the authorization header must be Bearer and a token")
	}
	address := ""
	if a := addressOf(ctx); a != nil {
		address = a.String()
	}
	return s.opts.Auth.Authenticate(values[0][len(scheme):], address)
}

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if r := recover(); r != nil {
			resp, err = nil, s.panicked(info.FullMethod, r)
		}
	}()
	ctx, err = s.authorize(ctx, info.FullMethod)
	if err == nil {
		resp, err = next(ctx, req)
	}
	if err != nil {
		return nil, s.answer(info.FullMethod, err)
	}
	return resp, nil
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.panicked(info.FullMethod, r)
		}
	}()
	ctx, err := s.authorize(ss.Context(), info.FullMethod)
	if err == nil {
		err = next(srv, &callerStream{ServerStream: ss, ctx: ctx})
	}
	return s.answer(info.FullMethod, err)
}

// panicked turns a defect in one request into an error of that request.
func (s *Server) panicked(method string, r any) error {
	s.opts.Logger.Error("evalapi: panic", "method", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error")
}

// callerStream is a stream whose context knows the caller.
type callerStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *callerStream) Context() context.Context { return s.ctx }

type cutKey struct{}

// cutter ends a stream's context; see tap.
func cutter(ctx context.Context) context.CancelCauseFunc {
	cut, _ := ctx.Value(cutKey{}).(context.CancelCauseFunc)
	if cut == nil {
		return func(error) {} // not reachable: all listed methods have one
	}
	return cut
}

// counter counts what is open.
type counter struct{ n atomic.Int64 }

func (c *counter) open() (done func()) {
	c.n.Add(1)
	return func() { c.n.Add(-1) }
}
