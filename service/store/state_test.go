package store

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// docs is the dumb twin of a State.
type docs map[Key]string

func (d docs) keys() []Key { return slices.SortedFunc(maps.Keys(d), Key.Compare) }

func (d docs) all() iter.Seq2[Key, []byte] {
	return func(yield func(Key, []byte) bool) {
		for k, text := range d {
			if !yield(k, []byte(text)) {
				return
			}
		}
	}
}

func keys() *rapid.Generator[Key] {
	return rapid.Custom(func(t *rapid.T) Key {
		return Key{
			Collection: rapid.SampledFrom([]string{"a", "a/b", "ab", "b"}).Draw(t, "collection"),
			ID:         fmt.Sprintf("%c", 'a'+rapid.IntRange(0, 25).Draw(t, "id")),
		}
	})
}

// draw makes changes of distinct keys that fit what is there.
func (d docs) draw(t *rapid.T) []Change {
	n := rapid.IntRange(1, 8).Draw(t, "changes")
	var out []Change
	for _, k := range rapid.SliceOfNDistinct(keys(), n, n, rapid.ID).Draw(t, "keys") {
		c := Change{Key: k}
		if text, there := d[k]; there {
			c.Before = []byte(text)
		}
		if c.Before == nil || rapid.IntRange(0, 2).Draw(t, "verb") > 0 {
			c.After = []byte(rapid.SampledFrom([]string{"0", "1", "{}"}).Draw(t, "after"))
		}
		out = append(out, c)
	}
	return out
}

func (d docs) apply(changes []Change) docs {
	next := maps.Clone(d)
	for _, c := range changes {
		if delete(next, c.Key); c.After != nil {
			next[c.Key] = string(c.After)
		}
	}
	return next
}

// requireSame compares a state with its twin in every way in which it can be read, and its inside with its invariants.
func requireSame(t require.TestingT, want docs, s *State) {
	require.Equal(t, len(want), s.Len())
	var all []Key
	for k, data := range s.All() {
		all = append(all, k)
		require.Equal(t, want[k], string(data))
	}
	require.Equal(t, want.keys(), all)
	for _, collection := range []string{"", "a", "a/b", "ab", "b", "none"} {
		var ids []string
		for id, data := range s.List(collection) {
			require.Equal(t, want[Key{collection, id}], string(data))
			ids = append(ids, id)
		}
		var wanted []string
		for _, k := range want.keys() {
			if k.Collection == collection {
				wanted = append(wanted, k.ID)
			}
		}
		require.Equal(t, wanted, ids)
	}
	for c := 'a'; c <= 'z'; c++ {
		k := Key{"a", string(c)}
		data, there := s.Get(k)
		text, wanted := want[k]
		require.Equal(t, wanted, there)
		require.Equal(t, text, string(data))
	}
	require.True(t, s.root.heap())
}

func (n *node) heap() bool {
	if n == nil {
		return true
	}
	for _, child := range []*node{n.left, n.right} {
		if child != nil && !n.above(child) {
			return false
		}
	}
	return n.left.heap() && n.right.heap()
}

func TestStateIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		twin, state := docs{}, &State{}
		var twins []docs
		var states []*State
		var entries []Entry
		for range rapid.IntRange(0, 20).Draw(t, "commits") {
			changes := twin.draw(t)
			e, err := Seal(state.Head(), Meta{}, changes)
			require.NoError(t, err)
			next, err := state.Apply(e)
			require.NoError(t, err)
			twins, states, entries = append(twins, twin), append(states, state), append(entries, e)
			twin, state = twin.apply(changes), next
			require.Equal(t, e.Head(), state.Head())
		}
		requireSame(t, twin, state)
		requireSame(t, twin, NewState(Head{}, twin.all()))
		for i := range states { // what was there before is as it was
			requireSame(t, twins[i], states[i])
		}
		back := state
		for i, e := range slices.Backward(entries) {
			var err error
			back, err = back.undo(e, states[i].Head())
			require.NoError(t, err)
			requireSame(t, twins[i], back)
		}
	})
}

func TestDiffIsWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.MapOf(keys(), rapid.SampledFrom([]string{"0", "1"}))
		a, b := docs(random.Draw(t, "a")), docs(random.Draw(t, "b"))
		from, to := NewState(Head{}, a.all()), NewState(Head{}, b.all())
		for _, collection := range []string{"", "a", "a/b", "b", "none"} {
			var want []Change
			for _, k := range slices.SortedFunc(maps.Keys(a.apply(changesOf(b))), Key.Compare) {
				before, inA := a[k]
				after, inB := b[k]
				if (collection != "" && k.Collection != collection) || inA == inB && before == after {
					continue
				}
				c := Change{Key: k}
				if inA {
					c.Before = []byte(before)
				}
				if inB {
					c.After = []byte(after)
				}
				want = append(want, c)
			}
			require.Equal(t, want, Diff(from, to, collection))
		}
		require.Empty(t, Diff(from, from, ""))
	})
}

func changesOf(d docs) []Change {
	var out []Change
	for k, text := range d {
		out = append(out, Change{Key: k, After: []byte(text)})
	}
	return out
}

// large makes a state of n documents in 10 collections, and the key of the i-th.
func large(n int) (*State, func(int) Key) {
	key := func(i int) Key { return Key{fmt.Sprintf("flag/%d", i%10), fmt.Sprintf("%06d", i)} }
	return NewState(Head{Epoch: 1, Revision: 1}, func(yield func(Key, []byte) bool) {
		for i := range n {
			if !yield(key(i), []byte("{}")) {
				return
			}
		}
	}), key
}

func TestApplyCostsInTheSizeOfTheChange(t *testing.T) {
	state, key := large(100_000)
	require.Less(t, state.root.depth(), 100)
	e, err := Seal(state.Head(), Meta{}, []Change{{Key: key(50_000), Before: []byte("{}"), After: []byte("1")}, {Key: key(7), Before: []byte("{}")}})
	require.NoError(t, err)
	next, err := state.Apply(e)
	require.NoError(t, err)
	require.Less(t, testing.AllocsPerRun(10, func() { _, _ = state.Apply(e) }), 300.0)
	require.Equal(t, e.Changes, Diff(state, next, ""))
	require.Less(t, testing.AllocsPerRun(10, func() { _ = Diff(state, next, "") }), 300.0)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for range state.List("flag/3") {
			continue
		}
	}))
}

func (n *node) depth() int {
	if n == nil {
		return 0
	}
	return 1 + max(n.left.depth(), n.right.depth())
}

func TestNewStateKeepsTheLastOfAKey(t *testing.T) {
	s := NewState(Head{}, func(yield func(Key, []byte) bool) {
		_ = yield(Key{"b", "1"}, []byte("old")) && yield(Key{"a", "1"}, []byte("x")) && yield(Key{"b", "1"}, []byte("new")) && yield(Key{"c", "1"}, nil)
	})
	requireSame(t, docs{{"a", "1"}: "x", {"b", "1"}: "new"}, s)
}

func TestApplyRefuses(t *testing.T) {
	key := Key{"a", "1"}
	base := NewState(Head{Epoch: 2, Revision: 7, Hash: Hash{1}}, docs{key: "{}"}.all())
	good, err := Seal(base.Head(), Meta{At: time.Unix(1, 0)}, []Change{{Key: key, Before: []byte("{}"), After: []byte("1")}})
	require.NoError(t, err)
	_, err = base.Apply(good)
	require.NoError(t, err)

	seal := func(head Head, changes ...Change) Entry {
		e, err := Seal(head, Meta{}, changes)
		require.NoError(t, err)
		return e
	}
	change := Change{Key: key, Before: []byte("{}"), After: []byte("1")}
	for name, test := range map[string]struct {
		entry Entry
		gap   bool
		want  string
	}{
		"a revision left out":      {entry: seal(Head{2, 8, Hash{1}}, change), gap: true, want: "does not follow"},
		"a revision again":         {entry: seal(Head{2, 6, Hash{1}}, change), gap: true, want: "does not follow"},
		"an older epoch":           {entry: seal(Head{1, 7, Hash{1}}, change), gap: true, want: "does not follow"},
		"a newer epoch":            {entry: seal(Head{3, 7, Hash{1}}, change), gap: true, want: "does not follow"},
		"another history":          {entry: seal(Head{2, 7, Hash{2}}, change), gap: true, want: "does not follow"},
		"another document before":  {entry: seal(base.Head(), Change{Key: key, Before: []byte("2"), After: []byte("1")}), want: "is not what the change was made for"},
		"a document that is there": {entry: seal(base.Head(), Change{Key: key, After: []byte("1")}), want: "is not what the change was made for"},
		"a document that is not":   {entry: seal(base.Head(), Change{Key: Key{"a", "2"}, Before: []byte("1")}), want: "is not what the change was made for"},
		"a changed reason":         {entry: func() Entry { e := good; e.Meta.Reason = "x"; return e }(), want: "its hash is"},
		"a changed document": {entry: func() Entry {
			e := good
			e.Changes = []Change{{Key: key, Before: []byte("{}"), After: []byte("2")}}
			return e
		}(), want: "its hash is"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := base.Apply(test.entry)
			require.ErrorContains(t, err, test.want)
			if test.gap {
				require.ErrorIs(t, err, ErrGap)
			} else {
				require.NotErrorIs(t, err, ErrGap)
			}
			requireSame(t, docs{key: "{}"}, base)
		})
	}
}

func TestKeysAreInOrder(t *testing.T) {
	ordered := []Key{{"a", "1"}, {"a", "2"}, {"a/b", "1"}, {"ab", "0"}, {"b", ""}}
	for i, a := range ordered {
		for j, b := range ordered {
			require.Equal(t, cmp.Compare(i, j), a.Compare(b))
		}
	}
}

func BenchmarkState(b *testing.B) {
	state, key := large(100_000)
	e, err := Seal(state.Head(), Meta{}, []Change{{Key: key(50_000), Before: []byte("{}"), After: []byte("1")}})
	require.NoError(b, err)
	next, err := state.Apply(e)
	require.NoError(b, err)
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			_, _ = state.Apply(e)
		}
	})
	b.Run("list 10,000", func(b *testing.B) {
		for b.Loop() {
			for range state.List("flag/3") {
				continue
			}
		}
	})
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			_ = Diff(state, next, "")
		}
	})
	b.Run("build 100,000", func(b *testing.B) {
		for b.Loop() {
			_ = NewState(Head{}, state.All())
		}
	})
}
