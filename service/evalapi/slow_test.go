package evalapi

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heap is the memory in use after a collection, in bytes.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestBlockedReader: a client that reads nothing through 100,000 changes costs the server no more than the ring, and is then right: it
// reads on to the end, or it was cut and comes back.
func TestBlockedReader(t *testing.T) {
	w := newWorld(t, worldOptions{})
	const changes, flags, most = 100_000, 100, 8 << 20
	begin := []put{environmentDoc("prod")}
	for n := range flags {
		begin = append(begin, flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n), true, 1)))
	}
	w.commit(begin...)
	conn := w.conn("server")
	c := &client{id: "blocked"}
	require.NoError(t, c.open(deadline(t, 3*time.Minute), conn))
	require.NoError(t, c.until(w.revision()))
	before := heap()
	for n := range changes {
		w.commit(flagDoc("prod", boolFlag(fmt.Sprintf("f%d", n%flags), n%2 == 0, int64(n+2))))
	}
	grown := heap() - before
	t.Logf("the heap grew by %d KiB", grown>>10)
	require.LessOrEqual(t, grown, int64(most))

	if err := c.until(w.revision()); err != nil {
		t.Logf("it was cut at %v of %v: %v", c.revision, w.revision(), err)
		require.NoError(t, c.open(deadline(t, 3*time.Minute), conn))
		require.NoError(t, c.until(w.revision()))
	}
	require.Equal(t, w.documents("prod"), c.docs)
	require.Zero(t, c.mismatches)
	require.LessOrEqual(t, heap()-before, int64(most))
}

// TestSlowReaderIsCut: a client that takes nothing is cut after ten seconds, and its neighbour on the same connection does not notice.
func TestSlowReaderIsCut(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.commit(environmentDoc("prod"), flagDoc("prod", boolFlag("a", true, 1)))
	conn := w.conn("server")
	slow, quick := &client{id: "slow"}, &client{id: "quick"}
	for _, c := range []*client{slow, quick} {
		require.NoError(t, c.open(deadline(t, time.Minute), conn))
		require.NoError(t, c.until(w.revision()))
	}
	began := time.Now()
	for n := 0; w.server.Streams() == 2; n++ {
		require.Less(t, time.Since(began), 2*sendLimit)
		w.commit(flagDoc("prod", boolFlag("a", n%2 == 0, int64(n+2))))
		require.NoError(t, quick.until(w.revision()))
		time.Sleep(time.Millisecond)
	}
	require.GreaterOrEqual(t, time.Since(began), sendLimit)
	var err error
	for err == nil {
		err = slow.step()
	}
	require.NoError(t, slow.open(deadline(t, time.Minute), conn))
	require.NoError(t, slow.until(w.revision()))
	require.Equal(t, w.documents("prod"), slow.docs)
	require.Equal(t, 1, quick.fulls)
}
