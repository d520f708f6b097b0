package dimmer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

func encoded(t testing.TB, s *evaluator.Snapshot, token string) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, encodeCache(&out, s, time.UnixMilli(1234), bindCache(token)))
	return out.Bytes()
}

func cacheSample() *evaluator.Snapshot {
	return snapshotOf(rev(2, 7), boolFlag("a", true), killDoc("k", "a"), boolFlag("ü", false),
		evaluator.Document{Kind: "flag", Key: "damaged", JSON: []byte("\x00\xff")}, evaluator.Document{Kind: "flag", Key: "empty", JSON: []byte{}},
		evaluator.Document{Kind: "of tomorrow", Key: "x", JSON: []byte("{}")})
}

func TestCacheHoldsEveryByte(t *testing.T) {
	want := cacheSample()
	got, fresh, err := decodeCache(encoded(t, want, testToken), bindCache(testToken))
	require.NoError(t, err)
	require.Equal(t, want.Digest(), got.Digest())
	require.Equal(t, want.Revision(), got.Revision())
	require.Equal(t, time.UnixMilli(1234), fresh)
	for doc := range want.Documents() {
		same, ok := got.Document(doc.Kind, doc.Key)
		require.True(t, ok)
		require.Equal(t, doc, same)
	}
	require.Equal(t, want.Len(), got.Len())
}

func TestDamagedCacheIsRefused(t *testing.T) {
	whole := encoded(t, cacheSample(), testToken)
	for n := range whole {
		_, _, err := decodeCache(whole[:n], bindCache(testToken))
		require.Error(t, err, "cut off at %d", n)
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		_, _, err = decodeCache(flipped, bindCache(testToken))
		require.Error(t, err, "a bit flipped at %d", n)
	}
	_, _, err := decodeCache(append(bytes.Clone(whole), 0), bindCache(testToken))
	require.Error(t, err)
	_, _, err = decodeCache(whole, bindCache("dms_other"))
	require.ErrorContains(t, err, "another token")
}

func FuzzCacheFile(f *testing.F) {
	f.Add(encoded(f, cacheSample(), testToken))
	f.Add(encoded(f, snapshotOf(rev(1, 1)), testToken))
	f.Add([]byte(cacheMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		// As it is, and with a checksum that is right, so that what comes after the checksum is reached too.
		for _, text := range [][]byte{data, withChecksum(data)} {
			s, fresh, err := decodeCache(text, bindCache(testToken))
			if err != nil {
				require.Nil(t, s)
				continue
			}
			require.GreaterOrEqual(t, s.Revision().Compare(Revision{}), 0)
			s.Outcome("a", nil)
			var again bytes.Buffer
			require.NoError(t, encodeCache(&again, s, fresh, bindCache(testToken)))
			same, _, err := decodeCache(again.Bytes(), bindCache(testToken))
			require.NoError(t, err)
			require.Equal(t, s.Digest(), same.Digest())
		}
	})
}

func withChecksum(data []byte) []byte {
	if len(data) < 32 {
		return data
	}
	body := bytes.Clone(data[:len(data)-32])
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func newCacheFile(dir string) *cacheFile {
	c := &Client{config: &config{cacheDir: dir, token: testToken, logger: slog.New(slog.DiscardHandler)}}
	return c.openCache()
}

func TestGenerations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on demand")
	f := newCacheFile(dir)
	_, _, ok := f.load()
	require.False(t, ok)
	at := snapshotOf(rev(1, 1), boolFlag("a", true))
	require.NoError(t, f.replace(at, time.Now()))
	next := snapshotOf(rev(1, 2), boolFlag("a", false))
	require.NoError(t, f.replace(next, time.Now()))

	loaded := func() Revision {
		s, _, ok := newCacheFile(dir).load()
		require.True(t, ok)
		return s.Revision()
	}
	require.Equal(t, rev(1, 2), loaded())
	for _, path := range []string{f.path, f.path + cacheOld} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "two generations and the lock; nothing is left over")

	// Another process that is behind does not undo it.
	require.NoError(t, f.replace(at, time.Now()))
	require.Equal(t, rev(1, 2), loaded())
	// Unless what stands there only claims to be newer.
	whole, err := os.ReadFile(f.path)
	require.NoError(t, err)
	whole[len(whole)-1] ^= 1
	require.NoError(t, os.WriteFile(f.path, whole, 0o600))
	require.Equal(t, rev(1, 1), loaded(), "the generation before")
	require.NoError(t, os.Remove(f.path))
	require.Equal(t, rev(1, 1), loaded(), "a process that died between the renames")
	require.NoError(t, f.replace(at, time.Now()))
	require.Equal(t, rev(1, 1), loaded())
	// The newer of the two counts, whichever it is.
	require.NoError(t, os.WriteFile(f.path+cacheOld, encoded(t, next, testToken), 0o600))
	require.Equal(t, rev(1, 2), loaded())
}

func TestLeftoversAreSwept(t *testing.T) {
	f := newCacheFile(t.TempDir())
	old, young, other := f.path+".tmp-1", f.path+".tmp-2", filepath.Join(filepath.Dir(f.path), "dimmer-other.cache.tmp-1")
	for _, path := range []string{old, young, other} {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	past := time.Now().Add(-2 * cacheLeftovers)
	require.NoError(t, os.Chtimes(old, past, past))
	require.NoError(t, os.Chtimes(other, past, past))
	f.sweep()
	require.NoFileExists(t, old)
	require.FileExists(t, young)
	require.FileExists(t, other)
}

func TestRestartWithCache(t *testing.T) {
	dir := t.TempDir()
	held := snapshotOf(rev(3, 9), boolFlag("a", true))
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", WithCache(dir))
		conn := n.accept(t)
		conn.full(snapshotOf(rev(3, 8), boolFlag("a", false)))
		conn.expectAck(rev(3, 8))
		conn.delta(held, boolFlag("a", true))
		conn.expectAck(rev(3, 9))
		require.NoError(t, c.Close())
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", WithCache(dir), WithBootstrap([]byte(bootstrapText)))
		require.True(t, c.on("a"), "at once")
		require.Equal(t, SourceCache, c.Status().Source)
		require.Equal(t, rev(3, 9), c.Status().Revision)
		// A node that lags does not take it back, and neither does one that pretends.
		conn := n.accept(t)
		digest := held.Digest()
		require.Equal(t, rev(3, 9), revisionOf(conn.hello.GetAfter()))
		require.Equal(t, digest[:], conn.hello.GetDigest())
		conn.intent(dimmerv1.Intent_MODE_LAGGING)
		synctest.Wait()
		require.True(t, c.on("a"))
		conn.hangUp(nil)
		conn = n.accept(t)
		conn.full(snapshotOf(rev(3, 8), boolFlag("a", false)))
		conn.expectGone()
		require.True(t, c.on("a"))
		conn = n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(3, 9))
		synctest.Wait()
		require.Equal(t, SourceStream, c.Status().Source, "it is the node's as well")
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", WithCache(dir), WithToken("dms_other"))
		require.False(t, c.Status().Ready(), "another environment's")
	})
	c, err := New("", WithOffline(), WithCache(dir), WithToken(testToken), WithLogger(nil))
	require.NoError(t, err)
	require.True(t, c.on("a"))
	require.Equal(t, SourceCache, c.Status().Source)
	require.NoError(t, c.Close())
}

func TestOldCacheIsStaleUntilConfirmed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		held := snapshotOf(rev(1, 1), boolFlag("a", true))
		require.NoError(t, newCacheFile(dir).replace(held, time.Now()))
		time.Sleep(time.Hour)
		c := n.client(t, "a:1", WithCache(dir))
		require.Equal(t, ReasonStale, c.BoolDetail(t.Context(), "a", nil, false).Reason)
		conn := n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(1, 1))
		require.Equal(t, ReasonStale, c.BoolDetail(t.Context(), "a", nil, false).Reason, "a heartbeat says how fresh")
		conn.heartbeat(held, 0)
		synctest.Wait()
		require.Equal(t, ReasonStatic, c.BoolDetail(t.Context(), "a", nil, false).Reason)
	})
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", WithCache(filepath.Join(file, "below")))
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		conn.expectAck(rev(1, 1))
		synctest.Wait()
		require.True(t, c.on("a"))
		require.Equal(t, StateLive, c.Status().State)
	})
}

// TestKillDuringWrites kills a process that does nothing but write, again and again. Whatever it was at, a whole file is there, and never an older one
// than what had been reported as written.
func TestKillDuringWrites(t *testing.T) {
	const child = "DIMMER_TEST_CACHE_WRITER"
	if dir := os.Getenv(child); dir != "" {
		f := newCacheFile(dir)
		held, _, _ := f.load()
		for number := held.Revision().Number + 1; ; number++ {
			if f.replace(bigSnapshot(number), time.Now()) != nil {
				os.Exit(1) //nolint:forbidigo // a process of its own
			}
			_, _ = fmt.Fprintln(os.Stdout, number)
		}
	}
	dir := t.TempDir()
	reported := int64(0)
	for round := range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillDuringWrites$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range 3 + round {
			require.True(t, lines.Scan())
			reported, err = strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64)
			require.NoError(t, err)
		}
		require.NoError(t, cmd.Process.Kill())
		rest, _ := io.ReadAll(out)
		for line := range strings.Lines(string(rest)) {
			if n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64); err == nil && strings.HasSuffix(line, "\n") {
				reported = n
			}
		}
		require.Error(t, cmd.Wait(), "it was killed")
		s, _, ok := newCacheFile(dir).load()
		require.True(t, ok)
		require.GreaterOrEqual(t, s.Revision().Number, reported)
		require.Equal(t, bigSnapshot(s.Revision().Number).Digest(), s.Digest())
	}
}

func bigSnapshot(number int64) *evaluator.Snapshot {
	docs := make([]evaluator.Document, 300)
	for i := range docs {
		docs[i] = boolFlag(fmt.Sprint("flag-", i), (number+int64(i))%2 == 0)
	}
	return snapshotOf(rev(1, number), docs...)
}

// Of two processes that write at once, the one that is behind must not push the other's ruleset out of both generations.
func TestANewerSecondGenerationStays(t *testing.T) {
	f := newCacheFile(t.TempDir())
	for _, number := range []int64{10, 9} {
		require.NoError(t, os.WriteFile(f.path, encoded(t, snapshotOf(rev(1, number)), testToken), 0o600))
		if number == 10 {
			require.NoError(t, os.Rename(f.path, f.path+cacheOld))
		}
	}
	require.NoError(t, f.replace(snapshotOf(rev(1, 9), boolFlag("a", true)), time.Now()))
	rules, _, ok := newCacheFile(filepath.Dir(f.path)).load()
	require.True(t, ok)
	require.Equal(t, rev(1, 10), rules.Revision())
}

// TestCacheFromTheFuture: the clock was put back since the file was written. A time that lies ahead must not keep flags fresh until it comes.
func TestCacheFromTheFuture(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		held := snapshotOf(rev(1, 1), boolFlag("a", true))
		require.NoError(t, newCacheFile(dir).replace(held, time.Now().Add(365*24*time.Hour)))
		c := n.client(t, "a:1", WithCache(dir))
		require.True(t, c.on("a"))
		require.True(t, c.Status().Stale, "nobody knows how old it is")
		conn := n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(1, 1))
		conn.heartbeat(held, time.Second)
		synctest.Wait()
		require.Equal(t, time.Second, time.Since(c.Status().Fresh))
		require.False(t, c.Status().Stale)
		n.setDown("a:1", io.ErrUnexpectedEOF)
		conn.hangUp(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, c.Status().Stale)
	})
}
