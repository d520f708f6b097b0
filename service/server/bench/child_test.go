// Package bench measures whole server processes beside their limits: the least that a server of the kind can cost, measured in the same run on the
// same machine. It holds tests only. Every server that is measured is a process of its own, so that its processor time and memory are told apart
// from those of the clients, which share the machine with it.
//
//	go test ./service/server/bench -run '^$' -bench .
package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/server"
)

// The roles of a process that a benchmark starts; see roleVariable.
const (
	roleDimmer = "dimmer"
	roleEcho   = "echo"
	roleFanout = "fanout"
	roleRaw    = "raw"

	roleVariable  = "DIMMER_BENCH_ROLE"
	storeVariable = "DIMMER_BENCH_STORE"
)

// TestMain runs the benchmarks or, in a process that a benchmark has started, one of the servers that it measures.
func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		m.Run() // whoever called TestMain exits with what it found
		return
	}
	serve := map[string]func() (answer, func(string), error){roleDimmer: serveDimmer, roleEcho: serveEcho, roleFanout: serveFanout, roleRaw: serveRaw}[role]
	begun, command, err := serve()
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err) // who started it misses its first line
		return
	}
	obey(os.Stdin, os.Stdout, begun, command)
}

// answer is what a process says at its start and after each command: one line of JSON.
type answer struct {
	HTTP  string        `json:",omitempty"`
	GRPC  string        `json:",omitempty"`
	Token string        `json:",omitempty"` // of an administrator, at the very first start
	CPU   time.Duration // processor time so far, of user and system
	RSS   int64         // bytes
}

// obey answers commands until the input ends, and with it the process. "settle" gives free memory back to the system first.
func obey(in io.Reader, out io.Writer, begun answer, command func(string)) {
	say := json.NewEncoder(out)
	_ = say.Encode(begun)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		switch text := lines.Text(); text {
		case "usage":
		case "settle":
			runtime.GC() // twice: what pools hold goes with the second
			debug.FreeOSMemory()
		default:
			command(text)
		}
		_ = say.Encode(answer{CPU: ownCPU(), RSS: resident(os.Getpid(), "VmRSS")})
	}
}

// ownCPU is the processor time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident reads a process's memory in bytes; 0 where there is no /proc.
func resident(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// process is a server that a benchmark has started.
type process struct {
	answer
	b    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	done bool
}

func start(b testing.TB, role string, env ...string) *process {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	p := &process{b: b, cmd: exec.Command(self)}
	p.cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	p.cmd.Stderr = os.Stderr
	p.in, err = p.cmd.StdinPipe()
	require.NoError(b, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(b, err)
	p.out = json.NewDecoder(out)
	require.NoError(b, p.cmd.Start())
	b.Cleanup(p.end)
	require.NoError(b, p.out.Decode(&p.answer), "%s did not start", role)
	return p
}

func (p *process) ask(command string) answer {
	_, err := fmt.Fprintln(p.in, command)
	require.NoError(p.b, err)
	var a answer
	require.NoError(p.b, p.out.Decode(&a))
	return a
}

// cpu is the processor time of the process so far.
func (p *process) cpu() time.Duration { return p.ask("usage").CPU }

// end may be called twice.
func (p *process) end() {
	if p.done {
		return
	}
	p.done = true
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.b.Logf("%v: %v", p.cmd.Env[len(p.cmd.Env)-1], err)
	}
}

var tokenText = regexp.MustCompile(`dma_[a-z2-7]+_[a-z2-7]+_[a-z2-7]+`)

// serveDimmer is `dimmer serve` on a store, with ports of its own.
func serveDimmer() (answer, func(string), error) {
	var notice strings.Builder // read when the server is ready, which comes after the token is shown
	cfg := config.Config{
		Store: os.Getenv(storeVariable), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0", Drain: time.Second,
		Roles: []string{config.RoleAdmin, config.RoleEvaluation, config.RoleController},
	}
	s, err := server.New(cfg, server.Options{Notice: &notice})
	if err != nil {
		return answer{}, nil, err
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		stop()
		return answer{}, nil, err
	}
	command := func(text string) {
		if text == "stop" { // the store is closed when this is answered
			stop()
			if err := <-ended; err != nil {
				fmt.Fprintln(os.Stderr, roleDimmer+":", err)
			}
		}
	}
	a := s.Addresses()
	return answer{HTTP: a.HTTP, GRPC: a.GRPC, Token: tokenText.FindString(notice.String())}, command, nil
}
