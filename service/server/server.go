// Package server is the composition root: it makes every part of a process from one configuration, connects them, runs
// them together and ends them in order. It wires and holds no logic of its own; what a part does is written in its package.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/store"
)

// Options are what a process gives beside its configuration.
type Options struct {
	Logger  *slog.Logger // nil: discards
	Version string
	// Notice is where an admin token is shown, once. nil: standard error, since nobody could get in otherwise.
	Notice io.Writer
}

// Server is one process of Dimmer.
type Server struct {
	cfg       config.Config
	opts      Options
	ready     chan struct{}
	addresses atomic.Pointer[Addresses]
	open      func(context.Context, config.Config, *slog.Logger) (store.Store, error) // openStore; tests give another
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
	if cfg.Node == "" {
		cfg.Node = nodeName()
	}
	return &Server{cfg: cfg, opts: opts, ready: make(chan struct{}), open: openStore}, nil
}

// nodeName is unique among processes, also among those of one host that share a store.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	var unique [4]byte
	_, _ = rand.Read(unique[:]) // crypto/rand.Read never fails; it ends the program instead
	return host + "-" + hex.EncodeToString(unique[:])
}

// Ready is closed when the server serves.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addresses are where the server listens; zero before Run has opened its listeners.
func (s *Server) Addresses() Addresses {
	if a := s.addresses.Load(); a != nil {
		return *a
	}
	return Addresses{}
}

// Run serves until ctx ends, then lets streams leave and closes everything: no goroutine, listener or lock is left when it returns.
// It is called once. An error is about the start, or says what broke.
func (s *Server) Run(ctx context.Context) (err error) {
	l, err := listen(ctx, s.cfg)
	if err != nil {
		return err
	}
	defer l.close()
	addresses := l.addresses()
	s.addresses.Store(&addresses)
	secure, err := tlsConfig(s.cfg)
	if err != nil {
		return err
	}
	if s.cfg.InsecureListen && secure == nil {
		s.opts.Logger.Warn("--insecure-listen: tokens travel in the clear unless something in front does TLS")
	}
	if s.cfg.Dev {
		s.opts.Logger.Info("this is a development server: it listens on loopback only and keeps tokens in its data folder")
	}
	st, err := s.open(ctx, s.cfg, s.opts.Logger)
	if err != nil {
		return err
	}
	defer func() {
		if e := st.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("close the store: %w", e))
		}
	}()
	if _, local := s.cfg.LocalDir(); local {
		// Nobody else could bring the data back, or adopt what is there, while this process has the folder.
		if _, err := st.Head(ctx, store.System); errors.Is(err, store.ErrEmptied) {
			return err
		}
	}
	p, err := s.assemble(st, l, secure)
	if err != nil {
		return err
	}
	return s.run(ctx, p)
}

// run is the run group. What serves requests ends first, while everything below it still works; the rest ends after that.
func (s *Server) run(ctx context.Context, p *parts) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, work := errgroup.WithContext(work)
	for _, actor := range p.actors() {
		g.Go(func() error { return actor(work) })
	}
	g.Go(func() error {
		if err := p.boot(work); err != nil || work.Err() != nil {
			return err
		}
		a := p.addresses
		s.opts.Logger.Info("ready", "version", s.opts.Version, "node", s.cfg.Node, "http", a.HTTP, "grpc", a.GRPC, "metrics", a.Metrics)
		close(s.ready)
		return nil
	})
	g.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-work.Done(): // an actor failed
		}
		p.drain(work)
		return nil
	})
	return g.Wait()
}
