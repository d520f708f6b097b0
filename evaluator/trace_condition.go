package evaluator

import "encoding/json"

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

	Truncated bool `json:"truncated,omitempty"` // what the state follows from is not all told
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
	Truncated  bool              `json:"truncated,omitempty"` // values or candidates are not all told; one that matches comes last
}

// TraceCandidate is a value that was compared. For exists, which compares nothing, neither is set.
type TraceCandidate struct {
	Value  any  `json:"value"`
	Usable bool `json:"usable"` // of a type that the operator takes
	Match  bool `json:"match"`

	Truncated bool `json:"truncated,omitempty"` // the value is too long to be told
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
	Truncated bool            `json:"truncated,omitempty"` // when is left out
}
