package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"maps"
)

type flagsCmd struct {
	List    flagsListCmd    `cmd:"" help:"List flags with their state in each environment."`
	Get     flagsGetCmd     `cmd:"" help:"Show one flag, and with -e its targeting."`
	Create  flagsCreateCmd  `cmd:"" help:"Create a flag; it is off everywhere."`
	Archive flagsArchiveCmd `cmd:"" help:"Archive a flag."`
	Delete  flagsDeleteCmd  `cmd:"" help:"Delete an archived flag."`
}

// flagState is a flag in a list.
type flagState struct {
	Flag struct {
		Key  string   `json:"key"`
		Type string   `json:"type"`
		Kind string   `json:"kind"`
		Tags []string `json:"tags"`
	} `json:"flag"`
	Environments map[string]struct {
		State    string  `json:"state"`
		Exposure float64 `json:"exposure"`
		Rules    int     `json:"rules"`
	} `json:"environments"`
}

func (s flagState) cell(env string) string {
	e := s.Environments[env]
	switch e.State {
	case "exposure":
		return percent(e.Exposure)
	case "rules":
		if e.Exposure < 100 { // not everybody who meets no rule
			return percent(e.Exposure) + ", " + rules(e.Rules)
		}
		return rules(e.Rules)
	}
	return e.State
}

// rules prints 1 as "1 rule".
func rules(n int) string {
	if n == 1 {
		return "1 rule"
	}
	return fmt.Sprintf("%d rules", n)
}

type flagsListCmd struct {
	Query    string `short:"q" help:"Part of a key, name or description."`
	Tag      string `help:"Only flags with this tag."`
	Type     string `help:"Only flags of this type."`
	Kind     string `help:"Only flags of this kind."`
	Owner    string `help:"Only flags of this owner."`
	Archived bool   `help:"Archived flags instead of the others."`
}

func (c *flagsListCmd) Run(a *app) error {
	api, path, err := a.inProject("/flags")
	if err != nil {
		return err
	}
	query := url.Values{}
	for k, v := range map[string]string{"q": c.Query, "tag": c.Tag, "type": c.Type, "kind": c.Kind, "owner": c.Owner} {
		if v != "" {
			query.Set(k, v)
		}
	}
	if c.Archived {
		query.Set("archived", "true")
	}
	body, err := allPages(a, api, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return show(a, body, func(w io.Writer, list struct {
		Items []flagState `json:"items"`
	}) {
		names := map[string]bool{}
		for _, f := range list.Items {
			for env := range f.Environments {
				names[env] = true
			}
		}
		envs := slices.Sorted(maps.Keys(names))
		head := []any{"FLAG", "TYPE", "KIND"}
		for _, env := range envs {
			head = append(head, strings.ToUpper(env))
		}
		row(w, head...)
		for _, f := range list.Items {
			cells := []any{f.Flag.Key, f.Flag.Type, f.Flag.Kind}
			for _, env := range envs {
				cells = append(cells, f.cell(env))
			}
			row(w, cells...)
		}
	})
}

// allPages follows the cursor and returns one list.
func allPages(a *app, api *client, r request) ([]byte, error) {
	type page struct {
		Items []json.RawMessage `json:"items"`
		Next  string            `json:"next,omitempty"`
	}
	all := page{Items: []json.RawMessage{}}
	r.query.Set("limit", "1000")
	for {
		resp, err := api.do(a.ctx, r)
		if err != nil {
			return nil, err
		}
		var p page
		if err := json.Unmarshal(resp.body, &p); err != nil {
			return nil, err
		}
		all.Items = append(all.Items, p.Items...)
		if p.Next == "" {
			return json.Marshal(all)
		}
		r.query.Set("cursor", p.Next)
	}
}

type flagsGetCmd struct {
	Flag        string `arg:"" help:"The flag's key."`
	Environment string `short:"e" help:"Show the targeting in this environment too."`
}

func (c *flagsGetCmd) Run(a *app) error {
	api, path, err := a.inProject("/flags/%s", c.Flag)
	if err != nil {
		return err
	}
	if c.Environment != "" {
		path += pathf("/environments/%s", c.Environment)
	}
	resp, err := api.do(a.ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return printJSON(a.out, resp.body) // a document is read best as it is
}

type flagsCreateCmd struct {
	Flag          string   `arg:"" help:"The flag's key: a-z, 0-9, dot, dash, underscore."`
	Type          string   `default:"boolean" enum:"boolean,string,number,json" help:"boolean, string, number or json."`
	Kind          string   `default:"release" enum:"release,experiment,killSwitch,permission,operational" help:"release, experiment, killSwitch, permission or operational."`
	Name          string   `help:"A name for people."`
	Description   string   `help:"What it is for."`
	Tag           []string `help:"A tag; may be repeated."`
	Owner         string   `help:"Who to ask."`
	ClientVisible bool     `help:"Let browsers and apps see it."`
	Variant       []string `sep:"none" placeholder:"KEY=JSON" help:"A variant; may be repeated. A boolean flag needs none."`
	File          string   `short:"f" type:"existingfile" help:"Take the whole flag from a JSON file instead."`
	Reason        string   `help:"Why, for the log."`
}

func (c *flagsCreateCmd) Run(a *app) error {
	api, path, err := a.inProject("/flags")
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, query: reasonQuery(c.Reason), body: body})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, f struct {
		Key string `json:"key"`
	}) {
		fmt.Fprintf(w, "created %s, off everywhere. Turn it up: dimmer ramp %s 1 -e ENVIRONMENT\n", f.Key, f.Key)
	})
}

func (c *flagsCreateCmd) body() (any, error) {
	if c.File != "" {
		data, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		// Sent as it is, so that the server sees what stands there; its own checks say more than ours.
		if !json.Valid(data) {
			return nil, fmt.Errorf("-f %s: it is not JSON", c.File)
		}
		return json.RawMessage(data), nil
	}
	flag := map[string]any{"key": c.Flag, "type": c.Type, "kind": c.Kind}
	for k, v := range map[string]string{"name": c.Name, "description": c.Description, "owner": c.Owner} {
		if v != "" {
			flag[k] = v
		}
	}
	if len(c.Tag) > 0 {
		flag["tags"] = c.Tag
	}
	if c.ClientVisible {
		flag["clientVisible"] = true
	}
	variants := []map[string]any{}
	for _, v := range c.Variant {
		key, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("--variant %s: want KEY=JSON, such as green=%s", v, strconv.Quote("#0a0"))
		}
		if !json.Valid([]byte(value)) {
			return nil, fmt.Errorf("--variant %s: %s is not JSON; a text needs quotes, such as '%s=%q'", v, value, key, value)
		}
		variants = append(variants, map[string]any{"key": key, "value": json.RawMessage(value)})
	}
	if len(variants) > 0 {
		flag["variants"] = variants
	}
	return flag, nil
}

func reasonQuery(reason string) url.Values {
	if reason == "" {
		return nil
	}
	return url.Values{"reason": {reason}}
}

type flagsArchiveCmd struct {
	Flag   string `arg:"" help:"The flag's key."`
	Reason string `help:"Why, for the log."`
}

func (c *flagsArchiveCmd) Run(a *app) error {
	api, path, err := a.inProject("/flags/%s/archive", c.Flag)
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: map[string]string{"reason": c.Reason}})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, _ struct{}) { fmt.Fprintf(w, "archived %s\n", c.Flag) })
}

type flagsDeleteCmd struct {
	Flag   string `arg:"" help:"The flag's key."`
	Reason string `help:"Why, for the log."`
}

func (c *flagsDeleteCmd) Run(a *app) error {
	api, path, err := a.inProject("/flags/%s", c.Flag)
	if err != nil {
		return err
	}
	current, err := api.do(a.ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	resp, err := api.do(a.ctx, request{method: http.MethodDelete, path: path, query: reasonQuery(c.Reason), header: http.Header{"If-Match": {current.etag}}})
	if err != nil {
		return err
	}
	return show(a, orEmpty(resp.body), func(w io.Writer, _ struct{}) { fmt.Fprintf(w, "deleted %s\n", c.Flag) })
}

func orEmpty(body []byte) []byte {
	if len(body) == 0 {
		return []byte("{}")
	}
	return body
}
