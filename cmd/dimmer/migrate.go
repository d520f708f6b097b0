package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/dimmerhq/dimmer/service/server"
	"github.com/dimmerhq/dimmer/service/store"
)

type migrateCmd struct {
	From string `required:"" placeholder:"URL" help:"The store to read: local:DIR or a Redis URL."`
	To   string `required:"" placeholder:"URL" help:"The store to write; it must be empty."`
}

// migrated says where a scope stands in the new store.
type migrated struct {
	Scope    string     `json:"scope"`
	Epoch    int64      `json:"epoch"`
	Revision int64      `json:"revision"`
	Hash     store.Hash `json:"hash"`
}

// Run copies scope by scope and compares the heads, hashes included. The system scope comes last: only with it does the new store hold an
// installation, so that one that was interrupted cannot be mistaken for a whole one.
func (c *migrateCmd) Run(a *app) (err error) {
	if c.From == c.To {
		return &exitError{exitUsage, errors.New("--from and --to are the same store")}
	}
	log := newLogger(a.err, "warn", "text")
	from, err := open(a.ctx, "--from", c.From, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := open(a.ctx, "--to", c.To, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()

	scopes, err := from.Scopes(a.ctx)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if len(scopes) == 0 {
		return &exitError{exitNotFound, errors.New("--from: the store is empty")}
	}
	taken, err := to.Scopes(a.ctx)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if len(taken) > 0 {
		return &exitError{exitConflict, fmt.Errorf("--to: the store is not empty; it holds %s", strings.Join(taken, ", "))}
	}
	done := []migrated{}
	for _, scope := range systemLast(scopes) {
		head, err := copyScope(a.ctx, from, to, scope)
		if err != nil {
			return fmt.Errorf("scope %s: %w", scope, err)
		}
		done = append(done, migrated{scope, head.Epoch, head.Revision, head.Hash})
	}
	var text strings.Builder
	for _, m := range done {
		fmt.Fprintf(&text, "%s: revision %d, epoch %d\n", m.Scope, m.Revision, m.Epoch)
	}
	fmt.Fprintf(&text, "copied %d scopes; revisions and hashes are the same in both stores", len(done))
	return a.say(map[string]any{"items": done}, text.String())
}

func open(ctx context.Context, option, url string, log *slog.Logger) (store.Store, error) {
	st, err := server.OpenStore(ctx, url, log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return st, nil
}

func systemLast(scopes []string) []string {
	out := []string{}
	last := []string{}
	for _, scope := range scopes {
		if scope == store.System {
			last = append(last, scope)
			continue
		}
		out = append(out, scope)
	}
	return append(out, last...)
}

// copyScope streams a scope from one store into the other, and checks that it stands where it stood.
func copyScope(ctx context.Context, from, to store.Store, scope string) (store.Head, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		err := from.Export(ctx, scope, w)
		_ = w.CloseWithError(err) // always nil
		exported <- err
	}()
	err := to.Import(ctx, scope, r, false)
	_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // lets Export go when Import gave up; always nil
	if e := <-exported; err == nil {
		err = e
	}
	if err != nil {
		return store.Head{}, err
	}
	want, err := from.Head(ctx, scope)
	if err != nil {
		return want, err
	}
	have, err := to.Head(ctx, scope)
	if err == nil && have != want {
		err = fmt.Errorf("it stands at revision %d of epoch %d, and stood at %d of %d: was a server running?", have.Revision, have.Epoch, want.Revision, want.Epoch)
	}
	return have, err
}
