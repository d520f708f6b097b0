package adminapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProxied(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		trusted []netip.Prefix
		peer    string
		header  []string
		want    string
	}{
		"no proxy":                         {trusted, "192.0.2.7:1", nil, "192.0.2.7"},
		"a client that says it is another": {trusted, "192.0.2.7:1", []string{"203.0.113.9"}, "192.0.2.7"},
		"a proxy":                          {trusted, "10.1.2.3:1", []string{"203.0.113.9"}, "203.0.113.9"},
		"a proxy that says nothing":        {trusted, "10.1.2.3:1", nil, "10.1.2.3"},
		"two proxies":                      {trusted, "127.0.0.1:1", []string{"203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		"two headers":                      {trusted, "127.0.0.1:1", []string{"203.0.113.9", "10.1.2.3"}, "203.0.113.9"},
		"a client that says it is another, through a proxy": {trusted, "10.1.2.3:1", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"a private network that is not trusted":             {trusted, "10.2.0.1:1", []string{"203.0.113.9"}, "10.2.0.1"},
		"a private client behind a proxy":                   {trusted, "10.1.2.3:1", []string{"10.2.0.9"}, "10.2.0.9"},
		"IPv6":                                              {trusted, "[fd00::1]:1", []string{"2001:db8::9"}, "2001:db8::9"},
		"not an address":                                    {trusted, "10.1.2.3:1", []string{"unknown"}, "10.1.2.3"},
		"nobody is trusted":                                 {nil, "127.0.0.1:1", []string{"203.0.113.9"}, "127.0.0.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.header
		require.Equal(t, tt.want, Proxied(tt.trusted)(r), name)
	}
}

// Clients behind a trusted proxy have budgets of their own, and stand in the log with their own addresses.
func TestClientsBehindAProxy(t *testing.T) {
	behind := func(address string) map[string]string { return map[string]string{"X-Forwarded-For": address} }
	flood := func(w *world) (status int) {
		for range 200 {
			if status = w.do(ask{method: "GET", path: "/v1/whoami", token: "viewer", header: behind("203.0.113.9")}).status; status != 200 {
				break
			}
		}
		return status
	}
	limits := func(o *Options) { o.RateLimits = RateLimits{Admin: Rate{PerSecond: 0.001, Burst: 40}} }
	w := newWorld(t, limits, func(o *Options) { o.Address = Proxied([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}) })
	require.Equal(t, 429, flood(w))
	w.ok(200, ask{method: "GET", path: "/v1/whoami", token: "editor", header: behind("203.0.113.10")})
	w.ok(200, ask{method: "POST", path: inProduction + "/ramp", token: "operator", body: `{"exposure":1}`, header: behind("203.0.113.11")})
	entry := decode[LogPage](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/log?limit=1", token: "operator", header: behind("203.0.113.11")})).Items[0]
	require.Equal(t, "203.0.113.11", entry.Address)

	direct := newWorld(t, limits)
	direct.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":1}`, header: behind("203.0.113.11")})
	entry = decode[LogPage](t, direct.ok(200, ask{method: "GET", path: "/v1/projects/shop/log?limit=1"})).Items[0]
	require.True(t, strings.HasPrefix(entry.Address, "127."), entry.Address)
}
