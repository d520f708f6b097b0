package localstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
)

// TestCompactWaits: a compaction that waits for another ends with its context, and with the store.
func TestCompactWaits(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	s.compact <- struct{}{} // another is at work
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err = s.Compact(ctx, "p", store.Retention{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, store.ErrUnavailable)
	ended := make(chan error)
	go func() { ended <- s.Compact(t.Context(), "p", store.Retention{}) }()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, store.ErrClosed)
}

// TestPresenceIsBounded: values that have expired go, also where nobody reads.
func TestPresenceIsBounded(t *testing.T) {
	now := time.Now()
	s := open(t, t.TempDir(), Options{Clock: func() time.Time { return now }})
	for i := range 1000 {
		require.NoError(t, s.PutPresence(t.Context(), "p", fmt.Sprint(i), []byte("x"), time.Second))
		now = now.Add(100 * time.Millisecond)
	}
	require.LessOrEqual(t, len(s.presence["p"]), 10)
}
