package localstore

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

// The test's program runs itself as the process that is killed; these tell it so.
const (
	writerDir    = "DIMMER_LOCALSTORE_WRITER"
	writerScopes = "DIMMER_LOCALSTORE_SCOPES" // separated by blanks; one goroutine for each
	writerCount  = "DIMMER_LOCALSTORE_COUNT"  // commits in each
)

// writer commits to each scope, and prints a line before each commit ("sent SCOPE REVISION HASH") and one after it ("made …").
func writer(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		panic(err)
	}
	count, err := strconv.Atoi(os.Getenv(writerCount))
	if err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	for scope := range strings.FieldsSeq(os.Getenv(writerScopes)) {
		all.Go(func() {
			state, err := s.Read(context.Background(), scope)
			if err != nil {
				panic(err)
			}
			for i := range count {
				k := store.Key{Collection: "flag", ID: fmt.Sprint(i % 50)}
				before, _ := state.Get(k)
				after := fmt.Appendf(nil, "%d of process %d", i, os.Getpid())
				e, err := store.Seal(state.Head(), store.Meta{At: time.Now()}, []store.Change{{Key: k, Before: before, After: after}})
				if err != nil {
					panic(err)
				}
				line := fmt.Sprintf("%s %d %s\n", scope, e.Revision, e.Hash)
				os.Stdout.WriteString("sent " + line) // whoever reads it sees when it is missing
				idem := &store.Idempotency{Key: line}
				if _, err := s.Commit(context.Background(), store.Txn{Scope: scope, Base: state.Head(), Entry: e, Idempotency: idem}); err != nil {
					panic(err)
				}
				os.Stdout.WriteString("made " + line) // whoever reads it sees when it is missing
				if state, err = state.Apply(e); err != nil {
					panic(err)
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		panic(err)
	}
}

func writerCommand(t *testing.T, dir, scopes string, count int) []string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	t.Setenv(writerDir, dir)
	t.Setenv(writerScopes, scopes)
	t.Setenv(writerCount, strconv.Itoa(count))
	return []string{program, "-test.run=^$"}
}

// TestKill9: of 2,000 commits under a process that is killed again and again, acknowledged ⊆ stored ⊆ sent, and the chain holds.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	command := writerCommand(t, dir, "shop blog", 1_000_000)
	sent, made := map[string]bool{}, map[string]bool{}
	kills := 0
	for ; len(made) < 2000; kills++ {
		until := len(made) + 20 + rand.IntN(500)
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			verb, what, _ := strings.Cut(lines.Text(), " ")
			switch verb {
			case "sent":
				sent[what] = true
			case "made":
				made[what] = true
			}
			if len(made) == until {
				require.NoError(t, cmd.Process.Kill()) // and read what it had printed
			}
		}
		require.Error(t, cmd.Wait())
		requireHistory(t, dir, sent, made)
	}
	t.Logf("killed %d times; %d sent, %d acknowledged", kills, len(sent), len(made))
	require.Greater(t, kills, 3)
}

func requireHistory(t *testing.T, dir string, sent, made map[string]bool) {
	t.Helper()
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	stored := map[string]bool{}
	for _, scope := range []string{"shop", "blog"} {
		log, err := s.Log(t.Context(), scope, 0, 1_000_000)
		require.NoError(t, err)
		state := &store.State{}
		for _, e := range slices.Backward(log) {
			state, err = state.Apply(e)
			require.NoError(t, err)
			line := fmt.Sprintf("%s %d %s", scope, e.Revision, e.Hash)
			stored[line] = true
			_, found, err := s.Recorded(t.Context(), scope, line+"\n")
			require.NoError(t, err)
			require.True(t, found)
		}
		read, err := s.Read(t.Context(), scope)
		require.NoError(t, err)
		require.Equal(t, state.Head(), read.Head())
		require.Empty(t, store.Diff(state, read, ""))
	}
	for line := range made {
		require.True(t, stored[line], "%s was acknowledged and is not stored", line)
	}
	for line := range stored {
		require.True(t, sent[line], "%s is stored and was never sent", line)
	}
	require.LessOrEqual(t, len(made), len(stored))
}

// TestSyncedBeforeAcknowledged: the system's calls show that between the last write to the file and an acknowledgement the file was synced.
func TestSyncedBeforeAcknowledged(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err, "strace shows that commits are synced before they are acknowledged")
		}
		t.Skip("LEFT OUT: strace is not installed; that commits are synced before they are acknowledged was not shown")
	}
	const commits = 50
	trace := filepath.Join(t.TempDir(), "trace")
	command := writerCommand(t, t.TempDir(), "shop", commits)
	args := append([]string{"-f", "-o", trace, "-s", "16", "-e", "trace=write,pwrite64,fdatasync"}, command...)
	out, err := exec.CommandContext(t.Context(), strace, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	acknowledged, problems := unsynced(string(text))
	require.Empty(t, problems)
	require.Equal(t, commits, acknowledged)
}

// unsynced reads a trace: it counts the acknowledgements, and lists those before which something was written and not synced.
func unsynced(trace string) (acknowledged int, problems []string) {
	wrote, pending, syncing := false, false, map[string]bool{} // by thread: a sync that began after the last write
	for line := range strings.Lines(trace) {
		thread, call, _ := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		switch {
		case strings.HasPrefix(call, "pwrite64("):
			wrote, pending = true, true
			clear(syncing)
		case strings.HasPrefix(call, "fdatasync(") && strings.Contains(call, "unfinished"):
			syncing[thread] = true
		case strings.HasPrefix(call, "fdatasync(") && strings.HasSuffix(call, "= 0"):
			pending = false
		case strings.HasPrefix(call, "<... fdatasync resumed") && strings.HasSuffix(call, "= 0") && syncing[thread]:
			pending = false
		case strings.HasPrefix(call, `write(1, "made `):
			acknowledged++
			if !wrote || pending {
				problems = append(problems, line)
			}
			wrote = false
		}
	}
	return acknowledged, problems
}

func TestUnsyncedSeesWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		trace    string
		problems int
	}{
		"synced":                   {trace: "1 pwrite64(3, x) = 4096\n1 fdatasync(3) = 0\n2 write(1, \"made \", 5) = 5\n"},
		"synced by another thread": {trace: "1 pwrite64(3, x) = 1\n1 fdatasync(3 <unfinished ...>\n2 write(2, x) = 1\n1 <... fdatasync resumed>) = 0\n2 write(1, \"made \", 5) = 5\n"},
		"not synced":               {trace: "1 pwrite64(3, x) = 4096\n2 write(1, \"made \", 5) = 5\n", problems: 1},
		"synced too early":         {trace: "1 fdatasync(3) = 0\n1 pwrite64(3, x) = 4096\n2 write(1, \"made \", 5) = 5\n", problems: 1},
		"written during the sync":  {trace: "1 fdatasync(3 <unfinished ...>\n2 pwrite64(3, x) = 1\n1 <... fdatasync resumed>) = 0\n2 write(1, \"made \", 5) = 5\n", problems: 1},
		"sync failed":              {trace: "1 pwrite64(3, x) = 1\n1 fdatasync(3) = -1 EIO\n2 write(1, \"made \", 5) = 5\n", problems: 1},
		"sync not ended":           {trace: "1 pwrite64(3, x) = 1\n1 fdatasync(3 <unfinished ...>\n2 write(1, \"made \", 5) = 5\n", problems: 1},
		"nothing written":          {trace: "2 write(1, \"made \", 5) = 5\n", problems: 1},
	} {
		t.Run(name, func(t *testing.T) {
			acknowledged, problems := unsynced(test.trace)
			require.Equal(t, 1, acknowledged)
			require.Len(t, problems, test.problems)
		})
	}
}
