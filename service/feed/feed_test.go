package feed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFollowers: whatever happens to a project and whenever followers look, each ends with the store's documents byte for byte, never goes back, and sees
// every step end with the digest of what it then holds.
func TestFollowers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		environments := []string{"dev", "prod"}
		w.commit(environment("dev"))
		followers := map[string][]*follower{}
		for _, e := range environments {
			followers[e] = []*follower{newFollower(), newFollower(), newFollower()}
		}
		steps := rapid.IntRange(1, 60).Draw(rt, "steps")
		for n := range steps {
			switch rapid.IntRange(0, 19).Draw(rt, "what") {
			case 0:
				w.commit(change{"flag", "f", fmt.Sprint(n)}) // touches no environment
			case 1:
				w.commit(environment(rapid.SampledFrom(environments).Draw(rt, "new")))
			case 2:
				w.commit(gone("prod"))
			case 3: // a gap: several entries are seen at once
				docs, head := w.docs(), w.state.Head()
				docs[store.RulesetKey("dev", "kill", "gap")] = []byte(killText("gap", "f", n))
				head.Revision += 5
				head.Hash[0]++
				w.reload(head, docs)
			case 4: // a failover: another epoch, some documents lost, a lower number
				docs, head := w.docs(), w.state.Head()
				for k := range docs {
					if k.Collection != collEnvironment && rapid.Bool().Draw(rt, "lost") {
						delete(docs, k)
					}
				}
				head.Epoch++
				head.Revision = max(1, head.Revision-3)
				w.reload(head, docs)
			default:
				var changes []change
				for range rapid.IntRange(1, 3).Draw(rt, "changes") {
					id := fmt.Sprintf("k%d", rapid.IntRange(0, 5).Draw(rt, "id"))
					text := killText(id, "f", n)
					if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
						text = ""
					}
					changes = append(changes, doc(rapid.SampledFrom(environments).Draw(rt, "environment"), "kill/"+id, text))
				}
				seen := map[string]bool{}
				var once []change
				for _, c := range changes {
					if !seen[c.collection+c.id] {
						seen[c.collection+c.id] = true
						once = append(once, c)
					}
				}
				w.commit(once...)
			}
			for _, e := range environments {
				f, ok := w.set.Environment(scope, e)
				_, there := w.state.Get(store.Key{Collection: collEnvironment, ID: e})
				require.Equal(rt, there, ok)
				if !ok {
					continue
				}
				require.Equal(rt, revision(w.state.Head()).Revision, f.Current().Revision())
				for i, c := range followers[e] {
					if rapid.IntRange(0, 3*i).Draw(rt, "follows") == 0 {
						c.follow(rt, f)
						require.Equal(rt, w.texts(e), c.docs)
					}
				}
			}
		}
	})
}

func TestQuietEntries(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"), environment("prod"), doc("dev", "kill/a", killText("a", "f", 1)))
	f := w.feed("dev")
	first := f.Current()

	w.commit(doc("prod", "kill/b", killText("b", "f", 1)))
	second := f.Current()
	require.Equal(t, rev(1, 2), second.Revision(), "the revision is the project's")
	require.Equal(t, rev(1, 2), second.Snapshot().Revision())
	require.Equal(t, rev(1, 1), second.Since())
	require.Equal(t, first.Digest(), second.Digest())
	require.False(t, closed(first.Next()), "nobody is woken")

	w.commit(doc("dev", "kill/a", ""))
	require.True(t, closed(first.Next()))
	require.True(t, closed(second.Next()))
	require.Equal(t, rev(1, 3), f.Current().Since())
	for _, at := range []evaluator.Revision{rev(1, 1), rev(1, 2)} {
		step, kept := f.Current().After(at)
		require.True(t, kept)
		require.Equal(t, rev(1, 3), step.Revision())
	}
	require.Equal(t, []string{
		"shop/dev 1.1 since 1.1", "shop/prod 1.1 since 1.1",
		"shop/dev 1.2 since 1.1", "shop/prod 1.2 since 1.2",
		"shop/dev 1.3 since 1.3", "shop/prod 1.3 since 1.2",
	}, sortPairs(w.served))
}

// sortPairs puts what was served in one step in an order.
func sortPairs(list []string) []string {
	for i := 0; i+1 < len(list); i += 2 {
		if list[i] > list[i+1] {
			list[i], list[i+1] = list[i+1], list[i]
		}
	}
	return list
}

func TestLocate(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"), doc("dev", "kill/a", killText("a", "f", 1)))
	f := w.feed("dev")
	one := f.Current().Digest()
	w.commit() // 2: quiet
	w.commit(doc("dev", "kill/a", killText("a", "f", 2)))
	three := f.Current().Digest()
	w.commit(doc("dev", "kill/a", killText("a", "f", 3)))
	four := f.Current().Digest()
	w.reload(store.Head{Epoch: 2, Revision: 3}, map[store.Key][]byte{
		{Collection: collEnvironment, ID: "dev"}: []byte("{}"), store.RulesetKey("dev", "kill", "a"): []byte(killText("a", "f", 4)),
	})
	newest := f.Current().Digest()
	for name, test := range map[string]struct {
		at     evaluator.Revision
		digest evaluator.Digest
		want   evaluator.Revision
		ok     bool
	}{
		"at the oldest":                             {rev(1, 1), one, rev(1, 1), true},
		"at a quiet revision":                       {rev(1, 2), one, rev(1, 1), true},
		"at a step":                                 {rev(1, 3), three, rev(1, 3), true},
		"at the end of the old epoch":               {rev(1, 4), four, rev(1, 4), true},
		"beyond what this node saw of it, equal":    {rev(1, 9), four, rev(1, 4), true},
		"beyond what this node saw of it, unequal":  {rev(1, 9), evaluator.Digest{1}, evaluator.Revision{}, false},
		"at the newest":                             {rev(2, 3), newest, rev(2, 3), true},
		"the newest, by another way":                {rev(1, 2), newest, rev(2, 3), true},
		"an old state that it would have to repeat": {rev(1, 4), one, evaluator.Revision{}, false},
		"nothing":         {evaluator.Revision{}, evaluator.Digest{}, evaluator.Revision{}, false},
		"another content": {rev(1, 3), four, rev(1, 4), true},
	} {
		t.Run(name, func(t *testing.T) {
			at, ok := f.Current().Locate(test.at, test.digest)
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.want, at)
			if ok {
				step, kept := f.Current().After(at)
				require.True(t, kept)
				require.True(t, step == nil || step.Revision().Compare(test.at) > 0, "a step that the client is beyond")
			}
		})
	}
}

func TestRingIsBounded(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"))
	f := w.feed("dev")
	for n := range maxSteps + 10 {
		w.commit(doc("dev", "kill/a", killText("a", "f", n)))
	}
	n := f.Current()
	require.Len(t, n.steps, maxSteps)
	_, kept := n.After(rev(1, 10))
	require.False(t, kept)
	step, kept := n.After(rev(1, 11))
	require.True(t, kept)
	require.Equal(t, rev(1, 12), step.Revision())

	long := strings.Repeat("x", 200<<10)
	for n := range 40 {
		w.commit(doc("dev", "kill/a", fmt.Sprintf(`{"id":"a","flag":"f","at":"%d%s"}`, n, long)))
	}
	require.LessOrEqual(t, f.Current().bytes, maxStepBytes)
	require.Less(t, len(f.Current().steps), 30)
	sum := 0
	for _, s := range f.Current().steps {
		sum += s.bytes
	}
	require.Equal(t, sum, f.Current().bytes)

	var many []change
	for n := range 30 {
		many = append(many, doc("dev", fmt.Sprintf("kill/m%d", n), fmt.Sprintf(`{"id":"m%d","flag":"f","at":"%s"}`, n, long)))
	}
	w.commit(many...)
	require.Len(t, f.Current().steps, 1, "a step that is larger than the ring is kept until the next")
	for _, m := range f.Current().steps[0].messages {
		require.LessOrEqual(t, len(m), 2<<20) // the test's encoder has JSON in base64
	}
	require.Greater(t, len(f.Current().steps[0].messages), 5)
	w.commit(doc("dev", "kill/a", killText("a", "f", 1)))
	require.Len(t, f.Current().steps, 1)
	require.Less(t, f.Current().bytes, 1000)
}

func TestEncodedOnce(t *testing.T) {
	w := newWorld(t)
	var docs []change
	for n := range 100 {
		id := fmt.Sprintf("k%d", n)
		docs = append(docs, doc("dev", "kill/"+id, killText(id, "f", n)))
	}
	w.commit(append(docs, environment("dev"))...)
	f := w.feed("dev")
	require.Zero(t, w.encoder.documents.Load(), "nobody asked for a full")

	followers := make([]*follower, 50)
	for i := range followers {
		followers[i] = newFollower()
		followers[i].follow(t, f)
	}
	require.EqualValues(t, 100, w.encoder.documents.Load())
	for n := range 20 {
		w.commit(doc("dev", "kill/k1", killText("k1", "f", n+2)))
		for _, c := range followers {
			c.follow(t, f)
		}
	}
	require.EqualValues(t, 120, w.encoder.documents.Load())
	for _, c := range followers {
		require.Equal(t, 1, c.fulls)
		require.Equal(t, 20, c.deltas)
	}

	// Whoever comes after a change gets it in its FULL, not the ruleset before it and then the change: in between it would serve what was killed.
	require.Nil(t, f.full.Load(), "an old full is not kept")
	late := newFollower()
	late.follow(t, f)
	require.Equal(t, 1, late.fulls)
	require.Zero(t, late.deltas)
	newFollower().follow(t, f)
	require.EqualValues(t, 220, w.encoder.documents.Load(), "encoded once for all that come until the next change")
	w.commit()
	newFollower().follow(t, f)
	before := w.encoder.documents.Load()
	require.EqualValues(t, 220, before, "a revision that changed nothing here costs nothing")

	for range 100 {
		f.ForgetFull()
		newFollower().follow(t, f)
	}
	require.Equal(t, before+100*maxDoubts, w.encoder.documents.Load(), "who doubts on and on is not believed")
	w.commit(doc("dev", "kill/k1", killText("k1", "f", 50)))
	f.ForgetFull()
	newFollower().follow(t, f)
	require.Equal(t, before+100*maxDoubts+1+100, w.encoder.documents.Load())
	f.ForgetFull()
	newFollower().follow(t, f)
	require.Equal(t, before+100*maxDoubts+1+200, w.encoder.documents.Load(), "but another ruleset is another matter")
}

// TestFullIsNotOlderThanTheClient: a client that knows a quiet revision must not be sent a whole ruleset that says less.
func TestFullIsNotOlderThanTheClient(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"), doc("dev", "kill/a", killText("a", "f", 1)))
	f := w.feed("dev")
	require.Equal(t, rev(1, 1), f.Current().Full(rev(0, 0)).Revision())
	w.commit()
	require.Equal(t, rev(1, 1), f.Current().Full(rev(1, 1)).Revision())
	require.Equal(t, rev(1, 2), f.Current().Full(rev(1, 2)).Revision())
	step, kept := f.Current().After(rev(1, 2))
	require.True(t, kept)
	require.Nil(t, step)
}

func TestEnvironmentsComeAndGo(t *testing.T) {
	w := newWorld(t)
	require.False(t, w.set.Loaded(scope))
	_, ok := w.set.Environment(scope, "dev")
	require.False(t, ok)

	w.commit(environment("dev"))
	require.True(t, w.set.Loaded(scope))
	require.Equal(t, []string{"dev"}, w.set.Environments(scope))
	f := w.feed("dev")
	w.commit(environment("prod"), doc("prod", "kill/a", killText("a", "f", 1)))
	require.Equal(t, []string{"dev", "prod"}, w.set.Environments(scope))
	require.Equal(t, 1, w.feed("prod").Current().Snapshot().Len())

	w.commit(gone("dev"))
	require.True(t, closed(f.Gone()))
	require.Equal(t, []string{"prod"}, w.set.Environments(scope))
	w.commit(environment("dev"))
	require.NotSame(t, f, w.feed("dev"), "one that is made anew is another")
	require.Zero(t, w.feed("dev").Current().Snapshot().Len())

	prod := w.feed("prod")
	w.set.Drop(scope)
	require.True(t, closed(prod.Gone()))
	require.False(t, w.set.Loaded(scope))
	require.Empty(t, w.set.Environments(scope))
}

func TestStepsThatDoNotLeadForward(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"))
	old := w.state
	w.commit(doc("dev", "kill/a", killText("a", "f", 1)))
	before := w.feed("dev").Current()
	w.set.Step(scope, store.Step{State: old})
	w.set.Step(scope, store.Step{State: w.state})
	w.set.Step(scope, store.Step{})
	w.set.Step(store.System, store.Step{State: store.NewState(store.Head{Epoch: 9, Revision: 9}, func(func(store.Key, []byte) bool) {})})
	require.Same(t, before, w.feed("dev").Current())
	require.False(t, w.set.Loaded(store.System))
}

// TestStepsAcrossAGap: an entry that does not follow is not applied to what it was not made for; the state that came with it counts.
func TestStepsAcrossAGap(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"), doc("dev", "kill/a", killText("a", "f", 1)), doc("dev", "kill/b", killText("b", "f", 1)))
	missed := w.entry(doc("dev", "kill/a", ""))
	state, err := w.state.Apply(missed)
	require.NoError(t, err)
	w.state = state
	w.commit(doc("dev", "kill/c", killText("c", "f", 1)))
	c := newFollower()
	c.follow(t, w.feed("dev"))
	require.Equal(t, w.texts("dev"), c.docs)
	require.NotContains(t, c.docs, "kill/a")
}

// TestConcurrentFollowers is for the race detector: everything at once.
func TestConcurrentFollowers(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"))
	f := w.feed("dev")
	const changes, clients = 500, 16
	var wg sync.WaitGroup
	ends := make([]*follower, clients)
	last := rev(1, changes+1)
	for i := range clients {
		wg.Go(func() {
			c := newFollower()
			ends[i] = c
			for c.revision.Compare(last) < 0 {
				n := f.Current()
				c.follow(t, f)
				if n == f.Current() && c.revision.Compare(last) < 0 { // after the last there is nothing to wait for
					select {
					case <-n.Next():
					case <-t.Context().Done():
						return
					}
				}
			}
		})
	}
	for n := range changes {
		w.commit(doc("dev", fmt.Sprintf("kill/k%d", n%50), killText(fmt.Sprintf("k%d", n%50), "f", n)))
	}
	wg.Wait()
	for _, c := range ends {
		require.Equal(t, w.texts("dev"), c.docs)
	}
}

func TestWaitRevision(t *testing.T) {
	w := newWorld(t)
	w.commit(environment("dev"))
	f := w.feed("dev")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.False(t, f.WaitRevision(ctx, rev(1, 2)))
	done := make(chan bool)
	go func() { done <- f.WaitRevision(t.Context(), rev(1, 2)) }()
	w.commit(doc("dev", "kill/a", killText("a", "f", 1)))
	require.True(t, <-done)
	go func() { done <- f.WaitRevision(t.Context(), rev(1, 9)) }()
	w.commit(gone("dev"))
	require.False(t, <-done)
}
