package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/dimmerhq/dimmer/service/server"
)

// uiCmd prints a link that signs in to the web UI as whoever the token is. The link alone goes to standard output, for
// `xdg-open "$(dimmer ui)"`.
type uiCmd struct{}

func (uiCmd) Run(a *app) error {
	c, err := a.server()
	if err != nil {
		return err
	}
	link, expires, err := signInLink(a.ctx, c)
	if err != nil {
		return err
	}
	if a.globals.Output != "json" {
		fmt.Fprintf(a.err, "Open this within %s; it works once:\n", time.Until(expires).Round(time.Minute))
	}
	return a.say(map[string]any{"url": link, "expires": expires}, link)
}

// signInLink asks the server for one. The code stands behind the #, so that no server, proxy or log sees it.
func signInLink(ctx context.Context, c *client) (string, time.Time, error) {
	r, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/session/codes"})
	if err != nil {
		return "", time.Time{}, err
	}
	var made struct {
		Code    string    `json:"code"`
		Expires time.Time `json:"expires"`
	}
	if err := json.Unmarshal(r.body, &made); err != nil {
		return "", time.Time{}, fmt.Errorf("the server's answer is not what was expected: %w", err)
	}
	return c.base + "/signin#code=" + made.Code, made.Expires, nil
}

// devLink is a link to a development server's UI, or its address when no link can be had.
func devLink(ctx context.Context, dev server.DevFile) string {
	c := &client{base: dev.URL, token: dev.Admin, http: http.DefaultClient}
	link, _, err := signInLink(ctx, c)
	if err != nil {
		return fmt.Sprintf("%s/ (no link that signs in: %v)", dev.URL, err)
	}
	return link
}
