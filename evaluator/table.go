package evaluator

import "iter"

// table maps keys to nodes. It is immutable and made of shards, so that a changed copy shares all shards but the ones that were touched.
// A look-up costs one hash of the key, which references bring along.
type table struct {
	shards []tableShard // a power of two
	shift  uint         // the top bits of a hash choose the shard
	count  int
}

// tableShard is an open-addressing table, at most half full, of a power of two slots.
type tableShard struct {
	slots []tableSlot
	count int
}

type tableSlot struct {
	hash uint64
	node *node // nil: empty
}

// shardLoad is how many nodes a shard holds on average before the number of shards doubles.
const shardLoad = 16

func (t *table) get(hash uint64, key string) *node {
	if len(t.shards) == 0 {
		return nil
	}
	slots := t.shards[hash>>t.shift].slots
	for i := hash; ; i++ {
		slot := &slots[i&uint64(len(slots)-1)]
		if slot.node == nil {
			return nil
		}
		if slot.hash == hash && slot.node.key == key {
			return slot.node
		}
	}
}

func (t *table) all() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for i := range t.shards {
			for j := range t.shards[i].slots {
				if n := t.shards[i].slots[j].node; n != nil && !yield(n) {
					return
				}
			}
		}
	}
}

// tableEdit is a table that is being changed by its one owner. Shards are copied when they are first touched.
type tableEdit struct {
	table
	owned []bool // by shard
}

func newTableEdit(t table) *tableEdit { return &tableEdit{table: t} }

// shard is the shard of a hash, ready to be changed.
func (e *tableEdit) shard(hash uint64) *tableShard {
	if e.owned == nil {
		e.owned = make([]bool, max(len(e.shards), 1))
		if len(e.shards) == 0 {
			e.shards, e.shift = []tableShard{{slots: make([]tableSlot, 2)}}, 64
		} else {
			e.shards = append([]tableShard(nil), e.shards...)
		}
	}
	i := hash >> e.shift
	s := &e.shards[i]
	if !e.owned[i] {
		e.owned[i] = true
		s.slots = append([]tableSlot(nil), s.slots...)
	}
	return s
}

// put sets the node of a key.
func (e *tableEdit) put(n *node) {
	s := e.shard(n.hash)
	if s.put(n) {
		e.count++
	}
	if e.count > shardLoad*len(e.shards) {
		e.grow()
	}
}

func (s *tableShard) put(n *node) (added bool) {
	if 2*(s.count+1) > len(s.slots) {
		old := s.slots
		s.slots, s.count = make([]tableSlot, 2*len(old)), 0
		for _, slot := range old {
			if slot.node != nil {
				s.put(slot.node)
			}
		}
	}
	for i := n.hash; ; i++ {
		slot := &s.slots[i&uint64(len(s.slots)-1)]
		if slot.node == nil {
			*slot = tableSlot{n.hash, n}
			s.count++
			return true
		}
		if slot.hash == n.hash && slot.node.key == n.key {
			slot.node = n
			return false
		}
	}
}

// remove takes a key out; the shard is laid out anew without it.
func (e *tableEdit) remove(hash uint64, key string) {
	if e.get(hash, key) == nil {
		return
	}
	s := e.shard(hash)
	old := s.slots
	s.slots, s.count = make([]tableSlot, len(old)), 0
	for _, slot := range old {
		if slot.node != nil && (slot.hash != hash || slot.node.key != key) {
			s.put(slot.node)
		}
	}
	e.count--
}

// grow doubles the number of shards.
func (e *tableEdit) grow() {
	old := e.table
	bits := 65 - old.shift // of the new table
	e.shards, e.shift = make([]tableShard, 1<<bits), 64-bits
	e.owned = make([]bool, len(e.shards))
	for i := range e.shards {
		e.owned[i] = true
		e.shards[i].slots = make([]tableSlot, 2*shardLoad)
	}
	for n := range old.all() {
		e.shards[n.hash>>e.shift].put(n)
	}
}
