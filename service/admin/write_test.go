package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

func TestOneOfManyPatchesWins(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	version := w.targeting("f", "production").Version
	var wg sync.WaitGroup
	codes := make(chan feature.Code, 100)
	for i := range 100 {
		wg.Go(func() {
			node := []*Service{w.a, w.b}[i%2]
			patch := fmt.Sprintf(`{"default":{"distribution":{"exposure":%d}}}`, i+1)
			_, _, err := node.PatchTargeting(w.ctx, matching(version), "shop", "f", "production", []byte(patch))
			codes <- feature.CodeOf(err)
		})
	}
	wg.Wait()
	close(codes)
	got := map[feature.Code]int{}
	for c := range codes {
		got[c]++
	}
	require.Equal(t, map[feature.Code]int{"": 1, feature.CodePrecondition: 99}, got)
	w.check()
}

// Changes that need no If-Match all succeed, whoever else is at it.
func TestParallelRampsAllSucceed(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.flag(fmt.Sprint("f", i))
	}
	before := w.m.state("shop").Head().Revision
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			node := []*Service{w.a, w.b}[i%2]
			_, _, err := node.Ramp(w.ctx, root(), "shop", fmt.Sprint("f", i%5), "production", RampRequest{Exposure: feature.Percent(i + 1)})
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, before+50, w.m.state("shop").Head().Revision)
	w.check()
}

// A node that has not heard of another's change does not refuse what that change has made possible.
func TestStaleNodeAsksBeforeItRefuses(t *testing.T) {
	w := newWorld(t)
	f := w.flag("f")
	_, _, err := w.b.PatchFlag(w.ctx, matching(f.Version), "shop", "f", []byte(`{"name":"b"}`))
	require.NoError(t, err, "b has never seen the flag")
	w.ramp("f", "production", "5")
	_, written, err := w.b.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 0})
	require.NoError(t, err)
	require.False(t, written.Unchanged, "b believes that the exposure is 0 already")
	require.Zero(t, w.targeting("f", "production").Default.Distribution.Exposure)
}

func idempotent(key string, request byte) Call {
	c := root()
	c.Idempotency = &Idempotency{Key: key, Request: store.Hash{request}}
	return c
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	first, one, err := w.a.Kill(w.ctx, idempotent("k", 1), "shop", "f", "production")
	require.NoError(t, err)
	require.False(t, one.Replayed)
	for _, node := range []*Service{w.a, w.b} {
		again, two, err := node.Kill(w.ctx, idempotent("k", 1), "shop", "f", "production")
		require.NoError(t, err)
		require.True(t, two.Replayed)
		require.Equal(t, first, again, "the first answer")
		require.Equal(t, one.Revision, two.Revision)
		require.Equal(t, one.Epoch, two.Epoch)
	}
	_, _, err = w.b.Kill(w.ctx, idempotent("k", 2), "shop", "f", "production")
	requireCode(t, feature.CodeInvalid, err)
	kills, err := w.a.ListKills(w.ctx, root(), "shop", KillFilter{})
	require.NoError(t, err)
	require.Len(t, kills, 1)

	call := idempotent("r", 1)
	saved, _, err := w.a.Ramp(w.ctx, call, "shop", "f", "production", RampRequest{Exposure: 5})
	require.NoError(t, err)
	w.ramp("f", "production", "50")
	again, written, err := w.a.Ramp(w.ctx, call, "shop", "f", "production", RampRequest{Exposure: 5})
	require.NoError(t, err)
	require.Equal(t, saved, again, "a repetition does not undo what was done since")
	require.Equal(t, saved.Version, written.Version)
	require.Equal(t, feature.Percent(50_000), w.targeting("f", "production").Default.Distribution.Exposure)
}

// Requests with one key that are in flight at once are one request, on one node and on two.
func TestIdempotencyInFlight(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	var wg sync.WaitGroup
	ids := make(chan string, 40)
	for i := range 40 {
		wg.Go(func() {
			k, _, err := []*Service{w.a, w.b}[i%2].Kill(w.ctx, idempotent("k", 1), "shop", "f", "production")
			require.NoError(t, err)
			ids <- k.ID
		})
	}
	wg.Wait()
	close(ids)
	seen := map[string]bool{}
	for id := range ids {
		seen[id] = true
	}
	require.Len(t, seen, 1)
	kills, err := w.a.ListKills(w.ctx, root(), "shop", KillFilter{})
	require.NoError(t, err)
	require.Len(t, kills, 1)
}

var errLost = fmt.Errorf("%w: timeout", store.ErrUnavailable)

// The store made the commit and its answer was lost: the change is there once, and its caller learns that it is.
func TestLostAnswer(t *testing.T) {
	for name, call := range map[string]Call{"with the client's key": idempotent("k", 1), "with a key of its own": root()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flag("f")
			version := w.targeting("f", "production").Version
			lost := false
			w.m.after = func(store.Txn) error {
				if lost {
					return nil
				}
				lost = true
				return errLost
			}
			before := w.m.state("shop").Head().Revision
			call.IfMatch = fmt.Sprint(version)
			saved, written, err := w.a.PatchTargeting(w.ctx, call, "shop", "f", "production", []byte(`{"enabled":true}`))
			require.NoError(t, err, "without the record, its own change would look like somebody else's")
			require.True(t, lost)
			require.True(t, saved.Enabled)
			require.Equal(t, before+1, saved.Version)
			require.Equal(t, before+1, written.Revision)
			require.False(t, written.Replayed)
			require.Equal(t, store.Unconfirmed, written.Durability, "nobody has said that it would survive")
			require.Equal(t, before+1, w.m.state("shop").Head().Revision, "once")
			w.check()
		})
	}
}

// The commit never arrived: it is tried again.
func TestLostRequest(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	lost := 0
	w.m.before = func(store.Txn) error {
		if lost++; lost == 1 {
			return errLost
		}
		return nil
	}
	k, written, err := w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.Equal(t, store.Confirmed, written.Durability)
	require.Equal(t, []string{k.ID}, w.targeting("f", "production").Kills)
	w.m.before = func(store.Txn) error { return errLost }
	_, _, err = w.a.Kill(w.ctx, root(), "shop", "f", "production")
	requireCode(t, feature.CodeUnavailable, err)
	w.m.before = func(store.Txn) error { return store.ErrFull }
	_, _, err = w.a.Kill(w.ctx, root(), "shop", "f", "production")
	requireCode(t, feature.CodeFull, err)
	w.m.before = nil
	_, _, err = w.a.TurnOn(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err, "after errors the queue goes on")
}

func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.m.down = errLost
	_, _, err := w.a.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 5})
	requireCode(t, feature.CodeUnavailable, err)
	_, _, err = w.a.Ramp(w.ctx, root(), "shop", "nope", "production", RampRequest{Exposure: 5})
	requireCode(t, feature.CodeUnavailable, err)
	_, err = w.a.GetFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err, "reads come from memory")
}

func TestClasses(t *testing.T) {
	w := newWorld(t)
	w.text("f", "off", "a", "b")
	last := func() store.Class { return w.m.classes[len(w.m.classes)-1] }
	w.ramp("f", "production", "50")
	require.Equal(t, store.ClassNormal, last())
	w.ramp("f", "production", "40")
	require.Equal(t, store.ClassLowering, last())
	v := w.targeting("f", "production").Version
	_, _, err := w.a.PatchTargeting(w.ctx, matching(v), "shop", "f", "production", []byte(`{"default":{"distribution":{"exposure":30}}}`))
	require.NoError(t, err)
	require.Equal(t, store.ClassLowering, last(), "whatever the verb")
	_, _, err = w.a.PatchTargeting(w.ctx, matching(v+1), "shop", "f", "production", []byte(`{"default":{"distribution":{"exposure":20,"weights":{"a":1,"b":99}}}}`))
	require.NoError(t, err)
	require.Equal(t, store.ClassNormal, last())
	_, _, err = w.a.TurnOff(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.Equal(t, store.ClassLowering, last())
	_, _, err = w.a.TurnOn(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.Equal(t, store.ClassNormal, last())
	_, _, err = w.a.ArchiveFlag(w.ctx, root(), "shop", "f")
	require.NoError(t, err)
	require.Equal(t, store.ClassLowering, last())
	_, _, err = w.a.Kill(w.ctx, root(), "shop", "f", "production")
	require.NoError(t, err)
	require.Equal(t, store.ClassKill, last())
}

func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	before := w.m.state("shop").Head()
	call := root()
	call.DryRun = true
	saved, written, err := w.a.Ramp(w.ctx, call, "shop", "f", "production", RampRequest{Exposure: 5})
	require.NoError(t, err)
	require.False(t, written.Unchanged)
	require.True(t, saved.Enabled)
	_, _, err = w.a.CreateFlag(w.ctx, call, "shop", feature.Flag{Key: "f", Type: "boolean"}, CreateOptions{})
	requireCode(t, feature.CodeExists, err)
	require.Equal(t, before, w.m.state("shop").Head())
}

func TestBatch(t *testing.T) {
	w := newWorld(t)
	before := w.m.state("shop").Head().Revision
	written, err := w.a.Batch(w.ctx, root(), "shop", "apply", "manifest/shop", func(d *Draft) error {
		for i := range 20 {
			f, err := d.CreateFlag(feature.Flag{Key: fmt.Sprintf("f%02d", i), Type: "boolean"}, CreateOptions{})
			if err != nil {
				return err
			}
			if _, err := d.Ramp(f.Key, "production", "", RampRequest{Exposure: feature.Percent(i)}); err != nil {
				return err
			}
		}
		_, err := d.Kill("f07", "production")
		return err
	})
	require.NoError(t, err)
	require.Equal(t, before+1, written.Revision)
	require.Equal(t, 19, servedFlag(t, w, "production", "f19").Default.Distribution.Exposure)
	require.True(t, w.targeting("f07", "production").Killed)
	w.check()

	_, err = w.a.Batch(w.ctx, root(), "shop", "apply", "manifest/shop", func(d *Draft) error {
		d.In("/flags/0")
		if _, err := d.CreateFlag(feature.Flag{Key: "good", Type: "boolean"}, CreateOptions{}); err != nil {
			return err
		}
		d.In("/flags/1")
		if _, err := d.CreateFlag(feature.Flag{Key: "Bad", Type: "boolean"}, CreateOptions{}); err != nil {
			return err
		}
		d.In("/flags/2")
		_, err := d.CreateFlag(feature.Flag{Key: "worse", Type: "x"}, CreateOptions{})
		return err
	})
	requireCode(t, feature.CodeInvalid, err)
	require.Equal(t, "/flags/1/key", feature.Problems(err)[0].Path)
	require.Equal(t, "/flags/2/type", feature.Problems(err)[1].Path)
	_, err = w.a.GetFlag(w.ctx, root(), "shop", "good")
	requireCode(t, feature.CodeNotFound, err)
}

func TestQueueLetsKillsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		ctx := context.Background()
		require.NoError(t, q.enter(ctx, store.ClassNormal))
		order := make(chan string, 10)
		wait := func(name string, class store.Class) {
			go func() {
				if q.enter(ctx, class) == nil {
					order <- name
					q.leave()
				}
			}()
			synctest.Wait()
		}
		wait("edit 1", store.ClassNormal)
		wait("lower", store.ClassLowering)
		gone, cancel := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() { left <- q.enter(gone, store.ClassKill) }()
		synctest.Wait()
		wait("kill 1", store.ClassKill)
		wait("edit 2", store.ClassNormal)
		wait("kill 2", store.ClassKill)
		cancel()
		require.ErrorIs(t, <-left, context.Canceled)
		q.leave()
		synctest.Wait()
		close(order)
		var got []string
		for name := range order {
			got = append(got, name)
		}
		require.Equal(t, []string{"kill 1", "kill 2", "edit 1", "lower", "edit 2"}, got)
		require.NoError(t, q.enter(ctx, store.ClassNormal), "it is free again")
		require.Error(t, q.enter(gone, store.ClassKill))
	})
}

// A kill does not wait behind a commit that hangs for longer than the commit timeout.
func TestKillGoesPastAHangingCommit(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	synctest.Test(t, func(t *testing.T) {
		hang := true
		m := w.m
		slow := &hanging{memory: m, hang: func(txn store.Txn) bool { return hang && txn.Class != store.ClassKill }}
		s := New(Options{Store: slow, Mirrors: mirrors(m), Clock: w.clock.Now})
		_, err := s.sync(w.ctx, "shop")
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, _, err := s.Ramp(w.ctx, root(), "shop", "f", "production", RampRequest{Exposure: 5})
			done <- err
		}()
		synctest.Wait()
		_, _, err = s.Kill(w.ctx, root(), "shop", "f", "production")
		require.NoError(t, err)
		requireCode(t, feature.CodeUnavailable, <-done)
	})
}

// hanging is a store that does not answer some commits.
type hanging struct {
	*memory
	hang func(store.Txn) bool
}

func (h *hanging) Commit(ctx context.Context, txn store.Txn) (store.Committed, error) {
	if h.hang(txn) {
		<-ctx.Done()
		return store.Committed{}, errors.Join(store.ErrUnavailable, ctx.Err())
	}
	return h.memory.Commit(ctx, txn)
}
