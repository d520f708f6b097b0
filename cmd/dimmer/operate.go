package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

type instanceCmd struct {
	Environment string `short:"e" help:"Only this environment."`
}

func (c *instanceCmd) Run(a *app) error {
	api, path, err := a.inProject("/instances")
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Environment != "" {
		query.Set("environment", c.Environment)
	}
	resp, err := api.do(a.ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, list struct {
		Items []struct {
			Instance    string    `json:"instance"`
			Application string    `json:"application"`
			SDK         string    `json:"sdk"`
			SDKVersion  string    `json:"sdkVersion"`
			Node        string    `json:"node"`
			Environment string    `json:"environment"`
			Revision    int64     `json:"revision"`
			State       string    `json:"state"`
			LastSeen    time.Time `json:"lastSeen"`
		} `json:"items"`
	}) {
		row(w, "INSTANCE", "APPLICATION", "SDK", "ENVIRONMENT", "STATE", "REVISION", "NODE", "LAST SEEN")
		for _, i := range list.Items {
			row(w, i.Instance, i.Application, i.SDK+" "+i.SDKVersion, i.Environment, i.State, i.Revision, i.Node, when(i.LastSeen))
		}
	})
}

type tokensCmd struct {
	List   tokensListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Create tokensCreateCmd `cmd:"" help:"Make a token and print it, this once."`
	Rotate tokensRotateCmd `cmd:"" help:"Make a successor; the old one lives on for a while."`
	Revoke tokensRevokeCmd `cmd:"" help:"Revoke a token: open streams end within 5 s."`
}

type tokensListCmd struct{}

func (tokensListCmd) Run(a *app) error {
	api, path, err := a.inProject("/tokens")
	if err != nil {
		return err
	}
	body, err := allPages(a, api, request{method: http.MethodGet, path: path, query: url.Values{}})
	if err != nil {
		return err
	}
	return show(a, body, func(w io.Writer, list struct {
		Items []struct {
			ID          string    `json:"id"`
			Name        string    `json:"name"`
			Kind        string    `json:"kind"`
			Role        string    `json:"role"`
			Environment string    `json:"environment"`
			Expires     time.Time `json:"expires"`
			RevokedAt   time.Time `json:"revokedAt"`
			LastUsed    time.Time `json:"lastUsed"`
		} `json:"items"`
	}) {
		row(w, "ID", "NAME", "KIND", "ROLE", "ENVIRONMENT", "LAST USED", "EXPIRES", "REVOKED")
		for _, t := range list.Items {
			row(w, t.ID, t.Name, t.Kind, t.Role, t.Environment, when(t.LastUsed), when(t.Expires), when(t.RevokedAt))
		}
	})
}

type tokensCreateCmd struct {
	Name        string        `arg:"" help:"A name for people."`
	Kind        string        `default:"server" enum:"admin,server,client,kill" help:"admin, server, client or kill."`
	Role        string        `placeholder:"ROLE" help:"Of an admin token: viewer, operator, editor or admin."`
	Environment string        `short:"e" help:"The one environment it is for; server and client tokens need it."`
	Expires     time.Duration `help:"How long it lives, such as 720h (default: for ever)."`
}

func (c *tokensCreateCmd) Run(a *app) error {
	api, path, err := a.inProject("/tokens")
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name, "kind": c.Kind}
	if c.Role != "" {
		body["role"] = c.Role
	}
	if c.Environment != "" {
		body["environment"] = c.Environment
	}
	if c.Expires > 0 {
		body["expires"] = time.Now().Add(c.Expires).UTC().Format(time.RFC3339)
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	return showSecret(a, resp.body)
}

// showSecret prints a token alone on standard output, so that it can be piped, and the advice beside it.
func showSecret(a *app, body []byte) error {
	return show(a, body, func(w io.Writer, t struct {
		Secret string `json:"secret"`
	}) {
		fmt.Fprintln(a.err, "This is shown once; keep it somewhere safe:")
		fmt.Fprintln(w, t.Secret)
	})
}

type tokensRotateCmd struct {
	ID      string        `arg:"" help:"The token's id."`
	Overlap time.Duration `default:"24h" help:"How long the old one lives on."`
}

func (c *tokensRotateCmd) Run(a *app) error {
	api, path, err := a.inProject("/tokens/%s/rotate", c.ID)
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: map[string]string{"overlap": c.Overlap.String()}})
	if err != nil {
		return err
	}
	return showSecret(a, resp.body)
}

type tokensRevokeCmd struct {
	ID     string `arg:"" help:"The token's id."`
	Reason string `help:"Why, for the log."`
}

func (c *tokensRevokeCmd) Run(a *app) error {
	api, path, err := a.inProject("/tokens/%s", c.ID)
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodDelete, path: path, query: reasonQuery(c.Reason)})
	if err != nil {
		return err
	}
	return show(a, orEmpty(resp.body), func(w io.Writer, _ struct{}) { fmt.Fprintf(w, "revoked %s\n", c.ID) })
}

type backupCmd struct {
	File string `arg:"" type:"path" help:"Where to write it; it must not exist."`
}

func (c *backupCmd) Run(a *app) (err error) {
	api, err := a.server()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.File); err == nil {
		return &exitError{exitConflict, fmt.Errorf("%s exists; choose another name", c.File)}
	}
	resp, err := api.open(a.ctx, request{method: http.MethodGet, path: "/v1/backup"})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	// Written beside and renamed at the end: a file of that name is a whole backup.
	tmp, err := os.CreateTemp(filepath.Dir(c.File), ".dimmer-backup-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	n, err := io.Copy(tmp, resp.Body)
	if err == nil && resp.Trailer.Get("Dimmer-Complete") != "true" {
		err = &exitError{exitUnavailable, fmt.Errorf("the backup broke off after %d bytes; nothing was kept", n)}
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err2 := tmp.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), c.File); err != nil {
		return err
	}
	return a.say(map[string]any{"file": c.File, "bytes": n}, fmt.Sprintf("wrote %s, %d bytes", c.File, n))
}

type doctorCmd struct{}

// checked is one line of the doctor's findings. Status is ok, warning or bad.
type checked struct {
	What   string `json:"what"`
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// Run checks one thing after another and says of each what it found; it fails when one of them is bad.
func (doctorCmd) Run(a *app) error {
	ctx, cancel := context.WithTimeout(a.ctx, 15*time.Second)
	defer cancel()
	api, err := a.server()
	if err != nil {
		return err
	}
	found := []checked{}
	bad := 0
	ask := func(what, path string, read func([]byte) string) []byte {
		r, err := api.do(ctx, request{method: http.MethodGet, path: path})
		if err != nil {
			bad++
			found = append(found, checked{what, "bad", err.Error()})
			return nil
		}
		found = append(found, checked{what, "ok", read(r.body)})
		return r.body
	}
	ask("server", "/readyz", func([]byte) string { return api.base + " is ready" })
	ask("token", "/v1/whoami", describePrincipal)
	var report struct {
		Warnings []string `json:"warnings"`
	}
	if body := ask("store", "/v1/store", describeStore); body != nil {
		_ = json.Unmarshal(body, &report) // it was read once already
	}
	for _, warning := range report.Warnings {
		found = append(found, checked{"store", "warning", warning})
	}
	if err := a.printChecks(found); err != nil {
		return err
	}
	if bad > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (a *app) printChecks(found []checked) error {
	if a.globals.Output == "json" {
		return a.say(map[string]any{"checks": found}, "")
	}
	for _, c := range found {
		mark := a.colour(green, "ok ")
		switch c.Status {
		case "bad":
			mark = a.colour(red, "BAD")
		case "warning":
			mark = a.colour(amber, "!! ")
		}
		fmt.Fprintf(a.out, "%s  %-8s %s\n", mark, c.What, plain(c.Detail))
	}
	return nil
}

func describePrincipal(body []byte) string {
	var p struct {
		Name        string `json:"name"`
		Kind        string `json:"kind"`
		Role        string `json:"role"`
		Project     string `json:"project"`
		Environment string `json:"environment"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return string(body)
	}
	text := fmt.Sprintf("%q, %s", p.Name, p.Kind)
	for _, part := range []struct{ label, value string }{{"role", p.Role}, {"project", p.Project}, {"environment", p.Environment}} {
		if part.value != "" {
			text += ", " + part.label + " " + part.value
		}
	}
	return text
}

func describeStore(body []byte) string {
	var s struct {
		Backend  string  `json:"backend"`
		Replicas int     `json:"replicas"`
		Used     float64 `json:"used"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return string(body)
	}
	text := s.Backend
	if s.Backend != "local" {
		text += fmt.Sprintf(", %d replicas", s.Replicas)
	}
	if s.Used > 0 {
		text += fmt.Sprintf(", %.0f %% of its memory used", s.Used*100)
	}
	return text
}
