package dimmer

import (
	"cmp"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Count is how often a flag was answered with a variant since the client was made.
type Count struct {
	Flag    string
	Variant string    // empty with an error
	Error   ErrorCode // why the fallback was used, if it was
	N       uint64
}

// Counts are the evaluations so far, sorted by flag, variant and error; nil unless [WithCounting] is on. To report to elsewhere, ask now
// and then and send the differences. Evaluations that run at the same time may or may not be in it. At most 100,000 combinations are
// told apart; what is beyond them is counted under the flag "".
func (c *Client) Counts() []Count {
	if c == nil || c.counts == nil {
		return nil
	}
	return c.counts.all()
}

// counter counts evaluations by flag, variant and error. An evaluation already has a pointer that stands for flag and variant, the outcome, so
// the hot path is: look the pointer up in a small open-addressed table, then add one to a cell that this goroutine rarely shares with
// another that runs. New outcomes (a flag's first evaluation, or its first after it changed) take the slow path under a lock once.
type counter struct {
	table  atomic.Pointer[countTable]
	shards []countShard // a power of two

	lock  sync.Mutex // of everything below, and of who writes to a table or adds chunks
	cells map[countKey]uint32
	keys  []countKey // by cell
}

type countKey struct {
	flag, variant string
	err           evaluator.ErrorCode
}

// countTable finds the cell of an outcome. Slots are filled once and never changed; a table that is half full is replaced by an empty, larger
// one, which also lets go of the outcomes of old rulesets. Its cells stay, so no count is lost.
type countTable struct {
	slots []countSlot // a power of two
	used  int
}

// countSlot is empty until outcome is set; then the rest is there, and is never written again.
type countSlot struct {
	outcome atomic.Pointer[evaluator.Outcome]
	flag    string
	cell    uint32
}

// countShard holds some goroutines' part of every cell, in chunks that never move. What two shards write lies on different cache lines but for the
// ends of chunks.
type countShard struct {
	chunks atomic.Pointer[[]*countChunk]
	_      [56]byte
}

type countChunk [countChunkSize]atomic.Uint64

const (
	countChunkSize = 512
	maxCountCells  = 100_000
	minCountSlots  = 1 << 9
	maxCountProbes = 16
)

func newCounter() *counter {
	shards := 1
	for shards < min(4*runtime.GOMAXPROCS(0), 64) {
		shards *= 2
	}
	c := &counter{shards: make([]countShard, shards), cells: map[countKey]uint32{}}
	c.table.Store(newCountTable(minCountSlots))
	c.cell(countKey{}) // cell 0 is for what is beyond the limit
	return c
}

func newCountTable(slots int) *countTable {
	return &countTable{slots: make([]countSlot, slots)}
}

// home is the first slot that an outcome may be in. Outcomes do not move, so their address may be hashed.
func (t *countTable) home(o *evaluator.Outcome) uint64 {
	return uint64(uintptr(unsafe.Pointer(o))) * 0x9e3779b97f4a7c15 >> 32
}

// start is where the search for an outcome begins. All flags that end in one error share an outcome, so there the flag decides.
func (t *countTable) start(flag string, o *evaluator.Outcome) uint64 {
	if o.Error() != "" {
		return maphash.String(countSeed, flag)
	}
	return t.home(o)
}

var countSeed = maphash.MakeSeed()

func (c *counter) add(flag string, o *evaluator.Outcome) {
	t := c.table.Load()
	slot := &t.slots[t.home(o)&uint64(len(t.slots)-1)]
	if slot.outcome.Load() == o && slot.flag == flag {
		c.increment(slot.cell)
		return
	}
	c.increment(c.find(t, flag, o))
}

// find is the cell of an outcome that is not where its search begins.
func (c *counter) find(t *countTable, flag string, o *evaluator.Outcome) uint32 {
	mask := uint64(len(t.slots) - 1)
	for i, at := 0, t.start(flag, o); i < maxCountProbes; i, at = i+1, at+1 {
		slot := &t.slots[at&mask]
		known := slot.outcome.Load()
		if known == o && slot.flag == flag {
			return slot.cell
		}
		if known == nil {
			break
		}
	}
	return c.learn(flag, o)
}

func (c *counter) increment(cell uint32) {
	// Each goroutine has a stack of its own, of at least 2 KiB, so an address in it tells those apart that run at the same time. It is never followed.
	var here byte
	stack := uint64(uintptr(unsafe.Pointer(&here))) >> 11
	shard := &c.shards[stack*0x9e3779b97f4a7c15>>32&uint64(len(c.shards)-1)]
	chunks := *shard.chunks.Load()
	chunks[cell/countChunkSize][cell%countChunkSize].Add(1)
}

// learn finds or makes the cell of an outcome that the table does not know, and lets the table know it.
func (c *counter) learn(flag string, o *evaluator.Outcome) uint32 {
	c.lock.Lock()
	defer c.lock.Unlock()
	cell := c.cell(countKey{flag, o.Variant(), o.Error()})
	if cell == 0 {
		return cell // not to fill the table with what is beyond the limit
	}
	t := c.table.Load()
	if t.used >= len(t.slots)/2 {
		t = newCountTable(max(len(t.slots), minCountSlots, nextPowerOfTwo(4*len(c.keys))))
		c.table.Store(t)
	}
	mask := uint64(len(t.slots) - 1)
	for i, at := 0, t.start(flag, o); i < maxCountProbes; i, at = i+1, at+1 {
		slot := &t.slots[at&mask]
		known := slot.outcome.Load()
		if known == nil {
			slot.flag, slot.cell = flag, cell
			slot.outcome.Store(o) // last: whoever sees it sees the rest
			t.used++
			break
		}
		if known == o && slot.flag == flag {
			break
		}
	}
	return cell
}

// cell is the number of a key's cell, which every shard has room for when it returns. The caller holds the lock.
func (c *counter) cell(key countKey) uint32 {
	if cell, ok := c.cells[key]; ok {
		return cell
	}
	if len(c.keys) >= maxCountCells {
		return 0
	}
	cell := uint32(len(c.keys))
	if cell%countChunkSize == 0 {
		for i := range c.shards {
			var chunks []*countChunk
			if old := c.shards[i].chunks.Load(); old != nil {
				chunks = slices.Clone(*old)
			}
			chunks = append(chunks, new(countChunk))
			c.shards[i].chunks.Store(&chunks)
		}
	}
	c.keys = append(c.keys, key)
	c.cells[key] = cell
	return cell
}

func (c *counter) all() []Count {
	c.lock.Lock()
	keys := c.keys[:len(c.keys):len(c.keys)] // only ever appended to
	c.lock.Unlock()
	counts := make([]Count, 0, len(keys))
	for cell, key := range keys {
		var n uint64
		for i := range c.shards {
			chunks := *c.shards[i].chunks.Load()
			n += chunks[cell/countChunkSize][cell%countChunkSize].Load()
		}
		if n > 0 {
			counts = append(counts, Count{key.flag, key.variant, key.err, n})
		}
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Flag, b.Flag), cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.Error, b.Error))
	})
	return counts
}

func nextPowerOfTwo(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}
