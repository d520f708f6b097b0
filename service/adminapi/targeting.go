package adminapi

import (
	"context"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
)

// GetTargeting implements [StrictServerInterface].
func (s *server) GetTargeting(ctx context.Context, r GetTargetingRequestObject) (GetTargetingResponseObject, error) {
	v, err := s.opts.Admin.GetTargeting(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment)
	return GetTargeting200JSONResponse{Body: viewed(&v), Headers: GetTargeting200ResponseHeaders{ETag: etag(v.Version)}}, err
}

// viewed is a targeting as it is read.
func viewed(v *admin.TargetingView) targetingBody {
	return targetingBody{Targeting: v.Targeting, Flag: v.Flag, Environment: v.Environment, Archived: v.Archived, Killed: v.Killed, Kills: v.Kills}
}

// ListTargetings implements [StrictServerInterface].
func (s *server) ListTargetings(ctx context.Context, r ListTargetingsRequestObject) (ListTargetingsResponseObject, error) {
	list, err := s.opts.Admin.ListTargetings(ctx, callOf(ctx, ""), r.Project, r.Environment, page(r.Params.Limit, r.Params.Cursor))
	out := ListTargetings200JSONResponse{Items: make([]Targeting, len(list.Items)), Next: list.Next}
	for i := range list.Items {
		out.Items[i] = viewed(&list.Items[i])
	}
	return out, err
}

// PutTargeting implements [StrictServerInterface].
func (s *server) PutTargeting(ctx context.Context, r PutTargetingRequestObject) (PutTargetingResponseObject, error) {
	if err := r.Body.place(r.Flag, r.Environment); err != nil {
		return nil, err
	}
	t, w, err := s.opts.Admin.PutTargeting(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Body.Targeting)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return PutTargeting200JSONResponse{Body: body, Headers: PutTargeting200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// PatchTargeting implements [StrictServerInterface].
func (s *server) PatchTargeting(ctx context.Context, r PatchTargetingRequestObject) (PatchTargetingResponseObject, error) {
	patch := either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody)
	t, w, err := s.opts.Admin.PatchTargeting(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, patch)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return PatchTargeting200JSONResponse{Body: body, Headers: PatchTargeting200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// PutRule implements [StrictServerInterface].
func (s *server) PutRule(ctx context.Context, r PutRuleRequestObject) (PutRuleResponseObject, error) {
	t, w, err := s.opts.Admin.PutRule(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Rule, *r.Body)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return PutRule200JSONResponse{Body: body, Headers: PutRule200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// PatchRule implements [StrictServerInterface].
func (s *server) PatchRule(ctx context.Context, r PatchRuleRequestObject) (PatchRuleResponseObject, error) {
	patch := either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody)
	t, w, err := s.opts.Admin.PatchRule(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Rule, patch)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return PatchRule200JSONResponse{Body: body, Headers: PatchRule200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// DeleteRule implements [StrictServerInterface].
func (s *server) DeleteRule(ctx context.Context, r DeleteRuleRequestObject) (DeleteRuleResponseObject, error) {
	t, w, err := s.opts.Admin.DeleteRule(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Rule)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return DeleteRule200JSONResponse{Body: body, Headers: DeleteRule200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// OrderRules implements [StrictServerInterface].
func (s *server) OrderRules(ctx context.Context, r OrderRulesRequestObject) (OrderRulesResponseObject, error) {
	t, w, err := s.opts.Admin.OrderRules(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Body.Order)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return OrderRules200JSONResponse{Body: body, Headers: OrderRules200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// Ramp implements [StrictServerInterface].
func (s *server) Ramp(ctx context.Context, r RampRequestObject) (RampResponseObject, error) {
	t, w, err := s.opts.Admin.Ramp(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag, r.Environment, *r.Body)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return Ramp200JSONResponse{Body: body, Headers: Ramp200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// TurnOn implements [StrictServerInterface].
func (s *server) TurnOn(ctx context.Context, r TurnOnRequestObject) (TurnOnResponseObject, error) {
	t, w, err := s.opts.Admin.TurnOn(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag, r.Environment)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return TurnOn200JSONResponse{Body: body, Headers: TurnOn200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// TurnOff implements [StrictServerInterface].
func (s *server) TurnOff(ctx context.Context, r TurnOffRequestObject) (TurnOffResponseObject, error) {
	t, w, err := s.opts.Admin.TurnOff(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag, r.Environment)
	if err != nil {
		return nil, err
	}
	body := changed(ctx, &t, w)
	return TurnOff200JSONResponse{Body: body, Headers: TurnOff200ResponseHeaders{ETag: etag(t.Version)}}, nil
}

// Preview implements [StrictServerInterface].
func (s *server) Preview(ctx context.Context, r PreviewRequestObject) (PreviewResponseObject, error) {
	ask := admin.PreviewRequest{Ramp: r.Body.Ramp, Patch: r.Body.Patch}
	if t := r.Body.Targeting; t != nil {
		if err := t.place(r.Flag, r.Environment); err != nil {
			return nil, at("/targeting", err)
		}
		ask.Targeting = &t.Targeting
	}
	for _, c := range r.Body.Contexts {
		ask.Contexts = append(ask.Contexts, c)
	}
	call := callOf(ctx, "")
	answer, err := s.opts.Admin.Preview(ctx, call, r.Project, r.Flag, r.Environment, ask)
	if err != nil {
		return nil, err
	}
	out := Preview200JSONResponse{Distributions: []Shift{}, Changes: answer.Changes}
	for _, d := range answer.Distributions {
		shift := Shift{
			Rule: d.Rule, Before: d.Before, After: d.After, Enter: d.Enter, Leave: d.Leave, Switch: d.Switch, Redrawn: d.Redrawn,
			EnterPercent: ofPairs(d.Enter), LeavePercent: ofPairs(d.Leave), SwitchPercent: ofPairs(d.Switch), Variants: []Move{},
		}
		for _, m := range d.Moves {
			shift.Variants = append(shift.Variants, Move{From: m.From, To: m.To, Share: m.Share, Percent: ofPairs(m.Share)})
		}
		out.Distributions = append(out.Distributions, shift)
	}
	for _, c := range answer.Contexts {
		out.Contexts = append(out.Contexts, Compared{Before: evaluation(r.Flag, c.Before, call.Principal), After: evaluation(r.Flag, c.After, call.Principal)})
	}
	return out, nil
}

// ofPairs is a count of pairs of buckets in percent.
func ofPairs(n int64) float64 { return float64(n) * 100 / (evaluator.Buckets * evaluator.Buckets) }

// at puts an error's pointer below prefix.
func at(prefix string, err error) error {
	if e, ok := err.(*feature.Error); ok { //nolint:errorlint // an error that was wrapped on the way is not about a field of this body
		return e.At(prefix)
	}
	return err
}
