package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared is a store that several servers use one after another or at once: closing it once does not end it.
type shared struct{ *storetest.Memory }

func (shared) Close() error { return nil }

// log collects what a server says.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// running is a server in this process.
type running struct {
	*Server
	t      *testing.T
	notice *log
	log    *log
	stop   context.CancelFunc
	ended  chan error
}

func testConfig(dir string) config.Config {
	return config.Config{
		Store: "local:" + dir, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0", Drain: 5 * time.Second,
		Roles: []string{config.RoleAdmin, config.RoleEvaluation, config.RoleController},
	}
}

// launch starts a server and waits until it is ready; st nil: the store of the configuration.
func launch(t *testing.T, cfg config.Config, st store.Store) *running {
	t.Helper()
	r := start(t, cfg, st)
	select {
	case <-r.Ready():
	case err := <-r.ended:
		r.ended <- err
		require.NoError(t, err, r.log)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the server is not ready", r.log)
	}
	return r
}

// start starts a server that need not become ready.
func start(t *testing.T, cfg config.Config, st store.Store) *running {
	t.Helper()
	r := &running{t: t, notice: &log{}, log: &log{}, ended: make(chan error, 1)}
	s, err := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(r.log, nil)), Version: "v0-test", Notice: r.notice})
	require.NoError(t, err)
	if st != nil {
		s.open = func(context.Context, config.Config, *slog.Logger) (store.Store, error) { return st, nil }
	}
	r.Server = s
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		r.end()
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

// end stops the server and waits for it; it may be called twice.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		r.ended <- err
		require.NoError(r.t, err)
	case <-time.After(20 * time.Second):
		require.Fail(r.t, "the server does not end", r.log)
	}
}

func (r *running) dev() DevFile {
	r.t.Helper()
	dir, _ := r.cfg.LocalDir()
	d, err := ReadDevFile(dir)
	require.NoError(r.t, err)
	return d
}

var web = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// call makes one REST request.
func (r *running) call(method, path, token, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.Addresses().HTTP+path, strings.NewReader(body))
	require.NoError(r.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := web.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp.StatusCode, string(text)
}

func (r *running) must(status int, method, path, token, body string) string {
	r.t.Helper()
	got, text := r.call(method, path, token, body)
	require.Equal(r.t, status, got, text)
	return text
}

// eventually polls until fn is true.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	require.Eventually(t, fn, 20*time.Second, 5*time.Millisecond, what)
}

const production = "/v1/projects/shop/flags/new-checkout/environments/production"

// TestDevelopment is the main way through everything: a development server on a fresh folder, an SDK on it, a ramp and a kill.
func TestDevelopment(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	st := shared{storetest.NewMemory()}
	s := launch(t, cfg, st)
	dev := s.dev()
	require.Equal(t, "shop", dev.Project)
	require.Len(t, dev.SDK, 3)
	require.Contains(t, s.log.String(), "development server")
	require.Empty(t, s.notice.String(), "a development server keeps its token in a file")

	var flags struct {
		Items []struct {
			Flag struct{ Type, Kind string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.must(200, "GET", "/v1/projects/shop/flags?limit=1000", dev.Admin, "")), &flags))
	require.GreaterOrEqual(t, len(flags.Items), 20)
	seen := map[string]bool{}
	for _, f := range flags.Items {
		seen[f.Flag.Type], seen[f.Flag.Kind] = true, true
	}
	require.Len(t, seen, 4+5, "all types and all kinds: %v", seen)

	client, err := dimmer.New(s.Addresses().GRPC, dimmer.WithToken(dev.SDK["production"]), dimmer.WithApplication("test"))
	require.NoError(t, err)
	defer client.Close()
	exposed := func() int {
		n := 0
		for i := range 1000 {
			if client.Bool(t.Context(), "new-checkout", dimmer.NewContext(fmt.Sprint("u", i)), false) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 0, exposed())
	require.Equal(t, "Winter lamps are here: warm light for short days.", client.String(t.Context(), "banner", dimmer.NewContext("u1"), ""))

	s.must(200, "POST", production+"/ramp", dev.Admin, `{"exposure":25}`)
	eventually(t, "a quarter is exposed", func() bool { n := exposed(); return n > 200 && n < 300 })
	before := exposed()
	require.Contains(t, s.must(200, "GET", "/v1/projects/shop/instances?environment=production", dev.Admin, ""), `"application":"test"`)

	var killed struct {
		IDs       []string
		Instances struct{ Done, Total int }
		Nodes     struct{ Done, Total int }
	}
	require.NoError(t, json.Unmarshal([]byte(s.must(200, "POST", production+"/kill", dev.Admin, `{"reason":"test","wait":"instances","timeout":"10s"}`)), &killed))
	require.Equal(t, 0, exposed(), "what is acknowledged is so")
	require.Equal(t, 1, killed.Instances.Done)
	require.Equal(t, 1, killed.Instances.Total)
	require.Equal(t, 1, killed.Nodes.Total)
	s.must(200, "DELETE", production+"/kills/"+killed.IDs[0]+"?reason=over", dev.Admin, "")
	eventually(t, "the same users are back", func() bool { return exposed() == before })

	_, text := get(t, "http://"+s.Addresses().Metrics+"/metrics")
	for _, want := range []string{
		`dimmer_build_info{go=`, `version="v0-test"} 1`, "dimmer_streams 1", `dimmer_commits_total{outcome="confirmed",verb="kill"} 1`,
		`dimmer_revision{scope="shop"}`, `dimmer_store_age_seconds{scope="_system"}`, `dimmer_http_request_seconds_count{method="POST",status="200"} 2`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "new-checkout", "flags are no labels")

	// A restart keeps data and tokens, and writes the new addresses.
	s.end()
	again := launch(t, cfg, st)
	require.Equal(t, dev.Admin, again.dev().Admin)
	require.Equal(t, dev.SDK, again.dev().SDK)
	require.Equal(t, "http://"+again.Addresses().HTTP, again.dev().URL)
	again.must(200, "GET", "/v1/whoami", dev.Admin, "")
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := web.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// TestExampleProjectIsSound: nothing of it is quarantined, in any environment.
func TestExampleProjectIsSound(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	s := launch(t, cfg, shared{storetest.NewMemory()})
	require.NotContains(t, s.log.String(), "quarantined")
	dev := s.dev()
	for environment := range dev.SDK {
		text := s.must(200, "POST", "/v1/evaluate?project=shop&environment="+environment, dev.Admin,
			`{"context":{"targetingKey":"u-ada","email":"ada@shop.example","plan":"gold","country":"DE","platform":"ios","appVersion":"3.4.1"}}`)
		require.NotContains(t, text, `"error"`, environment)
		require.NotContains(t, text, `"ERROR"`, environment)
	}
	text := s.must(200, "POST", "/v1/evaluate/new-checkout?project=shop&environment=production", dev.Admin, `{"context":{"targetingKey":"u9","email":"Eve@Shop.Example"}}`)
	require.Contains(t, text, `"rule":"employees"`)
	text = s.must(200, "POST", "/v1/evaluate/api-rate-limit?project=shop&environment=production", dev.Admin, `{"context":{"targetingKey":"u-mallory"}}`)
	require.Contains(t, text, `"rule":"blocked"`, "a list works")
}

var tokenText = regexp.MustCompile(`dma_[a-z2-7]+_[a-z2-7]+_[a-z2-7]+`)

// TestFirstToken: one admin token is made at the very first start, shown once, by one of the nodes that start at the same time.
func TestFirstToken(t *testing.T) {
	st := shared{storetest.NewMemory()}
	dirs := []string{t.TempDir(), t.TempDir()}
	nodes := make([]*running, 2)
	var g sync.WaitGroup
	for i := range nodes {
		g.Go(func() { nodes[i] = launch(t, testConfig(dirs[i]), st) })
	}
	g.Wait()
	shown := ""
	for i, n := range nodes {
		found := tokenText.FindAllString(n.notice.String(), -1)
		require.NotRegexp(t, tokenText, n.log.String(), "a token is not logged")
		if len(found) == 0 {
			continue
		}
		require.Len(t, found, 1)
		require.Empty(t, shown, "only one node makes it")
		shown = found[0]
		path := filepath.Join(dirs[i], "admin-token")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, shown+"\n", string(text))
	}
	require.NotEmpty(t, shown)
	for _, n := range nodes {
		eventually(t, "every node knows it", func() bool {
			status, _ := n.call("GET", "/v1/whoami", shown, "")
			return status == 200
		})
		require.NotContains(t, n.must(200, "GET", "/v1/projects", shown, ""), "shop", "without --dev nothing is seeded")
		n.must(401, "GET", "/v1/projects", "", "")
		n.end()
	}
	again := launch(t, testConfig(dirs[0]), st)
	require.Empty(t, again.notice.String(), "not again")
	again.end()
	cfg := testConfig(dirs[0])
	cfg.NewAdminToken = true
	lost := launch(t, cfg, st)
	require.NotEqual(t, shown, tokenText.FindString(lost.notice.String()))
	lost.must(200, "GET", "/v1/projects", tokenText.FindString(lost.notice.String()), "")
}

// TestTwoNodes: a project that one node makes is served by the other, and one that is deleted is forgotten by it.
func TestTwoNodes(t *testing.T) {
	st := shared{storetest.NewMemory()}
	a := launch(t, testConfig(t.TempDir()), st)
	b := launch(t, testConfig(t.TempDir()), st)
	token := tokenText.FindString(a.notice.String())
	a.must(201, "POST", "/v1/projects", token, `{"key":"blog"}`)
	a.must(201, "POST", "/v1/projects/blog/flags", token, `{"key":"comments","type":"boolean"}`)
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(a.must(201, "POST", "/v1/projects/blog/tokens", token, `{"name":"x","kind":"server","environment":"production"}`)), &made))
	eventually(t, "the other node knows the token", func() bool {
		status, _ := b.call("POST", "/v1/evaluate/comments", made.Secret, `{"context":{"targetingKey":"u"}}`)
		return status == 200
	})
	client, err := dimmer.New(b.Addresses().GRPC, dimmer.WithToken(made.Secret))
	require.NoError(t, err)
	defer client.Close()
	a.must(200, "POST", "/v1/projects/blog/flags/comments/environments/production/on", token, `{}`)
	a.must(200, "POST", "/v1/projects/blog/flags/comments/environments/production/ramp", token, `{"exposure":100}`)
	eventually(t, "the change made on one node arrives through the other", func() bool {
		return client.Bool(t.Context(), "comments", dimmer.NewContext("u"), false)
	})
	var project struct{ Version int64 }
	require.NoError(t, json.Unmarshal([]byte(a.must(200, "GET", "/v1/projects/blog", token, "")), &project))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+a.Addresses().HTTP+"/v1/projects/blog", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(project.Version)))
	resp, err := web.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 204, resp.StatusCode)
	eventually(t, "both nodes forget it", func() bool {
		_, one := get(t, "http://"+a.Addresses().Metrics+"/metrics")
		_, two := get(t, "http://"+b.Addresses().Metrics+"/metrics")
		return !strings.Contains(one+two, `dimmer_revision{scope="blog"}`)
	})
}
