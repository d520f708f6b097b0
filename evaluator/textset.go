package evaluator

import (
	"hash/maphash"
	"math/bits"
)

// textSet is an immutable set of strings, asked with a hash that is already known: a context's strings are hashed once, when it is built,
// not once for each set. It is an open-addressing table at most half full.
type textSet struct {
	slots []textSlot // a power of two; an empty slot has hash 0
}

type textSlot struct {
	hash uint64
	text string
}

func newTextSet(texts []string) *textSet {
	size := 1 << bits.Len(uint(2*len(texts)))
	t := &textSet{slots: make([]textSlot, size)}
	for _, s := range texts {
		hash := hashString(s) | 1
		for i := hash >> 1; ; i++ {
			slot := &t.slots[i&uint64(size-1)]
			if slot.hash == hash && slot.text == s {
				break
			}
			if slot.hash == 0 {
				*slot = textSlot{hash, s}
				break
			}
		}
	}
	return t
}

// only is the one text of a set of one, and otherwise nil.
func (t *textSet) only() (text *string) {
	for i := range t.slots {
		if t.slots[i].hash == 0 {
			continue
		}
		if text != nil {
			return nil
		}
		text = &t.slots[i].text
	}
	return text
}

func (t *textSet) has(hash uint64, s string) bool {
	hash |= 1
	for i := hash >> 1; ; i++ {
		slot := &t.slots[i&uint64(len(t.slots)-1)]
		if slot.hash == hash && slot.text == s {
			return true
		}
		if slot.hash == 0 {
			return false
		}
	}
}

// hasBytes is has for text that is not a string yet.
func (t *textSet) hasBytes(s []byte) bool {
	hash := maphash.Bytes(hashSeed, s) | 1
	for i := hash >> 1; ; i++ {
		slot := &t.slots[i&uint64(len(t.slots)-1)]
		if slot.hash == hash && slot.text == string(s) {
			return true
		}
		if slot.hash == 0 {
			return false
		}
	}
}
