package adminapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

// TestLimits is the limits of the design that an HTTP request can hit; bodies themselves are in TestEveryBodyIsStrict.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	text := func(n int) string { return strings.Repeat("a", n) }
	list := func(n int, item func(int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	const flags, tags = "/v1/projects/shop/flags", "/v1/projects/shop/segments/s/environments/production/lists/include"
	w.ok(201, ask{method: "POST", path: "/v1/projects/shop/segments", body: `{"key":"s"}`})
	tests := []struct {
		name    string
		ask     ask
		status  int
		pointer string
	}{
		{"admin body of 256 KiB and a byte", ask{method: "POST", path: flags, body: `{"key":"` + text(256<<10) + `"}`}, 413, ""},
		{"evaluation body of 64 KiB and a byte", ask{method: "POST", path: "/v1/evaluate", token: "server", body: `{"context":{"a":"` + text(64<<10) + `"}}`}, 413, ""},
		{"evaluation body of 64 KiB less a little", ask{method: "POST", path: "/v1/evaluate", token: "server", body: `{"flags":["` + text(64<<10-20) + `"]}`}, 200, ""},
		{"depth 17", ask{method: "POST", path: "/v1/evaluate", token: "server", body: `{"context":` + strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 17)}, 400, "/context" + strings.Repeat("/a", 15)},
		{"101 attributes", ask{method: "POST", path: "/v1/evaluate", token: "server",
			body: `{"context":{` + strings.Trim(list(101, func(i int) string { return fmt.Sprintf(`"a%d":1`, i) }), "[]") + `}}`}, 422, "/context"},
		{"a string of 1 KiB and a byte", ask{method: "POST", path: "/v1/evaluate", token: "server", body: `{"context":{"a":"` + text(1025) + `"}}`}, 422, "/context"},
		{"1,001 flags at once", ask{method: "POST", path: "/v1/evaluate", token: "server", body: `{"flags":` + list(1001, func(i int) string { return strconv.Quote("k" + strconv.Itoa(i)) }) + `}`}, 422, "/flags"},
		{"1,001 keys at once", ask{method: "POST", path: tags, body: `{"add":` + list(1001, func(i int) string { return strconv.Quote("k" + strconv.Itoa(i)) }) + `}`}, 422, ""},
		{"101 contexts in a preview", ask{method: "POST", path: inProduction + "/preview", body: `{"ramp":{"exposure":1},"contexts":` + list(101, func(int) string { return "{}" }) + `}`}, 422, "/contexts"},
		{"201 rules", ask{method: "PATCH", path: inProduction, header: map[string]string{"If-Match": "*"},
			body: `{"rules":` + list(201, func(i int) string { return fmt.Sprintf(`{"id":"r%d","serve":{"variant":"on"}}`, i) }) + `}`}, 422, "/rules"},
		{"101 variants", ask{method: "POST", path: flags,
			body: `{"key":"many","type":"string","variants":` + list(101, func(i int) string { return fmt.Sprintf(`{"key":"v%d","value":""}`, i) }) + `}`}, 422, "/variants"},
		{"a regexp of 257 bytes", ask{method: "PUT", path: inProduction + "/rules/re", header: map[string]string{"If-Match": "*"},
			body: `{"when":{"attribute":"a","op":"matches","values":["` + text(257) + `"]},"serve":{"variant":"on"}}`}, 422, "/rules/0/when/values/0"},
		{"a key of 129 characters", ask{method: "POST", path: flags, body: `{"key":"` + text(129) + `","type":"boolean"}`}, 422, "/key"},
		{"a key in capitals", ask{method: "POST", path: flags, body: `{"key":"Checkout","type":"boolean"}`}, 422, "/key"},
		{"a page of 1,001", ask{method: "GET", path: flags + "?limit=1001"}, 422, ""},
		{"a page of minus one", ask{method: "GET", path: flags + "?limit=-1"}, 422, ""},
		{"a reason of 4 KiB and a byte", ask{method: "POST", path: inProduction + "/on", body: `{"reason":"` + text(4097) + `"}`}, 422, "/reason"},
		{"a kill's reason of 1 KiB and a byte", ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"` + text(1025) + `"}`}, 422, "/reason"},
		{"a kill without a reason", ask{method: "POST", path: inProduction + "/kill", body: `{"reason":" "}`}, 422, "/reason"},
		{"a kill with no reason at all", ask{method: "POST", path: inProduction + "/kill", body: `{}`}, 422, "/reason"},
		{"a kill that waits for 61 s", ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x","timeout":"61s"}`}, 422, "/timeout"},
		{"a kill that waits for whom", ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x","wait":"everyone"}`}, 422, "/wait"},
		{"a clear without a reason", ask{method: "DELETE", path: inProduction + "/kills/x?reason="}, 422, ""},
		{"a clear with no reason at all", ask{method: "DELETE", path: inProduction + "/kills/x"}, 400, ""},
		{"12.5555 percent", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":12.5555}`}, 422, "/exposure"},
		{"101 percent", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":101}`}, 422, "/exposure"},
		{"an overlap of 91 days", ask{method: "POST", path: "/v1/projects/shop/tokens/x/rotate", body: `{"overlap":"2184h"}`}, 422, "/overlap"},
	}
	before := w.heads()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := w.in(t)
			got := w.do(test.ask)
			require.Equal(t, test.status, got.status, "%s", got.body)
			if test.status >= 400 {
				require.Equal(t, test.pointer, decode[Problem](t, got).Pointer, "%s", got.body)
			}
		})
	}
	require.Equal(t, before, w.heads(), "none of these requests changes anything")
}

// TestErrors is every row of the design's table of errors, each made in the way that a caller would make it.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	w.ok(201, ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"child","type":"boolean"}`})
	w.ok(200, ask{method: "PATCH", path: "/v1/projects/shop/flags/child/environments/production", header: map[string]string{"If-Match": "*"},
		body: `{"prerequisites":[{"flag":"checkout","variants":["on"]}]}`})
	stale := map[string]string{"If-Match": `"1"`}
	w.ok(201, ask{method: "POST", path: "/v1/projects/shop/segments", body: `{"key":"listed"}`})
	const list = "/v1/projects/shop/segments/listed/environments/production/lists/include"
	token := "/v1/projects/shop/tokens/" + strings.TrimPrefix(w.principal("kill").ID, "token:")
	tests := []struct {
		name   string
		status int
		code   string
		ask    ask
	}{
		{"400 malformed", 400, "malformed", ask{method: "POST", path: "/v1/projects", body: "{"}},
		{"400 unknown query parameter", 400, "malformed", ask{method: "GET", path: "/v1/projects?limmit=3"}},
		{"400 query parameter twice", 400, "malformed", ask{method: "GET", path: "/v1/projects?limit=3&limit=4"}},
		{"400 query that cannot be read", 400, "malformed", ask{method: "GET", path: "/v1/projects?limit=%zz"}},
		{"400 query parameter of the wrong type", 400, "malformed", ask{method: "GET", path: "/v1/projects?limit=many"}},
		{"404 path parameter of the wrong type", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/log/first"}},
		{"400 If-Match where nothing is compared", 400, "malformed", ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"new","type":"boolean"}`, header: stale}},
		{"400 If-Match at a clear", 400, "malformed", ask{method: "DELETE", path: inProduction + "/kills/01JD0000000000000000000000?reason=x", header: stale}},
		{"400 limit", 400, "malformed", ask{method: "GET", path: "/v1/projects/shop/flags?limit=ten"}},
		{"400 archived", 400, "malformed", ask{method: "GET", path: "/v1/projects/shop/flags?archived=maybe"}},
		{"404 revision", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/log/1e3"}},
		{"404 empty segments", 404, "not_found", ask{method: "GET", path: "//v1//projects"}},
		{"400 If-Match without quotes", 400, "malformed", ask{method: "PATCH", path: shopFlag, body: `{}`, header: map[string]string{"If-Match": "7"}}},
		{"400 If-Match with two tags", 400, "malformed", ask{method: "PATCH", path: shopFlag, body: `{}`, header: map[string]string{"If-Match": `"7", "8"`}}},
		{"400 idempotency key of 129 bytes", 400, "malformed", ask{method: "POST", path: inProduction + "/on", body: `{}`, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 129)}}},
		{"400 event id", 400, "malformed", ask{method: "GET", path: "/v1/projects/shop/events", header: map[string]string{"Last-Event-ID": "yesterday"}}},
		{"401 no token", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none"}},
		{"401 another scheme", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none", header: map[string]string{"Authorization": "Basic Zm9vOmJhcg=="}}},
		{"401 good token in another scheme", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none", header: map[string]string{"Authorization": "Token " + w.tokens["root"]}}},
		{"401 empty token", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none", header: map[string]string{"Authorization": "Bearer "}}},
		{"401 mistyped token", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none", header: map[string]string{"Authorization": "Bearer " + mistyped(w.tokens["root"])}}},
		{"401 token of nobody", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects", token: "none", header: map[string]string{"Authorization": "Bearer " + nobodys(t)}}},
		{"401 token in the query alone", 401, "unauthenticated", ask{method: "GET", path: "/v1/projects?access_token=" + w.tokens["root"], token: "none"}},
		{"403 role too low", 403, "denied", ask{method: "POST", path: inProduction + "/on", token: "viewer", body: `{}`}},
		{"403 project-wide from one environment", 403, "denied", ask{method: "POST", path: "/v1/projects/shop/flags", token: "staging", body: `{"key":"x","type":"boolean"}`}},
		{"404 no such route", 404, "not_found", ask{method: "GET", path: "/v1/nothing"}},
		{"404 another project", 404, "not_found", ask{method: "GET", path: "/v1/projects/other", token: "admin"}},
		{"404 another environment", 404, "not_found", ask{method: "GET", path: inProduction, token: "staging"}},
		{"404 environment named in a body", 404, "not_found", ask{method: "POST", path: "/v1/projects/shop/kill", token: "staging", body: `{"reason":"x","tag":"payments","environment":"production"}`}},
		{"404 token for an environment named in a body", 404, "not_found", ask{method: "POST", path: "/v1/projects/shop/tokens", token: "staging", body: `{"name":"x","kind":"server","environment":"production"}`}},
		{"404 restore in an environment named in a body", 404, "not_found", ask{method: "POST", path: "/v1/projects/shop/log/1/restore", token: "staging", body: `{"environment":"production"}`}},
		{"404 instances of another environment", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/instances?environment=production", token: "staging"}},
		{"404 instances of no environment", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/instances?environment=nowhere"}},
		{"404 events of no environment", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/events?environment=nowhere"}},
		{"404 events of another environment", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/events?environment=production", token: "staging"}},
		{"404 log of another environment", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/log?environment=production", token: "staging"}},
		{"404 %2F in a key", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop%2Fflags"}},
		{"404 %2f twice encoded", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop%252Fx"}},
		{"404 %00 in a key", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop%00"}},
		{"404 %2e%2e as a key", 404, "not_found", ask{method: "GET", path: "/v1/projects/%2e%2e"}},
		{"404 key in capitals", 404, "not_found", ask{method: "GET", path: "/v1/projects/SHOP"}},
		{"404 empty key", 404, "not_found", ask{method: "GET", path: "/v1/projects//flags"}},
		{"404 not UTF-8 in a key", 404, "not_found", ask{method: "GET", path: "/v1/projects/%ff"}},
		{"404 key of 129 characters", 404, "not_found", ask{method: "GET", path: "/v1/projects/" + strings.Repeat("a", 129)}},
		{"404 neither side", 404, "not_found", ask{method: "GET", path: "/v1/projects/shop/segments/s/environments/production/lists/outside"}},
		{"405", 405, codeMethodNotAllowed, ask{method: "PUT", path: "/v1/whoami"}},
		{"409 exists", 409, "exists", ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"checkout","type":"boolean"}`}},
		{"409 referenced", 409, "referenced", ask{method: "POST", path: shopFlag + "/archive", body: `{}`}},
		{"409 conflict", 409, "conflict", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":1,"from":50}`}},
		{"412 stale", 412, "precondition", ask{method: "PATCH", path: shopFlag, body: `{"name":"x"}`, header: stale}},
		{"412 stale ramp", 412, "precondition", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":1}`, header: stale}},
		{"412 stale list", 412, "precondition", ask{method: "POST", path: list, body: `{"add":["u"]}`, header: stale}},
		{"412 stale rotation", 412, "precondition", ask{method: "POST", path: token + "/rotate", body: `{}`, header: stale}},
		{"412 stale archiving", 412, "precondition", ask{method: "POST", path: shopFlag + "/archive", body: `{}`, header: stale}},
		{"412 stale revocation", 412, "precondition", ask{method: "DELETE", path: token, header: stale}},
		{"412 stale, weakened by a proxy", 412, "precondition", ask{method: "PATCH", path: shopFlag, body: `{"name":"x"}`, header: map[string]string{"If-Match": `W/"1"`}}},
		{"413", 413, "too_large", ask{method: "POST", path: "/v1/projects", body: strings.Repeat(" ", 256<<10+1)}},
		{"415", 415, codeMediaType, ask{method: "POST", path: "/v1/projects", body: `{}`, media: "text/json"}},
		{"415 merge patch where none is meant", 415, codeMediaType, ask{method: "POST", path: "/v1/projects", body: `{}`, media: "application/merge-patch+json"}},
		{"422 invalid", 422, "invalid", ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"x","type":"colour","kind":"nice"}`}},
		{"422 another flag in the body", 422, "invalid", ask{method: "PUT", path: inProduction, header: map[string]string{"If-Match": "*"}, body: `{"flag":"secret","off":"off","default":{"variant":"on"}}`}},
		{"428", 428, "precondition_required", ask{method: "PATCH", path: shopFlag, body: `{"name":"x"}`}},
	}
	before := w.heads()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := w.in(t).refused(test.status, test.code, test.ask)
			require.NotEmpty(t, p.Detail)
			require.NotContains(t, strings.ToLower(p.Detail), "redis")
		})
	}
	require.Equal(t, before, w.heads(), "what is refused changes nothing")

	t.Run("every problem at once", func(t *testing.T) {
		p := w.in(t).refused(422, "invalid", ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"X","type":"colour","kind":"nice"}`})
		require.GreaterOrEqual(t, len(p.Errors), 3)
		require.Equal(t, "/key", p.Errors[0].Pointer)
	})
	t.Run("referrers are named", func(t *testing.T) {
		p := w.in(t).refused(409, "referenced", ask{method: "POST", path: shopFlag + "/archive", body: `{}`})
		require.Contains(t, p.Errors[0].Detail, "child")
	})
	t.Run("in the words of this API", func(t *testing.T) {
		for path, want := range map[string]string{
			"/v1/projects/shop/flags?limit=ten":      "limit must be a whole number",
			"/v1/projects/shop/flags?archived=maybe": "archived must be true or false",
		} {
			require.Equal(t, want, w.in(t).refused(400, "malformed", ask{method: "GET", path: path}).Detail)
		}
		p := w.in(t).refused(409, "exists", ask{method: "POST", path: "/v1/projects/shop/environments", body: `{"key":"staging"}`})
		require.Contains(t, p.Detail, "already an environment")
	})
	t.Run("who killed has a name", func(t *testing.T) {
		w := w.in(t)
		w.ok(200, ask{method: "POST", path: inProduction + "/kill", token: "kill", body: `{"reason":"errors"}`})
		k := decode[KillList](t, w.ok(200, ask{method: "GET", path: inProduction + "/kills"})).Items[0]
		require.Equal(t, w.principal("kill").Name, k.ByName)
		require.NotEmpty(t, k.ByName)
		cleared := decode[Kill](t, w.ok(200, ask{method: "DELETE", path: inProduction + "/kills/" + k.ID + "?reason=calm", token: "editor"}))
		require.Equal(t, w.principal("editor").Name, cleared.Cleared.ByName)
	})
	t.Run("405 lists what is allowed", func(t *testing.T) {
		got := w.in(t).ok(405, ask{method: "POST", path: shopFlag})
		for _, m := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
			require.Contains(t, got.header.Get("Allow"), m)
		}
	})
	t.Run("OPTIONS answers without CORS", func(t *testing.T) {
		got := w.in(t).ok(204, ask{method: "OPTIONS", path: shopFlag, token: "none", header: map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}})
		require.Contains(t, got.header.Get("Allow"), "PATCH")
		for name := range got.header {
			require.False(t, strings.HasPrefix(name, "Access-Control"), name)
		}
	})
	t.Run("HEAD is GET without a body", func(t *testing.T) {
		get, head := w.in(t).ok(200, ask{method: "GET", path: shopFlag}), w.in(t).ok(200, ask{method: "HEAD", path: shopFlag})
		require.Equal(t, get.header.Get("ETag"), head.header.Get("ETag"))
		require.Empty(t, head.body)
		w.in(t).refused(404, "not_found", ask{method: "HEAD", path: "/v1/projects/shop/flags/nobody"})
	})
}

// nobodys is a well-formed token that was never stored.
func nobodys(t *testing.T) string {
	t.Helper()
	m, err := auth.Mint(policy.KindAdmin)
	require.NoError(t, err)
	return m.Text
}

// mistyped is a token with one character changed.
func mistyped(token string) string {
	b := []byte(token)
	if b[20]++; b[20] > 'z' {
		b[20] = 'a'
	}
	return string(b)
}

// TestStoreErrors is what the store can do to a request: 503 with Retry-After, and 507; and no word of it in the answer.
func TestStoreErrors(t *testing.T) {
	w := newWorld(t)
	inside := errors.New("NOAUTH redis at 10.0.0.7:6379 says no")
	down := fmt.Errorf("%w: %w", store.ErrUnavailable, inside)
	w.store.Fail(down)
	got := w.ok(503, ask{method: "POST", path: inProduction + "/on", body: `{}`})
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Equal(t, "unavailable", decode[Problem](t, got).Code)
	require.NotContains(t, string(got.body), "10.0.0.7")
	require.NotContains(t, string(got.body), "NOAUTH")
	require.Contains(t, w.logged.String(), decode[Problem](t, got).Id, "the log has the id")
	require.Contains(t, w.logged.String(), "NOAUTH", "and the cause")
	w.refused(503, "unavailable", ask{method: "GET", path: "/v1/store"})
	w.refused(503, "unavailable", ask{method: "GET", path: "/v1/backup"})
	w.ok(200, ask{method: "GET", path: shopFlag})                                              // reads come from memory
	w.ok(200, ask{method: "POST", path: "/v1/evaluate/checkout", token: "server", body: `{}`}) // and answers
	w.store.Fail(nil)

	w.store.Fail(store.ErrEmptied)
	require.Contains(t, w.refused(503, "unavailable", ask{method: "POST", path: inProduction + "/on", body: `{}`}).Detail, "adopt")
	w.store.Fail(nil)

	w.store.SetLimit(1)
	w.refused(507, "full", ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"more","type":"boolean"}`})
	w.ok(200, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"still possible"}`})
}

// TestBrowsers: a page of another origin gets nothing done, whatever it sends.
func TestBrowsers(t *testing.T) {
	w := newWorld(t)
	for name, header := range map[string]map[string]string{
		"fetch metadata": {"Sec-Fetch-Site": "cross-site"},
		"origin":         {"Origin": "https://evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t).refused(403, "denied", ask{method: "POST", path: inProduction + "/on", body: `{}`, header: header})
		})
	}
	got := w.ok(200, ask{method: "GET", path: shopFlag, header: map[string]string{"Origin": "https://evil.example"}})
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	for _, path := range []string{shopFlag, "/v1/nothing", "/healthz", "/openapi.yaml"} {
		got := w.do(ask{method: "GET", path: path})
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"), path)
		require.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'", path)
	}
}

func TestRateLimits(t *testing.T) {
	now := time.Date(2026, 11, 20, 14, 2, 0, 0, time.UTC)
	w := newWorld(t, func(o *Options) {
		o.RateLimits = RateLimits{Admin: Rate{PerSecond: 0.1, Burst: 3}, Evaluate: Rate{PerSecond: 1, Burst: 2}, Kill: Rate{PerSecond: 1, Burst: 2}}
		o.Clock = func() time.Time { return now }
		o.Address = func(r *http.Request) string { return r.Header.Get("X-Test-Address") }
	})
	from := func(address, token, method, path, body string) ask {
		return ask{method: method, path: path, token: token, body: body, header: map[string]string{"X-Test-Address": address}}
	}
	read := func(address, token string) ask { return from(address, token, "GET", shopFlag, "") }
	for range 3 {
		w.ok(200, read("192.0.2.1", "viewer"))
	}
	got := w.ok(429, read("192.0.2.1", "viewer"))
	require.Equal(t, "10", got.header.Get("Retry-After"), "seconds")
	require.Equal(t, "rate_limited", decode[Problem](t, got).Code)
	w.ok(429, read("192.0.2.2", "viewer"))
	w.ok(200, read("192.0.2.1", "editor"))

	w.ok(200, from("192.0.2.1", "root", "POST", inProduction+"/kill", `{"reason":"x"}`))
	w.ok(200, from("192.0.2.1", "server", "POST", "/v1/evaluate", `{}`))
	w.ok(200, read("192.0.2.1", "operator"))
	w.ok(429, read("192.0.2.1", "operator")) // the address has used up its six
	w.ok(200, from("192.0.2.1", "root", "POST", inProduction+"/kill", `{"reason":"kills have a reserve of their own"}`))
	w.ok(429, from("192.0.2.1", "root", "POST", inProduction+"/kill", `{"reason":"which ends too"}`))

	for range 6 {
		w.ok(401, read("192.0.2.9", "none"))
	}
	w.ok(429, read("192.0.2.9", "none"))
	w.ok(200, read("192.0.2.3", "editor"))
	now = now.Add(10 * time.Second)
	w.ok(200, read("192.0.2.1", "viewer"))
}

// TestDefects: a panic is answered as a defect, with nothing of the inside, and the next request is served.
func TestDefects(t *testing.T) {
	w := newWorld(t)
	broken := operation{ID: "Broken", Method: http.MethodGet, Path: "/v1/broken", Route: "/v1/broken", Action: "whoami", handle: func(echo.Context) error { panic("a secret") }}
	wrong := operation{ID: "Wrong", Method: http.MethodGet, Path: "/v1/wrong", Route: "/v1/wrong", Action: "whoami", handle: func(echo.Context) error {
		return feature.Internal(errors.New("a secret"), "another secret")
	}}
	unguarded := operation{ID: "Unguarded", Method: http.MethodPost, Path: "/v1/unguarded", Route: "/v1/unguarded", Action: "whoami", Bodies: []string{"application/json"},
		handle: func(c echo.Context) error {
			c.SetRequest(c.Request().WithContext(context.Background()))
			return c.Bind(&Act{})
		}}
	require.NoError(t, w.server.register(w.echo, []operation{broken, wrong, unguarded}))
	for _, a := range []ask{{method: "GET", path: "/v1/broken"}, {method: "GET", path: "/v1/wrong"}, {method: "POST", path: "/v1/unguarded", body: `{}`}} {
		p := w.refused(500, "internal", a)
		require.NotContains(t, p.Detail+p.Pointer, "secret")
		require.Contains(t, w.logged.String(), p.Id)
	}
	require.Contains(t, w.logged.String(), "a secret")
	require.Contains(t, w.logged.String(), "guard.go", "the stack is in the log")
	w.ok(200, ask{method: "GET", path: shopFlag})
}

// TestBodyThatBreaksOff: a body that does not arrive does not hold the request for ever. The limit itself is the standard library's; here the
// connection is closed in the middle.
func TestBodyThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = fmt.Fprintf(c, "POST %s/on HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", inProduction, w.tokens["root"])
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// TestBodyThatIsTooLargeByItsOwnWord: a length is refused before a byte of the body is there, and before room is made for it.
func TestBodyThatIsTooLargeByItsOwnWord(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = fmt.Fprintf(c, "POST %s/on HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		inProduction, w.tokens["root"], int64(1)<<50)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
}

// TestKillWithoutReceipts: whatever becomes of the waiting, the kill is made and says so.
func TestKillWithoutReceipts(t *testing.T) {
	w := newWorld(t)
	w.people.err = errors.New("presence is gone")
	got := decode[KillReceipt](t, w.ok(202, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x","wait":"nodes"}`}))
	require.Len(t, got.Ids, 1)
	w.people.err, w.people.block, w.people.receipt.Complete = nil, true, false
	start := time.Now()
	w.ok(202, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x","wait":"instances","timeout":"20ms"}`})
	require.Less(t, time.Since(start), 5*time.Second)
	require.Equal(t, []receipt.Want{receipt.WantNodes, receipt.WantInstances}, w.people.asked)

	alone := newWorld(t, func(o *Options) { o.Receipts = nil })
	alone.ok(200, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x"}`})
	alone.ok(202, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"x","wait":"nodes"}`})
	alone.ok(200, ask{method: "GET", path: "/v1/projects/shop/instances"})
}

func TestOpenRoutes(t *testing.T) {
	var trouble error
	ui := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the UI at "+r.URL.Path) })
	w := newWorld(t, func(o *Options) { o.Ready, o.UI = func() error { return trouble }, ui })
	require.Equal(t, string(description), string(w.ok(200, ask{method: "GET", path: "/openapi.yaml", token: "none"}).body))
	w.ok(200, ask{method: "GET", path: "/healthz", token: "none"})
	w.ok(200, ask{method: "GET", path: "/readyz", token: "none"})
	trouble = errors.New("the store of 10.0.0.7 is away")
	got := w.ok(503, ask{method: "GET", path: "/readyz", token: "none"})
	require.NotContains(t, string(got.body), "10.0.0.7")
	require.NotContains(t, w.logged.String(), "level=WARN", "a probe that is told no is no event")
	w.ok(200, ask{method: "GET", path: "/healthz", token: "none"})
	require.Equal(t, "the UI at /", string(w.ok(200, ask{method: "GET", path: "/", token: "none"}).body))
	require.Equal(t, "the UI at /flags/checkout", string(w.ok(200, ask{method: "GET", path: "/flags/checkout", token: "none"}).body))
	w.refused(404, "not_found", ask{method: "GET", path: "/v1/flags"})
	w.refused(404, "not_found", ask{method: "GET", path: "/v1"})
	newWorld(t).refused(404, "not_found", ask{method: "GET", path: "/", token: "none"})
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range []feature.Code{
		feature.CodeMalformed, feature.CodeUnauthenticated, feature.CodeDenied, feature.CodeNotFound, feature.CodeConflict, feature.CodeExists, feature.CodeReferenced,
		feature.CodePrecondition, feature.CodeTooLarge, feature.CodeInvalid, feature.CodePreconditionRequired, feature.CodeRateLimited, feature.CodeUnavailable,
		feature.CodeFull, feature.CodeInternal,
	} {
		require.NotZero(t, statuses[code], code)
		require.Equal(t, statuses[code], problemOf(fmt.Errorf("wrapped: %w", &feature.Error{Code: code})).Status)
	}
	require.Len(t, statuses, 15)
	require.Equal(t, 500, problemOf(errors.New("anything else")).Status)
	require.Equal(t, 500, problemOf(&feature.Error{Code: "new"}).Status)
}

// TestEscapedNames: names that need no escaping may be escaped all the same.
func TestEscapedNames(t *testing.T) {
	w := newWorld(t)
	w.ok(200, ask{method: "GET", path: "/v1/projects/%73hop/flags/check%6Fut"})
	got := w.ok(200, ask{method: "PUT", path: inProduction + "/rules/rollout%3Aall", header: map[string]string{"If-Match": "*"}, body: `{"serve":{"variant":"on"}}`})
	require.Equal(t, "rollout:all", decode[targetingBody](t, got).Rules[0].ID)
	w.ok(200, ask{method: "POST", path: inProduction + "/rules%3Aorder", body: `{"order":["rollout:all"]}`})
}

// BenchmarkEvaluate is one flag over the whole chain, without the network.
func BenchmarkEvaluate(b *testing.B) {
	unlimited := Rate{PerSecond: -1}
	w := newWorld(b, func(o *Options) { o.RateLimits.Evaluate = unlimited })
	h := w.server.handler(w.echo)
	const body = `{"context":{"targetingKey":"u1","country":"NO"}}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/evaluate/checkout", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+w.tokens["server"])
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body.String())
		}
	}
}
