package dimmer

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestProcessesShareACache has processes write to one directory at once, as fast as they can, each a little ahead of or behind the others. Whenever one
// looks, there is a whole ruleset, and none older than what any of them had reported as kept: a restart never goes back.
func TestProcessesShareACache(t *testing.T) {
	const child = "DIMMER_TEST_CACHE_SHARER"
	if dir := os.Getenv(child); dir != "" {
		f := newCacheFile(dir)
		for i := int64(0); ; i++ {
			held, _, _ := f.load()
			number := held.Revision().Number + 1 + i%3
			if f.replace(bigSnapshot(number), time.Now()) != nil {
				os.Exit(1) //nolint:forbidigo // a process of its own
			}
			_, _ = fmt.Fprintln(os.Stdout, number)
			time.Sleep(time.Duration(i%5) * time.Millisecond) // for the others to come between
		}
	}
	dir := t.TempDir()
	var reported [3]atomic.Int64
	var readers sync.WaitGroup
	defer readers.Wait() // after all were killed
	for i := range reported {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessesShareACache$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		readers.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if n, err := strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64); err == nil {
					reported[i].Store(n)
				}
			}
			_ = cmd.Wait() // it is killed
		})
		defer func() { _ = cmd.Process.Kill() }()
	}
	for looks, began := 0, time.Now(); looks < 60; {
		least := int64(0)
		for i := range reported {
			least = max(least, reported[i].Load())
		}
		if least == 0 {
			require.Less(t, time.Since(began), time.Minute, "nobody writes")
			continue
		}
		looks++
		rules, _, ok := newCacheFile(dir).load()
		require.True(t, ok, "there is no whole ruleset")
		require.GreaterOrEqual(t, rules.Revision().Number, least)
		require.Equal(t, bigSnapshot(rules.Revision().Number).Digest(), rules.Digest())
	}
	for i := range reported {
		require.Positive(t, reported[i].Load(), "process %d has written", i)
	}
	leftovers, err := filepath.Glob(filepath.Join(dir, "*.tmp-*"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(leftovers), len(reported))
}
