package localstore

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		writer(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{}) },
		storetest.WithPeer(func(_ *testing.T, s store.Store) store.Store { return s }), // one process has it, so one handle
		storetest.WithClock(func(t *testing.T) (store.Store, func(time.Duration)) {
			var mu sync.Mutex
			now := time.Now()
			clock := func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			}
			return open(t, t.TempDir(), Options{Clock: clock}), func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(d)
			}
		}),
		storetest.WithLimit(func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{Limit: 3 << 20}) }),
		storetest.WithWipe(func(t *testing.T) (store.Store, func() store.Store) {
			dir := t.TempDir()
			s := open(t, dir, Options{})
			return s, func() store.Store {
				require.NoError(t, s.Close())
				require.NoError(t, os.Remove(filepath.Join(dir, fileName)))
				again := open(t, dir, Options{})
				require.NoError(t, again.Close(), "it is still refused after another start")
				return open(t, dir, Options{})
			}
		}))
}

// commit adds a commit to a scope.
func commit(t *testing.T, s store.Store, scope, id, text string) store.Entry {
	t.Helper()
	state, err := s.Read(t.Context(), scope)
	require.NoError(t, err)
	k := store.Key{Collection: "flag", ID: id}
	before, _ := state.Get(k)
	e, err := store.Seal(state.Head(), store.Meta{At: time.Now()}, []store.Change{{Key: k, Before: before, After: []byte(text)}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Txn{Scope: scope, Base: state.Head(), Entry: e})
	require.NoError(t, err)
	return e
}

func TestSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	commit(t, s, "shop", "a", "1")
	commit(t, s, "shop", "b", "1")
	want, err := s.Read(t.Context(), "shop")
	require.NoError(t, err)
	require.NoError(t, s.PutPresence(t.Context(), "shop", "node", []byte("1"), time.Hour))
	for _, id := range []string{"kept", "deleted"} {
		require.NoError(t, s.PutPresence(t.Context(), "shop", id, []byte("1"), 48*time.Hour))
	}
	require.NoError(t, s.DeletePresence(t.Context(), "shop", "deleted"))
	require.NoError(t, s.Close())
	s = open(t, dir, Options{})
	got, err := s.Read(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, want.Head(), got.Head())
	require.Empty(t, store.Diff(want, got, ""))
	values, err := s.Presence(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"kept": []byte("1")}, values, "presence is of processes that live, unless it is to live for days")
	require.NoError(t, s.Close())
	s = open(t, dir, Options{Clock: func() time.Time { return time.Now().Add(49 * time.Hour) }})
	values, err = s.Presence(t.Context(), "shop")
	require.NoError(t, err)
	require.Empty(t, values)
	require.NoError(t, s.PutPresence(t.Context(), "shop", "kept", []byte("2"), 48*time.Hour))
	require.NoError(t, s.Drop(t.Context(), "shop"))
	values, err = s.Presence(t.Context(), "shop")
	require.NoError(t, err)
	require.Empty(t, values, "it goes with its scope")
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	_, err := Open(dir, Options{})
	require.ErrorIs(t, err, store.ErrLocked)
	require.ErrorContains(t, err, dir)
	commit(t, s, "shop", "a", "1") // the first is none the worse
	require.NoError(t, s.Close())
	open(t, dir, Options{})
}

func TestRefusesAnotherFormat(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	require.NoError(t, s.setFormat("2"))
	require.NoError(t, s.Close())
	_, err := Open(dir, Options{})
	require.ErrorContains(t, err, `version "2"`)
	require.ErrorContains(t, err, dir)
}

// TestDamage: whatever byte of the file is changed, and wherever it is cut, there is a clear error or the data are right; never other data, never a panic.
func TestDamage(t *testing.T) {
	source := t.TempDir()
	s := open(t, source, Options{})
	for i := range 40 {
		commit(t, s, "shop", string(rune('a'+i%20)), `{"padding":"0123456789012345678901234567890123456789"}`)
	}
	want, err := s.Read(t.Context(), "shop")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(filepath.Join(source, fileName))
	require.NoError(t, err)
	size := len(whole)
	for size > 0 && whole[size-1] == 0 { // what lies behind is not in use
		size--
	}
	found := 0
	try := func(name string, data []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, fileName), data, 0o600))
		state, log, err := readAll(t, dir)
		if err != nil {
			found++
			require.Equal(t, feature.CodeInternal, feature.CodeOf(err), "%s: %v", name, err)
			require.ErrorContains(t, err, filepath.Join(dir, fileName), name)
			return
		}
		if state.Head() == want.Head() {
			require.Empty(t, store.Diff(want, state, ""), name)
		}
		for _, e := range log {
			require.NoError(t, e.Verify(), name)
		}
	}
	for at := 0; at < size; at += size/80 + 1 {
		data := append([]byte{}, whole...)
		for i := range 64 {
			if at+i < size {
				data[at+i] ^= 0x5a
			}
		}
		try("damaged", data)
	}
	for _, keep := range []int{1, 100, 4096, 8192, 3 * 4096, size / 2, size - 4096} {
		try("cut", whole[:keep])
	}
	require.Greater(t, found, 20, "damage is found")
}

func readAll(t *testing.T, dir string) (*store.State, []store.Entry, error) {
	s, err := Open(dir, Options{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = s.Close() }()
	state, err := s.Read(t.Context(), "shop")
	if err != nil {
		return nil, nil, err
	}
	log, err := s.Log(t.Context(), "shop", 0, 100)
	return state, log, err
}
