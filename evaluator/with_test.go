package evaluator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the dumb twin of a snapshot: all documents, compiled from nothing each time.
type model map[docID][]byte

func (m model) apply(changes []Document) {
	for _, c := range changes {
		if c.JSON == nil {
			delete(m, docID{c.Kind, c.Key})
		} else {
			m[docID{c.Kind, c.Key}] = c.JSON
		}
	}
}

func (m model) documents() []Document {
	var docs []Document
	for id, data := range m {
		docs = append(docs, Document{id.kind, id.key, data})
	}
	return docs
}

func requireSame(t require.TestingT, want, got *Snapshot, contexts []*Context) {
	require.Equal(t, want.Digest(), got.Digest())
	require.Equal(t, want.Len(), got.Len())
	require.Equal(t, documentMap(want), documentMap(got))
	require.Equal(t, want.Problems(), got.Problems())
	require.Equal(t, maps.Collect(want.Flags()), maps.Collect(got.Flags()))
	for _, flag := range randomFlags {
		require.Equal(t, want.Dependents(KindFlag, flag), got.Dependents(KindFlag, flag))
		for _, c := range contexts {
			w, g := want.Evaluate(flag, c), got.Evaluate(flag, c)
			w.Revision, g.Revision = Revision{}, Revision{}
			require.Equal(t, plainResult(w), plainResult(g))
		}
	}
	for _, segment := range randomSegments {
		require.Equal(t, want.Dependents(KindSegment, segment), got.Dependents(KindSegment, segment))
	}
	for _, k := range []string{"k0", "k1", "k2"} {
		require.Equal(t, want.Dependents(KindKill, k), got.Dependents(KindKill, k))
	}
	for n := range got.all() {
		want := want.nodes[tableOf(n.doc.kind)].get(hashString(tableKey(n.doc.kind, n.doc.key)), tableKey(n.doc.kind, n.doc.key))
		require.Equal(t, want.status, n.status, "%s %s", n.doc.kind, n.doc.key)
	}
	require.Equal(t, want.kills.count, got.kills.count)
	require.Equal(t, want.sides.count, got.sides.count)
	require.Equal(t, want.users[0].count, got.users[0].count)
	require.Equal(t, want.users[1].count, got.users[1].count)
}

// plainResult compares by value.
func plainResult(r Result) string {
	return r.Value.String() + " " + string(mustJSON(TraceResult{Variant: r.Variant, Reason: r.Reason, Cause: r.Cause, Rule: r.Rule, Version: r.Version, Error: r.Error}))
}

func documentMap(s *Snapshot) map[docID]string {
	m := map[docID]string{}
	for d := range s.Documents() {
		m[docID{d.Kind, d.Key}] = string(d.JSON)
	}
	return m
}

func TestWithIsNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s *Snapshot
		m := model{}
		contexts := []*Context{nil, drawContext(t), drawContext(t)}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			before, beforeDocs := s, m.documents()
			changes := rapid.SliceOfN(rapid.Custom(drawChange), 0, 8).Draw(t, "changes")
			next, problems := s.With(Revision{}, changes)
			m.apply(changes)
			fresh, all := New(Revision{}, m.documents())
			require.Equal(t, all, fresh.Problems())
			requireSame(t, fresh, next, contexts)
			require.Equal(t, expectedProblems(before, next, changes), problems)
			if before != nil { // what was there did not change
				again, _ := New(Revision{}, beforeDocs)
				requireSame(t, again, before, contexts)
			}
			requireTraces(t, next, contexts)
			s = next
		}
	})
}

// TestSnapshotsAreShared is for the race detector: what is being read is never written, however many snapshots come from it.
func TestSnapshotsAreShared(t *testing.T) {
	docs, err := ParseRuleset([]byte(doubling(8)))
	require.NoError(t, err)
	s, _ := New(Revision{}, docs)
	var current atomic.Pointer[Snapshot]
	current.Store(s)
	c := NewContext("u").Value("company", map[string]any{"id": 7})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 300 {
				now := current.Load()
				want := plainResult(now.Evaluate("f8", c))
				got, _ := now.EvaluateTrace("f8", c)
				if plainResult(got) != want || now.Len() < 9 {
					t.Error("one snapshot gives two answers")
				}
				now.EvaluateAll(c, func(string, Result) {})
			}
		})
	}
	for i := range 300 {
		next, _ := current.Load().With(Revision{}, []Document{docs[i%len(docs)], {KindKill, "k", []byte(`{"flag":"f3"}`)}, {KindSegment, fmt.Sprint("s", i), []byte(`{}`)}})
		current.Store(next)
	}
	readers.Wait()
}

// expectedProblems are those of the changed documents, and those that other documents did not have.
func expectedProblems(before, after *Snapshot, changes []Document) (want []Problem) {
	had := before.Problems()
	for _, p := range after.Problems() {
		changed := slices.ContainsFunc(changes, func(d Document) bool { return d.Kind == p.Kind && d.Key == p.Key })
		if changed || !slices.ContainsFunc(had, func(q Problem) bool { return q.compare(p) == 0 }) {
			want = append(want, p)
		}
	}
	return want
}

func requireTraces(t require.TestingT, s *Snapshot, contexts []*Context) {
	for _, flag := range append([]string{"f9"}, randomFlags...) {
		for _, c := range contexts {
			want := s.Evaluate(flag, c)
			got, trace := s.EvaluateTrace(flag, c)
			require.Equal(t, want, got)
			text, err := json.Marshal(trace)
			require.NoError(t, err)
			require.Equal(t, want.Variant, trace.Result.Variant, "%s", text)
			switch {
			case want.Cause == CauseKilled:
				require.NotEmpty(t, trace.Kills)
			case want.Cause == CauseOff:
				require.True(t, trace.Disabled)
			case want.Error == ErrParse:
				require.NotEmpty(t, trace.Problems)
			case want.Cause == CauseRule:
				i := slices.IndexFunc(trace.Rules, func(r TraceRule) bool { return r.ID == want.Rule })
				require.Equal(t, TraceTrue, trace.Rules[i].State)
				require.Equal(t, want.Variant, trace.Rules[i].Serve.Served)
				require.Nil(t, trace.Default)
			case want.Cause == CauseDefault:
				require.Equal(t, want.Variant, trace.Default.Served)
			}
		}
	}
}
