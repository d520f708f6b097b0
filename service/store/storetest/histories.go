package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/service/store"
)

// random compares the store with the reference model under random transactions, good and bad ones, and everything that moves a head.
func (s *suite) random(t *testing.T) {
	h := s.open(t)
	ids := rapid.SampledFrom([]string{"a", "b", "c", "d/e", "f"})
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, h)
		for range rapid.IntRange(1, 6).Draw(rt, "commits") {
			n := rapid.IntRange(1, 3).Draw(rt, "changes")
			var changes []store.Change
			for _, id := range rapid.SliceOfNDistinct(ids, n, n, rapid.ID).Draw(rt, "ids") {
				c := w.put(id, rapid.SampledFrom([]string{"", "1", "2", "{}"}).Draw(rt, "text"))
				if c.Before != nil || c.After != nil {
					changes = append(changes, c)
				}
			}
			if len(changes) == 0 {
				continue
			}
			txn := w.txn(time.UnixMilli(rapid.Int64Range(-1e12, 1e14).Draw(rt, "at")), changes...)
			switch rapid.IntRange(0, 9).Draw(rt, "fate") {
			case 0: // on another head
				txn.Base.Hash[0]++
				txn.Entry, _ = store.Seal(txn.Base, txn.Entry.Meta, changes)
				_, err := h.Commit(w.ctx(), txn)
				require.ErrorIs(rt, err, store.ErrConflict)
			case 1: // raise the epoch
				known := w.state.Head()
				known.Revision++
				head, err := h.Reconcile(w.ctx(), w.scope, known)
				require.NoError(rt, err)
				require.Greater(rt, head.Epoch, known.Epoch)
				w.state = store.NewState(head, w.state.All())
			default:
				done, err := h.Commit(w.ctx(), txn)
				require.NoError(rt, err)
				require.Equal(rt, txn.Entry.Head(), done.Head)
				w.note(txn.Entry)
			}
		}
		w.requireStored()
	})
}

// counters: many committers make one history, in which every success is there once.
func (s *suite) counters(t *testing.T) {
	w := s.world(t)
	handles := s.pair(w)
	var mu sync.Mutex
	made := map[int64]bool{}
	var all sync.WaitGroup
	const committers, each = 6, 15
	for i := range committers {
		all.Go(func() {
			for n := 0; n < each; {
				revision, err := increment(w, handles[i%len(handles)], "")
				if err == nil {
					mu.Lock()
					if made[revision] {
						t.Errorf("revision %d was made twice", revision)
					}
					made[revision] = true
					mu.Unlock()
					n++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	require.Len(t, made, committers*each)
	log, err := w.s.Log(w.ctx(), w.scope, 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, committers*each)
	for i := len(log) - 1; i >= 0; i-- {
		w.note(log[i])
	}
	w.requireStored()
}

// The history for porcupine: reads that answer a head, and commits on a base.
type (
	question struct {
		base store.Head // of a commit
		next store.Head // of a commit: what it makes of base; zero for a read
	}
	reply struct {
		head store.Head // of a read
		made bool
	}
)

var headModel = porcupine.Model{
	Init: func() any { return store.Head{} },
	Step: func(state, input, output any) (bool, any) {
		head, q, r := state.(store.Head), input.(question), output.(reply)
		switch {
		case q.next == store.Head{}:
			return r.head == head, head
		case r.made:
			return head == q.base, q.next

		}
		return head != q.base, head
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v → %v", input, output) },
}

func (s *suite) linearizable(t *testing.T) {
	w := s.world(t)
	handles := s.pair(w)
	start := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var all sync.WaitGroup
	for client := range 5 {
		all.Go(func() {
			h := handles[client%len(handles)]
			for i := range 24 {
				called := time.Since(start)
				q, r, err := operation(w.ctx(), h, w.scope, (client+i)%3, client)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: q, Output: r, Call: int64(called), Return: int64(time.Since(start))})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(headModel, history, patience), "the history is not that of one head")
}

// operation does one thing, and says for the model what it was. A commit's base is read within it: any earlier moment will do.
func operation(ctx context.Context, h store.Store, scope string, kind, client int) (question, reply, error) {
	switch kind {
	case 0:
		head, err := h.Head(ctx, scope)
		return question{}, reply{head: head}, err
	case 1:
		state, err := h.Read(ctx, scope)
		if err != nil {
			return question{}, reply{}, err
		}
		// The documents are those of the head: document n holds the revision that made it.
		want := []byte(nil)
		if n := state.Head().Revision; n > 0 {
			want = []byte(text(int(n)))
		}
		if data, _ := state.Get(key("n")); !bytes.Equal(data, want) {
			return question{}, reply{}, fmt.Errorf("at revision %d the document is %s", state.Head().Revision, data)
		}
		return question{}, reply{head: state.Head()}, nil
	default:
		base, err := h.Head(ctx, scope)
		if err != nil {
			return question{}, reply{}, err
		}
		m := meta(time.Now())
		m.Actor = fmt.Sprint(client)
		c := store.Change{Key: key("n"), After: []byte(text(int(base.Revision) + 1))}
		if base.Revision > 0 {
			c.Before = []byte(text(int(base.Revision)))
		}
		e, err := store.Seal(base, m, []store.Change{c})
		if err != nil {
			return question{}, reply{}, err
		}
		_, err = h.Commit(ctx, store.Txn{Scope: scope, Base: base, Entry: e})
		r := reply{made: err == nil}
		if errors.Is(err, store.ErrConflict) {
			err = nil
		}
		return question{base: base, next: e.Head()}, r, err
	}
}
