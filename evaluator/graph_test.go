package evaluator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// dumbGraph finds the status of flags and segments by following every path, as docs/ruleset.md says it in words.
type dumbGraph struct{ docs map[docID]*document }

func (g *dumbGraph) edges(id docID) []docID {
	var out []docID
	if d := g.docs[id]; d != nil {
		for _, u := range d.uses {
			if u.kind != KindList {
				out = append(out, docID{u.kind, u.key})
			}
		}
	}
	return out
}

func (g *dumbGraph) reaches(from, to docID, seen map[docID]bool) bool {
	for _, next := range g.edges(from) {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if g.reaches(next, to, seen) {
				return true
			}
		}
	}
	return false
}

func (g *dumbGraph) onCycle(id docID) bool { return g.reaches(id, id, map[docID]bool{}) }

// quarantined leaves lists and work out.
func (g *dumbGraph) quarantined(id docID) bool {
	d := g.docs[id]
	if len(d.problems) > 0 || g.onCycle(id) {
		return true
	}
	return slices.ContainsFunc(g.edges(id), func(to docID) bool {
		return g.docs[to] == nil || to.kind == KindSegment && g.quarantined(to)
	})
}

// work counts every visit one by one; only for what is on no cycle.
func (g *dumbGraph) work(id docID) int {
	d := g.docs[id]
	if id.kind == KindFlag && g.quarantined(id) {
		return 1
	}
	n := 1 + int(d.nodes)
	for _, u := range d.uses {
		if to := (docID{u.kind, u.key}); u.kind != KindList {
			for range u.times {
				n += g.work(to)
			}
		}
	}
	return n
}

func TestStatusIsWhatThePageSays(t *testing.T) {
	count := map[string]int{}
	property := func(t *rapid.T) {
		changes := rapid.SliceOfN(rapid.Custom(drawChange), 1, 20).Draw(t, "changes")
		changes = slices.DeleteFunc(changes, func(d Document) bool { return d.Kind == KindList })
		s, _ := New(Revision{}, changes)
		g := dumbGraph{map[docID]*document{}}
		for n := range s.all() {
			g.docs[docID{n.doc.kind, n.doc.key}] = n.doc
		}
		for n := range s.all() {
			if id := (docID{n.doc.kind, n.doc.key}); id.kind == KindFlag || id.kind == KindSegment {
				require.Equal(t, g.quarantined(id), n.quarantined(), "%v", id)
				count[fmt.Sprint(id.kind, " cycle ", g.onCycle(id), " quarantined ", g.quarantined(id))]++
				if !n.quarantined() {
					require.Equal(t, g.work(id), int(n.work), "%v", id)
				}
			}
		}
	}
	tested := func() bool { // the property is not tested on nothing
		for _, kind := range []string{"flag", "segment"} {
			for _, state := range []string{" cycle false quarantined false", " cycle false quarantined true", " cycle true quarantined true"} {
				if count[kind+state] == 0 {
					return false
				}
			}
		}
		return true
	}
	for round := 0; round == 0 || round < 50 && !tested(); round++ { // cycles of segments are rare
		rapid.Check(t, property)
	}
	require.True(t, tested(), "%v", count)
}

// ruleFlag is a flag with a rule; when it does not match the answer is b.
func ruleFlag(when string) string {
	return `{"type":"string","version":3,"salt":"k3j9x0a1b2c4","enabled":true,"off":"off","variants":[{"key":"a","value":"A"},{"key":"b","value":"B"},{"key":"off","value":"-"}],` +
		`"rules":[{"id":"r","when":` + when + `,"serve":{"variant":"a"}}],"default":{"variant":"b"}}`
}

func short(r Result) string {
	return strings.TrimSpace(strings.Join([]string{string(r.Reason), string(r.Cause), r.Variant, r.Rule, string(r.Error)}, " "))
}

func TestQuarantine(t *testing.T) {
	on := `{"any":[]}`
	for _, test := range []struct {
		name, ruleset, flag, want string
		problems                  []string
	}{
		{name: "alone", flag: "good", want: "DEFAULT default b", ruleset: `{"flags":{"bad":{},"good":` + ruleFlag(on) + `}}`,
			problems: []string{`flag "bad" /default: has neither`, `flag "bad" /off: must name`, `flag "bad" /salt: must be`, `flag "bad" /type: must be`, `flag "bad" /variants: has 0`}},
		{name: "segment missing", flag: "f", want: "ERROR    PARSE_ERROR", ruleset: `{"flags":{"f":` + ruleFlag(`{"not":{"segment":"s"}}`) + `}}`,
			problems: []string{`flag "f" /rules/0/when/not/segment: there is no segment "s"`}},
		{name: "flag missing", flag: "f", want: "ERROR    PARSE_ERROR", ruleset: `{"flags":{"f":` + ruleFlag(`{"flag":"g","variants":["a"]}`) + `}}`,
			problems: []string{`flag "f" /rules/0/when/flag: there is no flag "g"`}},
		{name: "cycle of one", flag: "f", want: "ERROR    PARSE_ERROR", ruleset: `{"flags":{"f":` + ruleFlag(`{"flag":"f","variants":["a"]}`) + `}}`,
			problems: []string{`flag "f" /rules/0/when/flag: flag "f" leads back here: a cycle`}},
		{name: "who refers to a cycle sees it end in ERROR", flag: "f", want: "ERROR    GENERAL",
			ruleset:  `{"flags":{"f":` + ruleFlag(`{"flag":"g","variants":["a"]}`) + `,"g":` + ruleFlag(`{"flag":"g","variants":["a"]}`) + `}}`,
			problems: []string{`flag "g" /rules/0/when/flag: flag "g" leads back`}},
		{name: "through a segment too", flag: "f", want: "ERROR    GENERAL",
			ruleset:  `{"flags":{"f":` + ruleFlag(`{"segment":"s"}`) + `,"g":` + ruleFlag(`{"flag":"g","variants":["a"]}`) + `},"segments":{"s":{"when":{"flag":"g","variants":["a"]}}}}`,
			problems: []string{`flag "g" /rules/0/when/flag: flag "g" leads back`}},
		{name: "a segment on a cycle", flag: "f", want: "ERROR    PARSE_ERROR",
			ruleset:  `{"flags":{"f":` + ruleFlag(`{"segment":"s"}`) + `},"segments":{"s":{"when":{"segment":"t"}},"t":{"when":{"all":[{"segment":"s"}]}}}}`,
			problems: []string{`flag "f" /rules/0/when/segment: segment "s" is quarantined`, `segment "s" /when/segment: segment "t" leads`, `segment "t" /when/all/0/segment: segment "s" leads`}},
		{name: "error only if it gets that far", flag: "f", want: "TARGETING_MATCH rule a r",
			ruleset:  `{"flags":{"f":` + ruleFlag(`{"any":[{"all":[]},{"flag":"g","variants":["a"]}]}`) + `,"g":{}}}`,
			problems: []string{"flag \"g\" /default", "flag \"g\" /off", "flag \"g\" /salt", "flag \"g\" /type", "flag \"g\" /variants"}},
		{name: "a kill of a flag whose rules do not compile", flag: "f", want: "DISABLED killed off",
			ruleset: `{"flags":{"f":` + ruleFlag(`{"op":"like"}`) + `},"kills":{"k":{"flag":"f"}}}`, problems: []string{`flag "f" /rules/0/when`, `flag "f" /rules/0/when/attribute`, `flag "f" /rules/0/when/op: "like" is no known operator`}},
		{name: "a malformed kill kills", flag: "f", want: "DISABLED killed off",
			ruleset: `{"flags":{"f":` + ruleFlag(on) + `},"kills":{"k":{"flag":"f","at":7,"clearedAt":"2026-11-20T14:02:00Z"}}}`, problems: []string{`kill "k" /at: is not an RFC`, `kill "k" /at: must be a string`}},
		{name: "a cleared kill does not", flag: "f", want: "DEFAULT default b",
			ruleset: `{"flags":{"f":` + ruleFlag(on) + `},"kills":{"k":{"flag":"f","clearedAt":"2026-11-20T14:02:00Z"}}}`},
		{name: "one cleared, one not", flag: "f", want: "DISABLED killed off",
			ruleset: `{"flags":{"f":` + ruleFlag(on) + `},"kills":{"k":{"flag":"f","clearedAt":"2026-11-20T14:02:00Z"},"l":{"flag":"f"}}}`},
		{name: "a kill cannot help without a sound off", flag: "f", want: "ERROR    PARSE_ERROR",
			ruleset: `{"flags":{"f":{"off":"x"}},"kills":{"k":{"flag":"f"}}}`, problems: []string{"/default", "/off", "/salt", "/type", "/variants"}},
		{name: "a newer schema", flag: "f", want: "ERROR    PARSE_ERROR", ruleset: `{"flags":{"f":{"schema":2,` + ruleFlag(on)[1:] + `},"kills":{"k":{"flag":"f"}}}`,
			problems: []string{`flag "f" /schema: is 2; this evaluator knows up to 1`}},
		{name: "off before quarantine", flag: "f", want: "DISABLED off off",
			ruleset: `{"flags":{"f":` + strings.Replace(ruleFlag(`{"segment":"s"}`), `"enabled":true`, `"enabled":false`, 1) + `}}`, problems: []string{`there is no segment`}},
		{name: "a list that cannot be read", flag: "f", want: "ERROR    PARSE_ERROR",
			ruleset:  `{"flags":{"f":` + ruleFlag(`{"segment":"s"}`) + `},"segments":{"s":{"lists":[{"side":"include","attribute":"targetingKey","salt":"lllllllllll0"}]}},"lists":{"s:include:0a":{"fingerprints":"?"}}}`,
			problems: []string{`flag "f" /rules/0/when/segment: segment "s" is quarantined`, `list "s:include:0a" /fingerprints: is not padded`, `segment "s" /lists/0: list "s:include" is quarantined`}},
		{name: "a prerequisite that ends in ERROR fails", flag: "f", want: "DEFAULT prerequisite off",
			ruleset: `{"flags":{"f":` + strings.Replace(ruleFlag(on), `"rules"`, `"prerequisites":[{"flag":"g","variants":["a"]}],"rules"`, 1) + `,"g":[]}}`, problems: []string{`flag "g" /: must be an object, is an array`}},
		{name: "not there", flag: "g", want: "ERROR    FLAG_NOT_FOUND", ruleset: `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, problems := compileText(t, test.ruleset)
			require.Len(t, problems, len(test.problems), "%v", problems)
			for i, want := range test.problems {
				require.Contains(t, problems[i].Error(), want)
			}
			require.Equal(t, test.want, short(s.Evaluate(test.flag, NewContext("u"))))
		})
	}
}

// doubling is flags f0…fn, each asking the one before it twice, so that the work doubles.
func doubling(n int) string {
	flags := []string{`"f0":` + ruleFlag(`{"any":[]}`)}
	for i := range n {
		c := fmt.Sprintf(`{"flag":"f%d","variants":["a"]}`, i)
		flags = append(flags, fmt.Sprintf(`"f%d":%s`, i+1, ruleFlag(`{"any":[`+c+`,`+c+`]}`)))
	}
	return `{"flags":{` + strings.Join(flags, ",") + `}}`
}

func TestWorkIsBounded(t *testing.T) {
	s, problems := compileText(t, doubling(200))
	require.NotEmpty(t, problems)
	require.Contains(t, problems[0].Msg, "can visit more than 65536")
	start := time.Now()
	s.EvaluateAll(NewContext("u"), func(string, Result) {})
	require.Less(t, time.Since(start), 30*time.Second)
	limit := func(clauses int) string {
		list := strings.Repeat(`,{"any":[]}`, clauses)
		return `{"flags":{"f":` + ruleFlag(`{"any":[{"any":[]}`+list+`]}`) + `}}`
	}
	_, problems = compileText(t, limit(maxWork-3)) // and flag, any, first
	require.Empty(t, problems)
	s, problems = compileText(t, limit(maxWork-2))
	require.Len(t, problems, 1)
	require.Equal(t, ErrParse, s.Evaluate("f", nil).Error)
}

// TestALongChain has references as deep as the work limit lets an evaluation go, and far deeper.
func TestALongChain(t *testing.T) {
	const depth = 100_000
	var docs []Document
	for i := range depth {
		when := `{"any":[]}`
		if i > 0 {
			when = fmt.Sprintf(`{"segment":"s%d"}`, i-1)
		}
		docs = append(docs, Document{KindSegment, fmt.Sprint("s", i), []byte(`{"when":` + when + `}`)})
	}
	for _, i := range []int{10, 32_000, depth - 1} {
		docs = append(docs, Document{KindFlag, fmt.Sprint("f", i), []byte(ruleFlag(fmt.Sprintf(`{"segment":"s%d"}`, i)))})
	}
	s, problems := New(Revision{}, docs)
	require.Len(t, problems, 1)
	require.Equal(t, "f99999", problems[0].Key)
	require.Equal(t, "b", s.Evaluate("f32000", nil).Variant)
	require.Equal(t, []string{"f10", "f32000", "f99999"}, s.Dependents(KindSegment, "s0"))
	s, problems = s.With(Revision{}, []Document{{KindSegment, "s0", nil}})
	require.Len(t, problems, depth-1+3)
	require.Equal(t, ErrParse, s.Evaluate("f10", nil).Error)
}
