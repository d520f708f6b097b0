package main

import (
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	adminui "github.com/dimmerhq/dimmer/admin-ui"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/server"
)

type serveCmd struct {
	config.Config
}

func (c *serveCmd) Run(a *app) error {
	s, err := server.New(c.Config, server.Options{Logger: newLogger(a.err, c.LogLevel, c.LogFormat), Version: version, Notice: a.err})
	if err != nil {
		return &exitError{exitUsage, err}
	}
	dir, local := c.LocalDir()
	if !c.Dev || !local || !c.Has(config.RoleAdmin) || !adminui.Built() {
		return s.Run(a.ctx)
	}
	g, ctx := errgroup.WithContext(a.ctx)
	g.Go(func() error { return s.Run(ctx) })
	g.Go(func() error {
		select {
		case <-s.Ready():
		case <-ctx.Done():
			return nil
		}
		if dev, err := server.ReadDevFile(dir); err == nil {
			fmt.Fprintf(a.err, "\nThe web UI, signed in once (dimmer ui prints another link):\n\n    %s\n\n", devLink(ctx, dev))
		}
		return nil
	})
	return g.Wait()
}

// newLogger writes to standard error; standard output belongs to answers.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
