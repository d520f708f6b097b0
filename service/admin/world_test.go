package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

// testingT is what both *testing.T and *rapid.T are.
type testingT interface {
	require.TestingT
	Helper()
}

// world is a store with two nodes and a project in it.
type world struct {
	t     testingT
	m     *memory
	clock *clock
	a, b  *Service
	ctx   context.Context
}

// random is a reader of randomness that a seed fixes; rand.ChaCha8 may not be read concurrently.
type random struct{ c chan *rand.ChaCha8 }

func (r random) Read(p []byte) (int, error) {
	c := <-r.c
	defer func() { r.c <- c }()
	return c.Read(p)
}

func newNode(m *memory, c *clock, seed byte) *Service {
	r := random{make(chan *rand.ChaCha8, 1)}
	r.c <- rand.NewChaCha8([32]byte{seed})
	minted := 0
	return New(Options{Store: m, Mirrors: mirrors(m), Clock: c.Now, Random: r, Mint: func(kind policy.Kind) (Minted, error) {
		minted++
		id := fmt.Sprintf("t%d%d", seed, minted)
		return Minted{Text: "dm_" + string(kind) + "_" + id + "_secret", ID: id, Hash: [32]byte{seed, byte(minted)}}, nil
	}})
}

func newWorld(t testingT) *world {
	t.Helper()
	w := &world{t: t, m: newMemory(), clock: &clock{now: time.Date(2026, 11, 20, 14, 2, 0, 0, time.UTC)}, ctx: context.Background()}
	w.a, w.b = newNode(w.m, w.clock, 1), newNode(w.m, w.clock, 2)
	_, _, err := w.a.CreateProject(w.ctx, root(), feature.Project{Key: "shop"}, []feature.Environment{
		{Key: "production", Production: true, Order: 2}, {Key: "staging", Order: 1},
	})
	require.NoError(t, err)
	return w
}

func root() Call {
	return Call{Principal: policy.Principal{ID: "token:root", Kind: policy.KindAdmin, Role: policy.RoleAdmin, Address: "192.0.2.1"}}
}

func as(role policy.Role, environment string) Call {
	return Call{Principal: policy.Principal{ID: "token:" + string(role), Kind: policy.KindAdmin, Role: role, Project: "shop", Environment: environment}}
}

func matching(version int64) Call {
	c := root()
	c.IfMatch = strconv.FormatInt(version, 10)
	return c
}

func (w *world) flag(key string) feature.Flag {
	w.t.Helper()
	f, _, err := w.a.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: key, Type: "boolean"}, CreateOptions{})
	require.NoError(w.t, err)
	return f
}

func (w *world) text(key string, variants ...string) feature.Flag {
	w.t.Helper()
	f := feature.Flag{Key: key, Type: "string"}
	for _, v := range variants {
		f.Variants = append(f.Variants, feature.Variant{Key: v, Value: json.RawMessage(strconv.Quote(v))})
	}
	f, _, err := w.a.CreateFlag(w.ctx, root(), "shop", f, CreateOptions{})
	require.NoError(w.t, err)
	return f
}

func (w *world) targeting(flag, environment string) TargetingView {
	w.t.Helper()
	_, err := w.a.sync(w.ctx, "shop")
	require.NoError(w.t, err)
	view, err := w.a.GetTargeting(w.ctx, root(), "shop", flag, environment)
	require.NoError(w.t, err)
	return view
}

func (w *world) put(flag, environment string, t feature.Targeting) (feature.Targeting, Written) {
	w.t.Helper()
	out, written, err := w.a.PutTargeting(w.ctx, matching(w.targeting(flag, environment).Version), "shop", flag, environment, t)
	require.NoError(w.t, err)
	return out.Targeting, written
}

// served is a ruleset document as it is stored.
func (w *world) served(environment string, kind evaluator.Kind, key string) []byte {
	data, _ := w.m.state("shop").Get(rulesetKey(environment, kind, key))
	return data
}

func servedFlag(t testingT, w *world, environment, key string) (f evaluator.Flag) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.served(environment, evaluator.KindFlag, key), &f))
	return f
}

// check holds the stored documents to what has to be true of them at any time: the ruleset is what the authored documents lower to, and it compiles.
func (w *world) check() {
	w.t.Helper()
	state := w.m.state("shop")
	for environment := range state.List(collEnvironment) {
		want := map[string][]byte{}
		for key, data := range state.List(collFlag) {
			f, err := feature.Decode[feature.Flag](data)
			require.NoError(w.t, err)
			raw, there := state.Get(targetingKey(environment, key))
			require.True(w.t, there, "flag %s has targeting in %s", key, environment)
			t, err := feature.Decode[feature.Targeting](raw)
			require.NoError(w.t, err)
			id := compile.DocumentID(evaluator.KindFlag, key)
			want[id], err = feature.Encode(compile.Flag(&f, &t, version(w.t, state, environment, id)))
			require.NoError(w.t, err)
		}
		for id, data := range state.List(killCollection(environment)) {
			k, err := feature.Decode[feature.Kill](data)
			require.NoError(w.t, err)
			want[compile.DocumentID(evaluator.KindKill, id)], err = feature.Encode(compile.Kill(&k))
			require.NoError(w.t, err)
		}
		w.wantSegments(state, environment, want)
		for id, data := range state.List(store.RulesetCollection(environment)) {
			require.Equal(w.t, string(want[id]), string(data), "%s in %s", id, environment)
			delete(want, id)
		}
		require.Empty(w.t, want, "every document is served in %s", environment)
		r := compile.Open(evaluator.Revision{Epoch: 1, Number: state.Head().Revision}, state.List(store.RulesetCollection(environment)))
		require.Empty(w.t, problemsOf(r))
		for _, node := range []*Service{w.a, w.b} {
			kept := node.scope("shop").ruleset(state, environment)
			require.Equal(w.t, r.Bytes(), kept.Bytes(), "the size is kept up to date")
			require.Equal(w.t, r.Snapshot().Digest(), kept.Snapshot().Digest(), "the compiled ruleset is kept up to date")
		}
	}
}

func (w *world) wantSegments(state *store.State, environment string, want map[string][]byte) {
	for key, data := range state.List(collSegment) {
		g, err := feature.Decode[feature.Segment](data)
		require.NoError(w.t, err)
		e := feature.SegmentEnvironment{Active: true}
		if raw, there := state.Get(segmentEnvironmentKey(key, environment)); there {
			e, err = feature.Decode[feature.SegmentEnvironment](raw)
			require.NoError(w.t, err)
		}
		id := compile.DocumentID(evaluator.KindSegment, key)
		want[id], err = feature.Encode(compile.Segment(&g, &e, version(w.t, state, environment, id)))
		require.NoError(w.t, err)
		for shard, raw := range state.List(listCollection(key)) {
			parts := strings.Split(shard, "/")
			if len(parts) != 3 || parts[0] != environment {
				continue
			}
			content, err := feature.Decode[feature.ListShard](raw)
			require.NoError(w.t, err)
			side := feature.Side(parts[1])
			n, err := strconv.ParseInt(parts[2], 16, 32)
			require.NoError(w.t, err)
			want[compile.DocumentID(evaluator.KindList, compile.ListKey(key, side, int(n)))], err =
				feature.Encode(compile.ListShard(key, side, int(n), (*e.Of(side)).Salt, content.Keys))
			require.NoError(w.t, err)
		}
	}
}

// version is that of a stored ruleset document, which must be one of the revisions that changed it.
func version(t testingT, state *store.State, environment, id string) int64 {
	data, _ := state.Get(store.Key{Collection: store.RulesetCollection(environment), ID: id})
	var v struct{ Version int64 }
	require.NoError(t, json.NewDecoder(bytes.NewReader(data)).Decode(&v), "%s in %s", id, environment)
	require.Positive(t, v.Version)
	return v.Version
}

func problemsOf(r *compile.Ruleset) []evaluator.Problem { return r.Snapshot().Problems() }

func requireCode(t testingT, code feature.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, feature.CodeOf(err), "%v", err)
}

var _ testingT = (*testing.T)(nil)

func (w *world) ramp(flag, environment, percent string) feature.Targeting {
	w.t.Helper()
	p, err := feature.ParsePercent(percent)
	require.NoError(w.t, err)
	out, _, err := w.a.Ramp(w.ctx, root(), "shop", flag, environment, RampRequest{Exposure: p})
	require.NoError(w.t, err)
	return out.Targeting
}
