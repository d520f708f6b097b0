package adminapi

import (
	"context"

	"github.com/dimmerhq/dimmer/service/admin"
)

// ListFlags implements [StrictServerInterface].
func (s *server) ListFlags(ctx context.Context, r ListFlagsRequestObject) (ListFlagsResponseObject, error) {
	p := r.Params
	filter := admin.FlagFilter{Key: p.Flag, Query: p.Q, Tag: p.Tag, Type: p.Type, Kind: p.Kind, Owner: p.Owner, Archived: p.Archived}
	list, err := s.opts.Admin.ListFlags(ctx, callOf(ctx, ""), r.Project, filter, page(p.Limit, p.Cursor))
	for _, f := range list.Items {
		for environment := range f.Environments {
			if p.Environment != "" && environment != p.Environment {
				delete(f.Environments, environment)
			}
		}
	}
	return ListFlags200JSONResponse{Items: list.Items, Next: list.Next, Total: list.Total}, err
}

// CreateFlag implements [StrictServerInterface].
func (s *server) CreateFlag(ctx context.Context, r CreateFlagRequestObject) (CreateFlagResponseObject, error) {
	f, w, err := s.opts.Admin.CreateFlag(ctx, callOf(ctx, ""), r.Project, r.Body.Flag, admin.CreateOptions{Off: r.Body.Off})
	wrote(ctx, w)
	return CreateFlag201JSONResponse{Body: f, Headers: CreateFlag201ResponseHeaders{ETag: etag(f.Version)}}, err
}

// GetFlag implements [StrictServerInterface].
func (s *server) GetFlag(ctx context.Context, r GetFlagRequestObject) (GetFlagResponseObject, error) {
	f, err := s.opts.Admin.GetFlag(ctx, callOf(ctx, ""), r.Project, r.Flag)
	return GetFlag200JSONResponse{Body: f, Headers: GetFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}

// PutFlag implements [StrictServerInterface].
func (s *server) PutFlag(ctx context.Context, r PutFlagRequestObject) (PutFlagResponseObject, error) {
	f, w, err := s.opts.Admin.PutFlag(ctx, callOf(ctx, ""), r.Project, r.Flag, *r.Body)
	wrote(ctx, w)
	return PutFlag200JSONResponse{Body: f, Headers: PutFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}

// PatchFlag implements [StrictServerInterface].
func (s *server) PatchFlag(ctx context.Context, r PatchFlagRequestObject) (PatchFlagResponseObject, error) {
	f, w, err := s.opts.Admin.PatchFlag(ctx, callOf(ctx, ""), r.Project, r.Flag, either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody))
	wrote(ctx, w)
	return PatchFlag200JSONResponse{Body: f, Headers: PatchFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}

// DeleteFlag implements [StrictServerInterface].
func (s *server) DeleteFlag(ctx context.Context, r DeleteFlagRequestObject) (DeleteFlagResponseObject, error) {
	w, err := s.opts.Admin.DeleteFlag(ctx, callOf(ctx, ""), r.Project, r.Flag)
	wrote(ctx, w)
	return DeleteFlag204Response{}, err
}

// ArchiveFlag implements [StrictServerInterface].
func (s *server) ArchiveFlag(ctx context.Context, r ArchiveFlagRequestObject) (ArchiveFlagResponseObject, error) {
	f, w, err := s.opts.Admin.ArchiveFlag(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag)
	wrote(ctx, w)
	return ArchiveFlag200JSONResponse{Body: f, Headers: ArchiveFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}

// UnarchiveFlag implements [StrictServerInterface].
func (s *server) UnarchiveFlag(ctx context.Context, r UnarchiveFlagRequestObject) (UnarchiveFlagResponseObject, error) {
	f, w, err := s.opts.Admin.UnarchiveFlag(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag)
	wrote(ctx, w)
	return UnarchiveFlag200JSONResponse{Body: f, Headers: UnarchiveFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}

// ReshuffleFlag implements [StrictServerInterface].
func (s *server) ReshuffleFlag(ctx context.Context, r ReshuffleFlagRequestObject) (ReshuffleFlagResponseObject, error) {
	f, w, err := s.opts.Admin.ReshuffleFlag(ctx, callOf(ctx, r.Body.Reason), r.Project, r.Flag)
	wrote(ctx, w)
	return ReshuffleFlag200JSONResponse{Body: f, Headers: ReshuffleFlag200ResponseHeaders{ETag: etag(f.Version)}}, err
}
