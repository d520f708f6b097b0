package evaluator

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"sort"
	"strings"
)

// fingerprints is one shard of a list: an immutable set of 128-bit fingerprints. A fingerprint's slot follows from its value alone and
// grows with it, and a taken slot passes on to the next free one, so the table is sorted with gaps between: it is searched in constant
// time, and its members come out in order, from which the document's text can be made again, byte for byte. A quarter of the slots
// is empty: 21⅓ bytes a key, and nothing else is kept.
type fingerprints struct {
	slots []mark // one is empty after the last member
	count int
	home  uint64 // how many slots are a fingerprint's own
	zero  bool   // the fingerprint 0 is a member; in slots 0 means empty
	plain bool   // slots is simply sorted: a list whose fingerprints are not spread like hashes
}

type mark struct{ hi, lo uint64 }

func (p mark) less(q mark) bool { return p.hi < q.hi || p.hi == q.hi && p.lo < q.lo }

const (
	printBytes = 16
	// maxProbe is how far from its own slot a fingerprint may lie. Hashes stay far below it at this load.
	maxProbe = 128
)

// newFingerprints reads the base64 of sorted, different fingerprints.
func newFingerprints(text string) (f *fingerprints, problem string) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case err != nil || strings.ContainsAny(text, "\r\n"): // which the decoder passes over
		return nil, "is not padded base64"
	case len(data)%printBytes != 0:
		return nil, "is not a whole number of 16-byte fingerprints"
	}
	f = &fingerprints{count: len(data) / printBytes}
	f.home = uint64(f.count) * 4 / 3
	f.slots = make([]mark, f.home, f.home+8)
	next, last := uint64(0), mark{}
	for i := range f.count {
		p := mark{binary.BigEndian.Uint64(data[i*printBytes:]), binary.BigEndian.Uint64(data[i*printBytes+8:])}
		if i > 0 && !last.less(p) {
			return nil, "is not sorted, or has a fingerprint twice"
		}
		last = p
		if p == (mark{}) {
			f.zero = true
			continue
		}
		slot := max(f.slot(p), next)
		if slot-f.slot(p) > maxProbe {
			return sortedFingerprints(data), ""
		}
		for uint64(len(f.slots)) <= slot {
			f.slots = append(f.slots, mark{})
		}
		f.slots[slot] = p
		next = slot + 1
	}
	f.slots = append(f.slots, mark{})
	return f, ""
}

func sortedFingerprints(data []byte) *fingerprints {
	f := &fingerprints{count: len(data) / printBytes, plain: true}
	f.slots = make([]mark, f.count)
	for i := range f.slots {
		f.slots[i] = mark{binary.BigEndian.Uint64(data[i*printBytes:]), binary.BigEndian.Uint64(data[i*printBytes+8:])}
	}
	return f
}

// slot is a fingerprint's own slot. All members of a shard share the first byte, so the 64 bits after it are scaled to the table.
func (f *fingerprints) slot(p mark) uint64 {
	hi, _ := bits.Mul64(p.hi<<8|p.lo>>56, f.home)
	return hi
}

func (f *fingerprints) has(p mark) bool {
	if f.plain {
		i := sort.Search(len(f.slots), func(i int) bool { return !f.slots[i].less(p) })
		return i < len(f.slots) && f.slots[i] == p
	}
	if p == (mark{}) {
		return f.zero
	}
	for i := f.slot(p); i < uint64(len(f.slots)); i++ {
		switch f.slots[i] {
		case p:
			return true
		case mark{}:
			return false
		}
	}
	return false
}

// text is the base64 that the set was read from.
func (f *fingerprints) text() string {
	data := make([]byte, 0, f.count*printBytes)
	if f.zero && !f.plain {
		data = append(data, make([]byte, printBytes)...)
	}
	for _, p := range f.slots {
		if f.plain || p != (mark{}) {
			data = binary.BigEndian.AppendUint64(data, p.hi)
			data = binary.BigEndian.AppendUint64(data, p.lo)
		}
	}
	return base64.StdEncoding.EncodeToString(data)
}
