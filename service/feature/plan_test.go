package feature

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const plan = `{"name":"checkout-v2","flag":"new-checkout","environment":"production","from":"off","to":"on",
"defaults":{"soak":"10m","minExposures":200,"settle":"30s","propagated":99},
"steps":[{"setAudience":{"segment":"employees"}},{"approve":{"by":["payments"],"expires":"24h"}},{"setExposure":1},
{"setExposure":5,"soak":"15m"},{"webhook":{"url":"https://ci.example/gate","retries":3}},
{"setExposure":25,"soak":"30m","require":"safe","margin":1.5,"maxWait":"6h"},{"setExposure":100,"holdback":5,"bake":"2h"}],
"guards":[{"name":"errors","event":"checkout.error","kind":"proportion","bad":"increase"},
{"name":"latency","source":"prometheus","query":"x","kind":"histogram","bad":"increase","onBreach":"pause"},
{"name":"paid","event":"paid","kind":"proportion","bad":"decrease","dryRun":true}],
"health":{"srm":"pause","noData":{"after":"5m"}},"windows":{"timezone":"Europe/Berlin","allow":["Mon-Thu 09:00-16:00"]},"deadline":"72h"}`

func TestPlan(t *testing.T) {
	var p Plan
	require.NoError(t, json.Unmarshal([]byte(plan), &p))
	p.Normalize()
	require.NoError(t, p.Validate())
	require.InDelta(t, 0.05, *p.Alpha, 0)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	var again Plan
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, p, again)
	require.Contains(t, string(text), `"deadline":"72h"`)
	require.Contains(t, string(text), `"soak":"15m"`)
}

// TestWrongPlans: every mistake is told with its place, all at once.
func TestWrongPlans(t *testing.T) {
	change := func(path string, value any) func(map[string]any) {
		return func(m map[string]any) { m[path] = value }
	}
	step := func(i int, s map[string]any) func(map[string]any) {
		return func(m map[string]any) { m["steps"].([]any)[i] = s }
	}
	guard := func(i int, name string, value any) func(map[string]any) {
		return func(m map[string]any) { m["guards"].([]any)[i].(map[string]any)[name] = value }
	}
	many := make([]any, 10_000)
	for i := range many {
		many[i] = map[string]any{"setExposure": 1}
	}
	tests := []struct {
		name   string
		change func(map[string]any)
		path   string
		want   string
	}{
		{"alpha 0", change("alpha", 0), "/alpha", "above 0"},
		{"alpha of a coin", change("alpha", 0.6), "/alpha", "at most 0.5"},
		{"nothing to change", change("to", "off"), "/to", "another variant"},
		{"no flag", change("flag", ""), "/flag", "is required"},
		{"no name", change("name", "Checkout"), "/name", ""},
		{"no steps", change("steps", []any{}), "/steps", "at least one"},
		{"10,000 steps", change("steps", many), "/steps", "10000 steps; at most 100"},
		{"nobody exposed", change("steps", []any{map[string]any{"approve": map[string]any{}}}), "/steps", "exposes anyone"},
		{"down", step(3, map[string]any{"setExposure": 0.5}), "/steps/3/setExposure", "only goes up"},
		{"two at once", step(3, map[string]any{"setExposure": 5, "approve": map[string]any{}}), "/steps/3", "exactly one"},
		{"nothing at all", step(3, map[string]any{}), "/steps/3", "exactly one"},
		{"safe without a margin", step(3, map[string]any{"setExposure": 5, "require": "safe"}), "/steps/3/margin", "is required"},
		{"a margin below 1", step(3, map[string]any{"setExposure": 5, "margin": 0.5}), "/steps/3/margin", "above 1"},
		{"a bake in the middle", step(3, map[string]any{"setExposure": 5, "bake": "1h"}), "/steps/3/bake", "last step"},
		{"a hold-back of a part", step(3, map[string]any{"setExposure": 5, "holdback": 1}), "/steps/3/holdback", "setExposure 100"},
		{"an unknown requirement", step(3, map[string]any{"setExposure": 5, "require": "luck"}), "/steps/3/require", "noHarm, safe"},
		{"a webhook to a file", step(4, map[string]any{"webhook": map[string]any{"url": "file:///etc/passwd"}}), "/steps/4/webhook/url", "https"},
		{"a webhook for ever", step(4, map[string]any{"webhook": map[string]any{"url": "https://x", "retries": 99}}), "/steps/4/webhook/retries", "between 0 and 10"},
		{"guards of one name", guard(1, "name", "errors"), "/guards/1/name", "another guard"},
		{"no event", guard(0, "event", ""), "/guards/0/event", "is required"},
		{"no query", guard(1, "query", ""), "/guards/1/query", "is required"},
		{"an unknown kind", guard(0, "kind", "vibes"), "/guards/0/kind", "proportion"},
		{"an unknown direction", guard(0, "bad", "sideways"), "/guards/0/bad", "increase, decrease"},
		{"a tolerance the wrong way", guard(0, "tolerate", 0.5), "/guards/0/tolerate", "between 1 and 10"},
		{"a tolerance of a histogram", guard(1, "tolerate", 1.1), "/guards/1/tolerate", "not possible"},
		{"a limit of another kind", guard(0, "limit", 0.1), "/guards/0/limit", "slo"},
		{"a window that never opens", change("windows", map[string]any{"timezone": "UTC", "allow": []any{}}), "/windows/allow", "never opens"},
		{"a window over midnight", change("windows", map[string]any{"timezone": "UTC", "allow": []any{"Mon 22:00-06:00"}}), "/windows/allow/0", "is not like"},
		{"a window on no day", change("windows", map[string]any{"timezone": "UTC", "allow": []any{"Funday 09:00-10:00"}}), "/windows/allow/0", "is not like"},
		{"no such zone", change("windows", map[string]any{"timezone": "Mars/Olympus", "allow": []any{"Mon 09:00-10:00"}}), "/windows/timezone", "no time zone"},
		{"waits for itself", change("after", []any{"checkout-v2"}), "/after/0", "wait for itself"},
		{"an unknown rollback", change("rollbackTo", "yesterday"), "/rollbackTo", "lastSafeStep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var doc map[string]any
			require.NoError(t, json.Unmarshal([]byte(plan), &doc))
			tt.change(doc)
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			var p Plan
			require.NoError(t, json.Unmarshal(text, &p))
			p.Normalize()
			problems := Problems(p.Validate())
			for _, problem := range problems {
				if problem.Path == tt.path {
					require.Contains(t, problem.Msg, tt.want)
					return
				}
			}
			t.Fatalf("nothing is said at %s: %v", tt.path, problems)
		})
	}
	var p Plan
	require.NoError(t, json.Unmarshal([]byte(plan), &p))
	p.Normalize()
	p.To, p.RollbackTo, p.Steps[2].Require, p.Guards[0].Bad = p.From, "?", "?", "?"
	require.Len(t, Problems(p.Validate()), 4, "all at once")
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{`"90s"`: "1m30s", `"10m"`: "10m", `"72h"`: "72h", `"1h30m"`: "1h30m", `"0s"`: "0s", `"1500ms"`: "1.5s"} {
		var d Duration
		require.NoError(t, json.Unmarshal([]byte(text), &d))
		require.Equal(t, want, d.String())
	}
	for _, text := range []string{`10`, `"ten"`, `"-5m"`, `""`, `null,`} {
		var d Duration
		require.Error(t, d.UnmarshalJSON([]byte(text)), text)
	}
}

func TestWindows(t *testing.T) {
	w := &Windows{Timezone: "Europe/Berlin", Allow: []string{"Mon-Thu 09:00-16:00", "Fri 09:00-12:00"}}
	for at, want := range map[string]bool{
		"2026-11-23T08:00:00Z": true,  // Monday, 9:00 in Berlin
		"2026-11-23T07:59:59Z": false, // a second before
		"2026-11-23T14:59:59Z": true,
		"2026-11-23T15:00:00Z": false, // 16:00 is over
		"2026-11-27T10:59:00Z": true,  // Friday
		"2026-11-27T11:00:00Z": false,
		"2026-11-28T09:00:00Z": false, // Saturday
		"2026-07-20T07:00:00Z": true,  // in summer it is two hours ahead
	} {
		now, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		require.Equal(t, want, w.Open(now), at)
	}
	require.True(t, (*Windows)(nil).Open(time.Now()))
	require.False(t, (&Windows{Timezone: "?"}).Open(time.Now()), "what cannot be read never opens")
}
