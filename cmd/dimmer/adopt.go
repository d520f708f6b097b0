package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dimmerhq/dimmer/service/server"
	"github.com/dimmerhq/dimmer/service/store"
)

type adoptCmd struct {
	Store string `required:"" env:"DIMMER_STORE" placeholder:"URL" help:"The store that is refused, as the server's message names it."`
}

// Run works on the store itself, with no server and no token: those of a store that is refused are among what is missing.
func (c *adoptCmd) Run(a *app) (err error) {
	if err := server.CheckStoreIsThere(c.Store); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--store: %w", err)}
	}
	st, err := server.OpenStore(a.ctx, c.Store, newLogger(a.err, "error", "text"))
	if errors.Is(err, store.ErrUnavailable) {
		return &exitError{exitUnavailable, err}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	lacks := []string{}
	if s, ok := st.(interface {
		Missing(context.Context) ([]string, error)
	}); ok {
		if lacks, err = s.Missing(a.ctx); err != nil {
			return err
		}
	}
	if err := st.Adopt(a.ctx); err != nil {
		return err
	}
	scopes, err := st.Scopes(a.ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, what := range lacks {
		fmt.Fprintf(&text, "given up: %s\n", what)
	}
	if len(lacks) == 0 {
		text.WriteString("nobody missed anything here\n")
	}
	if len(scopes) == 0 {
		text.WriteString("adopted as empty: the next server that starts makes a new admin token and shows it")
	} else {
		fmt.Fprintf(&text, "adopted as it is: it holds %s. Nodes that run follow it within seconds", strings.Join(scopes, ", "))
	}
	return a.say(map[string]any{"givenUp": append([]string{}, lacks...), "scopes": append([]string{}, scopes...)}, text.String())
}
