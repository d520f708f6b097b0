package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// where is the flag and environment of a command.
type where struct {
	Flag        string `arg:"" help:"The flag's key."`
	Environment string `short:"e" required:"" env:"DIMMER_ENVIRONMENT" help:"The environment."`
}

func (w where) path(a *app, suffix string) (*client, string, error) {
	return a.inProject("/flags/%s/environments/%s"+suffix, w.Flag, w.Environment)
}

// targeting is what commands print of an answer.
type targeting struct {
	Flag        string `json:"flag"`
	Environment string `json:"environment"`
	Enabled     bool   `json:"enabled"`
	Killed      bool   `json:"killed"`
	Revision    int64  `json:"revision"`
	Durability  string `json:"durability"`
	Default     serve  `json:"default"`
	Rules       []struct {
		ID    string `json:"id"`
		Serve serve  `json:"serve"`
	} `json:"rules"`
}

type serve struct {
	Variant      string `json:"variant"`
	Distribution *struct {
		Exposure float64 `json:"exposure"`
	} `json:"distribution"`
}

func (t targeting) line() string {
	state := "off"
	if t.Enabled {
		state = "on"
		if d := t.Default.Distribution; d != nil {
			state = "on at " + percent(d.Exposure)
		}
		if n := len(t.Rules); n > 0 {
			state += ", " + rules(n)
		}
	}
	if t.Killed {
		state += ", but KILLED"
	}
	line := fmt.Sprintf("%s in %s: %s (revision %d)", t.Flag, t.Environment, state, t.Revision)
	if t.Durability == "unconfirmed" {
		line += "\nWARNING: stored, but not confirmed by a replica; it may be lost with the store's primary"
	}
	return line
}

// act posts a body to a verb below the targeting and prints the targeting that results.
func (w where) act(a *app, verb string, body any) error {
	api, path, err := w.path(a, verb)
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(out io.Writer, t targeting) { fmt.Fprintln(out, t.line()) })
}

type rampCmd struct {
	Flag        string `arg:"" help:"The flag's key."`
	Percent     string `arg:"" help:"The exposure in percent, such as 12.5; multiples of 0.001."`
	Environment string `short:"e" required:"" env:"DIMMER_ENVIRONMENT" help:"The environment."`
	Rule        string `help:"The rule whose distribution is meant (default: the default's)."`
	From        string `help:"Only if the exposure is this now."`
	Reason      string `help:"Why, for the log."`
}

func (c *rampCmd) Run(a *app) error {
	body := map[string]any{}
	for name, value := range map[string]string{"exposure": c.Percent, "from": c.From} {
		if value == "" {
			continue
		}
		number, err := percentArg(value)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		body[name] = number
	}
	if c.Rule != "" {
		body["rule"] = c.Rule
	}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	return where{Flag: c.Flag, Environment: c.Environment}.act(a, "/ramp", body)
}

// percentArg keeps the digits as they were typed; the server judges the range and the resolution.
func percentArg(s string) (json.RawMessage, error) {
	digits := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if _, err := strconv.ParseFloat(digits, 64); err != nil || !json.Valid([]byte(digits)) {
		return nil, fmt.Errorf("%q is not a percentage such as 25 or 12.5", s)
	}
	return json.RawMessage(digits), nil
}

type onCmd struct {
	where
	Reason string `help:"Why, for the log."`
}

func (c *onCmd) Run(a *app) error { return c.act(a, "/on", map[string]string{"reason": c.Reason}) }

type offCmd struct {
	where
	Reason string `help:"Why, for the log."`
}

func (c *offCmd) Run(a *app) error { return c.act(a, "/off", map[string]string{"reason": c.Reason}) }

type killCmd struct {
	Flag        string        `arg:"" optional:"" help:"The flag's key."`
	Tag         string        `help:"Kill every flag with this tag instead."`
	Environment string        `short:"e" required:"" env:"DIMMER_ENVIRONMENT" help:"The environment."`
	Reason      string        `required:"" help:"Why; everyone will read it."`
	Wait        string        `default:"instances" enum:"instances,nodes,none" help:"Wait for instances, nodes or none to acknowledge."`
	Timeout     time.Duration `default:"5s" help:"Wait at most this long."`
}

// receipt is the answer to a kill.
type receipt struct {
	IDs        []string `json:"ids"`
	Flags      []string `json:"flags"`
	Revision   int64    `json:"revision"`
	Durability string   `json:"durability"`
	Nodes      count    `json:"nodes"`
	Instances  count    `json:"instances"`
	Missing    []struct {
		Instance    string    `json:"instance"`
		Application string    `json:"application"`
		SDK         string    `json:"sdk"`
		Node        string    `json:"node"`
		State       string    `json:"state"`
		LastSeen    time.Time `json:"lastSeen"`
	} `json:"missing"`
	ElapsedMS int64 `json:"elapsedMs"`
}

type count struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

func (c *killCmd) Run(a *app) error {
	if (c.Flag == "") == (c.Tag == "") {
		return &exitError{exitUsage, fmt.Errorf("give a flag, or --tag")}
	}
	body := map[string]string{"reason": c.Reason, "wait": c.Wait, "timeout": c.Timeout.String()}
	api, path, err := a.inProject("/flags/%s/environments/%s/kill", c.Flag, c.Environment)
	if c.Tag != "" {
		api, path, err = a.inProject("/kill")
		body["tag"], body["environment"] = c.Tag, c.Environment
	}
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	if err := show(a, resp.body, func(w io.Writer, r receipt) { c.print(a, w, r) }); err != nil {
		return err
	}
	if resp.status == http.StatusAccepted {
		return &exitError{code: exitUnconfirmed}
	}
	return nil
}

func (c *killCmd) print(a *app, w io.Writer, r receipt) {
	what := c.Flag
	if c.Tag != "" {
		what = strings.Join(r.Flags, ", ")
	}
	fmt.Fprintf(w, "%s %s in %s (revision %d)\n", a.colour(red, "killed"), plain(what), plain(c.Environment), r.Revision)
	if r.Durability == "unconfirmed" {
		fmt.Fprintln(w, "WARNING: stored, but not confirmed by a replica; it may be lost with the store's primary")
	}
	if c.Wait != "none" {
		fmt.Fprintf(w, "nodes %d/%d  instances %d/%d  in %.2f s\n", r.Nodes.Done, r.Nodes.Total, r.Instances.Done, r.Instances.Total, float64(r.ElapsedMS)/1000)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "missing: %s  %s  %s  on %s  last seen %s\n", plain(m.Instance), plain(m.Application), m.State, plain(m.Node), when(m.LastSeen))
	}
	for i, id := range r.IDs {
		flag := c.Flag
		if i < len(r.Flags) {
			flag = r.Flags[i]
		}
		fmt.Fprintf(w, "to clear: dimmer clear %s -e %s --id %s --reason …\n", plain(flag), plain(c.Environment), id)
	}
}

type clearCmd struct {
	where
	ID     []string `help:"The kill's id; may be repeated (default: all of the flag that are not cleared)."`
	Reason string   `required:"" help:"Why, for the log."`
}

func (c *clearCmd) Run(a *app) error {
	api, path, err := c.path(a, "/kills")
	if err != nil {
		return err
	}
	ids := c.ID
	if len(ids) == 0 {
		if ids, err = openKills(a, api, path); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return &exitError{exitNotFound, fmt.Errorf("%s is not killed in %s", c.Flag, c.Environment)}
	}
	cleared := []json.RawMessage{}
	for _, id := range ids {
		resp, err := api.do(a.ctx, request{method: http.MethodDelete, path: path + pathf("/%s", id), query: url.Values{"reason": {c.Reason}}})
		if err != nil {
			if a.globals.Output == "json" { // those before it are cleared all the same
				err = errors.Join(err, a.say(map[string]any{"items": cleared}, ""))
			}
			return err
		}
		cleared = append(cleared, resp.body)
		if a.globals.Output != "json" {
			fmt.Fprintf(a.out, "cleared %s of %s in %s\n", plain(id), plain(c.Flag), plain(c.Environment))
		}
	}
	if a.globals.Output == "json" {
		return a.say(map[string]any{"items": cleared}, "")
	}
	return nil
}

func openKills(a *app, api *client, path string) ([]string, error) {
	resp, err := api.do(a.ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			ID      string          `json:"id"`
			Cleared json.RawMessage `json:"cleared"`
		} `json:"items"`
	}
	if err := json.Unmarshal(resp.body, &list); err != nil {
		return nil, err
	}
	var ids []string
	for _, k := range list.Items {
		if len(k.Cleared) == 0 || string(k.Cleared) == "null" {
			ids = append(ids, k.ID)
		}
	}
	return ids, nil
}

type previewCmd struct {
	Flag        string `arg:"" help:"The flag's key."`
	Percent     string `arg:"" help:"The exposure to try, in percent."`
	Environment string `short:"e" required:"" env:"DIMMER_ENVIRONMENT" help:"The environment."`
	Rule        string `help:"The rule whose distribution is meant."`
}

// preview is what the server says of a change that was not made.
type preview struct {
	Distributions []struct {
		Rule          string  `json:"rule"`
		Before        float64 `json:"before"`
		After         float64 `json:"after"`
		EnterPercent  float64 `json:"enterPercent"`
		LeavePercent  float64 `json:"leavePercent"`
		SwitchPercent float64 `json:"switchPercent"`
	} `json:"distributions"`
	Changes []string `json:"changes"`
}

func (c *previewCmd) Run(a *app) error {
	number, err := percentArg(c.Percent)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	ramp := map[string]any{"exposure": number}
	if c.Rule != "" {
		ramp["rule"] = c.Rule
	}
	api, path, err := a.inProject("/flags/%s/environments/%s/preview", c.Flag, c.Environment)
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: map[string]any{"ramp": ramp}})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, p preview) {
		row(w, "OF THOSE WHO REACH", "NOW", "THEN", "ENTER", "LEAVE", "SWITCH")
		for _, d := range p.Distributions {
			row(w, d.Rule, percent(d.Before), percent(d.After), percent(d.EnterPercent), percent(d.LeavePercent), percent(d.SwitchPercent))
		}
		for _, change := range p.Changes {
			row(w, "also: "+change)
		}
	})
}
