package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/stretchr/testify/require"
)

func TestSegmentReferences(t *testing.T) {
	w := newWorld(t)
	w.segment("beta", nil)
	of := func(call Call, limit int) ([]Reference, bool) {
		t.Helper()
		found, more, err := w.a.SegmentReferences(w.ctx, call, "shop", "beta", limit)
		require.NoError(t, err)
		return found, more
	}
	none, more := of(root(), 10)
	require.Empty(t, none)
	require.NotNil(t, none)
	require.False(t, more)

	w.probe("beta")
	w.segment("wider", func(g *feature.Segment) {
		g.When = &evaluator.Condition{Any: []evaluator.Condition{{Segment: "beta"}, {Attribute: "beta", Op: "exists"}}}
	})
	w.segment("beta-b", func(g *feature.Segment) { g.Include = map[string][]string{"targetingKey": {"beta"}} })
	want := []Reference{{Flag: "in-beta", Environment: "staging", Rule: "r"}, {Flag: "in-beta", Environment: "production", Rule: "r"}, {Segment: "wider"}}
	got, more := of(root(), 10)
	require.ElementsMatch(t, want, got, "a key in a list and an attribute of that name are no references")
	require.False(t, more)
	require.Equal(t, "wider", got[2].Segment, "segments come last")

	all, more := of(root(), 3)
	require.Equal(t, got, all)
	require.False(t, more, "as many as there are leave none out")
	some, more := of(root(), 2)
	require.Equal(t, got[:2], some)
	require.True(t, more)

	bound, _ := of(as(policy.RoleViewer, "staging"), 10)
	require.ElementsMatch(t, []Reference{{Flag: "in-beta", Environment: "staging", Rule: "r"}, {Segment: "wider"}}, bound, "another environment's targeting is not told")
	_, _, err := w.a.SegmentReferences(w.ctx, root(), "shop", "nobody", 10)
	requireCode(t, feature.CodeNotFound, err)

	// What is listed is what a deletion is refused for.
	_, err = w.a.DeleteSegment(w.ctx, matching(w.segmentVersion("beta")), "shop", "beta")
	requireCode(t, feature.CodeReferenced, err)
	var refusal *feature.Error
	require.ErrorAs(t, err, &refusal)
	var told []string
	for _, p := range refusal.Details {
		told = append(told, p.Msg)
	}
	var listed []string
	for _, r := range got {
		listed = append(listed, r.String())
	}
	require.Equal(t, listed, told)
}

func (w *world) segmentVersion(key string) int64 {
	w.t.Helper()
	g, err := w.a.GetSegment(w.ctx, root(), "shop", key)
	require.NoError(w.t, err)
	return g.Version
}

func TestFindKey(t *testing.T) {
	w := newWorld(t)
	w.segment("vip", nil)
	find := func(environment string, side feature.Side, key string) Paged[string] {
		t.Helper()
		got, err := w.a.FindKey(w.ctx, root(), "shop", "vip", environment, side, key)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, Paged[string]{Items: []string{}}, find("production", feature.Include, "user-1"), "no list yet")
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprintf("user-%d", i))
	}
	_, _, err := w.a.EditList(w.ctx, root(), "shop", "vip", "production", feature.Include, ListEdit{Add: keys})
	require.NoError(t, err)
	for _, k := range []string{"user-0", "user-500", "user-999"} {
		require.Equal(t, Paged[string]{Items: []string{k}, Total: 1000}, find("production", feature.Include, k))
	}
	for _, k := range []string{"user-1000", "user", "user-", "USER-1", " user-1"} {
		require.Equal(t, Paged[string]{Items: []string{}, Total: 1000}, find("production", feature.Include, k), "no part of a key, nor another spelling")
	}
	require.Empty(t, find("staging", feature.Include, "user-1").Items)
	require.Empty(t, find("production", feature.Exclude, "user-1").Items)
	_, err = w.a.FindKey(w.ctx, root(), "shop", "vip", "production", "both", "user-1")
	requireCode(t, feature.CodeInvalid, err)
	_, err = w.a.FindKey(w.ctx, root(), "shop", "nobody", "production", feature.Include, "user-1")
	requireCode(t, feature.CodeNotFound, err)
	_, err = w.a.FindKey(w.ctx, as(policy.RoleViewer, "staging"), "shop", "vip", "production", feature.Include, "user-1")
	requireCode(t, feature.CodeNotFound, err)
}

func TestListTargetings(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"a", "b", "c", "d"} {
		w.flag(key)
	}
	w.ramp("b", "production", "25")
	k, _, err := w.a.Kill(w.ctx, root(), "shop", "c", "production")
	require.NoError(t, err)
	_, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "d")
	require.NoError(t, err)
	list := func(call Call, environment string, page Page) Paged[TargetingView] {
		t.Helper()
		got, err := w.a.ListTargetings(w.ctx, call, "shop", environment, page)
		require.NoError(t, err)
		return got
	}
	all := list(root(), "production", Page{})
	require.Empty(t, all.Next)
	require.Len(t, all.Items, 4)
	for _, v := range all.Items {
		one, err := w.a.GetTargeting(w.ctx, root(), "shop", v.Flag, "production")
		require.NoError(t, err)
		require.Equal(t, one, v, "as it is read alone")
	}
	require.Equal(t, []string{k.ID}, all.Items[2].Kills)
	require.True(t, all.Items[3].Archived)
	require.False(t, list(root(), "staging", Page{}).Items[2].Killed)

	var paged []string
	for page := (Page{Limit: 3}); ; {
		got := list(root(), "production", page)
		for _, v := range got.Items {
			paged = append(paged, v.Flag)
		}
		if page.Cursor = got.Next; page.Cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, paged)

	for _, call := range []Call{as(policy.RoleViewer, "staging")} {
		_, err = w.a.ListTargetings(w.ctx, call, "shop", "production", Page{})
		requireCode(t, feature.CodeNotFound, err)
	}
	_, err = w.a.ListTargetings(w.ctx, root(), "shop", "nowhere", Page{})
	requireCode(t, feature.CodeNotFound, err)
	_, err = w.a.ListTargetings(w.ctx, root(), "shop", "production", Page{Limit: -1})
	requireCode(t, feature.CodeInvalid, err)
}

// A page is bounded in bytes too: a thousand large targetings are not put into one answer.
func TestPagesOfTargetingsAreBounded(t *testing.T) {
	w := newWorld(t)
	var flags []string
	for i := range 24 {
		key := fmt.Sprintf("f%02d", i)
		flags = append(flags, key)
		w.flag(key)
		var values []json.RawMessage
		for n := range 180 {
			values = append(values, json.RawMessage(fmt.Sprintf("\"%d%s\"", n, strings.Repeat("x", 1000))))
		}
		w.put(key, "production", feature.Targeting{
			Enabled: true, Off: "off", Default: feature.Serve{Variant: "off"},
			Rules: []feature.Rule{{ID: "r", When: &evaluator.Condition{Attribute: "x", Op: "in", Values: values}, Serve: feature.Serve{Variant: "on"}}},
		})
	}
	var seen []string
	pages := 0
	for page := (Page{Limit: feature.MaxBulk}); ; pages++ {
		got, err := w.a.ListTargetings(w.ctx, root(), "shop", "production", page)
		require.NoError(t, err)
		require.NotEmpty(t, got.Items)
		for _, v := range got.Items {
			seen = append(seen, v.Flag)
		}
		if page.Cursor = got.Next; page.Cursor == "" {
			break
		}
	}
	require.Equal(t, flags, seen)
	require.Positive(t, pages, "more than 4 MiB are more than one page")
	require.True(t, slices.IsSorted(seen))
}
