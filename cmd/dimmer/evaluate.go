package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

type evaluateCmd struct {
	where
	Key   string   `help:"The targeting key: whom to evaluate for."`
	Attr  []string `sep:"none" placeholder:"NAME=VALUE" help:"An attribute; may be repeated. JSON where it is JSON (3, true, [\"a\"]), else text."`
	Trace bool     `help:"Say for each step, rule and clause why."`
}

// evaluation is one flag's answer.
type evaluation struct {
	Flag     string          `json:"flag"`
	Value    json.RawMessage `json:"value"`
	Variant  string          `json:"variant"`
	Reason   string          `json:"reason"`
	Cause    string          `json:"cause"`
	Rule     string          `json:"rule"`
	Version  int64           `json:"version"`
	Revision int64           `json:"revision"`
	Error    string          `json:"error"`
	Trace    json.RawMessage `json:"trace"`
}

func (c *evaluateCmd) Run(a *app) error {
	context, err := c.context()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	api, _, err := a.inProject("")
	if err != nil {
		return err
	}
	query := url.Values{"project": {api.project}, "environment": {c.Environment}}
	if c.Trace {
		query.Set("trace", "true")
	}
	resp, err := api.do(a.ctx, request{method: http.MethodPost, path: pathf("/v1/evaluate/%s", c.Flag), query: query, body: map[string]any{"context": context}})
	if err != nil {
		return err
	}
	var answer evaluation
	if err := json.Unmarshal(resp.body, &answer); err != nil {
		return fmt.Errorf("the server's answer is not what was expected: %w", err)
	}
	if err := printEvaluation(a, resp.body); err != nil {
		return err
	}
	switch answer.Error { // an evaluation that ends in an error is an answer, and no success
	case "":
		return nil
	case "FLAG_NOT_FOUND":
		return &exitError{code: exitNotFound}
	}
	return &exitError{code: exitFailed}
}

func printEvaluation(a *app, body []byte) error {
	return show(a, body, func(w io.Writer, e evaluation) {
		if e.Error == "" {
			row(w, "value", string(e.Value))
			row(w, "variant", e.Variant)
		}
		row(w, "reason", strings.TrimSpace(e.Reason+" "+e.Cause))
		if e.Rule != "" {
			row(w, "rule", e.Rule)
		}
		if e.Error != "" {
			row(w, "error", e.Error)
		}
		row(w, "revision", fmt.Sprintf("%d (flag changed at %d)", e.Revision, e.Version))
		if len(e.Trace) > 0 {
			fmt.Fprintln(w)
			printTrace(w, e.Trace, 0)
		}
	})
}

func (c *evaluateCmd) context() (map[string]any, error) {
	context := map[string]any{}
	if c.Key != "" {
		context["targetingKey"] = c.Key
	}
	for _, attr := range c.Attr {
		name, value, ok := strings.Cut(attr, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--attr %s: want NAME=VALUE", attr)
		}
		if json.Valid([]byte(value)) {
			context[name] = json.RawMessage(value)
		} else {
			context[name] = value
		}
	}
	return context, nil
}

// printTrace prints a trace as an indented outline: it is JSON of whatever depth, in the order in which it came.
func printTrace(w io.Writer, raw json.RawMessage, depth int) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	printToken(w, dec, depth, "")
}

func printToken(w io.Writer, dec *json.Decoder, depth int, label string) {
	indent := strings.Repeat("  ", depth)
	tok, err := dec.Token()
	if err != nil {
		return
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		fmt.Fprintf(w, "%s%s%s\n", indent, label, plain(fmt.Sprint(tok)))
		return
	}
	if label != "" {
		fmt.Fprintf(w, "%s%s\n", indent, strings.TrimSuffix(label, " "))
		depth++
	}
	for dec.More() {
		next := "- "
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return
			}
			next = plain(fmt.Sprint(key)) + ": "
		}
		printToken(w, dec, depth, next)
	}
	_, _ = dec.Token() // the closing bracket
}
