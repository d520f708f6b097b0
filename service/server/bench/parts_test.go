package bench

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// The raw parts of the fan-out's limit, measured in the same run, so that the limit can be trusted to be one: the same bytes on plain TCP connections (to wake
// a goroutine for each, write, and read), and gRPC without sockets. Processor time is compared, of servers and clients together, since it does not
// move with the machine's load as the time of the last one does.

const rawBytes = deltaBytes + 5 + 9 // with the framing of gRPC and HTTP/2

// serveRaw serves the plain connections.
func serveRaw() (answer, func(string), error) {
	group := &broadcast{next: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answer{}, nil, err
	}
	go func() { // ends with the process
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				for data := make([]byte, rawBytes); ; {
					_, next := group.current()
					if _, err := c.Write(data); err != nil {
						return
					}
					<-next
				}
			}()
		}
	}()
	return answer{GRPC: l.Addr().String()}, func(string) { group.send(nil) }, nil
}

func rawCrowd(b *testing.B, p *process) *crowd {
	return &crowd{b: b, server: p, change: func() { p.ask("change") }, open: func(_ int, got func()) func() {
		c, err := net.Dial("tcp", p.GRPC)
		require.NoError(b, err)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for data := make([]byte, rawBytes); ; {
				if _, err := io.ReadFull(c, data); err != nil {
					return
				}
				got()
			}
		}()
		return func() {
			c.Close()
			<-ended
		}
	}}
}

// messageCost is the processor time of a message in gRPC, both ends, when each message wakes its connection: a fan-out like the limit's without sockets.
// It is measured with as many streams, since what does not fit into the processor's caches costs more.
func messageCost(b *testing.B, streams int) time.Duration {
	rounds := max(20, 2000/streams)
	wire := bufconn.Listen(64 << 10)
	group := &broadcast{next: make(chan struct{})}
	s := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		for m := make([]byte, deltaBytes); ; {
			_, next := group.current()
			if err := stream.SendMsg(&m); err != nil {
				return err
			}
			select {
			case <-next:
			case <-stream.Context().Done():
				return nil
			}
		}
	}))
	var served, clients, arrived sync.WaitGroup
	served.Go(func() { _ = s.Serve(wire) })
	arrived.Add(streams)
	for range streams {
		conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})), grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return wire.DialContext(ctx) }))
		require.NoError(b, err)
		defer conn.Close()
		stream, err := conn.NewStream(b.Context(), &grpc.StreamDesc{ServerStreams: true}, fanoutMethod)
		require.NoError(b, err)
		require.NoError(b, stream.CloseSend())
		clients.Go(func() {
			var m []byte
			for stream.RecvMsg(&m) == nil {
				arrived.Done()
			}
		})
	}
	arrived.Wait()
	before := ownCPU()
	for range rounds {
		arrived.Add(streams)
		group.send(nil)
		arrived.Wait()
	}
	cost := (ownCPU() - before) / time.Duration(rounds*streams)
	s.Stop()
	served.Wait()
	clients.Wait()
	return cost
}
