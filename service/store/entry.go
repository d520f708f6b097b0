package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits that every backend keeps.
const (
	MaxTransaction = 32 << 20  // bytes of an entry's canonical encoding; above: ErrTooLarge
	MaxAnswer      = 256 << 10 // bytes of Idempotency.Answer
	MaxKey         = 1 << 10   // bytes of a collection, an id, a scope's name; idempotency keys may have twice that
)

// Compare orders keys by collection, then id, bytewise.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.Collection, o.Collection); c != 0 {
		return c
	}
	return cmp.Compare(k.ID, o.ID)
}

func (k Key) String() string { return k.Collection + "/" + k.ID }

// check refuses what cannot be stored: keys are text, in JSON too, and NUL separates their parts in a backend.
func (k Key) check() error {
	for _, s := range [...]string{k.Collection, k.ID} {
		if s == "" || len(s) > MaxKey || strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return fmt.Errorf("store: %q is not the key of a document", k.String())
		}
	}
	return nil
}

// CheckScope refuses what cannot be the name of a scope. Braces would be a Redis hash tag.
func CheckScope(scope string) error {
	if scope == "" || len(scope) > MaxKey || strings.ContainsAny(scope, "\x00{}\n") || !utf8.ValidString(scope) {
		return fmt.Errorf("store: %q is not the name of a scope", scope)
	}
	return nil
}

// String is the lower-case hex of the hash.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText makes a hash lower-case hex in JSON.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText accepts what MarshalText makes, and nothing else.
func (h *Hash) UnmarshalText(text []byte) error {
	var out Hash
	if len(text) != hex.EncodedLen(len(out)) || bytes.ContainsAny(text, "ABCDEF") {
		return errors.New("store: a hash is 64 lower-case hex digits")
	}
	if _, err := hex.Decode(out[:], text); err != nil {
		return fmt.Errorf("store: a hash is 64 lower-case hex digits: %w", err)
	}
	*h = out
	return nil
}

// Cursor is the position of the head.
func (h Head) Cursor() Cursor { return Cursor{Epoch: h.Epoch, Revision: h.Revision} }

// Compare orders cursors of one scope by epoch, then revision.
func (c Cursor) Compare(o Cursor) int {
	if d := cmp.Compare(c.Epoch, o.Epoch); d != 0 {
		return d
	}
	return cmp.Compare(c.Revision, o.Revision)
}

// Head is where a scope stands after the entry.
func (e Entry) Head() Head { return Head{Epoch: e.Epoch, Revision: e.Revision, Hash: e.Hash} }

// Seal makes the entry that follows base: it sorts the changes, truncates the time to milliseconds in UTC, replaces invalid UTF-8 in
// meta, and computes the hash. The epoch is base's, or 1 for the first commit of a new scope. It refuses changes that are empty, have
// two for a key, a key that cannot be stored, or neither a document before nor one after. A document has at least one byte: empty is absent.
// The entry shares the documents' bytes with changes, which must not be written to any more.
func Seal(base Head, meta Meta, changes []Change) (Entry, error) {
	meta.At = meta.At.UTC().Truncate(time.Millisecond)
	for _, s := range []*string{&meta.Actor, &meta.Verb, &meta.Target, &meta.Reason, &meta.Address} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	e := Entry{Epoch: max(base.Epoch, 1), Revision: base.Revision + 1, Meta: meta, Changes: slices.Clone(changes), Prev: base.Hash}
	for i := range e.Changes {
		c := &e.Changes[i]
		c.Before, c.After = normal(c.Before), normal(c.After)
	}
	slices.SortFunc(e.Changes, func(a, b Change) int { return a.Key.Compare(b.Key) })
	if err := e.check(); err != nil {
		return Entry{}, err
	}
	e.Hash = e.sum()
	return e, nil
}

// normal makes nil of an empty document, as JSON does.
func normal(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	return data
}

// check refuses an entry that Seal would not make, whatever its hash.
func (e *Entry) check() error {
	if e.Epoch < 1 || e.Revision < 1 {
		return fmt.Errorf("store: an entry cannot be at epoch %d, revision %d", e.Epoch, e.Revision)
	}
	if at := e.Meta.At; at.Year() < 0 || at.Year() > 9999 || !at.Equal(at.Truncate(time.Millisecond)) {
		return fmt.Errorf("store: entry %d: its time is not in whole milliseconds of the years 0 to 9999", e.Revision)
	}
	if len(e.Changes) == 0 {
		return fmt.Errorf("store: entry %d changes nothing", e.Revision)
	}
	for i, c := range e.Changes {
		if err := c.Key.check(); err != nil {
			return err
		}
		if len(c.Before) == 0 && len(c.After) == 0 {
			return fmt.Errorf("store: entry %d: %s is neither before nor after", e.Revision, c.Key)
		}
		if i > 0 && e.Changes[i-1].Key.Compare(c.Key) >= 0 {
			return fmt.Errorf("store: entry %d: its keys are not in order, each once, at %s", e.Revision, c.Key)
		}
	}
	return nil
}

// Verify recomputes the hash, and refuses an entry that is not in the form that Seal gives it.
func (e Entry) Verify() error {
	if err := e.check(); err != nil {
		return err
	}
	if got := e.sum(); got != e.Hash {
		return fmt.Errorf("store: entry %d is not what was committed: its hash is %s, not %s", e.Revision, got, e.Hash)
	}
	return nil
}

// Size is the number of bytes of the canonical encoding, which MaxTransaction bounds.
func (e Entry) Size() int {
	var n counter
	e.encode(&n)
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (e *Entry) sum() Hash {
	h := sha256.New()
	h.Write(e.Prev[:])
	e.encode(h)
	return Hash(h.Sum(nil))
}

// encode writes the canonical encoding of an entry: what is hashed, after the 32 bytes of Prev. It never changes; another one gets
// another first line. Integers are 64 bits, big-endian. A text or document is its length in bytes, then its bytes.
//
//	"dimmer/entry/1\n"                         15 bytes
//	epoch, revision                            integers
//	at                                         integer: milliseconds since 1970-01-01T00:00:00Z, two's complement
//	actor, verb, target, reason, address       texts, UTF-8, possibly empty
//	number of changes                          integer, at least 1
//	each change, by collection, then id, bytewise:
//	  collection, id                           texts, UTF-8, not empty
//	  before, after                            each one byte, 0 for absent; or 1 and the document, not empty
//
// So: hash = SHA-256(prev ‖ encoding), and prev is the hash of the entry before, or 32 zero bytes for the first of a scope. The JSON of an entry holds the
// same fields: at as RFC 3339 text, documents as base64, hashes as hex.
func (e *Entry) encode(w io.Writer) {
	out := encoder{w: w}
	out.raw("dimmer/entry/1\n")
	out.integer(e.Epoch)
	out.integer(e.Revision)
	out.integer(e.Meta.At.UnixMilli())
	for _, s := range [...]string{e.Meta.Actor, e.Meta.Verb, e.Meta.Target, e.Meta.Reason, e.Meta.Address} {
		out.text(s)
	}
	out.integer(int64(len(e.Changes)))
	for _, c := range e.Changes {
		out.text(c.Key.Collection)
		out.text(c.Key.ID)
		out.document(c.Before)
		out.document(c.After)
	}
}

// encoder writes to a hash or a counter, which never fail.
type encoder struct {
	w   io.Writer
	buf [8]byte
}

func (o *encoder) bytes(p []byte) {
	_, _ = o.w.Write(p)
}

func (o *encoder) raw(s string) { o.bytes([]byte(s)) }

func (o *encoder) integer(n int64) {
	binary.BigEndian.PutUint64(o.buf[:], uint64(n))
	o.bytes(o.buf[:])
}

func (o *encoder) text(s string) {
	o.integer(int64(len(s)))
	o.raw(s)
}

func (o *encoder) document(data []byte) {
	if len(data) == 0 {
		o.bytes([]byte{0})
		return
	}
	o.bytes([]byte{1})
	o.integer(int64(len(data)))
	o.bytes(data)
}

// Check refuses a transaction that no store may take: its entry is not sealed, or does not follow Base, or something is too large (ErrTooLarge).
// Backends call it before anything else. It does not look at Before, which is the business of whoever has the documents.
func (t *Txn) Check() error {
	if err := CheckScope(t.Scope); err != nil {
		return err
	}
	if t.Entry.Size() > MaxTransaction {
		return fmt.Errorf("%w: %d bytes, of at most %d", ErrTooLarge, t.Entry.Size(), MaxTransaction)
	}
	if i := t.Idempotency; i != nil {
		if i.Key == "" || len(i.Key) > 2*MaxKey {
			return errors.New("store: an idempotency key has 1 to 2048 bytes")
		}
		if len(i.Answer) > MaxAnswer {
			return fmt.Errorf("%w: the answer to keep has %d bytes, of at most %d", ErrTooLarge, len(i.Answer), MaxAnswer)
		}
	}
	if err := t.Entry.follows(t.Base); err != nil {
		return err
	}
	return t.Entry.Verify()
}

// follows checks that an entry is the next after a head.
func (e *Entry) follows(head Head) error {
	if e.Revision != head.Revision+1 || e.Epoch != max(head.Epoch, 1) || e.Prev != head.Hash {
		return fmt.Errorf("%w: entry (%d, %d) on %.4s… does not follow the head (%d, %d) %.4s…",
			ErrGap, e.Epoch, e.Revision, e.Prev, head.Epoch, head.Revision, head.Hash)
	}
	return nil
}

// ErrGap says that an entry is not the next one. Whoever follows a scope takes a full Read.
var ErrGap = errors.New("store: the entry does not follow")
