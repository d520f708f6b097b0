package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// stream reads server-sent events. Its goroutine ends with the test.
type stream struct {
	t      testing.TB
	resp   *http.Response
	blocks chan string // one for each blank line; closed at the end
	stop   context.CancelFunc
}

func (w *world) stream(a ask) *stream {
	w.t.Helper()
	if a.path == "" {
		a.path = "/v1/projects/shop/events"
	}
	a.method = http.MethodGet
	ctx, stop := context.WithCancel(w.t.Context())
	resp, err := http.DefaultTransport.RoundTrip(w.request(a).WithContext(ctx))
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	require.Equal(w.t, "text/event-stream", resp.Header.Get("Content-Type"))
	s := &stream{t: w.t, resp: resp, blocks: make(chan string, 1000), stop: stop}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(s.blocks)
		lines := bufio.NewScanner(resp.Body)
		var block strings.Builder
		for lines.Scan() {
			if lines.Text() != "" {
				block.WriteString(lines.Text() + "\n")
				continue
			}
			s.blocks <- block.String()
			block.Reset()
		}
	}()
	w.t.Cleanup(func() {
		stop()
		_ = resp.Body.Close()
		<-done
	})
	return s
}

// next is the next block that is more than a comment or a sign of life; false: the stream ended.
func (s *stream) next() (string, bool) {
	s.t.Helper()
	for {
		select {
		case b, open := <-s.blocks:
			if !open {
				return "", false
			}
			if !strings.HasPrefix(b, ":") && field(b, "event") != "alive" {
				return b, true
			}
		case <-time.After(10 * time.Second):
			require.FailNow(s.t, "nothing came")
		}
	}
}

// hello is what a stream begins with: the id to go on from.
func (s *stream) hello() string {
	s.t.Helper()
	b, open := s.next()
	require.True(s.t, open)
	require.Contains(s.t, b, "retry: 2000\n")
	return field(b, "id")
}

// alive is the next sign of life.
func (s *stream) alive() (id string, e AliveEvent) {
	s.t.Helper()
	for {
		select {
		case b, open := <-s.blocks:
			require.True(s.t, open, "the stream ended")
			if field(b, "event") != "alive" {
				continue
			}
			require.NoError(s.t, json.Unmarshal([]byte(field(b, "data")), &e))
			return field(b, "id"), e
		case <-time.After(10 * time.Second):
			require.FailNow(s.t, "no sign of life")
		}
	}
}

func (s *stream) change() (id string, e ChangeEvent) {
	s.t.Helper()
	b, open := s.next()
	require.True(s.t, open, "the stream ended")
	require.Equal(s.t, "change", field(b, "event"), b)
	require.NoError(s.t, json.Unmarshal([]byte(field(b, "data")), &e))
	return field(b, "id"), e
}

func (s *stream) ends() {
	s.t.Helper()
	for {
		b, open := s.next()
		if !open {
			return
		}
		require.NotContains(s.t, b, "event: change")
	}
}

func field(block, name string) string {
	for line := range strings.Lines(block) {
		if value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), name+": "); ok {
			return value
		}
	}
	return ""
}

func (w *world) ramp(environment string, percent int) {
	w.t.Helper()
	w.ok(200, ask{method: "POST", path: shopFlag + "/environments/" + environment + "/ramp", body: fmt.Sprintf(`{"exposure":%d,"reason":"to %d"}`, percent, percent)})
}

func TestEventsResumeWithoutAGap(t *testing.T) { onEveryStore(t, resumes) }

func resumes(t *testing.T, w *world) {
	first := w.stream(ask{token: "viewer"})
	first.hello()
	w.ramp("production", 1)
	last, e := first.change()
	require.Equal(t, "targeting.ramp", e.Verb)
	require.Equal(t, "to 1", e.Reason)
	require.Equal(t, "targeting/production/checkout", e.Changes[0].Document)
	require.Empty(t, e.Changes[0].After, "contents are not for everybody who only watches")
	require.Equal(t, fmt.Sprintf("%d.%d", e.Epoch, e.Revision), last)
	first.stop()

	for i := 2; i <= 20; i++ {
		w.ramp("production", i)
	}
	again := w.stream(ask{token: "viewer", header: map[string]string{"Last-Event-ID": last}})
	require.Equal(t, last, again.hello())
	for i := 2; i <= 20; i++ {
		_, got := again.change()
		require.Equal(t, e.Revision+int64(i-1), got.Revision)
		require.Equal(t, fmt.Sprintf("to %d", i), got.Reason)
	}
}

// TestEventsFromTheFirstMoment: the id that a stream begins with loses nothing, even when the connection breaks before the first change.
func TestEventsFromTheFirstMoment(t *testing.T) {
	w := newWorld(t)
	first := w.stream(ask{})
	id := first.hello()
	first.stop()
	w.ramp("production", 3)
	again := w.stream(ask{header: map[string]string{"Last-Event-ID": id}})
	again.hello()
	_, e := again.change()
	require.Equal(t, "to 3", e.Reason)
}

func TestEventsOfOneEnvironment(t *testing.T) {
	w := newWorld(t)
	asked := w.stream(ask{path: "/v1/projects/shop/events?environment=staging"})
	bound := w.stream(ask{token: "staging"})
	asked.hello()
	bound.hello()
	w.ramp("production", 1)
	w.ramp("staging", 2)
	for _, s := range []*stream{asked, bound} {
		_, e := s.change()
		require.Equal(t, "flag/checkout@staging", e.Target)
	}
}

func TestEventsHeartbeat(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Heartbeat = time.Millisecond })
	s := w.stream(ask{path: "/v1/projects/shop/events?environment=staging"})
	hello := s.hello()
	id, alive := s.alive()
	require.Equal(t, hello, id)
	require.Less(t, alive.StoreAgeMs, int64(10_000))
	w.ramp("production", 1)
	require.Eventually(t, func() bool {
		id, _ = s.alive()
		return id != hello
	}, 10*time.Second, time.Millisecond, "how far it has come, though nothing was for it")
}

func TestEventsEndWithTheToken(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Check = 5 * time.Millisecond })
	s, other := w.stream(ask{token: "viewer"}), w.stream(ask{token: "editor"})
	s.hello()
	other.hello()
	w.ok(204, ask{method: "DELETE", path: "/v1/projects/shop/tokens/" + strings.TrimPrefix(w.principal("viewer").ID, "token:")})
	s.ends()
	w.ramp("production", 1)
	_, e := other.change()
	require.Equal(t, "to 1", e.Reason)
}

func TestEventsEndWhenTheProcessDrains(t *testing.T) {
	w := newWorld(t)
	s := w.stream(ask{})
	s.hello()
	w.drain()
	s.ends()
}

// Without the store nothing is missed and nobody is cut off, and it is told that what is shown may be old.
func TestEventsOutliveTheStore(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Heartbeat = 5 * time.Millisecond })
	s := w.stream(ask{})
	s.hello()
	w.store.Fail(store.ErrUnavailable)
	require.Eventually(t, func() bool {
		_, alive := s.alive()
		return alive.StoreAgeMs > 50
	}, 10*time.Second, time.Millisecond)
	during := w.stream(ask{})
	during.hello()
	w.store.Fail(nil)
	w.ramp("production", 1)
	for _, s := range []*stream{s, during} {
		_, e := s.change()
		require.Equal(t, "to 1", e.Reason)
	}
}

func TestEventsNameWhatChanged(t *testing.T) {
	w := newWorld(t)
	s, viewer := w.stream(ask{}), w.stream(ask{token: "viewer"})
	s.hello()
	viewer.hello()
	w.ramp("production", 1)
	id, e := s.change()
	require.NotEmpty(t, id)
	require.Equal(t, ChangeEventLogProject, e.Log)
	require.Equal(t, []LogChange{{
		Document: "targeting/production/checkout", Kind: LogChangeKindTargeting, Key: "checkout", Environment: "production", Action: Updated,
	}}, e.Changes)
	require.Equal(t, w.principal("root").ID, e.Actor)
	require.Equal(t, w.principal("root").Name, e.ActorName)
	_, e = viewer.change()
	require.Equal(t, "to 1", e.Reason)

	w.ok(201, ask{method: "POST", path: "/v1/projects/shop/tokens", body: `{"name":"n","kind":"server","environment":"production"}`})
	id, e = s.change()
	require.Empty(t, id, "it is of another log")
	require.Equal(t, ChangeEventLogSystem, e.Log)
	require.Equal(t, LogChangeKindToken, e.Changes[0].Kind)
	require.Equal(t, Created, e.Changes[0].Action)
	w.ramp("production", 2)
	_, e = viewer.change()
	require.Equal(t, "to 2", e.Reason, "tokens are not for viewers")
}

func TestEventsAreNotWithoutNumber(t *testing.T) {
	w := newWorld(t)
	var open []*stream
	for range maxTokenStreams {
		open = append(open, w.stream(ask{token: "viewer"}))
	}
	require.Equal(t, "10", w.ok(429, ask{method: "GET", path: "/v1/projects/shop/events", token: "viewer"}).header.Get("Retry-After"))
	w.stream(ask{token: "editor"}).hello()
	open[0].stop()
	require.Eventually(t, func() bool {
		w.server.streams.mu.Lock()
		defer w.server.streams.mu.Unlock()
		return w.server.streams.known[w.principal("viewer").ID] == maxTokenStreams-1
	}, 10*time.Second, time.Millisecond)
	w.stream(ask{token: "viewer"}).hello()
	w.drain()
	require.Eventually(t, func() bool {
		w.server.streams.mu.Lock()
		defer w.server.streams.mu.Unlock()
		return w.server.streams.all == 0 && len(w.server.streams.known) == 0
	}, 10*time.Second, time.Millisecond, "nothing is kept of those who left")
}

// TestEventsCutWhoDoesNotRead: a client that stops reading costs its own stream, and no goroutine for long.
func TestEventsCutWhoDoesNotRead(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Heartbeat = time.Microsecond })
	w.server.writeTimeout = 50 * time.Millisecond
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
	_, err = fmt.Fprintf(c, "GET /v1/projects/shop/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.tokens["root"])
	require.NoError(t, err)
	count := func() int {
		w.server.streams.mu.Lock()
		defer w.server.streams.mu.Unlock()
		return w.server.streams.all
	}
	require.Eventually(t, func() bool { return count() == 1 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return count() == 0 }, 30*time.Second, 10*time.Millisecond)
}

// TestEventsReset: a client whose position is gone is told to load everything, and the stream goes on.
func TestEventsReset(t *testing.T) {
	w := newWorld(t)
	for i := 1; i <= 5; i++ {
		w.ramp("production", i)
	}
	require.NoError(t, w.store.Compact(t.Context(), "shop", store.Retention{Entries: 2}))
	for name, id := range map[string]string{"compacted": "1.1", "another epoch": "7.3"} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			s := w.stream(ask{header: map[string]string{"Last-Event-ID": id}})
			require.Equal(t, id, s.hello(), "whoever loses the connection here asks for the same again")
			b, _ := s.next()
			require.Equal(t, "reset", field(b, "event"), b)
			head := w.heads()["shop"]
			require.Equal(t, fmt.Sprintf("%d.%d", head.Epoch, head.Revision), field(b, "id"))
			w.ramp("production", 50+len(name))
			_, e := s.change()
			require.Equal(t, head.Revision+1, e.Revision)
		})
	}
}

// TestParallelPatches: of a hundred changes made from one version, one is made.
func TestParallelPatches(t *testing.T) { onEveryStore(t, parallelPatches) }

func parallelPatches(t *testing.T, w *world) {
	got := w.ok(200, ask{method: "GET", path: inProduction})
	const n = 100
	statuses := make(chan int, n)
	start := make(chan struct{})
	for i := range n {
		r := w.request(ask{method: "PATCH", path: inProduction, header: match(got), media: "application/merge-patch+json",
			body: fmt.Sprintf(`{"rules":[{"id":"r%d","serve":{"variant":"on"}}]}`, i)})
		go func() {
			<-start
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				statuses <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	before := w.heads()["shop"].Revision
	close(start)
	counts := map[int]int{}
	for range n {
		counts[<-statuses]++
	}
	require.Equal(t, map[int]int{200: 1, 412: n - 1}, counts)
	require.Equal(t, before+1, w.heads()["shop"].Revision)
	require.Len(t, decode[targetingBody](t, w.ok(200, ask{method: "GET", path: inProduction})).Rules, 1)
}

func TestIdempotency(t *testing.T) { onEveryStore(t, idempotent) }

func idempotent(t *testing.T, w *world) {
	key := func(k string) map[string]string { return map[string]string{"Idempotency-Key": k} }
	make1 := ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"once","type":"boolean"}`, header: key("k1")}
	first := w.ok(201, make1)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	before := w.heads()
	again := w.ok(201, make1)
	require.Equal(t, before, w.heads(), "nothing is done again")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.JSONEq(t, string(first.body), string(again.body))
	for _, h := range []string{"ETag", "Dimmer-Revision", "Dimmer-Epoch"} {
		require.Equal(t, first.header.Get(h), again.header.Get(h), h)
	}

	t.Run("another body", func(t *testing.T) {
		a := make1
		a.body = `{"key":"twice","type":"boolean"}`
		w.in(t).refused(422, "invalid", a)
	})
	t.Run("another query", func(t *testing.T) {
		a := make1
		a.path += "?reason=x"
		w.in(t).refused(422, "invalid", a)
	})
	t.Run("another token", func(t *testing.T) {
		a := make1
		a.token = "editor"
		w.in(t).refused(409, "exists", a)
	})
	t.Run("another path", func(t *testing.T) {
		require.Empty(t, w.in(t).ok(200, ask{method: "POST", path: inProduction + "/on", body: `{}`, header: key("k1")}).header.Get("Idempotency-Replayed"))
	})
	t.Run("a refused request may be repeated differently", func(t *testing.T) {
		w := w.in(t)
		w.refused(422, "invalid", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":101}`, header: key("k2")})
		w.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":10}`, header: key("k2")})
	})
	t.Run("a kill is one kill", func(t *testing.T) {
		w := w.in(t)
		kill := ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x"}`, header: key("k3")}
		first := decode[KillReceipt](t, w.ok(200, kill))
		require.Equal(t, first.Ids, decode[KillReceipt](t, w.ok(200, kill)).Ids)
	})
	t.Run("a token's text is shown once", func(t *testing.T) {
		w := w.in(t)
		create := ask{method: "POST", path: "/v1/projects/shop/tokens", body: `{"name":"x","kind":"admin","role":"viewer"}`, header: key("k4")}
		a, b := w.ok(201, create), w.ok(201, create)
		require.NotEmpty(t, decode[struct{ Secret string }](t, a).Secret)
		require.Empty(t, decode[struct{ Secret string }](t, b).Secret)
		require.Equal(t, decode[struct{ Token feature.Token }](t, a).Token.ID, decode[struct{ Token feature.Token }](t, b).Token.ID)
	})
	t.Run("all at once", func(t *testing.T) {
		w := w.in(t)
		before := w.heads()["shop"].Revision
		statuses := make(chan int, 20)
		for range 20 {
			r := w.request(ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"raced","type":"boolean"}`, header: key("k5")})
			go func() {
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					statuses <- 0
					return
				}
				_ = resp.Body.Close()
				statuses <- resp.StatusCode
			}()
		}
		for range 20 {
			require.Equal(t, 201, <-statuses)
		}
		require.Equal(t, before+1, w.heads()["shop"].Revision)
	})
}
