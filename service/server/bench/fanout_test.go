package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// One change to N streams, each on a connection of its own. The limit is a gRPC server that hands the same bytes to all of its streams and does
// nothing else: no store, no commit, no heartbeat, no timer. It comes in two forms, because Dimmer's clients acknowledge what they have: "sends" only sends,
// and "acknowledged" reads one message of each client for each change, too.

const (
	window       = 1 << 20 // fixed at both ends, or grpc answers each message with a ping
	deltaBytes   = 414     // of one change on one stream, as the limit sends it
	fanoutMethod = "/limit/Fanout"

	sends        = 's'
	acknowledged = 'a'
)

// broadcast is the newest message and the channel that is closed when it is replaced.
type broadcast struct {
	mu   sync.Mutex
	data []byte
	next chan struct{}
}

func (c *broadcast) current() ([]byte, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.data, c.next
}

func (c *broadcast) send(data []byte) {
	c.mu.Lock()
	old := c.next
	c.data, c.next = data, make(chan struct{})
	c.mu.Unlock()
	close(old)
}

// serveFanout serves the limit. The first byte of a client's hello says which form it asks for, and so does the command that makes a change.
func serveFanout() (answer, func(string), error) {
	groups := map[byte]*broadcast{sends: {next: make(chan struct{})}, acknowledged: {next: make(chan struct{})}}
	s := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.ReadBufferSize(4<<10), grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var hello []byte
		if err := stream.RecvMsg(&hello); err != nil {
			return err
		}
		group := groups[hello[0]]
		if hello[0] == acknowledged {
			go func() { // ends with the stream
				var m []byte
				for stream.RecvMsg(&m) == nil {
				}
			}()
		}
		_, next := group.current()
		for m := hello; ; {
			if err := stream.SendMsg(&m); err != nil {
				return err
			}
			select {
			case <-next:
				m, next = group.current()
			case <-stream.Context().Done():
				return nil
			}
		}
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answer{}, nil, err
	}
	go func() { _ = s.Serve(l) }() // ends with the process
	return answer{GRPC: l.Addr().String()}, func(text string) { groups[text[0]].send(make([]byte, deltaBytes)) }, nil
}

// crowd is clients of one server, all of one kind.
type crowd struct {
	b       *testing.B
	server  *process
	open    func(n int, got func()) (stop func()) // a client that calls got for each change, and first when it has what there is
	change  func()
	arrived atomic.Pointer[sync.WaitGroup]
	clients []func()

	empty, full int64 // bytes of the server's memory with no clients, and with all
	took        []time.Duration
	cpu         time.Duration // of the server, for all changes
	own         time.Duration // of the clients
}

func (c *crowd) grow(to int) {
	c.b.Helper()
	if len(c.clients) == 0 {
		c.empty = c.server.ask("settle").RSS
	}
	const atOnce = 100 // so that no handshake has to wait for so many others that it gives up
	for len(c.clients) < to {
		n := min(atOnce, to-len(c.clients))
		var ready sync.WaitGroup
		ready.Add(n)
		c.arrived.Store(&ready)
		for range n {
			c.clients = append(c.clients, c.open(len(c.clients), func() { c.arrived.Load().Done() }))
		}
		c.wait(&ready)
	}
}

// wait does not wait for ever: a client that was dropped never answers.
func (c *crowd) wait(g *sync.WaitGroup) {
	c.b.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Wait()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		require.FailNow(c.b, "not all clients have the change")
	}
}

// round makes changes one after the other; each begins when the last client has the one before.
func (c *crowd) round(changes int) {
	before, own := c.server.cpu(), ownCPU()
	for range changes {
		var all sync.WaitGroup
		all.Add(len(c.clients))
		c.arrived.Store(&all)
		began := time.Now()
		c.change()
		c.wait(&all)
		c.took = append(c.took, time.Since(began))
	}
	c.own += ownCPU() - own
	c.cpu += c.server.cpu() - before
}

func (c *crowd) leave() {
	for _, stop := range c.clients {
		stop()
	}
}

// tell reports a crowd's figures.
func (c *crowd) tell(prefix string) (p50, cpu time.Duration) {
	slices.Sort(c.took)
	n := len(c.took)
	p50, cpu = c.took[n/2], c.cpu/time.Duration(n)
	c.b.ReportMetric(milli(c.took[n*99/100]), prefix+"-p99-ms")
	c.b.ReportMetric(milli(c.took[n-1]), prefix+"-max-ms")
	c.b.ReportMetric(milli(cpu), prefix+"-cpu-ms")
	return p50, cpu
}

// stream opens a stream with its own connection. Messages are not decoded, so that a client costs as little as one can.
func stream(b *testing.B, address, token, method string, hello []byte, got func(m []byte, s grpc.ClientStream)) (stop func()) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(token)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})), grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window))
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	require.NoError(b, err)
	require.NoError(b, s.SendMsg(&hello))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m []byte
			if s.RecvMsg(&m) != nil {
				return
			}
			got(m, s)
		}
	}()
	return func() {
		cancel()
		conn.Close()
		<-ended
	}
}

// Fields of sync.proto.
const (
	fieldChanges        = 2 // of a SyncResponse
	fieldChangesCommit  = 2
	fieldCommitRevision = 1
	ackTag              = 2<<3 | 2 // of an Ack in a SyncRequest
)

// committed is the revision that a message leads to, as a field of its Commit; nil: it is not the end of a step.
func committed(m []byte) []byte {
	if field, _, n := protowire.ConsumeTag(m); field == fieldChanges {
		changes, _ := protowire.ConsumeBytes(m[n:])
		if commit := find(changes, fieldChangesCommit); commit != nil {
			return find(commit[1:], fieldCommitRevision) // its length is one byte
		}
	}
	return nil
}

// find is a field of a message from its value on; all before it have a length.
func find(m []byte, wanted protowire.Number) []byte {
	for len(m) > 0 {
		field, kind, n := protowire.ConsumeTag(m)
		if field == wanted {
			return m[n:]
		}
		m = m[n+protowire.ConsumeFieldValue(field, kind, m[n:]):]
	}
	return nil
}

// acknowledge answers the end of a step: an Ack holds its revision, in the same bytes.
func acknowledge(revision []byte, s grpc.ClientStream) {
	n := revision[0] + 1
	ack := append([]byte{ackTag, n + 1, fieldCommitRevision<<3 | 2}, revision[:n]...)
	_ = s.SendMsg(&ack)
}

func hello(b *testing.B, n int, after *pb.Revision, digest []byte) []byte {
	data, err := proto.Marshal(&pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: &pb.Hello{
		Instance: fmt.Sprint("client-", n), After: after, Digest: digest, Protocol: 1, Process: fmt.Append(nil, n),
	}}})
	require.NoError(b, err)
	return data
}

func revisionOf(field []byte) int64 {
	var r pb.Revision
	_ = proto.Unmarshal(field[1:field[0]+1], &r)
	return r.GetNumber()
}

// limitCrowd is clients of the limit.
func limitCrowd(b *testing.B, p *process, form byte) *crowd {
	return &crowd{
		b: b, server: p, change: func() { p.ask(string(form)) },
		open: func(_ int, got func()) func() {
			return stream(b, p.GRPC, "x", fanoutMethod, []byte{form}, func(_ []byte, s grpc.ClientStream) {
				got()
				if form == acknowledged {
					ack := make([]byte, 6)
					_ = s.SendMsg(&ack)
				}
			})
		},
	}
}

// dimmerCrowd is clients of a server; a change is a ramp over REST, which is on the store's disk before anybody hears of it.
func dimmerCrowd(b *testing.B, p *process, in installation) *crowd {
	changes := 0
	var known atomic.Int64 // the revision of the last change
	return &crowd{
		b: b, server: p,
		change: func() {
			changes++
			text := request(b, p.HTTP, in.admin, 200, "POST", targetingPath("rollout-flag")+"/ramp", fmt.Sprintf(`{"exposure":%d}`, changes%100))
			var done struct{ Revision int64 }
			require.NoError(b, json.Unmarshal([]byte(text), &done))
			known.Store(done.Revision)
		},
		open: func(n int, got func()) func() {
			begun := false
			return stream(b, p.GRPC, in.serverSide, pb.SyncService_Sync_FullMethodName, hello(b, n, nil, nil), func(m []byte, s grpc.ClientStream) {
				if revision := committed(m); revision != nil {
					// Who is new gets a ruleset that is encoded already, and the changes since then.
					if begun = begun || revisionOf(revision) >= known.Load(); begun {
						got()
					}
					acknowledge(revision, s)
				}
			})
		},
	}
}

// BenchmarkFanout measures the time from a change to the last client that has it, the server's processor time for one change, and its memory
// for one stream, in a set of 100 flags.
func BenchmarkFanout(b *testing.B) {
	in := install(b, "local:"+b.TempDir(), 100)
	limit, acks := start(b, roleFanout), start(b, roleFanout)
	crowds := []*crowd{limitCrowd(b, limit, sends), limitCrowd(b, acks, acknowledged), dimmerCrowd(b, in.run(b), in), rawCrowd(b, start(b, roleRaw))}
	defer func() {
		for _, c := range crowds {
			c.leave()
		}
	}()
	for _, size := range []struct{ streams, rounds, changes int }{{1, 10, 30}, {100, 10, 20}, {1000, 10, 5}, {2000, 10, 4}} {
		for _, c := range crowds {
			c.b = b
			c.grow(size.streams)
			c.round(1)
			c.took, c.cpu, c.own = nil, 0, 0
		}
		if size.streams == 2000 {
			for _, c := range crowds {
				c.full = c.server.ask("settle").RSS
			}
			b.Run("KiB-a-stream", func(b *testing.B) { memory(b, crowds) })
		}
		for range size.rounds {
			for _, c := range crowds {
				c.round(size.changes)
			}
		}
		b.Run(fmt.Sprintf("streams=%d", size.streams), func(b *testing.B) { compareCrowds(b, crowds, size.streams) })
	}
}

func compareCrowds(b *testing.B, crowds []*crowd, streams int) {
	var p50, cpu [4]time.Duration
	for i, prefix := range []string{"sends", "acknowledged", "dimmer", "raw"} {
		crowds[i].b = b
		p50[i], cpu[i] = crowds[i].tell(prefix)
	}
	target := 0.0 // with few streams it is the commit that takes the time
	if streams > 100 {
		target = 1.5
	}
	report(b, "ms", milli(p50[0]), milli(p50[2]), target)
	b.ReportMetric(milli(p50[1]), "acknowledged-ms")
	b.ReportMetric(float64(p50[2])/float64(p50[1]), "x-acknowledged")
	b.ReportMetric(float64(cpu[2])/float64(cpu[0]), "x-cpu")
	b.ReportMetric(float64(cpu[2])/float64(cpu[1]), "x-cpu-acknowledged")
	limit, raw := crowds[0], crowds[3]
	limitAll, rawAll := (limit.cpu+limit.own)/time.Duration(len(limit.took)), (raw.cpu+raw.own)/time.Duration(len(raw.took))
	sum := rawAll + time.Duration(streams)*messageCost(b, streams)
	b.ReportMetric(milli(limitAll), "limit-all-cpu-ms")
	b.ReportMetric(milli(sum), "parts-all-cpu-ms")
	b.ReportMetric(float64(limitAll)/float64(sum), "limit-x-parts")
}

func memory(b *testing.B, crowds []*crowd) {
	var kib [4]float64
	for i, c := range crowds {
		kib[i] = float64(c.full-c.empty) / float64(len(c.clients)) / 1024
	}
	report(b, "KiB", kib[0], kib[2], 0)
	b.ReportMetric(kib[1], "acknowledged-KiB")
	b.ReportMetric(36, "target-KiB")
}
