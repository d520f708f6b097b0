package admin

import (
	"context"
	"strings"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// RampRequest sets an exposure.
type RampRequest struct {
	Exposure feature.Percent  `json:"exposure" dimmer:"required"`
	Rule     string           `json:"rule,omitempty"` // the rule whose distribution is meant; empty or "default": the default
	From     *feature.Percent `json:"from,omitempty"` // refuse (conflict) when the exposure is not this now
	Reason   string           `json:"reason,omitempty"`
}

// Ramp sets the exposure of the default or of a rule and turns the flag on, unless the exposure is 0. It needs no If-Match: it changes one number, whatever
// else was changed meanwhile. Weights and ranges stay, so nobody who stays exposed changes variant.
func (s *Service) Ramp(ctx context.Context, call Call, project, flag, environment string, r RampRequest) (TargetingView, Written, error) {
	if call.Reason == "" {
		call.Reason = r.Reason
	}
	return s.targetingVerb(ctx, call, project, flag, environment, "targeting.ramp", policy.TargetingRamp, func(d *Draft) (feature.Targeting, error) {
		return d.Ramp(flag, environment, call.IfMatch, r)
	})
}

// TurnOn turns a flag on in an environment.
func (s *Service) TurnOn(ctx context.Context, call Call, project, flag, environment string) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "targeting.on", policy.TargetingRamp, func(d *Draft) (feature.Targeting, error) {
		return d.Switch(flag, environment, call.IfMatch, true)
	})
}

// TurnOff turns a flag off in an environment: everyone gets the off variant.
func (s *Service) TurnOff(ctx context.Context, call Call, project, flag, environment string) (TargetingView, Written, error) {
	return s.targetingVerb(ctx, call, project, flag, environment, "targeting.off", policy.TargetingRamp, func(d *Draft) (feature.Targeting, error) {
		return d.Switch(flag, environment, call.IfMatch, false)
	})
}

// Ramp is [Service.Ramp] in a draft.
func (d *Draft) Ramp(flag, environment, ifMatch string, r RampRequest) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mayMatch, policy.TargetingRamp}, func(_ *feature.Flag, t feature.Targeting) (feature.Targeting, error) {
		return ramp(t, r)
	})
}

func ramp(t feature.Targeting, r RampRequest) (feature.Targeting, error) {
	if r.Exposure < feature.None || r.Exposure > feature.All {
		return t, feature.Invalid("/exposure", "must lie between 0 and 100")
	}
	id := r.Rule
	if id == "" {
		id = feature.DefaultRule
	}
	var found *feature.Distribution
	there := false
	var candidates []string
	t.Serves(func(rule, _ string, s *feature.Serve) {
		if rule == id {
			there, found = true, s.Distribution
		}
		if s.Distribution != nil {
			candidates = append(candidates, rule)
		}
	})
	if found == nil {
		what := "serves one variant to all and has no exposure"
		if !there {
			what = "is not there"
		}
		hint := "; nothing in this targeting has one"
		if len(candidates) > 0 {
			hint = "; these can be ramped: " + strings.Join(candidates, ", ")
		}
		return t, feature.Invalid("/rule", "rule %q %s%s", id, what, hint)
	}
	if r.From != nil && found.Exposure != *r.From {
		return t, feature.Conflict("the exposure is %s, not %s", found.Exposure, *r.From)
	}
	found.Exposure = r.Exposure
	t.Enabled = t.Enabled || r.Exposure > 0
	return t, nil
}

// Switch is [Service.TurnOn] and [Service.TurnOff] in a draft.
func (d *Draft) Switch(flag, environment, ifMatch string, on bool) (feature.Targeting, error) {
	return d.editTargeting(edit{flag, environment, ifMatch, mayMatch, policy.TargetingRamp}, func(_ *feature.Flag, t feature.Targeting) (feature.Targeting, error) {
		t.Enabled = on
		return t, nil
	})
}
