package adminapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/labstack/echo/v4"
)

// request is what the guard found out about a request, for the handler behind it. It belongs to the request's goroutine.
type request struct {
	op   *operation
	call admin.Call
	body []byte
	head http.Header // of the answer
	http *http.Request
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// guard stands before every route, bound to its operation when it is registered. Cheap checks come first, and nothing of the body is read
// before it is clear that the caller may do this here.
func (s *server) guard(op operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		who, err := s.admit(&op, r)
		if err != nil {
			return err
		}
		if err := checkPath(c); err != nil {
			return err
		}
		query, err := checkQuery(&op, r)
		if err != nil {
			return err
		}
		if !op.Open {
			if err := policy.Can(who, op.Action, resource(&op, c, query, who)); err != nil {
				return err
			}
		}
		req := &request{op: &op, call: admin.Call{Principal: who, Reason: query.Get("reason")}, head: c.Response().Header(), http: r}
		if req.call.IfMatch, err = ifMatch(&op, r); err != nil {
			return err
		}
		if req.body, err = readBody(&op, c.Response(), r); err != nil {
			return err
		}
		if req.call.Idempotency, err = idempotency(r, who, req.body); err != nil {
			return err
		}
		ctx := context.WithValue(r.Context(), requestKey{}, req)
		if limit := op.deadline(); limit > 0 {
			bounded, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			ctx = bounded
		}
		c.SetRequest(r.WithContext(ctx))
		return op.handle(c)
	}
}

// admit takes from the limits of address and token, and authenticates in between: who floods with bad tokens does not use up anybody's budget but
// that of his address.
func (s *server) admit(op *operation, r *http.Request) (policy.Principal, error) {
	address := s.opts.Address(r)
	class, now := classOf(op), s.opts.Clock()
	if err := s.limits.address(class, address, now); err != nil {
		return policy.Principal{}, err
	}
	if op.Open {
		return policy.Principal{Address: address}, nil
	}
	who, err := s.identify(r, address)
	if err != nil {
		return who, err
	}
	return who, s.limits.token(class, who.ID, now)
}

// identify finds out who calls: by the token that he shows, else by the session that his browser sends.
func (s *server) identify(r *http.Request, address string) (policy.Principal, error) {
	if text := sessionText(r); text != "" && len(r.Header.Values("Authorization")) == 0 {
		return s.resume(r, text, address)
	}
	text, err := bearer(r.Header)
	if err != nil {
		return policy.Principal{}, err
	}
	return s.opts.Auth.Authenticate(text, address)
}

// bearer is the token of a request. There is one place for it, and it is no URL: those are logged.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", feature.Unauthenticated("a token is required: Authorization: Bearer …")
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", feature.Unauthenticated("exactly one Authorization header of the form Bearer … is required")
	}
	return strings.TrimSpace(text), nil
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// resource is what the action is done to, as far as the request line tells.
func resource(op *operation, c echo.Context, query url.Values, who policy.Principal) policy.Resource {
	at := policy.Resource{Project: c.Param("project"), Environment: c.Param("environment")}
	if at.Project == "" {
		at.Project = query.Get("project")
	}
	if at.Environment == "" {
		at.Environment = query.Get("environment")
	}
	// An SDK's token says by itself what is evaluated.
	if op.evaluates() && at.Project == "" {
		at.Project = who.Project
	}
	if (op.evaluates() || op.Later) && at.Environment == "" {
		at.Environment = who.Environment
	}
	return at
}

// checkPath decodes path parameters once and refuses what cannot be a key: what has no possible name does not exist. echo leaves
// %2F as it is and decodes %00, so what is checked is the value that handlers get.
func checkPath(c echo.Context) error {
	names, values := c.ParamNames(), c.ParamValues()
	escaped := c.Request().URL.RawPath != ""
	if escaped {
		values = slices.Clone(values)
	}
	for i, name := range names {
		v := values[i]
		if escaped {
			plain, err := url.PathUnescape(v)
			if err != nil {
				return feature.NotFound(name, v)
			}
			v, values[i] = plain, plain
		}
		if !possible(name, v) {
			return feature.NotFound(name, v)
		}
	}
	if escaped {
		c.SetParamValues(values...)
	}
	return nil
}

// possible says whether something can have this name. No name has a character that URLs escape, so the generated code, which unescapes
// once more, changes nothing.
func possible(name, v string) bool {
	switch name {
	case "project", "environment", "flag", "segment":
		return feature.CheckKey(v) == nil
	case "side":
		return feature.CheckSide(feature.Side(v)) == nil
	case "revision":
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && n > 0 && strconv.FormatInt(n, 10) == v
	}
	if len(v) == 0 || len(v) > 128 {
		return false
	}
	return strings.IndexFunc(v, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("._-:", r)
	}) < 0
}

// checkQuery refuses parameters that the operation does not know, or that come twice: a mistyped one would otherwise be a request for something
// else than was meant.
func checkQuery(op *operation, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, feature.Malformed("", "the query cannot be read: %v", err)
	}
	for name, values := range query {
		switch {
		case !slices.Contains(op.Query, name) && len(op.Query) == 0:
			return nil, feature.Malformed("", "the query parameter %.64q is not known; there are none here", name)
		case !slices.Contains(op.Query, name):
			return nil, feature.Malformed("", "the query parameter %.64q is not known; there are %s", name, strings.Join(op.Query, ", "))
		case len(values) > 1:
			return nil, feature.Malformed("", "the query parameter %q is there %d times", name, len(values))
		}
	}
	return query, nil
}

// ifMatch is the version that If-Match names, without its quotes; "*" is any. A weak tag counts as what it was made from: proxies
// weaken tags when they compress, and the versions that we compare are equal only when the documents are. A write that would not check it
// refuses one: whoever sends it counts on that. Kills ignore it, for nothing stands in their way.
func ifMatch(op *operation, r *http.Request) (string, error) {
	values := r.Header.Values("If-Match")
	switch {
	case len(values) == 0, op.Action == policy.KillCreate:
		return "", nil
	case !op.Match && (op.Method == http.MethodGet || values[0] == "*"):
		return "", nil
	case !op.Match:
		return "", feature.Malformed("", "If-Match has no meaning here: there is no version that this could be compared with")
	}
	tag := strings.TrimSpace(values[0])
	if tag == "*" && len(values) == 1 {
		return tag, nil
	}
	tag = strings.TrimPrefix(tag, "W/")
	if len(values) > 1 || len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' || strings.ContainsAny(tag[1:len(tag)-1], `",`) {
		return "", feature.Malformed("", `If-Match must be one ETag as it was given, such as "7", or *`)
	}
	return tag[1 : len(tag)-1], nil
}

// idempotency scopes a client's key by token, method and path, and takes the hash of all else that says what is asked for.
func idempotency(r *http.Request, who policy.Principal, body []byte) (*admin.Idempotency, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil //nolint:nilnil // no key is no error: the call then gets one of its own
	}
	key := values[0]
	if len(values) > 1 || len(key) == 0 || len(key) > 128 || strings.ContainsFunc(key, func(c rune) bool { return c < 0x20 || c > 0x7e }) {
		return nil, feature.Malformed("", "Idempotency-Key must have 1 to 128 printable ASCII characters")
	}
	scope := sha256.Sum256([]byte(strings.Join([]string{who.ID, r.Method, r.URL.Path, key}, "\x00")))
	request := sha256.New()
	request.Write([]byte(r.URL.RawQuery + "\x00" + r.Header.Get("If-Match") + "\x00"))
	request.Write(body)
	return &admin.Idempotency{Key: "rest/" + hex.EncodeToString(scope[:]), Request: store.Hash(request.Sum(nil))}, nil
}
