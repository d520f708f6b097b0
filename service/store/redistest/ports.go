//go:build unix

package redistest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports are taken below the range from which Linux gives ports to outgoing connections, so that none is taken while a server restarts.
const (
	firstPort = 20000
	lastPort  = 32000
)

// reserved holds the lock files of this process's ports. A lock ends with the process, in whatever way that ends.
var reserved struct {
	sync.Mutex
	files []*os.File
}

// reserve returns a free port that no other test process takes as long as this one lives: packages are tested in parallel, and a
// server that is down for a restart does not hold its port itself.
func reserve(t testing.TB) int {
	t.Helper()
	program(t) // skips where there is no Redis
	dir := filepath.Join(os.TempDir(), "dimmer-redistest-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	reserved.Lock()
	defer reserved.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && free(port) {
			reserved.files = append(reserved.files, file)
			return port
		}
		_ = file.Close()
	}
	t.Fatal("no free port")
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// watchdog kills the servers of a test process that ends without its clean-ups: a panic in another goroutine, the time limit of go
// test, a kill. It is a shell that reads which processes run, and kills them when its input ends, which the kernel closes with us.
var watchdog dog

type dog struct {
	mu    sync.Mutex
	input io.WriteCloser
}

const dogScript = `
pids=
while read -r op pid; do
	case $op in
	+) pids="$pids $pid" ;;
	-) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
	esac
done
for p in $pids; do kill -9 "$p"; done
`

// watch adds a process, and returns what takes it off again.
func (d *dog) watch(pid int) (forget func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.input == nil {
		cmd := exec.Command("/bin/sh", "-c", dogScript)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		input, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start() // never waited for: it outlives this process by a moment
		}
		if err != nil {
			return nil, err
		}
		d.input = input
	}
	if _, err := fmt.Fprintf(d.input, "+ %d\n", pid); err != nil {
		return nil, err
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		fmt.Fprintf(d.input, "- %d\n", pid)
	}, nil
}
