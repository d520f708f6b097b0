package evaluator

import "encoding/json"

// Trace tells the steps of one evaluation as a tree that encodes to JSON. What was not looked at, because the answer stood already, is
// absent, or [TraceSkipped] where it stands beside something that was looked at.
//
// A trace has at most 64 KiB of JSON, whatever the ruleset and the context hold. What there is no room for is left out, and the part
// that it belongs to is marked Truncated; what is told is right, states and results included. Names of more than 1 KiB end in "…".
type Trace struct {
	Flag          string              `json:"flag"`
	Kills         []string            `json:"kills,omitempty"`    // the ids of the kills in force, sorted
	Disabled      bool                `json:"disabled,omitempty"` // enabled is false
	Problems      []string            `json:"problems,omitempty"` // why the flag is quarantined
	Prerequisites []TracePrerequisite `json:"prerequisites,omitempty"`
	Rules         []TraceRule         `json:"rules,omitempty"`
	Default       *TraceServe         `json:"default,omitempty"`
	Result        TraceResult         `json:"result"`
	Truncated     bool                `json:"truncated,omitempty"` // kills, problems, prerequisites, rules or the default are not all told
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

	Truncated bool `json:"truncated,omitempty"` // the value, or variant and rule, are too long to be told
}

// TracePrerequisite is a flag that had to resolve to one of the variants.
type TracePrerequisite struct {
	Flag     string     `json:"flag"`
	Variants []string   `json:"variants"`
	State    TraceState `json:"state"`
	Trace    *Trace     `json:"trace,omitempty"`

	Truncated bool `json:"truncated,omitempty"` // the trace is left out
}

// TraceRule is a rule: whether it matched, and if so what it served.
type TraceRule struct {
	ID    string          `json:"id"`
	State TraceState      `json:"state"`
	When  *TraceCondition `json:"when,omitempty"` // absent: always matches
	Serve *TraceServe     `json:"serve,omitempty"`

	Truncated bool `json:"truncated,omitempty"` // when or serve is left out
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

	Truncated bool `json:"truncated,omitempty"` // bucketBy is not all told, or an input is left out
}

// TraceKey is an attribute that was asked for a key.
type TraceKey struct {
	Attribute string `json:"attribute"`
	Value     any    `json:"value,omitempty"`     // absent: missing
	Key       string `json:"key,omitempty"`       // empty: it yields none
	Truncated bool   `json:"truncated,omitempty"` // the value is too long to be told
}

// TraceBucket is what was hashed, and where on the line it lies.
type TraceBucket struct {
	Input  string `json:"input,omitempty"`
	Bucket uint32 `json:"bucket"`

	Truncated bool `json:"truncated,omitempty"` // the input is too long to be told
}

// TraceRange is the range that holds the bucket.
type TraceRange struct {
	Variant string `json:"variant"`
	From    int    `json:"from"`
	To      int    `json:"to"`
}
