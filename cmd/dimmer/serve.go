package main

import (
	"io"
	"log/slog"

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
	return s.Run(a.ctx)
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
