package evaluator

// Reason says how an answer came about, in OpenFeature's words.
type Reason string

// The reasons. ReasonStale is never given by this package: an SDK gives it when its ruleset is older than it may be.
const (
	ReasonStatic         Reason = "STATIC"
	ReasonDefault        Reason = "DEFAULT"
	ReasonTargetingMatch Reason = "TARGETING_MATCH"
	ReasonSplit          Reason = "SPLIT"
	ReasonDisabled       Reason = "DISABLED"
	ReasonStale          Reason = "STALE"
	ReasonError          Reason = "ERROR"
)

// Cause says which step of the evaluation decided. It is empty when the reason is ERROR.
type Cause string

// The causes.
const (
	CauseKilled       Cause = "killed"
	CauseOff          Cause = "off"
	CausePrerequisite Cause = "prerequisite"
	CauseRule         Cause = "rule"
	CauseDefault      Cause = "default"
	CauseUnexposed    Cause = "unexposed"
	CauseKeyless      Cause = "keyless"
)

// ErrorCode says why the caller's default is to be used, in OpenFeature's words.
type ErrorCode string

// The error codes. ErrTargetingKeyMissing and ErrProviderNotReady are given by SDKs and edges, not by this package.
const (
	ErrFlagNotFound        ErrorCode = "FLAG_NOT_FOUND"
	ErrParse               ErrorCode = "PARSE_ERROR"
	ErrTypeMismatch        ErrorCode = "TYPE_MISMATCH"
	ErrTargetingKeyMissing ErrorCode = "TARGETING_KEY_MISSING"
	ErrInvalidContext      ErrorCode = "INVALID_CONTEXT"
	ErrGeneral             ErrorCode = "GENERAL"
	ErrProviderNotReady    ErrorCode = "PROVIDER_NOT_READY"
)

// Result is the answer to one evaluation. With an Error, Value is zero (the caller's default is to be used) and Variant, Cause, Rule and
// Version are empty.
type Result struct {
	Value    Value
	Variant  string
	Reason   Reason
	Cause    Cause
	Rule     string // the id of the rule that decided, empty for the default and before
	Version  int64  // of the flag's document
	Revision Revision
	Error    ErrorCode
}

// Outcome is one of the answers that a flag can give, prepared when the flag was compiled, so that an evaluation only has to
// return a pointer. It is what an SDK's hot path uses; [Result] is the same, spread out. Outcomes are immutable.
type Outcome struct {
	value   Value
	variant string
	rule    string
	version int64
	reason  uint8 // index of reasons
	cause   uint8 // index of causes
	err     uint8 // index of errorCodes
	boolean bool  // of value, one load nearer
	isBool  bool
}

// What the numbers of an outcome stand for: as numbers they make it half as large, and it is the largest part of a compiled flag.
var (
	reasons    = [...]Reason{"", ReasonStatic, ReasonDefault, ReasonTargetingMatch, ReasonSplit, ReasonDisabled, ReasonError}
	causes     = [...]Cause{"", CauseKilled, CauseOff, CausePrerequisite, CauseRule, CauseDefault, CauseUnexposed, CauseKeyless}
	errorCodes = [...]ErrorCode{"", ErrFlagNotFound, ErrParse, ErrTypeMismatch, ErrInvalidContext, ErrGeneral}
)

const (
	_ uint8 = iota
	reasonStatic
	reasonDefault
	reasonMatch
	reasonSplit
	reasonDisabled
	reasonError
)

const (
	_ uint8 = iota
	causeKilled
	causeOff
	causePrerequisite
	causeRule
	causeDefault
	causeUnexposed
	causeKeyless
)

const (
	_ uint8 = iota
	errNotFound
	errParse
	errMismatch
	errContext
	errGeneral
)

// Bool is the boolean answer; false as the second result says that the caller's default is to be used.
func (o *Outcome) Bool() (value, ok bool) { return o.boolean, o.isBool }

// Value is the answer's value, zero when the caller's default is to be used.
func (o *Outcome) Value() Value { return o.value }

// Variant is the key of the variant that is served; empty with an error.
func (o *Outcome) Variant() string { return o.variant }

// Reason says how the answer came about.
func (o *Outcome) Reason() Reason { return reasons[o.reason] }

// Cause says which step decided.
func (o *Outcome) Cause() Cause { return causes[o.cause] }

// Rule is the id of the rule that decided, or empty.
func (o *Outcome) Rule() string { return o.rule }

// Version is the version of the flag's document; 0 with an error.
func (o *Outcome) Version() int64 { return o.version }

// Error is empty unless the caller's default is to be used.
func (o *Outcome) Error() ErrorCode { return errorCodes[o.err] }

// Result spreads the outcome out.
func (o *Outcome) Result(rev Revision) Result {
	return Result{
		Value: o.value, Variant: o.variant, Reason: reasons[o.reason], Cause: causes[o.cause], Rule: o.rule, Version: o.version,
		Revision: rev, Error: errorCodes[o.err],
	}
}

func failed(code uint8) *Outcome { return &Outcome{reason: reasonError, err: code} }

// The outcomes that belong to no flag.
var (
	outcomeNotFound = failed(errNotFound)
	outcomeParse    = failed(errParse)
	outcomeMismatch = failed(errMismatch)
	outcomeContext  = failed(errContext)
	outcomeGeneral  = failed(errGeneral)
)
