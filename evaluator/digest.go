package evaluator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Digest identifies a set of documents: the sum, modulo 2^128, of the first 16 bytes of each document's SHA-256 over kind, key and
// JSON, each with its length before it (8 bytes, big-endian). A sum does not depend on the order, and a change costs what was
// changed. It is a guard against defects and damage, not against an adversary who chooses the documents.
type Digest [16]byte

// Add is the digest of the set with one more document.
func (d Digest) Add(doc Document) Digest { return d.add(documentDigest(doc)) }

// Remove is the digest of the set without the document, which must have been in it.
func (d Digest) Remove(doc Document) Digest { return d.sub(documentDigest(doc)) }

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

func documentDigest(doc Document) Digest {
	h := sha256.New()
	var size [8]byte
	write := func(n int, put func()) {
		binary.BigEndian.PutUint64(size[:], uint64(n))
		h.Write(size[:])
		put()
	}
	write(len(doc.Kind), func() { h.Write([]byte(doc.Kind)) })
	write(len(doc.Key), func() { h.Write([]byte(doc.Key)) })
	write(len(doc.JSON), func() { h.Write(doc.JSON) })
	var sum [32]byte
	return Digest(h.Sum(sum[:0])[:16])
}

func (d Digest) halves() (hi, lo uint64) {
	return binary.BigEndian.Uint64(d[:8]), binary.BigEndian.Uint64(d[8:])
}

func digestOf(hi, lo uint64) (d Digest) {
	binary.BigEndian.PutUint64(d[:8], hi)
	binary.BigEndian.PutUint64(d[8:], lo)
	return d
}

func (d Digest) add(o Digest) Digest {
	dh, dl := d.halves()
	oh, ol := o.halves()
	lo, carry := bits.Add64(dl, ol, 0)
	hi, _ := bits.Add64(dh, oh, carry)
	return digestOf(hi, lo)
}

func (d Digest) sub(o Digest) Digest {
	dh, dl := d.halves()
	oh, ol := o.halves()
	lo, borrow := bits.Sub64(dl, ol, 0)
	hi, _ := bits.Sub64(dh, oh, borrow)
	return digestOf(hi, lo)
}
