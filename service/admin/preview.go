package admin

import (
	"context"
	"encoding/json"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// PreviewRequest is what would be saved: a whole targeting, a merge patch, or a ramp, exactly one of them.
type PreviewRequest struct {
	Targeting *feature.Targeting
	Patch     []byte
	Ramp      *RampRequest
	Contexts  [][]byte // contexts as JSON, to be evaluated before and after; at most 100
}

// PreviewAnswer tells what saving would do. Nothing is saved.
type PreviewAnswer struct {
	compile.Preview
	Contexts []Compared
}

// Compared is the answer for one given context before and after.
type Compared struct {
	Before, After evaluator.Result
}

// Preview tells who enters, leaves and switches if a change of a targeting were saved, and refuses what could not be saved.
func (s *Service) Preview(ctx context.Context, call Call, project, flag, environment string, r PreviewRequest) (PreviewAnswer, error) {
	if err := s.project(ctx, &call, project, policy.TargetingRead, environment); err != nil {
		return PreviewAnswer{}, err
	}
	contexts, err := parseContexts(r.Contexts)
	if err != nil {
		return PreviewAnswer{}, err
	}
	if r.Patch != nil {
		if err := feature.CheckPatch(r.Patch, feature.Targeting{}, feature.Limits{}); err != nil {
			return PreviewAnswer{}, err
		}
	}
	state, err := s.sync(ctx, project)
	if err != nil {
		return PreviewAnswer{}, err
	}
	before, err := read[feature.Targeting](state, targetingKey(environment, flag), "flag", flag)
	if err != nil {
		return PreviewAnswer{}, err
	}
	d := s.newDraft(ctx, &call, project, state)
	after, err := d.previewed(flag, environment, r)
	if err != nil {
		return PreviewAnswer{}, err
	}
	d.urgent = true // a preview purges nothing
	_, rulesets, err := d.finish()
	if err != nil {
		return PreviewAnswer{}, err
	}
	out := PreviewAnswer{Preview: compile.NewPreview(&before, &after), Contexts: []Compared{}}
	old := s.scope(project).ruleset(state, environment)
	next := rulesets[environment]
	if next == nil {
		next = old
	}
	for i := range contexts {
		out.Contexts = append(out.Contexts, Compared{Before: old.Snapshot().Evaluate(flag, contexts[i]), After: next.Snapshot().Evaluate(flag, contexts[i])})
	}
	return out, nil
}

// previewed applies the request. Whoever may read may preview; it does not take the right to save.
func (d *Draft) previewed(flag, environment string, r PreviewRequest) (feature.Targeting, error) {
	given := 0
	for _, there := range []bool{r.Targeting != nil, r.Patch != nil, r.Ramp != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		return feature.Targeting{}, feature.Invalid("", "exactly one of targeting, patch and ramp is required")
	}
	e := edit{flag, environment, "", mayMatch, policy.TargetingRead}
	return d.editTargeting(e, func(_ *feature.Flag, before feature.Targeting) (feature.Targeting, error) {
		switch {
		case r.Ramp != nil:
			return ramp(before, *r.Ramp)
		case r.Patch != nil:
			return patched(before, r.Patch)
		}
		t := *r.Targeting
		t.Version, t.UpdatedAt = before.Version, before.UpdatedAt
		return t, nil
	})
}

func parseContexts(texts [][]byte) ([]*evaluator.Context, error) {
	if len(texts) > 100 {
		return nil, feature.Invalid("/contexts", "has %d entries; at most 100", len(texts))
	}
	out := make([]*evaluator.Context, len(texts))
	for i, text := range texts {
		c, err := evaluator.ParseContext(json.RawMessage(text))
		if err != nil {
			return nil, feature.Invalid(feature.Pointer("contexts", i), "%v", err)
		}
		out[i] = c
	}
	return out, nil
}
