package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// One evaluation over the network, beside the least that a request of its size costs: a bare gRPC server, or a bare echo handler, that decodes
// the same request and encodes the same answer, and looks at neither.

// cannedVariable names the folder with the answers of a Dimmer server that the limits repeat.
const cannedVariable = "DIMMER_BENCH_CANNED"

const (
	rawMethod     = "/raw/Raw" // answered by the limit without decoding anything
	connections   = 8
	inFlight      = 64
	unaryRounds   = 7
	unaryRound    = 300 * time.Millisecond
	latencyRound  = 100 * time.Millisecond
	evaluatePath  = "/v1/evaluate/" + rulesFlag
	evaluateBody  = `{"context":{"targetingKey":"user-00000042","country":"de","email":"user-00000042@example.com","plan":"pro","device":"phone","version":"1.2.3","name":"joe"}}`
	thousandFlags = 1000
)

// asker is the context of evaluateBody.
func asker() *pb.Context {
	c := &pb.Context{TargetingKey: "user-00000042"}
	for _, a := range [][2]string{{"country", "de"}, {"email", "user-00000042@example.com"}, {"plan", "pro"}, {"device", "phone"}, {"version", "1.2.3"}, {"name", "joe"}} {
		c.Attributes = append(c.Attributes, &pb.Attribute{Name: a[0], Value: &pb.Attribute_StringValue{StringValue: a[1]}})
	}
	return c
}

// bareEvaluation answers what it was given.
type bareEvaluation struct {
	pb.UnimplementedEvaluationServiceServer
	one map[string]*pb.EvaluateResponse
	all *pb.EvaluateAllResponse
}

func (s *bareEvaluation) Evaluate(_ context.Context, r *pb.EvaluateRequest) (*pb.EvaluateResponse, error) {
	return s.one[r.GetFlag()], nil
}

func (s *bareEvaluation) EvaluateAll(context.Context, *pb.EvaluateAllRequest) (*pb.EvaluateAllResponse, error) {
	return s.all, nil
}

// restAnswer is what POST /v1/evaluate/{flag} answers.
type restAnswer struct {
	Flag     string `json:"flag"`
	Value    any    `json:"value"`
	Variant  string `json:"variant"`
	Reason   string `json:"reason"`
	Cause    string `json:"cause"`
	Rule     string `json:"rule"`
	Version  int64  `json:"version"`
	Revision int64  `json:"revision"`
}

// bytesCodec leaves messages as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil //nolint:forcetypeassert // nothing else is sent
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize() //nolint:forcetypeassert // nothing else is received
	return nil
}

func (bytesCodec) Name() string { return "proto" }

// serveEcho serves the limits: gRPC with typed messages, REST, and, at Token's place, gRPC with bytes.
func serveEcho() (answer, func(string), error) {
	bare := &bareEvaluation{one: map[string]*pb.EvaluateResponse{staticFlag: {}, rulesFlag: {}}, all: &pb.EvaluateAllResponse{}}
	var rest restAnswer
	dir := os.Getenv(cannedVariable)
	canned := func(name string, decode func([]byte) error) error {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return decode(data)
	}
	for name, m := range map[string]proto.Message{staticFlag: bare.one[staticFlag], rulesFlag: bare.one[rulesFlag], "all": bare.all} {
		if err := canned(name, func(data []byte) error { return proto.Unmarshal(data, m) }); err != nil {
			return answer{}, nil, err
		}
	}
	if err := canned("rest", func(data []byte) error { return json.Unmarshal(data, &rest) }); err != nil {
		return answer{}, nil, err
	}
	var listeners [3]net.Listener
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return answer{}, nil, err
		}
	}
	typed := grpc.NewServer()
	pb.RegisterEvaluationServiceServer(typed, bare)
	answerBytes, err := proto.Marshal(bare.one[rulesFlag])
	if err != nil {
		return answer{}, nil, err
	}
	raw := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var m []byte
		if err := stream.RecvMsg(&m); err != nil {
			return err
		}
		return stream.SendMsg(&answerBytes)
	}))
	e := echo.New()
	e.POST("/v1/evaluate/:flag", func(c echo.Context) error {
		var body struct{ Context map[string]any }
		if err := c.Bind(&body); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, &rest)
	})
	// They end with the process.
	go func() { _ = typed.Serve(listeners[0]) }()
	go func() { _ = raw.Serve(listeners[1]) }()
	go func() { _ = (&http.Server{Handler: e, ReadHeaderTimeout: time.Minute}).Serve(listeners[2]) }()
	return answer{GRPC: listeners[0].Addr().String(), Token: listeners[1].Addr().String(), HTTP: listeners[2].Addr().String()}, func(string) {}, nil
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func dial(b testing.TB, address, token string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(token)))...)
	require.NoError(b, err)
	b.Cleanup(func() { conn.Close() })
	return conn
}

// unaryWorld is a server with 1,000 flags, and its limits.
type unaryWorld struct {
	installation
	dimmer, echo *process
	rpc          [3][]*grpc.ClientConn // to Dimmer, to the typed limit, and to the one that decodes nothing
}

func newUnaryWorld(b *testing.B) *unaryWorld {
	w := &unaryWorld{installation: install(b, "local:"+b.TempDir(), thousandFlags)}
	w.dimmer = w.run(b)
	w.rpc[0] = w.connect(b, w.dimmer.GRPC)
	dir := b.TempDir()
	save := func(name string, data []byte) {
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	client := pb.NewEvaluationServiceClient(w.rpc[0][0])
	message := func(name string, m proto.Message, err error) {
		require.NoError(b, err)
		data, err := proto.Marshal(m)
		require.NoError(b, err)
		save(name, data)
	}
	for _, flag := range []string{staticFlag, rulesFlag} {
		r, err := client.Evaluate(b.Context(), &pb.EvaluateRequest{Flag: flag, Context: asker()})
		require.Empty(b, r.GetResult().GetError())
		message(flag, r, err)
	}
	all, err := client.EvaluateAll(b.Context(), &pb.EvaluateAllRequest{Context: asker()})
	require.Len(b, all.GetResults(), thousandFlags)
	message("all", all, err)
	rest := request(b, w.dimmer.HTTP, w.serverSide, 200, "POST", evaluatePath, evaluateBody)
	save("rest", []byte(rest))
	w.echo = start(b, roleEcho, cannedVariable+"="+dir)
	w.rpc[1], w.rpc[2] = w.connect(b, w.echo.GRPC), w.connect(b, w.echo.Token, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	require.JSONEq(b, rest, request(b, w.echo.HTTP, w.serverSide, 200, "POST", evaluatePath, evaluateBody), "the limit answers the same")
	return w
}

func (w *unaryWorld) connect(b *testing.B, address string, options ...grpc.DialOption) []*grpc.ClientConn {
	var out []*grpc.ClientConn
	for range connections {
		out = append(out, dial(b, address, w.serverSide, options...))
	}
	return out
}

// side is one server under the same load as its rival.
type side struct {
	server *process
	call   func(worker int) error
	cpu    time.Duration // of one request, in the best round
	wall   time.Duration // median of one request alone, in the best round
}

// round loads the server with so many requests in flight for a while.
func (s *side) round(b *testing.B, workers int, length time.Duration) (took []time.Duration, cpu time.Duration) {
	var g sync.WaitGroup
	all := make([][]time.Duration, workers)
	errs := make([]error, workers)
	before, end := s.server.cpu(), time.Now().Add(length)
	for n := range workers {
		g.Go(func() {
			for began := time.Now(); began.Before(end); {
				if errs[n] = s.call(n); errs[n] != nil {
					return
				}
				now := time.Now()
				all[n] = append(all[n], now.Sub(began))
				began = now
			}
		})
	}
	g.Wait()
	cpu = s.server.cpu() - before
	for n := range workers {
		require.NoError(b, errs[n])
		took = append(took, all[n]...)
	}
	slices.Sort(took)
	return took, cpu / time.Duration(len(took))
}

// versus loads all sides in turns, and keeps the best round of each: what disturbs a round makes it longer.
func versus(b *testing.B, sides ...*side) {
	b.Helper()
	for range unaryRounds {
		for _, s := range sides {
			_, cpu := s.round(b, inFlight, unaryRound)
			took, _ := s.round(b, 1, latencyRound)
			wall := took[len(took)/2]
			if s.cpu == 0 {
				s.cpu, s.wall = cpu, wall
			}
			s.cpu, s.wall = min(s.cpu, cpu), min(s.wall, wall)
		}
	}
}

// beside reports a server's processor time for a request beside its limit's.
func beside(b *testing.B, limit, ours *side, target float64) {
	b.Helper()
	report(b, "us", micro(limit.cpu), micro(ours.cpu), target)
	b.ReportMetric(micro(limit.wall), "limit-alone-us")
	b.ReportMetric(micro(ours.wall), "ours-alone-us")
}

// report gives what the table at the end of `make bench` is made from: limit, ours, their ratio, and the ratio that is the target.
func report(b *testing.B, unit string, limit, ours, target float64) {
	b.Helper()
	b.ReportMetric(limit, "limit-"+unit)
	b.ReportMetric(ours, "ours-"+unit)
	b.ReportMetric(ours/limit, "x-limit")
	if target > 0 {
		b.ReportMetric(target, "x-target")
	}
	b.ReportMetric(0, "ns/op")
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func milli(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// BenchmarkServer measures requests: processor time on the server with 64 in flight, and how long one takes that is alone.
func BenchmarkServer(b *testing.B) {
	w := newUnaryWorld(b)
	ctx := context.Background()
	one := func(conns []*grpc.ClientConn, flag string) func(int) error {
		r := &pb.EvaluateRequest{Flag: flag, Context: asker()}
		return func(n int) error {
			_, err := pb.NewEvaluationServiceClient(conns[n%connections]).Evaluate(ctx, r)
			return err
		}
	}
	for _, c := range []struct {
		name, flag string
		target     float64
	}{{"gRPC-A", staticFlag, 1.3}, {"gRPC-B", rulesFlag, 1.3}} {
		b.Run(c.name, func(b *testing.B) {
			limit, ours := &side{server: w.echo, call: one(w.rpc[1], c.flag)}, &side{server: w.dimmer, call: one(w.rpc[0], c.flag)}
			versus(b, limit, ours)
			beside(b, limit, ours, c.target)
		})
	}
	b.Run("REST-B", func(b *testing.B) {
		post := func(address string) func(int) error {
			return func(int) error {
				status, text, err := try(ctx, address, w.serverSide, "POST", evaluatePath, evaluateBody)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("%d: %s", status, text)
				}
				return err
			}
		}
		limit, ours := &side{server: w.echo, call: post(w.echo.HTTP)}, &side{server: w.dimmer, call: post(w.dimmer.HTTP)}
		versus(b, limit, ours)
		beside(b, limit, ours, 1.3)
	})
	b.Run("gRPC-all-1000", func(b *testing.B) {
		all := func(conns []*grpc.ClientConn) func(int) error {
			data, err := proto.Marshal(&pb.EvaluateAllRequest{Context: asker()})
			require.NoError(b, err)
			return func(n int) error { // the answer is not decoded: that is the client's work, and most of it
				var out []byte
				return conns[n%connections].Invoke(ctx, pb.EvaluationService_EvaluateAll_FullMethodName, &data, &out, grpc.ForceCodecV2(bytesCodec{}))
			}
		}
		limit, ours := &side{server: w.echo, call: all(w.rpc[1])}, &side{server: w.dimmer, call: all(w.rpc[0])}
		versus(b, limit, ours)
		beside(b, limit, ours, 0)
		b.ReportMetric(400, "target-us")
	})
	b.Run("limit-of-gRPC-B-beside-its-parts", func(b *testing.B) { w.parts(b, one(w.rpc[1], rulesFlag)) })
}

// parts holds the typed limit to the sum of what it consists of: the same exchange of bytes, and the codec.
func (w *unaryWorld) parts(b *testing.B, typed func(int) error) {
	ctx := context.Background()
	ask := &pb.EvaluateRequest{Flag: rulesFlag, Context: asker()}
	data, err := proto.Marshal(ask)
	require.NoError(b, err)
	limit := &side{server: w.echo, call: typed}
	raw := &side{server: w.echo, call: func(n int) error {
		var out []byte
		return w.rpc[2][n%connections].Invoke(ctx, rawMethod, &data, &out)
	}}
	versus(b, raw, limit)
	answered, err := pb.NewEvaluationServiceClient(w.rpc[1][0]).Evaluate(ctx, ask)
	require.NoError(b, err)
	best := time.Duration(1 << 62)
	const n = 1000
	for range 50 {
		began := time.Now()
		for range n {
			_ = proto.Unmarshal(data, &pb.EvaluateRequest{})
			_, _ = proto.Marshal(answered)
		}
		best = min(best, time.Since(began)/n)
	}
	report(b, "us", micro(raw.cpu+best), micro(limit.cpu), 1.3)
	b.ReportMetric(micro(best), "codec-us")
}
