package admin

import (
	"context"
	"slices"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// PutRule replaces the rule with an id, or adds it at the end. The id may be left out of the rule.
func (s *Service) PutRule(ctx context.Context, call Call, project, flag, environment, id string, r feature.Rule) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "rule.put", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.PutRule(flag, environment, call.IfMatch, id, r)
	})
}

// PatchRule applies a merge patch to one rule.
func (s *Service) PatchRule(ctx context.Context, call Call, project, flag, environment, id string, patch []byte) (TargetingView, Written, error) {
	if err := feature.CheckPatch(patch, feature.Rule{}, feature.Limits{}); err != nil {
		return TargetingView{}, Written{}, err
	}
	return s.targetingVerb(ctx, call, project, flag, environment, "rule.update", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.PatchRule(flag, environment, call.IfMatch, id, patch)
	})
}

// DeleteRule removes one rule. Its hash line is remembered: a rule that is added with the same id has the same cohorts.
func (s *Service) DeleteRule(ctx context.Context, call Call, project, flag, environment, id string) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "rule.delete", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.DeleteRule(flag, environment, call.IfMatch, id)
	})
}

// OrderRules puts the rules in another order; ids names every rule once.
func (s *Service) OrderRules(ctx context.Context, call Call, project, flag, environment string, ids []string) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "rule.order", policy.TargetingWrite, func(d *Draft) (feature.Targeting, error) {
		return d.OrderRules(flag, environment, call.IfMatch, ids)
	})
}

// PutRule is [Service.PutRule] in a draft.
func (d *Draft) PutRule(flag, environment, ifMatch, id string, r feature.Rule) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mustMatch, policy.TargetingWrite}, func(_ *feature.Flag, t feature.Targeting) (feature.Targeting, error) {
		if r.ID == "" {
			r.ID = id
		}
		if r.ID != id {
			return t, feature.Invalid("/id", "the rule is %q in the path", id)
		}
		if i := t.Rule(id); i >= 0 {
			t.Rules[i] = r
		} else {
			t.Rules = append(t.Rules, r)
		}
		return t, nil
	})
}

// PatchRule is [Service.PatchRule] in a draft.
func (d *Draft) PatchRule(flag, environment, ifMatch, id string, patch []byte) (feature.Targeting, error) {
	return d.editRule(flag, environment, ifMatch, id, func(t feature.Targeting, i int) (feature.Targeting, error) {
		after, err := patched(t.Rules[i], patch)
		if err == nil && after.ID != id {
			err = feature.Invalid("/id", "cannot be changed")
		}
		t.Rules[i] = after
		return t, err
	})
}

// DeleteRule is [Service.DeleteRule] in a draft.
func (d *Draft) DeleteRule(flag, environment, ifMatch, id string) (feature.Targeting, error) {
	return d.editRule(flag, environment, ifMatch, id, func(t feature.Targeting, i int) (feature.Targeting, error) {
		t.Rules = slices.Delete(t.Rules, i, i+1)
		return t, nil
	})
}

func (d *Draft) editRule(flag, environment, ifMatch, id string, fn func(feature.Targeting, int) (feature.Targeting, error)) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mustMatch, policy.TargetingWrite}, func(_ *feature.Flag, t feature.Targeting) (feature.Targeting, error) {
		i := t.Rule(id)
		if i < 0 {
			return t, feature.NotFound("rule", id)
		}
		return fn(t, i)
	})
}

// OrderRules is [Service.OrderRules] in a draft. It needs no If-Match: an order that does not name exactly the rules that there are is refused.
func (d *Draft) OrderRules(flag, environment, ifMatch string, ids []string) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mayMatch, policy.TargetingWrite}, func(_ *feature.Flag, t feature.Targeting) (feature.Targeting, error) {
		ordered := make([]feature.Rule, 0, len(ids))
		for i, id := range ids {
			at := t.Rule(id)
			if at < 0 {
				return t, feature.Conflict("there is no rule %q", id)
			}
			if slices.Contains(ids[:i], id) {
				return t, feature.Invalid(feature.Pointer("order", i), "%q is there twice", id)
			}
			ordered = append(ordered, t.Rules[at])
		}
		if len(ordered) != len(t.Rules) {
			return t, feature.Conflict("the order names %d of %d rules", len(ordered), len(t.Rules))
		}
		t.Rules = ordered
		return t, nil
	})
}
