package adminapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// spec is openapi.yaml as far as tests look at it.
type spec struct {
	Paths map[string]map[string]any
	doc   map[string]any
}

func readSpec(t testing.TB) spec {
	t.Helper()
	s := spec{Paths: map[string]map[string]any{}}
	require.NoError(t, yaml.Unmarshal(description, &s.doc))
	for path, item := range s.doc["paths"].(map[string]any) {
		s.Paths[path] = item.(map[string]any)
	}
	return s
}

var methods = []string{"get", "put", "post", "patch", "delete"}

// resolve follows a reference within the document.
func (s spec) resolve(v any) map[string]any {
	m := v.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	at := any(s.doc)
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(map[string]any)[name]
	}
	return s.resolve(at)
}

// table is every operation, as the API registers them.
func table() []operation { return operations(&ServerInterfaceWrapper{}) }

// filled is a path of the description with things that are there.
func filled(path string) string {
	return strings.NewReplacer("{project}", "shop", "{environment}", "production", "{flag}", "checkout", "{segment}", "staff", "{rule}", "r1",
		"{kill}", "01JD0000000000000000000000", "{token}", "aaaaaaaaaaaaa", "{side}", "include", "{revision}", "1").Replace(path)
}

func TestTableIsTheDescription(t *testing.T) {
	s := readSpec(t)
	want := map[string]operation{}
	for path, item := range s.Paths {
		for _, method := range methods {
			op, there := item[method].(map[string]any)
			if !there {
				continue
			}
			action, declared := op["x-action"].(string)
			require.True(t, declared, "%s %s declares no x-action", method, path)
			later, _ := op["x-environment"].(string)
			require.Contains(t, []string{"", "later"}, later)
			credential, _ := op["x-credential"].(string)
			require.Contains(t, []string{"", "body"}, credential)
			want[strings.ToUpper(method)+" "+path] = operation{ID: op["operationId"].(string), Action: policy.Action(action), Later: later != "", Open: credential != ""}
		}
	}
	for _, op := range table() {
		name := op.Method + " " + op.Path
		require.Contains(t, want, name)
		got := operation{ID: op.ID, Action: op.Action, Later: op.Later, Open: op.Open}
		require.Equal(t, want[name], got, name)
		require.NotNil(t, op.handle)
		delete(want, name)
	}
	require.Empty(t, want, "operations of the description that are not served")
}

// TestEveryRouteIsGuarded looks at echo's own table: nothing is registered there but guarded operations and the open routes.
func TestEveryRouteIsGuarded(t *testing.T) {
	w := newWorld(t)
	known := map[string]bool{}
	for _, op := range table() {
		known[op.Method+" "+op.Route] = true
		if op.Method == http.MethodGet && !op.streams() {
			known[http.MethodHead+" "+op.Route] = true
		}
	}
	for path := range open {
		known["GET "+path], known["HEAD "+path] = true, true
	}
	for _, r := range w.echo.Routes() {
		require.True(t, known[r.Method+" "+r.Path], "%s %s is registered past the guard", r.Method, r.Path)
		delete(known, r.Method+" "+r.Path)
	}
	require.Empty(t, known, "declared but not registered")
}

func TestRouteWithoutAnActionIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, action := range []policy.Action{"", "flag.raed"} {
		op := operation{ID: "X", Method: http.MethodGet, Path: "/v1/x", Route: "/v1/x", Action: action, handle: func(echo.Context) error { return nil }}
		require.ErrorContains(t, w.server.register(echo.New(), []operation{op}), "which policy does not know")
	}
}

// One operation asks for no token before it acts. Another one has to be thought about, and written here.
func TestOneOperationIsOpen(t *testing.T) {
	var names []string
	for _, op := range table() {
		if op.Open {
			names = append(names, op.ID)
		}
	}
	require.Equal(t, []string{"SignIn"}, names)
}

// TestEveryRouteTimesEveryToken holds each route to package policy, whose own table is written by hand.
func TestEveryRouteTimesEveryToken(t *testing.T) {
	w := newWorld(t)
	names := []string{"none", "viewer", "operator", "editor", "admin", "root", "stranger", "staging", "server", "client", "kill"}
	before := w.heads()
	for _, op := range table() {
		for _, name := range names {
			for _, method := range methodsOf(op) {
				t.Run(op.ID+"/"+method+"/"+name, func(t *testing.T) { w.in(t).checkRight(t, op, method, name) })
			}
		}
	}
	after := w.heads()
	// Some of them made sign-in codes, for themselves; that is all.
	entries, err := w.stored.Log(t.Context(), store.System, 0, int(after[store.System].Revision-before[store.System].Revision))
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, "session.code", e.Meta.Verb)
	}
	delete(before, store.System)
	delete(after, store.System)
	require.Equal(t, before, after, "none of these requests changes anything")
}

func methodsOf(op operation) []string {
	if op.Method == http.MethodGet && !op.streams() {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{op.Method}
}

func (w *world) checkRight(t *testing.T, op operation, method, name string) {
	r := w.request(ask{method: method, path: filled(op.Path), token: name})
	if slices.Contains(op.Bodies, "application/json") {
		r.Header.Set("Content-Type", "text/plain") // refused after the rights were checked, so that nothing is done
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	if op.Open {
		require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode, "it looks at its body, and at nothing else")
		return
	}
	if name == "none" {
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Equal(t, `Bearer realm="dimmer"`, resp.Header.Get("WWW-Authenticate"))
		return
	}
	who := w.principal(name)
	at := policy.Resource{}
	if strings.Contains(op.Path, "{project}") {
		at.Project = "shop"
	}
	if strings.Contains(op.Path, "{environment}") {
		at.Environment = "production"
	}
	if op.evaluates() {
		at = policy.Resource{Project: who.Project, Environment: who.Environment}
	}
	if op.Later {
		at.Environment = who.Environment
	}
	err = policy.Can(who, op.Action, at)
	switch {
	case err == nil:
		require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError}, resp.StatusCode)
		if len(op.Bodies) > 0 {
			require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode)
		}
	case problemOf(err).Status == http.StatusNotFound:
		require.Equal(t, http.StatusNotFound, resp.StatusCode, "what one may not see does not exist")
	default:
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
	}
}

func TestDeadlines(t *testing.T) {
	for _, op := range table() {
		switch op.ID {
		case "StreamEvents", "Backup", "EvaluateAll", "EvaluateFlag": // the last two answer from memory
			require.Zero(t, op.deadline(), op.ID)
		case "KillFlag", "KillByTag":
			require.Greater(t, op.deadline(), maxWait, op.ID)
		default:
			require.Equal(t, 30*time.Second, op.deadline(), op.ID)
		}
	}
}
