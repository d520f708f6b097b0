package evaluator

// condition is [condition.eval], told if there is room.
func (t *tracer) condition(x *condition, c *Condition) (out *TraceCondition, result truth) {
	if !t.take(traceConditionBytes) {
		return nil, x.eval(t.s, t.c)
	}
	out = &TraceCondition{}
	switch x.op {
	case opAll:
		out.All, result = t.conditions(x.kids, c.All, yes)
		out.Truncated = len(out.All) < len(c.All)
	case opAny:
		out.Any, result = t.conditions(x.kids, c.Any, no)
		out.Truncated = len(out.Any) < len(c.Any)
	case opNot:
		out.Not, result = t.condition(&x.kids[0], c.Not)
		switch out.Truncated = out.Not == nil; result {
		case yes:
			result = no
		case no:
			result = yes
		case broken:
		}
	case opSegment:
		out.Segment, result = t.segment(x, c.Segment)
		out.Truncated = out.Segment == nil
	case opFlag:
		result = t.reference(x, c, out)
	default:
		out.Clause, result = t.clause(x, c)
		out.Truncated = out.Clause == nil
	}
	out.State = traceState(result)
	return out, result
}

// conditions goes on as long as each is neutral. What it tells are the first ones.
func (t *tracer) conditions(kids []condition, authored []Condition, neutral truth) (out []TraceCondition, result truth) {
	result = neutral
	for i := range kids {
		silent := len(out) < i
		switch {
		case result != neutral && (silent || !t.take(traceConditionBytes)):
			return out, result
		case result != neutral:
			out = append(out, TraceCondition{State: TraceSkipped})
		case silent:
			result = kids[i].eval(t.s, t.c)
		default:
			var told *TraceCondition
			if told, result = t.condition(&kids[i], &authored[i]); told != nil {
				out = append(out, *told)
			}
		}
	}
	return out, result
}

func (t *tracer) reference(x *condition, c *Condition, out *TraceCondition) truth {
	var o *Outcome
	o, out.Flag = t.flag(c.Flag)
	if t.take(nameBytes(c.Variants...)) {
		out.Variants = shortenedAll(c.Variants)
	}
	out.Truncated = out.Flag == nil || out.Variants == nil
	if o.err != 0 {
		return broken
	}
	return truthOf(x.ref.accepts(o))
}

func (t *tracer) clause(x *condition, c *Condition) (*TraceClause, truth) {
	if !t.take(traceClauseBytes + nameBytes(c.Attribute, c.Op)) {
		return nil, truthOf(x.clause(t.c))
	}
	out := &TraceClause{Attribute: shortened(c.Attribute), Op: shortened(c.Op), IgnoreCase: c.IgnoreCase, Negate: c.Negate, Why: WhyMissing}
	for i, value := range c.Values {
		if i == maxTraceItems || !t.takeValue(textBytes(value)+1) {
			out.Truncated = true
			break
		}
		out.Values = append(out.Values, value)
	}
	d := x.path.find(t.c)
	if x.op == opExists {
		if d != nil {
			out.Why = WhyThere
			t.candidate(out, d, false, false)
		}
		return out, truthOf((d != nil) != x.negate)
	}
	if d == nil {
		return out, no
	}
	candidates := []datum{*d}
	if d.kind == datumArray {
		candidates = d.more.elements
	}
	t.candidates(x, candidates, out)
	return out, truthOf(out.Why != WhyUnusable && (out.Why == WhyMatch) != x.negate)
}

// candidates tries them all as long as they can be told, and then, as an evaluation does, up to the first that matches.
func (t *tracer) candidates(x *condition, candidates []datum, out *TraceClause) {
	out.Why = WhyUnusable
	full := false
	for i := range candidates {
		usable, match := x.test(&candidates[i])
		match = match && usable
		switch {
		case match:
			out.Why = WhyMatch
		case usable && out.Why == WhyUnusable:
			out.Why = WhyNoMatch
		}
		full = full || i >= maxTraceItems
		if !full || match {
			full = !t.candidate(out, &candidates[i], usable, match) || full
		}
		if full {
			if out.Truncated = true; out.Why == WhyMatch {
				return
			}
		}
	}
}

// candidate tells one if there is room.
func (t *tracer) candidate(out *TraceClause, d *datum, usable, match bool) bool {
	told := TraceCandidate{Usable: usable, Match: match}
	n := d.valueBytes(maxTraceValue)
	if told.Truncated = n > maxTraceValue; told.Truncated {
		n = 0
	}
	if !t.take(traceCandidateBytes + n) {
		out.Truncated = true
		return false
	}
	if !told.Truncated {
		told.Value = d.any()
	}
	out.Candidates = append(out.Candidates, told)
	return true
}

func (t *tracer) segment(reference *condition, key string) (*TraceSegment, truth) {
	if !t.take(traceSegmentBytes + nameBytes(key)) {
		return nil, reference.eval(t.s, t.c)
	}
	out := &TraceSegment{Key: shortened(key)}
	n := t.s.nodes[tableSegments].get(hashString(key), key)
	if n == nil || n.segment == nil {
		return out, broken // not reachable: what refers to it is quarantined
	}
	x := n.segment
	switch {
	case x.inactive:
		out.Why = WhyInactive
		return out, no
	case t.members(&x.include, n.sides[sideIncludeIndex], out):
		out.Why = WhyIncluded
		return out, yes
	case t.members(&x.exclude, n.sides[sideExcludeIndex], out):
		out.Why = WhyExcluded
		return out, no
	case x.when == nil:
		out.Why = WhyUnlisted
		return out, no
	}
	seg := t.segments[key]
	if seg == nil {
		decoded := newDecoder(n.doc.document()).decodeSegment()
		seg = &decoded
		t.segments[key] = seg
	}
	out.Why = WhyWhen
	var result truth
	out.When, result = t.condition(x.when, seg.When)
	out.Truncated = out.When == nil
	return out, result
}

// members is [members.has], told.
func (t *tracer) members(m *members, side *listSide, out *TraceSegment) bool {
	if m.byKey != nil && t.c.key.kind == datumText && m.byKey.has(t.c.key.hash, t.c.key.text) {
		out.Attribute = keyAttribute
		return true
	}
	tell := func(p *path) {
		if name := p.String(); t.take(nameBytes(name)) {
			out.Attribute = shortened(name)
		} else {
			out.Truncated = true
		}
	}
	for i := range m.inline {
		if m.inline[i].hasAny(t.c) {
			tell(&m.inline[i].path)
			return true
		}
	}
	if m.list == nil || side == nil || !m.list.hasAny(side, t.c) {
		return false
	}
	tell(&m.list.path)
	out.List = true
	return true
}
