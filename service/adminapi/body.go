package adminapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/labstack/echo/v4"
)

// bodyTimeout bounds how long a body of at most 256 KiB may take to arrive.
const bodyTimeout = 10 * time.Second

// lastOfBody is how long the rest of a body that is refused may take to arrive.
const lastOfBody = time.Second

// mediaTypeError is 415. It is the one answer that has no code of package feature: only HTTP has media types.
type mediaTypeError struct{ msg string }

func (e *mediaTypeError) Error() string { return e.msg }

// readBody reads a request's body, all of it and no more than the operation allows, without looking into it.
func readBody(op *operation, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if len(op.Bodies) == 0 {
		if r.ContentLength != 0 {
			return nil, feature.Malformed("", "%s takes no body", r.Method)
		}
		return nil, nil
	}
	if err := checkMediaType(op, r); err != nil {
		return nil, err
	}
	limit := op.maxBody()
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	control := http.NewResponseController(w)
	// Not every ResponseWriter can do this (tests' recorders cannot); the server's own timeouts then have to do.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := readAll(r, limit)
	if err != nil || len(body) > limit {
		// net/http reads on before it answers, so that the connection can be used again: the deadline has to stay, or whoever sends
		// a byte an hour keeps a connection and a goroutine for ever. What is left of this body is not worth waiting for, but what is on its way is
		// read: a connection that is closed on it is reset, and the answer is lost.
		_ = control.SetReadDeadline(time.Now().Add(lastOfBody))
		w.Header().Set("Connection", "close")
	} else if !op.evaluates() { // which are answered long before it
		_ = control.SetReadDeadline(time.Time{}) // or it would end what the handler waits for
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, feature.Malformed("", "the body did not arrive within %s", bodyTimeout)
	case err != nil:
		return nil, feature.Malformed("", "the body broke off")
	case len(body) > limit:
		return nil, tooLarge(limit)
	}
	return body, nil
}

func tooLarge(limit int) error {
	return &feature.Error{Code: feature.CodeTooLarge, Msg: "the body has more than " + byteCount(limit)}
}

// readAll reads at most limit+1 bytes, into a buffer of the right size when the length is known.
func readAll(r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// checkMediaType takes JSON alone, which a browser's form cannot send. It leaves the bare type in the header for the generated code.
func checkMediaType(op *operation, r *http.Request) error {
	if values := r.Header.Values("Content-Encoding"); len(values) > 0 && !strings.EqualFold(values[0], "identity") {
		return &mediaTypeError{"the body must not be compressed"}
	}
	values := r.Header.Values("Content-Type")
	if len(values) == 1 && slices.Contains(op.Bodies, values[0]) {
		return nil // as almost everybody writes it
	}
	want := strings.Join(op.Bodies, " or ")
	if len(values) != 1 {
		return &mediaTypeError{"the body must be " + want}
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil || !slices.Contains(op.Bodies, media) {
		return &mediaTypeError{"the body must be " + want}
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return &mediaTypeError{"the body must be " + want + " in UTF-8"}
		}
	}
	r.Header.Set("Content-Type", media)
	return nil
}

func byteCount(n int) string {
	if n%(1<<10) == 0 {
		return itoa(n>>10) + " KiB"
	}
	return itoa(n) + " bytes"
}

// binder decodes every body of the API strictly. echo's own would accept what this refuses: unknown and duplicate members, trailing
// text, nothing at all; and it would not know merge patches.
type binder struct{}

// Bind implements [echo.Binder].
func (binder) Bind(v any, c echo.Context) error {
	req := requestOf(c.Request().Context())
	if req == nil {
		return feature.Internal(nil, "a body is decoded on a route that has no guard")
	}
	return feature.DecodeStrict(req.body, v, feature.Limits{Bytes: req.op.maxBody()})
}
