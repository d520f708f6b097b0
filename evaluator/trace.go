package evaluator

import (
	"encoding/json"
	"strings"
)

// Trace tells the steps of one evaluation as a tree that encodes to JSON. What was not looked at, because the answer stood already, is
// absent, or [TraceSkipped] where it stands beside something that was looked at.
type Trace struct {
	Flag          string              `json:"flag"`
	Kills         []string            `json:"kills,omitempty"`    // the ids of the kills in force, sorted
	Disabled      bool                `json:"disabled,omitempty"` // enabled is false
	Problems      []string            `json:"problems,omitempty"` // why the flag is quarantined
	Prerequisites []TracePrerequisite `json:"prerequisites,omitempty"`
	Rules         []TraceRule         `json:"rules,omitempty"`
	Default       *TraceServe         `json:"default,omitempty"`
	Result        TraceResult         `json:"result"`
}

// TraceState is what a condition, rule or prerequisite came to.
type TraceState string

// The states. An error is a flag condition whose flag ended in ERROR.
const (
	TraceTrue    TraceState = "true"
	TraceFalse   TraceState = "false"
	TraceError   TraceState = "error"
	TraceSkipped TraceState = "skipped"
)

// TraceResult is a [Result].
type TraceResult struct {
	Value   json.RawMessage `json:"value,omitempty"` // absent with an error
	Variant string          `json:"variant,omitempty"`
	Reason  Reason          `json:"reason"`
	Cause   Cause           `json:"cause,omitempty"`
	Rule    string          `json:"rule,omitempty"`
	Version int64           `json:"version,omitempty"`
	Error   ErrorCode       `json:"error,omitempty"`
}

// TracePrerequisite is a flag that had to resolve to one of the variants.
type TracePrerequisite struct {
	Flag     string     `json:"flag"`
	Variants []string   `json:"variants"`
	State    TraceState `json:"state"`
	Trace    *Trace     `json:"trace,omitempty"`
}

// TraceRule is a rule: whether it matched, and if so what it served.
type TraceRule struct {
	ID    string          `json:"id"`
	State TraceState      `json:"state"`
	When  *TraceCondition `json:"when,omitempty"` // absent: always matches
	Serve *TraceServe     `json:"serve,omitempty"`
}

// TraceServe is a variant, or how a distribution came to one. Served is empty when the next rule has to decide.
type TraceServe struct {
	Served       string             `json:"served,omitempty"`
	Distribution *TraceDistribution `json:"distribution,omitempty"`
}

// TraceDistribution tells both stages of a distribution. Stages that needed no bucket have none.
type TraceDistribution struct {
	BucketBy []TraceKey   `json:"bucketBy,omitempty"` // up to the one that yielded the key
	Exposure int          `json:"exposure"`           // of 100,000
	Expose   *TraceBucket `json:"expose,omitempty"`
	Exposed  bool         `json:"exposed"`
	Keyless  bool         `json:"keyless,omitempty"` // not exposed because no attribute yields a key
	Assign   *TraceBucket `json:"assign,omitempty"`
	Range    *TraceRange  `json:"range,omitempty"`
}

// TraceKey is an attribute that was asked for a key.
type TraceKey struct {
	Attribute string `json:"attribute"`
	Value     any    `json:"value,omitempty"` // absent: missing
	Key       string `json:"key,omitempty"`   // empty: it yields none
}

// TraceBucket is what was hashed, and where on the line it lies.
type TraceBucket struct {
	Input  string `json:"input"`
	Bucket uint32 `json:"bucket"`
}

// TraceRange is the range that holds the bucket.
type TraceRange struct {
	Variant string `json:"variant"`
	From    int    `json:"from"`
	To      int    `json:"to"`
}

// EvaluateTrace is [Snapshot.Evaluate], and how the answer came about. It is slower and allocates.
func (s *Snapshot) EvaluateTrace(flag string, c *Context) (Result, *Trace) {
	if s == nil {
		s = &Snapshot{}
	}
	if c == nil {
		c = emptyContext
	}
	t := &tracer{s: s, c: c, flags: map[string]*Flag{}, segments: map[string]*Segment{}}
	o, trace := t.flag(flag)
	return o.Result(s.Revision()), trace
}

// tracer evaluates like [Snapshot.Outcome], with the authored documents beside the compiled ones.
type tracer struct {
	s        *Snapshot
	c        *Context
	flags    map[string]*Flag // decoded so far
	segments map[string]*Segment
}

func (t *tracer) flag(key string) (*Outcome, *Trace) {
	trace := &Trace{Flag: key}
	o := t.steps(key, trace)
	trace.Result = TraceResult{
		Value: json.RawMessage(o.value.JSON()), Variant: o.variant, Reason: o.Reason(), Cause: o.Cause(), Rule: o.rule, Version: o.version,
		Error: o.Error(),
	}
	return o, trace
}

func (t *tracer) steps(key string, trace *Trace) *Outcome {
	n := t.s.nodes[tableFlags].get(hashString(key), key)
	if n == nil {
		return outcomeNotFound
	}
	if n.kills > 0 {
		trace.Kills = t.s.killsOf(key)
	}
	if n.plain != nil && n.doc.head.plain != n.plain { // killed, off or quarantined
		trace.Disabled = n.doc.head.sound && !n.doc.head.enabled
		for _, p := range n.problems() {
			trace.Problems = append(trace.Problems, strings.TrimPrefix(p.Path+": "+p.Msg, ": "))
		}
		return n.plain
	}
	f := t.flags[key]
	if f == nil {
		decoded := newDecoder(n.doc.document()).decodeFlag()
		f = &decoded
		t.flags[key] = f
	}
	if t.c.err != nil && n.plain == nil {
		return outcomeContext
	}
	return t.body(n.doc.flag, f, trace)
}

func (t *tracer) body(x *flag, f *Flag, trace *Trace) *Outcome {
	trace.Prerequisites = make([]TracePrerequisite, len(f.Prerequisites))
	failed := false
	for i, p := range f.Prerequisites {
		out := &trace.Prerequisites[i]
		*out = TracePrerequisite{Flag: p.Flag, Variants: p.Variants, State: TraceSkipped}
		if !failed {
			var o *Outcome
			o, out.Trace = t.flag(p.Flag)
			failed = !x.prerequisites[i].accepts(o)
			out.State = traceState(truthOf(!failed))
		}
	}
	if failed {
		return x.failed
	}
	var decided *Outcome
	trace.Rules = make([]TraceRule, len(f.Rules))
	for i := range f.Rules {
		trace.Rules[i] = TraceRule{ID: f.Rules[i].ID, State: TraceSkipped}
		if decided == nil {
			decided = t.rule(&x.rules[i], &f.Rules[i], f.Salt, &trace.Rules[i])
		}
	}
	if decided != nil {
		return decided
	}
	decided, trace.Default = t.serve(&x.fallback, &f.Default, f.Salt)
	return decided
}

// rule is the outcome if the rule decides, and nil otherwise.
func (t *tracer) rule(x *rule, r *Rule, salt string, out *TraceRule) *Outcome {
	result := yes
	if x.when != nil {
		when := TraceCondition{}
		result = t.condition(x.when, r.When, &when)
		out.When = &when
	}
	out.State = traceState(result)
	switch result {
	case broken:
		return outcomeGeneral
	case no:
		return nil
	case yes:
	}
	var o *Outcome
	o, out.Serve = t.serve(&x.serve, &r.Serve, salt)
	return o
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
