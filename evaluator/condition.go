package evaluator

import (
	"regexp"
	"slices"
)

// op is a form of condition or an operator of a clause.
type op uint8

const (
	opNone op = iota
	// Forms.
	opAll
	opAny
	opNot
	opSegment
	opFlag
	// Operators.
	opIn
	opContains
	opStartsWith
	opEndsWith
	opMatches
	opLt
	opLte
	opGt
	opGte
	opBefore
	opAfter
	opSemverEq
	opSemverLt
	opSemverLte
	opSemverGt
	opSemverGte
	opSemverTilde
	opSemverCaret
	opInCidr
	opModulo
	opExists
)

var operators = map[string]op{
	"in": opIn, "contains": opContains, "startsWith": opStartsWith, "endsWith": opEndsWith, "matches": opMatches,
	"lt": opLt, "lte": opLte, "gt": opGt, "gte": opGte, "before": opBefore, "after": opAfter,
	"semverEq": opSemverEq, "semverLt": opSemverLt, "semverLte": opSemverLte, "semverGt": opSemverGt, "semverGte": opSemverGte,
	"semverTilde": opSemverTilde, "semverCaret": opSemverCaret, "inCidr": opInCidr, "modulo": opModulo, "exists": opExists,
}

// condition is a compiled [Condition], of the same shape, so that a trace can tell the one beside the other.
type condition struct {
	op     op
	negate bool
	quick  bool        // evalQuick will do, with one text or many
	one    textSlot    // of quick
	many   *textSet    // of quick, when there are more
	path   path        // of a clause
	values *operands   // of a clause
	kids   []condition // of all, any, not
	ref    *reference  // of segment, flag
}

// reference is a segment or flag that a condition or prerequisite names. It is looked up when it is needed rather than linked, so that a
// change of what is referred to does not compile anew what refers to it.
type reference struct {
	hash     uint64
	key      string
	variants []string // of a flag: the ones that pass
}

// operands are a clause's values, prepared.
type operands struct {
	texts     *textSet // in
	folded    bool     // texts and parts are in lower case, and so must the candidate be made
	parts     []string // contains, startsWith, endsWith
	partBytes [][]byte // the same, folded
	patterns  []*regexp.Regexp
	numbers   []float64 // in (sorted), lt, lte, gt, gte
	yes, no   bool      // in: the booleans among the values
	instants  []int64
	versions  []version
	networks  []network

	divisor, remainder int64
}

// truth is what a condition says. A flag that ends in ERROR makes a condition broken, and with it the whole evaluation.
type truth uint8

const (
	no truth = iota
	yes
	broken
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (x *condition) eval(s *Snapshot, c *Context) truth {
	if x.quick {
		return x.evalQuick(c)
	}
	switch x.op {
	case opAll:
		for i := range x.kids {
			if t := x.kids[i].eval(s, c); t != yes {
				return t
			}
		}
		return yes
	case opAny:
		for i := range x.kids {
			if t := x.kids[i].eval(s, c); t != no {
				return t
			}
		}
		return no
	case opNot:
		switch t := x.kids[0].eval(s, c); t {
		case no:
			return yes
		case yes:
			return no
		default:
			return t
		}
	case opSegment:
		return s.inSegment(x.ref, c)
	case opFlag:
		o := s.outcomeOf(x.ref, c)
		if o.err != 0 {
			return broken
		}
		return truthOf(x.ref.accepts(o))
	default:
		return truthOf(x.clause(c))
	}
}

// evalQuick is [condition.clause] for the most usual clause: an attribute at the top is one of some strings.
func (x *condition) evalQuick(c *Context) truth {
	for i := range c.attributes {
		a := &c.attributes[i]
		if a.hash != x.path.hash || a.name != x.path.first {
			continue
		}
		if a.kind == datumText {
			match := a.datum.hash == x.one.hash && a.text == x.one.text
			if x.many != nil {
				match = x.many.has(a.datum.hash, a.text)
			}
			return truthOf(match != x.negate)
		}
		return truthOf(x.clause(c))
	}
	return no
}

// accepts says whether an outcome is one of the variants asked for.
func (r *reference) accepts(o *Outcome) bool {
	return o.err == 0 && slices.Contains(r.variants, o.variant)
}

// clause is false without a usable candidate, negated or not.
func (x *condition) clause(c *Context) bool {
	d := x.path.find(c)
	if x.op == opExists {
		return (d != nil) != x.negate
	}
	if d == nil {
		return false
	}
	if d.kind != datumArray {
		usable, match := x.test(d)
		return usable && match != x.negate
	}
	anyUsable := false
	for i := range d.more.elements {
		usable, match := x.test(&d.more.elements[i])
		if usable && match {
			return !x.negate
		}
		anyUsable = anyUsable || usable
	}
	return anyUsable && x.negate
}

// test says whether one candidate is usable, and whether it matches any of the values.
func (x *condition) test(d *datum) (usable, match bool) {
	v := x.values
	switch x.op {
	case opIn:
		return v.in(d)
	case opContains, opStartsWith, opEndsWith:
		return d.kind == datumText, d.kind == datumText && v.hasPart(x.op, d.text)
	case opMatches:
		return d.kind == datumText, d.kind == datumText && v.matches(d.text)
	case opLt, opLte, opGt, opGte:
		return d.kind == datumNumber, d.kind == datumNumber && v.compareNumber(x.op, d.number)
	case opBefore, opAfter:
		at, ok := instantOf(d)
		return ok, ok && v.compareInstant(x.op, at)
	case opSemverEq, opSemverLt, opSemverLte, opSemverGt, opSemverGte, opSemverTilde, opSemverCaret:
		if d.kind != datumText {
			return false, false
		}
		candidate, ok := parseVersion(d.text)
		return ok, ok && v.compareVersion(x.op, &candidate)
	case opInCidr:
		if d.kind != datumText {
			return false, false
		}
		a, ok := parseAddress(d.text)
		return ok, ok && v.inNetwork(a)
	case opModulo:
		if d.kind != datumNumber {
			return false, false
		}
		n, ok := exactInteger(d.number)
		return ok, ok && (n%v.divisor+v.divisor)%v.divisor == v.remainder
	default:
		return false, false
	}
}

func (v *operands) in(d *datum) (usable, match bool) {
	switch d.kind {
	case datumText:
		if v.texts == nil {
			return false, false
		}
		if !v.folded {
			return true, v.texts.has(d.hash, d.text)
		}
		var short [128]byte
		return true, v.texts.hasBytes(foldCase(short[:0], d.text))
	case datumNumber:
		_, match = slices.BinarySearch(v.numbers, d.number)
		return len(v.numbers) > 0, match
	case datumBool:
		return v.yes || v.no, d.boolean && v.yes || !d.boolean && v.no
	default:
		return false, false
	}
}

func (v *operands) hasPart(o op, candidate string) bool {
	if !v.folded {
		return slices.ContainsFunc(v.parts, func(part string) bool { return hasText(o, candidate, part) })
	}
	var short [128]byte
	folded := foldCase(short[:0], candidate)
	return slices.ContainsFunc(v.partBytes, func(part []byte) bool { return hasFolded(o, folded, part) })
}

func (v *operands) matches(candidate string) bool {
	return slices.ContainsFunc(v.patterns, func(p *regexp.Regexp) bool { return p.MatchString(candidate) })
}

func (v *operands) compareNumber(o op, candidate float64) bool {
	for _, n := range v.numbers {
		switch {
		case o == opLt && candidate < n, o == opLte && candidate <= n, o == opGt && candidate > n, o == opGte && candidate >= n:
			return true
		}
	}
	return false
}

func (v *operands) compareInstant(o op, candidate int64) bool {
	for _, at := range v.instants {
		if o == opBefore && candidate < at || o == opAfter && candidate > at {
			return true
		}
	}
	return false
}

func (v *operands) compareVersion(o op, candidate *version) bool {
	for i := range v.versions {
		if matchVersion(o, candidate, &v.versions[i]) {
			return true
		}
	}
	return false
}

func matchVersion(o op, candidate, value *version) bool {
	switch o {
	case opSemverTilde:
		return candidate.tilde(value)
	case opSemverCaret:
		return candidate.caret(value)
	case opSemverEq:
		return candidate.compare(value) == 0
	case opSemverLt:
		return candidate.compare(value) < 0
	case opSemverLte:
		return candidate.compare(value) <= 0
	case opSemverGt:
		return candidate.compare(value) > 0
	case opSemverGte:
		return candidate.compare(value) >= 0
	default:
		return false
	}
}

func (v *operands) inNetwork(a address) bool {
	return slices.ContainsFunc(v.networks, func(n network) bool { return n.contains(a) })
}
