package admin

import (
	"context"
	"errors"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// ListProjects lists the projects that the caller may see, by key, also those on their way in or out.
func (s *Service) ListProjects(ctx context.Context, call Call, page Page) (Paged[feature.Project], error) {
	if err := policy.Can(call.Principal, policy.ProjectRead, policy.Resource{}); err != nil {
		return Paged[feature.Project]{}, err
	}
	state, err := s.fresh(ctx, store.System)
	if err != nil {
		return Paged[feature.Project]{}, err
	}
	return paginate(state.List(collProject), page, func(key string, data []byte) (feature.Project, bool, error) {
		if only := call.Principal.Project; only != "" && only != key {
			return feature.Project{}, false, nil
		}
		p, err := feature.Decode[feature.Project](data)
		return p, err == nil, err
	})
}

// GetProject returns one project.
func (s *Service) GetProject(ctx context.Context, call Call, project string) (feature.Project, error) {
	if err := policy.Can(call.Principal, policy.ProjectRead, policy.Resource{Project: project}); err != nil {
		return feature.Project{}, err
	}
	state, err := s.fresh(ctx, store.System)
	if err != nil {
		return feature.Project{}, err
	}
	return read[feature.Project](state, projectKey(project), "project", project)
}

// CreateProject makes a project with its environments, production alone when there are none. It takes two scopes and so three commits; one that was
// interrupted is finished by repeating the call or by [Service.ResumeProjects].
func (s *Service) CreateProject(ctx context.Context, call Call, p feature.Project, environments []feature.Environment) (feature.Project, Written, error) {
	if err := policy.Can(call.Principal, policy.ProjectWrite, policy.Resource{}); err != nil {
		return p, Written{}, err
	}
	if len(environments) == 0 {
		environments = []feature.Environment{{Key: "production", Name: "Production", Production: true}}
	}
	if err := checkProject(p, environments); err != nil {
		return p, Written{}, err
	}
	p, w, err := s.projectVerb(ctx, call, "project.create", p.Key, func(d *Draft) (feature.Project, error) {
		if data, there := d.get(projectKey(p.Key)); there {
			old, err := feature.Decode[feature.Project](data)
			if err == nil && old.State != feature.ProjectCreating {
				err = feature.Exists("project", p.Key)
			}
			return old, err
		}
		p.State, p.Initial = feature.ProjectCreating, environments
		p.Version, p.CreatedAt = d.revision(), d.now
		d.version = p.Version
		return p, d.authored(projectKey(p.Key), p)
	})
	if err != nil || call.DryRun || p.State == feature.ProjectActive {
		return p, w, err
	}
	p, done, err := s.finishCreating(ctx, call, p)
	if done.Replayed {
		done.Epoch = w.Epoch
	}
	return p, done, err
}

func checkProject(p feature.Project, environments []feature.Environment) error {
	var errs []error
	if p.State != "" || p.Version != 0 || !p.CreatedAt.IsZero() || p.Initial != nil {
		errs = append(errs, feature.Invalid("", "state, version, createdAt and initial are made by the server"))
	}
	errs = append(errs, p.Validate())
	if len(environments) > feature.MaxEnvironments {
		errs = append(errs, feature.Invalid("/environments", "has %d entries; at most %d", len(environments), feature.MaxEnvironments))
	}
	seen := map[string]bool{}
	for i, e := range environments {
		path := feature.Pointer("environments", i)
		for _, problem := range feature.Problems(e.Validate()) {
			errs = append(errs, problem.At(path))
		}
		if seen[e.Key] {
			errs = append(errs, feature.Invalid(path+"/key", "%q is there twice", e.Key))
		}
		seen[e.Key] = true
	}
	return feature.Join(errs...)
}

func (s *Service) projectVerb(
	ctx context.Context, call Call, verb, project string, fn func(*Draft) (feature.Project, error),
) (feature.Project, Written, error) {
	return write(ctx, s, &call, change{scope: store.System, verb: verb, target: "project/" + project}, fn)
}

// finishCreating makes the environments in the project's own scope, then declares the project active. Both steps can be repeated.
func (s *Service) finishCreating(ctx context.Context, call Call, p feature.Project) (feature.Project, Written, error) {
	call.Idempotency, call.IfMatch = nil, ""
	if current, err := s.unfinished(ctx, p, feature.ProjectCreating); err != nil || current.State == feature.ProjectActive {
		return current, Written{Revision: current.Version, Version: current.Version, Durability: store.Unconfirmed, Replayed: true}, err
	}
	_, _, err := write(ctx, s, &call, change{scope: p.Key, verb: "project.create", target: "project/" + p.Key}, func(d *Draft) (int, error) {
		for _, e := range p.Initial {
			if _, there := d.get(environmentKey(e.Key)); there {
				continue
			}
			if _, err := d.createEnvironment(e); err != nil {
				return 0, err
			}
		}
		return len(p.Initial), nil
	})
	if err != nil {
		return p, Written{}, err
	}
	return s.projectVerb(ctx, call, "project.activate", p.Key, func(d *Draft) (feature.Project, error) {
		current, err := load[feature.Project](d, projectKey(p.Key), "project", p.Key)
		if err != nil || current.State == feature.ProjectActive {
			d.version = current.Version
			return current, err
		}
		if current.State != feature.ProjectCreating {
			return current, feature.Conflict("the project is %s", current.State)
		}
		current.State, current.Initial, current.Version = feature.ProjectActive, nil, d.revision()
		d.version = current.Version
		return current, d.authored(projectKey(p.Key), current)
	})
}

// unfinished is a project as the store has it now, before a step in its own scope is taken for it. p may be the record of a request that was made long
// ago: the project may have been finished since, or deleted, or be another one of the same key. For one that is to be deleted, what has gone or been
// made anew is no error, and has no state; what is to be created has to be there.
func (s *Service) unfinished(ctx context.Context, p feature.Project, step feature.ProjectState) (feature.Project, error) {
	state, err := s.sync(ctx, store.System)
	if err != nil {
		return p, err
	}
	current, err := read[feature.Project](state, projectKey(p.Key), "project", p.Key)
	gone := feature.CodeOf(err) == feature.CodeNotFound || err == nil && !current.CreatedAt.Equal(p.CreatedAt)
	switch {
	case gone && step == feature.ProjectDeleting:
		return feature.Project{}, nil
	case gone:
		return p, feature.Conflict("the project has been deleted since")
	case err == nil && step == feature.ProjectCreating && current.State == feature.ProjectDeleting:
		return p, feature.Conflict("the project is %s", current.State)
	}
	return current, err
}

// PatchProject applies a merge patch to a project's name and description.
func (s *Service) PatchProject(ctx context.Context, call Call, project string, patch []byte) (feature.Project, Written, error) {
	if err := policy.Can(call.Principal, policy.ProjectWrite, policy.Resource{Project: project}); err != nil {
		return feature.Project{}, Written{}, err
	}
	if err := feature.CheckPatch(patch, feature.Project{}, feature.Limits{}); err != nil {
		return feature.Project{}, Written{}, err
	}
	return s.projectVerb(ctx, call, "project.update", project, func(d *Draft) (feature.Project, error) {
		before, err := d.projectFor(project, call.IfMatch)
		if err != nil {
			return before, err
		}
		if before.State != feature.ProjectActive {
			return before, feature.Conflict("the project is %s", before.State)
		}
		after, err := patched(before, patch)
		if err != nil {
			return before, err
		}
		if after.Key != before.Key || after.State != before.State || after.Version != before.Version || after.Initial != nil || !after.CreatedAt.Equal(before.CreatedAt) {
			d.invalid(feature.Invalid("", "only name and description can be changed"))
		}
		d.invalid(after.Validate())
		if same(before, after) {
			return before, nil
		}
		after.Version = d.revision()
		d.version = after.Version
		return after, d.authored(projectKey(project), after)
	})
}

func (d *Draft) projectFor(project, ifMatch string) (feature.Project, error) {
	p, err := load[feature.Project](d, projectKey(project), "project", project)
	if err == nil {
		d.version = p.Version
		err = d.matches(ifMatch, p.Version, mustMatch)
	}
	return p, err
}

// DeleteProject deletes a project with its log, its data and its tokens. From the first of its three steps on, nobody can work on it; one that was
// interrupted is finished by repeating the call or by [Service.ResumeProjects].
func (s *Service) DeleteProject(ctx context.Context, call Call, project string) (Written, error) {
	if err := policy.Can(call.Principal, policy.ProjectWrite, policy.Resource{Project: project}); err != nil {
		return Written{}, err
	}
	p, w, err := s.projectVerb(ctx, call, "project.delete", project, func(d *Draft) (feature.Project, error) {
		p, err := d.projectFor(project, call.IfMatch)
		if err != nil || p.State == feature.ProjectDeleting {
			return p, err
		}
		p.State, p.Version = feature.ProjectDeleting, d.revision()
		for id, data := range d.base.List(collToken) {
			t, err := feature.Decode[feature.Token](data)
			if err != nil {
				return p, err
			}
			if t.Project == project {
				d.delete(tokenKey(id))
			}
		}
		return p, d.lowered(projectKey(project), p)
	})
	if err != nil || call.DryRun {
		return w, err
	}
	done, err := s.finishDeleting(ctx, call, p)
	if done.Replayed {
		done.Epoch = w.Epoch
	}
	return done, err
}

// finishDeleting drops the project's scope, then its name. Both steps can be repeated.
func (s *Service) finishDeleting(ctx context.Context, call Call, p feature.Project) (Written, error) {
	call.Idempotency, call.IfMatch = nil, ""
	if current, err := s.unfinished(ctx, p, feature.ProjectDeleting); err != nil || current.State != feature.ProjectDeleting {
		return Written{Revision: p.Version, Durability: store.Unconfirmed, Replayed: true}, err
	}
	if err := s.opts.Store.Drop(ctx, p.Key); err != nil {
		return Written{}, fromStore(err)
	}
	s.forget(p.Key)
	_, w, err := s.projectVerb(ctx, call, "project.forget", p.Key, func(d *Draft) (feature.Project, error) {
		current, err := load[feature.Project](d, projectKey(p.Key), "project", p.Key)
		if feature.CodeOf(err) == feature.CodeNotFound {
			return p, nil
		}
		if err == nil && current.State == feature.ProjectDeleting {
			d.delete(projectKey(p.Key))
		}
		return current, err
	})
	w.Version = 0
	return w, err
}

// ResumeProjects finishes the creations and deletions that were interrupted; one that fails does not hold up the others. The server calls it when
// it starts.
func (s *Service) ResumeProjects(ctx context.Context, call Call) error {
	state, err := s.fresh(ctx, store.System)
	if err != nil {
		return err
	}
	var errs []error
	for _, data := range state.List(collProject) {
		p, err := feature.Decode[feature.Project](data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		switch p.State {
		case feature.ProjectCreating:
			_, _, err = s.finishCreating(ctx, call, p)
		case feature.ProjectDeleting:
			_, err = s.finishDeleting(ctx, call, p)
		case feature.ProjectActive:
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
