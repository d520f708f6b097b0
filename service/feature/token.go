package feature

import (
	"slices"
	"strings"
	"time"
)

// TokenKinds and TokenRoles are what a token can be; package policy says what each may do.
var (
	TokenKinds = []string{"admin", "server", "client", "kill"}
	TokenRoles = []string{"viewer", "operator", "editor", "admin"}
)

// Token is a credential of a program or a person, without its secret. It is kept in the system scope under its id.
type Token struct {
	ID          string    `json:"id,omitempty"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind" dimmer:"required"`
	Project     string    `json:"project,omitempty"`     // the one project it is for; empty: all, for admin and kill tokens only
	Environment string    `json:"environment,omitempty"` // the one environment it is for; required for SDK tokens
	Role        string    `json:"role,omitempty"`        // of an admin token
	Expires     time.Time `json:"expires,omitzero"`      // zero: never

	// Owned by the server.
	SecretHash string    `json:"secretHash,omitempty"` // SHA-256 in lower-case hex; never shown
	Version    int64     `json:"version,omitempty"`
	CreatedAt  time.Time `json:"createdAt,omitzero"`
	CreatedBy  string    `json:"createdBy,omitempty"`
	RevokedAt  time.Time `json:"revokedAt,omitzero"`
	RevokedBy  string    `json:"revokedBy,omitempty"`
	Successor  string    `json:"successor,omitempty"` // the token that rotation made from it
	LastUsed   time.Time `json:"lastUsed,omitzero"`
}

// Live says whether the token is good at a time.
func (t *Token) Live(at time.Time) bool {
	return t.RevokedAt.IsZero() && (t.Expires.IsZero() || at.Before(t.Expires))
}

// Public is the token without its hash.
func (t *Token) Public() Token {
	c := *t
	c.SecretHash = ""
	return c
}

// Validate reports every problem of an authored token.
func (t *Token) Validate() error {
	var p problems
	p.checkLine("/name", t.Name)
	if !slices.Contains(TokenKinds, t.Kind) {
		p.add("/kind", "must be one of %s", strings.Join(TokenKinds, ", "))
	}
	if t.Project != "" {
		p.merge("/project", CheckKey(t.Project))
	}
	if t.Environment != "" {
		p.merge("/environment", CheckKey(t.Environment))
		if t.Project == "" {
			p.add("/project", "is required when an environment is named")
		}
	}
	switch sdk := t.Kind == "server" || t.Kind == "client"; {
	case t.Kind == "admin" && !slices.Contains(TokenRoles, t.Role):
		p.add("/role", "must be one of %s", strings.Join(TokenRoles, ", "))
	case t.Kind != "admin" && t.Role != "":
		p.add("/role", "only admin tokens have a role")
	case sdk && (t.Project == "" || t.Environment == ""):
		p.add("/environment", "an SDK's token is for one project and one environment")
	}
	return p.err()
}
