package admin

import (
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

func TestKillAndClear(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.ramp("f", "production", "100")
	call := root()
	call.Reason = "error rate"
	one, written, err := w.a.Kill(w.ctx, call, "shop", "f", "production")
	require.NoError(t, err)
	require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{26}$`, one.ID)
	require.Equal(t, "error rate", one.Reason)
	require.Equal(t, "token:root", one.By)
	require.False(t, written.Unchanged)
	require.Equal(t, store.ClassKill, w.m.classes[len(w.m.classes)-1])
	w.clock.add(time.Second)
	two, _, err := w.b.Kill(w.ctx, Call{Principal: policy.Principal{ID: "token:k", Kind: policy.KindKill, Project: "shop"}}, "shop", "f", "production")
	require.NoError(t, err)
	require.Less(t, one.ID, two.ID, "ids sort by time")
	require.True(t, w.targeting("f", "production").Killed)
	require.Equal(t, []string{one.ID, two.ID}, w.targeting("f", "production").Kills)
	require.False(t, w.targeting("f", "staging").Killed)
	w.check()

	_, _, err = w.a.ClearKill(w.ctx, as(policy.RoleOperator, ""), "shop", "f", "production", one.ID)
	requireCode(t, feature.CodeDenied, err)
	call.Reason = "fixed"
	cleared, _, err := w.a.ClearKill(w.ctx, call, "shop", "f", "production", one.ID)
	require.NoError(t, err)
	require.Equal(t, "fixed", cleared.Cleared.Reason)
	require.Equal(t, store.ClassLowering, w.m.classes[len(w.m.classes)-1])
	require.True(t, w.targeting("f", "production").Killed, "one clear does not bring a flag back that was killed twice")
	_, written, err = w.b.ClearKill(w.ctx, call, "shop", "f", "production", one.ID)
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "f", "production", two.ID)
	require.NoError(t, err)
	require.False(t, w.targeting("f", "production").Killed)
	w.check()

	for _, place := range [][3]string{{"nope", "production", one.ID}, {"f", "nope", one.ID}, {"f", "staging", one.ID}, {"f", "production", "nope"}} {
		_, _, err = w.a.ClearKill(w.ctx, root(), "shop", place[0], place[1], place[2])
		requireCode(t, feature.CodeNotFound, err)
	}
	_, _, err = w.a.Kill(w.ctx, root(), "shop", "nope", "production")
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.a.Kill(w.ctx, as(policy.RoleViewer, ""), "shop", "f", "production")
	requireCode(t, feature.CodeDenied, err)
	live, err := w.a.ListKills(w.ctx, root(), "shop", KillFilter{Live: true})
	require.NoError(t, err)
	require.Empty(t, live)
	all, err := w.a.ListKills(w.ctx, root(), "shop", KillFilter{Flag: "f", Environment: "production"})
	require.NoError(t, err)
	require.Len(t, all, 2)
}

func TestKillByTag(t *testing.T) {
	w := newWorld(t)
	for key, tags := range map[string][]string{"a": {"pay"}, "b": {"pay", "x"}, "c": {"x"}, "d": {"pay"}} {
		_, _, err := w.a.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: key, Type: "boolean", Tags: tags}, CreateOptions{})
		require.NoError(t, err)
	}
	_, _, err := w.a.ArchiveFlag(w.ctx, root(), "shop", "d")
	require.NoError(t, err)
	kills, written, err := w.b.KillByTag(w.ctx, root(), "shop", "pay", "production")
	require.NoError(t, err)
	require.Len(t, kills, 2)
	require.Equal(t, w.m.state("shop").Head().Revision, written.Revision, "one commit kills them all")
	require.True(t, w.targeting("a", "production").Killed)
	require.True(t, w.targeting("b", "production").Killed)
	require.False(t, w.targeting("c", "production").Killed)
	require.Equal(t, "pay", kills[0].Tag)
	_, _, err = w.a.KillByTag(w.ctx, root(), "shop", "none", "production")
	requireCode(t, feature.CodeNotFound, err)
	w.check()
}

func TestKillSurvives(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	w.ramp("f", "production", "10")
	revision := w.m.state("shop").Head().Revision
	_, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	killed := func(after string) {
		t.Helper()
		require.True(t, w.targeting("f", "production").Killed, after)
		_, there := w.m.state("shop").Get(rulesetKey("production", evaluator.KindKill, w.targeting("f", "production").Kills[0]))
		require.True(t, there, after)
		w.check()
	}
	w.ramp("f", "production", "100")
	killed("a ramp")
	_, _, err = w.a.TurnOn(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	killed("turning on")
	w.put("f", "production", feature.Targeting{Enabled: true, Off: "off", Default: feature.Serve{Variant: "on"}})
	killed("an edit")
	for _, filter := range []RestoreFilter{{}, {Flag: "f"}, {Environment: "production"}, {Flag: "f", Environment: "production"}} {
		_, _, err = w.a.Restore(w.ctx, root(), "shop", revision, filter)
		require.NoError(t, err)
		killed("a restore")
	}
	f, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err)
	_, err = w.a.DeleteFlag(w.ctx, matching(f.Version), "shop", "f")
	require.NoError(t, err)
	w.flag("f")
	killed("being made anew")
}

func TestTombstonesArePurged(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	old, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "f", "production", old.ID)
	require.NoError(t, err)
	live, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)

	w.clock.add(feature.TombstoneAge)
	w.ramp("f", "production", "1")
	kills, err := w.a.ListKills(w.ctx, root(), "shop", KillFilter{})
	require.NoError(t, err)
	require.Len(t, kills, 2, "30 days are not over")

	w.clock.add(time.Hour)
	_, _, err = w.a.Kill(w.ctx, root(), "shop", "f", "staging")
	require.NoError(t, err)
	require.NotNil(t, w.served("production", evaluator.KindKill, old.ID), "nothing rides on a kill")
	w.ramp("f", "production", "2")
	kills, err = w.a.ListKills(w.ctx, root(), "shop", KillFilter{Environment: "production"})
	require.NoError(t, err)
	require.Len(t, kills, 1)
	require.Equal(t, live.ID, kills[0].ID, "a kill that is not cleared stays for ever")
	require.Nil(t, w.served("production", evaluator.KindKill, old.ID))
	w.check()
}

func TestRestoreKills(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	base := w.m.state("shop")
	first, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	cleared, _, err := w.a.Kill(w.ctx, root(), "shop", "f", "staging")
	require.NoError(t, err)
	_, _, err = w.a.ClearKill(w.ctx, root(), "shop", "f", "staging", cleared.ID)
	require.NoError(t, err)
	known := w.m.state("shop")

	// A failover lost all three: the store is where it was before, and nodes see it after their mirrors were reset.
	w.m.scopes["shop"].state = base
	w.m.scopes["shop"].log = w.m.scopes["shop"].log[:base.Head().Revision]
	w.b = newNode(w.m, w.clock, 9)
	controller := Call{Principal: policy.Principal{ID: "node:1", Kind: policy.KindController}}
	n, err := w.b.RestoreKills(w.ctx, controller, "shop", known)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = w.b.RestoreKills(w.ctx, controller, "shop", known)
	require.NoError(t, err)
	require.Zero(t, n, "what is there is not made again")
	kills, err := w.b.ListKills(w.ctx, root(), "shop", KillFilter{})
	require.NoError(t, err)
	require.Equal(t, []feature.Kill{first}, kills)
}
