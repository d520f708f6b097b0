package rollout

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

var update = flag.Bool("update", false, "write what is seen into the scripts")

var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// world carries out actions as a controller does, at once, unless the script says that it is deaf.
type world struct {
	plan  feature.Plan
	state State
	now   time.Time
	in    Readings // what stays from one decision to the next
	deaf  bool
}

func newWorld(t *testing.T, plan string) *world {
	t.Helper()
	w := &world{now: monday, in: Readings{Known: true, Acknowledged: 3, Instances: 3}}
	require.NoError(t, json.Unmarshal([]byte(plan), &w.plan))
	w.plan.Normalize()
	require.NoError(t, w.plan.Validate())
	return w
}

// decide lets a decision be made, carries it out, and tells it in a few lines.
func (w *world) decide(once Readings) string {
	in := w.in
	in.Counted, in.Split, in.Guards, in.Hook, in.Commands = once.Counted, once.Split, once.Guards, once.Hook, once.Commands
	state, actions := Decide(w.plan, w.state, in, w.now)
	w.state = state
	var b strings.Builder
	fmt.Fprintf(&b, "%s", state.Phase)
	if state.Phase.Active() {
		fmt.Fprintf(&b, " step %d", state.Step+1)
		if state.Entered.IsZero() {
			b.WriteString(" (ordered)")
		}
	}
	if state.Cause != "" {
		fmt.Fprintf(&b, " by %s", state.Cause)
	}
	fmt.Fprintf(&b, ": %s\n", state.Reason)
	for _, wait := range state.Waits {
		fmt.Fprintf(&b, "  waits for %s\n", wait)
	}
	for _, a := range actions {
		switch a.Kind {
		case SetExposure:
			fmt.Fprintf(&b, "  → exposure %s %%\n", a.Exposure)
			if !w.deaf {
				w.in.Exposure = a.Exposure
			}
		case Revert:
			fmt.Fprintf(&b, "  → back to %s %%\n", a.Exposure)
			if !w.deaf {
				w.in.Exposure, w.in.Audience = min(w.in.Exposure, a.Exposure), ""
			}
		case SetAudience:
			fmt.Fprintf(&b, "  → audience %s\n", a.Segment)
			if !w.deaf {
				w.in.Audience = a.Segment
			}
		case CallHook:
			b.WriteString("  → webhook\n")
		case Notify:
			fmt.Fprintf(&b, "  → notify: %s\n", a.Reason)
		}
	}
	return b.String()
}

// run reads a line of a script: a time span, then what is different. The span 0s decides again at the same moment.
func (w *world) run(line string) (string, error) {
	words := strings.Fields(line)
	span, err := time.ParseDuration(strings.TrimPrefix(words[0], "+"))
	if err != nil {
		return "", err
	}
	w.now = w.now.Add(span)
	once := Readings{Guards: map[string]Measured{}}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if err := w.word(&once, name, value); err != nil {
			return "", fmt.Errorf("%s: %w", word, err)
		}
	}
	for _, g := range w.plan.Guards { // what a script does not mention is well
		if m, told := once.Guards[g.Name]; !told && w.in.Known {
			m.Heard = true
			once.Guards[g.Name] = m
		}
	}
	return w.decide(once), nil
}

func (w *world) word(once *Readings, name, value string) (err error) {
	switch name {
	case "start", "pause", "resume", "approve", "promote", "promoteFull", "abort", "rollback", "retry":
		c := Command{Verb: Verb(name), By: "ann"}
		if value != "" {
			span, err := time.ParseDuration(value)
			if err != nil {
				return err
			}
			c.At = w.now.Add(span)
		}
		once.Commands = append(once.Commands, c)
	case "deaf":
		w.deaf = value != "no"
	case "known":
		w.in.Known = value != "no"
	case "gone", "newer":
		if name == "gone" {
			w.in.Gone = value
		} else {
			w.in.Newer = value
		}
	case "killed":
		w.in.Killed = value != "no"
	case "exposure":
		w.in.Exposure, err = feature.ParsePercent(value)
	case "acknowledged":
		_, err = fmt.Sscanf(value, "%d/%d", &w.in.Acknowledged, &w.in.Instances)
	case "pending":
		w.in.Pending = strings.Fields(strings.ReplaceAll(value, ",", " "))
	case "counted":
		once.Counted, err = strconv.ParseInt(value, 10, 64)
	case "hook":
		once.Hook = &HookAnswer{Step: w.state.Step, OK: value == "ok", Detail: value}
	case "split", "bad": // of so many users or bad events, so many in the treatment, at a share
		guard := ""
		if name == "bad" {
			guard, value, _ = strings.Cut(value, ":")
		}
		var window stats.Window
		if _, err = fmt.Sscanf(value, "%d/%d@%f", &window.Treatment, &window.Bad, &window.Share); err != nil {
			return err
		}
		if name == "split" {
			once.Split = append(once.Split, window)
			return nil
		}
		once.Guards[guard] = Measured{Users: []stats.Window{window}, Heard: true}
	case "silent":
		once.Guards[value] = Measured{}
	default:
		return fmt.Errorf("no such word")
	}
	return err
}

// TestScripts runs testdata/*.txt: a plan, then lines that begin with a time span, each followed by what was decided.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			text := string(data)
			plan, rest, ok := strings.Cut(text, "\n\n")
			require.True(t, ok, "a plan, then an empty line")
			comment, plan, _ := strings.Cut(plan, "\n")
			w := newWorld(t, plan)
			out := comment + "\n" + plan + "\n\n"
			for line := range strings.Lines(rest) {
				line = strings.TrimSuffix(line, "\n")
				switch {
				case strings.HasPrefix(line, "+"):
					got, err := w.run(line)
					require.NoError(t, err, line)
					out += line + "\n" + got
				case strings.HasPrefix(line, "#"), line == "":
					out += line + "\n"
				}
			}
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
				return
			}
			require.Equal(t, text, out, "go test -update writes what is seen; read it before you commit it")
		})
	}
}
