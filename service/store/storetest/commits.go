package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

func (s *suite) emptyScope(t *testing.T) {
	w := s.world(t)
	w.requireStored()
	_, found, err := w.s.Recorded(w.ctx(), w.scope, "key")
	require.NoError(t, err)
	require.False(t, found)
	values, err := w.s.Presence(w.ctx(), w.scope)
	require.NoError(t, err)
	require.Empty(t, values)
	scopes, err := w.s.Scopes(w.ctx())
	require.NoError(t, err)
	require.NotContains(t, scopes, w.scope)
	require.ErrorIs(t, w.s.Export(w.ctx(), w.scope, &bytes.Buffer{}), store.ErrMissing)
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.DefaultRetention))
	require.NoError(t, w.s.Drop(w.ctx(), w.scope))
	w.requireStored()
}

func (s *suite) commits(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"), store.Change{Key: store.Key{Collection: "targeting/production", ID: "ключ/with:odd chars*?"}, After: []byte{0, 1, 255, '\n'}})
	w.requireStored()
	w.commit(w.put("a", "2"), w.put("b", "1"))
	w.commit(w.put("a", ""))
	w.requireStored()
	w.commit(w.put("a", "3")) // again
	w.requireStored()
	other := newWorld(t, w.s)
	other.commit(other.put("a", "other"))
	other.requireStored()
	w.requireStored()
	scopes, err := w.s.Scopes(w.ctx())
	require.NoError(t, err)
	require.Contains(t, scopes, w.scope)
	require.Contains(t, scopes, other.scope)
	require.IsIncreasing(t, scopes)
	for _, h := range s.pair(w) {
		state, err := h.Read(w.ctx(), w.scope)
		require.NoError(t, err)
		requireEqual(t, w.state, state)
	}
}

func (s *suite) conflicts(t *testing.T) {
	w := s.world(t)
	first := w.txn(time.Now(), w.put("a", "first"))
	w.commit(w.put("a", "1"))
	older := w.txn(time.Now(), w.put("a", "older"))
	w.commit(w.put("a", "2"))
	forked := w.txn(time.Now(), w.put("a", "forked"))
	forked.Base.Hash[0]++
	future := forked
	future.Base.Revision++
	epoch := w.txn(time.Now(), w.put("a", "epoch"))
	epoch.Base.Epoch++
	for name, txn := range map[string]store.Txn{"the first again": first, "an older head": older, "another history": forked, "a future": future, "another epoch": epoch} {
		t.Run(name, func(t *testing.T) {
			var err error
			txn.Entry, err = store.Seal(txn.Base, txn.Entry.Meta, txn.Entry.Changes)
			require.NoError(t, err)
			for _, class := range []store.Class{store.ClassNormal, store.ClassLowering, store.ClassKill} {
				txn.Class = class
				txn.Idempotency = &store.Idempotency{Key: "lost"}
				_, err = w.s.Commit(w.ctx(), txn)
				require.ErrorIs(t, err, store.ErrConflict)
			}
			w.requireStored()
			_, found, err := w.s.Recorded(w.ctx(), w.scope, "lost")
			require.NoError(t, err)
			require.False(t, found, "a commit that was not made is not recorded")
		})
	}
	w.commit(w.put("a", "3"))
	w.requireStored()
}

func (s *suite) refusals(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"))
	for name, spoil := range map[string]func(*store.Txn){
		"a wrong hash":          func(x *store.Txn) { x.Entry.Hash[3]++ },
		"another base's entry":  func(x *store.Txn) { x.Base.Hash[3]++ },
		"a revision left out":   func(x *store.Txn) { x.Entry.Revision++ },
		"no change":             func(x *store.Txn) { x.Entry.Changes = nil },
		"a changed reason":      func(x *store.Txn) { x.Entry.Meta.Reason = "another" },
		"a scope without name":  func(x *store.Txn) { x.Scope = "" },
		"a scope with a brace":  func(x *store.Txn) { x.Scope = "a{b}" },
		"a key without a name":  func(x *store.Txn) { x.Idempotency = &store.Idempotency{} },
		"a key of endless size": func(x *store.Txn) { x.Idempotency = &store.Idempotency{Key: strings.Repeat("k", 2049)} },
	} {
		t.Run(name, func(t *testing.T) {
			txn := w.txn(time.Now(), w.put("a", "2"))
			spoil(&txn)
			_, err := w.s.Commit(w.ctx(), txn)
			require.Error(t, err)
			require.NotErrorIs(t, err, store.ErrConflict)
			require.NotErrorIs(t, err, store.ErrUnavailable)
			w.requireStored()
		})
	}
}

func (s *suite) tooLarge(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("a", "1"))
	_, err := w.s.Commit(w.ctx(), w.txn(time.Now(), w.put("b", strings.Repeat("x", store.MaxTransaction))))
	require.ErrorIs(t, err, store.ErrTooLarge)
	txn := w.txn(time.Now(), w.put("b", "1"))
	txn.Idempotency = &store.Idempotency{Key: "k", Answer: make([]byte, store.MaxAnswer+1)}
	_, err = w.s.Commit(w.ctx(), txn)
	require.ErrorIs(t, err, store.ErrTooLarge)
	w.requireStored()
	txn.Idempotency.Answer = txn.Idempotency.Answer[1:]
	_, err = w.s.Commit(w.ctx(), txn)
	require.NoError(t, err)
	w.note(txn.Entry)
	w.commit(w.put("b", strings.Repeat("x", 4<<20)))
	w.requireStored()
}

func (s *suite) idempotency(t *testing.T) {
	w := s.world(t)
	idem := &store.Idempotency{Key: "token:1 PATCH /flags/ü", Request: store.Hash{1, 2}, Answer: []byte(`{"a":[]}`)}
	txn := w.txn(time.Now(), w.put("a", "1"))
	txn.Idempotency = idem
	_, err := w.s.Commit(w.ctx(), txn)
	require.NoError(t, err)
	w.note(txn.Entry)
	_, err = w.s.Commit(w.ctx(), txn)
	require.ErrorIs(t, err, store.ErrDuplicate, "a repetition, word for word")
	txn = w.txn(time.Now(), w.put("a", "2"))
	txn.Idempotency = &store.Idempotency{Key: idem.Key, Request: store.Hash{9}}
	_, err = w.s.Commit(w.ctx(), txn)
	require.ErrorIs(t, err, store.ErrDuplicate, "another request, on the newest head")
	w.requireStored()
	for _, h := range s.pair(w) {
		r, found, err := h.Recorded(w.ctx(), w.scope, idem.Key)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, store.Record{Request: idem.Request, Answer: idem.Answer, Revision: 1}, r)
	}
	_, found, err := w.s.Recorded(w.ctx(), w.scope, idem.Key+"x")
	require.NoError(t, err)
	require.False(t, found)

	other := newWorld(t, w.s)
	txn = other.txn(time.Now(), other.put("a", "1"))
	txn.Idempotency = idem
	_, err = w.s.Commit(w.ctx(), txn)
	require.NoError(t, err, "keys are of a scope")
	w.commit(w.put("a", "3"))
	w.requireStored()
}

func (s *suite) idempotencyContended(t *testing.T) {
	w := s.world(t)
	w.commit(w.put("n", text(0)))
	handles := s.pair(w)
	var made, duplicates atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for {
				n, err := increment(w, handles[i%len(handles)], "once")
				if errors.Is(err, store.ErrConflict) {
					continue
				}
				if errors.Is(err, store.ErrDuplicate) {
					duplicates.Add(1)
				} else if err == nil && n > 0 {
					made.Add(1)
				}
				return
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, made.Load())
	require.EqualValues(t, 7, duplicates.Load())
	head, err := w.s.Head(w.ctx(), w.scope)
	require.NoError(t, err)
	require.EqualValues(t, 2, head.Revision)
}

// increment reads a scope and commits a change of its document n on what it saw. It returns the revision made.
func increment(w *world, s store.Store, idempotency string) (int64, error) {
	state, err := s.Read(w.ctx(), w.scope)
	if err != nil {
		return 0, err
	}
	before, _ := state.Get(key("n"))
	after := []byte(text(int(state.Head().Revision)))
	e, err := store.Seal(state.Head(), meta(time.Now()), []store.Change{{Key: key("n"), Before: before, After: after}})
	if err != nil {
		return 0, err
	}
	txn := store.Txn{Scope: w.scope, Base: state.Head(), Entry: e}
	if idempotency != "" {
		txn.Idempotency = &store.Idempotency{Key: idempotency}
	}
	done, err := s.Commit(w.ctx(), txn)
	return done.Head.Revision, err
}

func (s *suite) idempotencyExpires(t *testing.T) {
	if s.clock == nil {
		without(t, "clock (WithClock)")
	}
	h, advance := s.clock(t)
	w := newWorld(t, h)
	for i, wait := range []time.Duration{0, 24*time.Hour - time.Minute, 2 * time.Minute} {
		advance(wait)
		txn := w.txn(time.Now(), w.put("a", fmt.Sprint(i)))
		txn.Idempotency = &store.Idempotency{Key: "k", Answer: []byte{byte(i)}}
		_, err := h.Commit(w.ctx(), txn)
		r, found, lookErr := h.Recorded(w.ctx(), w.scope, "k")
		require.NoError(t, lookErr)
		require.True(t, found)
		if i == 1 {
			require.ErrorIs(t, err, store.ErrDuplicate)
			require.Equal(t, []byte{0}, r.Answer)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, r.Answer)
		w.note(txn.Entry)
	}
	w.requireStored()
	advance(24*time.Hour + time.Minute)
	_, found, err := h.Recorded(w.ctx(), w.scope, "k")
	require.NoError(t, err)
	require.False(t, found)
}
