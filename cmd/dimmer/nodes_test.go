package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

var adminToken = regexp.MustCompile(`dma_[a-z2-7]+_[a-z2-7]+_[a-z2-7]+`)

// fleet is two nodes on one Redis, as processes, and SDKs that know both.
type fleet struct {
	t       *testing.T
	nodes   []*process
	addr    []map[string]string
	token   string
	sdk     string
	clients []*dimmer.Client
}

func startFleet(t *testing.T, sdks int) *fleet {
	t.Helper()
	redis := redistest.Start(t, redistest.AppendOnly("always"))
	f := &fleet{t: t}
	for i := range 2 {
		env, addr := devPorts(t)
		p := startProcess(t, t.TempDir(), append(env, fmt.Sprintf("DIMMER_NODE=node-%d", i+1), "DIMMER_STORE="+redis.URL()), "serve")
		p.until("msg=ready")
		f.nodes, f.addr = append(f.nodes, p), append(f.addr, addr)
	}
	f.token = adminToken.FindString(f.nodes[0].printed())
	require.NotEmpty(t, f.token)
	f.do(0, http.MethodPost, "/v1/projects", map[string]any{"key": "shop"})
	f.do(0, http.MethodPost, "/v1/projects/shop/flags", map[string]any{"key": "new-checkout", "type": "boolean"})
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal(f.do(0, http.MethodPost, "/v1/projects/shop/tokens", map[string]any{"name": "sdk", "kind": "server", "environment": "production"}), &made))
	f.sdk = made.Secret
	for i := range f.nodes { // an SDK whose token is refused comes back after half a minute at the earliest
		f.eventually("every node knows the token", func() bool {
			api := &client{base: "http://" + f.addr[i]["HTTP"], token: f.sdk, http: &http.Client{}}
			_, err := api.do(t.Context(), request{method: http.MethodPost, path: "/v1/evaluate/new-checkout", body: map[string]any{"context": map[string]any{}}})
			return err == nil
		})
	}
	var g sync.WaitGroup
	f.clients = make([]*dimmer.Client, sdks)
	for i := range f.clients {
		g.Go(func() {
			f.clients[i], _ = dimmer.New(f.endpoints(), dimmer.WithToken(f.sdk), dimmer.WithInstance(fmt.Sprint("app-", i)),
				dimmer.WithLogger(slog.New(slog.DiscardHandler))) // a mistake shows as a nil client
		})
	}
	g.Wait()
	t.Cleanup(func() {
		for _, c := range f.clients {
			c.Close()
		}
	})
	return f
}

func (f *fleet) endpoints() string { return f.addr[0]["GRPC"] + "," + f.addr[1]["GRPC"] }

func (f *fleet) do(node int, method, path string, body any) []byte {
	f.t.Helper()
	api := &client{base: "http://" + f.addr[node]["HTTP"], token: f.token, http: &http.Client{}}
	resp, err := api.do(f.t.Context(), request{method: method, path: path, body: body})
	require.NoError(f.t, err)
	return resp.body
}

// cli runs a command against a node, and returns what it prints and its exit code.
func (f *fleet) cli(node int, args ...string) (string, int) {
	f.t.Helper()
	p := startProcess(f.t, f.t.TempDir(), []string{"DIMMER_URL=http://" + f.addr[node]["HTTP"], "DIMMER_TOKEN=" + f.token}, args...)
	code := p.wait()
	return p.printed(), code
}

// shop starts an example shop as the one SDK process that can be stopped.
func (f *fleet) shop() *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(filepath.Join(binaries(f.t), "shop"), "-addr", "127.0.0.1:0", "-dimmer", f.endpoints())
	cmd.Env = append(os.Environ(), "DIMMER_SDK_TOKEN="+f.sdk)
	require.NoError(f.t, cmd.Start())
	f.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT) // a stopped process does not end
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

type instance struct {
	Instance, Application, Node, State string
	Revision                           int64
}

func (f *fleet) instances(node int) []instance {
	f.t.Helper()
	var list struct{ Items []instance }
	require.NoError(f.t, json.Unmarshal(f.do(node, http.MethodGet, "/v1/projects/shop/instances", nil), &list))
	return list.Items
}

func (f *fleet) connected(node int) int {
	n := 0
	for _, i := range f.instances(node) {
		if i.State == "connected" {
			n++
		}
	}
	return n
}

func (f *fleet) exposed() int {
	n := 0
	for _, c := range f.clients {
		if c.Bool(f.t.Context(), "new-checkout", dimmer.NewContext("u"), false) {
			n++
		}
	}
	return n
}

func (f *fleet) eventually(what string, fn func() bool) {
	f.t.Helper()
	require.Eventually(f.t, fn, 60*time.Second, 20*time.Millisecond, what)
}

// neverBack watches all clients until ctx ends, and returns what went back.
func (f *fleet) neverBack(ctx context.Context) []string {
	var back []string
	last := make([]dimmer.Revision, len(f.clients))
	for ctx.Err() == nil {
		for i, c := range f.clients {
			now := c.Snapshot().Revision()
			if now.Compare(last[i]) < 0 {
				back = append(back, fmt.Sprintf("app-%d went from %v to %v", i, last[i], now))
			}
			last[i] = now
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	return back
}

// TestFleet: two nodes on one Redis and 50 SDKs. A stopped one is named by the receipt of a kill, and has it once it goes on; kill -9 of a node
// moves its SDKs to the other, and none of them ever goes back.
func TestFleet(t *testing.T) {
	f := startFleet(t, 49)
	shop := f.shop()
	f.eventually("50 SDKs are connected", func() bool { return f.connected(0) == 50 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	back := make(chan []string, 1)
	go func() { back <- f.neverBack(ctx) }()

	_, code := f.cli(0, "ramp", "new-checkout", "100", "-e", "production")
	require.Equal(t, 0, code)
	f.eventually("all are exposed", func() bool { return f.exposed() == 49 })

	// One process is stopped: the kill says who it is.
	require.NoError(t, shop.Process.Signal(syscall.SIGSTOP))
	out, code := f.cli(1, "kill", "new-checkout", "-e", "production", "--reason", "test", "--timeout", "3s")
	require.Equal(t, exitUnconfirmed, code, out)
	require.Contains(t, out, "nodes 2/2  instances 49/50")
	require.Equal(t, 1, strings.Count(out, "missing: "), out)
	require.Regexp(t, fmt.Sprintf(`(?m)^missing: \S+-%d-\S+  shop  `, shop.Process.Pid), out, "by name, with the process id")
	require.Equal(t, 0, f.exposed())

	// It goes on: the kill reaches it, and the next one is complete.
	require.NoError(t, shop.Process.Signal(syscall.SIGCONT))
	out, code = f.cli(0, "kill", "new-checkout", "-e", "production", "--reason", "test", "--timeout", "30s")
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "instances 50/50")
	require.NotContains(t, out, "missing")

	// A node dies; all SDKs are on the other one soon, and changes arrive there.
	require.NoError(t, f.nodes[0].cmd.Process.Kill())
	f.eventually("all SDKs are on the second node", func() bool {
		on2 := 0
		for _, i := range f.instances(1) {
			if i.State == "connected" && i.Node == "node-2" {
				on2++
			}
		}
		return on2 == 50
	})
	require.Equal(t, 0, f.exposed(), "killed, whatever dies")
	_, code = f.cli(1, "clear", "new-checkout", "-e", "production", "--reason", "over")
	require.Equal(t, 0, code)
	f.eventually("all are exposed again", func() bool { return f.exposed() == 49 })
	cancel()
	require.Empty(t, <-back, "an SDK never goes back")

	// The dead node is not waited for for long, and the log is whole.
	f.eventually("the dead node is forgotten", func() bool {
		out, code := f.cli(1, "kill", "new-checkout", "-e", "production", "--reason", "test", "--timeout", "3s")
		return code == 0 && strings.Contains(out, "nodes 1/1  instances 50/50")
	})
	body := f.do(1, http.MethodGet, "/v1/projects/shop/log?"+url.Values{"limit": {"1000"}}.Encode(), nil)
	var list struct{ Items []logEntry }
	require.NoError(t, json.Unmarshal(body, &list))
	for i, e := range list.Items {
		require.Equal(t, list.Items[0].Revision-int64(i), e.Revision)
	}
}
