package adminapi

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// The session's cookie. A browser takes __Host- only over HTTPS, for this host alone and all of it, so no other host of the same domain can plant
// one. Plain HTTP exists for development on loopback, whose cookie has a name of its own and is read there alone.
const (
	cookieName    = "__Host-dimmer"
	cookieNameDev = "dimmer_dev"
)

// sessionText is the session that a browser sends; empty: none. A page of another origin gets nothing done with it, whatever the method: writes are
// refused by the envelope, and reads have no business coming from elsewhere either.
func sessionText(r *http.Request) string {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return ""
	}
	names := []string{cookieName}
	if plainLoopback(r) {
		names = append(names, cookieNameDev)
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value
		}
	}
	return ""
}

// plainLoopback says whether the browser talks to this machine itself, without TLS.
func plainLoopback(r *http.Request) bool { return r.TLS == nil && loopbackHost(r.Host) }

func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cookieFor is the cookie for a session that ends then, or one that makes the browser forget it. The page's origin decides when the browser names
// it, since a proxy that ends TLS on this machine may ask for 127.0.0.1.
func cookieFor(r *http.Request, text string, now, ends time.Time) (*http.Cookie, error) {
	dev := plainLoopback(r)
	if origin, err := url.Parse(r.Header.Get("Origin")); err == nil && origin.Host != "" {
		if origin.Scheme == "http" && !loopbackHost(origin.Host) {
			return nil, feature.Denied("a session must not travel in the clear: open the UI over https, or at 127.0.0.1")
		}
		dev = dev && origin.Scheme == "http"
	}
	c := &http.Cookie{Name: cookieName, Value: text, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(ends.Sub(now) / time.Second)}
	if dev {
		c.Name, c.Secure = cookieNameDev, false
	}
	return c, nil
}

// resume is whose session it is. One that this process does not know costs a question to the store, and those are counted by address.
func (s *server) resume(r *http.Request, text, address string) (policy.Principal, error) {
	who, err := s.opts.Auth.Resume(auth.FromMemory(r.Context()), text, address)
	if feature.CodeOf(err) == feature.CodeUnauthenticated && s.limits.address(classResume, address, s.opts.Clock()) == nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		return s.opts.Auth.Resume(ctx, text, address)
	}
	return who, err
}

// SignIn implements [StrictServerInterface].
func (s *server) SignIn(ctx context.Context, r SignInRequestObject) (SignInResponseObject, error) {
	req := requestOf(ctx)
	if (r.Body.Token == "") == (r.Body.Code == "") {
		return nil, feature.Invalid("", "give a token, or the code of a sign-in link")
	}
	if _, err := cookieFor(req.http, "", time.Time{}, time.Time{}); err != nil { // before the code is used up
		return nil, err
	}
	var made auth.Session
	var err error
	if r.Body.Token != "" {
		made, err = s.opts.Auth.SignIn(ctx, strings.TrimSpace(r.Body.Token), req.call.Principal.Address)
	} else {
		made, err = s.opts.Auth.Redeem(ctx, r.Body.Code, req.call.Principal.Address)
	}
	if err != nil {
		return nil, err
	}
	cookie, err := cookieFor(req.http, made.Text, s.opts.Clock(), made.Principal.Expires)
	if err != nil {
		return nil, err
	}
	req.head.Add("Set-Cookie", cookie.String())
	return SignIn201JSONResponse{Principal: principal(made.Principal), Expires: made.Principal.Expires}, nil
}

// GetSession implements [StrictServerInterface].
func (s *server) GetSession(ctx context.Context, _ GetSessionRequestObject) (GetSessionResponseObject, error) {
	p := callOf(ctx, "").Principal
	return GetSession200JSONResponse{Principal: principal(p), Expires: p.Expires}, nil
}

// SignOut implements [StrictServerInterface].
func (s *server) SignOut(ctx context.Context, _ SignOutRequestObject) (SignOutResponseObject, error) {
	req := requestOf(ctx)
	if err := s.opts.Auth.SignOut(ctx, req.call.Principal); err != nil {
		return nil, err
	}
	for _, name := range []string{cookieName, cookieNameDev} {
		gone := &http.Cookie{Name: name, Path: "/", Secure: name == cookieName, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1}
		req.head.Add("Set-Cookie", gone.String())
	}
	return SignOut204Response{}, nil
}

// CreateSignInCode implements [StrictServerInterface].
func (s *server) CreateSignInCode(ctx context.Context, _ CreateSignInCodeRequestObject) (CreateSignInCodeResponseObject, error) {
	code, expires, err := s.opts.Auth.Code(ctx, callOf(ctx, "").Principal)
	if err != nil {
		return nil, err
	}
	return CreateSignInCode201JSONResponse{Code: code, Expires: expires}, nil
}
