package evalapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// What a client of one's own frames can do to the listener. In each test a neighbour is served meanwhile, and nothing is left afterwards.

const (
	preface      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameData    = 0
	frameHeaders = 1
	frameReset   = 3
	frameSetting = 4
	framePing    = 6
	frameMore    = 9 // CONTINUATION
	endHeaders   = 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	out := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(out, stream), payload...)
}

// fields are header fields as HPACK has them without any compression.
func fields(pairs ...string) []byte {
	var out []byte
	text := func(s string) {
		if len(s) < 127 {
			out = append(out, byte(len(s)))
		} else {
			out = binary.AppendUvarint(append(out, 127), uint64(len(s)-127))
		}
		out = append(out, s...)
	}
	for i, s := range pairs {
		if i%2 == 0 {
			out = append(out, 0)
		}
		text(s)
	}
	return out
}

func callHeaders(path, token string, more ...string) []byte {
	return fields(append([]string{
		":method", "POST", ":scheme", "http", ":path", path, ":authority", "x", "content-type", "application/grpc", "te", "trailers",
		"authorization", "Bearer " + token,
	}, more...)...)
}

func dialRaw(t *testing.T, w *world, begin ...[]byte) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", w.address, 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	for _, data := range begin {
		_, err = c.Write(data)
		require.NoError(t, err)
	}
	return c
}

// attacked is a world whose neighbour of the attacker is asked to the end of the test; none of his calls may fail.
func attacked(t *testing.T, change func(*Options)) *world {
	w := newWorld(t, worldOptions{change: change})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	neighbour := pb.NewEvaluationServiceClient(w.conn("server"))
	stop := make(chan struct{})
	var asking sync.WaitGroup
	var slowest time.Duration
	var failed error
	asking.Go(func() {
		for {
			began := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			_, err := neighbour.Evaluate(ctx, &pb.EvaluateRequest{Flag: "a"})
			cancel()
			if err != nil {
				failed = err
				return
			}
			slowest = max(slowest, time.Since(began))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond): // the next question
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		asking.Wait()
		require.NoError(t, failed, "the neighbour")
		t.Logf("the neighbour waited for %v at most", slowest)
	})
	return w
}

// closes waits until the server hangs up.
func closes(c net.Conn, within time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(within))
	if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
		return err
	}
	return nil
}

// TestGarbage: what is not HTTP/2, or breaks its rules, ends the connection; what does not come at all ends it after the time for a handshake.
func TestGarbage(t *testing.T) {
	w := attacked(t, nil)
	settings := frame(frameSetting, 0, 0, nil)
	begun := append([]byte(preface), settings...)
	sync := callHeaders(pb.SyncService_Sync_FullMethodName, "server")
	cases := map[string][]byte{
		"nothing":                      nil,
		"HTTP/1.1":                     []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS":                          {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
		"noise":                        bytes.Repeat([]byte{0xa5, 0x5a, 0, 0xff}, 4096),
		"half a preface":               []byte(preface[:10]),
		"a preface and silence":        []byte(preface),
		"a frame too large":            append(bytes.Clone(begun), 0xff, 0xff, 0xff, frameData, 0, 0, 0, 0, 1),
		"headers on stream 0":          append(bytes.Clone(begun), frame(frameHeaders, endHeaders, 0, sync)...),
		"headers on an even stream":    append(bytes.Clone(begun), frame(frameHeaders, endHeaders, 2, sync)...),
		"broken compression":           append(bytes.Clone(begun), frame(frameHeaders, endHeaders, 1, bytes.Repeat([]byte{0xff}, 64))...),
		"settings on a stream":         append(bytes.Clone(begun), frame(frameSetting, 0, 1, nil)...),
		"data between header frames":   append(append(bytes.Clone(begun), frame(frameHeaders, 0, 1, sync)...), frame(frameData, 0, 1, nil)...),
		"a continuation of nothing":    append(bytes.Clone(begun), frame(frameMore, endHeaders, 1, sync)...),
		"headers without an end":       append(append(bytes.Clone(begun), frame(frameHeaders, 0, 1, sync)...), bytes.Repeat(frame(frameMore, 0, 1, fields("a", strings.Repeat("b", 8000))), 500)...),
		"pings without an end":         append(bytes.Clone(begun), bytes.Repeat(frame(framePing, 0, 0, make([]byte, 8)), 1000)...),
		"a stream number that is used": append(append(bytes.Clone(begun), frame(frameHeaders, endHeaders, 5, sync)...), frame(frameHeaders, endHeaders, 3, sync)...),
	}
	errs := map[string]chan error{}
	for name, data := range cases {
		ended := make(chan error, 1)
		errs[name] = ended
		c := dialRaw(t, w)
		go func() {
			_, _ = c.Write(data) // it may be closed already
			ended <- closes(c, 30*time.Second)
		}()
	}
	for name, ended := range errs {
		require.NoError(t, <-ended, name)
	}
	require.Eventually(t, func() bool { return w.server.Streams() == 0 }, 20*time.Second, 10*time.Millisecond)
}

// TestRapidReset: streams that are opened and taken back at once, as fast as they can be sent, leave nothing, and are counted by the limits.
func TestRapidReset(t *testing.T) {
	w := attacked(t, func(o *Options) { o.RateLimits.Open.PerSecond, o.RateLimits.Open.Burst = 100, 200 })
	before := runtime.NumGoroutine()
	const resets = 20_000
	c := dialRaw(t, w, []byte(preface), frame(frameSetting, 0, 0, nil))
	go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
	headers := callHeaders(pb.SyncService_Sync_FullMethodName, "server")
	hello, err := proto.Marshal(&pb.SyncRequest{Message: &pb.SyncRequest_Hello{Hello: &pb.Hello{Instance: "x"}}})
	require.NoError(t, err)
	message := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(hello))), hello...)
	most, sent := 0, 0
	for n := range uint32(resets) {
		id := 2*n + 1
		data := append(frame(frameHeaders, endHeaders, id, headers), frame(frameData, 0, id, message)...)
		if _, err := c.Write(append(data, frame(frameReset, 0, id, []byte{0, 0, 0, 8})...)); err != nil {
			break // it was cut
		}
		sent++
		most = max(most, runtime.NumGoroutine()-before)
	}
	t.Logf("%d of %d were taken, with %d goroutines at most", sent, resets, most)
	require.Less(t, most, 4*maxStreams)
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return w.server.Streams() == 0 && runtime.NumGoroutine() <= before+10 }, 20*time.Second, 10*time.Millisecond)
	require.Positive(t, w.server.Limited())
}

// TestManyConnections: connections that do nothing hold up nobody.
func TestManyConnections(t *testing.T) {
	w := attacked(t, nil)
	const many = 1000
	before, conns := heap()+stacks(), make([]net.Conn, many)
	for n := range conns {
		conns[n] = dialRaw(t, w, []byte(preface), frame(frameSetting, 0, 0, nil))
	}
	c := &client{id: "one"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	t.Logf("%d KiB each, both ends", (heap()+stacks()-before)/many>>10)
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
}

func stacks() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// TestMetadata: too much of it is refused, and the next call of the same client is answered.
func TestMetadata(t *testing.T) {
	w := attacked(t, nil)
	api := pb.NewEvaluationServiceClient(w.conn("server"))
	for name, size := range map[string]int{"one": 17 << 10, "many": 0, "huge": 1 << 20} {
		ctx := deadline(t, 20*time.Second)
		if size > 0 {
			ctx = withHeader(ctx, "x-large", strings.Repeat("x", size))
		} else {
			for n := range 1000 {
				ctx = withHeader(ctx, fmt.Sprint("x-", n), "y")
			}
		}
		_, err := api.Evaluate(ctx, &pb.EvaluateRequest{Flag: "a"})
		require.Error(t, err, name)
		_, err = api.Evaluate(deadline(t, 20*time.Second), &pb.EvaluateRequest{Flag: "a"}, grpc.WaitForReady(true))
		require.NoError(t, err, name)
	}
	_, err := api.EvaluateAll(deadline(t, 20*time.Second), &pb.EvaluateAllRequest{Flags: []string{strings.Repeat("x", 300<<10)}})
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "a message above 256 KiB")
}

// TestNackStorm: whoever refuses every step gets few whole rulesets, and still what is new.
func TestNackStorm(t *testing.T) {
	w := attacked(t, nil)
	c := &client{id: "never content"}
	require.NoError(t, c.open(deadline(t, time.Minute), w.conn("server")))
	require.NoError(t, c.until(w.revision()))
	began := time.Now()
	for range paceMost / 2 {
		require.NoError(t, c.stream.Send(&pb.SyncRequest{Message: &pb.SyncRequest_Nack{Nack: &pb.Nack{Revision: c.rev(), Reason: "no"}}}))
	}
	for c.heartbeats == 0 {
		require.NoError(t, c.step())
	}
	took := time.Since(began)
	require.LessOrEqual(t, c.fulls, 1+freeRepairs+4+int(took.Seconds()/10), "in %v", took)
	require.Greater(t, c.fulls, 1, "an honest one is helped")
	w.commit(flagDoc("prod", boolFlag("a", false, 2)))
	require.NoError(t, c.until(w.revision()))
	require.Equal(t, w.documents("prod"), c.docs)
}

func TestRepairs(t *testing.T) {
	var r repairs
	now, given := time.Unix(1_700_000_000, 0), 0
	require.False(t, r.due(false, now), "nobody asked")
	for range 10 * 60 * 10 { // ten minutes, asking ten times a second
		if r.due(true, now) {
			given++
		}
		now = now.Add(time.Second / 10)
	}
	require.Equal(t, freeRepairs+14, given, "three at once, after 1, 2, 4, 8, 16 and 32 s, then one a minute")
	require.False(t, r.due(true, now))
	require.True(t, r.due(false, now.Add(longRepair)), "who has asked once is not forgotten")
	require.False(t, r.due(false, now.Add(time.Hour)))
}

// TestPace: messages beyond any need are read as they may come, not as they do.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		began := time.Now()
		for range 5*paceMost - 1 {
			require.True(t, p.keep(t.Context()))
		}
		require.GreaterOrEqual(t, time.Since(began), 3*time.Second)
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		time.Sleep(time.Hour)
		began = time.Now()
		for range paceMost {
			require.True(t, p.keep(t.Context()))
		}
		require.Zero(t, time.Since(began), "who was quiet may go on")
	})
}

// TestHelloNeverSaid: such a stream ends by itself, and at once when the node goes down.
func TestHelloNeverSaid(t *testing.T) {
	w := attacked(t, nil)
	began := time.Now()
	silent, err := pb.NewSyncServiceClient(w.conn("server")).Sync(deadline(t, time.Minute))
	require.NoError(t, err)
	_, err = silent.Recv()
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.InDelta(t, helloLimit.Seconds(), time.Since(began).Seconds(), 3)
}

func TestDrainBeforeHello(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	w.commit(environmentDoc("prod"))
	silent, err := pb.NewSyncServiceClient(w.conn("server")).Sync(deadline(t, time.Minute))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		w.server.crowds.mu.Lock()
		defer w.server.crowds.mu.Unlock()
		return len(w.server.crowds.greeting) == 1
	}, 10*time.Second, time.Millisecond)
	began := time.Now()
	require.NoError(t, w.server.Drain(deadline(t, helloLimit)))
	require.Less(t, time.Since(began), helloLimit/2)
	_, err = silent.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
}
