package evalapi

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// BenchmarkFanout measures how long one change takes to the last of N clients, each with a connection of its own, in a set of 100 flags: "dimmer" is this
// server, whose clients acknowledge; "limit" is a bare gRPC server that sends the same bytes and does nothing else. Client and server share the processors.
func BenchmarkFanout(b *testing.B) {
	for _, streams := range []int{1, 100, 2000} {
		b.Run(fmt.Sprintf("limit/streams=%d", streams), func(b *testing.B) { fanoutLimit(b, streams) })
		b.Run(fmt.Sprintf("dimmer/streams=%d", streams), func(b *testing.B) { fanoutDimmer(b, streams) })
	}
}

// bytesCodec leaves messages undecoded, so that a client costs as little as one can.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*encoded))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*encoded) = data.Materialize()
	return nil
}

func (bytesCodec) Name() string { return "proto" }

// listener is a client that reads commits.
type listener struct {
	stream grpc.ClientStream
	stop   func()
}

// listen opens a stream with its own connection, and calls got for each message.
func listen(b *testing.B, wg *sync.WaitGroup, address, token, method string, hello []byte, got func(m encoded, s grpc.ClientStream)) *listener {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(token)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})), grpc.WithReadBufferSize(4<<10))
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	require.NoError(b, err)
	require.NoError(b, stream.SendMsg((*encoded)(&hello)))
	wg.Go(func() {
		for {
			var m encoded
			if stream.RecvMsg(&m) != nil {
				return
			}
			got(m, stream)
		}
	})
	return &listener{stream, func() {
		cancel()
		conn.Close()
	}}
}

// measure makes b.N changes, one after the other, and reports when the last client had each.
func measure(b *testing.B, streams int, arrived *sync.WaitGroup, change func(n int)) {
	took := make([]time.Duration, 0, b.N)
	n := 0
	for b.Loop() {
		arrived.Add(streams)
		began := time.Now()
		change(n)
		arrived.Wait()
		took = append(took, time.Since(began))
		n++
	}
	slices.Sort(took)
	ms := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(ms(1), "max-ms")
}

func fanoutDimmer(b *testing.B, streams int) {
	w := newWorld(b, worldOptions{})
	begin := []put{environmentDoc("prod")}
	for n := range 100 {
		begin = append(begin, flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n), true, 1)))
	}
	w.commit(begin...)
	var arrived, ready, clients sync.WaitGroup
	ready.Add(streams)
	for n := range streams {
		hello, err := proto.Marshal(&pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: &pb.Hello{Instance: fmt.Sprint("i", n)}}})
		require.NoError(b, err)
		begun := false
		l := listen(b, &clients, w.address, "server", pb.SyncService_Sync_FullMethodName, hello, func(m encoded, s grpc.ClientStream) {
			if m[0] != fieldResponseCommit<<3|2 {
				return
			}
			if begun {
				arrived.Done()
			} else {
				begun = true
				ready.Done()
			}
			// An Ack has the revision that the Commit begins with, in the same bytes.
			_, inner := m[0], m[2:]
			ack := append(encoded{0x12, inner[1] + 2}, inner[:inner[1]+2]...)
			_ = s.SendMsg(&ack)
		})
		defer l.stop()
	}
	ready.Wait()
	measure(b, streams, &arrived, func(n int) {
		w.commit(flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n%100), n%2 == 0, int64(n+2))))
	})
	w.server.Close()
	clients.Wait()
}

// limitServer sends the same bytes to all of its streams.
type limitServer struct {
	mu   sync.Mutex
	next chan struct{}
	data encoded
	end  chan struct{}
}

func (l *limitServer) current() (encoded, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data, l.next
}

func fanoutLimit(b *testing.B, streams int) {
	l := &limitServer{next: make(chan struct{}), end: make(chan struct{})}
	server := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.WaitForHandlers(true), grpc.ReadBufferSize(readBuffer), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			var hello encoded
			if err := stream.RecvMsg(&hello); err != nil {
				return err
			}
			_, next := l.current()
			if err := stream.SendMsg(&hello); err != nil {
				return err
			}
			for {
				select {
				case <-next:
				case <-l.end:
					return nil
				case <-stream.Context().Done():
					return nil
				}
				var m encoded
				m, next = l.current()
				if err := stream.SendMsg(&m); err != nil {
					return err
				}
			}
		}))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(tcp) }()
	var arrived, ready, clients sync.WaitGroup
	ready.Add(streams)
	for range streams {
		begun := false
		c := listen(b, &clients, tcp.Addr().String(), "x", "/limit/Limit", []byte{1}, func(encoded, grpc.ClientStream) {
			if begun {
				arrived.Done()
			} else {
				begun = true
				ready.Done()
			}
		})
		defer c.stop()
	}
	ready.Wait()
	data := make(encoded, 414)
	measure(b, streams, &arrived, func(int) {
		l.mu.Lock()
		old := l.next
		l.data, l.next = data, make(chan struct{})
		l.mu.Unlock()
		close(old)
	})
	close(l.end)
	server.Stop()
	require.NoError(b, <-served)
	clients.Wait()
}
