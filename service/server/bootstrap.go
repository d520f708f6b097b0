package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// owner is who makes the first token and the example project: the process itself, for whoever started it.
var owner = policy.Principal{ID: "server", Name: "server", Kind: policy.KindAdmin, Role: policy.RoleAdmin}

// controller is who repairs what a rewritten history lost. It can kill, and little else.
var controller = policy.Principal{ID: "controller", Name: "controller", Kind: policy.KindController}

// Bootstrap gives somebody the keys of an installation, through the verbs that everybody uses.
type bootstrap struct {
	admin     *admin.Service
	auth      *auth.Service
	addresses Addresses
	scheme    string // of the REST address
}

// firstToken makes an admin token for an installation that has none, and shows it once. Several nodes may start at the
// same time: the idempotency key lets one of them make it, and the others are answered without the secret.
func (b bootstrap) firstToken(ctx context.Context, again bool, show func(secret string) error) error {
	call := admin.Call{Principal: owner, Reason: "first start"}
	if again {
		call.Reason = "--new-admin-token"
	} else {
		known, err := b.admin.ListTokens(ctx, call, "", admin.Page{Limit: 1})
		if err != nil || len(known.Items) > 0 {
			return err
		}
		call.Idempotency = &admin.Idempotency{Key: "server/first-token"}
	}
	made, _, err := b.admin.CreateToken(ctx, call, feature.Token{Name: "first admin", Kind: "admin", Role: "admin"})
	if err != nil || made.Secret == "" {
		return err
	}
	return show(made.Secret)
}

// develop makes the example project, and completes dev.json: tokens that are still good stay what they are.
func (b bootstrap) develop(ctx context.Context, dir string) error {
	known, err := ReadDevFile(dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	example, err := readSeed()
	if err != nil {
		return err
	}
	call := admin.Call{Principal: owner, Reason: "development server"}
	if fresh {
		known.Project = example.Project.Key
		if err := example.plant(ctx, b.admin, call); err != nil {
			return err
		}
	}
	known.URL, known.GRPC = b.scheme+"://"+b.addresses.HTTP, b.addresses.GRPC
	if known.Admin, err = b.keep(ctx, call, known.Admin, feature.Token{Name: "development", Kind: "admin", Role: "admin"}); err != nil {
		return err
	}
	sdk := map[string]string{}
	environments, err := b.admin.ListEnvironments(ctx, call, known.Project)
	if err != nil && feature.CodeOf(err) != feature.CodeNotFound { // somebody deleted the example
		return err
	}
	for _, e := range environments {
		token := feature.Token{Name: "development SDK", Kind: "server", Project: known.Project, Environment: e.Key}
		if sdk[e.Key], err = b.keep(ctx, call, known.SDK[e.Key], token); err != nil {
			return err
		}
	}
	known.SDK = sdk
	return WriteDevFile(dir, known)
}

// keep returns the text of a token that is still good, else that of a new one.
func (b bootstrap) keep(ctx context.Context, call admin.Call, text string, want feature.Token) (string, error) {
	p, err := b.auth.Authenticate(text, "")
	if err == nil && string(p.Kind) == want.Kind && string(p.Role) == want.Role && p.Project == want.Project && p.Environment == want.Environment {
		return text, nil
	}
	made, _, err := b.admin.CreateToken(ctx, call, want)
	return made.Secret, err
}

// showToken prints the first admin token, and leaves it in the data folder of a local store.
func (s *Server) showToken(secret string) error {
	where := ""
	if dir, local := s.cfg.LocalDir(); local {
		path := filepath.Join(dir, "admin-token")
		if err := writeSecret(path, []byte(secret+"\n")); err != nil {
			s.opts.Logger.Error("the admin token could not be written beside the data", "error", err)
		} else {
			where = fmt.Sprintf(" It is also in %s, for you alone; delete it when you have it.", path)
		}
	}
	notice := s.opts.Notice
	if notice == nil {
		notice = os.Stderr
	}
	_, err := fmt.Fprintf(notice, "\nAn admin token, shown this once.%s\n\n    %s\n\n", where, secret)
	return err
}
