// Package server is the composition root: it makes every part of a process from one configuration, connects them, runs
// them together and ends them in order. It wires and holds no logic of its own; what a part does is written in its package.
package server

import (
	"context"
	"io"
	"log/slog"

	"github.com/dimmerhq/dimmer/service/config"
)

// Options are what a process gives beside its configuration.
type Options struct {
	Logger  *slog.Logger // nil: discards
	Version string
	// Notice is where the first admin token is shown, once. nil: nowhere.
	Notice io.Writer
}

// Server is one process of Dimmer.
type Server struct {
	cfg  config.Config
	opts Options
}

// New makes a server; it opens nothing. The error names the option that has to change.
func New(cfg config.Config, opts Options) (*Server, error) {
	cfg = cfg.Normalise()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, opts: opts}, nil
}

// Run serves until ctx ends, then lets streams leave and closes everything. It is called once.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
