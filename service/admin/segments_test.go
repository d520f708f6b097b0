package admin

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

func (w *world) segment(key string, change func(*feature.Segment)) feature.Segment {
	w.t.Helper()
	g := feature.Segment{Key: key}
	if change != nil {
		change(&g)
	}
	g, _, err := w.a.CreateSegment(w.ctx, root(), "shop", g)
	require.NoError(w.t, err)
	return g
}

// in says whether a context is in a segment, by what is served.
func (w *world) in(segment, environment, key string) bool {
	w.t.Helper()
	return w.evaluate("in-"+segment, environment, key).Variant == "on"
}

func (w *world) evaluate(flag, environment, key string) evaluator.Result {
	w.t.Helper()
	return w.a.scope("shop").ruleset(w.m.state("shop"), environment).Snapshot().Evaluate(flag, evaluator.NewContext(key))
}

// probe makes the flag that tells who is in a segment.
func (w *world) probe(segment string) {
	w.t.Helper()
	w.flag("in-" + segment)
	for _, environment := range []string{"production", "staging"} {
		w.put("in-"+segment, environment, feature.Targeting{
			Enabled: true, Off: "off", Default: feature.Serve{Variant: "off"},
			Rules: []feature.Rule{{ID: "r", When: &evaluator.Condition{Segment: segment}, Serve: feature.Serve{Variant: "on"}}},
		})
	}
}

func TestSegments(t *testing.T) {
	w := newWorld(t)
	made := w.segment("beta", func(g *feature.Segment) { g.Include = map[string][]string{"targetingKey": {"u1"}} })
	w.probe("beta")
	w.check()
	require.True(t, w.in("beta", "production", "u1"))
	require.False(t, w.in("beta", "staging", "u2"))

	_, _, err := w.a.CreateSegment(w.ctx, root(), "shop", feature.Segment{Key: "beta"})
	requireCode(t, feature.CodeExists, err)
	_, _, err = w.a.PutSegment(w.ctx, root(), "shop", "beta", made)
	requireCode(t, feature.CodePreconditionRequired, err)
	_, _, err = w.a.PutSegment(w.ctx, matching(made.Version-1), "shop", "beta", made)
	requireCode(t, feature.CodePrecondition, err)

	patched, written, err := w.a.PatchSegment(w.ctx, matching(made.Version), "shop", "beta", []byte(`{"include":{"targetingKey":["u2"]},"exclude":{"targetingKey":["u3"]}}`))
	require.NoError(t, err)
	require.Equal(t, written.Revision, patched.Version, "a segment's version is the revision that changed it")
	require.False(t, w.in("beta", "production", "u1"), "a merge patch replaces arrays whole")
	require.True(t, w.in("beta", "staging", "u2"), "a definition is for all environments")
	w.check()

	_, written, err = w.a.PatchSegment(w.ctx, matching(patched.Version), "shop", "beta", []byte(`{"name":""}`))
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	_, _, err = w.a.PatchSegment(w.ctx, matching(patched.Version), "shop", "beta", []byte(`{"key":"gamma"}`))
	requireCode(t, feature.CodeInvalid, err)
	_, _, err = w.a.PatchSegment(w.ctx, matching(patched.Version), "shop", "beta", []byte(`{"when":{"attribute":"plan","op":"resembles","values":["pro"]}}`))
	requireCode(t, feature.CodeInvalid, err)
	_, _, err = w.a.PatchSegment(w.ctx, matching(patched.Version), "shop", "beta", []byte(`{"when":{"segment":"nowhere"}}`))
	requireCode(t, feature.CodeInvalid, err)
	_, _, err = w.a.PatchSegment(w.ctx, matching(patched.Version), "shop", "beta", []byte(`{"when":{"segment":"beta"}}`))
	requireCode(t, feature.CodeInvalid, err)
	w.check()

	page, err := w.a.ListSegments(w.ctx, root(), "shop", "BET", Page{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)

	_, err = w.a.DeleteSegment(w.ctx, matching(patched.Version), "shop", "beta")
	requireCode(t, feature.CodeReferenced, err)
	require.Contains(t, err.Error()+fmt.Sprint(feature.Problems(err)), "in-beta", "the referrers are named")
}

func TestSegmentActivation(t *testing.T) {
	w := newWorld(t)
	w.segment("beta", func(g *feature.Segment) { g.Include = map[string][]string{"targetingKey": {"u1"}} })
	w.probe("beta")
	before, err := w.a.GetSegmentEnvironment(w.ctx, root(), "shop", "beta", "production")
	require.NoError(t, err)
	require.Equal(t, feature.SegmentEnvironment{Active: true}, before)
	off, _, err := w.a.PatchSegmentEnvironment(w.ctx, matching(0), "shop", "beta", "production", []byte(`{"active":false}`))
	require.NoError(t, err)
	require.False(t, off.Active)
	require.False(t, w.in("beta", "production", "u1"))
	require.True(t, w.in("beta", "staging", "u1"), "elsewhere it stays active")
	_, _, err = w.a.PatchSegmentEnvironment(w.ctx, matching(off.Version), "shop", "beta", "production", []byte(`{"include":{"count":7}}`))
	requireCode(t, feature.CodeInvalid, err)
	w.check()
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	w.segment("vip", nil)
	w.probe("vip")
	edit := func(side feature.Side, e ListEdit) (feature.SegmentEnvironment, Written, error) {
		return w.a.EditList(w.ctx, root(), "shop", "vip", "production", side, e)
	}
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprintf("user-%d", i))
	}
	place, written, err := edit(feature.Include, ListEdit{Add: keys})
	require.NoError(t, err)
	require.EqualValues(t, 1000, place.Include.Count)
	require.EqualValues(t, 7890, place.Include.Bytes)
	w.check()
	for _, k := range keys[:50] {
		require.True(t, w.in("vip", "production", k))
		require.False(t, w.in("vip", "staging", k), "a list is of one environment")
	}
	require.False(t, w.in("vip", "production", "user-1000"))

	_, again, err := edit(feature.Include, ListEdit{Add: keys[:10]})
	require.NoError(t, err)
	require.True(t, again.Unchanged)
	require.Equal(t, written.Revision, again.Revision)

	// One key is one small change: its shard and the count, not the list.
	place, _, err = edit(feature.Include, ListEdit{Add: []string{"late"}, Remove: []string{"user-0", "never-there"}})
	require.NoError(t, err)
	require.EqualValues(t, 1000, place.Include.Count)
	entry, err := w.a.entry(w.ctx, "shop", w.m.state("shop").Head().Revision)
	require.NoError(t, err)
	served := 0
	for _, c := range entry.Changes {
		if environment, ok := rulesetEnvironment(c.Key); ok && environment == "production" {
			served++
			require.Less(t, len(c.After), 1024)
		}
	}
	require.LessOrEqual(t, served, 3, "two shards and the segment at most")
	require.False(t, w.in("vip", "production", "user-0"))
	require.True(t, w.in("vip", "production", "late"))
	w.check()

	_, _, err = edit(feature.Exclude, ListEdit{Add: []string{"late"}})
	require.NoError(t, err)
	require.True(t, w.in("vip", "production", "late"), "include goes before exclude")

	var all []string
	page := Page{Limit: 333}
	for {
		got, err := w.a.ListKeys(w.ctx, root(), "shop", "vip", "production", feature.Include, page)
		require.NoError(t, err)
		require.Equal(t, 1000, got.Total)
		all = append(all, got.Items...)
		if got.Next == "" {
			break
		}
		page.Cursor = got.Next
	}
	slices.Sort(all)
	want := append(slices.Clone(keys[1:]), "late")
	slices.Sort(want)
	require.Equal(t, want, all, "pages lose nothing and repeat nothing")

	for name, e := range map[string]ListEdit{
		"an empty key":       {Add: []string{""}},
		"a key of 1025":      {Add: []string{string(make([]byte, 1025))}},
		"an empty one, gone": {Remove: []string{"x", ""}},
	} {
		_, _, err := edit(feature.Include, e)
		require.Equal(t, feature.CodeInvalid, feature.CodeOf(err), name)
	}
	_, _, err = edit("middle", ListEdit{Add: []string{"x"}})
	requireCode(t, feature.CodeInvalid, err)
	_, _, err = edit(feature.Include, ListEdit{Attribute: "company.id", Add: []string{"x"}})
	requireCode(t, feature.CodeConflict, err)

	// Emptied, a list may be for another attribute, and leaves no shard behind.
	_, _, err = edit(feature.Include, ListEdit{Remove: want})
	require.NoError(t, err)
	place, _, err = edit(feature.Include, ListEdit{Attribute: "company.id", Add: []string{"c1"}})
	require.NoError(t, err)
	require.Equal(t, "company.id", place.Include.Attribute)
	w.check()
	shards := 0
	for range w.m.state("shop").List(listCollection("vip")) {
		shards++
	}
	require.Equal(t, 3, shards, "the environment's settings and one shard a side")
}

// A segment's definition touches every environment, so it takes the right to write beyond one.
func TestSegmentRights(t *testing.T) {
	w := newWorld(t)
	w.segment("beta", nil)
	_, _, err := w.a.CreateSegment(w.ctx, as(policy.RoleEditor, "production"), "shop", feature.Segment{Key: "mine"})
	requireCode(t, feature.CodeDenied, err)
	_, _, err = w.a.EditList(w.ctx, as(policy.RoleEditor, "production"), "shop", "beta", "production", feature.Include, ListEdit{Add: []string{"u"}})
	require.NoError(t, err)
	_, _, err = w.a.EditList(w.ctx, as(policy.RoleEditor, "production"), "shop", "beta", "staging", feature.Include, ListEdit{Add: []string{"u"}})
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.a.EditList(w.ctx, as(policy.RoleOperator, ""), "shop", "beta", "staging", feature.Include, ListEdit{Add: []string{"u"}})
	requireCode(t, feature.CodeDenied, err)
}

func TestDeleteSegment(t *testing.T) {
	w := newWorld(t)
	made := w.segment("vip", nil)
	_, _, err := w.a.EditList(w.ctx, root(), "shop", "vip", "production", feature.Include, ListEdit{Add: []string{"a", "b", "c"}})
	require.NoError(t, err)
	written, err := w.a.DeleteSegment(w.ctx, matching(made.Version), "shop", "vip")
	require.NoError(t, err)
	require.Zero(t, written.Version)
	state := w.m.state("shop")
	for k := range state.All() {
		require.NotContains(t, k.Collection+"/"+k.ID, "vip", "nothing is left of it")
	}
	_, err = w.a.GetSegment(w.ctx, root(), "shop", "vip")
	requireCode(t, feature.CodeNotFound, err)
	w.segment("vip", nil)
	w.check()
	require.NotEqual(t, store.Head{}, state.Head())
}
