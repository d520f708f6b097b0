package evaluator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// listed is n texts with commas between.
func listed(n int, text func(i int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = text(i)
	}
	return strings.Join(list, ",")
}

// TestTracesAreBounded: a hundred clauses that each look at 20,000 elements once made 60 MB of JSON.
func TestTracesAreBounded(t *testing.T) {
	numbers := func(n int) string { return listed(n, func(i int) string { return fmt.Sprint(i % 10) }) }
	clause := func(op, values string) string {
		return `{"attribute":"x","op":"` + op + `","values":[` + values + `]}`
	}
	never := func(n int) string {
		return `{"any":[` + listed(n, func(int) string { return clause("in", "99") }) + `]}`
	}
	long := strings.Repeat("<", 50<<10)
	flag := func(value string) string {
		return `{"key":"f","type":"string","version":3,"salt":"abcdefghijkl","variants":[{"key":"a","value":` + value + `}],"enabled":true,"off":"a","default":{"variant":"a"}}`
	}
	for name, test := range map[string]struct{ flag, rest, context, cut string }{
		"a hundred clauses of 20,000 elements": {ruleFlag(never(100)), "", `{"x":[` + numbers(20_000) + `]}`, "when clause any"},
		"many values":                          {ruleFlag(clause("in", listed(60_000, func(i int) string { return fmt.Sprint(i) }))), "", `{"x":1.5}`, "clause"},
		"one long value":                       {ruleFlag(clause("in", `"`+long+`"`)), "", `{"x":"y"}`, "clause"},
		"a large object":                       {ruleFlag(`{"attribute":"x","op":"exists"}`), "", `{"x":{"y":[` + numbers(20_000) + `]}}`, "candidates"},
		"many conditions":                      {ruleFlag(never(20_000)), "", `{"x":1}`, "when clause"},
		"many conditions that are skipped":     {ruleFlag(`{"any":[{"all":[]},` + never(10_000)[len(`{"any":[`):]), "", `{"x":1}`, "when"},
		"a long result":                        {flag(`"` + long + `"`), "", `{}`, "result"},
		"many kills": {flag(`"x"`), `,"kills":{` + listed(5_000, func(i int) string {
			return fmt.Sprintf(`"kill-%d-%s":{"flag":"f"}`, i, strings.Repeat("k", 100))
		}) + `}`, `{}`, "trace"},
		"problems": {ruleFlag(`{"all":[` + listed(100, func(int) string { return `{"attribute":"` + strings.Repeat(`.`, 2_000) + `","op":"exists"}` }) + `]}`), "", `{}`, "trace"},
		"segments": {ruleFlag(`{"any":[` + listed(500, func(int) string { return `{"segment":"s"}` }) + `]}`),
			`,"segments":{"s":{"when":` + never(100) + `}}`, `{"x":[` + numbers(500) + `]}`, "when clause"},
		"an ordinary one": {ruleFlag(clause("in", "1,2")), "", `{"x":[1,3]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := compileText(t, `{"flags":{"f":`+test.flag+`}`+test.rest+`}`)
			c, err := ParseContext([]byte(test.context))
			require.NoError(t, err)
			began := time.Now()
			want := s.Evaluate("f", c)
			plain := time.Since(began)
			got, trace := s.EvaluateTrace("f", c)
			require.Less(t, time.Since(began), 6*plain+2*time.Second)
			require.Equal(t, want, got)
			require.Equal(t, want.Variant, trace.Result.Variant)
			require.Equal(t, want.Reason, trace.Result.Reason)
			text := mustJSON(trace)
			require.LessOrEqual(t, len(text), maxTraceBytes)
			require.Equal(t, test.cut, strings.Join(cuts(plainJSON(text), "trace", nil), " "), "%.2000s", text)
		})
	}
}

func TestTracesTellThePartThatCounts(t *testing.T) {
	s, _ := compileText(t, `{"flags":{"f":`+ruleFlag(`{"attribute":"x","op":"in","values":[`+listed(500, func(i int) string { return fmt.Sprint(i) })+`]}`)+`}}`)
	c, err := ParseContext([]byte(`{"x":[` + listed(500, func(i int) string { return fmt.Sprint(i - 300) }) + `]}`))
	require.NoError(t, err)
	_, trace := s.EvaluateTrace("f", c)
	clause := trace.Rules[0].When.Clause
	require.True(t, clause.Truncated)
	require.Len(t, clause.Values, maxTraceItems)
	require.Len(t, clause.Candidates, maxTraceItems+1)
	require.Equal(t, TraceCandidate{Value: 0.0, Usable: true, Match: true}, clause.Candidates[maxTraceItems])
	require.Equal(t, "a", trace.Rules[0].Serve.Served)
}

// cuts are the members whose objects are marked, each once.
func cuts(v any, at string, found []string) []string {
	switch v := v.(type) {
	case []any:
		for i := range v {
			found = cuts(v[i], at, found)
		}
	case map[string]any:
		if v["truncated"] == true && !slices.Contains(found, at) {
			found = append(found, at)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			found = cuts(v[name], name, found)
		}
	}
	return found
}

// TestTracesThatAreCut: with any room, what is told is what a whole trace tells there, and what is missing is marked.
func TestTracesThatAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s *Snapshot
		s, _ = s.With(Revision{}, rapid.SliceOfN(rapid.Custom(drawChange), 0, 20).Draw(t, "documents"))
		c := drawContext(t)
		for _, flag := range append([]string{"f9"}, randomFlags...) {
			answer := s.Outcome(flag, c)
			whole := newTracer(s, c, maxTraceBytes).root(flag, answer)
			room := rapid.IntRange(600, 6_000).Draw(t, "room")
			tracer := newTracer(s, c, room)
			trace := tracer.root(flag, answer)
			require.Equal(t, mustJSON(whole.Result), mustJSON(trace.Result), "what was asked for is always told")
			text := mustJSON(trace)
			root := len(mustJSON(Trace{Flag: flag, Result: trace.Result, Truncated: true}))
			require.LessOrEqual(t, len(text), max(room-tracer.left, root), "%s", text)
			requirePart(t, plainJSON(text), plainJSON(mustJSON(whole)), "")
		}
	})
}

func plainJSON(text []byte) (v any) {
	if err := json.Unmarshal(text, &v); err != nil {
		panic(err)
	}
	return v
}

// requirePart fails unless part is whole but for what is marked as truncated.
func requirePart(t require.TestingT, part, whole any, at string) {
	object, ok := part.(map[string]any)
	if !ok {
		require.Equal(t, whole, part, at)
		return
	}
	all, ok := whole.(map[string]any)
	require.True(t, ok, at)
	for name, value := range object {
		if name == "truncated" {
			continue
		}
		require.Contains(t, all, name, at)
		told, isList := value.([]any)
		list, _ := all[name].([]any)
		if !isList || name == "value" {
			requirePart(t, value, all[name], at+"/"+name)
			continue
		}
		require.LessOrEqual(t, len(told), len(list), at)
		require.True(t, len(told) == len(list) || object["truncated"] == true, "%s/%s is cut without a mark", at, name)
		for i := range told {
			if name == "candidates" && i == len(told)-1 && len(told) < len(list) {
				require.True(t, slices.ContainsFunc(list, func(c any) bool { return fmt.Sprint(c) == fmt.Sprint(told[i]) }), at) // the one that matches
				continue
			}
			requirePart(t, told[i], list[i], fmt.Sprintf("%s/%s/%d", at, name, i))
		}
	}
	for name := range all {
		_, told := object[name]
		require.True(t, told || object["truncated"] == true, "%s/%s is left out without a mark", at, name)
	}
}
