package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	adminui "github.com/dimmerhq/dimmer/admin-ui"
)

// process is a started binary and what it has printed.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  bytes.Buffer
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

// startProcess runs the built dimmer in a folder.
func startProcess(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(filepath.Join(binaries(t), "dimmer"), args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code is read from ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended already
		p.wait()
		if t.Failed() {
			t.Logf("%v printed:\n%s", args, p.printed())
		}
	})
	return p
}

// wait returns the exit code; a process that does not end by itself is killed and gives -1.
func (p *process) wait() int {
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p.cmd.ProcessState.ExitCode()
}

// until waits for a text to be printed.
func (p *process) until(text string) {
	p.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !strings.Contains(p.printed(), text) {
		select {
		case <-p.done:
			require.FailNow(p.t, "the process ended", "before it printed %q:\n%s", text, p.printed())
		default:
		}
		if time.Now().After(deadline) {
			require.FailNow(p.t, "time is up", "waiting for %q:\n%s", text, p.printed())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// devPorts are free ports; another process may take one before it is used, and then the test says so.
func devPorts(t *testing.T) (env []string, addr map[string]string) {
	t.Helper()
	addr = map[string]string{}
	for _, name := range []string{"HTTP", "GRPC", "METRICS", "SHOP"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		addr[name] = l.Addr().String()
		env = append(env, "DIMMER_"+name+"="+addr[name])
	}
	return env, addr
}

// shopUsers asks the running shop for 1,000 checkouts.
func shopUsers(t *testing.T, addr string) int {
	t.Helper()
	n := 0
	for i := range 1000 {
		resp, err := http.Get(fmt.Sprintf("http://%s/checkout?user=u%d", addr, i+1)) //nolint:noctx // a short local request
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		if bytes.Contains(page, []byte(`data-checkout="new"`)) {
			n++
		}
	}
	return n
}

var seenCount = regexp.MustCompile(`([\d,]+) of 1,000 users see the new checkout`)

// TestDev is `make run` on a fresh folder, and then again: what a newcomer sees.
func TestDev(t *testing.T) {
	dir := t.TempDir()
	env, addr := devPorts(t)
	p := startProcess(t, dir, env, "dev")
	p.until("Ctrl-C stops")
	out := p.printed()

	require.Contains(t, out, "http://"+addr["HTTP"])
	require.Contains(t, out, "http://"+addr["SHOP"])
	require.Contains(t, out, "for development: on loopback only")
	if adminui.Built() {
		require.Regexp(t, `(?m)^  http://`+regexp.QuoteMeta(addr["HTTP"])+`/signin#code=[A-Za-z0-9_-]{43}$`, out)
	} else {
		require.Contains(t, out, "make ui build")
	}
	var seen []int
	for _, m := range seenCount.FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
		require.NoError(t, err)
		seen = append(seen, n)
	}
	require.Len(t, seen, 5, "0, 25, 100 %%, killed, and how it is left:\n%s", out)
	require.Equal(t, []int{0, 1000, 0}, []int{seen[0], seen[2], seen[3]})
	require.InDelta(t, 250, seen[1], 75, "a quarter, as far as 1,000 users tell")
	require.Equal(t, seen[1], seen[4])
	require.Contains(t, out, "the very same users as before")
	require.Len(t, regexp.MustCompile(`acknowledged by 1/1 instances in [\d.]+ ms`).FindAllString(out, -1), 6, out)
	require.Equal(t, tourShape(t, readTour(t)), tourShape(t, printedTour(t, out)), "README.md shows what is printed, but for numbers")
	require.NotContains(t, out, "level=", "no log lines between what is to be read")
	require.NotRegexp(t, `dm[as]_`, out, "no token is printed")
	require.Equal(t, seen[1], shopUsers(t, addr["SHOP"]), "the tour counts what is so")

	// The commands work as they were printed, in a shell, in the same folder and with no other environment.
	commands := regexp.MustCompile(`(?m)^  (\S*dimmer .*-e production.*)$`).FindAllStringSubmatch(out, -1)
	require.Len(t, commands, 3)
	wants := []struct{ prints, verb string }{{"on at 50 %", " ramp "}, {"instances 1/1", " kill "}, {"cleared ", " clear "}}
	for i, want := range wants {
		require.Contains(t, commands[i][1], want.verb)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", commands[i][1])
		cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "HOME=" + dir}
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", commands[i][1], text)
		require.Contains(t, string(text), want.prints)
		if want.verb == " kill " {
			require.Equal(t, 0, shopUsers(t, addr["SHOP"]), "after the receipt nobody sees it")
		}
	}

	testBusyPorts(t, dir, env, addr)

	// Ctrl-C ends both.
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, 0, p.wait(), p.printed())
	for name, a := range addr {
		_, err := net.DialTimeout("tcp", a, time.Second)
		require.Error(t, err, "%s still listens", name)
	}

	// A restart on the same folder has the data, and plays no tour.
	again := startProcess(t, dir, env, "dev")
	again.until("Ctrl-C stops")
	require.NotContains(t, again.printed(), "The tour")
	require.InDelta(t, 500, shopUsers(t, addr["SHOP"]), 100, "still at 50 %")
	require.NoError(t, again.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, again.wait(), again.printed())
}

// readTour is the tour that README.md shows.
func readTour(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(page), "<!-- tour -->\n```\n")
	require.True(t, ok)
	text, _, ok := strings.Cut(rest, "```\n<!-- /tour -->")
	require.True(t, ok)
	return text
}

// printedTour is the part of what was printed that README.md shows: from the first command to the line before the last word.
func printedTour(t *testing.T, out string) string {
	t.Helper()
	from, to := strings.Index(out, "  $ "), strings.Index(out, "\nThat was the tour.")
	require.True(t, 0 <= from && from < to, out)
	return out[from:to]
}

var (
	tourProgram = regexp.MustCompile(`(?m)^  \$ \S*dimmer `)
	tourNumber  = regexp.MustCompile(`\d[\d,.]*`)
	tourArg     = regexp.MustCompile(`(?m)^  \$ .*$`)
)

// tourShape is a tour without what differs from one run to the next: counts, times and where the binary lies. Commands keep their numbers.
func tourShape(t *testing.T, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimRight(tourProgram.ReplaceAllString(text, "  $$ dimmer "), "\n"), "\n")
	for i, line := range lines {
		if !tourArg.MatchString(line) {
			lines[i] = tourNumber.ReplaceAllString(line, "N")
		}
	}
	require.Greater(t, len(lines), 10)
	return strings.Join(lines, "\n")
}

// testBusyPorts: while one runs, another says which port is taken, and by which option it can be changed.
func testBusyPorts(t *testing.T, dir string, env []string, addr map[string]string) {
	free, _ := devPorts(t)
	for i, name := range []string{"HTTP", "GRPC", "METRICS", "SHOP"} {
		one := append([]string{}, free...)
		one[i] = env[i]
		p := startProcess(t, t.TempDir(), one, "dev")
		require.Equal(t, 1, p.wait(), p.printed())
		option := "--" + strings.ToLower(name)
		require.Contains(t, p.printed(), option+" "+addr[name]+": the port is in use")
		require.Contains(t, p.printed(), "DIMMER_"+name)
	}
	p := startProcess(t, dir, free, "dev")
	require.Equal(t, 1, p.wait(), p.printed())
	require.Contains(t, p.printed(), "is open in another process")
}

// TestDevWithoutTour: TOUR=0 skips it on a fresh folder too, and another data folder is named in the commands.
func TestDevWithoutTour(t *testing.T) {
	dir := t.TempDir()
	env, addr := devPorts(t)
	p := startProcess(t, dir, append(env, "TOUR=0", "DIMMER_DATA=elsewhere"), "dev")
	p.until("Ctrl-C stops")
	require.NotContains(t, p.printed(), "The tour")
	require.Contains(t, p.printed(), " --data elsewhere ramp new-checkout 50 -e production")
	require.Equal(t, 0, shopUsers(t, addr["SHOP"]))
}

// TestShopEndsWithItsParent: kill -9 of the parent leaves no shop behind.
func TestShopEndsWithItsParent(t *testing.T) {
	env, addr := devPorts(t)
	p := startProcess(t, t.TempDir(), append(env, "TOUR=0"), "dev")
	p.until("Ctrl-C stops")
	require.NoError(t, p.cmd.Process.Kill())
	p.wait()
	require.Eventually(t, func() bool {
		_, err := net.DialTimeout("tcp", addr["SHOP"], time.Second)
		return err != nil
	}, 20*time.Second, 20*time.Millisecond)
}

// TestWatch: changes are printed as they arrive, and an interrupt is how one leaves.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	env, _ := devPorts(t)
	startProcess(t, dir, env, "serve", "--dev").until("msg=ready")
	w := startProcess(t, dir, nil, "watch")
	for i := 0; !strings.Contains(w.printed(), "targeting.ramp"); i++ { // the first may come before it listens
		require.Less(t, i, 1000, w.printed())
		require.Equal(t, 0, startProcess(t, dir, nil, "ramp", "new-checkout", strconv.Itoa(i%100), "-e", "production").wait())
	}
	require.Contains(t, w.printed(), "flag/new-checkout@production")
	require.NoError(t, w.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, 0, w.wait(), w.printed())
}
