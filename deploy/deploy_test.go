// Package deploy_test runs what this folder ships: the image's last stage under chroot, and compose's processes.
package deploy_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// freeAddr is a loopback address that nothing listens on. Another process may take it before it is used; then the test
// fails by its deadline and says what the process printed.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// process is a started program and what it has printed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs cmd until it ends or the test does.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	require.NoError(t, cmd.Start())
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the exit code is read from cmd.ProcessState
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", strings.Join(cmd.Args, " "), p.printed())
		}
	})
	return p
}

// stop asks the process to end, and ends it after a while. It returns the exit code, -1 if it had to be killed.
func (p *process) stop() int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p.cmd.ProcessState.ExitCode()
}

// wait returns the exit code of a process that is expected to end by itself.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the process did not end", p.printed())
		return -1
	}
}

// until polls check, which returns what is still wrong, until it returns "", a process has ended, or time is up.
func until(t *testing.T, limit time.Duration, p *process, check func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		select {
		case <-p.done:
			require.FailNow(t, "the process has ended", "%s\nstill wrong: %s", p.printed(), wrong)
		default:
		}
		if time.Now().After(deadline) {
			require.FailNow(t, "time is up", "still wrong after %s: %s\n%s", limit, wrong, p.printed())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// call makes one HTTP request and returns the status, or 0 and the error's text.
func call(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func ready(t *testing.T, p *process, httpAddr string) {
	t.Helper()
	until(t, 30*time.Second, p, func() string {
		status, text := call(t, http.MethodGet, "http://"+httpAddr+"/readyz", "", "")
		if status == http.StatusOK {
			return ""
		}
		return "/readyz: " + http.StatusText(status) + " " + text
	})
}
