package admin

import (
	"container/heap"
	"context"
	"sync"

	"github.com/dimmerhq/dimmer/service/store"
)

// queue lets one commit at a time through, kills first, then in the order of arrival. Commits of one scope would only fail each other's
// compare-and-set if they ran at once; other nodes have queues of their own, and the store decides between them.
type queue struct {
	mu      sync.Mutex
	busy    bool
	seq     uint64
	waiting tickets
}

type ticket struct {
	class store.Class
	seq   uint64
	turn  chan struct{} // closed when it is this ticket's turn
	index int           // in the heap; -1: not in it
}

// enter waits for its turn; leave must be called after it returned nil.
func (q *queue) enter(ctx context.Context, class store.Class) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return nil
	}
	q.seq++
	t := &ticket{class: class, seq: q.seq, turn: make(chan struct{})}
	heap.Push(&q.waiting, t)
	q.mu.Unlock()
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	if t.index >= 0 {
		heap.Remove(&q.waiting, t.index)
		q.mu.Unlock()
		return ctx.Err()
	}
	q.mu.Unlock()
	q.leave() // the turn came at the same moment: pass it on
	return ctx.Err()
}

// leave lets the next one in.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	close(heap.Pop(&q.waiting).(*ticket).turn)
}

// tickets is a heap: kills before all others, then first come, first served.
type tickets []*ticket

func (t tickets) Len() int { return len(t) }
func (t tickets) Less(i, j int) bool {
	if ki, kj := t[i].class == store.ClassKill, t[j].class == store.ClassKill; ki != kj {
		return ki
	}
	return t[i].seq < t[j].seq
}
func (t tickets) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}
func (t *tickets) Push(x any) {
	n := x.(*ticket)
	n.index = len(*t)
	*t = append(*t, n)
}
func (t *tickets) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	x.index = -1
	return x
}
