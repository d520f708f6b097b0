package adminapi

import (
	"cmp"
	"context"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// asked is what both evaluating operations need: one snapshot for all that they answer, and a context.
type asked struct {
	who      policy.Principal
	snapshot *evaluator.Snapshot
	context  *evaluator.Context
	trace    bool
}

// EvaluateFlag implements [StrictServerInterface]. A flag that is not there is an answer too, with an error in it, as in every SDK; to a client one
// that is hidden looks the same.
func (s *server) EvaluateFlag(ctx context.Context, r EvaluateFlagRequestObject) (EvaluateFlagResponseObject, error) {
	if len(r.Body.Flags) > 0 {
		return nil, feature.Invalid("/flags", "the path names the flag")
	}
	a, err := s.ask(ctx, r.Params.Project, r.Params.Environment, r.Body.Context, r.Params.Trace)
	if err != nil {
		return nil, err
	}
	return EvaluateFlag200JSONResponse(a.answer(r.Flag)), nil
}

// EvaluateAll implements [StrictServerInterface].
func (s *server) EvaluateAll(ctx context.Context, r EvaluateAllRequestObject) (EvaluateAllResponseObject, error) {
	if n := len(r.Body.Flags); n > feature.MaxBulk {
		return nil, feature.Invalid("/flags", "has %d entries; at most %d", n, feature.MaxBulk)
	}
	a, err := s.ask(ctx, r.Params.Project, r.Params.Environment, r.Body.Context, r.Params.Trace)
	if err != nil {
		return nil, err
	}
	if err := a.checkTraces(r.Body.Flags); err != nil {
		return nil, err
	}
	out := EvaluateAll200JSONResponse{Items: []Evaluation{}, Revision: a.snapshot.Revision().Number}
	for _, flag := range r.Body.Flags {
		out.Items = append(out.Items, a.answer(flag))
	}
	if r.Body.Flags == nil {
		out.Items = a.all(out.Items)
	}
	return out, nil
}

func (s *server) ask(ctx context.Context, project, environment string, text []byte, trace bool) (asked, error) {
	who := callOf(ctx, "").Principal
	a := asked{who: who, trace: trace}
	project, environment = cmp.Or(project, who.Project), cmp.Or(environment, who.Environment)
	if project == "" || environment == "" {
		return a, feature.Invalid("", "the token is not bound to a project and an environment, so the query has to name both")
	}
	at := policy.Resource{Project: project, Environment: environment}
	if trace {
		if err := policy.Can(who, policy.EvaluateTrace, at); err != nil {
			return a, err
		}
	}
	if text == nil {
		text = []byte("{}")
	}
	var err error
	if a.context, err = evaluator.ParseContext(text); err != nil {
		return a, feature.Invalid("/context", "%v", err)
	}
	a.snapshot, err = s.snapshot(ctx, at)
	return a, err
}

// asNode is who asks, when this process wants to know for itself whether a project exists. It reaches no answer.
var asNode = policy.Principal{ID: "node", Kind: policy.KindAdmin, Role: policy.RoleViewer}

// snapshot is the newest ruleset that this process serves. That the caller may see it was checked before.
func (s *server) snapshot(ctx context.Context, at policy.Resource) (*evaluator.Snapshot, error) {
	if s.opts.Feeds == nil {
		return nil, feature.Unavailable(nil, "this process does not evaluate")
	}
	f, there := s.opts.Feeds.Environment(at.Project, at.Environment)
	if !there {
		if !s.opts.Feeds.Loaded(at.Project) {
			ctx, cancel := context.WithTimeout(ctx, standardDeadline) // the only part of an evaluation that asks the store
			defer cancel()
			if _, err := s.opts.Admin.GetProject(ctx, admin.Call{Principal: asNode}, at.Project); err != nil {
				return nil, err
			}
			return nil, feature.Unavailable(nil, "the project is not loaded here yet")
		}
		return nil, feature.NotFound("environment", at.Environment)
	}
	n := f.Current()
	if n == nil {
		return nil, feature.Unavailable(nil, "the environment is not loaded yet")
	}
	return n.Snapshot(), nil
}

// hidden says whether the caller may not know of a flag.
func (a *asked) hidden(f evaluator.FlagInfo) bool {
	return a.who.Kind == policy.KindClient && !f.ClientVisible
}

func (a *asked) answer(flag string) Evaluation {
	if info, there := a.snapshot.Flag(flag); there && a.hidden(info) {
		return evaluation(flag, evaluator.Result{Reason: evaluator.ReasonError, Error: evaluator.ErrFlagNotFound, Revision: a.snapshot.Revision()}, a.who)
	}
	if a.trace {
		r, t := a.snapshot.EvaluateTrace(flag, a.context)
		out := evaluation(flag, r, a.who)
		out.Trace = t
		return out
	}
	return evaluation(flag, a.snapshot.Evaluate(flag, a.context), a.who)
}

// maxTraces bounds the flags of one answer with traces, each of at most 64 KiB.
const maxTraces = 100

// checkTraces refuses more traces than one answer should hold; named are the flags that were asked for, nil all of them.
func (a *asked) checkTraces(named []string) error {
	if !a.trace {
		return nil
	}
	n := len(named)
	if named == nil {
		for range a.snapshot.Flags() {
			if n++; n > maxTraces {
				break
			}
		}
	}
	if n > maxTraces {
		return feature.Invalid("/flags", "names the flags to trace, at most %d in one request", maxTraces)
	}
	return nil
}

// all appends every flag that the caller may know of, by key.
func (a *asked) all(to []Evaluation) []Evaluation {
	if a.trace || a.who.Kind == policy.KindClient {
		for key, info := range a.snapshot.Flags() {
			if !a.hidden(info) {
				to = append(to, a.answer(key))
			}
		}
		return to
	}
	a.snapshot.EvaluateAll(a.context, func(key string, r evaluator.Result) { to = append(to, evaluation(key, r, a.who)) })
	slices.SortFunc(to, func(x, y Evaluation) int { return cmp.Compare(x.Flag, y.Flag) })
	return to
}
