package adminapi

import (
	"context"

	"github.com/dimmerhq/dimmer/service/admin"
)

// ListLog implements [StrictServerInterface].
func (s *server) ListLog(ctx context.Context, r ListLogRequestObject) (ListLogResponseObject, error) {
	p := r.Params
	filter := admin.LogFilter{Flag: p.Flag, Environment: p.Environment, Actor: p.Actor}
	list, err := s.opts.Admin.ListLog(ctx, callOf(ctx, ""), r.Project, filter, page(p.Limit, p.Cursor))
	out := ListLog200JSONResponse{Items: make([]LogEntry, len(list.Items)), Next: list.Next}
	names := s.opts.Admin.ActorNames(ctx)
	for i, e := range list.Items {
		out.Items[i] = listedEntry(e, names)
	}
	return out, err
}

// GetLogEntry implements [StrictServerInterface].
func (s *server) GetLogEntry(ctx context.Context, r GetLogEntryRequestObject) (GetLogEntryResponseObject, error) {
	e, err := s.opts.Admin.GetLogEntry(ctx, callOf(ctx, ""), r.Project, r.Revision)
	return GetLogEntry200JSONResponse(logEntry(e, s.opts.Admin.ActorNames(ctx))), err
}

// RestoreRevision implements [StrictServerInterface].
func (s *server) RestoreRevision(ctx context.Context, r RestoreRevisionRequestObject) (RestoreRevisionResponseObject, error) {
	filter := admin.RestoreFilter{Flag: r.Body.Flag, Environment: r.Body.Environment}
	done, w, err := s.opts.Admin.Restore(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Revision, filter)
	wrote(ctx, w)
	out := RestoreRevision200JSONResponse{Revision: w.Revision, Epoch: w.Epoch, Durability: RestoredDurability(w.Durability), Documents: done.Documents}
	if out.Documents == nil {
		out.Documents = []string{}
	}
	return out, err
}
