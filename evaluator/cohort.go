package evaluator

import (
	"sort"
	"strconv"
)

// distribution is a compiled [Distribution]. Every answer that it can give was made when the flag was compiled.
type distribution struct {
	exposure  uint32
	expose    uint32 // state of the hash after salt/expose/
	assign    uint32 // state of the hash after salt/assign/
	bucketBy  []path // empty: the targeting key
	single    *Outcome
	pieces    []piece  // when there is more than one variant: sorted by to
	unexposed *Outcome // nil: go on with the next rule
	keyless   *Outcome // nil: go on with the next rule
}

// piece gives the buckets from the last piece's end up to to, exclusive, to an outcome.
type piece struct {
	to  uint32
	out *Outcome
}

// pick is the outcome for a context; nil says to go on with the next rule. Only what needs a key asks for one.
func (x *distribution) pick(c *Context) *Outcome {
	if x.exposure == 0 {
		return x.unexposed
	}
	if x.exposure == Buckets && x.single != nil {
		return x.single
	}
	if len(x.bucketBy) == 0 {
		if c.key.kind != datumText {
			return x.keyless
		}
		return x.pickKey(c.key.text)
	}
	for i := range x.bucketBy {
		d := x.bucketBy[i].find(c)
		if d == nil {
			continue
		}
		if d.kind == datumText && d.text != "" {
			return x.pickKey(d.text)
		}
		var buf [keyBytes]byte
		if key, ok := d.integerKey(&buf); ok {
			return x.pickKey(string(key))
		}
	}
	return x.keyless
}

func (x *distribution) pickKey(key string) *Outcome {
	if x.exposure < Buckets && bucketOf(hashKey(x.expose, key)) >= x.exposure {
		return x.unexposed
	}
	if x.single != nil {
		return x.single
	}
	bucket := bucketOf(hashKey(x.assign, key))
	if len(x.pieces) > fewPieces {
		return x.search(bucket)
	}
	for i := range x.pieces {
		if bucket < x.pieces[i].to {
			return x.pieces[i].out
		}
	}
	return nil // not reachable: the last piece ends at Buckets, above every bucket
}

// fewPieces are found faster one by one.
const fewPieces = 8

func (x *distribution) search(bucket uint32) *Outcome {
	i := sort.Search(len(x.pieces), func(i int) bool { return bucket < x.pieces[i].to })
	return x.pieces[i].out // the last piece ends at Buckets, above every bucket
}

// integer is the value as a key: a number with an integer value of at most 2^53−1.
func (d *datum) integer() (int64, bool) {
	if d.kind != datumNumber {
		return 0, false
	}
	return exactInteger(d.number)
}

// keyBytes is room for the key of a number.
const keyBytes = 20

// integerKey is the key of a number, written into buf.
func (d *datum) integerKey(buf *[keyBytes]byte) ([]byte, bool) {
	n, ok := d.integer()
	return strconv.AppendInt(buf[:0], n, 10), ok
}

// integerText is the key of a number.
func (d *datum) integerText() (string, bool) {
	n, ok := d.integer()
	return strconv.FormatInt(n, 10), ok
}
