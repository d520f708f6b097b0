package admin

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// slowLog is a store whose log is read when the test lets it.
type slowLog struct {
	*memory
	asked, open chan struct{}
}

func (l *slowLog) Log(ctx context.Context, scope string, before int64, limit int) ([]store.Entry, error) {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	select {
	case <-l.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return l.memory.Log(ctx, scope, before, limit)
}

func TestKillDoesNotWaitForTheLogOfARestore(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.ramp("f", "production", "10")
	then := w.m.state("shop").Head().Revision
	w.ramp("f", "production", "20")
	l := &slowLog{memory: w.m, asked: make(chan struct{}, 1), open: make(chan struct{})}
	s := New(Options{Store: l, Mirrors: mirrors(w.m), Clock: w.clock.Now})
	done := make(chan error, 1)
	go func() {
		_, _, err := s.Restore(w.ctx, root(), "shop", then, RestoreFilter{Flag: "f", Environment: "production"})
		done <- err
	}()
	<-l.asked
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	_, _, err := s.Kill(ctx, root(), "shop", "f", "production")
	close(l.open)
	require.NoError(t, err)
	require.NoError(t, <-done)
	after := w.targeting("f", "production")
	require.Equal(t, feature.Percent(10_000), after.Default.Distribution.Exposure)
	require.True(t, after.Killed)
}

func TestRestoreOfOneListEditKeepsTheOthers(t *testing.T) {
	w := newWorld(t)
	w.segment("vip", nil)
	w.probe("vip")
	edit := func(e ListEdit) int64 {
		_, written, err := w.a.EditList(w.ctx, root(), "shop", "vip", "production", feature.Include, e)
		require.NoError(t, err)
		return written.Revision
	}
	edit(ListEdit{Add: []string{"a"}})
	emptied := edit(ListEdit{Remove: []string{"a"}})
	edit(ListEdit{Add: []string{"b"}})
	_, _, err := w.a.Restore(w.ctx, root(), "shop", emptied, RestoreFilter{})
	require.NoError(t, err)
	place, err := w.a.GetSegmentEnvironment(w.ctx, root(), "shop", "vip", "production")
	require.NoError(t, err)
	require.EqualValues(t, 1, place.Include.Count)
	require.EqualValues(t, 1, place.Include.Bytes)
	require.True(t, w.in("vip", "production", "b"), "whom the edit did not concern stays")
	require.False(t, w.in("vip", "production", "a"))
	w.check()
}

func TestRestoreOfAnEnvironmentPassesOverDeletedFlags(t *testing.T) {
	w := newWorld(t)
	w.flag("kept")
	w.flag("gone")
	w.ramp("kept", "production", "10")
	then := w.m.state("shop").Head().Revision
	w.ramp("kept", "production", "90")
	f, _, err := w.a.ArchiveFlag(w.ctx, root(), "shop", "gone")
	require.NoError(t, err)
	_, err = w.a.DeleteFlag(w.ctx, matching(f.Version), "shop", "gone")
	require.NoError(t, err)
	_, _, err = w.a.Restore(w.ctx, root(), "shop", then, RestoreFilter{Environment: "production"})
	require.NoError(t, err)
	require.Equal(t, feature.Percent(10_000), w.targeting("kept", "production").Default.Distribution.Exposure)
	_, err = w.a.GetFlag(w.ctx, root(), "shop", "gone")
	requireCode(t, feature.CodeNotFound, err)
	w.check()
}

// A change that only lowers is taken although the flag was broken before it, but not when the same draft broke it.
func TestLoweringExcusesNothingOfItsOwnDraft(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.ramp("f", "production", "50")
	_, err := w.a.Batch(w.ctx, root(), "shop", "apply", "manifest/shop", func(d *Draft) error {
		_, err := d.PutRule("f", "production", "*", "r1", feature.Rule{
			When:  &evaluator.Condition{Attribute: "plan", Op: "unheard-of", Values: []json.RawMessage{json.RawMessage(`"pro"`)}},
			Serve: feature.Serve{Variant: "on"},
		})
		if err != nil {
			return err
		}
		_, err = d.Ramp("f", "production", "", RampRequest{Exposure: 10_000})
		return err
	})
	requireCode(t, feature.CodeInvalid, err)
	require.Empty(t, w.targeting("f", "production").Rules)
	w.check()
}
