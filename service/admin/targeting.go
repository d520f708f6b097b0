package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// TargetingView is a flag's targeting in one environment with what stands above it.
type TargetingView struct {
	feature.Targeting
	Flag        string   `json:"flag"`
	Environment string   `json:"environment"`
	Archived    bool     `json:"archived,omitempty"`
	Killed      bool     `json:"killed"`
	Kills       []string `json:"kills,omitempty"` // ids of the kills that are not cleared
}

// GetTargeting returns a flag's targeting in an environment.
func (s *Service) GetTargeting(ctx context.Context, call Call, project, flag, environment string) (TargetingView, error) {
	none := TargetingView{Flag: flag, Environment: environment}
	state, err := s.view(ctx, &call, project, policy.TargetingRead, environment)
	if err != nil {
		return none, err
	}
	if _, there := state.Get(environmentKey(environment)); !there {
		return none, feature.NotFound("environment", environment)
	}
	if _, there := state.Get(flagKey(flag)); !there {
		return none, feature.NotFound("flag", flag)
	}
	t, err := read[feature.Targeting](state, targetingKey(environment, flag), "flag", flag)
	if err != nil {
		return none, err
	}
	return s.newDraft(ctx, &call, project, state).viewed(flag, environment, t)
}

// maxTargetings bounds the bytes of one page of targetings, of which each may have 256 KiB: a page may be short, with a Next.
const maxTargetings = 4 << 20

// ListTargetings lists the targeting of every flag in an environment, by flag, archived ones among them.
func (s *Service) ListTargetings(ctx context.Context, call Call, project, environment string, page Page) (Paged[TargetingView], error) {
	none := Paged[TargetingView]{Items: []TargetingView{}}
	state, err := s.view(ctx, &call, project, policy.TargetingRead, environment)
	if err != nil {
		return none, err
	}
	if _, there := state.Get(environmentKey(environment)); !there {
		return none, feature.NotFound("environment", environment)
	}
	kills := map[string][]string{}
	for id, data := range state.List(killCollection(environment)) {
		k, err := feature.Decode[feature.Kill](data)
		if err != nil {
			return none, err
		}
		if k.Cleared == nil {
			kills[k.Flag] = append(kills[k.Flag], id)
		}
	}
	limit, err := page.limit()
	if err != nil {
		return none, err
	}
	out := none
	bytes := 0
	for flag, data := range state.List(targetingCollection(environment)) {
		if page.Cursor != "" && flag <= page.Cursor {
			continue
		}
		if len(out.Items) == limit || bytes > 0 && bytes+len(data) > maxTargetings {
			out.Next = out.Items[len(out.Items)-1].Flag
			return out, nil
		}
		f, err := read[feature.Flag](state, flagKey(flag), "flag", flag)
		if err != nil {
			return none, err
		}
		t, err := feature.Decode[feature.Targeting](data)
		if err != nil {
			return none, err
		}
		bytes += len(data)
		out.Items = append(out.Items, TargetingView{Targeting: t, Flag: flag, Environment: environment, Archived: f.Archived, Killed: kills[flag] != nil, Kills: kills[flag]})
	}
	return out, nil
}

// PutTargeting replaces a targeting. Rules keep their cohorts by id; a rule without an id gets one. What the server owns may be left out, or has to be as it is.
func (s *Service) PutTargeting(ctx context.Context, call Call, project, flag, environment string, t feature.Targeting) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "targeting.update", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.PutTargeting(flag, environment, call.IfMatch, t)
	})
}

// PatchTargeting applies a merge patch to a targeting.
func (s *Service) PatchTargeting(ctx context.Context, call Call, project, flag, environment string, patch []byte) (TargetingView, Written, error) {
	if err := feature.CheckPatch(patch, feature.Targeting{}, feature.Limits{}); err != nil {
		return TargetingView{}, Written{}, err
	}
	return s.targetingVerb(ctx, call, project, flag, environment, "targeting.update", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.PatchTargeting(flag, environment, call.IfMatch, patch)
	})
}

func (s *Service) targetingVerb(
	ctx context.Context, call Call, project, flag, environment, verb string, action policy.Action, fn func(*Draft) (feature.Targeting, error),
) (TargetingView, Written, error) {
	if err := s.project(ctx, &call, project, action, environment); err != nil {
		return TargetingView{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: verb, target: at(flag, environment)}, func(d *Draft) (TargetingView, error) {
		t, err := fn(d)
		if err != nil {
			return TargetingView{Targeting: t, Flag: flag, Environment: environment}, err
		}
		return d.viewed(flag, environment, t)
	})
}

// viewed puts what stands above a targeting around it.
func (d *Draft) viewed(flag, environment string, t feature.Targeting) (TargetingView, error) {
	out := TargetingView{Targeting: t, Flag: flag, Environment: environment}
	f, err := load[feature.Flag](d, flagKey(flag), "flag", flag)
	if err != nil {
		return out, err
	}
	out.Archived = f.Archived
	for _, id := range d.ids(killCollection(environment)) {
		k, err := load[feature.Kill](d, killKey(environment, id), "kill", id)
		if err != nil {
			return out, err
		}
		if k.Flag == flag && k.Cleared == nil {
			out.Kills, out.Killed = append(out.Kills, id), true
		}
	}
	return out, nil
}

// PutTargeting is [Service.PutTargeting] in a draft.
func (d *Draft) PutTargeting(flag, environment, ifMatch string, t feature.Targeting) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mustMatch, policy.TargetingWrite}, func(_ *feature.Flag, before feature.Targeting) (feature.Targeting, error) {
		if t.Version == 0 {
			t.Version = before.Version
		}
		if t.UpdatedAt.IsZero() {
			t.UpdatedAt = before.UpdatedAt
		}
		return t, nil
	})
}

// PatchTargeting is [Service.PatchTargeting] in a draft.
func (d *Draft) PatchTargeting(flag, environment, ifMatch string, patch []byte) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mustMatch, policy.TargetingWrite}, func(_ *feature.Flag, before feature.Targeting) (feature.Targeting, error) {
		return patched(before, patch)
	})
}

// edit says which targeting is edited, and what for.
type edit struct {
	flag, environment string
	ifMatch           string
	rule              ifMatchRule
	action            policy.Action
}

// editTargeting is the common course of all verbs that change a targeting: fn gets a copy that it may change.
func (d *Draft) editTargeting(e edit, fn func(*feature.Flag, feature.Targeting) (feature.Targeting, error)) (feature.Targeting, error) {
	f, before, err := d.targetingFor(e)
	if err != nil {
		return before, err
	}
	after, err := fn(&f, before.Clone())
	if err != nil {
		return before, err
	}
	if err := d.nameRules(&after); err != nil {
		return before, err
	}
	d.owned(&before, &after)
	if !compile.Lowering(&before, &after) { // taking exposure away works even where something else is wrong
		d.invalid(after.Validate(&f))
	}
	return d.storeTargeting(&f, e.environment, &before, after.Clone())
}

func (d *Draft) targetingFor(e edit) (f feature.Flag, t feature.Targeting, err error) {
	if err = d.can(e.action, e.environment); err != nil {
		return f, t, err
	}
	if _, there := d.get(environmentKey(e.environment)); !there {
		return f, t, feature.NotFound("environment", e.environment)
	}
	if f, err = load[feature.Flag](d, flagKey(e.flag), "flag", e.flag); err != nil {
		return f, t, err
	}
	if t, err = load[feature.Targeting](d, targetingKey(e.environment, e.flag), "flag", e.flag); err != nil {
		return f, t, err
	}
	d.version = t.Version
	if err = d.matches(e.ifMatch, t.Version, e.rule); err != nil {
		return f, t, err
	}
	if f.Archived {
		err = feature.Conflict("the flag is archived; bring it back first")
	}
	return f, t, err
}

// nameRules gives ids to rules that have none.
func (d *Draft) nameRules(t *feature.Targeting) error {
	for i := range t.Rules {
		if t.Rules[i].ID != "" {
			continue
		}
		id, err := d.s.newSalt()
		if err != nil {
			return err
		}
		t.Rules = slices.Clone(t.Rules)
		t.Rules[i].ID = "r-" + id[:8]
	}
	return nil
}

// owned refuses changes of what the server owns. Ranges and lines may be left out.
func (d *Draft) owned(before, after *feature.Targeting) {
	const hint = "is made by the server and cannot be changed"
	if after.Version != before.Version {
		d.invalid(feature.Invalid("/version", hint))
	}
	if !after.UpdatedAt.Equal(before.UpdatedAt) {
		d.invalid(feature.Invalid("/updatedAt", hint))
	}
	if len(after.Lines) > 0 && !same(before.Lines, after.Lines) {
		d.invalid(feature.Invalid("/lines", hint))
	}
	known := map[string][]evaluator.Range{}
	before.Serves(func(id, _ string, s *feature.Serve) {
		if s.Distribution != nil {
			known[id] = s.Distribution.Ranges
		}
	})
	after.Serves(func(id, path string, s *feature.Serve) {
		if s.Distribution != nil && len(s.Distribution.Ranges) > 0 && !slices.Equal(known[id], s.Distribution.Ranges) {
			d.invalid(feature.Invalid(path+"/distribution/ranges", hint+"; the weights can"))
		}
	})
}

// storeTargeting lays out the hash lines and writes a targeting with a new version, unless nothing changes. before is nil for a new one. after must not
// share distributions with anything.
func (d *Draft) storeTargeting(f *feature.Flag, environment string, before *feature.Targeting, after feature.Targeting) (feature.Targeting, error) {
	d.invalid(compile.Lines(f, before, &after))
	raises := d.raises
	if before != nil {
		after.Version, after.UpdatedAt = before.Version, before.UpdatedAt
		d.version = before.Version
	}
	if err := fit(&after); err != nil {
		return after, err
	}
	if before != nil {
		if same(before, &after) {
			return *before, nil
		}
		lowering := compile.Lowering(before, &after)
		raises = raises || !lowering
		place := flagPlace{environment, f.Key}
		_, touched := d.flags[place]
		d.trusted[place] = lowering && (!touched || d.trusted[place]) // an earlier change in this draft may be what is wrong
	}
	after.Version, after.UpdatedAt = d.revision(), d.now
	d.version = after.Version
	d.flags[flagPlace{environment, f.Key}] = d.prefix
	write := d.authored
	if before != nil && !raises {
		write = d.lowered
	}
	err := write(targetingKey(environment, f.Key), &after)
	if feature.CodeOf(err) == feature.CodeTooLarge && len(after.Rules) > 0 {
		err = atRules(err)
	}
	return after, err
}

// fit makes the lines that are remembered leave room for the rest.
func fit(t *feature.Targeting) error {
	if len(t.Lines) == 0 {
		return nil
	}
	bare := *t
	bare.Lines = nil
	data, err := feature.Encode(&bare)
	if err != nil {
		return err
	}
	const around = 256 // a name, a version with more digits
	return compile.Forget(t, feature.MaxDocument-len(data)-around)
}

// atRules says that it is the rules that make a targeting too large.
func atRules(err error) error {
	if e, ok := errors.AsType[*feature.Error](err); ok {
		c := *e
		c.Path += "/rules"
		return &c
	}
	return err
}
