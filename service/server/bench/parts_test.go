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

// The raw parts of the fan-out's limit, measured in the same run, so that the limit can be trusted to be one. Processor time is compared, of server and clients together, since it does not move with the machine's load: the same bytes on plain TCP connections (to wake
// a goroutine for each, write, and read), what gRPC does with a message at both ends, and the hand-overs between goroutines that it adds: from the
// handler to the connection's writer, and from its reader to the receiver.

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

// messageCost is the processor time of a message in gRPC, both ends, without the network: many are under way at once, so that nobody waits.
func messageCost(b *testing.B) time.Duration {
	const messages, streams = 20_000, 64
	wire := bufconn.Listen(1 << 20)
	s := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		m := make([]byte, deltaBytes)
		for range messages / streams {
			if err := stream.SendMsg(&m); err != nil {
				return err
			}
		}
		return nil
	}))
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(wire) })
	defer served.Wait()
	defer s.Stop()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return wire.DialContext(ctx) }))
	require.NoError(b, err)
	defer conn.Close()
	before := ownCPU()
	var all sync.WaitGroup
	for range streams {
		stream, err := conn.NewStream(b.Context(), &grpc.StreamDesc{ServerStreams: true}, fanoutMethod)
		require.NoError(b, err)
		require.NoError(b, stream.CloseSend())
		all.Go(func() {
			var m []byte
			for stream.RecvMsg(&m) == nil {
			}
		})
	}
	all.Wait()
	return (ownCPU() - before) / messages
}

// handOver is the time from one goroutine to the next that waits.
func handOver() time.Duration {
	const times = 100_000
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for range there {
			back <- struct{}{}
		}
	}()
	began := time.Now()
	for range times {
		there <- struct{}{}
		<-back
	}
	close(there)
	return time.Since(began) / (2 * times)
}

// added is the processor time that gRPC adds to plain connections, at both ends, for a message to each of so many streams.
func added(b *testing.B, streams int) time.Duration {
	const handOvers = 2 // to the connection's writer, and to the receiver
	return time.Duration(streams) * (messageCost(b) + handOvers*handOver())
}
