package adminapi

import (
	"context"
	"time"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
)

// tokenOf is the token that a request asks for.
func tokenOf(project string, r *TokenRequest) feature.Token {
	return feature.Token{
		Name: r.Name, Kind: string(r.Kind), Project: project, Environment: r.Environment, Role: string(r.Role), Expires: r.Expires,
	}
}

// overlapOf is how long a token that is rotated lives on; 0 is the verb's default.
func overlapOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, feature.Invalid("/overlap", "must be a duration such as 24h")
	}
	return d, nil
}

func (s *server) rotate(ctx context.Context, project, id string, r *RotateRequest) (admin.NewToken, error) {
	overlap, err := overlapOf(r.Overlap)
	if err != nil {
		return admin.NewToken{}, err
	}
	t, w, err := s.opts.Admin.RotateToken(ctx, callOf(ctx, r.Reason), project, id, overlap)
	wrote(ctx, w)
	return t, err
}

// ListTokens implements [StrictServerInterface].
func (s *server) ListTokens(ctx context.Context, r ListTokensRequestObject) (ListTokensResponseObject, error) {
	list, err := s.opts.Admin.ListTokens(ctx, callOf(ctx, ""), r.Project, page(r.Params.Limit, r.Params.Cursor))
	return ListTokens200JSONResponse{Items: list.Items, Next: list.Next}, err
}

// CreateToken implements [StrictServerInterface].
func (s *server) CreateToken(ctx context.Context, r CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	t, w, err := s.opts.Admin.CreateToken(ctx, callOf(ctx, ""), tokenOf(r.Project, r.Body))
	wrote(ctx, w)
	return CreateToken201JSONResponse(t), err
}

// GetToken implements [StrictServerInterface].
func (s *server) GetToken(ctx context.Context, r GetTokenRequestObject) (GetTokenResponseObject, error) {
	t, err := s.opts.Admin.GetToken(ctx, callOf(ctx, ""), r.Project, r.Token)
	return GetToken200JSONResponse{Body: t, Headers: GetToken200ResponseHeaders{ETag: etag(t.Version)}}, err
}

// RotateToken implements [StrictServerInterface].
func (s *server) RotateToken(ctx context.Context, r RotateTokenRequestObject) (RotateTokenResponseObject, error) {
	t, err := s.rotate(ctx, r.Project, r.Token, r.Body)
	return RotateToken201JSONResponse(t), err
}

// RevokeToken implements [StrictServerInterface].
func (s *server) RevokeToken(ctx context.Context, r RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	_, w, err := s.opts.Admin.RevokeToken(ctx, callOf(ctx, ""), r.Project, r.Token)
	wrote(ctx, w)
	return RevokeToken204Response{}, err
}

// ListInstallationTokens implements [StrictServerInterface].
func (s *server) ListInstallationTokens(ctx context.Context, r ListInstallationTokensRequestObject) (ListInstallationTokensResponseObject, error) {
	list, err := s.opts.Admin.ListTokens(ctx, callOf(ctx, ""), "", page(r.Params.Limit, r.Params.Cursor))
	return ListInstallationTokens200JSONResponse{Items: list.Items, Next: list.Next}, err
}

// CreateInstallationToken implements [StrictServerInterface].
func (s *server) CreateInstallationToken(ctx context.Context, r CreateInstallationTokenRequestObject) (CreateInstallationTokenResponseObject, error) {
	t, w, err := s.opts.Admin.CreateToken(ctx, callOf(ctx, ""), tokenOf("", r.Body))
	wrote(ctx, w)
	return CreateInstallationToken201JSONResponse(t), err
}

// GetInstallationToken implements [StrictServerInterface].
func (s *server) GetInstallationToken(ctx context.Context, r GetInstallationTokenRequestObject) (GetInstallationTokenResponseObject, error) {
	t, err := s.opts.Admin.GetToken(ctx, callOf(ctx, ""), "", r.Token)
	return GetInstallationToken200JSONResponse{Body: t, Headers: GetInstallationToken200ResponseHeaders{ETag: etag(t.Version)}}, err
}

// RotateInstallationToken implements [StrictServerInterface].
func (s *server) RotateInstallationToken(ctx context.Context, r RotateInstallationTokenRequestObject) (RotateInstallationTokenResponseObject, error) {
	t, err := s.rotate(ctx, "", r.Token, r.Body)
	return RotateInstallationToken201JSONResponse(t), err
}

// RevokeInstallationToken implements [StrictServerInterface].
func (s *server) RevokeInstallationToken(ctx context.Context, r RevokeInstallationTokenRequestObject) (RevokeInstallationTokenResponseObject, error) {
	_, w, err := s.opts.Admin.RevokeToken(ctx, callOf(ctx, ""), "", r.Token)
	wrote(ctx, w)
	return RevokeInstallationToken204Response{}, err
}
