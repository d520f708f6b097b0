//go:build unix

// Package redistest starts real Redis servers for tests: one server, a primary with replicas, a Sentinel set, a cluster. They listen on free
// loopback ports, keep their files in the test's temporary folder, and can be killed, stopped, continued and restarted; they are gone when
// the test ends, however it ends. When a test fails, it prints the end of its servers' logs.
//
// The program is $REDIS_SERVER, or redis-server on the PATH. REDIS_SERVER=none skips the tests that need one, loudly. The package is for test
// files only.
package redistest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a server may take until it answers: two busy cores share the tests of many packages.
const startLimit = 30 * time.Second

// Option changes how a server is started.
type Option func(*Server)

// AppendOnly turns the append-only file on; fsync is always, everysec or no.
func AppendOnly(fsync string) Option {
	return Args("--appendonly", "yes", "--appendfsync", fsync)
}

// MaxMemory limits the memory ("64mb") with an eviction policy ("noeviction").
func MaxMemory(limit, policy string) Option {
	return Args("--maxmemory", limit, "--maxmemory-policy", policy)
}

// Args appends arguments to the command line; later ones win.
func Args(args ...string) Option {
	return func(s *Server) { s.args = append(s.args, args...) }
}

// Server is one redis-server process, or sentinel. Its methods fail the test when they cannot do what they say; they are for the
// test's goroutine, but for Kill9, Do and Addr, which any may call.
type Server struct {
	Addr string // host:port
	Port int

	t       testing.TB
	dir     string
	args    []string
	tlsPort int      // of StartTLS
	bus     int      // the cluster bus port, 0: none
	command []string // what follows the program's name, before args

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// Start starts one server, without persistence unless an option says otherwise, and waits until it answers.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := newServer(t, opts...)
	s.launch()
	s.ready()
	return s
}

// StartReplica starts a replica of a server and waits until it is in sync.
func StartReplica(t testing.TB, of *Server, opts ...Option) *Server {
	t.Helper()
	s := newServer(t, append([]Option{Args("--replicaof", "127.0.0.1", strconv.Itoa(of.Port))}, opts...)...)
	s.launch()
	s.ready()
	s.synced(of)
	return s
}

func newServer(t testing.TB, opts ...Option) *Server {
	t.Helper()
	port := reserve(t)
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(port), Port: port, t: t, dir: t.TempDir()}
	s.command = []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"),
		"--daemonize", "no", "--save", "", "--databases", "4", "--repl-diskless-sync-delay", "0", "--repl-diskless-sync", "yes",
	}
	for _, opt := range opts {
		opt(s)
	}
	s.cleanUp()
	return s
}

// cleanUp registers the server's end. It is called after TempDir, so that it runs before the folder is removed.
func (s *Server) cleanUp() {
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the end of the log of the Redis at %s:\n%s", s.Addr, s.log())
		}
		s.Kill9()
	})
}

// program finds redis-server or skips the test.
func program(t testing.TB) string {
	t.Helper()
	name := os.Getenv("REDIS_SERVER")
	switch name {
	case "none":
		t.Skip("LEFT OUT: REDIS_SERVER=none, and this test needs a real Redis; make test runs it")
	case "":
		name = "redis-server"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs a real Redis: install redis-server, name one in REDIS_SERVER, or leave such tests out with REDIS_SERVER=none: %v", err)
	}
	return path
}

func (s *Server) launch() {
	s.t.Helper()
	path := program(s.t)
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command(path, append(append([]string{}, s.command...), s.args...)...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for the test, whose end ends the server
	early, err := os.OpenFile(filepath.Join(s.dir, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer early.Close()
	cmd.Stdout, cmd.Stderr = early, early
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", path, err)
	}
	forget, err := watchdog.watch(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s.t.Fatalf("start the watchdog: %v", err)
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() { // ends with the process, which cleanUp waits for
		defer close(done)
		_ = cmd.Wait() // killed, as a rule
		forget()
	}()
}

// ready waits until the server answers commands.
func (s *Server) ready() {
	s.t.Helper()
	s.wait("answer", func() error {
		select {
		case <-s.done:
			return fatalError{fmt.Errorf("it ended:\n%s", s.log())}
		default:
		}
		_, err := s.Do("PING")
		if err != nil && strings.HasPrefix(err.Error(), "NOAUTH") {
			return nil // it answers; a test that sets a password has it
		}
		return err
	})
}

// fatalError ends a wait at once.
type fatalError struct{ error }

// wait polls until f answers nil, or fails the test.
func (s *Server) wait(what string, f func() error) {
	s.t.Helper()
	deadline := time.Now().Add(startLimit)
	for {
		err := f()
		if err == nil {
			return
		}
		if errors.As(err, new(fatalError)) || time.Now().After(deadline) {
			s.t.Fatalf("the Redis at %s does not %s: %v", s.Addr, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// synced waits until a replica's link is up, as both ends see it: the primary counts it a little later.
func (s *Server) synced(primary *Server) {
	s.t.Helper()
	s.wait("follow its primary", func() error {
		if state := s.Info("replication", "master_link_status"); state != "up" {
			return fmt.Errorf("master_link_status:%s", state)
		}
		info, err := primary.Do("INFO", "replication")
		if err == nil && !strings.Contains(info, fmt.Sprintf("port=%d,state=online", s.Port)) {
			err = errors.New(info)
		}
		return err
	})
}

// Pid is the process's id.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// ended is closed when the process has ended.
func (s *Server) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Dir is the server's folder.
func (s *Server) Dir() string { return s.dir }

// URL is the server's address as redis://….
func (s *Server) URL() string { return "redis://" + s.Addr }

// Kill9 kills the process and waits for its end. Nothing when it has ended already.
func (s *Server) Kill9() { s.end(syscall.SIGKILL) }

// Shutdown lets the server end in an orderly way (SIGTERM), and waits for it.
func (s *Server) Shutdown() { s.end(syscall.SIGTERM) }

func (s *Server) end(signal syscall.Signal) {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	if cmd.Process.Signal(signal) == nil && signal == syscall.SIGKILL { // an error says that it has ended
		defer endGroup(cmd.Process.Pid)
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill() // it was stopped, or does not want to
		<-done
	}
}

// endGroup ends what a server has left that was killed: a child that rewrites a file goes on without it, as it does not when a machine fails.
func endGroup(pid int) {
	for range 100 { // half a second: a child that nobody reaps stays in the group, and does nothing
		if syscall.Kill(-pid, syscall.SIGKILL) != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop freezes the process (SIGSTOP): its connections stay open and nothing answers.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Cont continues a stopped process.
func (s *Server) Cont() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatalf("send %v to the Redis at %s: %v", signal, s.Addr, err)
	}
}

// Restart starts the server again on the same port and folder, with these options after the earlier ones, and waits until it
// answers. It kills a process that still runs.
func (s *Server) Restart(opts ...Option) {
	s.t.Helper()
	s.Kill9()
	for _, opt := range opts {
		opt(s)
	}
	s.launch()
	s.ready()
}

// TruncateAOF cuts bytes from the end of the append-only file of a server that does not run, as a crash of the machine may. The next
// Restart loads what is left.
func (s *Server) TruncateAOF(bytes int64) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no append-only file in %s (%v)", s.dir, err)
	}
	newest := files[len(files)-1]
	info, err := os.Stat(newest)
	if err == nil {
		err = os.Truncate(newest, max(0, info.Size()-bytes))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// log returns the end of what the server wrote.
func (s *Server) log() string {
	const most = 6 << 10
	var out []byte
	for _, name := range []string{"stderr", "log"} {
		file, err := os.Open(filepath.Join(s.dir, name))
		if err != nil {
			continue
		}
		if info, err := file.Stat(); err == nil && info.Size() > most {
			_, _ = file.Seek(-most, io.SeekEnd)
		}
		text, _ := io.ReadAll(file)
		_ = file.Close()
		out = append(out, text...)
	}
	return string(out)
}

// dial is bounded like everything here: a stopped server accepts connections and does not answer.
func dial(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(5 * time.Second))
}
