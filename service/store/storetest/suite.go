// Package storetest is the one suite that every backend of store.Store passes, and a store in memory for the tests of those who use one.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

// Option says what a backend's tests can do to it. What they cannot is left out, and said so in the log.
type Option func(*suite)

// WithPeer opens another handle on the data of a store, as another process has; it is closed by t.Cleanup. Concurrent tests then use both.
func WithPeer(open func(t *testing.T, s store.Store) store.Store) Option {
	return func(s *suite) { s.peer = open }
}

// WithClock opens a store of its own whose clock stands still until the function returned moves it on.
func WithClock(open func(t *testing.T) (s store.Store, advance func(time.Duration))) Option {
	return func(s *suite) { s.clock = open }
}

// WithLimit opens a store of its own that is full when it holds a few MiB, at most 64.
func WithLimit(open func(t *testing.T) store.Store) Option {
	return func(s *suite) { s.limited = open }
}

// WithWipe opens a store of its own. Wipe loses all of its data behind its back, and returns the store to go on with.
func WithWipe(open func(t *testing.T) (s store.Store, wipe func() store.Store)) Option {
	return func(s *suite) { s.wiped = open }
}

type suite struct {
	open    func(t *testing.T) store.Store
	peer    func(t *testing.T, s store.Store) store.Store
	clock   func(t *testing.T) (store.Store, func(time.Duration))
	limited func(t *testing.T) store.Store
	wiped   func(t *testing.T) (store.Store, func() store.Store)
}

// Run checks a backend. Open gives a handle of its own at each call, and closes it by t.Cleanup; tests use scopes with names of their own, so that all
// handles may be on the same data.
func Run(t *testing.T, open func(t *testing.T) store.Store, options ...Option) {
	s := &suite{open: open}
	for _, o := range options {
		o(s)
	}
	for _, test := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"an empty scope", (*suite).emptyScope},
		{"commits", (*suite).commits},
		{"commits on another head", (*suite).conflicts},
		{"entries that no store takes", (*suite).refusals},
		{"transactions that are too large", (*suite).tooLarge},
		{"idempotency", (*suite).idempotency},
		{"idempotency under contention", (*suite).idempotencyContended},
		{"idempotency ends after a day", (*suite).idempotencyExpires},
		{"random transactions", (*suite).random},
		{"concurrent committers", (*suite).counters},
		{"linearizability", (*suite).linearizable},
		{"watch", (*suite).watch},
		{"watch from a cursor", (*suite).watchFrom},
		{"watch with concurrent writers", (*suite).watchContended},
		{"log", (*suite).log},
		{"log of large entries", (*suite).logOfLarge},
		{"retention", (*suite).retention},
		{"retention keeps by age", (*suite).retentionByAge},
		{"reconcile", (*suite).reconcile},
		{"reconcile after other commits", (*suite).reconcileForks},
		{"presence", (*suite).presence},
		{"presence ends", (*suite).presenceEnds},
		{"export and import", (*suite).exportImport},
		{"export after compaction", (*suite).exportCompacted},
		{"import of a broken stream", (*suite).importBroken},
		{"drop", (*suite).drop},
		{"a store that was emptied", (*suite).emptied},
		{"a store that is nearly full", (*suite).full},
		{"report", (*suite).report},
		{"a context that has ended", (*suite).cancelled},
		{"a closed store", (*suite).closed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(s, t) })
	}
}

// without skips a test that the backend's tests gave no means for.
func without(t *testing.T, what string) {
	t.Helper()
	t.Skipf("LEFT OUT: the backend's tests give no %s", what)
}

// world is a scope with what a test knows of it.
type world struct {
	t     *testing.T
	s     store.Store
	scope string
	state *store.State
	log   []store.Entry
	until context.Context
}

func (s *suite) world(t *testing.T) *world {
	t.Helper()
	return newWorld(t, s.open(t))
}

func newWorld(t *testing.T, s store.Store) *world {
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	return &world{t: t, s: s, scope: "t" + strings.ToLower(rand.Text()[:12]), state: &store.State{}, until: ctx}
}

// pair is the handles on a world's data: two where the backend can.
func (s *suite) pair(w *world) []store.Store {
	if s.peer == nil {
		return []store.Store{w.s}
	}
	return []store.Store{w.s, s.peer(w.t, w.s)}
}

// patience bounds what has to happen soon; nothing waits as long unless it fails.
const patience = 30 * time.Second

// ctx ends, so that a call that hangs fails its test.
func (w *world) ctx() context.Context { return w.until }

func key(id string) store.Key { return store.Key{Collection: "flag", ID: id} }

// put is a change of one document, as it follows from what the world knows.
func (w *world) put(id, text string) store.Change {
	before, _ := w.state.Get(key(id))
	c := store.Change{Key: key(id), Before: before}
	if text != "" {
		c.After = []byte(text)
	}
	return c
}

// txn seals a transaction on what the world knows.
func (w *world) txn(at time.Time, changes ...store.Change) store.Txn {
	w.t.Helper()
	e, err := store.Seal(w.state.Head(), meta(at), changes)
	require.NoError(w.t, err)
	return store.Txn{Scope: w.scope, Base: w.state.Head(), Entry: e}
}

func meta(at time.Time) store.Meta {
	return store.Meta{At: at, Actor: "token:1", Verb: "flag.edit", Target: "flag/ü", Reason: "be\x00cause \"<&>\u2028", Address: "::1"}
}

// commit commits, and takes note.
func (w *world) commit(changes ...store.Change) store.Entry {
	w.t.Helper()
	return w.commitAt(time.Now(), changes...)
}

func (w *world) commitAt(at time.Time, changes ...store.Change) store.Entry {
	w.t.Helper()
	txn := w.txn(at, changes...)
	done, err := w.s.Commit(w.ctx(), txn)
	require.NoError(w.t, err)
	require.Equal(w.t, txn.Entry.Head(), done.Head)
	require.Contains(w.t, []store.Durability{store.Confirmed, store.Unconfirmed}, done.Durability)
	w.note(txn.Entry)
	return txn.Entry
}

func (w *world) note(e store.Entry) {
	w.t.Helper()
	next, err := w.state.Apply(e)
	require.NoError(w.t, err)
	w.state, w.log = next, append(w.log, e)
}

// requireStored compares the store with what the world knows: head, documents, log.
func (w *world) requireStored() {
	w.t.Helper()
	head, err := w.s.Head(w.ctx(), w.scope)
	require.NoError(w.t, err)
	require.Equal(w.t, w.state.Head(), head)
	state, err := w.s.Read(w.ctx(), w.scope)
	require.NoError(w.t, err)
	requireEqual(w.t, w.state, state)
	w.requireLog(w.log)
}

func (w *world) requireLog(want []store.Entry) {
	w.t.Helper()
	var log []store.Entry
	for before := int64(0); before != 1 && len(log) < len(want); before = log[len(log)-1].Revision {
		page, err := w.s.Log(w.ctx(), w.scope, before, len(w.log)+10)
		require.NoError(w.t, err)
		require.NotEmpty(w.t, page)
		log = append(log, page...)
	}
	require.Len(w.t, log, len(want))
	for i, e := range log {
		require.Equal(w.t, want[len(want)-1-i], e)
		require.NoError(w.t, e.Verify())
	}
}

func requireEqual(t require.TestingT, want, got *store.State) {
	require.Equal(t, want.Head(), got.Head())
	require.Empty(t, store.Diff(want, got, ""))
	require.Equal(t, want.Len(), got.Len())
}

// requireAny is for calls whose error wraps one of several.
func requireAny(t require.TestingT, err error, targets ...error) {
	for _, target := range targets {
		if errors.Is(err, target) {
			return
		}
	}
	require.Fail(t, "another error was expected", "got %v, wanted one of %v", err, targets)
}

// eventually polls until fn is nil.
func eventually(t *testing.T, fn func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, "did not come about")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func text(i int) string { return fmt.Sprintf("{%q:%d}", "n", i) }
