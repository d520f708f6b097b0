package adminapi

import (
	"context"

	"github.com/dimmerhq/dimmer/service/feature"
)

// ListSegments implements [StrictServerInterface].
func (s *server) ListSegments(ctx context.Context, r ListSegmentsRequestObject) (ListSegmentsResponseObject, error) {
	list, err := s.opts.Admin.ListSegments(ctx, callOf(ctx, ""), r.Project, r.Params.Q, page(r.Params.Limit, r.Params.Cursor))
	return ListSegments200JSONResponse{Items: list.Items, Next: list.Next}, err
}

// CreateSegment implements [StrictServerInterface].
func (s *server) CreateSegment(ctx context.Context, r CreateSegmentRequestObject) (CreateSegmentResponseObject, error) {
	g, w, err := s.opts.Admin.CreateSegment(ctx, callOf(ctx, ""), r.Project, *r.Body)
	wrote(ctx, w)
	return CreateSegment201JSONResponse{Body: g, Headers: CreateSegment201ResponseHeaders{ETag: etag(g.Version)}}, err
}

// GetSegment implements [StrictServerInterface].
func (s *server) GetSegment(ctx context.Context, r GetSegmentRequestObject) (GetSegmentResponseObject, error) {
	g, err := s.opts.Admin.GetSegment(ctx, callOf(ctx, ""), r.Project, r.Segment)
	return GetSegment200JSONResponse{Body: g, Headers: GetSegment200ResponseHeaders{ETag: etag(g.Version)}}, err
}

// PutSegment implements [StrictServerInterface].
func (s *server) PutSegment(ctx context.Context, r PutSegmentRequestObject) (PutSegmentResponseObject, error) {
	g, w, err := s.opts.Admin.PutSegment(ctx, callOf(ctx, ""), r.Project, r.Segment, *r.Body)
	wrote(ctx, w)
	return PutSegment200JSONResponse{Body: g, Headers: PutSegment200ResponseHeaders{ETag: etag(g.Version)}}, err
}

// PatchSegment implements [StrictServerInterface].
func (s *server) PatchSegment(ctx context.Context, r PatchSegmentRequestObject) (PatchSegmentResponseObject, error) {
	g, w, err := s.opts.Admin.PatchSegment(ctx, callOf(ctx, ""), r.Project, r.Segment, either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody))
	wrote(ctx, w)
	return PatchSegment200JSONResponse{Body: g, Headers: PatchSegment200ResponseHeaders{ETag: etag(g.Version)}}, err
}

// DeleteSegment implements [StrictServerInterface].
func (s *server) DeleteSegment(ctx context.Context, r DeleteSegmentRequestObject) (DeleteSegmentResponseObject, error) {
	w, err := s.opts.Admin.DeleteSegment(ctx, callOf(ctx, ""), r.Project, r.Segment)
	wrote(ctx, w)
	return DeleteSegment204Response{}, err
}

// ListSegmentReferences implements [StrictServerInterface].
func (s *server) ListSegmentReferences(ctx context.Context, r ListSegmentReferencesRequestObject) (ListSegmentReferencesResponseObject, error) {
	found, more, err := s.opts.Admin.SegmentReferences(ctx, callOf(ctx, ""), r.Project, r.Segment, feature.MaxBulk)
	out := ListSegmentReferences200JSONResponse{Items: make([]Reference, len(found)), Truncated: more}
	for i, f := range found {
		out.Items[i] = Reference{Flag: f.Flag, Environment: f.Environment, Rule: f.Rule, Segment: f.Segment}
	}
	return out, err
}

// GetSegmentEnvironment implements [StrictServerInterface].
func (s *server) GetSegmentEnvironment(ctx context.Context, r GetSegmentEnvironmentRequestObject) (GetSegmentEnvironmentResponseObject, error) {
	e, err := s.opts.Admin.GetSegmentEnvironment(ctx, callOf(ctx, ""), r.Project, r.Segment, r.Environment)
	return GetSegmentEnvironment200JSONResponse{Body: e, Headers: GetSegmentEnvironment200ResponseHeaders{ETag: etag(e.Version)}}, err
}

// PatchSegmentEnvironment implements [StrictServerInterface].
func (s *server) PatchSegmentEnvironment(ctx context.Context, r PatchSegmentEnvironmentRequestObject) (PatchSegmentEnvironmentResponseObject, error) {
	patch := either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody)
	e, w, err := s.opts.Admin.PatchSegmentEnvironment(ctx, callOf(ctx, ""), r.Project, r.Segment, r.Environment, patch)
	wrote(ctx, w)
	return PatchSegmentEnvironment200JSONResponse{Body: e, Headers: PatchSegmentEnvironment200ResponseHeaders{ETag: etag(e.Version)}}, err
}

// GetSegmentList implements [StrictServerInterface].
func (s *server) GetSegmentList(ctx context.Context, r GetSegmentListRequestObject) (GetSegmentListResponseObject, error) {
	side, call := feature.Side(r.Side), callOf(ctx, "")
	if key := r.Params.Key; key != "" {
		found, err := s.opts.Admin.FindKey(ctx, call, r.Project, r.Segment, r.Environment, side, key)
		return GetSegmentList200JSONResponse{Items: found.Items, Total: found.Total}, err
	}
	list, err := s.opts.Admin.ListKeys(ctx, call, r.Project, r.Segment, r.Environment, side, page(r.Params.Limit, r.Params.Cursor))
	return GetSegmentList200JSONResponse{Items: list.Items, Next: list.Next, Total: list.Total}, err
}

// EditSegmentList implements [StrictServerInterface].
func (s *server) EditSegmentList(ctx context.Context, r EditSegmentListRequestObject) (EditSegmentListResponseObject, error) {
	if n := len(r.Body.Add) + len(r.Body.Remove); n > feature.MaxBulk {
		return nil, feature.Invalid("", "names %d keys; at most %d at once", n, feature.MaxBulk)
	}
	_, w, err := s.opts.Admin.EditList(ctx, callOf(ctx, ""), r.Project, r.Segment, r.Environment, feature.Side(r.Side), *r.Body)
	wrote(ctx, w)
	return EditSegmentList200JSONResponse{Revision: w.Revision, Epoch: w.Epoch, Durability: WrittenDurability(w.Durability), Version: w.Version}, err
}
