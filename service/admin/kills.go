package admin

import (
	"context"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Kill kills a flag in an environment, whatever its targeting says and whatever becomes of it. It goes before everything else that waits, needs no
// If-Match and is not compiled. Killing a flag that is killed adds another kill: the flag lives again when all of them are cleared.
func (s *Service) Kill(ctx context.Context, call Call, project, flag, environment string) (feature.Kill, Written, error) {
	if err := s.project(ctx, &call, project, policy.KillCreate, environment); err != nil {
		return feature.Kill{}, Written{}, err
	}
	c := change{scope: project, verb: "kill", target: at(flag, environment), class: store.ClassKill}
	return write(ctx, s, &call, c, func(d *Draft) (feature.Kill, error) { return d.Kill(flag, environment) })
}

// KillByTag kills every flag that carries a tag when the kill is committed; conflict when there is none.
func (s *Service) KillByTag(ctx context.Context, call Call, project, tag, environment string) ([]feature.Kill, Written, error) {
	if err := s.project(ctx, &call, project, policy.KillCreate, environment); err != nil {
		return nil, Written{}, err
	}
	c := change{scope: project, verb: "kill.tag", target: "tag/" + tag + "@" + environment, class: store.ClassKill}
	return write(ctx, s, &call, c, func(d *Draft) ([]feature.Kill, error) { return d.KillByTag(tag, environment) })
}

// ClearKill clears one kill of a flag. The flag lives again when it was the last one. Clearing what is cleared changes nothing.
func (s *Service) ClearKill(ctx context.Context, call Call, project, flag, environment, id string) (feature.Kill, Written, error) {
	if err := s.project(ctx, &call, project, policy.KillClear, environment); err != nil {
		return feature.Kill{}, Written{}, err
	}
	c := change{scope: project, verb: "kill.clear", target: at(flag, environment)}
	return write(ctx, s, &call, c, func(d *Draft) (feature.Kill, error) { return d.ClearKill(flag, environment, id) })
}

// KillFilter chooses kills; empty fields do not matter.
type KillFilter struct {
	Flag        string
	Environment string
	Live        bool // only those that are not cleared
}

// ListKills lists kills by environment, then time.
func (s *Service) ListKills(ctx context.Context, call Call, project string, filter KillFilter) ([]feature.Kill, error) {
	state, err := s.view(ctx, &call, project, policy.KillRead, filter.Environment)
	if err != nil {
		return nil, err
	}
	if filter.Environment != "" {
		if _, there := state.Get(environmentKey(filter.Environment)); !there {
			return nil, feature.NotFound("environment", filter.Environment)
		}
	}
	out := []feature.Kill{}
	for environment := range state.List(collEnvironment) {
		only := call.Principal.Environment
		if filter.Environment != "" && filter.Environment != environment || only != "" && only != environment {
			continue
		}
		for _, data := range state.List(killCollection(environment)) {
			k, err := feature.Decode[feature.Kill](data)
			if err != nil {
				return nil, err
			}
			if (filter.Flag == "" || filter.Flag == k.Flag) && (!filter.Live || k.Cleared == nil) {
				out = append(out, k)
			}
		}
	}
	return out, nil
}

// Kill is [Service.Kill] in a draft.
func (d *Draft) Kill(flag, environment string) (feature.Kill, error) {
	if err := d.killPlace(policy.KillCreate, environment); err != nil {
		return feature.Kill{}, err
	}
	if _, there := d.get(flagKey(flag)); !there {
		return feature.Kill{}, feature.NotFound("flag", flag)
	}
	return d.kill(flag, environment, "")
}

// KillByTag is [Service.KillByTag] in a draft.
func (d *Draft) KillByTag(tag, environment string) ([]feature.Kill, error) {
	if err := d.killPlace(policy.KillCreate, environment); err != nil {
		return nil, err
	}
	out := []feature.Kill{}
	for _, key := range d.ids(collFlag) {
		f, err := load[feature.Flag](d, flagKey(key), "flag", key)
		if err != nil {
			return nil, err
		}
		if f.Archived || !slices.Contains(f.Tags, tag) {
			continue
		}
		k, err := d.kill(key, environment, tag)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, feature.NotFound("flag with the tag", tag)
	}
	return out, nil
}

func (d *Draft) killPlace(action policy.Action, environment string) error {
	if err := d.can(action, environment); err != nil {
		return err
	}
	if _, there := d.get(environmentKey(environment)); !there {
		return feature.NotFound("environment", environment)
	}
	return nil
}

func (d *Draft) kill(flag, environment, tag string) (feature.Kill, error) {
	id, err := d.s.newID()
	k := feature.Kill{ID: id, Flag: flag, Environment: environment, At: d.now, By: d.call.Principal.ID, Reason: d.call.Reason, Tag: tag}
	if err != nil {
		return k, err
	}
	return k, d.storeKill(&k)
}

// storeKill writes both documents of a kill: the authored one and that of the ruleset.
func (d *Draft) storeKill(k *feature.Kill) error {
	if err := d.lowered(killKey(k.Environment, k.ID), k); err != nil {
		return err
	}
	data, err := feature.Encode(compile.Kill(k))
	if err == nil {
		d.put(rulesetKey(k.Environment, evaluator.KindKill, k.ID), data)
	}
	return err
}

// ClearKill is [Service.ClearKill] in a draft.
func (d *Draft) ClearKill(flag, environment, id string) (feature.Kill, error) {
	if err := d.killPlace(policy.KillClear, environment); err != nil {
		return feature.Kill{}, err
	}
	k, err := load[feature.Kill](d, killKey(environment, id), "kill", id)
	if err != nil {
		return k, err
	}
	if k.Flag != flag {
		return k, feature.NotFound("kill", id)
	}
	if k.Cleared != nil {
		return k, nil
	}
	k.Cleared = &feature.Clear{At: d.now, By: d.call.Principal.ID, Reason: d.call.Reason}
	return k, d.storeKill(&k)
}

// purge deletes kills that were cleared long ago. It rides on other commits, at most once an hour.
func (d *Draft) purge() error {
	sc := d.s.scope(d.project)
	sc.mu.Lock()
	due := d.now.Sub(sc.purged) >= time.Hour
	sc.mu.Unlock()
	if !due || d.project == store.System {
		return nil
	}
	for _, environment := range d.environments() {
		for id, data := range d.base.List(killCollection(environment)) {
			k, err := feature.Decode[feature.Kill](data)
			if err != nil {
				return err
			}
			if k.Cleared != nil && d.now.Sub(k.Cleared.At) > feature.TombstoneAge {
				d.delete(killKey(environment, id))
				d.delete(rulesetKey(environment, evaluator.KindKill, id))
			}
		}
	}
	d.purging = true
	return nil
}

// RestoreKills commits the kills that this process knew before a scope's history was rewritten (a restored backup, a failover that lost commits)
// and that are missing now, unless they were cleared. It returns how many. A kill that is there in any form is left alone: of a clear and its
// loss, the loss is the safe side.
func (s *Service) RestoreKills(ctx context.Context, call Call, project string, known *store.State) (int, error) {
	c := change{scope: project, verb: "kill.restore", target: "project/" + project, class: store.ClassKill}
	n, _, err := write(ctx, s, &call, c, func(d *Draft) (int, error) {
		n := 0
		for _, environment := range d.environments() {
			if err := d.can(policy.KillCreate, environment); err != nil {
				return 0, err
			}
			for id, data := range known.List(killCollection(environment)) {
				if _, there := d.get(killKey(environment, id)); there {
					continue
				}
				k, err := feature.Decode[feature.Kill](data)
				if err != nil {
					return 0, err
				}
				if k.Cleared == nil {
					n++
					if err := d.storeKill(&k); err != nil {
						return 0, err
					}
				}
			}
		}
		return n, nil
	})
	return n, err
}
