package auth

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// presence stands in for a store.
type presence struct {
	mu     sync.Mutex
	values map[string][]byte
	writes int
	err    error
}

func (p *presence) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *presence) PutPresence(_ context.Context, scope, id string, value []byte, _ time.Duration) error {
	if scope != store.System {
		return errors.New("another scope")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	p.values[id] = value
	return p.err
}

func (p *presence) Presence(context.Context, string) (map[string][]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.values), p.err
}

func TestUsesOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &presence{values: map[string][]byte{}}
		w := newWorld(t)
		w.opts.Clock = time.Now
		w.opts.Uses = kept
		other := New(Options{System: w.state.Load, Clock: time.Now, Uses: kept})
		m, _ := w.mint(policy.KindServer, nil)
		gone, _ := w.mint(policy.KindServer, nil)
		never, _ := w.mint(policy.KindServer, nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = w.Run(ctx) }()
		go func() { _ = other.Run(ctx) }()
		use := func(s *Service, text string) time.Time {
			t.Helper()
			_, err := s.Authenticate(text, "")
			require.NoError(t, err)
			return time.Now().UTC().Truncate(time.Second)
		}
		use(w.Service, gone.Text)
		first := use(w.Service, m.Text)
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, kept.writes)
		all, err := other.LastUsed(ctx)
		require.NoError(t, err)
		require.Equal(t, first, all[m.ID], "what another process has seen")
		require.NotContains(t, all, never.ID)

		second := use(other, m.Text)
		all, err = other.LastUsed(ctx)
		require.NoError(t, err)
		require.Equal(t, second, all[m.ID].Truncate(time.Second), "at once, in the process that has seen it")
		w.put(gone.ID, nil)
		time.Sleep(200 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, kept.writes, "nothing is written where nothing is new")
		all, err = w.LastUsed(ctx)
		require.NoError(t, err)
		require.Equal(t, second, all[m.ID], "and never back")
		require.NotContains(t, string(kept.values[usesID]), gone.ID, "it goes with its token")

		last := use(w.Service, m.Text)
		stop()
		synctest.Wait()
		all, err = New(Options{System: w.state.Load, Uses: kept}).LastUsed(t.Context())
		require.NoError(t, err)
		require.Equal(t, last, all[m.ID], "the last of them is written at the end")
	})
}

func TestUsesWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &presence{values: map[string][]byte{usesID: []byte("not JSON")}, err: store.ErrUnavailable}
		w := newWorld(t)
		w.opts.Clock, w.opts.Uses = time.Now, kept
		m, _ := w.mint(policy.KindServer, nil)
		_, err := w.Authenticate(m.Text, "")
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = w.Run(ctx) }()
		time.Sleep(3*usesEvery + usesEvery/2) // between two turns
		seen, err := w.LastUsed(ctx)
		require.Equal(t, feature.CodeUnavailable, feature.CodeOf(err))
		require.Contains(t, seen, m.ID)
		kept.fail(nil)
		time.Sleep(usesEvery)
		synctest.Wait()
		require.Contains(t, string(kept.values[usesID]), m.ID)
	})
}
