package adminapi

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/labstack/echo/v4"
)

// operation is one route of the description. The table of them is generated.
type operation struct {
	ID     string
	Method string
	Path   string // as the description has it: /v1/projects/{project}
	Route  string // as echo takes it: /v1/projects/:project
	Action policy.Action
	// Later: the environment that the operation is about stands in the body or in a stored object. The route is then checked for the principal's
	// own environment, and the verb checks the one that it finds.
	Later bool
	// Open: the credential is in the body. The operation answers for itself who may do it; nothing else is known of the caller but the address.
	Open   bool
	Bodies []string // media types that it takes; none: it takes no body
	Query  []string // query parameters that it knows
	Match  bool     // it checks If-Match

	handle echo.HandlerFunc
}

// Limits of a request's body in bytes, before anything is decoded.
const (
	maxAdminBody    = feature.MaxDocument
	maxEvaluateBody = 64 << 10
)

// evaluates says whether the operation answers evaluations rather than administers.
func (op *operation) evaluates() bool {
	return op.Action == policy.Evaluate || op.Action == policy.EvaluateClient || op.Action == policy.EvaluateTrace
}

func (op *operation) maxBody() int {
	if op.evaluates() {
		return maxEvaluateBody
	}
	return maxAdminBody
}

// streams says whether the answer may take as long as it wants.
func (op *operation) streams() bool { return op.Action == policy.EventRead || op.ID == "Backup" }

const standardDeadline = 30 * time.Second

// deadline bounds how long an answer may take: a kill waits for receipts, a stream for ever (0). An evaluation comes from memory, and a timer would cost a part of it.
func (op *operation) deadline() time.Duration {
	switch {
	case op.streams(), op.evaluates():
		return 0
	case op.Action == policy.KillCreate:
		return maxWait + standardDeadline
	}
	return standardDeadline
}

// register adds routes to echo, each behind its guard. A GET that does not stream answers HEAD as well.
func (s *server) register(e *echo.Echo, ops []operation) error {
	known := policy.Actions()
	for _, op := range ops {
		if !slices.Contains(known, op.Action) {
			return fmt.Errorf("adminapi: %s %s declares the action %q, which policy does not know", op.Method, op.Path, op.Action)
		}
		guarded := s.guard(op)
		e.Add(op.Method, op.Route, guarded)
		if op.Method == http.MethodGet && !op.streams() {
			e.Add(http.MethodHead, op.Route, guarded)
		}
	}
	return nil
}

// open are the routes that need no token. Nothing about an installation can be learnt from them but that it runs.
var open = map[string]bool{"/openapi.yaml": true, "/healthz": true, "/readyz": true}

func (s *server) registerOpen(e *echo.Echo) error {
	for path, handle := range map[string]echo.HandlerFunc{"/openapi.yaml": s.describe, "/healthz": s.healthy, "/readyz": s.ready} {
		if !open[path] {
			return fmt.Errorf("adminapi: %s is not among the open routes", path)
		}
		guarded := func(c echo.Context) error {
			if err := s.limits.address(classOther, s.opts.Address(c.Request()), s.opts.Clock()); err != nil {
				return err
			}
			return handle(c)
		}
		e.GET(path, guarded)
		e.HEAD(path, guarded)
	}
	return nil
}

func (s *server) describe(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml; charset=utf-8", description)
}

// healthy says that the process runs, whatever becomes of the store.
func (s *server) healthy(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok", "version": s.opts.Version})
}

// ready says whether requests should be sent here.
func (s *server) ready(c echo.Context) error {
	if err := s.opts.Ready(); err != nil {
		return feature.Unavailable(err, "this process is not ready")
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}
