package evaluator

import (
	"bytes"
	"encoding/json"
	"slices"
)

// compiler turns one decoded document into its compiled form, collects what is wrong with it, and counts what it refers to.
type compiler struct {
	place
	uses  []use
	found map[use]int // index of uses, with hash and times 0, when there are many
	nodes uint32      // conditions in the document, and what their values count as work

	patternSize int // of all patterns in the document

	// wanted asks where references stand first, as JSON pointers. It is asked only when there is a problem to report.
	wanted map[use]string
}

// use is a document that another one refers to.
type use struct {
	kind  Kind // KindFlag, KindSegment, or KindList with key "<segment>:<side>"
	key   string
	hash  uint64
	times uint32 // how often one evaluation can follow the reference
}

func (k *compiler) refer(kind Kind, key string) *reference {
	hash := hashString(key)
	if at, ok := k.wanted[use{kind: kind, key: key}]; ok && at == "" {
		k.wanted[use{kind: kind, key: key}] = k.pointer()
	}
	if i := k.findUse(kind, key); i >= 0 {
		k.uses[i].times++
	} else {
		k.uses = append(k.uses, use{kind: kind, key: key, hash: hash, times: 1})
	}
	return &reference{hash: hash, key: key}
}

// findUse is the index of a use, or −1.
func (k *compiler) findUse(kind Kind, key string) int {
	const many = 16
	if len(k.uses) < many {
		return slices.IndexFunc(k.uses, func(u use) bool { return u.kind == kind && u.key == key })
	}
	if k.found == nil {
		k.found = map[use]int{}
	}
	for i := len(k.found); i < len(k.uses); i++ {
		k.found[use{kind: k.uses[i].kind, key: k.uses[i].key}] = i
	}
	if i, ok := k.found[use{kind: kind, key: key}]; ok {
		return i
	}
	return -1
}

func (k *compiler) path(text string) path {
	p, err := parsePath(text)
	if err != nil {
		k.problemErr(err, "%v", err)
	}
	return p
}

func (k *compiler) conditions(list []Condition) []condition {
	out := make([]condition, len(list))
	for i := range list {
		k.at(i)
		out[i] = k.condition(&list[i])
		k.out()
	}
	return out
}

// condition compiles a condition. One that has no form was reported when it was decoded.
func (k *compiler) condition(c *Condition) (x condition) {
	k.nodes++
	switch {
	case c.All != nil:
		k.in("all")
		x = condition{op: opAll, kids: k.conditions(c.All)}
		k.out()
	case c.Any != nil:
		k.in("any")
		x = condition{op: opAny, kids: k.conditions(c.Any)}
		k.out()
	case c.Not != nil:
		k.in("not")
		x = condition{op: opNot, kids: []condition{k.condition(c.Not)}}
		k.out()
	case c.Segment != "":
		k.in("segment")
		x = condition{op: opSegment, ref: k.refer(KindSegment, c.Segment)}
		k.out()
	case c.Flag != "":
		x = condition{op: opFlag, ref: k.flagReference(c.Flag, c.Variants)}
	default:
		x = k.clause(c)
	}
	return x
}

func (k *compiler) flagReference(flag string, variants []string) *reference {
	k.in("flag")
	if flag == "" {
		k.problem("must name a flag")
	}
	ref := k.refer(KindFlag, flag)
	k.out()
	if len(variants) == 0 {
		k.problemIn("variants", "needs at least one variant")
	}
	ref.variants = variants
	return ref
}

func (k *compiler) clause(c *Condition) (x condition) {
	k.in("attribute")
	x.path = k.path(c.Attribute)
	k.out()
	x.op, x.negate = operators[c.Op], c.Negate
	if x.op == opNone {
		k.problemIn("op", "%q is no known operator", c.Op)
		return x
	}
	if c.IgnoreCase && (x.op < opIn || x.op > opMatches) {
		k.problemIn("ignoreCase", "does not go with %s", c.Op)
	}
	k.in("values")
	defer k.out()
	switch {
	case x.op == opExists && len(c.Values) > 0:
		k.problem("exists takes no values")
	case x.op == opModulo && len(c.Values) != 2:
		k.problem("modulo takes a divisor and a remainder")
	case x.op != opExists && len(c.Values) == 0:
		k.problem("needs at least one value")
	default:
		x.values = k.operands(x.op, c)
		x.quicken()
	}
	return x
}

// quicken prepares evalQuick where it will do.
func (x *condition) quicken() {
	v := x.values
	if x.op != opIn || v.texts == nil || v.folded || len(x.path.rest) > 0 || x.path.isKey {
		return
	}
	x.quick, x.many = true, v.texts
	if only := v.texts.only(); only != nil {
		x.one, x.many = textSlot{hashString(*only), *only}, nil
	}
}

func (k *compiler) operands(o op, c *Condition) *operands {
	v := &operands{folded: c.IgnoreCase && o != opMatches}
	var texts []string
	for i, raw := range c.Values {
		k.at(i)
		d := readScalar(raw)
		switch o {
		case opIn:
			texts = k.inValue(v, &d, texts)
		case opContains, opStartsWith, opEndsWith, opMatches:
			k.textValue(v, o, &d, c.IgnoreCase)
		case opLt, opLte, opGt, opGte:
			if d.kind != datumNumber {
				k.problem("must be a number")
			}
			v.numbers = append(v.numbers, d.number)
		case opModulo:
			k.moduloValue(v, i, &d)
		default:
			k.parsedValue(v, o, &d)
		}
		k.out()
	}
	if len(texts) > 0 {
		v.texts = newTextSet(texts)
	}
	switch {
	case o == opIn:
		slices.Sort(v.numbers)
	case o == opContains || o == opStartsWith || o == opEndsWith || o >= opSemverEq && o <= opInCidr:
		k.nodes += uint32(len(c.Values)) // they are compared one by one
	default:
		v.keepLoosest(o)
	}
	return v
}

// keepLoosest keeps the one number or instant that the others add nothing to.
func (v *operands) keepLoosest(o op) {
	switch {
	case (o == opLt || o == opLte) && len(v.numbers) > 0:
		v.numbers = []float64{slices.Max(v.numbers)}
	case (o == opGt || o == opGte) && len(v.numbers) > 0:
		v.numbers = []float64{slices.Min(v.numbers)}
	case o == opBefore && len(v.instants) > 0:
		v.instants = []int64{slices.Max(v.instants)}
	case o == opAfter && len(v.instants) > 0:
		v.instants = []int64{slices.Min(v.instants)}
	}
}

// readScalar reads a value that is a string, number or boolean; anything else is of no kind.
func readScalar(raw json.RawMessage) (d datum) {
	r := jsonReader{data: raw, max: maxJSONDepth}
	switch r.peek() {
	case jsonBool:
		d = datum{kind: datumBool, boolean: r.boolean()}
	case jsonNumber:
		d = numberDatum(r.number())
	case jsonString:
		d = datum{kind: datumText, text: r.str()}
	default:
		return d
	}
	if r.end(); r.err != nil {
		return datum{}
	}
	return d
}

func (k *compiler) inValue(v *operands, d *datum, texts []string) []string {
	switch d.kind {
	case datumText:
		if v.folded {
			return append(texts, string(foldCase(nil, d.text)))
		}
		return append(texts, d.text)
	case datumNumber:
		v.numbers = append(v.numbers, d.number)
	case datumBool:
		v.yes, v.no = v.yes || d.boolean, v.no || !d.boolean
	default:
		k.problem("must be a string, a number or a boolean")
	}
	return texts
}

func (k *compiler) textValue(v *operands, o op, d *datum, ignoreCase bool) {
	switch {
	case d.kind != datumText:
		k.problem("must be a string")
	case o == opMatches:
		k.pattern(v, d.text, ignoreCase)
	case v.folded:
		v.partBytes = append(v.partBytes, bytes.Clone(foldCase(nil, d.text)))
	default:
		v.parts = append(v.parts, d.text)
	}
}

func (k *compiler) moduloValue(v *operands, i int, d *datum) {
	n, ok := exactInteger(d.number)
	switch {
	case d.kind != datumNumber || !ok:
		k.problem("must be an integer")
	case i == 0 && n < 1:
		k.problem("the divisor must be at least 1")
	case i == 0:
		v.divisor = n
	case n < 0 || v.divisor > 0 && n >= v.divisor:
		k.problem("the remainder must be at least 0 and less than the divisor")
	default:
		v.remainder = n
	}
}

// parsedValue prepares an instant, a version or a network.
func (k *compiler) parsedValue(v *operands, o op, d *datum) {
	switch o {
	case opBefore, opAfter:
		at, ok := instantOf(d)
		if !ok {
			k.problem("must be an RFC 3339 instant or a number of Unix milliseconds")
		}
		v.instants = append(v.instants, at)
	case opInCidr:
		n, ok := parseNetwork(d.text)
		if !ok || d.kind != datumText {
			k.problem("must be an IP address, or one with a slash and the length of its prefix")
		}
		v.networks = append(v.networks, n)
	default:
		n, ok := parseVersion(d.text)
		if !ok || d.kind != datumText {
			k.problem("must be a version")
		}
		v.versions = append(v.versions, n)
	}
}
