package admin

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/stretchr/testify/require"
)

func TestLog(t *testing.T) {
	w := newWorld(t)
	w.flag("a")
	w.flag("b")
	call := root()
	call.Reason = "launch"
	_, _, err := w.a.Ramp(w.ctx, call, "shop", "a", "production", RampRequest{Exposure: 5_000})
	require.NoError(t, err)
	w.ramp("b", "staging", "5")
	head := w.m.state("shop").Head().Revision

	all, err := w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, Page{})
	require.NoError(t, err)
	require.Len(t, all.Items, int(head))
	require.Empty(t, all.Next)
	for i, e := range all.Items {
		require.Equal(t, head-int64(i), e.At.Revision, "newest first, without a gap")
		for _, c := range e.Changes {
			require.False(t, strings.HasPrefix(c.Document, "ruleset/"), "what only follows from the rest is not shown: %v", c.Document)
		}
	}
	ramp := all.Items[1]
	require.Equal(t, "targeting.ramp", ramp.Meta.Verb)
	require.Equal(t, "flag/a@production", ramp.Meta.Target)
	require.Equal(t, "launch", ramp.Meta.Reason)
	require.Equal(t, "token:root", ramp.Meta.Actor)
	require.Equal(t, "192.0.2.1", ramp.Meta.Address)
	require.Equal(t, []Touched{{Document: "targeting/production/a", Kind: KindTargeting, Key: "a", Environment: "production", Action: Updated}}, ramp.Changes)

	var paged []int64
	page := Page{Limit: 2}
	for {
		got, err := w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, page)
		require.NoError(t, err)
		for _, e := range got.Items {
			paged = append(paged, e.At.Revision)
		}
		if page.Cursor = got.Next; page.Cursor == "" {
			break
		}
	}
	require.Len(t, paged, int(head))

	of := func(call Call, filter LogFilter) (out []int64) {
		t.Helper()
		got, err := w.a.ListLog(w.ctx, call, "shop", filter, Page{})
		require.NoError(t, err)
		for _, e := range got.Items {
			out = append(out, e.At.Revision)
		}
		return out
	}
	require.Equal(t, []int64{head - 1}, of(root(), LogFilter{Flag: "a", Environment: "production"})[:1])
	require.NotContains(t, of(root(), LogFilter{Flag: "a"}), head)
	require.Empty(t, of(root(), LogFilter{Actor: "token:nobody"}))
	require.NotContains(t, of(as(policy.RoleViewer, "staging"), LogFilter{}), head-1, "another environment's business")
	require.Contains(t, of(as(policy.RoleViewer, "staging"), LogFilter{}), head)

	e, err := w.a.GetLogEntry(w.ctx, root(), "shop", head-1)
	require.NoError(t, err)
	require.Equal(t, ramp.Meta, e.Meta)
	require.Equal(t, ramp.Hash, e.Hash)
	require.Len(t, e.Changes, 1)
	require.NotEmpty(t, e.Changes[0].Before)
	_, err = w.a.GetLogEntry(w.ctx, as(policy.RoleViewer, "staging"), "shop", head-1)
	requireCode(t, feature.CodeNotFound, err)
	for _, revision := range []int64{0, -1, head + 1} {
		_, err = w.a.GetLogEntry(w.ctx, root(), "shop", revision)
		requireCode(t, feature.CodeNotFound, err)
	}
	_, err = w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, Page{Cursor: "x"})
	requireCode(t, feature.CodeInvalid, err)
	_, err = w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, Page{Limit: feature.MaxBulk + 1})
	requireCode(t, feature.CodeInvalid, err)
}

// Every past ruleset can be evaluated again: "why did this user get this at 14:02?".
func TestAt(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	type seen struct {
		revision int64
		answers  map[string]evaluator.Result
	}
	var history []seen
	users := []string{"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"}
	note := func() {
		s := seen{w.m.state("shop").Head().Revision, map[string]evaluator.Result{}}
		for _, u := range users {
			s.answers[u] = w.evaluate("f", "production", u)
		}
		history = append(history, s)
	}
	note()
	for _, percent := range []string{"10", "50", "25", "100"} {
		w.ramp("f", "production", percent)
		note()
	}
	k, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	note()
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "f", "production", k.ID)
	require.NoError(t, err)
	note()
	for _, then := range history {
		past, err := w.b.At(w.ctx, root(), "shop", then.revision)
		require.NoError(t, err)
		snapshot := past.Ruleset("production").Snapshot()
		for _, u := range users {
			got := snapshot.Evaluate("f", evaluator.NewContext(u))
			want := then.answers[u]
			got.Revision, want.Revision = evaluator.Revision{}, evaluator.Revision{}
			require.Equal(t, want, got, "%s at %d", u, then.revision)
		}
	}
	_, err = w.a.At(w.ctx, root(), "shop", w.m.state("shop").Head().Revision+1)
	requireCode(t, feature.CodeNotFound, err)
}

func TestRestore(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	w.flag("g")
	good := w.ramp("f", "production", "40")
	atGood := w.m.state("shop").Head().Revision
	_, _, err := w.a.PatchTargeting(w.ctx, matching(good.Version), "shop", "f", "production",
		[]byte(`{"default":{"distribution":{"weights":{"a":10,"b":90},"exposure":90}}}`))
	require.NoError(t, err)
	w.ramp("g", "production", "7")
	k, _, err := w.a.Kill(w.ctx, root(), "shop", "g", "production")
	require.NoError(t, err)

	restored, written, err := w.a.Restore(w.ctx, root(), "shop", atGood, RestoreFilter{Flag: "f", Environment: "production"})
	require.NoError(t, err)
	require.Equal(t, []string{"targeting/production/f"}, restored.Documents)
	now := w.targeting("f", "production")
	require.Equal(t, written.Revision, now.Version, "a restore is a new commit")
	require.Equal(t, good.Default, now.Default, "the hash line comes back exactly, ranges and salts included")
	require.Equal(t, feature.Percent(7_000), w.targeting("g", "production").Default.Distribution.Exposure, "others are left alone")
	w.check()

	_, again, err := w.a.Restore(w.ctx, root(), "shop", atGood, RestoreFilter{Flag: "f", Environment: "production"})
	require.NoError(t, err)
	require.True(t, again.Unchanged)

	_, _, err = w.a.Restore(w.ctx, root(), "shop", atGood, RestoreFilter{Environment: "production"})
	require.NoError(t, err)
	require.Equal(t, feature.Percent(0), w.targeting("g", "production").Default.Distribution.Exposure)
	require.Equal(t, []string{k.ID}, w.targeting("g", "production").Kills, "a kill outlives a restore")
	w.check()

	for name, c := range map[string]struct {
		revision int64
		filter   RestoreFilter
		call     Call
		code     feature.Code
	}{
		"the future":             {w.m.state("shop").Head().Revision + 1, RestoreFilter{}, root(), feature.CodeNotFound},
		"nothing to bring back":  {k0(t, w, "kill"), RestoreFilter{}, root(), feature.CodeConflict},
		"before the flag was":    {1, RestoreFilter{Flag: "f"}, root(), feature.CodeNotFound},
		"an unknown environment": {atGood, RestoreFilter{Environment: "moon"}, root(), feature.CodeNotFound},
		"an operator":            {atGood, RestoreFilter{Flag: "f", Environment: "production"}, as(policy.RoleOperator, ""), feature.CodeDenied},
		"beyond one's own place": {atGood, RestoreFilter{Flag: "f"}, as(policy.RoleEditor, "production"), feature.CodeDenied},
		"another's environment":  {atGood, RestoreFilter{Flag: "f", Environment: "staging"}, as(policy.RoleEditor, "production"), feature.CodeNotFound},
	} {
		_, _, err := w.a.Restore(w.ctx, c.call, "shop", c.revision, c.filter)
		require.Equal(t, c.code, feature.CodeOf(err), "%s: %v", name, err)
	}
}

// k0 is the revision of the newest entry with a verb.
func k0(t *testing.T, w *world, verb string) int64 {
	t.Helper()
	got, err := w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, Page{Limit: 1000})
	require.NoError(t, err)
	for _, e := range got.Items {
		if e.Meta.Verb == verb {
			return e.At.Revision
		}
	}
	require.Fail(t, "no entry "+verb)
	return 0
}

func TestRestoreOfLists(t *testing.T) {
	w := newWorld(t)
	w.segment("vip", nil)
	w.probe("vip")
	var keys []string
	for i := range 50 {
		keys = append(keys, "u"+strconv.Itoa(i))
	}
	_, before, err := w.a.EditList(w.ctx, root(), "shop", "vip", "production", feature.Include, ListEdit{Add: keys})
	require.NoError(t, err)
	_, _, err = w.a.EditList(w.ctx, root(), "shop", "vip", "production", feature.Include, ListEdit{Remove: keys[:25], Add: []string{"new"}})
	require.NoError(t, err)
	_, _, err = w.a.Restore(w.ctx, root(), "shop", before.Revision, RestoreFilter{Environment: "production"})
	require.NoError(t, err)
	w.check()
	place, err := w.a.GetSegmentEnvironment(w.ctx, root(), "shop", "vip", "production")
	require.NoError(t, err)
	require.EqualValues(t, 50, place.Include.Count)
	for _, k := range keys {
		require.True(t, w.in("vip", "production", k), k)
	}
	require.False(t, w.in("vip", "production", "new"))
}

func TestPreviewService(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.ramp("f", "production", "10")
	contexts := [][]byte{}
	for i := range 100 {
		contexts = append(contexts, fmt.Appendf(nil, `{"targetingKey":"user-%d"}`, i))
	}
	before := w.m.state("shop").Head()
	got, err := w.a.Preview(w.ctx, as(policy.RoleViewer, ""), "shop", "f", "production", PreviewRequest{Ramp: &RampRequest{Exposure: 60_000}, Contexts: contexts})
	require.NoError(t, err)
	require.Equal(t, before, w.m.state("shop").Head(), "a preview saves nothing")
	entered := 0
	for i, c := range got.Contexts {
		if c.Before.Variant != c.After.Variant {
			entered++
			require.Equal(t, "on", c.After.Variant, "a ramp only adds: context %d", i)
		}
	}
	require.InDelta(t, 50, entered, 15)
	w.ramp("f", "production", "60")
	for i, c := range got.Contexts {
		require.Equal(t, c.After.Variant, w.evaluate("f", "production", fmt.Sprintf("user-%d", i)).Variant, "what was shown is what came")
	}
	for name, r := range map[string]PreviewRequest{
		"nothing":         {},
		"two things":      {Ramp: &RampRequest{}, Patch: []byte(`{}`)},
		"a bad context":   {Ramp: &RampRequest{Exposure: 1}, Contexts: [][]byte{[]byte(`{"targetingKey":["u"]}`)}},
		"an invalid one":  {Patch: []byte(`{"off":"nowhere"}`)},
		"a rule unknown":  {Ramp: &RampRequest{Exposure: 1, Rule: "r9"}},
		"101 contexts":    {Ramp: &RampRequest{Exposure: 1}, Contexts: make([][]byte, 101)},
		"above a hundred": {Ramp: &RampRequest{Exposure: 100_001}},
	} {
		_, err := w.a.Preview(w.ctx, root(), "shop", "f", "production", r)
		require.Equal(t, feature.CodeInvalid, feature.CodeOf(err), "%s: %v", name, err)
	}
}
