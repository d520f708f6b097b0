package evaluator

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compileText compiles a ruleset written as one JSON text.
func compileText(t testing.TB, text string) (*Snapshot, []Problem) {
	t.Helper()
	docs, err := ParseRuleset([]byte(text))
	require.NoError(t, err)
	return New(Revision{Epoch: 1, Number: 7}, docs)
}

func TestTheExampleOfTheDocumentation(t *testing.T) {
	s, problems := compileText(t, `{"flags": {"new-checkout": {
   "key": "new-checkout", "type": "boolean", "version": 7, "salt": "k3j9x0a1b2c4", "clientVisible": true,
   "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
   "enabled": true, "off": "off",
   "prerequisites": [{"flag": "billing-v2", "variants": ["on"]}],
   "rules": [{"id": "r1", "when": {"all": [{"attribute": "plan", "op": "in", "values": ["pro"]}, {"segment": "beta"}]},
              "serve": {"variant": "on"}}],
   "default": {"distribution": {"bucketBy": ["targetingKey"], "exposure": 25000, "otherwise": "off",
                                "ranges": [{"variant": "on", "from": 0, "to": 100000}]}}},
  "billing-v2": {"type": "boolean", "version": 3, "salt": "aaaaaaaaaaaa", "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
   "enabled": true, "off": "off", "default": {"variant": "on"}}},
 "segments": {"beta": {"key": "beta", "when": {"attribute": "group", "op": "in", "values": ["beta"]},
                       "include": {"targetingKey": ["u1"]}, "exclude": {}}}}`)
	require.Empty(t, problems)
	require.Equal(t, 3, s.Len())
	r := s.Evaluate("new-checkout", NewContext("u1").String("plan", "pro"))
	require.Equal(t, "TARGETING_MATCH rule on r1 true", string(r.Reason)+" "+string(r.Cause)+" "+r.Variant+" "+r.Rule+" "+r.Value.String())
	r = s.Evaluate("new-checkout", NewContext(""))
	require.Equal(t, "SPLIT keyless off", string(r.Reason)+" "+string(r.Cause)+" "+r.Variant)
	require.Equal(t, []string{"billing-v2", "new-checkout"}, s.Dependents(KindFlag, "billing-v2"))
	s2, problems := s.With(Revision{1, 8}, []Document{{KindKill, "k", []byte(`{"flag":"new-checkout"}`)}, {KindSegment, "beta", nil}})
	require.Len(t, problems, 1)
	require.Equal(t, `flag "new-checkout" /rules/0/when/all/1/segment: there is no segment "beta"`, problems[0].Error())
	r = s2.Evaluate("new-checkout", nil)
	require.Equal(t, CauseKilled, r.Cause)
}

func TestOutcomesUntil(t *testing.T) {
	s, _ := compileText(t, doubling(5))
	bad := NewContext("u").String("x", strings.Repeat("x", maxTextBytes+1))
	for _, c := range []*Context{nil, NewContext("u"), bad} {
		visited := map[string]*Outcome{}
		s.OutcomesUntil(c, func(key string, o *Outcome) bool {
			visited[key] = o
			return true
		})
		require.Len(t, visited, 6)
		for key, o := range visited {
			require.Same(t, s.Outcome(key, c), o)
		}
		n := 0
		s.OutcomesUntil(c, func(string, *Outcome) bool {
			n++
			return n < 2
		})
		require.Equal(t, 2, n, "it goes on after it was told to stop")
	}
}
