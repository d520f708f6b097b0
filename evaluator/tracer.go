package evaluator

import (
	"encoding/json"
	"slices"
	"strings"
)

// EvaluateTrace is [Snapshot.Evaluate], and how the answer came about. It is slower and allocates, but what it costs beyond two evaluations is
// bounded by the size of a trace and of the documents that it tells of.
func (s *Snapshot) EvaluateTrace(flag string, c *Context) (Result, *Trace) {
	if s == nil {
		s = &Snapshot{}
	}
	if c == nil {
		c = emptyContext
	}
	answer := s.Outcome(flag, c)
	t := newTracer(s, c, maxTraceBytes)
	return answer.Result(s.Revision()), t.root(flag, answer)
}

// tracer evaluates like [Snapshot.Outcome], with the authored documents beside the compiled ones. What it has no room to tell, it leaves to the
// compiled ones: then the result is as right, and costs no more than without a trace.
type tracer struct {
	s        *Snapshot
	c        *Context
	flags    map[string]*Flag // decoded so far
	segments map[string]*Segment
	left     int // bytes of JSON
}

const (
	maxTraceBytes = 64 << 10
	maxTraceItems = 100     // values, and candidates, of one clause
	maxTraceValue = 8 << 10 // one value

	traceServeRoom = 4 << 10 // which a rule's condition leaves for what the rule serves
)

// What the parts of a trace take at most without their texts, "truncated" and the separators included.
const (
	traceFlagBytes         = 350
	tracePrerequisiteBytes = 90
	traceRuleBytes         = 80
	traceConditionBytes    = 60
	traceClauseBytes       = 170
	traceCandidateBytes    = 70
	traceSegmentBytes      = 120
	traceServeBytes        = 40
	traceDistributionBytes = 376
	traceKeyBytes          = 70
	traceItemBytes         = 3 // quotes and a comma
)

func newTracer(s *Snapshot, c *Context, bytes int) *tracer {
	return &tracer{s: s, c: c, flags: map[string]*Flag{}, segments: map[string]*Segment{}, left: bytes}
}

// take makes room for a part of the trace, and says whether there is any.
func (t *tracer) take(bytes int) bool {
	if bytes > t.left {
		return false
	}
	t.left -= bytes
	return true
}

// keep sets half of the room aside, so that one rule does not leave nothing for those after it.
func (t *tracer) keep() int {
	kept := max(t.left, 0) / 2
	t.left -= kept
	return kept
}

// takeValue is take for what is not a name.
func (t *tracer) takeValue(bytes int) bool { return bytes <= maxTraceValue && t.take(bytes) }

// textBytes is at least what a text takes as JSON, without quotes.
func textBytes[T string | json.RawMessage](text T) int {
	n := len(text)
	for i := range len(text) {
		switch b := text[i]; {
		case b < ' ', b == '<', b == '>', b == '&', b == 0x7f:
			n += len(`\u0000`) - 1
		case b == '"', b == '\\':
			n++
		case b >= 0x80: // a byte that is ill-formed becomes �, and U+2028 \u2028
			n += len(`\ufffd`) - 1
		}
	}
	return n
}

func nameBytes(names ...string) (n int) {
	for _, name := range names {
		n += textBytes(shortened(name)) + traceItemBytes
	}
	return n
}

func shortenedAll(names []string) []string {
	if !slices.ContainsFunc(names, func(name string) bool { return len(name) > maxProblemBytes }) {
		return names
	}
	out := make([]string, len(names))
	for i := range names {
		out[i] = shortened(names[i])
	}
	return out
}

// valueBytes is at least what a value takes as JSON, or some number above limit.
func (d *datum) valueBytes(limit int) (n int) {
	const scalar = 26
	switch d.kind {
	case datumText:
		return textBytes(d.text) + traceItemBytes
	case datumArray:
		for i := 0; i < len(d.more.elements) && n <= limit; i++ {
			n += d.more.elements[i].valueBytes(limit-n) + 1
		}
		return n + len("[]")
	case datumObject:
		for i := 0; i < len(d.more.members) && n <= limit; i++ {
			n += textBytes(d.more.members[i].name) + traceItemBytes + d.more.members[i].valueBytes(limit-n) + 2
		}
		return n + len("{}")
	default:
		return scalar
	}
}

// root is what was asked for. It is always told: what its result takes is set aside first.
func (t *tracer) root(key string, answer *Outcome) *Trace {
	set := traceFlagBytes + nameBytes(key, answer.variant, answer.rule)
	if n := textBytes(json.RawMessage(answer.value.JSON())); n <= maxTraceValue {
		set += n
	}
	t.left -= set
	trace := &Trace{Flag: shortened(key)}
	o := t.steps(key, trace)
	t.left += set - traceFlagBytes - nameBytes(key)
	trace.Result = t.result(o)
	return trace
}

// flag is a flag's outcome, and its trace if there is room.
func (t *tracer) flag(key string) (*Outcome, *Trace) {
	if !t.take(traceFlagBytes + nameBytes(key)) {
		return t.s.Outcome(key, t.c), nil
	}
	trace := &Trace{Flag: shortened(key)}
	o := t.steps(key, trace)
	trace.Result = t.result(o)
	return o, trace
}

func (t *tracer) result(o *Outcome) TraceResult {
	r := TraceResult{Reason: o.Reason(), Cause: o.Cause(), Version: o.version, Error: o.Error()}
	if t.take(nameBytes(o.variant, o.rule)) {
		r.Variant, r.Rule = shortened(o.variant), shortened(o.rule)
	} else {
		r.Truncated = true
	}
	if raw := json.RawMessage(o.value.JSON()); t.takeValue(textBytes(raw)) {
		r.Value = raw
	} else {
		r.Truncated = true
	}
	return r
}

// texts are as many as there is room for.
func (t *tracer) texts(all []string, truncated *bool) (told []string) {
	for _, text := range all {
		if !t.take(nameBytes(text)) {
			*truncated = true
			break
		}
		told = append(told, shortened(text))
	}
	return told
}

func (t *tracer) steps(key string, trace *Trace) *Outcome {
	n := t.s.nodes[tableFlags].get(hashString(key), key)
	if n == nil {
		return outcomeNotFound
	}
	if n.kills > 0 {
		trace.Kills = t.texts(t.s.killsOf(key), &trace.Truncated)
	}
	if n.plain != nil && n.doc.head.plain != n.plain { // killed, off or quarantined
		trace.Disabled = n.doc.head.sound && !n.doc.head.enabled
		var problems []string
		for _, p := range n.problems() {
			problems = append(problems, strings.TrimPrefix(p.Path+": "+p.Msg, ": "))
		}
		trace.Problems = t.texts(problems, &trace.Truncated)
		return n.plain
	}
	if t.c.err != nil && n.plain == nil {
		return outcomeContext
	}
	f := t.flags[key]
	if f == nil {
		decoded := newDecoder(n.doc.document()).decodeFlag()
		f = &decoded
		t.flags[key] = f
	}
	return t.body(n.doc.flag, f, trace)
}

func (t *tracer) body(x *flag, f *Flag, trace *Trace) *Outcome {
	failed := false
	for i := range f.Prerequisites {
		kept := t.keep()
		out := t.prerequisite(x.prerequisites[i], &f.Prerequisites[i], &failed, trace.Truncated)
		if t.left += kept; out != nil {
			trace.Prerequisites = append(trace.Prerequisites, *out)
		} else {
			trace.Truncated = true
		}
	}
	if failed {
		return x.failed
	}
	var decided *Outcome
	for i := range f.Rules {
		kept := t.keep()
		out := t.rule(&x.rules[i], &f.Rules[i], f.Salt, &decided, trace.Truncated)
		if t.left += kept; out != nil {
			trace.Rules = append(trace.Rules, *out)
		} else {
			trace.Truncated = true
		}
	}
	if decided != nil {
		return decided
	}
	decided, trace.Default = t.serve(&x.fallback, &f.Default, f.Salt)
	trace.Truncated = trace.Truncated || trace.Default == nil
	return decided
}

// prerequisite checks one, unless another one has failed, and is nil when there is no room to tell it, or none before it was told.
func (t *tracer) prerequisite(x *reference, p *Prerequisite, failed *bool, silent bool) *TracePrerequisite {
	silent = silent || !t.take(tracePrerequisiteBytes+nameBytes(p.Flag)+nameBytes(p.Variants...))
	if silent {
		*failed = *failed || !x.accepts(t.s.outcomeOf(x, t.c))
		return nil
	}
	out := &TracePrerequisite{Flag: shortened(p.Flag), Variants: shortenedAll(p.Variants), State: TraceSkipped}
	if !*failed {
		var o *Outcome
		o, out.Trace = t.flag(p.Flag)
		out.Truncated = out.Trace == nil
		*failed = !x.accepts(o)
		out.State = traceState(truthOf(!*failed))
	}
	return out
}

// rule sets the outcome if the rule decides and no other one has, and is nil when there is no room to tell it, or none before it was told.
func (t *tracer) rule(x *rule, r *Rule, salt string, decided **Outcome, silent bool) *TraceRule {
	if silent || !t.take(traceRuleBytes+nameBytes(r.ID)) {
		if *decided == nil {
			*decided = x.decide(t.s, t.c)
		}
		return nil
	}
	out := &TraceRule{ID: shortened(r.ID), State: TraceSkipped}
	if *decided != nil {
		return out
	}
	result := yes
	if x.when != nil {
		kept := min(t.left/2, traceServeRoom)
		t.left -= kept
		out.When, result = t.condition(x.when, r.When)
		t.left += kept
		out.Truncated = out.When == nil
	}
	out.State = traceState(result)
	switch result {
	case broken:
		*decided = outcomeGeneral
	case no:
	case yes:
		*decided, out.Serve = t.serve(&x.serve, &r.Serve, salt)
		out.Truncated = out.Truncated || out.Serve == nil
	}
	return out
}

// decide is the outcome if the rule decides, and nil otherwise.
func (r *rule) decide(s *Snapshot, c *Context) *Outcome {
	if r.when != nil {
		switch r.when.eval(s, c) {
		case no:
			return nil
		case broken:
			return outcomeGeneral
		case yes:
		}
	}
	return r.serve.pick(c)
}

func traceState(r truth) TraceState {
	switch r {
	case yes:
		return TraceTrue
	case no:
		return TraceFalse
	default:
		return TraceError
	}
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
