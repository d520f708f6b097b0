package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
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

// Run copies scope by scope into an empty store.
func (c *migrateCmd) Run(a *app) (err error) {
	if c.From == c.To {
		return &exitError{exitUsage, errors.New("--from and --to are the same store")}
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
	if file, backup := strings.CutPrefix(c.From, "file:"); backup {
		return c.restore(a, file, to)
	}
	from, err := open(a.ctx, "--from", c.From, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	done, err := copyScopes(a.ctx, from, to)
	if err != nil {
		return err
	}
	return a.sayMigrated(done, "revisions and hashes are the same in both stores")
}

func (a *app) sayMigrated(done []migrated, note string) error {
	var text strings.Builder
	for _, m := range done {
		fmt.Fprintf(&text, "%s: revision %d, epoch %d\n", m.Scope, m.Revision, m.Epoch)
	}
	fmt.Fprintf(&text, "copied %d scopes; %s", len(done), note)
	return a.say(map[string]any{"items": done}, text.String())
}

// copyScopes copies all scopes and compares the heads, hashes included. The system scope comes last: only with it does the new store hold an
// installation, so that one that was interrupted cannot be mistaken for a whole one.
func copyScopes(ctx context.Context, from, to store.Store) ([]migrated, error) {
	scopes, err := from.Scopes(ctx)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	if len(scopes) == 0 {
		return nil, &exitError{exitNotFound, errors.New("--from: the store is empty")}
	}
	done := []migrated{}
	for _, scope := range systemLast(scopes) {
		head, err := copyScope(ctx, from, to, scope)
		if err != nil {
			return nil, fmt.Errorf("scope %s: %w", scope, err)
		}
		done = append(done, migrated{scope, head.Epoch, head.Revision, head.Hash})
	}
	return done, nil
}

// restore reads a backup. Its epochs are raised: whoever knows what was changed since the backup takes a full copy of what holds now, and the nodes
// that still run commit the kills again that it lost.
func (c *migrateCmd) restore(a *app, file string, to store.Store) error {
	f, err := os.Open(file)
	if err != nil {
		return &exitError{exitNotFound, fmt.Errorf("--from: %w", err)}
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReaderSize(f, 256<<10) // scopes stand one after another; a reader of this size is not read beyond a scope's end
	done := []migrated{}
	for {
		scope, err := nextScope(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = to.Import(a.ctx, scope, in, true)
		}
		if err != nil {
			return fmt.Errorf("%s is damaged or no backup, and %s now holds a part of it: delete that, and take another backup: %w", file, c.To, err)
		}
		head, err := to.Head(a.ctx, scope)
		if err != nil {
			return err
		}
		done = append(done, migrated{scope, head.Epoch, head.Revision, head.Hash})
	}
	if !slices.ContainsFunc(done, func(m migrated) bool { return m.Scope == store.System }) {
		return fmt.Errorf("%s holds no installation", file)
	}
	return a.sayMigrated(done, "epochs are raised, as they must be when history is taken back")
}

// nextScope looks at the name of the scope that comes next, and leaves it to be read. io.EOF: there is none.
func nextScope(in *bufio.Reader) (string, error) {
	line, err := in.Peek(4096)
	if len(line) == 0 && err != nil {
		return "", err
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	var head struct {
		Scope string `json:"scope"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return "", fmt.Errorf("no scope begins here: %w", err)
	}
	return head.Scope, nil
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
