package main

import (
	"bufio"
	"cmp"
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

// logEntry is one change.
type logEntry struct {
	Revision  int64     `json:"revision"`
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	ActorName string    `json:"actorName"`
	Verb      string    `json:"verb"`
	Target    string    `json:"target"`
	Reason    string    `json:"reason"`
}

// who is the actor's name, or its id when it has none. The id is what --actor takes; -o json has both.
func (e logEntry) who() string { return cmp.Or(e.ActorName, e.Actor) }

type logCmd struct {
	Flag        string `help:"Only changes of this flag."`
	Environment string `short:"e" help:"Only changes in this environment."`
	Actor       string `help:"Only changes by this actor."`
	Limit       int    `short:"n" default:"20" help:"At most this many."`
	Revision    *int64 `arg:"" optional:"" help:"Show this change with what was before and after."`
}

func (c *logCmd) Run(a *app) error {
	api, path, err := a.inProject("/log")
	if err != nil {
		return err
	}
	if c.Revision != nil {
		resp, err := api.do(a.ctx, request{method: http.MethodGet, path: path + "/" + strconv.FormatInt(*c.Revision, 10)})
		if err != nil {
			return err
		}
		return printJSON(a.out, resp.body)
	}
	query := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	for k, v := range map[string]string{"flag": c.Flag, "environment": c.Environment, "actor": c.Actor} {
		if v != "" {
			query.Set(k, v)
		}
	}
	resp, err := api.do(a.ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, list struct {
		Items []logEntry `json:"items"`
	}) {
		row(w, "REVISION", "WHEN", "WHO", "WHAT", "TARGET", "WHY")
		for _, e := range list.Items {
			row(w, e.Revision, when(e.At), e.who(), e.Verb, e.Target, e.Reason)
		}
	})
}

type restoreCmd struct {
	Revision    int64  `arg:"" help:"The revision to go back to."`
	Flag        string `help:"Only this flag."`
	Environment string `short:"e" help:"Only this environment."`
	Reason      string `help:"Why, for the log."`
}

func (c *restoreCmd) Run(a *app) error {
	api, path, err := a.inProject("/log/%s/restore", strconv.FormatInt(c.Revision, 10))
	if err != nil {
		return err
	}
	body := map[string]string{}
	for k, v := range map[string]string{"flag": c.Flag, "environment": c.Environment, "reason": c.Reason} {
		if v != "" {
			body[k] = v
		}
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	return show(a, resp.body, func(w io.Writer, r struct {
		Revision int64 `json:"revision"`
	}) {
		fmt.Fprintf(w, "restored to what it was at revision %d, as revision %d\n", c.Revision, r.Revision)
	})
}

type watchCmd struct {
	Environment string `short:"e" help:"Only changes in this environment."`
}

func (c *watchCmd) Run(a *app) error {
	api, path, err := a.inProject("/events")
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Environment != "" {
		query.Set("environment", c.Environment)
	}
	last := ""
	for {
		header := http.Header{"Accept": {"text/event-stream"}}
		if last != "" {
			header.Set("Last-Event-ID", last)
		}
		resp, err := api.open(a.ctx, request{method: http.MethodGet, path: path, query: query, header: header})
		if err == nil {
			err = c.follow(a, resp.Body, &last)
			_ = resp.Body.Close()
		}
		var e *exitError
		if a.ctx.Err() != nil {
			return nil //nolint:nilerr // an interrupt is how one leaves, also while the server is away
		}
		if errors.As(err, &e) && e.code != exitUnavailable {
			return err
		}
		fmt.Fprintln(a.err, "dimmer: the connection was lost; trying again")
		select {
		case <-time.After(time.Second):
		case <-a.ctx.Done():
			return nil
		}
	}
}

// follow prints events until the stream ends. An interrupt is how one leaves, and no error.
func (c *watchCmd) follow(a *app, body io.Reader, last *string) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		field, data, _ := strings.Cut(lines.Text(), ":")
		data = strings.TrimPrefix(data, " ")
		if field == "id" {
			*last = data
		}
		if field != "data" {
			continue
		}
		if a.globals.Output == "json" {
			fmt.Fprintln(a.out, data)
			continue
		}
		var e logEntry
		if json.Unmarshal([]byte(data), &e) == nil && e.Revision > 0 {
			fmt.Fprintf(a.out, "%s  %d  %s  %s  %s  %s\n", when(e.At), e.Revision, plain(e.who()), plain(e.Verb), plain(e.Target), plain(e.Reason))
		}
	}
	if err := lines.Err(); err != nil && a.ctx.Err() == nil {
		return err
	}
	return nil
}
