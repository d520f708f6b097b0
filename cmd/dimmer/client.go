package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/server"
)

// client talks REST. It sends the token to the address that it was made for and nowhere else: redirects are refused.
type client struct {
	base    string
	token   string
	project string
	http    *http.Client
}

// server makes the client from options, environment and a development server's file.
func (a *app) server() (*client, error) {
	if a.api != nil {
		return a.api, nil
	}
	transport, err := a.globals.transport()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	c := &client{base: a.globals.URL, token: a.globals.Token, project: a.globals.Project, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.base == "" || c.token == "" {
		dev, err := server.ReadDevFile(a.globals.Data)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			c.adopt(dev)
		}
	}
	if c.base == "" {
		c.base = "http://127.0.0.1:8080"
	}
	u, err := url.Parse(c.base)
	if err != nil || u.Host == "" {
		return nil, &exitError{exitUsage, fmt.Errorf("--url: %q is not a URL such as https://dimmer.example.com", c.base)}
	}
	c.base = strings.TrimRight(c.base, "/")
	if c.token == "" {
		return nil, &exitError{exitDenied, fmt.Errorf("no token: set DIMMER_TOKEN, or run this where a development server keeps its data (--data)")}
	}
	a.api = c
	return c, nil
}

// transport is Go's own unless certificates are given.
func (g *Globals) transport() (http.RoundTripper, error) {
	if g.CA == "" && g.Cert == "" && g.Key == "" {
		return http.DefaultTransport, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.CA != "" {
		text, err := os.ReadFile(g.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca: %s holds no certificate", g.CA)
		}
	}
	if g.Cert != "" || g.Key != "" {
		pair, err := tls.LoadX509KeyPair(g.Cert, g.Key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --cert-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, ForceAttemptHTTP2: true}, nil
}

// adopt takes a development server's address, and its token when that is where we talk to.
func (c *client) adopt(dev server.DevFile) {
	if c.base == "" {
		c.base = dev.URL
	}
	want, err1 := url.Parse(dev.URL)
	have, err2 := url.Parse(c.base)
	if c.token != "" || err1 != nil || err2 != nil || want.Host != have.Host || !loopbackHost(have.Hostname()) {
		return
	}
	c.token = dev.Admin
	if c.project == "" {
		c.project = dev.Project
	}
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// problem is an RFC 9457 document.
type problem struct {
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Pointer string `json:"pointer"`
	ID      string `json:"id"`
	Errors  []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (p problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	if p.Pointer != "" {
		b.WriteString(" (at " + p.Pointer + ")")
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", e.Pointer, e.Detail)
	}
	return b.String()
}

// request is one call. body is marshalled, except for json.RawMessage, which is sent as it is.
type request struct {
	method string
	path   string // below the server, escaped by pathf
	query  url.Values
	body   any
	header http.Header
}

// response is the part of an answer that commands look at.
type response struct {
	status int
	etag   string
	body   []byte
}

// do sends a request and reads the whole answer. Status 400 and above become errors with an exit code.
func (c *client) do(ctx context.Context, r request) (response, error) {
	resp, err := c.open(ctx, r)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return response{}, &exitError{exitUnavailable, fmt.Errorf("the answer broke off: %w", err)}
	}
	return response{status: resp.StatusCode, etag: resp.Header.Get("ETag"), body: data}, nil
}

// open sends a request and leaves the body to the caller.
func (c *client) open(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "dimmer/"+version)
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, &exitError{exitUnavailable, fmt.Errorf("%s does not answer: %w\nIs the server running? Its address comes from --url or DIMMER_URL", c.base, err)}
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, problemOf(resp)
}

func problemOf(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := problem{Title: resp.Status}
	if err := json.Unmarshal(data, &p); err != nil || p.Title == "" {
		p = problem{Title: resp.Status, Detail: strings.TrimSpace(string(data[:min(len(data), 200)]))}
	}
	code := exitFailed
	switch resp.StatusCode {
	case http.StatusNotFound:
		code = exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		code = exitDenied
	case http.StatusConflict, http.StatusPreconditionFailed:
		code = exitConflict
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		code = exitUnavailable
	}
	return &exitError{code, p}
}

// pathf formats a path; every argument is escaped as one path segment.
func pathf(format string, args ...string) string {
	escaped := make([]any, len(args))
	for i, s := range args {
		escaped[i] = url.PathEscape(s)
	}
	return fmt.Sprintf(format, escaped...)
}

// inProject is the path of something in the chosen project: the option, or the only project that the token sees.
func (a *app) inProject(format string, args ...string) (*client, string, error) {
	c, err := a.server()
	if err != nil {
		return nil, "", err
	}
	if c.project == "" {
		if c.project, err = onlyProject(a.ctx, c); err != nil {
			return nil, "", err
		}
	}
	return c, pathf("/v1/projects/%s", c.project) + pathf(format, args...), nil
}

func onlyProject(ctx context.Context, c *client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/projects"})
	if err != nil {
		return "", err
	}
	var list struct {
		Items []struct {
			Key string `json:"key"`
		} `json:"items"`
	}
	if err := json.Unmarshal(r.body, &list); err != nil {
		return "", err
	}
	if len(list.Items) == 1 {
		return list.Items[0].Key, nil
	}
	if len(list.Items) == 0 {
		return "", &exitError{exitNotFound, errors.New("there is no project that this token may see; POST /v1/projects makes one")}
	}
	keys := make([]string, len(list.Items))
	for i, p := range list.Items {
		keys[i] = p.Key
	}
	return "", &exitError{exitUsage, fmt.Errorf("which project? Give -p, or set DIMMER_PROJECT: %s", strings.Join(keys, ", "))}
}
