package evalapi

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// serverProcess says to the test binary that it is the server of BenchmarkMemory, so that clients are not measured with it.
const serverProcess = "DIMMER_TEST_SERVER_PROCESS"

// TestServerProcess is that process: it prints its address, then the memory that it has whenever it is asked, until its input ends.
func TestServerProcess(t *testing.T) {
	if os.Getenv(serverProcess) == "" {
		return
	}
	w := newWorld(t, worldOptions{})
	begin := []put{environmentDoc("prod")}
	for n := range 100 {
		begin = append(begin, flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n), true, 1)))
	}
	w.commit(begin...)
	fmt.Fprintln(os.Stdout, "address", w.address)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "change" {
			w.commit(flagDoc("prod", boolFlag("f1", w.revision().Number%2 == 0, w.revision().Number)))
		}
		fmt.Fprintln(os.Stdout, "memory", w.server.Streams(), heap()+stacks())
	}
}

func stacks() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// BenchmarkMemory reports how much memory a sync stream with a connection of its own takes in a server process, heap and stacks.
func BenchmarkMemory(b *testing.B) {
	const streams = 1000
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.Command(self, "-test.run=^TestServerProcess$")
	cmd.Env = append(os.Environ(), serverProcess+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	lines := bufio.NewScanner(out)
	answer := func(word string) []string {
		for lines.Scan() {
			if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == word {
				return fields[1:]
			}
		}
		require.FailNow(b, "the server process ended")
		return nil
	}
	address := answer("address")[0]
	memory := func(ask string) (n, bytes int64) {
		fmt.Fprintln(in, ask)
		a := answer("memory")
		_, err := fmt.Sscan(strings.Join(a, " "), &n, &bytes)
		require.NoError(b, err)
		return n, bytes
	}
	_, before := memory("idle")
	var ready, changed, clients sync.WaitGroup
	ready.Add(streams)
	changed.Add(streams)
	var stops []func()
	for n := range streams {
		hello, err := proto.Marshal(&pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: &pb.Hello{Instance: fmt.Sprint("i", n)}}})
		require.NoError(b, err)
		commits := 0
		l := listen(b, &clients, address, "server", pb.SyncService_Sync_FullMethodName, hello, func(m encoded, _ grpc.ClientStream) {
			if m[0] != fieldResponseCommit<<3|2 {
				return
			}
			switch commits++; commits {
			case 1:
				ready.Done()
			case 2:
				changed.Done()
			}
		})
		stops = append(stops, l.stop)
	}
	ready.Wait()
	memory("change")
	changed.Wait()
	n, after := memory("idle")
	require.EqualValues(b, streams, n)
	for b.Loop() { // nothing is timed: the figure is the memory
	}
	b.ReportMetric(float64(after-before)/streams/1024, "KiB/stream")
	for _, stop := range stops {
		stop()
	}
	clients.Wait()
	in.Close()
	for lines.Scan() { // to its end, so that the process can end
	}
	require.NoError(b, cmd.Wait())
}
