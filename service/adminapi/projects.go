package adminapi

import (
	"context"

	"github.com/dimmerhq/dimmer/service/policy"
)

// Whoami implements [StrictServerInterface].
func (s *server) Whoami(ctx context.Context, _ WhoamiRequestObject) (WhoamiResponseObject, error) {
	return Whoami200JSONResponse(principal(callOf(ctx, "").Principal)), nil
}

func principal(p policy.Principal) Principal {
	out := Principal{
		Id: p.ID, Name: p.Name, Kind: string(p.Kind), Role: string(p.Role), Project: p.Project, Environment: p.Environment, Expires: p.Expires,
	}
	if p.Kind != policy.KindAdmin {
		out.Role = ""
	}
	return out
}

// ListProjects implements [StrictServerInterface].
func (s *server) ListProjects(ctx context.Context, r ListProjectsRequestObject) (ListProjectsResponseObject, error) {
	list, err := s.opts.Admin.ListProjects(ctx, callOf(ctx, ""), page(r.Params.Limit, r.Params.Cursor))
	return ListProjects200JSONResponse{Items: list.Items, Next: list.Next}, err
}

// CreateProject implements [StrictServerInterface].
func (s *server) CreateProject(ctx context.Context, r CreateProjectRequestObject) (CreateProjectResponseObject, error) {
	p, w, err := s.opts.Admin.CreateProject(ctx, callOf(ctx, ""), r.Body.Project, r.Body.Environments)
	wrote(ctx, w)
	return CreateProject201JSONResponse{Body: p, Headers: CreateProject201ResponseHeaders{ETag: etag(p.Version)}}, err
}

// GetProject implements [StrictServerInterface].
func (s *server) GetProject(ctx context.Context, r GetProjectRequestObject) (GetProjectResponseObject, error) {
	p, err := s.opts.Admin.GetProject(ctx, callOf(ctx, ""), r.Project)
	return GetProject200JSONResponse{Body: p, Headers: GetProject200ResponseHeaders{ETag: etag(p.Version)}}, err
}

// PatchProject implements [StrictServerInterface].
func (s *server) PatchProject(ctx context.Context, r PatchProjectRequestObject) (PatchProjectResponseObject, error) {
	p, w, err := s.opts.Admin.PatchProject(ctx, callOf(ctx, ""), r.Project, either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody))
	wrote(ctx, w)
	return PatchProject200JSONResponse{Body: p, Headers: PatchProject200ResponseHeaders{ETag: etag(p.Version)}}, err
}

// DeleteProject implements [StrictServerInterface].
func (s *server) DeleteProject(ctx context.Context, r DeleteProjectRequestObject) (DeleteProjectResponseObject, error) {
	w, err := s.opts.Admin.DeleteProject(ctx, callOf(ctx, ""), r.Project)
	wrote(ctx, w)
	return DeleteProject204Response{}, err
}

// ListEnvironments implements [StrictServerInterface].
func (s *server) ListEnvironments(ctx context.Context, r ListEnvironmentsRequestObject) (ListEnvironmentsResponseObject, error) {
	list, err := s.opts.Admin.ListEnvironments(ctx, callOf(ctx, ""), r.Project)
	return ListEnvironments200JSONResponse{Items: list}, err
}

// CreateEnvironment implements [StrictServerInterface].
func (s *server) CreateEnvironment(ctx context.Context, r CreateEnvironmentRequestObject) (CreateEnvironmentResponseObject, error) {
	e, w, err := s.opts.Admin.CreateEnvironment(ctx, callOf(ctx, ""), r.Project, *r.Body)
	wrote(ctx, w)
	return CreateEnvironment201JSONResponse{Body: e, Headers: CreateEnvironment201ResponseHeaders{ETag: etag(e.Version)}}, err
}

// GetEnvironment implements [StrictServerInterface].
func (s *server) GetEnvironment(ctx context.Context, r GetEnvironmentRequestObject) (GetEnvironmentResponseObject, error) {
	e, err := s.opts.Admin.GetEnvironment(ctx, callOf(ctx, ""), r.Project, r.Environment)
	return GetEnvironment200JSONResponse{Body: e, Headers: GetEnvironment200ResponseHeaders{ETag: etag(e.Version)}}, err
}

// PatchEnvironment implements [StrictServerInterface].
func (s *server) PatchEnvironment(ctx context.Context, r PatchEnvironmentRequestObject) (PatchEnvironmentResponseObject, error) {
	patch := either(r.JSONBody, r.ApplicationMergePatchPlusJSONBody)
	e, w, err := s.opts.Admin.PatchEnvironment(ctx, callOf(ctx, ""), r.Project, r.Environment, patch)
	wrote(ctx, w)
	return PatchEnvironment200JSONResponse{Body: e, Headers: PatchEnvironment200ResponseHeaders{ETag: etag(e.Version)}}, err
}

// DeleteEnvironment implements [StrictServerInterface].
func (s *server) DeleteEnvironment(ctx context.Context, r DeleteEnvironmentRequestObject) (DeleteEnvironmentResponseObject, error) {
	w, err := s.opts.Admin.DeleteEnvironment(ctx, callOf(ctx, ""), r.Project, r.Environment)
	wrote(ctx, w)
	return DeleteEnvironment204Response{}, err
}
