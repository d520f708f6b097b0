package admin

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/stretchr/testify/require"
)

func TestProjects(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.a.CreateProject(w.ctx, root(), feature.Project{Key: "shop"}, nil)
	requireCode(t, feature.CodeExists, err)
	p, _, err := w.b.CreateProject(w.ctx, root(), feature.Project{Key: "bank", Name: "Bank"}, nil)
	require.NoError(t, err)
	require.Equal(t, feature.ProjectActive, p.State)
	require.Nil(t, p.Initial)
	environments, err := w.a.ListEnvironments(w.ctx, root(), "bank")
	require.NoError(t, err)
	require.Len(t, environments, 1)
	require.True(t, environments[0].Production)

	for name, bad := range map[string]feature.Project{
		"no key":            {},
		"the system's name": {Key: store.System},
		"a made-up state":   {Key: "x", State: feature.ProjectActive},
	} {
		_, _, err := w.a.CreateProject(w.ctx, root(), bad, nil)
		require.Equal(t, feature.CodeInvalid, feature.CodeOf(err), name)
	}
	_, _, err = w.a.CreateProject(w.ctx, root(), feature.Project{Key: "x"}, []feature.Environment{{Key: "a"}, {Key: "a"}, {Key: "B"}})
	requireCode(t, feature.CodeInvalid, err)
	require.Len(t, feature.Problems(err), 2)

	renamed, _, err := w.a.PatchProject(w.ctx, matching(p.Version), "bank", []byte(`{"name":"The bank"}`))
	require.NoError(t, err)
	require.Equal(t, "The bank", renamed.Name)
	_, _, err = w.a.PatchProject(w.ctx, matching(p.Version), "bank", []byte(`{"name":"x"}`))
	requireCode(t, feature.CodePrecondition, err)
	_, _, err = w.a.PatchProject(w.ctx, matching(renamed.Version), "bank", []byte(`{"key":"vault"}`))
	requireCode(t, feature.CodeInvalid, err)

	all, err := w.a.ListProjects(w.ctx, root(), Page{})
	require.NoError(t, err)
	require.Len(t, all.Items, 2)
	mine, err := w.a.ListProjects(w.ctx, as(policy.RoleViewer, ""), Page{})
	require.NoError(t, err)
	require.Len(t, mine.Items, 1, "who is bound to a project sees that one")
	_, err = w.a.GetProject(w.ctx, as(policy.RoleAdmin, ""), "bank")
	requireCode(t, feature.CodeNotFound, err)
	_, err = w.a.ListEnvironments(w.ctx, as(policy.RoleAdmin, ""), "bank")
	requireCode(t, feature.CodeNotFound, err)
	_, _, err = w.a.CreateProject(w.ctx, as(policy.RoleAdmin, ""), feature.Project{Key: "other"}, nil)
	requireCode(t, feature.CodeDenied, err)
}

// Whatever commit it was that did not happen, repeating the call or resuming finishes the work.
func TestProjectStepsResume(t *testing.T) {
	for failing := range 3 {
		t.Run(fmt.Sprintf("create, commit %d fails", failing+1), func(t *testing.T) {
			w := newWorld(t)
			fail := failing
			w.m.before = func(store.Txn) error {
				if fail--; fail < 0 {
					return store.ErrFull
				}
				return nil
			}
			_, _, err := w.a.CreateProject(w.ctx, root(), feature.Project{Key: "bank"}, nil)
			requireCode(t, feature.CodeFull, err)
			_, err = w.a.ListEnvironments(w.ctx, root(), "bank")
			require.Error(t, err, "a half-made project cannot be worked on")
			w.m.before = nil
			if failing == 0 {
				_, _, err = w.b.CreateProject(w.ctx, root(), feature.Project{Key: "bank"}, nil)
			} else {
				err = w.b.ResumeProjects(w.ctx, root())
			}
			require.NoError(t, err)
			p, err := w.a.GetProject(w.ctx, root(), "bank")
			require.NoError(t, err)
			require.Equal(t, feature.ProjectActive, p.State)
			_, err = w.a.GetEnvironment(w.ctx, root(), "bank", "production")
			require.NoError(t, err)
		})
	}
	t.Run("delete", func(t *testing.T) {
		w := newWorld(t)
		p, err := w.a.GetProject(w.ctx, root(), "shop")
		require.NoError(t, err)
		token, _, err := w.a.CreateToken(w.ctx, root(), feature.Token{Name: "sdk", Kind: "server", Project: "shop", Environment: "production"})
		require.NoError(t, err)
		commits := 0
		w.m.before = func(store.Txn) error {
			if commits++; commits == 2 {
				return errors.Join(store.ErrFull)
			}
			return nil
		}
		_, err = w.a.DeleteProject(w.ctx, matching(p.Version), "shop")
		require.Error(t, err)
		_, _, err = w.b.CreateFlag(w.ctx, root(), "shop", feature.Flag{Key: "f", Type: "boolean"}, CreateOptions{})
		require.Error(t, err, "from the first step on nobody works on it")
		require.NoError(t, w.b.ResumeProjects(w.ctx, root()))
		_, err = w.a.GetProject(w.ctx, root(), "shop")
		requireCode(t, feature.CodeNotFound, err)
		_, there := w.m.state(store.System).Get(tokenKey(token.Token.ID))
		require.False(t, there, "its tokens went with it")
		require.Contains(t, w.m.dropped, "shop")
	})
}

// A request that is repeated when its project has become another one of the same key must do nothing to that.
func TestRepeatedProjectRequestsLeaveTheNextOneAlone(t *testing.T) {
	w := newWorld(t)
	create, remove := root(), root()
	create.Idempotency = &Idempotency{Key: "create", Request: store.Hash{1}}
	remove.Idempotency, remove.IfMatch = &Idempotency{Key: "delete", Request: store.Hash{2}}, "*"
	_, _, err := w.a.CreateProject(w.ctx, create, feature.Project{Key: "bank"}, nil)
	require.NoError(t, err)
	again, written, err := w.a.CreateProject(w.ctx, create, feature.Project{Key: "bank"}, nil)
	require.NoError(t, err)
	require.True(t, written.Replayed)
	require.Equal(t, feature.ProjectActive, again.State)
	_, err = w.a.DeleteProject(w.ctx, remove, "bank")
	require.NoError(t, err)

	_, _, err = w.b.CreateProject(w.ctx, create, feature.Project{Key: "bank"}, nil)
	requireCode(t, feature.CodeConflict, err)
	require.Zero(t, w.m.state("bank").Head(), "nothing is made in the scope of a project that is not there")

	w.clock.add(time.Second)
	_, _, err = w.a.CreateProject(w.ctx, root(), feature.Project{Key: "bank"}, []feature.Environment{{Key: "live"}})
	require.NoError(t, err)
	written, err = w.b.DeleteProject(w.ctx, remove, "bank")
	require.NoError(t, err)
	require.True(t, written.Replayed)
	_, err = w.a.GetEnvironment(w.ctx, root(), "bank", "live")
	require.NoError(t, err)
	require.NotZero(t, w.m.state("bank").Head(), "the new project has its data")
}

func TestProjectWithTooManyEnvironments(t *testing.T) {
	w := newWorld(t)
	many := make([]feature.Environment, feature.MaxEnvironments+1)
	for i := range many {
		many[i].Key = fmt.Sprintf("e%d", i)
	}
	_, _, err := w.a.CreateProject(w.ctx, root(), feature.Project{Key: "bank"}, many)
	requireCode(t, feature.CodeInvalid, err)
	_, err = w.a.GetProject(w.ctx, root(), "bank")
	requireCode(t, feature.CodeNotFound, err)
}

func TestEnvironments(t *testing.T) {
	w := newWorld(t)
	w.flag("f")
	w.ramp("f", "production", "50")
	w.segment("beta", nil)
	e, _, err := w.a.CreateEnvironment(w.ctx, root(), "shop", feature.Environment{Key: "qa", Order: -1})
	require.NoError(t, err)
	w.check()
	require.False(t, w.targeting("f", "qa").Enabled, "every flag is off in a new environment")
	list, err := w.a.ListEnvironments(w.ctx, root(), "shop")
	require.NoError(t, err)
	require.Equal(t, []string{"qa", "staging", "production"}, []string{list[0].Key, list[1].Key, list[2].Key})
	_, _, err = w.a.CreateEnvironment(w.ctx, root(), "shop", feature.Environment{Key: "qa"})
	requireCode(t, feature.CodeExists, err)
	e, _, err = w.a.PatchEnvironment(w.ctx, matching(e.Version), "shop", "qa", []byte(`{"name":"Quality","production":true}`))
	require.NoError(t, err)
	require.True(t, e.Production)
	_, _, err = w.a.PatchEnvironment(w.ctx, matching(e.Version-1), "shop", "qa", []byte(`{}`))
	requireCode(t, feature.CodePrecondition, err)

	_, _, err = w.a.Kill(w.ctx, root(), "shop", "f", "qa")
	require.NoError(t, err)
	_, _, err = w.a.EditList(w.ctx, root(), "shop", "beta", "qa", feature.Include, ListEdit{Add: []string{"u"}})
	require.NoError(t, err)
	_, err = w.a.DeleteEnvironment(w.ctx, root(), "shop", "qa")
	requireCode(t, feature.CodePreconditionRequired, err)
	_, err = w.a.DeleteEnvironment(w.ctx, matching(e.Version), "shop", "qa")
	require.NoError(t, err)
	for k := range w.m.state("shop").All() {
		require.NotContains(t, k.Collection+"/"+k.ID+"/", "/qa/", "nothing is left of it")
	}
	_, err = w.a.GetEnvironment(w.ctx, root(), "shop", "qa")
	requireCode(t, feature.CodeNotFound, err)
	_, err = w.a.DeleteEnvironment(w.ctx, matching(e.Version), "shop", "qa")
	requireCode(t, feature.CodeNotFound, err)
	w.check()
	require.Equal(t, feature.Percent(50_000), w.targeting("f", "production").Default.Distribution.Exposure)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	made, _, err := w.a.CreateToken(w.ctx, root(), feature.Token{Name: "sdk", Kind: "server", Project: "shop", Environment: "production"})
	require.NoError(t, err)
	require.NotEmpty(t, made.Secret)
	require.Empty(t, made.Token.SecretHash, "a hash is never shown")
	used := w.clock.Now()
	w.a.opts.LastUsed = func(context.Context) (map[string]time.Time, error) {
		return map[string]time.Time{made.Token.ID: used}, feature.Unavailable(nil, "the others do not answer")
	}
	list, err := w.a.ListTokens(w.ctx, root(), "shop", Page{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Empty(t, list.Items[0].SecretHash)
	require.Equal(t, used, list.Items[0].LastUsed)
	got, err := w.a.GetToken(w.ctx, root(), "shop", made.Token.ID)
	require.NoError(t, err)
	require.Equal(t, used, got.LastUsed)
	system, err := w.a.ListTokens(w.ctx, root(), "", Page{})
	require.NoError(t, err)
	require.Empty(t, system.Items)

	for name, bad := range map[string]feature.Token{
		"an SDK's without an environment": {Name: "x", Kind: "server", Project: "shop"},
		"an unknown environment":          {Name: "x", Kind: "server", Project: "shop", Environment: "moon"},
		"a role for an SDK":               {Name: "x", Kind: "client", Project: "shop", Environment: "production", Role: "admin"},
		"no role for an admin":            {Name: "x", Kind: "admin", Project: "shop"},
		"an id of one's own":              {Name: "x", Kind: "kill", Project: "shop", ID: "mine"},
		"expired":                         {Name: "x", Kind: "kill", Project: "shop", Expires: w.clock.Now()},
	} {
		_, _, err := w.a.CreateToken(w.ctx, root(), bad)
		require.Equal(t, feature.CodeInvalid, feature.CodeOf(err), name)
	}

	t.Run("nobody makes more than he is", func(t *testing.T) {
		_, _, err := w.a.CreateToken(w.ctx, as(policy.RoleAdmin, ""), feature.Token{Name: "x", Kind: "admin", Role: "admin"})
		requireCode(t, feature.CodeDenied, err)
		_, _, err = w.a.CreateToken(w.ctx, as(policy.RoleAdmin, "staging"), feature.Token{Name: "x", Kind: "admin", Role: "admin", Project: "shop"})
		requireCode(t, feature.CodeDenied, err)
		_, _, err = w.a.CreateToken(w.ctx, as(policy.RoleAdmin, "staging"), feature.Token{Name: "x", Kind: "kill", Project: "shop", Environment: "production"})
		requireCode(t, feature.CodeNotFound, err)
		_, _, err = w.a.CreateToken(w.ctx, as(policy.RoleEditor, ""), feature.Token{Name: "x", Kind: "kill", Project: "shop"})
		requireCode(t, feature.CodeDenied, err)
		_, _, err = w.a.CreateToken(w.ctx, as(policy.RoleAdmin, "staging"), feature.Token{Name: "x", Kind: "admin", Role: "admin", Project: "shop", Environment: "staging"})
		require.NoError(t, err)
	})

	next, _, err := w.a.RotateToken(w.ctx, root(), "shop", made.Token.ID, 0)
	require.NoError(t, err)
	require.NotEqual(t, made.Token.ID, next.Token.ID)
	require.NotEmpty(t, next.Secret)
	old, err := w.a.GetToken(w.ctx, root(), "shop", made.Token.ID)
	require.NoError(t, err)
	require.True(t, old.Live(w.clock.Now()), "both are good while a secret is being replaced")
	require.Equal(t, next.Token.ID, old.Successor)
	w.clock.add(24 * time.Hour)
	require.False(t, old.Live(w.clock.Now()))
	_, _, err = w.a.RotateToken(w.ctx, root(), "shop", made.Token.ID, 0)
	requireCode(t, feature.CodeConflict, err)

	gone, _, err := w.a.RevokeToken(w.ctx, root(), "shop", next.Token.ID)
	require.NoError(t, err)
	require.False(t, gone.Live(w.clock.Now()))
	_, written, err := w.a.RevokeToken(w.ctx, root(), "shop", next.Token.ID)
	require.NoError(t, err)
	require.True(t, written.Unchanged)
	_, err = w.a.GetToken(w.ctx, root(), "bank", next.Token.ID)
	requireCode(t, feature.CodeNotFound, err)

	t.Run("a repetition does not show the secret again", func(t *testing.T) {
		first, _, err := w.a.CreateToken(w.ctx, idempotent("token", 1), feature.Token{Name: "y", Kind: "kill", Project: "shop"})
		require.NoError(t, err)
		again, written, err := w.a.CreateToken(w.ctx, idempotent("token", 1), feature.Token{Name: "y", Kind: "kill", Project: "shop"})
		require.NoError(t, err)
		require.True(t, written.Replayed)
		require.Equal(t, first.Token.ID, again.Token.ID)
		require.Empty(t, again.Secret)
		require.NotEmpty(t, first.Secret)
	})
}
