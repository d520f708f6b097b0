package adminapi

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// signIn posts a body to /v1/session and returns the cookie that came, as a browser sends it back.
func (w *world) signIn(body string) (cookie string, session Session) {
	w.t.Helper()
	got := w.ok(http.StatusCreated, ask{method: "POST", path: "/v1/session", token: "none", body: body, header: map[string]string{"Origin": w.http.URL, "Sec-Fetch-Site": "same-origin"}})
	c, err := http.ParseSetCookie(got.header.Get("Set-Cookie"))
	require.NoError(w.t, err)
	return c.Name + "=" + c.Value, decode[Session](w.t, got)
}

func (w *world) byToken(name string) string { return `{"token":"` + w.tokens[name] + `"}` }

// with is a request with a cookie, from the page of this server.
func with(cookie string, a ask) ask {
	a.token = "none"
	header := map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
	for k, v := range a.header {
		header[k] = v
	}
	a.header = header
	return a
}

func TestSessionsBehaveOnEveryStore(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		w.check = newContract(t).check
		cookie, session := w.signIn(w.byToken("editor"))
		require.Equal(t, "editor", session.Principal.Role)
		require.WithinDuration(t, time.Now().Add(24*time.Hour), session.Expires, time.Minute)

		got := decode[Session](t, w.ok(http.StatusOK, with(cookie, ask{method: "GET", path: "/v1/session"})))
		require.Equal(t, session, got)
		w.ok(http.StatusOK, with(cookie, ask{method: "GET", path: shopFlag}))
		w.ok(http.StatusCreated, with(cookie, ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"made-by-hand","type":"boolean"}`}))
		// What the token may not do, its session may not either.
		w.refused(http.StatusForbidden, "denied", with(cookie, ask{method: "GET", path: "/v1/projects/shop/tokens"}))
		w.refused(http.StatusNotFound, "not_found", with(cookie, ask{method: "GET", path: "/v1/projects/other/flags"}))

		gone := w.ok(http.StatusNoContent, with(cookie, ask{method: "DELETE", path: "/v1/session"}))
		require.Len(t, gone.header.Values("Set-Cookie"), 2)
		for _, text := range gone.header.Values("Set-Cookie") {
			require.Contains(t, text, "Max-Age=0")
		}
		w.refused(http.StatusUnauthorized, "unauthenticated", with(cookie, ask{method: "GET", path: "/v1/session"}))
		w.refused(http.StatusUnauthorized, "unauthenticated", with(cookie, ask{method: "GET", path: shopFlag}))
		w.ok(http.StatusOK, ask{method: "GET", path: shopFlag, token: "editor"})
		// Whoever shows a token is told about it, and has nothing to sign out of.
		require.Equal(t, "root", decode[Session](t, w.ok(http.StatusOK, ask{method: "GET", path: "/v1/session"})).Principal.Name)
		w.ok(http.StatusNoContent, ask{method: "DELETE", path: "/v1/session"})
		w.ok(http.StatusOK, ask{method: "GET", path: "/v1/session"})
	})
}

func TestCookieAttributes(t *testing.T) {
	strict := "; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
	dev := "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
	tests := []struct {
		name, host, origin string
		tls                bool
		want               string // "": refused
	}{
		{name: "loopback", host: "127.0.0.1:8080", origin: "http://127.0.0.1:8080", want: "dimmer_dev=x" + dev},
		{name: "loopback by name", host: "localhost:8080", origin: "http://localhost:8080", want: "dimmer_dev=x" + dev},
		{name: "loopback, IPv6", host: "[::1]:8080", origin: "http://[::1]:8080", want: "dimmer_dev=x" + dev},
		{name: "loopback, no origin", host: "127.0.0.1:8080", want: "dimmer_dev=x" + dev},
		{name: "TLS on loopback", host: "127.0.0.1:8443", origin: "https://127.0.0.1:8443", tls: true, want: "__Host-dimmer=x" + strict},
		{name: "TLS", host: "flags.example.com", origin: "https://flags.example.com", tls: true, want: "__Host-dimmer=x" + strict},
		{name: "TLS ends before us", host: "flags.example.com", origin: "https://flags.example.com", want: "__Host-dimmer=x" + strict},
		{name: "TLS ends before us, and the host is not passed on", host: "127.0.0.1:8080", origin: "https://flags.example.com", want: "__Host-dimmer=x" + strict},
		{name: "a host that only begins like loopback", host: "127.0.0.1.example.com", want: "__Host-dimmer=x" + strict},
		{name: "in the clear", host: "10.0.0.5:8080", origin: "http://10.0.0.5:8080"},
		{name: "in the clear, host not passed on", host: "127.0.0.1:8080", origin: "http://flags.example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/v1/session", nil)
			r.Host = test.host
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			now := time.Unix(1_800_000_000, 0)
			c, err := cookieFor(r, "x", now, now.Add(time.Minute))
			if test.want == "" {
				require.Equal(t, feature.CodeDenied, feature.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, c.String())
		})
	}
}

func TestWhichCookieCounts(t *testing.T) {
	tests := []struct {
		name, host, cookie, site string
		want                     string
	}{
		{name: "development", host: "127.0.0.1:8080", cookie: "dimmer_dev=a", want: "a"},
		{name: "the strict one wins", host: "127.0.0.1:8080", cookie: "dimmer_dev=a; __Host-dimmer=b", want: "b"},
		{name: "elsewhere a plain name counts for nothing", host: "flags.example.com", cookie: "dimmer_dev=a"},
		{name: "the strict one", host: "flags.example.com", cookie: "__Host-dimmer=b", site: "same-origin", want: "b"},
		{name: "typed into the address line", host: "flags.example.com", cookie: "__Host-dimmer=b", site: "none", want: "b"},
		{name: "a sibling's page", host: "flags.example.com", cookie: "__Host-dimmer=b", site: "same-site"},
		{name: "a stranger's page", host: "flags.example.com", cookie: "__Host-dimmer=b", site: "cross-site"},
		{name: "another product's", host: "127.0.0.1:8080", cookie: "session=a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/session", nil)
			r.Host = test.host
			r.Header.Set("Cookie", test.cookie)
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
			require.Equal(t, test.want, sessionText(r))
		})
	}
}

// A page of another origin can make a browser send its cookie in some ways and with some methods. None of them does anything.
func TestNothingFromAnotherOrigin(t *testing.T) {
	w := newWorld(t)
	cookie, _ := w.signIn(w.byToken("admin"))
	before := w.heads()
	for name, header := range map[string]map[string]string{
		"cross-site":             {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"same-site":              {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
		"an old browser":         {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"an old browser, opaque": {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for _, op := range table() {
				if op.Method == http.MethodGet {
					continue
				}
				a := ask{method: op.Method, path: filled(op.Path), header: header}
				if len(op.Bodies) > 0 {
					a.body = `{}`
				}
				w.refused(http.StatusForbidden, "denied", with(cookie, a))
			}
			if header["Sec-Fetch-Site"] != "" {
				w.refused(http.StatusUnauthorized, "unauthenticated", with(cookie, ask{method: "GET", path: shopFlag, header: header}))
			}
		})
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		w.refused(http.StatusUnsupportedMediaType, codeMediaType, with(cookie, ask{method: "POST", path: "/v1/projects/shop/flags", body: `{"key":"x","type":"boolean"}`, media: media}))
	}
	require.Equal(t, before, w.heads())
}

func TestSignInRefusals(t *testing.T) {
	w := newWorld(t)
	before := w.heads()
	for name, test := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"nothing":             {`{}`, 422, "invalid"},
		"both":                {`{"token":"a","code":"b"}`, 422, "invalid"},
		"no token":            {`{"token":"secret"}`, 401, "unauthenticated"},
		"no code":             {`{"code":"secret"}`, 401, "unauthenticated"},
		"an SDK's token":      {w.byToken("server"), 403, "denied"},
		"a client's token":    {w.byToken("client"), 403, "denied"},
		"a kill token":        {w.byToken("kill"), 403, "denied"},
		"a member of nowhere": {`{"password":"x"}`, 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.in(t).refused(test.status, test.code, ask{method: "POST", path: "/v1/session", token: "none", body: test.body})
			require.NotContains(t, got.Detail, "secret")
		})
	}
	for _, name := range []string{"server", "client", "kill"} {
		w.refused(http.StatusForbidden, "denied", ask{method: "POST", path: "/v1/session/codes", token: name})
	}
	got := w.refused(http.StatusForbidden, "denied", ask{method: "POST", path: "/v1/session", token: "none", body: w.byToken("admin"), header: map[string]string{"Origin": "http://10.0.0.5:8080", "Sec-Fetch-Site": "same-origin"}})
	require.Contains(t, got.Detail, "https")
	// A token that is shown is what counts, also when it is wrong.
	cookie, _ := w.signIn(w.byToken("admin"))
	w.refused(http.StatusUnauthorized, "unauthenticated", with(cookie, ask{method: "GET", path: "/v1/session", header: map[string]string{"Authorization": "Bearer x"}}))
	delete(before, "_system")
	after := w.heads()
	delete(after, "_system")
	require.Equal(t, before, after)
}

func TestSignInByCode(t *testing.T) {
	w := newWorld(t)
	w.check = newContract(t).check
	code := decode[SignInCode](t, w.ok(http.StatusCreated, ask{method: "POST", path: "/v1/session/codes", token: "staging"}))
	require.WithinDuration(t, time.Now().Add(10*time.Minute), code.Expires, time.Minute)
	body := `{"code":"` + code.Code + `"}`
	// A browser that could not keep the session does not use the code up.
	w.refused(http.StatusForbidden, "denied", ask{method: "POST", path: "/v1/session", token: "none", body: body, header: map[string]string{"Origin": "http://10.0.0.5", "Sec-Fetch-Site": "same-origin"}})
	cookie, session := w.signIn(body)
	require.Equal(t, "staging", session.Principal.Environment)
	w.ok(http.StatusOK, with(cookie, ask{method: "GET", path: "/v1/whoami"}))
	w.refused(http.StatusUnauthorized, "unauthenticated", ask{method: "POST", path: "/v1/session", token: "none", body: body})
}

// Who guesses is held up; who is signed in is not, and neither is who kills.
func TestSignInIsLimited(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.RateLimits.SignIn = Rate{PerSecond: 0.001, Burst: 2} })
	cookie, _ := w.signIn(w.byToken("admin"))
	for range 3 {
		w.refused(http.StatusUnauthorized, "unauthenticated", ask{method: "POST", path: "/v1/session", token: "none", body: `{"token":"x"}`})
	}
	got := w.do(ask{method: "POST", path: "/v1/session", token: "none", body: w.byToken("admin")})
	require.Equal(t, http.StatusTooManyRequests, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	for range 10 { // unknown sessions are answered from memory then, and with nothing else
		w.refused(http.StatusUnauthorized, "unauthenticated", with("dimmer_dev="+strings.Repeat("A", 43), ask{method: "GET", path: "/v1/session"}))
	}
	w.ok(http.StatusOK, with(cookie, ask{method: "GET", path: "/v1/session"}))
	w.ok(http.StatusOK, with(cookie, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"smoke"}`}))
}

// An open stream ends soon after its session does: by signing out, and with the token.
func TestStreamEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(w *world, cookie string, id string){
		"signed out": func(w *world, cookie, _ string) {
			w.ok(http.StatusNoContent, with(cookie, ask{method: "DELETE", path: "/v1/session"}))
		},
		"token revoked": func(w *world, _, id string) {
			_, _, err := w.admin.RevokeToken(context.Background(), root(), "shop", strings.TrimPrefix(id, "token:"))
			require.NoError(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.Check = 5 * time.Millisecond })
			cookie, session := w.signIn(w.byToken("viewer"))
			resp, err := http.DefaultTransport.RoundTrip(w.request(with(cookie, ask{method: "GET", path: "/v1/projects/shop/events"})))
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			require.Equal(t, http.StatusOK, resp.StatusCode)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				buf := make([]byte, 1024)
				for {
					if _, err := resp.Body.Read(buf); err != nil {
						return
					}
				}
			}()
			select {
			case <-ended:
				t.Fatal("the stream ended by itself")
			case <-time.After(50 * time.Millisecond): // a while in which nothing must happen
			}
			end(w, cookie, session.Principal.Id)
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatal("the stream goes on without its session")
			}
			w.refused(http.StatusUnauthorized, "unauthenticated", with(cookie, ask{method: "GET", path: "/v1/session"}))
		})
	}
}

// People who share a token have 20 streams each.
func TestStreamsAreCountedBySession(t *testing.T) {
	a, b := policy.Principal{ID: "token:x", Session: "1"}, policy.Principal{ID: "token:x", Session: "2"}
	var s streams
	for range maxTokenStreams {
		_, err := s.enter(a.ID + a.Session)
		require.NoError(t, err)
	}
	_, err := s.enter(a.ID + a.Session)
	require.Error(t, err)
	_, err = s.enter(b.ID + b.Session)
	require.NoError(t, err)
}
