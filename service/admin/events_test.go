package admin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// watch collects what a stream yields until its context ends.
type watch struct {
	mu     sync.Mutex
	events []Event // with a verb
	at     store.Cursor
	err    error
}

func (w *world) watch(ctx context.Context, call Call, filter LogFilter, after store.Cursor) *watch {
	out := &watch{}
	go func() {
		for e, err := range w.a.Events(ctx, call, "shop", filter, after) {
			out.mu.Lock()
			if out.err = err; err == nil && e.Meta.Verb != "" {
				out.events = append(out.events, e)
			}
			if err == nil && !e.System {
				out.at = e.At
			}
			out.mu.Unlock()
		}
	}()
	return out
}

func (o *watch) targets() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []string{}
	for _, e := range o.events {
		out = append(out, e.Meta.Verb+" "+e.Meta.Target)
	}
	return out
}

// settle lets the node see the store, and streams all that they have to.
func (w *world) settle() {
	for _, scope := range []string{"shop", store.System} {
		_, err := w.a.sync(w.ctx, scope)
		require.NoError(w.t, err)
	}
	synctest.Wait()
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.flag("f")
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		all := w.watch(ctx, root(), LogFilter{}, store.Cursor{})
		bound := w.watch(ctx, as(policy.RoleViewer, "production"), LogFilter{}, store.Cursor{})
		staging := w.watch(ctx, as(policy.RoleViewer, ""), LogFilter{Environment: "staging"}, store.Cursor{})
		synctest.Wait()
		w.ramp("f", "production", "1")
		w.ramp("f", "staging", "2")
		_, _, err := w.a.PatchFlag(w.ctx, matching(1e9), "shop", "f", []byte(`{"name":"F"}`))
		requireCode(t, feature.CodePrecondition, err)
		f, err := w.a.GetFlag(w.ctx, root(), "shop", "f")
		require.NoError(t, err)
		_, _, err = w.a.PatchFlag(w.ctx, matching(f.Version), "shop", "f", []byte(`{"variants":[{"key":"on","value":true,"name":"On"},{"key":"off","value":false}]}`))
		require.NoError(t, err)
		_, _, err = w.a.TurnOn(w.ctx, idempotent("k", 1), "shop", "f", "production")
		require.NoError(t, err)
		w.settle()
		production, both := "targeting.ramp flag/f@production", "flag.update flag/f"
		require.Equal(t, []string{production, "targeting.ramp flag/f@staging", both, "targeting.on flag/f@production"}, all.targets())
		require.Equal(t, []string{production, both, "targeting.on flag/f@production"}, bound.targets())
		require.Equal(t, []string{"targeting.ramp flag/f@staging"}, staging.targets()[:1])
		require.NotContains(t, staging.targets(), production)
		require.Equal(t, w.m.state("shop").Head().Cursor(), staging.at, "also what was not for it was passed")

		first := all.events[0]
		require.Equal(t, []Touched{{Document: "targeting/production/f", Kind: KindTargeting, Key: "f", Environment: "production", Action: Updated}}, first.Changes)
		require.Equal(t, "token:root", first.Meta.Actor)
		require.Empty(t, all.events[3].Changes, "a note is no document")
		stop()
		synctest.Wait()
		for _, o := range []*watch{all, bound, staging} {
			require.Equal(t, feature.CodeUnavailable, feature.CodeOf(o.err), "%v", o.err)
		}
	})
}

func TestEventsOfAnEnvironmentAreAlsoThoseOfItsRuleset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.flag("f")
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		staging := w.watch(ctx, root(), LogFilter{Environment: "staging"}, store.Cursor{})
		synctest.Wait()
		_, _, err := w.a.ReshuffleFlag(w.ctx, matching(f.Version), "shop", "f") // writes flag/f, and what is served of it everywhere
		require.NoError(t, err)
		w.settle()
		require.Equal(t, []string{"flag.reshuffle flag/f"}, staging.targets())
	})
}

func TestEventsOfTokensAndTheProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, _, err := w.a.CreateProject(w.ctx, root(), feature.Project{Key: "other"}, []feature.Environment{{Key: "production"}})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		admin, viewer := w.watch(ctx, root(), LogFilter{}, store.Cursor{}), w.watch(ctx, as(policy.RoleViewer, ""), LogFilter{}, store.Cursor{})
		elsewhere := w.watch(ctx, as(policy.RoleAdmin, "staging"), LogFilter{}, store.Cursor{})
		synctest.Wait()
		made, _, err := w.a.CreateToken(w.ctx, root(), feature.Token{Name: "t", Kind: "server", Project: "shop", Environment: "production"})
		require.NoError(t, err)
		_, _, err = w.a.CreateToken(w.ctx, root(), feature.Token{Name: "o", Kind: "server", Project: "other", Environment: "production"})
		require.NoError(t, err)
		_, _, err = w.a.RevokeToken(w.ctx, root(), "shop", made.Token.ID)
		require.NoError(t, err)
		call := root()
		call.IfMatch = "*"
		_, _, err = w.a.PatchProject(w.ctx, call, "shop", []byte(`{"name":"Shop"}`))
		require.NoError(t, err)
		w.settle()
		require.Len(t, admin.events, 3)
		require.Equal(t, []Touched{{
			Document: "token/" + made.Token.ID, Kind: KindToken, Key: made.Token.ID, Environment: "production", Action: Created, project: "shop",
		}}, admin.events[0].Changes)
		require.Equal(t, Updated, admin.events[1].Changes[0].Action)
		require.True(t, admin.events[0].System)
		require.Equal(t, KindProject, admin.events[2].Changes[0].Kind)
		require.Equal(t, []string{"project.update project/shop"}, viewer.targets(), "tokens are not for viewers")
		require.Equal(t, []string{"project.update project/shop"}, elsewhere.targets(), "nor are those of another environment")

		_, err = w.a.DeleteProject(w.ctx, call, "shop")
		require.NoError(t, err)
		_, err = w.a.sync(w.ctx, store.System)
		require.NoError(t, err)
		synctest.Wait()
		require.Error(t, viewer.err, "the stream of a project ends with it")
	})
}

// Streams share the reading of the log: what they cost does not grow with their number.
func TestEventsShareTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.flag("f")
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		start := w.m.state("shop").Head().Cursor()
		for i := range 20 {
			w.ramp("f", "production", fmt.Sprint(i+1))
		}
		w.settle()
		w.m.reads = 0
		var streams []*watch
		for range 200 {
			streams = append(streams, w.watch(ctx, root(), LogFilter{}, start))
		}
		synctest.Wait()
		require.LessOrEqual(t, w.m.reads, 6, "one of them catches up for all")
		w.m.reads = 0
		for i := range 10 {
			w.ramp("f", "production", fmt.Sprint(i+31))
			w.settle()
		}
		for _, s := range streams {
			require.Len(t, s.events, 30)
		}
		require.LessOrEqual(t, w.m.reads, 10, "one reads what is new for all")
	})
}

func TestEventsFromTooLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.flag("f")
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		start := w.m.state("shop").Head().Cursor()
		for range maxKept + 1 {
			w.m.note(t, "shop", 10)
		}
		w.settle()
		late := w.watch(ctx, root(), LogFilter{}, start)
		synctest.Wait()
		require.ErrorIs(t, late.err, store.ErrCompacted)
		justInTime := w.watch(ctx, root(), LogFilter{}, store.Cursor{Epoch: start.Epoch, Revision: start.Revision + 1})
		otherEpoch := w.watch(ctx, root(), LogFilter{}, store.Cursor{Revision: start.Revision})
		ahead := w.watch(ctx, root(), LogFilter{}, store.Cursor{Epoch: start.Epoch, Revision: start.Revision + maxKept + 3})
		synctest.Wait()
		require.NoError(t, justInTime.err)
		require.Len(t, justInTime.events, maxKept)
		require.ErrorIs(t, otherEpoch.err, store.ErrEpoch)
		for range 3 {
			w.m.note(t, "shop", 10)
		}
		w.settle()
		require.NoError(t, ahead.err)
		require.Len(t, ahead.events, 1, "what another node has shown already is not shown again")
	})
}

func TestEventsAreForThoseWhoMaySeeThem(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		call   Call
		filter LogFilter
		code   feature.Code
	}{
		"nobody":              {Call{}, LogFilter{}, feature.CodeDenied},
		"another environment": {as(policy.RoleViewer, "production"), LogFilter{Environment: "staging"}, feature.CodeNotFound},
	} {
		for _, err := range w.a.Events(w.ctx, c.call, "shop", c.filter, store.Cursor{}) {
			require.Equal(t, c.code, feature.CodeOf(err), name)
		}
	}
}

// note commits a document of some size past the service, as another node would.
func (m *memory) note(t testingT, scope string, size int) {
	t.Helper()
	state := m.state(scope)
	before, _ := state.Get(store.Key{Collection: collFlag, ID: "noise"})
	after := append([]byte(fmt.Sprintf("%d ", state.Head().Revision)), make([]byte, size)...)
	e, err := store.Seal(state.Head(), store.Meta{At: time.Unix(0, 0), Verb: "noise", Target: "flag/noise"}, []store.Change{
		{Key: store.Key{Collection: collFlag, ID: "noise"}, Before: before, After: after},
	})
	require.NoError(t, err)
	_, err = m.commit(store.Txn{Scope: scope, Base: state.Head(), Entry: e})
	require.NoError(t, err)
}

// Whatever was asked before, what is told is what the log holds.
func TestJournalIsTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		s := New(Options{Store: m, Mirrors: mirrors(m)})
		for range rapid.IntRange(1, 12).Draw(t, "questions") {
			for range rapid.SampledFrom([]int{0, 1, 2, 30, 200}).Draw(t, "commits") {
				m.note(t, "shop", rapid.SampledFrom([]int{1, 2_000}).Draw(t, "size"))
			}
			head := m.state("shop").Head()
			if head.Revision == 0 {
				continue
			}
			at := rapid.Int64Range(1, head.Revision).Draw(t, "head") // a node that lags
			asked := m.scopes["shop"].log[at-1].Head()
			after := rapid.Int64Range(max(0, at-maxKept-3), at+1).Draw(t, "after")
			got, err := s.since(context.Background(), "shop", asked, store.Cursor{Epoch: 1, Revision: after})
			if at-after > maxKept {
				require.ErrorIs(t, err, store.ErrCompacted)
				continue
			}
			require.NoError(t, err)
			require.Len(t, got, int(max(0, at-after)))
			for i, e := range got {
				entry := m.scopes["shop"].log[after+int64(i)]
				require.Equal(t, entry.Revision, e.At.Revision)
				require.Equal(t, entry.Hash, e.Hash)
			}
			kept := s.scope("shop").journal.now.Load()
			require.LessOrEqual(t, len(kept.events), maxKept)
		}
	})
}

func TestJournalIsBoundedInBytes(t *testing.T) {
	long := string(make([]byte, 100_000))
	var events []*Event
	for i := range 100 {
		events = append(events, &Event{At: store.Cursor{Revision: int64(i + 1)}, Meta: store.Meta{Reason: long}})
	}
	got := (&stretch{epoch: 1, events: events}).trimmed()
	require.Len(t, got.events, maxKeptBytes/events[0].size())
	require.Equal(t, got.from+1, got.events[0].At.Revision)
	require.EqualValues(t, 100, got.to())
	huge := &Event{Meta: store.Meta{Reason: string(make([]byte, maxKeptBytes+1))}}
	require.Len(t, (&stretch{events: []*Event{huge, huge}}).trimmed().events, 1, "the newest in any case")
}

// Pages of the log are read in parts that fit in memory, whatever the entries' sizes.
func TestLogIsReadInBoundedParts(t *testing.T) {
	w := newWorld(t)
	for range 300 {
		w.m.note(t, "shop", 1)
	}
	for range 30 {
		w.m.note(t, "shop", 1<<20)
	}
	largest := 0
	w.m.logged = func(entries []store.Entry) {
		n := 0
		for _, e := range entries {
			n += e.Size()
		}
		largest = max(largest, n)
	}
	list, err := w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, Page{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, list.Items, int(w.m.state("shop").Head().Revision))
	require.Empty(t, list.Next)
	require.Less(t, largest, 12<<20)
}

func TestPagesOfTheLog(t *testing.T) {
	w := newWorld(t)
	for range rand.N(20) + 20 {
		w.m.note(t, "shop", 1)
	}
	var got []int64
	page := Page{Limit: 7}
	for {
		list, err := w.a.ListLog(w.ctx, root(), "shop", LogFilter{}, page)
		require.NoError(t, err)
		for _, e := range list.Items {
			got = append(got, e.At.Revision)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
		require.Len(t, list.Items, 7)
	}
	require.Len(t, got, int(w.m.state("shop").Head().Revision))
	require.True(t, slices.IsSortedFunc(got, func(a, b int64) int { return int(b - a) }))
}

func TestActorNames(t *testing.T) {
	w := newWorld(t)
	made, _, err := w.a.CreateToken(w.ctx, root(), feature.Token{Name: "deploys", Kind: "kill", Project: "shop", Environment: "production"})
	require.NoError(t, err)
	names := w.a.ActorNames(w.ctx)
	for range 2 {
		require.Equal(t, "deploys", names("token:"+made.Token.ID))
		require.Empty(t, names("token:gone"))
		require.Empty(t, names("controller"))
	}
}
