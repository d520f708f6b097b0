package adminapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/labstack/echo/v4"
)

// statuses is the one table from codes to HTTP.
var statuses = map[feature.Code]int{
	feature.CodeMalformed:            http.StatusBadRequest,
	feature.CodeUnauthenticated:      http.StatusUnauthorized,
	feature.CodeDenied:               http.StatusForbidden,
	feature.CodeNotFound:             http.StatusNotFound,
	feature.CodeConflict:             http.StatusConflict,
	feature.CodeExists:               http.StatusConflict,
	feature.CodeReferenced:           http.StatusConflict,
	feature.CodePrecondition:         http.StatusPreconditionFailed,
	feature.CodeTooLarge:             http.StatusRequestEntityTooLarge,
	feature.CodeInvalid:              http.StatusUnprocessableEntity,
	feature.CodePreconditionRequired: http.StatusPreconditionRequired,
	feature.CodeRateLimited:          http.StatusTooManyRequests,
	feature.CodeUnavailable:          http.StatusServiceUnavailable,
	feature.CodeFull:                 http.StatusInsufficientStorage,
	feature.CodeInternal:             http.StatusInternalServerError,
}

// Codes that HTTP alone has.
const (
	codeMethodNotAllowed = "method_not_allowed"
	codeMediaType        = "unsupported_media_type"
)

// maxDetails bounds the list of problems in one answer.
const maxDetails = 100

// tooMany is a rate limit that was hit, with the time until the next request is taken.
type tooMany struct{ wait time.Duration }

func (e *tooMany) Error() string { return "too many requests" }

// problemOf says what an error is answered with. Nothing of an error's cause reaches the caller.
func problemOf(err error) Problem {
	p := Problem{Type: "about:blank"}
	var limited *tooMany
	var media *mediaTypeError
	var fromEcho *echo.HTTPError
	var known *feature.Error
	switch {
	case errors.As(err, &limited):
		p.Status, p.Code, p.Detail = http.StatusTooManyRequests, string(feature.CodeRateLimited), "too many requests; Retry-After says when to go on"
	case errors.As(err, &media):
		p.Status, p.Code, p.Detail = http.StatusUnsupportedMediaType, codeMediaType, media.msg
	case errors.As(err, &known):
		p.Status, p.Code, p.Detail, p.Pointer = statuses[known.Code], string(known.Code), known.Msg, known.Path
		if p.Status == 0 || known.Code == feature.CodeInternal {
			p.Status, p.Code, p.Detail, p.Pointer = http.StatusInternalServerError, string(feature.CodeInternal), "", ""
			break
		}
		for _, d := range known.Details[:min(len(known.Details), maxDetails)] {
			p.Errors = append(p.Errors, ProblemDetail{Pointer: d.Path, Detail: d.Msg, Code: string(d.Code)})
		}
	case errors.As(err, &fromEcho) && fromEcho.Code < http.StatusInternalServerError:
		fillFromEcho(&p, fromEcho)
	default:
		p.Status, p.Code = http.StatusInternalServerError, string(feature.CodeInternal)
	}
	if p.Status == http.StatusInternalServerError {
		p.Detail = "this is a defect; its id is in the server's log"
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// fillFromEcho is for what echo and the generated code refuse by themselves: unknown routes, methods, and parameters of the wrong form.
func fillFromEcho(p *Problem, err *echo.HTTPError) {
	p.Status = err.Code
	switch err.Code {
	case http.StatusNotFound:
		p.Code, p.Detail = string(feature.CodeNotFound), "there is nothing here; /openapi.yaml lists what there is"
	case http.StatusMethodNotAllowed:
		p.Code, p.Detail = codeMethodNotAllowed, "Allow lists the methods that are"
	default:
		p.Status, p.Code, p.Detail = http.StatusBadRequest, string(feature.CodeMalformed), parameterDetail(fmt.Sprint(err.Message))
	}
}

// parameterDetail says in words of this API what the generated code says of a parameter in those of package strconv.
func parameterDetail(message string) string {
	rest, generated := strings.CutPrefix(message, "Invalid format for parameter ")
	name, why, _ := strings.Cut(rest, ":")
	switch {
	case !generated:
		return fmt.Sprintf("%.200s", message)
	case strings.Contains(why, "strconv.ParseBool"):
		return fmt.Sprintf("%.64s must be true or false", name)
	case strings.Contains(why, "strconv.Parse"):
		return fmt.Sprintf("%.64s must be a whole number", name)
	}
	return fmt.Sprintf("%.64s does not have the form that it needs", name)
}

// answerError is echo's error handler: the only place where an error becomes an answer, and the only one that logs it.
func (s *server) answerError(err error, c echo.Context) {
	r, w := c.Request(), c.Response()
	p := problemOf(err)
	p.Id = newID()
	level := slog.LevelDebug
	switch {
	case errors.Is(err, context.Canceled), open[c.Path()]: // the caller has left; or it is a probe, which asks so as to be told
	case p.Status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case p.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	s.opts.Logger.Log(r.Context(), level, "request refused", "id", p.Id, "method", r.Method, "route", c.Path(), "status", p.Status, "code", p.Code, "error", err)
	if w.Committed {
		panic(http.ErrAbortHandler) // half an answer is out: breaking the connection off is how the caller learns that it is no whole one
	}
	h := w.Header()
	h.Del("ETag")
	var limited *tooMany
	switch {
	case errors.As(err, &limited):
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(limited.wait.Seconds())))))
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	case p.Status == http.StatusUnauthorized:
		challenge := `Bearer realm="dimmer"`
		if r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	body, encodeErr := feature.Encode(p)
	if encodeErr != nil {
		s.opts.Logger.Error("a problem document cannot be encoded", "id", p.Id, "error", encodeErr)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // nobody is left who could be told
	}
}

// recovered makes a defect of a panic. The stack goes to the log alone. It is deferred.
func recovered(err *error) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value of a panic as well
		panic(v) // how a handler breaks an answer off on purpose; net/http knows it
	}
	*err = feature.Internal(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), "panic")
}

func newID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails; it ends the program instead
	return hex.EncodeToString(raw[:])
}

func itoa(n int) string { return strconv.Itoa(n) }
