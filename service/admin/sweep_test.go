package admin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// large gives a segment lists of more than one commit can delete, past the service.
func (w *world) large(segment, environment string) {
	w.t.Helper()
	state := w.m.state("shop")
	var changes []store.Change
	long := strings.Repeat("x", 200)
	total := int64(0)
	for shard := range shards {
		var keys []string
		for i := range 700 {
			keys = append(keys, fmt.Sprintf("%s%03d%03d", long, shard, i))
		}
		total += size(keys)
		data, err := feature.Encode(feature.ListShard{Keys: keys})
		require.NoError(w.t, err)
		changes = append(changes, store.Change{Key: shardKey(segment, environment, feature.Include, shard), After: data})
		data, err = feature.Encode(compile.ListShard(segment, feature.Include, shard, "salt", keys))
		require.NoError(w.t, err)
		changes = append(changes, store.Change{
			Key: rulesetKey(environment, evaluator.KindList, compile.ListKey(segment, feature.Include, shard)), After: data,
		})
	}
	e, err := store.Seal(state.Head(), store.Meta{At: w.clock.Now(), Verb: "segment.list"}, changes)
	require.NoError(w.t, err)
	require.Greater(w.t, e.Size(), store.MaxTransaction, "what one transaction does not take")
	_, err = w.m.commit(store.Txn{Scope: "shop", Base: state.Head(), Entry: e})
	require.NoError(w.t, err)
}

func (w *world) bounded() {
	w.m.before = func(txn store.Txn) error { return txn.Check() }
}

func TestDeleteSegmentWithLargeLists(t *testing.T) {
	w := newWorld(t)
	g := w.segment("big", nil)
	w.large("big", "production")
	w.bounded()
	call := idempotent("delete", 1)
	call.IfMatch = fmt.Sprint(g.Version)

	commits := 0
	w.m.after = func(store.Txn) error { // the first commit is made, and then the process dies
		if commits++; commits == 2 {
			w.m.down = store.ErrClosed
		}
		return w.m.down
	}
	_, err := w.a.DeleteSegment(w.ctx, call, "shop", "big")
	require.Error(t, err)
	w.m.after, w.m.down = nil, nil
	_, err = w.b.GetSegment(w.ctx, root(), "shop", "big")
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.b.CreateSegment(w.ctx, root(), "shop", feature.Segment{Key: "big"})
	requireCode(t, feature.CodeConflict, err)

	_, err = w.b.DeleteSegment(w.ctx, call, "shop", "big")
	require.NoError(t, err, "repeated, it is finished")
	for k := range w.m.state("shop").All() {
		require.NotContains(t, k.String(), "big")
	}
	_, err = w.b.DeleteSegment(w.ctx, root(), "shop", "big")
	requireCode(t, feature.CodeNotFound, err)
	w.check()
	_, _, err = w.b.CreateSegment(w.ctx, root(), "shop", feature.Segment{Key: "big"})
	require.NoError(t, err)
	w.check()
}

// The tokens of an environment go with it, also when the deletion was interrupted between the two logs: a new environment of its name has none.
func TestDeletedEnvironmentRevokesItsTokens(t *testing.T) {
	w := newWorld(t)
	live := func(id string) bool {
		t.Helper()
		got, err := w.a.GetToken(w.ctx, root(), "shop", id)
		require.NoError(t, err)
		return got.RevokedAt.IsZero()
	}
	var ids []string
	for _, environment := range []string{"staging", "staging", "production"} {
		made, _, err := w.a.CreateToken(w.ctx, root(), feature.Token{Name: "t", Kind: "server", Project: "shop", Environment: environment})
		require.NoError(t, err)
		ids = append(ids, made.Token.ID)
	}
	call := root()
	call.IfMatch = "7"
	_, err := w.a.DeleteEnvironment(w.ctx, call, "shop", "staging")
	requireCode(t, feature.CodePrecondition, err)
	require.True(t, live(ids[0]))

	call.IfMatch = "*"
	w.m.before = func(txn store.Txn) error {
		if txn.Scope == store.System {
			return store.ErrFull
		}
		return nil
	}
	_, err = w.a.DeleteEnvironment(w.ctx, call, "shop", "staging")
	requireCode(t, feature.CodeFull, err)
	w.m.before = nil
	require.True(t, live(ids[0]))
	_, _, err = w.b.CreateEnvironment(w.ctx, root(), "shop", feature.Environment{Key: "staging"})
	requireCode(t, feature.CodeConflict, err)
	_, err = w.b.DeleteEnvironment(w.ctx, call, "shop", "staging")
	require.NoError(t, err)
	require.False(t, live(ids[0]))
	require.False(t, live(ids[1]))
	require.True(t, live(ids[2]), "not those of another environment")
	_, err = w.b.DeleteEnvironment(w.ctx, call, "shop", "staging")
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.b.CreateEnvironment(w.ctx, root(), "shop", feature.Environment{Key: "staging"})
	require.NoError(t, err)
	require.False(t, live(ids[0]))
	w.check()
}
