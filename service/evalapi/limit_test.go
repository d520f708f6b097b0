package evalapi

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/limit"
	"github.com/dimmerhq/dimmer/service/policy"
)

// limited is what an answer over a limit asks to wait; false: it is another answer.
func limited(t *testing.T, err error) (time.Duration, bool) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted {
		return 0, false
	}
	require.Len(t, st.Details(), 1)
	info, ok := st.Details()[0].(*errdetails.RetryInfo)
	require.True(t, ok)
	require.Positive(t, info.GetRetryDelay().AsDuration())
	return info.GetRetryDelay().AsDuration(), true
}

// stopped is a clock that a test moves.
type stopped struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stopped) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stopped) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func limitedWorld(t *testing.T, r RateLimits, log *strings.Builder) (*world, *stopped) {
	clock := &stopped{now: time.Unix(1_700_000_000, 0)}
	o := worldOptions{memory: true, change: func(o *Options) { o.RateLimits, o.Clock = r, clock.Now }}
	if log != nil {
		o.log = log
	}
	w := newWorld(t, o)
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	w.auth.tokens["second"] = policy.Principal{ID: "token:second", Kind: policy.KindServer, Project: project, Environment: "prod"}
	w.auth.tokens["third"] = policy.Principal{ID: "token:third", Kind: policy.KindServer, Project: project, Environment: "prod"}
	return w, clock
}

func TestUnaryLimits(t *testing.T) {
	var log strings.Builder
	w, clock := limitedWorld(t, RateLimits{Evaluate: limit.Rate{PerSecond: 2, Burst: 3}}, &log)
	conns := map[string]*grpc.ClientConn{}
	evaluate := func(token string) error {
		if conns[token] == nil {
			conns[token] = w.conn(token)
		}
		_, err := pb.NewEvaluationServiceClient(conns[token]).Evaluate(deadline(t, 10*time.Second), &pb.EvaluateRequest{Flag: "a"})
		return err
	}
	evaluateAll := func(token string) error {
		_, err := pb.NewEvaluationServiceClient(conns[token]).EvaluateAll(deadline(t, 10*time.Second), &pb.EvaluateAllRequest{})
		return err
	}
	require.NoError(t, evaluate("server"))
	require.NoError(t, evaluateAll("server"))
	require.NoError(t, evaluate("server"))
	wait, ok := limited(t, evaluateAll("server"))
	require.True(t, ok)
	require.Equal(t, time.Second/2, wait)
	require.NoError(t, evaluate("second"), "one token does not use up another's")
	require.NoError(t, evaluate("second"))
	_, ok = limited(t, evaluate("third"))
	require.True(t, ok, "the address has used up twice as much as a token may")
	require.EqualValues(t, 2, w.server.Limited())
	require.Equal(t, 1, strings.Count(log.String(), "over its limit"), "said once in a while")
	require.Contains(t, log.String(), "token:server")

	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, 10*time.Second), conns["server"]), "streams have a budget of their own")
	require.NoError(t, c.until(w.revision()))
	clock.add(wait)
	require.NoError(t, evaluate("server"))
	_, ok = limited(t, evaluate("server"))
	require.True(t, ok)
}

func TestOpeningLimits(t *testing.T) {
	w, clock := limitedWorld(t, RateLimits{Open: limit.Rate{PerSecond: 1, Burst: 2}}, nil)
	ctx := deadline(t, time.Minute)
	kept := &client{id: "kept"}
	conn := w.conn("server")
	require.NoError(t, kept.open(ctx, conn))
	require.NoError(t, kept.until(w.revision()))
	watch, err := pb.NewEvaluationServiceClient(conn).Watch(ctx, &pb.WatchRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	for _, token := range []string{"server", "second", "third"} { // the token is at its end; the second has room; then the address is at its end
		other := &client{id: token}
		_ = other.open(ctx, w.conn(token)) // the answer says what became of it
		_, ok := limited(t, other.step())
		require.Equal(t, token != "second", ok, token)
	}
	_, err = pb.NewEvaluationServiceClient(conn).Evaluate(ctx, &pb.EvaluateRequest{Flag: "a"})
	require.NoError(t, err)
	w.commit(flagDoc("prod", boolFlag("a", false, 2)))
	require.NoError(t, kept.until(w.revision()), "what is open stays open")

	clock.add(time.Second)
	back := &client{id: "back"}
	require.NoError(t, back.open(ctx, w.conn("server")))
	require.NoError(t, back.until(w.revision()))
}

// TestRefusedTokens: who floods with bad tokens is told to stop, and his neighbours behind the same address are served.
func TestRefusedTokens(t *testing.T) {
	w, clock := limitedWorld(t, RateLimits{Refused: limit.Rate{PerSecond: 1, Burst: 3}}, nil)
	ctx := deadline(t, 10*time.Second)
	evaluate := func(token string) error {
		_, err := pb.NewEvaluationServiceClient(w.conn(token)).Evaluate(ctx, &pb.EvaluateRequest{Flag: "a"})
		return err
	}
	for _, token := range []string{"wrong", "", "nonsense"} {
		require.Equal(t, codes.Unauthenticated, status.Code(evaluate(token)))
	}
	for range 3 {
		wait, ok := limited(t, evaluate("wrong"))
		require.True(t, ok)
		require.Equal(t, time.Second, wait)
	}
	require.NoError(t, evaluate("server"))
	require.Equal(t, codes.PermissionDenied, status.Code(evaluate("kill")), "a good token in the wrong place is another matter")
	clock.add(time.Second)
	require.Equal(t, codes.Unauthenticated, status.Code(evaluate("wrong")))
}

// TestProbesAreLimited: health needs no token, so the address is all there is to count by.
func TestProbesAreLimited(t *testing.T) {
	w, _ := limitedWorld(t, RateLimits{Evaluate: limit.Rate{PerSecond: 1, Burst: 2}}, nil)
	api := healthv1.NewHealthClient(w.conn(""))
	var err error
	for range 2 * 2 {
		_, err = api.Check(deadline(t, 10*time.Second), &healthv1.HealthCheckRequest{})
		require.NoError(t, err)
	}
	_, err = api.Check(deadline(t, 10*time.Second), &healthv1.HealthCheckRequest{})
	_, ok := limited(t, err)
	require.True(t, ok)
}

// TestReconnectsAreNotLimited: by default all 10,000 SDKs that a node is planned for may come at once with one token from one address.
func TestReconnectsAreNotLimited(t *testing.T) {
	w, _ := limitedWorld(t, RateLimits{}, nil)
	for range 10_000 {
		require.NoError(t, admit(w.server, w.server.limits.open.addresses, "m", netip.Prefix{}))
		require.NoError(t, admit(w.server, w.server.limits.open.tokens, "m", "a"))
	}
}
