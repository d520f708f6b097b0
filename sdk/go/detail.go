package dimmer

import "github.com/dimmerhq/dimmer/evaluator"

// The words of an answer; docs/ruleset.md says when each is given.
type (
	// Context is who or what a flag is evaluated for: a targeting key, which cohorts hash by default, and attributes.
	Context = evaluator.Context
	// Reason says how an answer came about, in OpenFeature's words.
	Reason = evaluator.Reason
	// Cause says which step of the evaluation decided; empty with an error.
	Cause = evaluator.Cause
	// ErrorCode says why the fallback was used, in OpenFeature's words; empty when it was not.
	ErrorCode = evaluator.ErrorCode
	// Revision orders the states of an environment: first by epoch, then by number.
	Revision = evaluator.Revision
	// Outcome is one flag's answer as [Client.All] gives it. It is immutable, and without a value when it carries an error.
	Outcome = evaluator.Outcome
)

// The reasons. STALE stands in for what would have been the reason when the ruleset has not been confirmed for longer than
// [WithStaleAfter] allows; the value is still the right one for that ruleset, and the cause still says how it came about.
const (
	ReasonStatic         = evaluator.ReasonStatic
	ReasonDefault        = evaluator.ReasonDefault
	ReasonTargetingMatch = evaluator.ReasonTargetingMatch
	ReasonSplit          = evaluator.ReasonSplit
	ReasonDisabled       = evaluator.ReasonDisabled
	ReasonStale          = evaluator.ReasonStale
	ReasonError          = evaluator.ReasonError
)

// The causes.
const (
	CauseKilled       = evaluator.CauseKilled
	CauseOff          = evaluator.CauseOff
	CausePrerequisite = evaluator.CausePrerequisite
	CauseRule         = evaluator.CauseRule
	CauseDefault      = evaluator.CauseDefault
	CauseUnexposed    = evaluator.CauseUnexposed
	CauseKeyless      = evaluator.CauseKeyless
)

// The errors that an evaluation can answer. ErrProviderNotReady: there is no ruleset yet.
const (
	ErrFlagNotFound     = evaluator.ErrFlagNotFound
	ErrParse            = evaluator.ErrParse
	ErrTypeMismatch     = evaluator.ErrTypeMismatch
	ErrInvalidContext   = evaluator.ErrInvalidContext
	ErrGeneral          = evaluator.ErrGeneral
	ErrProviderNotReady = evaluator.ErrProviderNotReady
)

// NewContext begins a context: NewContext("user-17").String("plan", "pro").Int("age", 42). An empty key is an absent one.
func NewContext(targetingKey string) *Context { return evaluator.NewContext(targetingKey) }

// ContextFromMap makes a context of a map as encoding/json would decode it; "targetingKey" is the key. The error names what breaks the
// limits of docs/ruleset.md.
func ContextFromMap(attributes map[string]any) (*Context, error) {
	return evaluator.ContextFromMap(attributes)
}

// ParseContext reads a context from JSON, within the limits of docs/ruleset.md.
func ParseContext(data []byte) (*Context, error) { return evaluator.ParseContext(data) }

// Detail is an answer, and how it came about.
type Detail[T any] struct {
	Value    T
	Variant  string // the variant's key; empty with an error
	Reason   Reason
	Cause    Cause
	Rule     string // the id of the rule that decided; empty for the default and before
	Version  int64  // the environment's revision at which the flag last changed; 0 with an error
	Revision Revision
	Error    ErrorCode // not empty: Value is the fallback
}

// detail spreads an outcome out and counts it.
func detail[T any](s Snapshot, flag string, o *evaluator.Outcome, value T, fits bool, fallback T) Detail[T] {
	s.count(flag, o, fits)
	o = o.Typed(fits)
	d := Detail[T]{
		Value: value, Variant: o.Variant(), Reason: o.Reason(), Cause: o.Cause(), Rule: o.Rule(), Version: o.Version(),
		Revision: s.rules.Revision(), Error: o.Error(),
	}
	switch {
	case s.rules == nil:
		d.Value, d.Error = fallback, ErrProviderNotReady
	case !fits:
		d.Value = fallback
	case s.client != nil && s.client.stale.Load():
		d.Reason = ReasonStale
	}
	return d
}
