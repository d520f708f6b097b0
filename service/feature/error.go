package feature

import (
	"errors"
	"fmt"
	"strings"
)

// Code classes an error. Each transport has one table from codes to its own status.
type Code string

// The codes, with the HTTP status that they are answered with.
const (
	CodeMalformed            Code = "malformed"             // 400: not JSON, unknown or duplicate field, wrong type
	CodeUnauthenticated      Code = "unauthenticated"       // 401
	CodeDenied               Code = "denied"                // 403
	CodeNotFound             Code = "not_found"             // 404
	CodeConflict             Code = "conflict"              // 409: the state of things does not allow it
	CodeExists               Code = "exists"                // 409: the key is taken
	CodeReferenced           Code = "referenced"            // 409: others refer to it; Details name them
	CodePrecondition         Code = "precondition"          // 412: If-Match is stale
	CodeTooLarge             Code = "too_large"             // 413
	CodeInvalid              Code = "invalid"               // 422: well formed, but not allowed; Details list every problem
	CodePreconditionRequired Code = "precondition_required" // 428: If-Match is missing
	CodeRateLimited          Code = "rate_limited"          // 429
	CodeUnavailable          Code = "unavailable"           // 503: the store does not answer; the request may be repeated
	CodeFull                 Code = "full"                  // 507: the store is nearly full; only kills, clears and lowering are taken
	CodeInternal             Code = "internal"              // 500: a defect; Msg is not for outsiders
)

// Error is the error of every package of the service. Msg is for the person who asked, and holds nothing of the inside; Err
// is the cause, for the log. Path is a JSON pointer (RFC 6901) into the request's document, "" for the whole.
type Error struct {
	Code    Code
	Path    string
	Msg     string
	Err     error
	Details []Error // several problems at once, or the referrers of a CodeReferenced
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// At returns the error with its path, and those of its details, put below prefix (a JSON pointer).
func (e *Error) At(prefix string) *Error {
	c := *e
	c.Path = prefix + e.Path
	c.Details = make([]Error, len(e.Details))
	for i := range e.Details {
		c.Details[i] = *e.Details[i].At(prefix)
	}
	return &c
}

// CodeOf is the code of the first Error in err's chain, CodeInternal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Problems lists what an error complains of: its details, or itself.
func Problems(err error) []Error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return []Error{{Code: CodeInternal, Msg: err.Error(), Err: err}}
	case len(e.Details) > 0 && e.Code == CodeInvalid:
		return e.Details
	}
	return []Error{*e}
}

// Join makes one invalid error of all problems in errs, the same problem once; nil when there are none. An error of another
// code wins over all invalid ones, since then nothing can be said about the rest.
func Join(errs ...error) error {
	var p problems
	for _, err := range errs {
		if err == nil {
			continue
		}
		if CodeOf(err) != CodeInvalid {
			return err
		}
		for _, e := range Problems(err) {
			p.put(e)
		}
	}
	return p.err()
}

// Invalid is an error of one field.
func Invalid(path, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// Malformed is an error of the text of a request.
func Malformed(path, format string, args ...any) *Error {
	return &Error{Code: CodeMalformed, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// NotFound says that something is not there, or not for this caller. kind is a glossary word ("flag").
func NotFound(kind, key string) *Error {
	return &Error{Code: CodeNotFound, Msg: fmt.Sprintf("there is no %s %s", kind, quote(key))}
}

// Conflict says that the state of things does not allow the request.
func Conflict(format string, args ...any) *Error {
	return &Error{Code: CodeConflict, Msg: fmt.Sprintf(format, args...)}
}

// Exists says that a key is taken.
func Exists(kind, key string) *Error {
	return &Error{Code: CodeExists, Msg: fmt.Sprintf("there is already %s %s %s", article(kind), kind, quote(key))}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

// Denied says that the caller is known and may not.
func Denied(format string, args ...any) *Error {
	return &Error{Code: CodeDenied, Msg: fmt.Sprintf(format, args...)}
}

// Unauthenticated says that the caller is not known.
func Unauthenticated(format string, args ...any) *Error {
	return &Error{Code: CodeUnauthenticated, Msg: fmt.Sprintf(format, args...)}
}

// Unavailable says that the request may succeed when it is repeated.
func Unavailable(err error, format string, args ...any) *Error {
	return &Error{Code: CodeUnavailable, Msg: fmt.Sprintf(format, args...), Err: err}
}

// Internal wraps a defect.
func Internal(err error, format string, args ...any) *Error {
	return &Error{Code: CodeInternal, Msg: fmt.Sprintf(format, args...), Err: err}
}

// problems collects what is wrong with a document, in the order found, each once.
type problems struct {
	list []Error
}

func (p *problems) add(path, format string, args ...any) {
	p.put(*Invalid(path, format, args...))
}

func (p *problems) put(e Error) {
	if len(p.list) >= maxProblems {
		return
	}
	for _, o := range p.list {
		if o.Path == e.Path && o.Msg == e.Msg {
			return
		}
	}
	p.list = append(p.list, e)
}

// merge takes over the problems of err, which is an *Error or nil, below path.
func (p *problems) merge(path string, err error) {
	for _, e := range Problems(err) {
		p.put(*e.At(path))
	}
}

// err is nil, the one problem, or an error that lists them all.
func (p *problems) err() error {
	switch len(p.list) {
	case 0:
		return nil
	case 1:
		e := p.list[0]
		return &e
	}
	return &Error{Code: CodeInvalid, Path: p.list[0].Path, Msg: fmt.Sprintf("%s (and %d more)", p.list[0].Msg, len(p.list)-1), Details: p.list}
}

// Pointer joins names to a JSON pointer, escaped.
func Pointer(names ...any) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteByte('/')
		b.WriteString(pointerEscaper.Replace(fmt.Sprint(n)))
	}
	return b.String()
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")
