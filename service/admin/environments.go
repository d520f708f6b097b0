package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// ListEnvironments lists a project's environments by order, then key; for a caller bound to one environment, that one.
func (s *Service) ListEnvironments(ctx context.Context, call Call, project string) ([]feature.Environment, error) {
	state, err := s.view(ctx, &call, project, policy.EnvironmentRead, "")
	if err != nil {
		return nil, err
	}
	out := []feature.Environment{}
	for key, data := range state.List(collEnvironment) {
		if only := call.Principal.Environment; only != "" && only != key {
			continue
		}
		e, err := feature.Decode[feature.Environment](data)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b feature.Environment) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

// GetEnvironment returns one environment.
func (s *Service) GetEnvironment(ctx context.Context, call Call, project, environment string) (feature.Environment, error) {
	state, err := s.view(ctx, &call, project, policy.EnvironmentRead, environment)
	if err != nil {
		return feature.Environment{}, err
	}
	return read[feature.Environment](state, environmentKey(environment), "environment", environment)
}

// CreateEnvironment makes an environment in which every flag is off.
func (s *Service) CreateEnvironment(ctx context.Context, call Call, project string, e feature.Environment) (feature.Environment, Written, error) {
	return s.environmentVerb(ctx, call, project, "environment.create", e.Key, func(d *Draft) (feature.Environment, error) {
		return d.CreateEnvironment(e)
	})
}

// PatchEnvironment applies a merge patch. The key cannot change.
func (s *Service) PatchEnvironment(ctx context.Context, call Call, project, environment string, patch []byte) (feature.Environment, Written, error) {
	if err := feature.CheckPatch(patch, feature.Environment{}, feature.Limits{}); err != nil {
		return feature.Environment{}, Written{}, err
	}
	return s.environmentVerb(ctx, call, project, "environment.update", environment, func(d *Draft) (feature.Environment, error) {
		return d.PatchEnvironment(environment, call.IfMatch, patch)
	})
}

func (s *Service) environmentVerb(
	ctx context.Context, call Call, project, verb, environment string, fn func(*Draft) (feature.Environment, error),
) (feature.Environment, Written, error) {
	if err := s.project(ctx, &call, project, policy.EnvironmentWrite, environment); err != nil {
		return feature.Environment{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: verb, target: "environment/" + environment}, fn)
}

// CreateEnvironment is [Service.CreateEnvironment] in a draft.
func (d *Draft) CreateEnvironment(e feature.Environment) (feature.Environment, error) {
	if err := d.can(policy.EnvironmentWrite, e.Key); err != nil {
		return e, err
	}
	return d.createEnvironment(e)
}

func (d *Draft) createEnvironment(e feature.Environment) (feature.Environment, error) {
	if e.Version != 0 || !e.CreatedAt.IsZero() || !e.UpdatedAt.IsZero() {
		d.invalid(feature.Invalid("/version", "is made by the server"))
	}
	if err := e.Validate(); err != nil {
		d.invalid(err)
		return e, nil
	}
	if _, there := d.get(environmentKey(e.Key)); there {
		return e, feature.Exists("environment", e.Key)
	}
	others := d.environments()
	if len(others) >= feature.MaxEnvironments {
		return e, feature.Conflict("a project has at most %d environments", feature.MaxEnvironments)
	}
	system, err := d.s.state(d.ctx, store.System)
	if err != nil {
		return e, err
	}
	bound, err := boundTokens(system, d.project, e.Key)
	if err != nil {
		return e, err
	}
	if n := d.leftovers(e.Key, 1); n > 0 || len(bound) > 0 {
		return e, feature.Conflict("the deletion of an environment with the same key is not finished; delete it again")
	}
	e.Version, e.CreatedAt, e.UpdatedAt = d.revision(), d.now, d.now
	d.version = e.Version
	if err := d.authored(environmentKey(e.Key), e); err != nil {
		return e, err
	}
	return e, d.populate(e.Key, others)
}

// populate gives a new environment every flag, off, and every segment.
func (d *Draft) populate(environment string, others []string) error {
	for _, key := range d.ids(collFlag) {
		f, err := load[feature.Flag](d, flagKey(key), "flag", key)
		if err != nil {
			return err
		}
		off := ""
		if len(others) > 0 {
			if t, err := load[feature.Targeting](d, targetingKey(others[0], key), "flag", key); err == nil {
				off = t.Off
			}
		}
		if err := d.newTargeting(&f, environment, off); err != nil {
			return err
		}
	}
	for _, key := range d.ids(collSegment) {
		d.segments[segmentPlace{environment, key}] = d.prefix
	}
	return nil
}

// PatchEnvironment is [Service.PatchEnvironment] in a draft.
func (d *Draft) PatchEnvironment(environment, ifMatch string, patch []byte) (feature.Environment, error) {
	none := feature.Environment{}
	if err := d.can(policy.EnvironmentWrite, environment); err != nil {
		return none, err
	}
	before, err := load[feature.Environment](d, environmentKey(environment), "environment", environment)
	if err != nil {
		return none, err
	}
	if err := d.matches(ifMatch, before.Version, mustMatch); err != nil {
		return none, err
	}
	after, err := patched(before, patch)
	if err != nil {
		return none, err
	}
	if after.Key != before.Key || after.Version != before.Version || !after.CreatedAt.Equal(before.CreatedAt) || !after.UpdatedAt.Equal(before.UpdatedAt) {
		d.invalid(feature.Invalid("", "key, version, createdAt and updatedAt cannot be changed"))
	}
	d.invalid(after.Validate())
	d.version = before.Version
	if same(before, after) {
		return before, nil
	}
	after.Version, after.UpdatedAt = d.revision(), d.now
	d.version = after.Version
	return after, d.authored(environmentKey(environment), after)
}

// maxSweep is how many bytes of documents one commit of a sweep deletes, well below what a store takes at once.
const maxSweep = 8 << 20

// DeleteEnvironment deletes an environment with all that is in it: targeting, lists, kills and ruleset, and revokes the tokens that are bound to it, which would be good
// again for a new one of its name. A large one takes several commits, the first of which makes it unreachable; repeating the call, with any If-Match, finishes what was
// interrupted.
func (s *Service) DeleteEnvironment(ctx context.Context, call Call, project, environment string) (Written, error) {
	if err := s.project(ctx, &call, project, policy.EnvironmentWrite, environment); err != nil {
		return Written{}, err
	}
	system, err := s.sync(ctx, store.System)
	if err != nil {
		return Written{}, err
	}
	bound, err := boundTokens(system, project, environment)
	if err != nil {
		return Written{}, err
	}
	c := change{scope: project, verb: "environment.delete", target: "environment/" + environment}
	for first := true; ; first = false {
		more, w, err := write(ctx, s, &call, c, func(d *Draft) (bool, error) {
			return d.deleteEnvironment(environment, call.IfMatch, first, len(bound) > 0)
		})
		if err != nil || call.DryRun {
			return w, err
		}
		call.Idempotency = nil
		if first {
			if err := s.revokeBound(ctx, call, project, environment); err != nil {
				return Written{}, err
			}
		}
		if !more {
			return w, nil
		}
	}
}

// boundTokens lists the ids of an environment's tokens that are not revoked.
func boundTokens(system *store.State, project, environment string) ([]string, error) {
	var out []string
	for id, data := range system.List(collToken) {
		t, err := feature.Decode[feature.Token](data)
		if err != nil {
			return nil, err
		}
		if t.Project == project && t.Environment == environment && t.RevokedAt.IsZero() {
			out = append(out, id)
		}
	}
	return out, nil
}

// revokeBound revokes an environment's tokens.
func (s *Service) revokeBound(ctx context.Context, call Call, project, environment string) error {
	system, err := s.sync(ctx, store.System)
	if err != nil {
		return err
	}
	if bound, err := boundTokens(system, project, environment); err != nil || len(bound) == 0 {
		return err
	}
	c := change{scope: store.System, verb: "token.revoke", target: "project/" + project + "/environment/" + environment}
	_, _, err = write(ctx, s, &call, c, func(d *Draft) (struct{}, error) {
		bound, err := boundTokens(d.base, project, environment)
		if err != nil {
			return struct{}{}, err
		}
		for _, id := range bound {
			t, err := load[feature.Token](d, tokenKey(id), "token", id)
			if err != nil {
				return struct{}{}, err
			}
			t.RevokedAt, t.RevokedBy, t.Version = d.now, call.Principal.ID, d.revision()
			if err := d.lowered(tokenKey(id), t); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// deleteEnvironment makes one step; more says that another is needed. bound: tokens are left of it.
func (d *Draft) deleteEnvironment(environment, ifMatch string, first, bound bool) (more bool, err error) {
	if err := d.can(policy.EnvironmentWrite, environment); err != nil {
		return false, err
	}
	e, err := load[feature.Environment](d, environmentKey(environment), "environment", environment)
	switch {
	case err == nil && !first:
		return false, feature.Conflict("the environment was made anew while it was being deleted")
	case err == nil:
		if err := d.matches(ifMatch, e.Version, mustMatch); err != nil {
			return false, err
		}
		d.delete(environmentKey(environment))
	case first && !bound && d.leftovers(environment, 1) == 0:
		return false, err
	}
	return d.leftovers(environment, maxSweep) >= maxSweep, nil
}

// leftovers deletes documents of an environment until they have limit bytes, and returns how many bytes they have.
func (d *Draft) leftovers(environment string, limit int) int {
	size := 0
	sweep := func(collection, prefix string) {
		for id, data := range d.base.List(collection) {
			if size >= limit {
				return
			}
			if prefix == "" || id == environment || len(id) > len(prefix) && id[:len(prefix)] == prefix {
				d.delete(store.Key{Collection: collection, ID: id})
				size += len(data)
			}
		}
	}
	for _, collection := range []string{store.RulesetCollection(environment), targetingCollection(environment), killCollection(environment)} {
		sweep(collection, "")
	}
	for _, segment := range d.ids(collSegment) {
		sweep(listCollection(segment), environment+"/")
	}
	return size
}
