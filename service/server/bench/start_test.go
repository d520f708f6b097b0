package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// BenchmarkStart measures the released binary from its start to the first right answer, and the memory that it has then.
func BenchmarkStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "dimmer")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/dimmerhq/dimmer/cmd/dimmer")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(b, err, string(out))
	for _, c := range []struct {
		flags  int
		ms     float64
		mebi   float64
		rounds int
	}{{100, 40, 40, 9}, {10_000, 250, 100, 5}} {
		in := install(b, "local:"+b.TempDir(), c.flags)
		var took []time.Duration
		var memory []int64
		for range c.rounds {
			t, m := in.begin(b, binary)
			took, memory = append(took, t), append(memory, m)
		}
		slices.Sort(took)
		slices.Sort(memory)
		b.Run(fmt.Sprintf("flags=%d", c.flags), func(b *testing.B) {
			b.ReportMetric(milli(took[len(took)/2]), "ours-ms")
			b.ReportMetric(c.ms, "target-ms")
			b.ReportMetric(milli(took[0]), "least-ms")
			b.ReportMetric(0, "ns/op")
		})
		b.Run(fmt.Sprintf("memory/flags=%d", c.flags), func(b *testing.B) {
			b.ReportMetric(float64(memory[len(memory)/2])/(1<<20), "ours-MiB")
			b.ReportMetric(c.mebi, "target-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// begin starts the binary, and ends it as soon as it has answered rightly once.
func (in installation) begin(b *testing.B, binary string) (time.Duration, int64) {
	rest := freeAddress(b)
	cmd := exec.Command(binary, "serve", "--store", in.store, "--http", rest, "--grpc", freeAddress(b), "--metrics", freeAddress(b), "--log-level", "error")
	cmd.Stderr = io.Discard
	began := time.Now()
	require.NoError(b, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for {
		status, text, err := try(b.Context(), rest, in.serverSide, "POST", evaluatePath, evaluateBody)
		if err == nil && status == http.StatusOK && strings.Contains(text, `"variant":"o`) {
			took := time.Since(began)
			return took, resident(cmd.Process.Pid, "VmRSS")
		}
		require.Less(b, time.Since(began), 20*time.Second, "no answer: %v %s", err, text)
		time.Sleep(500 * time.Microsecond)
	}
}

func freeAddress(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	return l.Addr().String()
}

// BenchmarkRamp measures from the request that changes a flag to the SDK's first evaluation that sees it, through the whole server and its store.
func BenchmarkRamp(b *testing.B) {
	b.Run("local", func(b *testing.B) { ramp(b, "local:"+b.TempDir()) })
	b.Run("redis", func(b *testing.B) { ramp(b, redistest.Start(b, redistest.AppendOnly("always")).URL()) })
}

func ramp(b *testing.B, storeURL string) {
	in := install(b, storeURL, 100)
	p := in.run(b)
	client, err := dimmer.New(p.GRPC, dimmer.WithToken(in.serverSide), dimmer.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(b, err)
	defer client.Close()
	who := dimmer.NewContext("user-1")
	seen := func(want bool) func() bool {
		return func() bool { return client.Bool(b.Context(), "rollout-flag", who, !want) == want }
	}
	var took []time.Duration
	const warm, changes = 20, 400
	for n := range warm + changes {
		want := n%2 == 0
		exposure := 0
		if want {
			exposure = 100
		}
		began := time.Now()
		request(b, p.HTTP, in.admin, 200, "POST", targetingPath("rollout-flag")+"/ramp", fmt.Sprintf(`{"exposure":%d}`, exposure))
		poll(b, seen(want))
		if n >= warm {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	b.ReportMetric(milli(took[changes*99/100]), "ours-ms")
	b.ReportMetric(50, "target-ms")
	b.ReportMetric(milli(took[changes/2]), "p50-ms")
	b.ReportMetric(milli(took[changes-1]), "max-ms")
	b.ReportMetric(0, "ns/op")
}

// poll looks until it is true.
func poll(b *testing.B, fn func() bool) {
	b.Helper()
	for began := time.Now(); !fn(); {
		require.Less(b, time.Since(began), 20*time.Second)
		time.Sleep(50 * time.Microsecond)
	}
}

// BenchmarkReconnect lets 1,000 clients a second come back, each on a new connection with what it holds, while others stay and a flag changes. Nobody
// who stays may be cut, and who comes back gets no ruleset, because it has it.
func BenchmarkReconnect(b *testing.B) {
	const staying, perSecond, seconds = 100, 1000, 3
	in := install(b, "local:"+b.TempDir(), 100)
	p := in.run(b)
	stay := dimmerCrowd(b, p, in)
	stay.grow(staying)
	defer stay.leave()
	stay.round(1)

	var mu sync.Mutex
	var held struct {
		revision *pb.Revision
		digest   []byte
	}
	learn := stream(b, p.GRPC, in.serverSide, pb.SyncService_Sync_FullMethodName, hello(b, 99_999, nil, nil), func(m []byte, _ grpc.ClientStream) {
		var r pb.SyncResponse
		if proto.Unmarshal(m, &r) == nil && r.GetChanges().GetCommit() != nil {
			commit := r.GetChanges().GetCommit()
			mu.Lock()
			held.revision, held.digest = commit.GetRevision(), commit.GetDigest()
			mu.Unlock()
		}
	})
	defer learn()
	poll(b, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return held.revision != nil
	})

	var back, wrong atomic.Int64
	var took []time.Duration
	var g sync.WaitGroup
	before, began := p.cpu(), time.Now()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pace := time.NewTicker(time.Second / perSecond * 10)
	defer pace.Stop()
	for n := 0; n < perSecond*seconds; {
		<-pace.C
		for range 10 {
			n++
			id := n
			g.Go(func() {
				left := time.Now()
				answered := make(chan byte, 8)
				end := stream(b, p.GRPC, in.serverSide, pb.SyncService_Sync_FullMethodName, hello(b, id, held.revision, held.digest), func(m []byte, _ grpc.ClientStream) {
					var r pb.SyncResponse
					mode := byte(0)
					if proto.Unmarshal(m, &r) == nil && r.GetIntent() != nil {
						mode = byte(r.GetIntent().GetMode())
					}
					select {
					case answered <- mode:
					default:
					}
				})
				defer end()
				select {
				case mode := <-answered:
					if mode != byte(pb.Intent_MODE_NONE) && mode != byte(pb.Intent_MODE_DELTA) {
						wrong.Add(1)
					}
					back.Add(1)
					mu.Lock()
					took = append(took, time.Since(left))
					mu.Unlock()
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
			})
		}
	}
	offered := time.Since(began)
	g.Wait()
	all := time.Since(began)
	cpu := p.cpu() - before
	stay.took = nil
	stay.round(20) // all who stayed are there, and hear of every change
	require.EqualValues(b, perSecond*seconds, back.Load(), "everybody came back")
	require.Zero(b, wrong.Load(), "nobody was sent what it had")
	slices.Sort(took)
	b.ReportMetric(float64(back.Load())/all.Seconds(), "ours-back-a-second")
	b.ReportMetric(float64(perSecond*seconds)/offered.Seconds(), "offered-a-second")
	b.ReportMetric(milli(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milli(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(micro(cpu)/float64(back.Load()), "cpu-us")
	b.ReportMetric(0, "ns/op")
}
