package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// bulky is a rule that takes about n bytes.
func bulky(id string, n int) feature.Rule {
	var values []json.RawMessage
	for i := range n / 100 {
		values = append(values, json.RawMessage(fmt.Sprintf(`"%06d%s"`, i, strings.Repeat("v", 91))))
	}
	return feature.Rule{ID: id, When: &evaluator.Condition{Attribute: "a", Op: "in", Values: values}, Serve: feature.Serve{Variant: "on"}}
}

// What is too large is said where it is too large; and nothing is too large to be turned off.
func TestTargetingThatIsTooLarge(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	was := w.targeting("f", "production")
	large := was.Targeting.Clone()
	for i := range 3 {
		large.Rules = append(large.Rules, bulky(fmt.Sprint("r", i), 90_000))
	}
	_, _, err := w.a.PutTargeting(w.ctx, matching(was.Version), "shop", "f", "production", large)
	requireCode(t, feature.CodeTooLarge, err)
	require.Equal(t, "/rules", feature.Problems(err)[0].Path)

	// One that is there all the same, from a time with another limit.
	large.Enabled = true
	state := w.m.state("shop")
	var changes []store.Change
	for k, v := range map[store.Key]any{
		targetingKey("production", "f"):                   &large,
		rulesetKey("production", evaluator.KindFlag, "f"): compile.Flag(&f, &large, large.Version),
	} {
		before, _ := state.Get(k)
		after, err := feature.Encode(v)
		require.NoError(t, err)
		require.Greater(t, len(after), feature.MaxDocument)
		changes = append(changes, store.Change{Key: k, Before: before, After: after})
	}
	e, err := store.Seal(state.Head(), store.Meta{At: w.clock.Now(), Verb: "targeting.update"}, changes)
	require.NoError(t, err)
	_, err = w.m.commit(store.Txn{Scope: "shop", Base: state.Head(), Entry: e})
	require.NoError(t, err)

	off, _, err := w.a.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.False(t, off.Enabled)
	_, _, err = w.a.TurnOn(w.ctx, root(), "shop", "f", "production")
	requireCode(t, feature.CodeTooLarge, err)
	require.Equal(t, "/rules", feature.Problems(err)[0].Path)
}

// What is remembered of rules makes room for rules.
func TestMemoryOfLinesLeavesRoom(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	current := w.targeting("f", "production").Targeting
	for round := range 2 { // so many lines that they would not fit beside what is put there in the end
		current = current.Clone()
		current.Rules = nil
		for i := range 150 {
			current.Rules = append(current.Rules, feature.Rule{ID: fmt.Sprintf("rule-%d-%d", round, i), Serve: split(feature.All, map[string]feature.Percent{
				"on": 30_000, "off": 70_000,
			})})
		}
		current, _ = w.put("f", "production", current)
	}
	current = current.Clone()
	current.Rules = nil
	current, _ = w.put("f", "production", current)
	require.NotEmpty(t, current.Lines)
	remembered := len(current.Lines)
	current = current.Clone()
	current.Rules = []feature.Rule{bulky("large", feature.MaxDocument-4_000)}
	current, _ = w.put("f", "production", current)
	require.Less(t, len(current.Lines), remembered, "what was deleted is forgotten before an edit is refused")
	data, err := feature.Encode(&current)
	require.NoError(t, err)
	require.LessOrEqual(t, len(data), feature.MaxDocument)
	w.check()
}
