package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/dimmerhq/dimmer/service/server"
	"github.com/dimmerhq/dimmer/service/store"
)

type migrateCmd struct {
	From string `required:"" placeholder:"URL" help:"The store to read: local:DIR, a Redis URL, or file:FILE for a backup."`
	To   string `required:"" placeholder:"URL" help:"The store to write; it must be empty."`
}

// migrated says where a scope stands in the new store.
type migrated struct {
	Scope    string     `json:"scope"`
	Epoch    int64      `json:"epoch"`
	Revision int64      `json:"revision"`
	Hash     store.Hash `json:"hash"`
}

// Run copies everything into an empty store, or nothing.
func (c *migrateCmd) Run(a *app) (err error) {
	if err := c.check(); err != nil {
		return &exitError{exitUsage, err}
	}
	log := newLogger(a.err, "warn", "text")
	to, err := open(a.ctx, "--to", c.To, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	taken, err := to.Scopes(a.ctx)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if len(taken) > 0 {
		return &exitError{exitConflict, fmt.Errorf("--to: the store is not empty; it holds %s", strings.Join(taken, ", "))}
	}
	scopes, note, err := c.fill(a.ctx, to, log)
	if err != nil {
		return err
	}
	done := make([]migrated, len(scopes))
	var text strings.Builder
	for i, scope := range scopes {
		head, err := to.Head(a.ctx, scope)
		if err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		done[i] = migrated{scope, head.Epoch, head.Revision, head.Hash}
		fmt.Fprintf(&text, "%s: revision %d, epoch %d\n", scope, head.Revision, head.Epoch)
	}
	fmt.Fprintf(&text, "copied %d scopes; %s", len(done), note)
	return a.say(map[string]any{"items": done}, text.String())
}

// check finds what can be known to be wrong before a store is opened, which would make one.
func (c *migrateCmd) check() error {
	if c.From == c.To {
		return errors.New("--from and --to are the same store")
	}
	if err := server.CheckStore(c.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if strings.HasPrefix(c.From, "file:") {
		return nil
	}
	if err := server.CheckStoreIsThere(c.From); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	return nil
}

// fill copies a store, or restores a backup. A restored one gets new epochs: whoever knows what was changed since the backup then takes a
// full copy of what holds now, and nodes that still run commit the kills again that it lost.
func (c *migrateCmd) fill(ctx context.Context, to store.Store, log *slog.Logger) (scopes []string, note string, err error) {
	if file, backup := strings.CutPrefix(c.From, "file:"); backup {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", &exitError{exitNotFound, fmt.Errorf("--from: %w", err)}
		}
		defer func() { _ = f.Close() }()
		scopes, err = store.Restore(ctx, to, f)
		if err != nil {
			return nil, "", fmt.Errorf("--from: nothing was restored: %w", err)
		}
		return scopes, "epochs are raised, as they must be when history is taken back", nil
	}
	from, err := open(ctx, "--from", c.From, log)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if scopes, err = store.Copy(ctx, from, to); err != nil {
		return nil, "", fmt.Errorf("nothing was copied: %w", err)
	}
	if len(scopes) == 0 {
		return nil, "", &exitError{exitNotFound, errors.New("--from: the store is empty")}
	}
	return scopes, "revisions and hashes are the same in both stores", nil
}

func open(ctx context.Context, option, url string, log *slog.Logger) (store.Store, error) {
	st, err := server.OpenStore(ctx, url, log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return st, nil
}
