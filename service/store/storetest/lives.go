package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

func (w *world) reconcile(known store.Head) store.Head {
	w.t.Helper()
	head, err := w.s.Reconcile(w.ctx(), w.scope, known)
	require.NoError(w.t, err)
	return head
}

// reconcile: who knows the head, something before it, or nothing, changes nothing.
func (s *suite) reconcile(t *testing.T) {
	w := s.world(t)
	require.Equal(t, store.Head{}, w.reconcile(store.Head{}))
	for i := range 3 {
		w.commit(w.put("a", text(i)))
	}
	for _, known := range []store.Head{w.state.Head(), {}, w.log[0].Head(), w.log[1].Head()} {
		require.Equal(t, w.state.Head(), w.reconcile(known))
	}
	w.requireStored()
}

// reconcileForks: who knows what the store has not raises the epoch, once, and everything goes on in the new one.
func (s *suite) reconcileForks(t *testing.T) {
	for name, known := range map[string]func(head store.Head, log []store.Entry) store.Head{
		"commits that were lost":         func(h store.Head, _ []store.Entry) store.Head { h.Revision += 2; return h },
		"another commit at the head":     func(h store.Head, _ []store.Entry) store.Head { h.Hash[0]++; return h },
		"another commit before the head": func(_ store.Head, log []store.Entry) store.Head { h := log[0].Head(); h.Hash[0]++; return h },
		"a later epoch":                  func(h store.Head, _ []store.Entry) store.Head { h.Epoch += 3; return h },
		"a later epoch of fewer commits": func(h store.Head, log []store.Entry) store.Head { h = log[0].Head(); h.Epoch += 3; return h },
	} {
		t.Run(name, func(t *testing.T) {
			w := s.world(t)
			for i := range 3 {
				w.commit(w.put("a", text(i)))
			}
			before := w.state.Head()
			running := w.follow(w.s, before.Cursor())
			foreign := known(before, w.log)
			head := w.reconcile(foreign)
			require.Greater(t, head.Epoch, before.Epoch)
			require.Greater(t, head.Epoch, foreign.Epoch)
			require.Equal(t, store.Head{Epoch: head.Epoch, Revision: before.Revision, Hash: before.Hash}, head)
			for _, h := range s.pair(w) { // others who come with what they know, and the same one again
				for _, known := range []store.Head{foreign, before, head, {}} {
					got, err := h.Reconcile(w.ctx(), w.scope, known)
					require.NoError(t, err)
					require.Equal(t, head, got)
				}
			}
			_, err := w.s.Commit(w.ctx(), w.txn(time.Now(), w.put("a", "in the old epoch")))
			require.ErrorIs(t, err, store.ErrConflict)
			_, err = w.follow(w.s, before.Cursor()).next(w)
			require.ErrorIs(t, err, store.ErrEpoch)
			w.state = store.NewState(head, w.state.All())
			w.requireStored()
			after := w.follow(w.s, head.Cursor())
			e := w.commit(w.put("a", "in the new epoch"))
			require.Equal(t, head.Epoch, e.Epoch)
			after.require(w, e)
			_, err = running.next(w)
			require.ErrorIs(t, err, store.ErrEpoch, "a watch that was running does not cross over")
			w.requireStored()
		})
	}
}

func (s *suite) presence(t *testing.T) {
	w := s.world(t)
	other := newWorld(t, w.s)
	handles := s.pair(w)
	put := func(w *world, id, value string) {
		require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, id, []byte(value), time.Hour))
	}
	put(w, "node/ü", "1")
	put(w, "node/b", "\x00\xff")
	put(other, "node/c", "x")
	put(w, "node/ü", "2")
	for _, h := range handles {
		values, err := h.Presence(w.ctx(), w.scope)
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{"node/ü": []byte("2"), "node/b": []byte("\x00\xff")}, values)
	}
	require.NoError(t, w.s.DeletePresence(w.ctx(), w.scope, "node/ü"))
	require.NoError(t, w.s.DeletePresence(w.ctx(), w.scope, "node/none"))
	values, err := handles[len(handles)-1].Presence(w.ctx(), w.scope)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"node/b": []byte("\x00\xff")}, values)
	w.requireStored() // no revision was made
	scopes, err := w.s.Scopes(w.ctx())
	require.NoError(t, err)
	require.NotContains(t, scopes, w.scope)
}

func (s *suite) presenceEnds(t *testing.T) {
	w := s.world(t)
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "stays", []byte("1"), time.Hour))
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "renewed", []byte("1"), 20*time.Millisecond))
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "renewed", []byte("2"), time.Hour))
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "goes", []byte("1"), 20*time.Millisecond))
	eventually(t, func() error {
		values, err := w.s.Presence(w.ctx(), w.scope)
		require.NoError(t, err)
		require.Equal(t, "2", string(values["renewed"]))
		require.Contains(t, values, "stays")
		if len(values) > 2 {
			return fmt.Errorf("%d values are there", len(values))
		}
		return nil
	})
}

func (w *world) export() []byte {
	w.t.Helper()
	var out bytes.Buffer
	require.NoError(w.t, w.s.Export(w.ctx(), w.scope, &out))
	return out.Bytes()
}

func (s *suite) exportImport(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"), w.put("b", "\x00\xff"))
	w.commit(w.put("a", "2"))
	head := w.reconcile(store.Head{Epoch: 4, Revision: 1})
	w.state = store.NewState(head, w.state.All())
	w.commit(w.put("b", ""), w.put("c", "<&>\u2028"))
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "node", []byte("stays here"), time.Hour))
	stream := w.export()
	require.ErrorIs(t, w.s.Import(w.ctx(), w.scope, bytes.NewReader(stream), false), store.ErrExists)
	w.requireStored()

	for _, raise := range []bool{false, true} {
		t.Run(fmt.Sprint("raise ", raise), func(t *testing.T) {
			copied := newWorld(t, w.s)
			copied.state, copied.log = w.state, append(copied.log, w.log...)
			require.NoError(t, w.s.Import(w.ctx(), copied.scope, bytes.NewReader(stream), raise))
			if raise {
				head := w.state.Head()
				head.Epoch++
				copied.state = store.NewState(head, w.state.All())
			}
			copied.requireStored()
			if !raise {
				_, body, _ := bytes.Cut(stream, []byte("\n"))
				_, copiedBody, _ := bytes.Cut(copied.export(), []byte("\n"))
				require.Len(t, copiedBody, len(body)) // but for the header's name, and the sum of all
				require.Equal(t, body[:len(body)-100], copiedBody[:len(body)-100])
			}
			f := copied.follow(w.s, copied.state.Head().Cursor())
			f.require(copied, copied.commit(copied.put("a", "and goes on")))
			copied.requireStored()
			values, err := w.s.Presence(w.ctx(), copied.scope)
			require.NoError(t, err)
			require.Empty(t, values)
		})
	}
	w.requireStored()
}

func (s *suite) exportCompacted(t *testing.T) {
	w := s.world(t)
	old := time.Now().Add(-time.Hour)
	for i := range 6 {
		w.commitAt(old, w.put("a", text(i)), w.put(fmt.Sprint("b", i), "1"))
	}
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.Retention{Age: time.Minute, Entries: 2}))
	copied := newWorld(t, w.s)
	require.NoError(t, w.s.Import(w.ctx(), copied.scope, bytes.NewReader(w.export()), false))
	copied.state, copied.log = w.state, w.log[4:]
	copied.requireStored()
	_, err := w.s.Log(w.ctx(), copied.scope, 5, 3)
	require.ErrorIs(t, err, store.ErrCompacted)
	_, err = copied.follow(w.s, store.Cursor{}).next(copied)
	require.ErrorIs(t, err, store.ErrCompacted)
	copied.commit(copied.put("a", "and goes on"))
	copied.requireStored()
}

// importBroken: of a stream that is cut or altered nothing is imported.
func (s *suite) importBroken(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"), w.put("b", "1"))
	w.commit(w.put("a", "2"))
	stream := w.export()
	lines := bytes.SplitAfter(stream, []byte("\n"))
	into := newWorld(t, w.s)
	for name, broken := range map[string][]byte{
		"nothing":                  {},
		"cut in the middle":        stream[:len(stream)/2],
		"without its last line":    bytes.Join(lines[:len(lines)-2], nil),
		"without its last byte":    stream[:len(stream)-1],
		"without a document":       bytes.Join(append(append([][]byte{}, lines[0]), lines[2:]...), nil),
		"with another document":    bytes.Replace(stream, []byte(`"d":"Mg=="`), []byte(`"d":"Mw=="`), 1),
		"with another head":        bytes.Replace(stream, []byte(`"revision":2`), []byte(`"revision":3`), 1),
		"with another reason":      bytes.Replace(stream, []byte(`flag.edit`), []byte(`flag.made`), 1),
		"with a field of its own":  bytes.Replace(stream, []byte(`{"c":`), []byte(`{"x":1,"c":`), 1),
		"of another kind":          bytes.Replace(stream, []byte(`"dimmer":"scope"`), []byte(`"dimmer":"other"`), 1),
		"of a later version":       bytes.Replace(stream, []byte(`"version":1`), []byte(`"version":2`), 1),
		"with another text before": append([]byte("\n"), stream...),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, stream, broken)
			require.ErrorIs(t, w.s.Import(w.ctx(), into.scope, bytes.NewReader(broken), false), store.ErrStream)
			into.requireStored()
		})
	}
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	require.ErrorIs(t, w.s.Import(ctx, into.scope, bytes.NewReader(stream), false), context.Canceled)
	into.requireStored()
	require.NoError(t, w.s.Import(w.ctx(), into.scope, bytes.NewReader(stream), false))
}

func (s *suite) drop(t *testing.T) {
	w := s.world(t)
	handles := s.pair(w)
	txn := w.txn(time.Now(), w.put("a", "1"))
	txn.Idempotency = &store.Idempotency{Key: "k"}
	_, err := w.s.Commit(w.ctx(), txn)
	require.NoError(t, err)
	w.note(txn.Entry)
	w.commit(w.put("a", "2"))
	require.NoError(t, w.s.PutPresence(w.ctx(), w.scope, "node", []byte("1"), time.Hour))
	stream := w.export()
	before := w.state.Head()
	other := newWorld(t, w.s)
	other.commit(other.put("a", "1"))

	require.NoError(t, w.s.Drop(w.ctx(), w.scope))
	require.NoError(t, w.s.Drop(w.ctx(), w.scope), "dropping is repeatable")
	w.state, w.log = store.NewState(before.Dropped(), (&store.State{}).All()), nil
	w.requireStored()
	other.requireStored()
	_, found, err := w.s.Recorded(w.ctx(), w.scope, "k")
	require.NoError(t, err)
	require.False(t, found)
	values, err := w.s.Presence(w.ctx(), w.scope)
	require.NoError(t, err)
	require.Empty(t, values)
	scopes, err := w.s.Scopes(w.ctx())
	require.NoError(t, err)
	require.NotContains(t, scopes, w.scope)
	_, err = w.follow(w.s, before.Cursor()).next(w)
	require.ErrorIs(t, err, store.ErrEpoch)

	// What is made under the name later is another history.
	f := w.follow(handles[len(handles)-1], w.state.Head().Cursor())
	e := w.commit(w.put("a", "of another life"))
	require.Equal(t, before.Epoch+1, e.Epoch)
	require.EqualValues(t, 1, e.Revision)
	f.require(w, e)
	w.requireStored()
	require.NoError(t, w.s.Drop(w.ctx(), w.scope))
	require.NoError(t, w.s.Import(w.ctx(), w.scope, bytes.NewReader(stream), true))
	head, err := w.s.Head(w.ctx(), w.scope)
	require.NoError(t, err)
	require.Equal(t, store.Head{Epoch: before.Epoch + 2, Revision: before.Revision, Hash: before.Hash}, head)
}

func (s *suite) emptied(t *testing.T) {
	if s.wiped == nil {
		without(t, "way to lose all data (WithWipe)")
	}
	h, wipe := s.wiped(t)
	w := newWorld(t, h)
	w.commit(w.put("a", "1"))
	w.commit(w.put("a", "2"))
	before := w.state.Head()
	txn := w.txn(time.Now(), w.put("a", "3"))
	w.s = wipe()
	_, err := w.s.Commit(w.ctx(), txn)
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = w.s.Commit(w.ctx(), newWorld(t, h).txn(time.Now(), w.put("b", "1")))
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = w.s.Head(w.ctx(), w.scope)
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = w.s.Read(w.ctx(), w.scope)
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = w.s.Reconcile(w.ctx(), w.scope, before)
	require.ErrorIs(t, err, store.ErrEmptied)
	_, err = w.follow(w.s, before.Cursor()).next(w)
	requireAny(t, err, store.ErrEmptied, store.ErrEpoch)
	_, err = w.s.Scopes(w.ctx())
	require.ErrorIs(t, err, store.ErrEmptied)
	require.NoError(t, w.s.Adopt(w.ctx()))
	require.NoError(t, w.s.Adopt(w.ctx()))
	w.state, w.log = &store.State{}, nil
	w.requireStored()
	head := w.reconcile(before) // of one who was there
	require.Greater(t, head.Epoch, before.Epoch)
	w.state = store.NewState(head, w.state.All())
	w.commit(w.put("a", "anew"))
	w.requireStored()
}

// full: from 90 % on only what lowers exposure is taken.
func (s *suite) full(t *testing.T) {
	if s.limited == nil {
		without(t, "limit (WithLimit)")
	}
	w := newWorld(t, s.limited(t))
	try := func(class store.Class, id, text string) error {
		txn := w.txn(time.Now(), w.put(id, text))
		txn.Class = class
		_, err := w.s.Commit(w.ctx(), txn)
		if err == nil {
			w.note(txn.Entry)
		}
		return err
	}
	w.commit(w.put("a", "1"))
	var err error
	for i := 0; err == nil && i < 1024; i++ {
		err = try(store.ClassNormal, fmt.Sprint("fill", i), strings.Repeat("0123456789abcdef", 8<<10))
	}
	require.ErrorIs(t, err, store.ErrFull)
	report, err := w.s.Check(w.ctx())
	require.NoError(t, err)
	require.GreaterOrEqual(t, report.Used, 0.9)
	require.ErrorIs(t, try(store.ClassNormal, "a", "2"), store.ErrFull)
	require.NoError(t, try(store.ClassLowering, "a", "3"))
	require.NoError(t, try(store.ClassKill, "kill", "1"))
	w.requireStored()
}

func (s *suite) report(t *testing.T) {
	w := s.world(t)
	r, err := w.s.Check(w.ctx())
	require.NoError(t, err)
	require.NotEmpty(t, r.Backend)
	require.GreaterOrEqual(t, r.Used, 0.0)
	require.LessOrEqual(t, r.Used, 1.0)
	require.GreaterOrEqual(t, r.Replicas, 0)
}

// calls makes every call there is.
func calls(w *world, txn store.Txn, stream []byte) map[string]func(context.Context) error {
	s, scope := w.s, w.scope
	return map[string]func(context.Context) error{
		"Scopes":         func(ctx context.Context) error { _, err := s.Scopes(ctx); return err },
		"Head":           func(ctx context.Context) error { _, err := s.Head(ctx, scope); return err },
		"Read":           func(ctx context.Context) error { _, err := s.Read(ctx, scope); return err },
		"Commit":         func(ctx context.Context) error { _, err := s.Commit(ctx, txn); return err },
		"Recorded":       func(ctx context.Context) error { _, _, err := s.Recorded(ctx, scope, "k"); return err },
		"Log":            func(ctx context.Context) error { _, err := s.Log(ctx, scope, 0, 1); return err },
		"Reconcile":      func(ctx context.Context) error { _, err := s.Reconcile(ctx, scope, w.state.Head()); return err },
		"Compact":        func(ctx context.Context) error { return s.Compact(ctx, scope, store.Retention{}) },
		"PutPresence":    func(ctx context.Context) error { return s.PutPresence(ctx, scope, "id", nil, time.Hour) },
		"Presence":       func(ctx context.Context) error { _, err := s.Presence(ctx, scope); return err },
		"DeletePresence": func(ctx context.Context) error { return s.DeletePresence(ctx, scope, "id") },
		"Export":         func(ctx context.Context) error { return s.Export(ctx, scope, io.Discard) },
		"Import":         func(ctx context.Context) error { return s.Import(ctx, scope+"-copy", bytes.NewReader(stream), false) },
		"Drop":           func(ctx context.Context) error { return s.Drop(ctx, scope) },
		"Check":          func(ctx context.Context) error { _, err := s.Check(ctx); return err },
		"Watch": func(ctx context.Context) error {
			for _, err := range s.Watch(ctx, scope, w.state.Head().Cursor()) {
				return err
			}
			return nil
		},
	}
}

func (s *suite) cancelled(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"))
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	for name, call := range calls(w, w.txn(time.Now(), w.put("a", "2")), w.export()) {
		require.ErrorIs(t, call(ctx), context.Canceled, name)
	}
	w.requireStored()
}

func (s *suite) closed(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"))
	running := w.follow(w.s, w.state.Head().Cursor())
	all := calls(w, w.txn(time.Now(), w.put("a", "2")), w.export())
	require.NoError(t, w.s.Close())
	for name, call := range all {
		require.ErrorIs(t, call(w.ctx()), store.ErrClosed, name)
	}
	_, err := running.next(w)
	require.ErrorIs(t, err, store.ErrClosed)
	require.NoError(t, w.s.Close(), "closing is repeatable")
}
