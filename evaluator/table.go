package evaluator

import "iter"

// table maps keys to values. It is immutable and made of shards, so that a changed copy shares all shards but the ones that were touched.
// A look-up costs one hash of the key, which references bring along.
type table[V any] struct {
	shards []tableShard[V] // a power of two
	shift  uint            // 63 less the bits of a hash, from the top, that choose the shard
	count  int
}

// tableShard is an open-addressing table, at most half full, of a power of two slots.
type tableShard[V any] struct {
	slots []tableSlot[V]
	count int
}

type tableSlot[V any] struct {
	hash  uint64
	key   string
	value *V // nil: empty
}

// shardLoad is how many values a shard holds on average before the number of shards doubles. A change copies the list of shards (32 bytes
// each) and the touched shard (32 bytes a slot); with 64 both are small up to 100,000 flags.
const shardLoad = 64

// at is the index of a hash's shard. Two steps, because a single shard is chosen by no bits.
func (t *table[V]) at(hash uint64) uint64 { return hash >> 1 >> (t.shift & 63) }

func (t *table[V]) get(hash uint64, key string) *V {
	if len(t.shards) == 0 {
		return nil
	}
	slots := t.shards[t.at(hash)].slots
	mask := uint64(len(slots) - 1)
	for i := hash; ; i++ {
		slot := &slots[i&mask]
		if slot.value == nil {
			return nil
		}
		if slot.hash == hash && slot.key == key {
			return slot.value
		}
	}
}

func (t *table[V]) all() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		for i := range t.shards {
			for j := range t.shards[i].slots {
				if slot := &t.shards[i].slots[j]; slot.value != nil && !yield(slot.key, slot.value) {
					return
				}
			}
		}
	}
}

// tableEdit is a table that is being changed by its one owner. Shards are copied when they are first touched, so the table that it began with
// stays as it is, and what was edited may be used as a table once the edit is given up.
type tableEdit[V any] struct {
	table[V]
	owned []bool // by shard
}

func editTable[V any](t table[V]) *tableEdit[V] { return &tableEdit[V]{table: t} }

// shard is the shard of a hash, ready to be changed.
func (e *tableEdit[V]) shard(hash uint64) *tableShard[V] {
	if e.owned == nil {
		e.owned = make([]bool, max(len(e.shards), 1))
		if len(e.shards) == 0 {
			e.shards, e.shift = []tableShard[V]{{slots: make([]tableSlot[V], 2)}}, 63
		} else {
			e.shards = append([]tableShard[V](nil), e.shards...)
		}
	}
	i := e.at(hash)
	s := &e.shards[i]
	if !e.owned[i] {
		e.owned[i] = true
		s.slots = append([]tableSlot[V](nil), s.slots...)
	}
	return s
}

// put sets the value of a key.
func (e *tableEdit[V]) put(hash uint64, key string, value *V) {
	s := e.shard(hash)
	if s.put(tableSlot[V]{hash, key, value}) {
		e.count++
	}
	if e.count > shardLoad*len(e.shards) {
		e.grow()
	}
}

func (s *tableShard[V]) put(entry tableSlot[V]) (added bool) {
	if 2*(s.count+1) > len(s.slots) {
		s.layOut(2 * len(s.slots))
	}
	for i := entry.hash; ; i++ {
		slot := &s.slots[i&uint64(len(s.slots)-1)]
		if slot.value == nil {
			*slot = entry
			s.count++
			return true
		}
		if slot.hash == entry.hash && slot.key == entry.key {
			slot.value = entry.value
			return false
		}
	}
}

// layOut moves the shard's entries to a new array.
func (s *tableShard[V]) layOut(size int) {
	old := s.slots
	s.slots, s.count = make([]tableSlot[V], size), 0
	for i := range old {
		if old[i].value != nil {
			s.put(old[i])
		}
	}
}

// remove takes a key out; its shard is laid out anew, and smaller when it has become empty enough.
func (e *tableEdit[V]) remove(hash uint64, key string) {
	if e.get(hash, key) == nil {
		return
	}
	s := e.shard(hash)
	for i := hash; ; i++ {
		if slot := &s.slots[i&uint64(len(s.slots)-1)]; slot.hash == hash && slot.key == key && slot.value != nil {
			*slot = tableSlot[V]{}
			break
		}
	}
	size := len(s.slots)
	for size > 2 && 8*(s.count-1) < size {
		size /= 2
	}
	s.layOut(size)
	e.count--
}

// grow doubles the number of shards.
func (e *tableEdit[V]) grow() {
	old := e.table
	bits := 64 - old.shift // of the new table
	e.shards, e.shift = make([]tableShard[V], 1<<bits), 63-bits
	e.owned = make([]bool, len(e.shards))
	for i := range e.shards {
		e.owned[i] = true
		e.shards[i].slots = make([]tableSlot[V], 2*shardLoad)
	}
	for i := range old.shards {
		for _, slot := range old.shards[i].slots {
			if slot.value != nil {
				e.shards[e.at(slot.hash)].put(slot)
			}
		}
	}
}
