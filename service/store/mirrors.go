package store

import (
	"context"
	"log/slog"
	"time"
)

// MirrorsOptions are those of every mirror; the callbacks get its scope. Those of one scope are called in order, those of several concurrently.
type MirrorsOptions struct {
	OnStep  func(scope string, s Step)
	OnEpoch func(scope string, before, after *State)
	Clock   func() time.Time
	Jitter  func(most time.Duration) time.Duration
	Logger  *slog.Logger
}

// Mirrors runs one Mirror for each scope that was asked for.
type Mirrors struct{}

// NewMirrors makes an empty set. Run makes it work.
func NewMirrors(s Store, opts MirrorsOptions) *Mirrors { panic("TODO") }

// Run owns the goroutines of all mirrors. It ends with ctx, after they have ended.
func (m *Mirrors) Run(ctx context.Context) error { panic("TODO") }

// Get returns the running mirror of a scope. It starts it when needed, and waits for the first load, at most until ctx ends: then
// the error wraps ErrUnavailable and the context's.
func (m *Mirrors) Get(ctx context.Context, scope string) (*Mirror, error) { panic("TODO") }

// Drop stops following a scope (its project was deleted). Its mirror keeps its last state.
func (m *Mirrors) Drop(scope string) { panic("TODO") }
