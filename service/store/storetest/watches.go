package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

// follower is a watch in a goroutine of its own.
type follower struct {
	entries chan store.Entry
	end     chan error // the error that ended it
	cancel  context.CancelFunc
}

func (w *world) follow(h store.Store, after store.Cursor) *follower {
	ctx, cancel := context.WithCancel(w.ctx())
	f := &follower{entries: make(chan store.Entry), end: make(chan error, 1), cancel: cancel}
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for e, err := range h.Watch(ctx, w.scope, after) {
			if err != nil {
				f.end <- err
				return
			}
			select {
			case f.entries <- e:
			case <-ctx.Done():
			}
		}
		f.end <- errors.New("the watch ended without an error")
	}()
	return f
}

// next is the entry that comes next, or the error.
func (f *follower) next(w *world) (store.Entry, error) {
	select {
	case e := <-f.entries:
		return e, nil
	case err := <-f.end:
		f.end <- err
		return store.Entry{}, err
	case <-w.ctx().Done():
		return store.Entry{}, errors.New("the watch yields nothing")
	}
}

func (f *follower) require(w *world, want ...store.Entry) {
	w.t.Helper()
	for _, e := range want {
		got, err := f.next(w)
		require.NoError(w.t, err)
		require.Equal(w.t, e, got)
	}
}

func (s *suite) watch(t *testing.T) {
	w := s.world(t)
	handles := s.pair(w)
	early := w.follow(handles[len(handles)-1], store.Cursor{}) // before there is anything
	first := w.commit(w.put("a", "1"))
	early.require(w, first)
	second := w.commit(w.put("a", "2"), w.put("b", "1"))
	other := newWorld(t, w.s)
	other.commit(other.put("a", "none of theirs"))
	third := w.commit(w.put("b", ""))
	early.require(w, second, third)
	late := w.follow(w.s, store.Cursor{})
	late.require(w, first, second, third)
	fourth := w.commit(w.put("b", "4"))
	late.require(w, fourth)
	early.require(w, fourth)

	early.cancel()
	_, err := early.next(w)
	require.ErrorIs(t, err, context.Canceled)
	fifth := w.commit(w.put("b", "5"))
	late.require(w, fifth)
	for _, err := range w.s.Watch(w.ctx(), w.scope, store.Cursor{}) {
		require.NoError(t, err)
		break // whoever has enough may go
	}
}

func (s *suite) watchFrom(t *testing.T) {
	w := s.world(t)
	for i := range 5 {
		w.commit(w.put("a", text(i)))
	}
	head := w.state.Head()
	for name, test := range map[string]struct {
		after store.Cursor
		want  error
		rest  []store.Entry
	}{
		"the first":            {after: w.log[0].Cursor(), rest: w.log[1:]},
		"the last but one":     {after: w.log[3].Cursor(), rest: w.log[4:]},
		"the head":             {after: head.Cursor()},
		"beyond the head":      {after: store.Cursor{Epoch: head.Epoch, Revision: 6}, want: store.ErrEpoch},
		"another epoch":        {after: store.Cursor{Epoch: head.Epoch + 1, Revision: 3}, want: store.ErrEpoch},
		"another epoch's head": {after: store.Cursor{Epoch: head.Epoch + 1, Revision: 5}, want: store.ErrEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			f := w.follow(w.s, test.after)
			if test.want != nil {
				_, err := f.next(&w)
				require.ErrorIs(t, err, test.want)
				return
			}
			f.require(&w, test.rest...)
			f.cancel()
			_, err := f.next(&w)
			require.ErrorIs(t, err, context.Canceled, "nothing comes after the newest")
		})
	}
	f := w.follow(w.s, head.Cursor())
	f.require(w, w.commit(w.put("a", "new")))
}

// watchContended: watches that begin at any time see every entry once, in order, whoever commits.
func (s *suite) watchContended(t *testing.T) {
	w := s.world(t)
	handles := s.pair(w)
	const writers, each, watchers = 4, 15, 4
	var all sync.WaitGroup
	seen := make([][]store.Entry, watchers)
	for i := range watchers {
		all.Go(func() {
			for len(seen[i]) < writers*each { // begins again after every 20th, as one does whose connection broke
				var after store.Cursor
				if n := len(seen[i]); n > 0 {
					after = seen[i][n-1].Cursor()
				}
				for e, err := range handles[i%len(handles)].Watch(w.ctx(), w.scope, after) {
					if err != nil {
						t.Errorf("watch: %v", err)
						return
					}
					seen[i] = append(seen[i], e)
					if len(seen[i]) == writers*each || len(seen[i])%20 == 0 {
						break
					}
				}
			}
		})
	}
	for i := range writers {
		all.Go(func() {
			for n := 0; n < each; {
				_, err := increment(w, handles[i%len(handles)], "")
				if err == nil {
					n++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Errorf("commit: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, e := range seen[0] {
		w.note(e)
	}
	w.requireStored()
	for _, other := range seen[1:] {
		require.Equal(t, seen[0], other)
	}
}

func (s *suite) log(t *testing.T) {
	w := s.world(t)
	for i := range 7 {
		w.commit(w.put("a", text(i)))
	}
	revisions := func(before int64, limit int) []int64 {
		entries, err := w.s.Log(w.ctx(), w.scope, before, limit)
		require.NoError(t, err)
		out := []int64{}
		for _, e := range entries {
			require.Equal(t, w.log[e.Revision-1], e)
			out = append(out, e.Revision)
		}
		return out
	}
	require.Equal(t, []int64{7, 6, 5}, revisions(0, 3))
	require.Equal(t, []int64{4, 3, 2}, revisions(5, 3))
	require.Equal(t, []int64{2, 1}, revisions(3, 10))
	require.Equal(t, []int64{7, 6}, revisions(100, 2))
	require.Equal(t, []int64{1}, revisions(2, 1))
	require.Empty(t, revisions(1, 10))
	require.Empty(t, revisions(0, 0))
}

// logOfLarge: a page of large entries ends by their bytes, also where small ones came first, and goes on where it ended.
func (s *suite) logOfLarge(t *testing.T) {
	w := s.world(t)
	const large = 3 << 20
	for i := range 5 {
		w.commit(w.put("a", fmt.Sprintf("\"%d%s\"", i, strings.Repeat("x", large))))
		w.commit(w.put("a", text(i))) // so that each entry has one large document, in Before or After
	}
	for i := range 20 {
		w.commit(w.put("b", text(i)))
	}
	var got []store.Entry
	for before := int64(0); before != 1; before = got[len(got)-1].Revision {
		page, err := w.s.Log(w.ctx(), w.scope, before, 1000)
		require.NoError(t, err)
		require.NotEmpty(t, page)
		bytes := 0
		for _, e := range page[:len(page)-1] {
			bytes += e.Size()
		}
		require.Less(t, bytes, store.LogBytes, "the page went on after it was full")
		got = append(got, page...)
	}
	require.Len(t, got, len(w.log))
	for i, e := range got {
		require.Equal(t, w.log[len(w.log)-1-i].Hash, e.Hash)
	}
}

// retention: entries go that are older than the age and beyond the number; the scope is otherwise as it was.
func (s *suite) retention(t *testing.T) {
	w := s.world(t)
	old := time.Now().Add(-100 * 24 * time.Hour)
	for i := range 10 {
		w.commitAt(old.Add(time.Duration(i)*time.Hour), w.put("a", text(i)))
	}
	keep := store.Retention{Age: 90 * 24 * time.Hour, Entries: 4}
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.Retention{Age: 90 * 24 * time.Hour, Entries: 10}))
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.DefaultRetention))
	w.requireStored() // nothing was beyond both
	running := w.follow(w.s, w.state.Head().Cursor())
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, keep))
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, keep))
	w.requireLog(w.log[6:])
	_, err := w.s.Log(w.ctx(), w.scope, 7, 3)
	require.ErrorIs(t, err, store.ErrCompacted)
	entries, err := w.s.Log(w.ctx(), w.scope, 8, 3)
	require.NoError(t, err)
	require.Equal(t, w.log[6:7], entries)
	for _, after := range []store.Cursor{{}, w.log[0].Cursor(), w.log[4].Cursor()} {
		_, err := w.follow(w.s, after).next(w)
		require.ErrorIs(t, err, store.ErrCompacted, "%v", after)
	}
	w.follow(w.s, w.log[5].Cursor()).require(w, w.log[6:]...)
	state, err := w.s.Read(w.ctx(), w.scope)
	require.NoError(t, err)
	requireEqual(t, w.state, state)
	running.require(w, w.commit(w.put("a", "new"))) // and goes on
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.Retention{}))
	w.requireLog(w.log[10:]) // never the newest
	w.commit(w.put("a", "newer"))
	w.requireLog(w.log[10:])
}

func (s *suite) retentionByAge(t *testing.T) {
	w := s.world(t)
	now := time.Now()
	for i, days := range []int{100, 95, 80, 99, 1} { // the third is young, so what comes after it stays: a log has no holes
		w.commitAt(now.Add(-time.Duration(days)*24*time.Hour), w.put("a", text(i)))
	}
	require.NoError(t, w.s.Compact(w.ctx(), w.scope, store.Retention{Age: 90 * 24 * time.Hour, Entries: 1}))
	w.requireLog(w.log[2:])
}
