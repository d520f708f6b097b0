package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exchange is one request that a command is expected to make, and how it is answered.
type exchange struct {
	request string // method and path with query
	body    string // JSON; empty: none expected
	status  int
	answer  string
}

// serveExchanges answers in order, and fails the test on anything else.
func serveExchanges(t *testing.T, want []exchange) *httptest.Server {
	t.Helper()
	next := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := r.Method + " " + r.URL.RequestURI()
		if next >= len(want) || want[next].request != got {
			t.Errorf("request %d is %s; expected are %v", next, got, want)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		e := want[next]
		next++
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer dma_secret" {
			t.Errorf("%s: body %v, authorization %q", got, err, r.Header.Get("Authorization"))
		}
		if !sameJSON(string(body), e.body) {
			t.Errorf("%s: body is %s, expected is %s", got, body, e.body)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"7"`)
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.answer) // the client sees a broken answer
	}))
	t.Cleanup(func() {
		s.Close()
		if next != len(want) {
			t.Errorf("%d of %d requests were made", next, len(want))
		}
	})
	return s
}

func sameJSON(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	one, err1 := json.Marshal(x)
	two, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(one, two)
}

const (
	shopTargeting = `/v1/projects/shop/flags/new-checkout/environments/production`
	onAt25        = `{"flag":"new-checkout","environment":"production","enabled":true,"revision":9,"durability":"confirmed","default":{"distribution":{"exposure":25}}}`
	receipt49of50 = `{"ids":["01K"],"flags":["new-checkout"],"revision":12,"epoch":1,"durability":"confirmed","nodes":{"done":2,"total":2},"instances":{"done":49,"total":50},` +
		`"missing":[{"instance":"web-17","application":"shop","node":"n2","state":"behind","lastSeen":"2026-11-20T14:02:00Z"}],"elapsedMs":2003}`
)

func TestCommands(t *testing.T) {
	tests := []struct {
		name     string
		args     string
		requests []exchange
		code     int
		out      []string // parts of standard output, in order
		err      string   // part of standard error
		never    string   // in no output
	}{
		{
			name: "ramp", args: "ramp new-checkout 25 -e production -p shop --from 5 --reason more",
			requests: []exchange{{"POST " + shopTargeting + "/ramp", `{"exposure":25,"from":5,"reason":"more"}`, 200, onAt25}},
			out:      []string{"new-checkout in production: on at 25 % (revision 9)\n"},
		},
		{
			name: "ramp as JSON", args: "ramp new-checkout 12.5% -e production -p shop -o json",
			requests: []exchange{{"POST " + shopTargeting + "/ramp", `{"exposure":12.5}`, 200, onAt25}},
			out:      []string{`"revision": 9`}, never: "on at",
		},
		{name: "ramp to nonsense", args: "ramp new-checkout lots -e production -p shop", code: exitUsage, err: `"lots" is not a percentage`},
		{
			name: "unconfirmed", args: "off new-checkout -e production -p shop",
			requests: []exchange{{"POST " + shopTargeting + "/off", `{"reason":""}`, 200, strings.ReplaceAll(onAt25, "confirmed", "unconfirmed")}},
			out:      []string{"WARNING: stored, but not confirmed"},
		},
		{
			name: "the only project is found", args: "on new-checkout -e production",
			requests: []exchange{
				{"GET /v1/projects", "", 200, `{"items":[{"key":"shop"}]}`},
				{"POST " + shopTargeting + "/on", `{"reason":""}`, 200, onAt25},
			},
			out: []string{"on at 25 %"},
		},
		{
			name: "two projects", args: "on new-checkout -e production",
			requests: []exchange{{"GET /v1/projects", "", 200, `{"items":[{"key":"shop"},{"key":"blog"}]}`}},
			code:     exitUsage, err: "which project?",
		},
		{
			name: "no project", args: "on new-checkout -e production",
			requests: []exchange{{"GET /v1/projects", "", 200, `{"items":[]}`}},
			code:     exitNotFound, err: "there is no project that this token may see",
		},
		{
			name: "kill that one instance misses", args: "kill new-checkout -e production -p shop --reason errors --timeout 2s",
			requests: []exchange{{"POST " + shopTargeting + "/kill", `{"reason":"errors","wait":"instances","timeout":"2s"}`, 202, receipt49of50}},
			code:     exitUnconfirmed,
			out:      []string{"killed new-checkout in production (revision 12)", "nodes 2/2  instances 49/50  in 2.00 s", "missing: web-17  shop  behind  on n2", "--id 01K"},
		},
		{
			name: "clear finds what is killed", args: "clear new-checkout -e production -p shop --reason fixed",
			requests: []exchange{
				{"GET " + shopTargeting + "/kills", "", 200, `{"items":[{"id":"A","cleared":{"at":"2026-11-20T14:02:00Z"}},{"id":"B"}]}`},
				{"DELETE " + shopTargeting + "/kills/B?reason=fixed", "", 200, `{"id":"B"}`},
			},
			out: []string{"cleared B of new-checkout in production"}, never: "cleared A",
		},
		{
			name: "nothing to clear", args: "clear new-checkout -e production -p shop --reason fixed",
			requests: []exchange{{"GET " + shopTargeting + "/kills", "", 200, `{"items":[]}`}},
			code:     exitNotFound, err: "is not killed in production",
		},
		{
			name: "clear that breaks off says what it cleared", args: "clear new-checkout -e production -p shop --reason fixed --id A --id B -o json",
			requests: []exchange{
				{"DELETE " + shopTargeting + "/kills/A?reason=fixed", "", 200, `{"id":"A"}`},
				{"DELETE " + shopTargeting + "/kills/B?reason=fixed", "", 503, `{"title":"Unavailable"}`},
			},
			code: exitUnavailable, out: []string{`"id": "A"`}, err: "Unavailable",
		},
		{
			name: "delete gives the version it saw", args: "flags delete old -p shop",
			requests: []exchange{
				{"GET /v1/projects/shop/flags/old", "", 200, `{"key":"old"}`},
				{"DELETE /v1/projects/shop/flags/old", "", 204, ""},
			},
			out: []string{"deleted old"},
		},
		{
			name: "list follows the cursor", args: "flags list -p shop",
			requests: []exchange{
				{"GET /v1/projects/shop/flags?limit=1000", "", 200, `{"items":[{"flag":{"key":"a","type":"boolean","kind":"release"},"environments":{"prod":{"state":"exposure","exposure":12.5}}}],"next":"x"}`},
				{"GET /v1/projects/shop/flags?cursor=x&limit=1000", "", 200, `{"items":[{"flag":{"key":"b","type":"json","kind":"release"},"environments":{"prod":{"state":"killed"}}}]}`},
			},
			out: []string{"FLAG", "PROD", "a     boolean  release  12.5 %", "b     json     release  killed"},
		},
		{
			name: "a token goes alone to standard output", args: "tokens create ci -e production -p shop",
			requests: []exchange{{"POST /v1/projects/shop/tokens", `{"name":"ci","kind":"server","environment":"production"}`, 201, `{"token":{"id":"x"},"secret":"dms_new"}`}},
			out:      []string{"dms_new\n"}, err: "shown once",
		},
		{
			name: "terminal control characters are shown as dots", args: "log -p shop",
			requests: []exchange{{"GET /v1/projects/shop/log?limit=20", "", 200, `{"items":[{"revision":3,"at":"2026-11-20T14:02:00Z","actor":"a","verb":"v","target":"t","reason":"\u001b[2Jgone"}]}`}},
			out:      []string{"·[2Jgone"}, never: "\x1b",
		},
		{
			name: "the log names who has a name", args: "log -p shop",
			requests: []exchange{{"GET /v1/projects/shop/log?limit=20", "", 200, `{"items":[{"revision":3,"actor":"token:a","actorName":"Ann","verb":"v","target":"t"},{"revision":2,"actor":"token:b","verb":"v","target":"t"}]}`}},
			out:      []string{"Ann ", "token:b "}, never: "token:a",
		},
		{name: "missing reason", args: "kill new-checkout -e production", code: exitUsage, err: "--reason"},
		{name: "unknown command", args: "explode", code: exitUsage, err: "Try dimmer --help"},
		{name: "unknown command of a command", args: "tokens creat", code: exitUsage, err: "Try dimmer tokens --help"},
		{name: "missing argument", args: "ramp new-checkout", code: exitUsage, err: "Try dimmer ramp --help"},
		{name: "a file that is no JSON", args: "flags create x -p shop -f /dev/null", code: exitUsage, err: "-f /dev/null: it is not JSON"},
		{
			name: "there is no revision 0", args: "log 0 -p shop",
			requests: []exchange{{"GET /v1/projects/shop/log/0", "", 404, `{"title":"Not found"}`}},
			code:     exitNotFound, err: "Not found",
		},
		{name: "copy from what is no store", args: "migrate --from foo --to local:x", code: exitUsage, err: `--from: "foo" is not local:DIR`},
		{name: "copy to what is no store", args: "migrate --from local:x --to etcd://x", code: exitUsage, err: `--to: unknown kind "etcd"`},
		{name: "a token is no argument", args: "flags list --token dma_secret", code: exitUsage, err: "unknown flag --token"},
		{
			name: "not found", args: "flags get nope -p shop",
			requests: []exchange{{"GET /v1/projects/shop/flags/nope", "", 404, `{"title":"Not found","detail":"flag \"nope\" is not there"}`}},
			code:     exitNotFound, err: `Not found: flag "nope" is not there`,
		},
		{
			name: "denied", args: "flags get a -p shop",
			requests: []exchange{{"GET /v1/projects/shop/flags/a", "", 403, `{"title":"Denied"}`}}, code: exitDenied, err: "Denied", never: "dma_secret",
		},
		{
			name: "conflict", args: "flags archive a -p shop",
			requests: []exchange{{"POST /v1/projects/shop/flags/a/archive", `{"reason":""}`, 409, `{"title":"Conflict","errors":[{"pointer":"/x","detail":"referred to by b"}]}`}},
			code:     exitConflict, err: "/x: referred to by b",
		},
		{
			name: "store down", args: "flags get a -p shop",
			requests: []exchange{{"GET /v1/projects/shop/flags/a", "", 503, `{"title":"Unavailable"}`}}, code: exitUnavailable, err: "Unavailable",
		},
		{
			name: "doctor", args: "doctor -p shop",
			requests: []exchange{
				{"GET /readyz", "", 200, `{}`},
				{"GET /v1/whoami", "", 200, `{"id":"token:x","name":"ops","kind":"admin","role":"admin"}`},
				{"GET /v1/store", "", 200, `{"backend":"redis","replicas":0,"warnings":["no append-only file"]}`},
			},
			out: []string{"ok   server", `ok   token    "ops", admin, role admin`, "ok   store    redis, 0 replicas", "!!   store    no append-only file"},
		},
		{
			name: "doctor finds something", args: "doctor -p shop -o json",
			requests: []exchange{
				{"GET /readyz", "", 503, `{"title":"Not ready"}`},
				{"GET /v1/whoami", "", 200, `{}`},
				{"GET /v1/store", "", 200, `{"backend":"local"}`},
			},
			code: exitFailed, out: []string{`"status": "bad"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveExchanges(t, tt.requests)
			t.Setenv("DIMMER_URL", s.URL)
			t.Setenv("DIMMER_TOKEN", "dma_secret")
			t.Setenv("DIMMER_DATA", t.TempDir())
			var stdout, stderr bytes.Buffer
			code := run(strings.Fields(tt.args), &stdout, &stderr)
			require.Equal(t, tt.code, code, "%s%s", &stdout, &stderr)
			rest := stdout.String()
			for _, part := range tt.out {
				_, after, found := strings.Cut(rest, part)
				require.True(t, found, "%q is missing in %s", part, stdout.String())
				rest = after
			}
			require.Contains(t, stderr.String(), tt.err)
			if tt.err == "" {
				require.Empty(t, stderr.String())
			}
			if tt.never != "" {
				require.NotContains(t, stdout.String()+stderr.String(), tt.never)
			}
		})
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	t.Setenv("DIMMER_URL", s.URL)
	t.Setenv("DIMMER_TOKEN", "dma_secret")
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUnavailable, run([]string{"flags", "list", "-p", "shop"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "does not answer")
	require.NotContains(t, stderr.String(), "dma_secret")
}

// TestMigrateFromNowhere: reading a store must not make one.
func TestMigrateFromNowhere(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "typo"), filepath.Join(dir, "new")
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"migrate", "--from", "local:" + from, "--to", "local:" + to}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "there is no store in the folder "+from)
	require.NoDirExists(t, from)
	require.NoDirExists(t, to)
}

// TestHelpShowsDefaults: a placeholder does not hide what an option is when it is not given.
func TestHelpShowsDefaults(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, run([]string{"serve", "--help"}, &stdout, &stderr))
	text := strings.Join(strings.Fields(stdout.String()), " ")
	for _, want := range []string{"(default: 127.0.0.1:8080) ($DIMMER_HTTP)", "(default: local:.dimmer) ($DIMMER_STORE)", "(default: the only one there is) ($DIMMER_PROJECT)"} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 1, strings.Count(text, "default: host name"), "an option that tells its own default gets no second one")
}

// TestDevFile: the tokens of a development server go to that server on loopback, and nowhere else.
func TestDevFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dev.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"url":"http://127.0.0.1:8080","project":"shop","admin":"dma_dev"}`), 0o600))
	client := func(url, token string) (*client, error) {
		return (&app{globals: Globals{URL: url, Token: token, Data: dir}}).server()
	}
	c, err := client("", "")
	require.NoError(t, err)
	require.Equal(t, []string{"http://127.0.0.1:8080", "dma_dev", "shop"}, []string{c.base, c.token, c.project})
	c, err = client("http://127.0.0.1:8080/", "")
	require.NoError(t, err)
	require.Equal(t, "dma_dev", c.token)
	c, err = client("", "dma_mine")
	require.NoError(t, err)
	require.Equal(t, "dma_mine", c.token)
	for _, other := range []string{"http://127.0.0.1:9999", "http://example.com:8080", "https://dimmer.example.com"} {
		_, err = client(other, "")
		require.ErrorContains(t, err, "no token", other)
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = client("", "")
	require.ErrorContains(t, err, "readable by others")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`{"url":"http://10.0.0.1:8080","admin":"dma_dev"}`), 0o600))
	_, err = client("", "")
	require.ErrorContains(t, err, "no token", "an address beyond loopback in the file gets no token")
}

// TestPrivateAuthority: a server of an authority that the system does not know is refused, unless --ca names that.
func TestPrivateAuthority(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[]}`) // the client sees a broken answer
	}))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	t.Setenv("DIMMER_URL", s.URL)
	t.Setenv("DIMMER_TOKEN", "dma_secret")
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUnavailable, run([]string{"flags", "list", "-p", "shop"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "certificate")
	require.Equal(t, exitOK, run([]string{"flags", "list", "-p", "shop", "--ca", ca}, &stdout, &stderr), &stderr)
	require.Equal(t, exitUsage, run([]string{"flags", "list", "-p", "shop", "--cert", ca}, &stdout, &stderr), "a certificate without its key")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer s.Close()
	t.Setenv("DIMMER_URL", s.URL)
	t.Setenv("DIMMER_TOKEN", "dma_secret")
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"flags", "get", "a", "-p", "shop"}, &stdout, &stderr))
}
