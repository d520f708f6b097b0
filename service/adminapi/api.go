// Package adminapi is the REST edge: it decodes a request, calls one verb of package admin (or asks the feed for an answer), and encodes what
// came back. The published description, openapi.yaml, is where routes come from: api.gen.go is made from it, and so is the table that ties
// each route to the action that policy is asked about. A route without an action cannot be registered.
//
// It decides nothing about flags, and keeps nothing between requests but rate limits.
package adminapi

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/labstack/echo/v4"
)

// description is openapi.yaml, served as it is.
//
//go:embed openapi.yaml
var description []byte

// Authenticator is what this package needs of package auth: who calls, whether the token behind a principal is still good, and sessions.
type Authenticator interface {
	Authenticate(text, address string) (policy.Principal, error)
	Check(p policy.Principal) error
	SignIn(ctx context.Context, text, address string) (auth.Session, error)
	Redeem(ctx context.Context, code, address string) (auth.Session, error)
	Resume(ctx context.Context, text, address string) (policy.Principal, error)
	SignOut(ctx context.Context, p policy.Principal) error
	Code(ctx context.Context, p policy.Principal) (string, time.Time, error)
}

// Receipts is what this package needs of package receipt: who has acknowledged a revision, and who is there.
type Receipts interface {
	Wait(ctx context.Context, project, environment string, at store.Cursor, want receipt.Want) (receipt.Receipt, error)
	List(ctx context.Context, project, environment string) (receipt.List, error)
}

// Options are what the API is made of. Admin, Auth and Store are required.
type Options struct {
	Admin *admin.Service
	Auth  Authenticator
	// Feeds answer evaluations; nil on a node without that role, which then answers them with 503.
	Feeds *feed.Set
	// Receipts say who has acknowledged a kill; nil: nobody is waited for.
	Receipts Receipts
	// Store is for its report, backup and adoption alone; all else goes through Admin.
	Store store.Store
	// Ready is nil while the process can serve; its error is logged, not shown. nil: always.
	Ready   func() error
	Version string
	Logger  *slog.Logger     // nil: discards
	Clock   func() time.Time // nil: time.Now
	// UI serves everything that is not of the API; nil: 404.
	UI http.Handler
	// Address tells the peer's address, for the log and for rate limits; nil: that of the connection. Behind a proxy that one trusts, it
	// reads what the proxy says.
	Address    func(*http.Request) string
	RateLimits RateLimits
	// Heartbeat is the time between signs of life on a stream of events; zero: 5 s. Check is how often an open stream asks whether its
	// token is still good; zero: 2 s.
	Heartbeat, Check time.Duration
}

// server implements the generated StrictServerInterface. It is immutable but for what it counts, which locks.
type server struct {
	opts    Options
	limits  limits
	streams streams
	cross   *http.CrossOriginProtection

	writeTimeout time.Duration // of one write to a stream
}

// New makes the handler of the REST API. All that it serves may be called concurrently. A stream of events ends with the context of its
// request: the server that serves this handler cancels that when it drains.
func New(opts Options) (http.Handler, error) {
	s, e, err := build(opts)
	if err != nil {
		return nil, err
	}
	return s.handler(e), nil
}

func build(opts Options) (*server, *echo.Echo, error) {
	if opts.Admin == nil || opts.Auth == nil || opts.Store == nil {
		return nil, nil, errors.New("adminapi: Admin, Auth and Store are required")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Address == nil {
		opts.Address = peer
	}
	if opts.Ready == nil {
		opts.Ready = func() error { return nil }
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 5 * time.Second
	}
	if opts.Check == 0 {
		opts.Check = 2 * time.Second
	}
	s := &server{opts: opts, limits: newLimits(opts.RateLimits), cross: http.NewCrossOriginProtection(), writeTimeout: writeTimeout}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Binder = binder{}
	e.HTTPErrorHandler = s.answerError
	e.Logger.SetOutput(io.Discard)
	e.Use(s.envelope)
	if err := s.register(e, operations(&ServerInterfaceWrapper{Handler: NewStrictHandler(s, nil)})); err != nil {
		return nil, nil, err
	}
	return s, e, s.registerOpen(e)
}

// handler gives the UI what is not of the API.
func (s *server) handler(e *echo.Echo) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opts.UI != nil && !ofAPI(r.URL.Path) {
			s.opts.UI.ServeHTTP(w, r)
			return
		}
		e.ServeHTTP(w, unescaped(r))
	})
}

// unescaped lets echo route by the path that is meant (rules:order) instead of the one that was written (rules%3Aorder), unless a slash is
// escaped in it: that is no separator, and belongs to a name that nothing has.
func unescaped(r *http.Request) *http.Request {
	if r.URL.RawPath == "" || strings.Count(r.URL.RawPath, "/") != strings.Count(r.URL.Path, "/") {
		return r
	}
	u := *r.URL
	u.RawPath = ""
	c := *r
	c.URL = &u
	return &c
}

// always are headers of every answer. All answers share the values, which nobody writes to: [http.Header.Set] puts others in their place.
var always = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Cache-Control":           {"no-store"},
	"Referrer-Policy":         {"no-referrer"},
}

// envelope puts around every route, known or not, what holds for every answer.
func (s *server) envelope(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		maps.Copy(c.Response().Header(), always)
		defer recovered(&err)
		// A browser on another site has no business here, whatever token it may hold. No CORS header is ever sent.
		if err := s.cross.Check(c.Request()); err != nil {
			return feature.Denied("a browser's request from another origin is refused")
		}
		return next(c)
	}
}

// ofAPI says whether a path belongs to the API rather than the UI. It decides who answers, never what is allowed.
func ofAPI(at string) bool {
	if strings.Contains(at, "//") { // it is nothing's path, and whoever mistyped one of the API's is told so as by the API
		at = path.Clean(at)
	}
	return strings.HasPrefix(at, "/v1/") || at == "/v1" || at == "/openapi.yaml" || at == "/healthz" || at == "/readyz"
}
