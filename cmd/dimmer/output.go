package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// show prints an answer: as it came with -o json, else by table.
func show[T any](a *app, body []byte, table func(w io.Writer, v T)) error {
	if a.globals.Output == "json" {
		return printJSON(a.out, body)
	}
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("the server's answer is not what was expected: %w", err)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	table(w, v)
	return w.Flush()
}

// say prints what the command itself found out: v with -o json, else the text.
func (a *app) say(v any, text string) error {
	if a.globals.Output != "json" {
		_, err := fmt.Fprintln(a.out, text)
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return printJSON(a.out, data)
}

func printJSON(w io.Writer, body []byte) error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber() // a large integer must come out as it went in
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// row prints tab-separated cells; control characters of others' making cannot reach the terminal.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, plain(fmt.Sprint(c)))
	}
	fmt.Fprintln(w)
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

// percent prints 12.5 as "12.5 %".
func percent(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + " %" }

func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// colour paints on a terminal only, and not where NO_COLOR is set.
func (a *app) colour(code, s string) string {
	f, ok := a.out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return s
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

const (
	amber = "33"
	red   = "31"
	green = "32"
)
