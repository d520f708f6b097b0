package admin

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/stretchr/testify/require"
)

func TestCreateFlag(t *testing.T) {
	w := newWorld(t)
	f, written, err := w.a.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: "new-checkout", Type: "boolean", Tags: []string{"pay"}}, CreateOptions{})
	require.NoError(t, err)
	require.Regexp(t, `^[a-z0-9]{12}$`, f.Salt)
	require.Equal(t, written.Revision, f.Version)
	require.Equal(t, f.Version, written.Version)
	for _, environment := range []string{"production", "staging"} {
		served := servedFlag(t, w, environment, "new-checkout")
		require.False(t, served.Enabled)
		require.Equal(t, f.Salt, served.Salt)
		require.Equal(t, written.Revision, served.Version)
		require.Equal(t, "off", served.Off)
		require.Equal(t, 0, served.Default.Distribution.Exposure)
	}
	w.check()

	_, _, err = w.b.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: "new-checkout", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeExists, err)
	_, _, err = w.a.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: "Bad", Type: "x", Salt: "abc", Archived: true}, CreateOptions{Off: "dark"})
	requireCode(t, feature.CodeInvalid, err)
	require.Len(t, feature.Problems(err), 6, "%v", feature.Problems(err))
	_, _, err = w.a.CreateFlag(w.ctx, as(policy.RoleOperator, ""), "shop", feature.Flag{Key: "x", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeDenied, err)
	_, _, err = w.a.CreateFlag(w.ctx, as(policy.RoleAdmin, "staging"), "shop", feature.Flag{Key: "x", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeDenied, err)
	_, _, err = w.a.CreateFlag(w.ctx, root(), "nowhere", feature.Flag{Key: "x", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeNotFound, err)
	other := as(policy.RoleAdmin, "")
	other.Principal.Project = "other"
	_, _, err = w.a.CreateFlag(w.ctx, other, "shop", feature.Flag{Key: "x", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeNotFound, err)
}

func TestFlagEdits(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	before := w.served("production", evaluator.KindFlag, "f")

	_, _, err := w.a.PatchFlag(w.ctx, root(), "shop", "f", []byte(`{"name":"x"}`))
	requireCode(t, feature.CodePreconditionRequired, err)
	_, _, err = w.a.PatchFlag(w.ctx, matching(f.Version+1), "shop", "f", []byte(`{"name":"x"}`))
	requireCode(t, feature.CodePrecondition, err)

	named, written, err := w.b.PatchFlag(w.ctx, matching(f.Version), "shop", "f", []byte(`{"name":"New","tags":["a"],"description":null}`))
	require.NoError(t, err)
	require.Equal(t, "New", named.Name)
	require.Equal(t, written.Revision, named.Version)
	require.Equal(t, string(before), string(w.served("production", evaluator.KindFlag, "f")), "a name is not served, so nothing is sent")

	again, written, err := w.b.PatchFlag(w.ctx, matching(named.Version), "shop", "f", []byte(`{"name":"New"}`))
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	require.Equal(t, named, again)

	hidden, _, err := w.a.PatchFlag(w.ctx, matching(named.Version), "shop", "f", []byte(`{"clientVisible":true}`))
	require.NoError(t, err)
	require.Equal(t, hidden.Version, servedFlag(t, w, "staging", "f").Version)

	for patch, path := range map[string]string{
		`{"key":"g"}`: "/key", `{"type":"string"}`: "/type", `{"salt":"aaaaaaaaaaaa"}`: "/salt", `{"archived":true}`: "/archived", `{"version":1}`: "/version",
		`{"variants":[{"key":"on","value":true}]}`: "/variants", `{"tags":["a","a"]}`: "/tags/1", `{"jsonSchema":{"type":"string"}}`: "/variants/0/value",
	} {
		_, _, err := w.a.PatchFlag(w.ctx, matching(hidden.Version), "shop", "f", []byte(patch))
		requireCode(t, feature.CodeInvalid, err)
		require.Equal(t, path, feature.Problems(err)[0].Path, patch)
	}
	for _, patch := range []string{`{"nam":"x"}`, `{"name":1}`, `[]`, `{"name":"a","name":"b"}`} {
		_, _, err := w.a.PatchFlag(w.ctx, matching(hidden.Version), "shop", "f", []byte(patch))
		requireCode(t, feature.CodeMalformed, err)
	}
	put, _, err := w.a.PutFlag(w.ctx, matching(hidden.Version), "shop", "f", feature.Flag{Key: "f", Type: "boolean", Kind: "release"})
	require.NoError(t, err)
	require.Empty(t, put.Name, "put replaces all")
	require.Equal(t, f.Salt, put.Salt)
	w.check()
}

func TestArchiveAndDelete(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	w.flag("user")
	w.put("user", "staging", feature.Targeting{Off: "off", Default: feature.Serve{Variant: "on"}, Prerequisites: []evaluator.Prerequisite{{Flag: "f", Variants: []string{"on"}}}})
	w.ramp("f", "production", "25")

	_, err := w.a.DeleteFlag(w.ctx, matching(f.Version), "shop", "f")
	requireCode(t, feature.CodeConflict, err)
	_, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "f")
	requireCode(t, feature.CodeReferenced, err)
	require.ErrorContains(t, err, "flag user in staging, as a prerequisite")

	w.put("user", "staging", feature.Targeting{Off: "off", Default: feature.Serve{Variant: "on"}, Rules: []feature.Rule{
		{Serve: feature.Serve{Variant: "on"}, When: &evaluator.Condition{Any: []evaluator.Condition{{Not: &evaluator.Condition{Flag: "f", Variants: []string{"on"}}}}}},
	}})
	_, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "f")
	requireCode(t, feature.CodeReferenced, err)
	w.put("user", "staging", feature.Targeting{Off: "off", Default: feature.Serve{Variant: "on"}})

	archived, _, err := w.a.ArchiveFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err)
	require.True(t, archived.Archived)
	served := servedFlag(t, w, "production", "f")
	require.False(t, served.Enabled)
	_, _, err = w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: feature.All})
	requireCode(t, feature.CodeConflict, err)
	w.check()

	back, _, err := w.a.UnarchiveFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err)
	require.False(t, servedFlag(t, w, "production", "f").Enabled, "it comes back off")
	require.Equal(t, feature.Percent(25_000), w.targeting("f", "production").Default.Distribution.Exposure)
	w.check()

	archived, _, err = w.a.ArchiveFlag(w.ctx, matching(back.Version), "shop", "f")
	require.NoError(t, err)
	written, err := w.a.DeleteFlag(w.ctx, matching(archived.Version), "shop", "f")
	require.NoError(t, err)
	require.Zero(t, written.Version)
	require.Nil(t, w.served("production", evaluator.KindFlag, "f"))
	_, err = w.a.GetFlag(w.ctx, root(), "shop", "f")
	requireCode(t, feature.CodeNotFound, err)
	w.check()
}

func TestReshuffle(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	g, _, err := w.a.ReshuffleFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err)
	require.NotEqual(t, f.Salt, g.Salt)
	require.Equal(t, g.Salt, servedFlag(t, w, "staging", "f").Salt)
	w.check()
}

func TestListFlags(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		w.flag(key)
	}
	w.ramp("b", "production", "12.5")
	_, _, err := w.a.Kill(w.ctx, root(), "shop", "c", "production")
	require.NoError(t, err)
	_, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "d")
	require.NoError(t, err)

	var keys []string
	page := Page{Limit: 2}
	for {
		got, err := w.a.ListFlags(w.ctx, root(), "shop", FlagFilter{}, page)
		require.NoError(t, err)
		for _, item := range got.Items {
			keys = append(keys, item.Flag.Key+" "+item.Environments["production"].State)
		}
		if page.Cursor = got.Next; page.Cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"a off", "b exposure", "c killed", "e off"}, keys)

	got, err := w.a.ListFlags(w.ctx, as(policy.RoleViewer, "staging"), "shop", FlagFilter{Archived: true}, Page{})
	require.NoError(t, err)
	require.Len(t, got.Items, 1)
	require.Contains(t, got.Items[0].Environments, "staging")
	require.NotContains(t, got.Items[0].Environments, "production")
	_, err = w.a.ListFlags(w.ctx, root(), "shop", FlagFilter{}, Page{Limit: 1001})
	requireCode(t, feature.CodeInvalid, err)
}

func TestListFlagsSaysWhoSeesSomethingNew(t *testing.T) {
	flag := &feature.Flag{Key: "a"}
	for name, c := range map[string]struct {
		serve    feature.Serve
		exposure feature.Percent
		state    string
	}{
		"a variant for all":       {feature.Serve{Variant: "on"}, feature.All, "on"},
		"the off variant for all": {feature.Serve{Variant: "off"}, 0, "on"},
		"a part of all":           {feature.Serve{Distribution: &feature.Distribution{Exposure: 12_500}}, 12_500, "exposure"},
	} {
		t.Run(name, func(t *testing.T) {
			got := summary(flag, &feature.Targeting{Enabled: true, Off: "off", Default: c.serve}, time.Time{})
			require.Equal(t, Exposure{State: c.state, Exposure: c.exposure}, got)
		})
	}
}

func TestListFlagsSaysSinceWhenAFlagIsKilled(t *testing.T) {
	w := newWorld(t)
	w.flag("a")
	w.flag("ab") // not found by the key of another
	killed := func() *time.Time {
		got, err := w.a.ListFlags(w.ctx, root(), "shop", FlagFilter{Key: "a"}, Page{})
		require.NoError(t, err)
		require.Len(t, got.Items, 1)
		require.Nil(t, got.Items[0].Environments["staging"].KilledAt)
		return got.Items[0].Environments["production"].KilledAt
	}
	require.Nil(t, killed())
	first, _, err := w.a.Kill(w.ctx, root(), "shop", "a", "production")
	require.NoError(t, err)
	w.clock.add(time.Minute)
	second, _, err := w.a.Kill(w.ctx, root(), "shop", "a", "production")
	require.NoError(t, err)
	require.Equal(t, first.At, *killed())
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "a", "production", first.ID)
	require.NoError(t, err)
	require.Equal(t, second.At, *killed())
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "a", "production", second.ID)
	require.NoError(t, err)
	require.Nil(t, killed())
}

func TestJSONSchemaIsChecked(t *testing.T) {
	w := newWorld(t)
	f := feature.Flag{Key: "config", Type: "json", JSONSchema: json.RawMessage(`{"required":["limit"]}`), Variants: []feature.Variant{
		{Key: "low", Value: json.RawMessage(`{"limit":1}`)}, {Key: "high", Value: json.RawMessage(`{"limt":9}`)},
	}}
	_, _, err := w.a.CreateFlag(w.ctx, root(), "shop", f, CreateOptions{})
	requireCode(t, feature.CodeInvalid, err)
	require.Equal(t, "/variants/1/value", feature.Problems(err)[0].Path)
}
