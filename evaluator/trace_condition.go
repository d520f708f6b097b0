package evaluator

import (
	"encoding/json"
	"slices"
)

// TraceCondition is a condition, of the form that it was authored in, and what it came to.
type TraceCondition struct {
	State TraceState `json:"state"`

	All []TraceCondition `json:"all,omitempty"`
	Any []TraceCondition `json:"any,omitempty"`
	Not *TraceCondition  `json:"not,omitempty"`

	Segment *TraceSegment `json:"segment,omitempty"`

	Flag     *Trace   `json:"flag,omitempty"`
	Variants []string `json:"variants,omitempty"`

	Clause *TraceClause `json:"clause,omitempty"`
}

// TraceClause is a clause and the values that it found in the context.
type TraceClause struct {
	Attribute  string            `json:"attribute"`
	Op         string            `json:"op"`
	Values     []json.RawMessage `json:"values,omitempty"`
	IgnoreCase bool              `json:"ignoreCase,omitempty"`
	Negate     bool              `json:"negate,omitempty"`
	Candidates []TraceCandidate  `json:"candidates,omitempty"`
	Why        TraceWhy          `json:"why"`
}

// TraceCandidate is a value that was compared. For exists, which compares nothing, neither is set.
type TraceCandidate struct {
	Value  any  `json:"value"`
	Usable bool `json:"usable"` // of a type that the operator takes
	Match  bool `json:"match"`
}

// TraceWhy says why a clause or segment came to its result.
type TraceWhy string

// Why a clause is true or false.
const (
	WhyMissing  TraceWhy = "missing"  // the attribute is not there
	WhyThere    TraceWhy = "there"    // exists: the attribute is there
	WhyUnusable TraceWhy = "unusable" // no candidate is of a type that the operator takes
	WhyMatch    TraceWhy = "match"    // a candidate matches
	WhyNoMatch  TraceWhy = "noMatch"  // no candidate matches
)

// Why a context is in a segment or not.
const (
	WhyInactive TraceWhy = "inactive" // nobody is in it
	WhyIncluded TraceWhy = "included" // listed by name, in the document or in the list
	WhyExcluded TraceWhy = "excluded"
	WhyWhen     TraceWhy = "when"     // its condition said so
	WhyUnlisted TraceWhy = "unlisted" // not listed, and there is no condition
)

// TraceSegment is a segment and why the context is in it or not.
type TraceSegment struct {
	Key       string          `json:"key"`
	Why       TraceWhy        `json:"why"`
	Attribute string          `json:"attribute,omitempty"` // by which it is listed
	List      bool            `json:"list,omitempty"`      // in the list rather than in the document
	When      *TraceCondition `json:"when,omitempty"`
}

// condition is [condition.eval], told.
func (t *tracer) condition(x *condition, c *Condition, out *TraceCondition) (result truth) {
	switch x.op {
	case opAll:
		out.All, result = t.conditions(x.kids, c.All, yes)
	case opAny:
		out.Any, result = t.conditions(x.kids, c.Any, no)
	case opNot:
		out.Not = &TraceCondition{}
		switch result = t.condition(&x.kids[0], c.Not, out.Not); result {
		case yes:
			result = no
		case no:
			result = yes
		case broken:
		}
	case opSegment:
		out.Segment, result = t.segment(c.Segment)
	case opFlag:
		var o *Outcome
		o, out.Flag = t.flag(c.Flag)
		out.Variants = c.Variants
		if result = truthOf(x.ref.accepts(o)); o.err != 0 {
			result = broken
		}
	default:
		out.Clause, result = t.clause(x, c)
	}
	out.State = traceState(result)
	return result
}

// conditions goes on as long as each is neutral.
func (t *tracer) conditions(kids []condition, authored []Condition, neutral truth) (out []TraceCondition, result truth) {
	out = make([]TraceCondition, len(kids))
	result = neutral
	for i := range kids {
		if out[i].State = TraceSkipped; result == neutral {
			result = t.condition(&kids[i], &authored[i], &out[i])
		}
	}
	return out, result
}

func (t *tracer) clause(x *condition, c *Condition) (*TraceClause, truth) {
	out := &TraceClause{Attribute: c.Attribute, Op: c.Op, Values: c.Values, IgnoreCase: c.IgnoreCase, Negate: c.Negate, Why: WhyMissing}
	d := x.path.find(t.c)
	if x.op == opExists {
		if d != nil {
			out.Why, out.Candidates = WhyThere, []TraceCandidate{{Value: d.any()}}
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
	out.Why = WhyUnusable
	for i := range candidates {
		usable, match := x.test(&candidates[i])
		out.Candidates = append(out.Candidates, TraceCandidate{candidates[i].any(), usable, usable && match})
		switch {
		case usable && match:
			out.Why = WhyMatch
		case usable && out.Why == WhyUnusable:
			out.Why = WhyNoMatch
		}
	}
	return out, truthOf(out.Why != WhyUnusable && (out.Why == WhyMatch) != x.negate)
}

func (t *tracer) segment(key string) (*TraceSegment, truth) {
	out := &TraceSegment{Key: key}
	n := t.s.nodes[tableSegments].get(hashString(key), key)
	if n == nil || n.segment == nil {
		return out, broken // not reachable: what refers to it is quarantined
	}
	seg := t.segments[key]
	if seg == nil {
		decoded := newDecoder(n.doc.document()).decodeSegment()
		seg = &decoded
		t.segments[key] = seg
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
	out.Why, out.When = WhyWhen, &TraceCondition{}
	return out, t.condition(x.when, seg.When, out.When)
}

// members is [members.has], told.
func (t *tracer) members(m *members, side *listSide, out *TraceSegment) bool {
	if m.byKey != nil && t.c.key.kind == datumText && m.byKey.has(t.c.key.hash, t.c.key.text) {
		out.Attribute = keyAttribute
		return true
	}
	for i := range m.inline {
		if m.inline[i].hasAny(t.c) {
			out.Attribute = m.inline[i].path.String()
			return true
		}
	}
	if m.list == nil || side == nil || !m.list.hasAny(side, t.c) {
		return false
	}
	out.Attribute, out.List = m.list.path.String(), true
	return true
}

// killsOf are the ids of the kills in force of a flag, sorted. It looks through all kills.
func (s *Snapshot) killsOf(flag string) (ids []string) {
	for id, n := range s.nodes[tableKills].all() {
		if n.doc.kills == flag {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
