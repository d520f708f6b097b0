package admin

import (
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// A repetition that comes late finds the answer to the first request, also where that had nothing to do: acting now would undo what was done since.
func TestLateRepetitionOfWhatChangedNothing(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	call := idempotent("off", 1)
	before, first, err := w.a.TurnOff(w.ctx, call, "shop", "f", "production")
	require.NoError(t, err)
	require.True(t, first.Unchanged, "it is off already")
	require.Equal(t, store.Confirmed, first.Durability)
	_, _, err = w.b.TurnOn(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	for _, node := range []*Service{w.a, w.b} {
		again, written, err := node.TurnOff(w.ctx, call, "shop", "f", "production")
		require.NoError(t, err)
		require.True(t, written.Replayed)
		require.True(t, written.Unchanged)
		require.Equal(t, first.Revision, written.Revision)
		require.Equal(t, before, again)
	}
	require.True(t, w.targeting("f", "production").Enabled, "it was turned on since")
	w.check()
}

func TestDurabilityOfWhatChangedNothing(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	revision := func() int64 { return w.m.state("shop").Head().Revision }
	off := func(node *Service) Written {
		t.Helper()
		_, written, err := node.TurnOff(w.ctx, root(), "shop", "f", "production")
		require.NoError(t, err)
		require.True(t, written.Unchanged)
		return written
	}
	at := revision()
	require.Equal(t, store.Confirmed, off(w.a).Durability)
	require.Equal(t, at, revision(), "a made the last change itself, and knows that it was confirmed")
	require.Equal(t, store.Confirmed, off(w.b).Durability)
	require.Equal(t, at+1, revision(), "b has to ask")
	for range 3 {
		require.Equal(t, store.Confirmed, off(w.a).Durability)
		require.Equal(t, store.Confirmed, off(w.b).Durability)
	}
	require.Equal(t, at+1, revision(), "once for each change; what b asked is no change to a")

	w.m.alone = true
	w.ramp("f", "production", "5")
	_, _, err := w.a.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	at = revision()
	require.Equal(t, store.Unconfirmed, off(w.a).Durability, "the change that is found may be lost")
	require.Equal(t, at, revision())
	require.Equal(t, store.Unconfirmed, off(w.b).Durability)
	require.Equal(t, at+1, revision())
	w.m.alone = false
	require.Equal(t, store.Unconfirmed, off(w.b).Durability, "as far as it is known")
	require.Equal(t, at+1, revision())
	w.clock.add(askAgain)
	require.Equal(t, store.Confirmed, off(w.a).Durability, "the replica is back")
	require.Equal(t, at+2, revision())
	w.check()
}

// What is there already can be asked for while nothing can be written.
func TestUnchangedWhileTheStoreTakesNothing(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.m.before = func(store.Txn) error { return errLost }
	_, written, err := w.b.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.Equal(t, store.Unconfirmed, written.Durability)
	_, _, err = w.b.TurnOff(w.ctx, idempotent("k", 1), "shop", "f", "production")
	requireCode(t, feature.CodeUnavailable, err)
	w.m.before = func(txn store.Txn) error {
		require.Equal(t, store.ClassLowering, txn.Class, "a nearly full store takes it")
		return nil
	}
	_, _, err = w.b.TurnOff(w.ctx, idempotent("k", 1), "shop", "f", "production")
	require.NoError(t, err)
}

// A note is part of the log, and shows nothing but that somebody asked.
func TestNotesInTheLog(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	_, written, err := w.a.TurnOff(w.ctx, idempotent("k", 1), "shop", "f", "production")
	require.NoError(t, err)
	seen := func(call Call, filter LogFilter) bool {
		t.Helper()
		list, err := w.a.ListLog(w.ctx, call, "shop", filter, Page{})
		require.NoError(t, err)
		for _, e := range list.Items {
			if e.At.Revision == written.Revision {
				require.Equal(t, "targeting.off", e.Meta.Verb)
				require.Empty(t, e.Changes)
				return true
			}
		}
		return false
	}
	require.True(t, seen(root(), LogFilter{}))
	require.True(t, seen(root(), LogFilter{Flag: "f", Environment: "production"}))
	require.False(t, seen(root(), LogFilter{Flag: "g"}))
	require.False(t, seen(root(), LogFilter{Environment: "staging"}))
	require.True(t, seen(as(policy.RoleViewer, "production"), LogFilter{}))
	require.False(t, seen(as(policy.RoleViewer, "staging"), LogFilter{}))
	_, _, err = w.a.Restore(w.ctx, root(), "shop", written.Revision, RestoreFilter{})
	requireCode(t, feature.CodeConflict, err)
}

// A note says when it was the last, so that one that something was committed over does not hide that.
func TestLastChangeBehindNotes(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	flag := w.m.state("shop").Head().Revision
	for range 3 {
		w.clock.add(time.Second)
		_, _, err := w.a.TurnOff(w.ctx, idempotent(w.clock.Now().String(), 1), "shop", "f", "production")
		require.NoError(t, err)
		require.Equal(t, flag, lastChange(w.m.state("shop")))
	}
	w.ramp("f", "production", "5")
	require.Equal(t, flag+4, lastChange(w.m.state("shop")))
}
