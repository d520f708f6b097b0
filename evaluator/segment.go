package evaluator

import (
	"maps"
	"slices"
	"strconv"
)

// segment is a compiled segment.
type segment struct {
	inactive bool
	include  members
	exclude  members
	when     *condition // nil: nobody
}

// members are those whom one side of a segment names.
type members struct {
	byKey  *textSet     // targeting keys; nil: none
	inline []inlineKeys // by other attributes
	list   *listRef
}

type inlineKeys struct {
	path path
	keys *textSet
}

// listRef says which attribute is looked up in a list, and how.
type listRef struct {
	path path
	salt string
}

// The sides of a segment, and their numbers.
const (
	sideInclude = "include"
	sideExclude = "exclude"

	sideIncludeIndex = 0
	sideExcludeIndex = 1
)

// sideKey names the list of a segment's side.
func sideKey(segment, side string) string { return segment + ":" + side }

// contains says whether a context is in the segment.
func (n *node) contains(s *Snapshot, c *Context) truth {
	x := n.segment
	switch {
	case x == nil || x.inactive:
		return no
	case x.include.has(n.sides[sideIncludeIndex], c):
		return yes
	case x.exclude.has(n.sides[sideExcludeIndex], c):
		return no
	case x.when == nil:
		return no
	}
	return x.when.eval(s, c)
}

func (m *members) has(side *listSide, c *Context) bool {
	if m.byKey != nil && c.key.kind == datumText && m.byKey.has(c.key.hash, c.key.text) {
		return true
	}
	for i := range m.inline {
		if m.inline[i].hasAny(c) {
			return true
		}
	}
	return m.list != nil && side != nil && m.list.hasAny(side, c)
}

func (in *inlineKeys) hasAny(c *Context) bool {
	d := in.path.find(c)
	if d == nil || d.kind != datumArray {
		return d != nil && in.hasKey(d)
	}
	for i := range d.more.elements {
		if in.hasKey(&d.more.elements[i]) {
			return true
		}
	}
	return false
}

func (l *listRef) hasAny(side *listSide, c *Context) bool {
	d := l.path.find(c)
	if d == nil || d.kind != datumArray {
		return d != nil && l.hasKey(side, d)
	}
	for i := range d.more.elements {
		if l.hasKey(side, &d.more.elements[i]) {
			return true
		}
	}
	return false
}

func (in *inlineKeys) hasKey(d *datum) bool {
	if d.kind == datumText {
		return d.text != "" && in.keys.has(d.hash, d.text)
	}
	var buf [keyBytes]byte
	key, ok := d.integerKey(&buf)
	return ok && in.keys.hasBytes(key)
}

func (l *listRef) hasKey(side *listSide, d *datum) bool {
	if d.kind == datumText {
		return d.text != "" && side.has(fingerprint(l.salt, d.text))
	}
	var buf [keyBytes]byte
	key, ok := d.integerKey(&buf)
	return ok && side.has(fingerprint(l.salt, key))
}

// segmentCompiler compiles one segment.
type segmentCompiler struct {
	compiler
	segment segment
}

func compileSegment(doc Document, wanted map[use]string) *segmentCompiler {
	d := newDecoder(doc)
	seg := d.decodeSegment()
	k := &segmentCompiler{compiler: compiler{place: d.place, wanted: wanted}}
	if d.damaged {
		return k
	}
	k.segment.inactive = seg.Active != nil && !*seg.Active
	if seg.When != nil {
		k.in("when")
		when := k.condition(seg.When)
		k.segment.when = &when
		k.out()
	}
	k.inline("include", seg.Include, &k.segment.include)
	k.inline("exclude", seg.Exclude, &k.segment.exclude)
	k.lists(doc.Key, seg.Lists)
	return k
}

func (k *segmentCompiler) inline(name string, keys map[string][]string, out *members) {
	k.in(name)
	defer k.out()
	for _, text := range slices.Sorted(maps.Keys(keys)) {
		k.in(text)
		switch p := k.path(text); {
		case len(keys[text]) == 0:
		case p.isKey:
			out.byKey = newTextSet(keys[text])
		default:
			out.inline = append(out.inline, inlineKeys{p, newTextSet(keys[text])})
		}
		k.out()
	}
}

func (k *segmentCompiler) lists(segment string, refs []ListRef) {
	k.in("lists")
	defer k.out()
	for i, r := range refs {
		k.at(i)
		side := &k.segment.include
		switch r.Side {
		case sideInclude:
		case sideExclude:
			side = &k.segment.exclude
		default:
			k.problemIn("side", "must be include or exclude")
		}
		if side.list != nil {
			k.problem("is the second list of its side")
		}
		if !saltPattern.MatchString(r.Salt) {
			k.problemIn("salt", saltProblem, saltLength)
		}
		k.in("attribute")
		side.list = &listRef{k.path(r.Attribute), r.Salt}
		k.out()
		k.refer(KindList, sideKey(segment, r.Side))
		k.out()
	}
}

// splitListKey takes a list shard's key apart.
func splitListKey(key string) (segment, side string, shard int, ok bool) {
	const tail = len(":include:00") // exclude is as long
	at := len(key) - tail
	if at < 1 || key[at] != ':' || key[len(key)-3] != ':' {
		return "", "", 0, false
	}
	segment, side = key[:at], key[at+1:len(key)-3]
	digits := key[len(key)-2:]
	n, err := strconv.ParseUint(digits, 16, 8)
	ok = err == nil && digits[0] != '+' && digits == hex2(int(n)) && (side == sideInclude || side == sideExclude)
	return segment, side, int(n), ok
}

func hex2(n int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>4], digits[n&15]})
}
