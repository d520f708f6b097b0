package admin

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// NewToken is a token with its text, which is shown this once. A repetition of the request is answered without it.
type NewToken struct {
	Token  feature.Token `json:"token"`
	Secret string        `json:"secret"`
}

// ListTokens lists a project's tokens by id, without their hashes; for the empty project, those of the whole installation.
func (s *Service) ListTokens(ctx context.Context, call Call, project string, page Page) (Paged[feature.Token], error) {
	state, err := s.tokens(ctx, &call, policy.TokenRead, project, call.Principal.Environment)
	if err != nil {
		return Paged[feature.Token]{}, err
	}
	out, err := paginate(state.List(collToken), page, func(_ string, data []byte) (feature.Token, bool, error) {
		t, err := feature.Decode[feature.Token](data)
		shown := err == nil && t.Project == project &&
			policy.Can(call.Principal, policy.TokenRead, policy.Resource{Project: project, Environment: t.Environment}) == nil
		return t.Public(), shown, err
	})
	if err == nil {
		s.used(ctx, out.Items)
	}
	return out, err
}

// used notes when tokens were last used.
func (s *Service) used(ctx context.Context, tokens []feature.Token) {
	if s.opts.LastUsed == nil || len(tokens) == 0 {
		return
	}
	used, err := s.opts.LastUsed(ctx)
	if err != nil {
		s.opts.Logger.Warn("when tokens were last used is known of this process alone", "cause", err)
	}
	for i := range tokens {
		tokens[i].LastUsed = used[tokens[i].ID]
	}
}

// GetToken returns one token of a project, without its hash.
func (s *Service) GetToken(ctx context.Context, call Call, project, id string) (feature.Token, error) {
	state, err := s.tokens(ctx, &call, policy.TokenRead, project, call.Principal.Environment)
	if err != nil {
		return feature.Token{}, err
	}
	t, err := read[feature.Token](state, tokenKey(id), "token", id)
	if err == nil {
		err = tokenOf(&t, project, call.Principal, policy.TokenRead)
	}
	if err != nil {
		return feature.Token{}, err
	}
	shown := []feature.Token{t.Public()}
	s.used(ctx, shown)
	return shown[0], nil
}

// tokenOf checks that a token is one of the project's, and within the caller's reach.
func tokenOf(t *feature.Token, project string, p policy.Principal, action policy.Action) error {
	if t.Project != project {
		return feature.NotFound("token", t.ID)
	}
	return policy.Can(p, action, policy.Resource{Project: project, Environment: t.Environment})
}

// tokens checks the project and gives the system's state.
func (s *Service) tokens(ctx context.Context, call *Call, action policy.Action, project, environment string) (*store.State, error) {
	if project != "" {
		if err := s.project(ctx, call, project, action, environment); err != nil {
			return nil, err
		}
	} else if err := policy.Can(call.Principal, action, policy.Resource{}); err != nil {
		return nil, err
	}
	return s.fresh(ctx, store.System)
}

// CreateToken makes a token. Nobody makes one that can do more than he can: its project and environment have to be within the caller's, and its role not
// above the caller's.
func (s *Service) CreateToken(ctx context.Context, call Call, t feature.Token) (NewToken, Written, error) {
	if _, err := s.tokens(ctx, &call, policy.TokenWrite, t.Project, t.Environment); err != nil {
		return NewToken{}, Written{}, err
	}
	if err := s.checkToken(ctx, &call, &t); err != nil {
		return NewToken{}, Written{}, err
	}
	minted, err := s.mint(t.Kind)
	if err != nil {
		return NewToken{}, Written{}, err
	}
	t.ID, t.SecretHash = minted.ID, hex.EncodeToString(minted.Hash[:])
	public, w, err := s.tokenVerb(ctx, call, "token.create", t.ID, func(d *Draft) (feature.Token, error) {
		t.Version, t.CreatedAt, t.CreatedBy = d.revision(), d.now, call.Principal.ID
		d.version = t.Version
		return t.Public(), d.authored(tokenKey(t.ID), t)
	})
	return s.shown(public, minted, w), w, err
}

// shown adds the secret to the first answer.
func (s *Service) shown(t feature.Token, minted Minted, w Written) NewToken {
	if w.Replayed || t.ID != minted.ID {
		return NewToken{Token: t}
	}
	return NewToken{Token: t, Secret: minted.Text}
}

func (s *Service) checkToken(ctx context.Context, call *Call, t *feature.Token) error {
	var errs []error
	if t.ID != "" || t.SecretHash != "" || t.Version != 0 || !t.CreatedAt.IsZero() || t.CreatedBy != "" || !t.RevokedAt.IsZero() || t.Successor != "" || !t.LastUsed.IsZero() {
		errs = append(errs, feature.Invalid("", "only name, kind, project, environment, role and expires can be given"))
	}
	if !t.Expires.IsZero() && !t.Expires.After(s.opts.Clock()) {
		errs = append(errs, feature.Invalid("/expires", "has passed"))
	}
	errs = append(errs, t.Validate())
	if err := feature.Join(errs...); err != nil {
		return err
	}
	if p := call.Principal; p.Kind == policy.KindAdmin && t.Kind == string(policy.KindAdmin) &&
		slices.Index(policy.Roles, policy.Role(t.Role)) > slices.Index(policy.Roles, p.Role) {
		return feature.Denied("a %s cannot make a token with the role %s", p.Role, t.Role)
	}
	if t.Environment == "" {
		return nil
	}
	state, err := s.sync(ctx, t.Project)
	if err != nil {
		return err
	}
	if _, there := state.Get(environmentKey(t.Environment)); !there {
		return feature.Invalid("/environment", "the project has no environment %q", t.Environment)
	}
	return nil
}

func (s *Service) mint(kind string) (Minted, error) {
	if s.opts.Mint == nil {
		return Minted{}, feature.Internal(nil, "no tokens can be made here")
	}
	m, err := s.opts.Mint(policy.Kind(kind))
	if err != nil {
		return m, feature.Internal(err, "mint a token")
	}
	return m, nil
}

func (s *Service) tokenVerb(ctx context.Context, call Call, verb, id string, fn func(*Draft) (feature.Token, error)) (feature.Token, Written, error) {
	c := change{scope: store.System, verb: verb, target: "token/" + id}
	t, w, err := write(ctx, s, &call, c, fn)
	if err == nil {
		// Tokens are looked up in the mirror: whoever gets one may show it here at once. The change stands, whether or not this is quick.
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, _ = s.sync(ctx, store.System)
	}
	return t, w, err
}

// RotateToken makes a successor with the same rights; the old token lives on for the overlap, 24 hours when it is 0, so that both are good while
// a secret is being replaced.
func (s *Service) RotateToken(ctx context.Context, call Call, project, id string, overlap time.Duration) (NewToken, Written, error) {
	if overlap == 0 {
		overlap = 24 * time.Hour
	}
	if overlap < 0 || overlap > 90*24*time.Hour {
		return NewToken{}, Written{}, feature.Invalid("/overlap", "must lie between 0 and 90 days")
	}
	state, err := s.tokens(ctx, &call, policy.TokenWrite, project, call.Principal.Environment)
	if err != nil {
		return NewToken{}, Written{}, err
	}
	kind := "admin"
	if old, err := read[feature.Token](state, tokenKey(id), "token", id); err == nil {
		kind = old.Kind
	}
	minted, err := s.mint(kind)
	if err != nil {
		return NewToken{}, Written{}, err
	}
	public, w, err := s.tokenVerb(ctx, call, "token.rotate", id, func(d *Draft) (feature.Token, error) {
		old, err := d.tokenFor(project, id, call.IfMatch)
		if err != nil {
			return old, err
		}
		if !old.Live(d.now) {
			return old, feature.Conflict("the token is not live any more")
		}
		if old.Successor != "" {
			return old, feature.Conflict("the token was rotated already; rotate its successor %s", old.Successor)
		}
		if old.Kind != kind {
			return old, feature.Conflict("the token changed while it was being rotated")
		}
		next := old
		next.ID, next.SecretHash, next.CreatedAt, next.CreatedBy, next.Version = minted.ID, hex.EncodeToString(minted.Hash[:]), d.now, call.Principal.ID, d.revision()
		next.LastUsed = time.Time{}
		old.Successor, old.Version = next.ID, d.revision()
		if end := d.now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		d.version = next.Version
		if err := d.authored(tokenKey(id), old); err != nil {
			return next, err
		}
		return next.Public(), d.authored(tokenKey(next.ID), next)
	})
	return s.shown(public, minted, w), w, err
}

func (d *Draft) tokenFor(project, id, ifMatch string) (feature.Token, error) {
	t, err := load[feature.Token](d, tokenKey(id), "token", id)
	if err == nil {
		err = tokenOf(&t, project, d.call.Principal, policy.TokenWrite)
	}
	if err == nil {
		d.version = t.Version
		err = d.matches(ifMatch, t.Version, mayMatch)
	}
	return t, err
}

// RevokeToken ends a token now. Revoking a revoked one changes nothing.
func (s *Service) RevokeToken(ctx context.Context, call Call, project, id string) (feature.Token, Written, error) {
	if _, err := s.tokens(ctx, &call, policy.TokenWrite, project, call.Principal.Environment); err != nil {
		return feature.Token{}, Written{}, err
	}
	return s.tokenVerb(ctx, call, "token.revoke", id, func(d *Draft) (feature.Token, error) {
		t, err := d.tokenFor(project, id, call.IfMatch)
		if err != nil || !t.RevokedAt.IsZero() {
			return t.Public(), err
		}
		t.RevokedAt, t.RevokedBy, t.Version = d.now, call.Principal.ID, d.revision()
		d.version = t.Version
		return t.Public(), d.lowered(tokenKey(id), t)
	})
}
