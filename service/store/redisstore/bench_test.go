package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// BenchmarkCommit is one writer with documents of a kilobyte: on one server, with the file synced at each commit, with a replica that is waited for.
func BenchmarkCommit(b *testing.B) {
	for name, start := range map[string]func() *redistest.Server{
		"plain":   func() *redistest.Server { return redistest.Start(b) },
		"always":  func() *redistest.Server { return redistest.Start(b, redistest.AppendOnly("always")) },
		"replica": func() *redistest.Server { s := redistest.Start(b); redistest.StartReplica(b, s); return s },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := Open(b.Context(), start().URL(), Options{})
			require.NoError(b, err)
			defer s.Close()
			state := &store.State{}
			text := []byte(strings.Repeat("x", 1024))
			for b.Loop() {
				k := store.Key{Collection: "flag", ID: fmt.Sprint(state.Head().Revision % 1000)}
				before, _ := state.Get(k)
				e, err := store.Seal(state.Head(), store.Meta{}, []store.Change{{Key: k, Before: before, After: text}})
				require.NoError(b, err)
				_, err = s.Commit(b.Context(), store.Txn{Scope: "p", Base: state.Head(), Entry: e, Idempotency: &store.Idempotency{Key: e.Hash.String()}})
				require.NoError(b, err)
				state, err = state.Apply(e)
				require.NoError(b, err)
			}
		})
	}
}

// TestLargeScope: while a scope of 128 MiB is read, everybody else is answered.
func TestLargeScope(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{})
	state := &store.State{}
	const size, parts, docs = 16 << 10, 16, 512 // 128 MiB
	text := []byte(strings.Repeat("0123456789abcdef", size/16))
	for part := range parts {
		var changes []store.Change
		for i := range docs {
			changes = append(changes, store.Change{Key: store.Key{Collection: "list", ID: fmt.Sprint(part*docs + i)}, After: text})
		}
		e, err := store.Seal(state.Head(), store.Meta{}, changes)
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), store.Txn{Scope: "large", Base: state.Head(), Entry: e})
		require.NoError(t, err)
		state, err = state.Apply(e)
		require.NoError(t, err)
		require.NoError(t, s.Compact(t.Context(), "large", store.Retention{}))
	}

	ctx, cancel := context.WithCancel(t.Context())
	var slowest time.Duration
	answers := 0
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := s.Head(t.Context(), "other"); err != nil {
				t.Error(err)
				return
			}
			slowest = max(slowest, time.Since(began))
			answers++
		}
	})
	began := time.Now()
	got, err := s.Read(t.Context(), "large")
	took := time.Since(began)
	cancel()
	asking.Wait()
	require.NoError(t, err)
	require.Equal(t, state.Head(), got.Head())
	require.Empty(t, store.Diff(state, got, ""))
	t.Logf("128 MiB read in %v; meanwhile %d other answers, the slowest after %v", took, answers, slowest)
	require.Less(t, slowest, time.Second)
}
