package admin

import (
	"encoding/json"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/stretchr/testify/require"
)

func split(exposure feature.Percent, weights map[string]feature.Percent) feature.Serve {
	return feature.Serve{Distribution: &feature.Distribution{Exposure: exposure, Weights: weights, Otherwise: "off"}}
}

func TestPutTargeting(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	before := w.targeting("f", "production")
	body := feature.Targeting{Enabled: true, Off: "off", Default: split(12_500, map[string]feature.Percent{"a": 50_000, "b": 50_000}), Rules: []feature.Rule{
		{When: &evaluator.Condition{Attribute: "plan", Op: "in", Values: []json.RawMessage{json.RawMessage(`"pro"`)}}, Serve: feature.Serve{Variant: "a"}},
	}}
	_, _, err := w.a.PutTargeting(w.ctx, root(), "shop", "f", "production", body)
	requireCode(t, feature.CodePreconditionRequired, err)
	_, _, err = w.a.PutTargeting(w.ctx, matching(before.Version+5), "shop", "f", "production", body)
	requireCode(t, feature.CodePrecondition, err)

	saved, written, err := w.b.PutTargeting(w.ctx, matching(before.Version), "shop", "f", "production", body)
	require.NoError(t, err)
	require.Equal(t, written.Revision, saved.Version)
	require.Regexp(t, `^r-[a-z0-9]{8}$`, saved.Rules[0].ID)
	require.Empty(t, body.Rules[0].ID, "the caller's document is left alone")
	served := servedFlag(t, w, "production", "f")
	require.Equal(t, 12_500, served.Default.Distribution.Exposure)
	require.Equal(t, saved.Default.Distribution.Ranges, served.Default.Distribution.Ranges)
	require.Len(t, served.Rules, 1)
	require.False(t, servedFlag(t, w, "staging", "f").Enabled, "another environment is not touched")
	w.check()

	// What was read can be written back as it is, and changes nothing.
	again, written, err := w.a.PutTargeting(w.ctx, matching(saved.Version), "shop", "f", "production", saved.Targeting)
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	require.Equal(t, saved, again)

	forged := saved.Clone()
	forged.Default.Distribution.Ranges = []evaluator.Range{{Variant: "b", To: 100_000}}
	forged.Version = 99
	forged.Lines = map[string][]evaluator.Range{"x": {{Variant: "b", To: 100_000}}}
	_, _, err = w.a.PutTargeting(w.ctx, matching(saved.Version), "shop", "f", "production", forged)
	requireCode(t, feature.CodeInvalid, err)
	var paths []string
	for _, p := range feature.Problems(err) {
		paths = append(paths, p.Path)
	}
	require.ElementsMatch(t, []string{"/version", "/lines", "/default/distribution/ranges"}, paths)
	for _, place := range [][2]string{{"nope", "production"}, {"f", "nope"}} {
		_, _, err = w.a.PutTargeting(w.ctx, matching(1), "shop", place[0], place[1], body)
		requireCode(t, feature.CodeNotFound, err)
	}
}

func TestPatchTargeting(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	v := w.targeting("f", "production").Version
	saved, _, err := w.a.PatchTargeting(w.ctx, matching(v), "shop", "f", "production",
		[]byte(`{"enabled":true,"default":{"distribution":{"exposure":0.001,"weights":{"a":10,"b":90}}}}`))
	require.NoError(t, err)
	require.Equal(t, feature.Percent(1), saved.Default.Distribution.Exposure)
	require.Equal(t, "off", saved.Default.Distribution.Otherwise, "what the patch does not name stays")

	saved, _, err = w.a.PatchTargeting(w.ctx, matching(saved.Version), "shop", "f", "production", []byte(`{"default":{"variant":"a","distribution":null}}`))
	require.NoError(t, err)
	require.Equal(t, feature.Serve{Variant: "a"}, saved.Default)
	require.NotEmpty(t, saved.Lines[feature.DefaultRule], "the line is remembered")
	line := saved.Lines[feature.DefaultRule]

	saved, _, err = w.a.PatchTargeting(w.ctx, matching(saved.Version), "shop", "f", "production",
		[]byte(`{"default":{"variant":null,"distribution":{"exposure":50,"weights":{"a":10,"b":90}}}}`))
	require.NoError(t, err)
	require.Equal(t, line, saved.Default.Distribution.Ranges, "and found again")
	require.Empty(t, saved.Lines)
	w.check()

	for patch, want := range map[string]feature.Code{
		`{"default":{"distribution":{"weights":{"a":11}}}}`: feature.CodeInvalid, `{"default":{"distribution":{"exposure":0.0001}}}`: feature.CodeInvalid,
		`{"off":null}`: feature.CodeInvalid, `{"rules":[{"when":{"all":[]}}]}`: feature.CodeInvalid,
		`{"enabled":null}`: "", `{"rules":null}`: "", `{"rules":[null]}`: feature.CodeMalformed, `{"fallback":null}`: feature.CodeMalformed,
	} {
		_, _, err := w.a.PatchTargeting(w.ctx, matching(w.targeting("f", "production").Version), "shop", "f", "production", []byte(patch))
		require.Equal(t, want, feature.CodeOf(err), "%s: %v", patch, err)
	}
}

func TestRules(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	version := func() int64 { return w.targeting("f", "production").Version }
	put := func(id string, r feature.Rule) TargetingView {
		saved, _, err := w.a.PutRule(w.ctx, matching(version()), "shop", "f", "production", id, r)
		require.NoError(t, err)
		return saved
	}
	put("one", feature.Rule{Serve: split(feature.All, map[string]feature.Percent{"a": 30_000, "b": 70_000})})
	put("two", feature.Rule{ID: "two", Serve: feature.Serve{Variant: "b"}})
	saved := put("one", feature.Rule{Name: "First", Serve: split(feature.All, map[string]feature.Percent{"a": 30_000, "b": 70_000})})
	require.Equal(t, []string{"one", "two"}, []string{saved.Rules[0].ID, saved.Rules[1].ID})
	line := saved.Rules[0].Serve.Distribution.Ranges

	_, _, err := w.a.PutRule(w.ctx, matching(version()), "shop", "f", "production", "one", feature.Rule{ID: "two", Serve: feature.Serve{Variant: "a"}})
	requireCode(t, feature.CodeInvalid, err)
	_, _, err = w.a.PatchRule(w.ctx, matching(version()), "shop", "f", "production", "nope", []byte(`{}`))
	requireCode(t, feature.CodeNotFound, err)
	saved, _, err = w.a.PatchRule(w.ctx, matching(version()), "shop", "f", "production", "two", []byte(`{"name":"Second","when":{"attribute":"x","op":"exists"}}`))
	require.NoError(t, err)
	require.Equal(t, "Second", saved.Rules[1].Name)

	saved, _, err = w.a.OrderRules(w.ctx, root(), "shop", "f", "production", []string{"two", "one"})
	require.NoError(t, err)
	require.Equal(t, "two", saved.Rules[0].ID)
	for _, c := range []struct {
		ids  []string
		code feature.Code
	}{{[]string{"one"}, feature.CodeConflict}, {[]string{"one", "nope"}, feature.CodeConflict}, {[]string{"one", "one"}, feature.CodeInvalid}} {
		_, _, err = w.a.OrderRules(w.ctx, root(), "shop", "f", "production", c.ids)
		requireCode(t, c.code, err)
	}

	saved, _, err = w.a.DeleteRule(w.ctx, matching(version()), "shop", "f", "production", "one")
	require.NoError(t, err)
	require.Len(t, saved.Rules, 1)
	saved = put("one", feature.Rule{Serve: split(feature.All, map[string]feature.Percent{"a": 30_000, "b": 70_000})})
	require.Equal(t, line, saved.Rules[1].Serve.Distribution.Ranges, "a rule that comes back has its cohorts")
	w.check()
}

func TestRamp(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	saved := w.ramp("f", "production", "12.5")
	require.True(t, saved.Enabled, "a ramp turns the flag on")
	require.Equal(t, 12_500, servedFlag(t, w, "production", "f").Default.Distribution.Exposure)

	from := feature.Percent(10_000)
	_, _, err := w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 50_000, From: &from})
	requireCode(t, feature.CodeConflict, err)
	from = 12_500
	_, _, err = w.a.Ramp(w.ctx, as(policy.RoleOperator, "production"), "shop", "f", "production", RampRequest{Exposure: 50_000, From: &from, Reason: "looks good"})
	require.NoError(t, err)
	_, _, err = w.a.Ramp(w.ctx, as(policy.RoleViewer, ""), "shop", "f", "production", RampRequest{Exposure: 50_000})
	requireCode(t, feature.CodeDenied, err)
	_, _, err = w.a.Ramp(w.ctx, as(policy.RoleOperator, "staging"), "shop", "f", "production", RampRequest{Exposure: 50_000})
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: -1})
	requireCode(t, feature.CodeInvalid, err)
	e, err := w.a.GetLogEntry(w.ctx, root(), "shop", w.m.state("shop").Head().Revision)
	require.NoError(t, err)
	require.Equal(t, "looks good", e.Meta.Reason)
	require.Equal(t, "targeting.ramp", e.Meta.Verb)
	require.Equal(t, "flag/f@production", e.Meta.Target)

	_, written, err := w.a.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.False(t, written.Unchanged)
	_, written, err = w.b.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	zero, _, err := w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 0})
	require.NoError(t, err)
	require.False(t, zero.Enabled, "a ramp to nothing exposes nobody")
	on, _, err := w.a.TurnOn(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.True(t, on.Enabled)
	w.check()
}

func TestRampOfRules(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	w.put("f", "production", feature.Targeting{Off: "off", Default: feature.Serve{Variant: "a"}, Rules: []feature.Rule{
		{ID: "plain", Serve: feature.Serve{Variant: "b"}}, {ID: "half", Serve: split(50_000, map[string]feature.Percent{"a": feature.All})},
	}})
	saved, _, err := w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 60_000, Rule: "half"})
	require.NoError(t, err)
	require.Equal(t, feature.Percent(60_000), saved.Rules[1].Serve.Distribution.Exposure)
	for _, rule := range []string{"", "default", "plain", "nope"} {
		_, _, err := w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 60_000, Rule: rule})
		requireCode(t, feature.CodeInvalid, err)
		require.ErrorContains(t, err, "these can be ramped: half")
		require.Equal(t, "/rule", feature.Problems(err)[0].Path)
	}
}

// A verb's answer says what stands above the targeting, as of its own commit: a second look could fail, or see a later state.
func TestVerbsAnswerWithKills(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.flag("g")
	kill, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	for name, verb := range map[string]func(flag string) (TargetingView, Written, error){
		"ramp": func(flag string) (TargetingView, Written, error) {
			return w.b.Ramp(w.ctx, root(), "shop", flag, "production", RampRequest{Exposure: 5_000})
		},
		"on": func(flag string) (TargetingView, Written, error) {
			return w.b.TurnOn(w.ctx, root(), "shop", flag, "production")
		},
		"patch": func(flag string) (TargetingView, Written, error) {
			return w.b.PatchTargeting(w.ctx, matching(w.targeting(flag, "production").Version), "shop", flag, "production", []byte(`{"off":"on"}`))
		},
	} {
		view, _, err := verb("f")
		require.NoError(t, err, name)
		require.Equal(t, []string{kill.ID}, view.Kills, name)
		require.True(t, view.Killed, name)
		require.Equal(t, w.targeting("f", "production"), view, name)
		view, _, err = verb("g")
		require.NoError(t, err, name)
		require.False(t, view.Killed, name)
	}
	first, _, err := w.a.TurnOff(w.ctx, idempotent("k", 1), "shop", "f", "production")
	require.NoError(t, err)
	again, written, err := w.b.TurnOff(w.ctx, idempotent("k", 1), "shop", "f", "production")
	require.NoError(t, err)
	require.True(t, written.Replayed)
	require.Equal(t, first, again)
}
