//go:build unix

package redistest

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	s := Start(t, AppendOnly("always"), MaxMemory("64mb", "noeviction"))
	require.Equal(t, "OK", s.Must("SET", "a", "1"))
	require.Equal(t, "1", s.Must("GET", "a"))
	require.Equal(t, "67108864", s.Info("memory", "maxmemory"))
	require.Empty(t, s.Must("GET", "none"))
	_, err := s.Do("NO-SUCH-COMMAND")
	require.ErrorContains(t, err, "unknown command")

	s.Kill9()
	_, err = s.Do("PING")
	require.Error(t, err)
	s.Restart()
	require.Equal(t, "1", s.Must("GET", "a"), "appendfsync always")

	s.Must("SET", "a", "2")
	s.Shutdown()
	s.TruncateAOF(5)
	s.Restart(Args("--loglevel", "verbose"))
	require.Equal(t, "1", s.Must("GET", "a"), "the cut took the last write")

	s.Stop()
	conn, err := dial(s.Addr)
	require.NoError(t, err, "a stopped server still accepts")
	require.NoError(t, conn.SetDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = conn.Write([]byte("PING\r\n"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "and does not answer")
	require.NoError(t, conn.Close())
	s.Cont()
	require.Equal(t, "PONG", s.Must("PING"))
}

func TestReplica(t *testing.T) {
	s := Start(t)
	r := StartReplica(t, s)
	s.Must("SET", "a", "1")
	require.Eventually(t, func() bool { return r.Must("GET", "a") == "1" }, 10*time.Second, time.Millisecond)
}

func TestSentinel(t *testing.T) {
	set := StartSentinel(t)
	require.Same(t, set.Servers[0], set.Primary())
	require.NoError(t, set.Servers[0].hasReplicas(2))
}

func TestCluster(t *testing.T) {
	c := StartCluster(t)
	require.Same(t, c.Servers[2], c.Primary("a"), "slot 15495")
	require.NotContains(t, c.URL(), " ")
}

// TestWatchdog runs a test process that dies with a server running, and one stopped, and looks for them.
func TestWatchdog(t *testing.T) {
	if os.Getenv("REDISTEST_DIE") != "" {
		running, stopped := Start(t), Start(t)
		stopped.Stop()
		require.NoError(t, os.WriteFile(os.Getenv("REDISTEST_DIE"), []byte(strconv.Itoa(running.Pid())+" "+strconv.Itoa(stopped.Pid())), 0o600))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
	program(t)
	file := t.TempDir() + "/pids"
	cmd := exec.Command(os.Args[0], "-test.run=^TestWatchdog$")
	cmd.Env = append(os.Environ(), "REDISTEST_DIE="+file, "TMPDIR="+t.TempDir())
	require.ErrorContains(t, cmd.Run(), "killed")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	pids := strings.Fields(string(text))
	require.Len(t, pids, 2)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond, "process %s is still there", pid)
	}
}

// alive is false for a process that has ended, even when nobody has waited for it (a container may have no init).
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	if err != nil || syscall.Kill(n, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return !os.IsNotExist(err)
	}
	return !strings.Contains(string(stat), ") Z ")
}
