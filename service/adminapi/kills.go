package adminapi

import (
	"context"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
)

// How long a kill may wait for receipts.
const (
	standardWait = 5 * time.Second
	maxWait      = 60 * time.Second
)

// maxReason is that of the description, in bytes.
const maxReason = 1024

// KillFlag implements [StrictServerInterface].
func (s *server) KillFlag(ctx context.Context, r KillFlagRequestObject) (KillFlagResponseObject, error) {
	wait, err := waitOf(string(r.Body.Wait), r.Body.Timeout, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	start := s.opts.Clock()
	kill, w, err := s.opts.Admin.Kill(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag, r.Environment)
	if err != nil {
		return nil, err
	}
	answer, complete := s.receipt(ctx, r.Project, r.Environment, []feature.Kill{kill}, w, wait)
	answer.ElapsedMs = s.opts.Clock().Sub(start).Milliseconds()
	if !complete {
		return KillFlag202JSONResponse(answer), nil
	}
	return KillFlag200JSONResponse(answer), nil
}

// KillByTag implements [StrictServerInterface].
func (s *server) KillByTag(ctx context.Context, r KillByTagRequestObject) (KillByTagResponseObject, error) {
	wait, err := waitOf(string(r.Body.Wait), r.Body.Timeout, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	start := s.opts.Clock()
	kills, w, err := s.opts.Admin.KillByTag(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Body.Tag, r.Body.Environment)
	if err != nil {
		return nil, err
	}
	answer, complete := s.receipt(ctx, r.Project, r.Body.Environment, kills, w, wait)
	answer.ElapsedMs = s.opts.Clock().Sub(start).Milliseconds()
	if !complete {
		return KillByTag202JSONResponse(answer), nil
	}
	return KillByTag200JSONResponse(answer), nil
}

// waiting is whom a kill waits for, and how long.
type waiting struct {
	want  receipt.Want
	limit time.Duration
}

func waitOf(want, timeout, reason string) (waiting, error) {
	w := waiting{want: receipt.Want(want), limit: standardWait}
	if want == "" {
		w.want = receipt.WantNone
	}
	var errs []error
	switch w.want {
	case receipt.WantInstances, receipt.WantNodes, receipt.WantNone:
	default:
		errs = append(errs, feature.Invalid("/wait", "must be instances, nodes or none"))
	}
	if timeout != "" {
		limit, err := time.ParseDuration(timeout)
		if err != nil || limit <= 0 || limit > maxWait {
			errs = append(errs, feature.Invalid("/timeout", "must be a duration such as 5s, at most %s", maxWait))
		}
		w.limit = limit
	}
	return w, feature.Join(append(errs, needReason("/reason", reason))...)
}

// needReason refuses an act that gives no reason. path is where it should stand; "" is the query.
func needReason(path, reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return feature.Invalid(path, "a reason is required")
	case len(reason) > maxReason:
		return feature.Invalid(path, "the reason has %d bytes; at most %d", len(reason), maxReason)
	}
	return nil
}

// receipt waits for those who have to know. The kill is committed by then, so whatever goes wrong here is no failure of the request: it
// only means that nobody's acknowledgement can be vouched for.
func (s *server) receipt(ctx context.Context, project, environment string, kills []feature.Kill, w admin.Written, wait waiting) (KillReceipt, bool) {
	wrote(ctx, w)
	out := KillReceipt{
		Ids: []string{}, Flags: []string{}, Revision: w.Revision, Epoch: w.Epoch, Durability: string(w.Durability), Missing: []Instance{},
	}
	for _, k := range kills {
		out.Ids, out.Flags = append(out.Ids, k.ID), append(out.Flags, k.Flag)
	}
	if s.opts.Receipts == nil {
		return out, wait.want == receipt.WantNone
	}
	ctx, cancel := context.WithTimeout(ctx, wait.limit)
	defer cancel()
	got, err := s.opts.Receipts.Wait(ctx, project, environment, store.Cursor{Epoch: w.Epoch, Revision: w.Revision}, wait.want)
	if err != nil {
		s.opts.Logger.Error("a kill is committed, but who has acknowledged it is not known", "project", project, "revision", w.Revision, "error", err)
		return out, wait.want == receipt.WantNone
	}
	out.Nodes, out.Instances = Count(got.Nodes), Count(got.Instances)
	for _, i := range got.Missing {
		out.Missing = append(out.Missing, instance(i))
	}
	return out, got.Complete || wait.want == receipt.WantNone
}

func instance(i receipt.Instance) Instance {
	return Instance{
		Instance: i.ID, Application: i.Application, Sdk: i.SDK, SdkVersion: i.SDKVersion, Node: i.Node, Environment: i.Environment,
		Revision: i.Revision, Lag: i.Lag, State: InstanceState(i.State), ConnectedAt: i.ConnectedAt, LastSeen: i.LastSeen,
	}
}

// ListKills implements [StrictServerInterface].
func (s *server) ListKills(ctx context.Context, r ListKillsRequestObject) (ListKillsResponseObject, error) {
	list, err := s.opts.Admin.ListKills(ctx, callOf(ctx, ""), r.Project, admin.KillFilter{Flag: r.Flag, Environment: r.Environment})
	out := ListKills200JSONResponse{Items: make([]Kill, len(list))}
	names := s.opts.Admin.ActorNames(ctx)
	for i, k := range list {
		out.Items[i] = killOf(k, names)
	}
	return out, err
}

// ClearKill implements [StrictServerInterface].
func (s *server) ClearKill(ctx context.Context, r ClearKillRequestObject) (ClearKillResponseObject, error) {
	if err := needReason("", r.Params.Reason); err != nil {
		return nil, err
	}
	k, w, err := s.opts.Admin.ClearKill(ctx, callOf(ctx, ""), r.Project, r.Flag, r.Environment, r.Kill)
	wrote(ctx, w)
	return ClearKill200JSONResponse(killOf(k, s.opts.Admin.ActorNames(ctx))), err
}

// ListInstances implements [StrictServerInterface].
func (s *server) ListInstances(ctx context.Context, r ListInstancesRequestObject) (ListInstancesResponseObject, error) {
	call := callOf(ctx, "")
	// The receipts know no rights and no projects: that the project, and the environment in it, are there for this caller is asked of admin.
	if _, err := s.opts.Admin.GetProject(ctx, call, r.Project); err != nil {
		return nil, err
	}
	environment := r.Params.Environment
	if environment == "" {
		environment = call.Principal.Environment
	}
	if environment != "" {
		if _, err := s.opts.Admin.GetEnvironment(ctx, call, r.Project, environment); err != nil {
			return nil, err
		}
	}
	out := ListInstances200JSONResponse{Items: []Instance{}, Nodes: []Node{}}
	if s.opts.Receipts == nil {
		return out, nil
	}
	list, err := s.opts.Receipts.List(ctx, r.Project, environment)
	if err != nil {
		return nil, feature.Unavailable(err, "the store does not answer")
	}
	out.Truncated = list.Truncated
	for _, i := range list.Instances {
		out.Items = append(out.Items, instance(i))
	}
	for _, n := range list.Nodes {
		out.Nodes = append(out.Nodes, Node{Node: n.Name, Epoch: n.Epoch, Revision: n.Revision, Instances: n.Instances, LastSeen: n.LastSeen})
	}
	return out, nil
}
