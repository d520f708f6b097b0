package evalapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// call makes any RPC with an empty request and returns the code of its answer.
func call(ctx context.Context, conn *grpc.ClientConn, method string, streams bool) codes.Code {
	if !streams {
		return status.Code(conn.Invoke(ctx, method, &pb.EvaluateRequest{}, &pb.EvaluateResponse{}))
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return status.Code(err)
	}
	_ = stream.SendMsg(&pb.SyncRequest{}) // the answer says what became of it
	_ = stream.CloseSend()
	return status.Code(stream.RecvMsg(&pb.SyncResponse{}))
}

// TestEveryRPC enumerates what is registered: each RPC declares what it requires, and each kind of token gets in where policy says so and nowhere else.
func TestEveryRPC(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"))
	registered := map[string]bool{}
	for service, info := range w.server.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			registered["/"+service+"/"+m.Name] = m.IsClientStream || m.IsServerStream
		}
	}
	require.Len(t, registered, len(permissions))
	require.NotContains(t, strings.Join(keysOf(registered), " "), "reflection")
	for method, streams := range registered {
		t.Run(method, func(t *testing.T) {
			need, declared := permissions[method]
			require.True(t, declared, "declare what it requires in guard.go")
			require.NotEqual(t, need.public, need.action != "")
			require.Equal(t, need.public, strings.HasPrefix(method, "/grpc.health.v1."), "only health is public")
			if need.public {
				return
			}
			for _, token := range []string{"", "nonsense"} {
				require.Equal(t, codes.Unauthenticated, call(deadline(t, 10*time.Second), w.conn(token), method, streams), token)
			}
			for _, token := range []string{"server", "client", "kill", "admin"} {
				p := w.auth.tokens[token]
				allowed := p.Project != "" && policy.Can(p, need.action, policy.Resource{Project: p.Project, Environment: p.Environment}) == nil
				got := call(deadline(t, 10*time.Second), w.conn(token), method, streams)
				require.Equal(t, allowed, got != codes.PermissionDenied, "%s: %v", token, got)
			}
		})
	}
	require.Equal(t, codes.PermissionDenied, call(deadline(t, 10*time.Second), w.conn("client"), pb.SyncService_Sync_FullMethodName, true))
}

func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// TestUndeclaredRPC: a service that somebody registers without declaring it answers nobody.
func TestUndeclaredRPC(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	s := w.server
	for _, ctx := range []context.Context{t.Context(), context.WithValue(t.Context(), principalKey{}, &policy.Principal{Kind: policy.KindAdmin, Role: policy.RoleAdmin})} {
		_, err := s.authorize(ctx, "/dimmer.v1.Other/Do")
		require.Equal(t, feature.CodeDenied, feature.CodeOf(err))
	}
}

func TestAuthorizationHeader(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"))
	api := pb.NewEvaluationServiceClient(w.conn(""))
	for name, test := range map[string]struct {
		headers []string
		want    codes.Code
	}{
		"none":             {nil, codes.Unauthenticated},
		"good":             {[]string{"authorization", "Bearer server"}, codes.OK},
		"case of scheme":   {[]string{"authorization", "bearer server"}, codes.OK},
		"no scheme":        {[]string{"authorization", "server"}, codes.Unauthenticated},
		"other scheme":     {[]string{"authorization", "Basic server"}, codes.Unauthenticated},
		"two":              {[]string{"authorization", "Bearer server", "authorization", "Bearer server"}, codes.Unauthenticated},
		"empty":            {[]string{"authorization", ""}, codes.Unauthenticated},
		"no environment":   {[]string{"authorization", "Bearer nowhere"}, codes.NotFound},
		"not loaded":       {[]string{"authorization", "Bearer elsewhere"}, codes.Unavailable},
		"project is empty": {[]string{"authorization", "Bearer admin"}, codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.Evaluate(withHeader(deadline(t, 10*time.Second), test.headers...), &pb.EvaluateRequest{Flag: "a"})
			require.Equal(t, test.want, status.Code(err), "%v", err)
		})
	}
}

func TestFollowsOnDemand(t *testing.T) {
	var w *world
	asked := 0
	w = newWorld(t, worldOptions{memory: true, change: func(o *Options) {
		o.Follow = func(_ context.Context, name string) error {
			if asked++; name != project {
				return errors.New("there is none")
			}
			w.commit(environmentDoc("prod"))
			return nil
		}
	}})
	_, err := pb.NewEvaluationServiceClient(w.conn("elsewhere")).Evaluate(deadline(t, 10*time.Second), &pb.EvaluateRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.NotContains(t, err.Error(), "there is none", "the inside stays inside")
	for range 2 {
		_, err = pb.NewEvaluationServiceClient(w.conn("server")).Evaluate(deadline(t, 10*time.Second), &pb.EvaluateRequest{})
		require.NoError(t, err)
	}
	require.Equal(t, 2, asked)
}

// TestCodes: every code of the service has its place in the table.
func TestCodes(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	for _, code := range []feature.Code{
		feature.CodeMalformed, feature.CodeUnauthenticated, feature.CodeDenied, feature.CodeNotFound, feature.CodeConflict, feature.CodeExists, feature.CodeReferenced,
		feature.CodePrecondition, feature.CodeTooLarge, feature.CodeInvalid, feature.CodePreconditionRequired, feature.CodeRateLimited, feature.CodeUnavailable,
		feature.CodeFull, feature.CodeInternal,
	} {
		want, known := statusCodes[code]
		require.True(t, known, code)
		err := w.server.answer("m", fmt.Errorf("around: %w", &feature.Error{Code: code, Msg: "told", Err: errors.New("secret")}))
		require.Equal(t, want, status.Code(err))
		require.NotContains(t, err.Error(), "secret")
		require.Equal(t, code != feature.CodeInternal, strings.Contains(err.Error(), "told"), code)
	}
	require.Len(t, statusCodes, 15)
	require.Equal(t, codes.Internal, status.Code(w.server.answer("m", errors.New("secret"))))
	require.NotContains(t, w.server.answer("m", errors.New("secret")).Error(), "secret")
	require.Equal(t, codes.Canceled, status.Code(w.server.answer("m", context.Canceled)))
	require.NoError(t, w.server.answer("m", nil))
}

// TestPanics: a defect ends the request that met it, and no other.
func TestPanics(t *testing.T) {
	var log strings.Builder
	broken := true
	w := newWorld(t, worldOptions{memory: true, log: &log, change: func(o *Options) {
		o.Follow = func(context.Context, string) error {
			if broken {
				panic("a defect")
			}
			return errors.New("no")
		}
	}})
	conn := w.conn("server")
	for method, streams := range map[string]bool{pb.EvaluationService_Evaluate_FullMethodName: false, pb.SyncService_Sync_FullMethodName: true} {
		broken = true
		require.Equal(t, codes.Internal, call(deadline(t, 10*time.Second), conn, method, streams))
		broken = false
		require.Equal(t, codes.Unavailable, call(deadline(t, 10*time.Second), conn, method, streams))
	}
	require.Contains(t, log.String(), "a defect")
	require.Contains(t, log.String(), "guard.go", "the stack is logged")
}

func TestHealth(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	api := healthv1.NewHealthClient(w.conn(""))
	for _, serving := range []bool{true, false} {
		w.server.SetServing(serving)
		for _, service := range []string{"", "dimmer.v1.EvaluationService", "dimmer.v1.SyncService"} {
			resp, err := api.Check(deadline(t, 10*time.Second), &healthv1.HealthCheckRequest{Service: service})
			require.NoError(t, err)
			require.Equal(t, serving, resp.GetStatus() == healthv1.HealthCheckResponse_SERVING)
		}
	}
}

func TestHelloLimits(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"))
	conn := w.conn("server")
	long := strings.Repeat("x", 129)
	for name, test := range map[string]struct {
		hello *pb.Hello
		want  codes.Code
	}{
		"smallest":            {&pb.Hello{Instance: "x"}, codes.OK},
		"largest":             {&pb.Hello{Instance: long[:128], Application: long[:128], Sdk: long[:64], SdkVersion: long[:64]}, codes.OK},
		"not ASCII":           {&pb.Hello{Instance: "früh-übt-sich"}, codes.OK},
		"no instance":         {&pb.Hello{}, codes.InvalidArgument},
		"long instance":       {&pb.Hello{Instance: long}, codes.InvalidArgument},
		"not printable":       {&pb.Hello{Instance: "a\nb"}, codes.InvalidArgument},
		"long application":    {&pb.Hello{Instance: "x", Application: long}, codes.InvalidArgument},
		"long sdk":            {&pb.Hello{Instance: "x", Sdk: long[:65]}, codes.InvalidArgument},
		"long version":        {&pb.Hello{Instance: "x", SdkVersion: long[:65]}, codes.InvalidArgument},
		"short digest":        {&pb.Hello{Instance: "x", Digest: []byte{1}}, codes.InvalidArgument},
		"negative epoch":      {&pb.Hello{Instance: "x", After: &pb.Revision{Epoch: -1}}, codes.InvalidArgument},
		"negative number":     {&pb.Hello{Instance: "x", After: &pb.Revision{Number: -1}}, codes.InvalidArgument},
		"negative schema":     {&pb.Hello{Instance: "x", Schema: -1}, codes.InvalidArgument},
		"no Hello":            {nil, codes.InvalidArgument},
		"above 256 KiB":       {&pb.Hello{Instance: strings.Repeat("x", 300<<10)}, codes.ResourceExhausted},
		"digest of nothing":   {&pb.Hello{Instance: "x", Digest: make([]byte, 16)}, codes.OK},
		"revision, no digest": {&pb.Hello{Instance: "x", After: &pb.Revision{Epoch: 1, Number: 1}}, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := pb.NewSyncServiceClient(conn).Sync(deadline(t, 10*time.Second))
			require.NoError(t, err)
			m := &pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: test.hello}}
			if test.hello == nil {
				m = &pb.SyncRequest{Message: &pb.SyncRequest_Ack{Ack: &pb.Ack{}}}
			}
			_ = stream.Send(m) // the answer says what became of it
			_, err = stream.Recv()
			require.Equal(t, test.want, status.Code(err), "%v", err)
			if test.want != codes.OK {
				return
			}
			require.NoError(t, stream.Send(m))
			for err == nil {
				_, err = stream.Recv()
			}
			require.Equal(t, codes.InvalidArgument, status.Code(err), "Hello is said once")
		})
	}
}

// TestStreamsOfAConnection: the 251st waits, and the neighbours do not notice.
func TestStreamsOfAConnection(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.commit(environmentDoc("prod"))
	conn := w.conn("server")
	ctx, stop := context.WithCancel(deadline(t, time.Minute))
	defer stop()
	for n := range maxStreams {
		c := &client{id: fmt.Sprint(n)}
		require.NoError(t, c.open(ctx, conn))
		require.NoError(t, c.step())
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err := pb.NewEvaluationServiceClient(conn).Evaluate(short, &pb.EvaluateRequest{})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	_, err = pb.NewEvaluationServiceClient(w.conn("server")).Evaluate(ctx, &pb.EvaluateRequest{})
	require.NoError(t, err)
}
