package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

// furnished is a store with three scopes, one of them compacted, one in a later epoch.
func furnished(t *testing.T) *storetest.Memory {
	t.Helper()
	s := storetest.NewMemory()
	for _, scope := range []string{store.System, "blog", "shop"} {
		for _, text := range []string{"1", "<2>", "\x00\xff"} {
			commitTo(t, s, scope, text)
		}
	}
	require.NoError(t, s.Compact(t.Context(), "blog", store.Retention{Age: -time.Hour, Entries: 1}))
	_, err := s.Reconcile(t.Context(), "shop", store.Head{Epoch: 4, Revision: 1})
	require.NoError(t, err)
	commitTo(t, s, "shop", "4")
	require.NoError(t, s.PutPresence(t.Context(), "shop", "node", []byte("1"), time.Hour))
	return s
}

var someday = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func backupOf(t *testing.T, s store.Store) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, store.Backup(t.Context(), s, &out, someday))
	return out.Bytes()
}

// requireCopy compares two stores; raised is what was added to the epochs.
func requireCopy(t *testing.T, want, got store.Store, raised int64) {
	t.Helper()
	scopes, err := want.Scopes(t.Context())
	require.NoError(t, err)
	copied, err := got.Scopes(t.Context())
	require.NoError(t, err)
	require.Equal(t, scopes, copied)
	for _, scope := range scopes {
		a, err := want.Read(t.Context(), scope)
		require.NoError(t, err)
		b, err := got.Read(t.Context(), scope)
		require.NoError(t, err)
		head := a.Head()
		head.Epoch += raised
		require.Equal(t, head, b.Head())
		require.Empty(t, store.Diff(a, b, ""))
		logA, err := want.Log(t.Context(), scope, 0, 100)
		require.NoError(t, err)
		logB, err := got.Log(t.Context(), scope, 0, 100)
		require.NoError(t, err)
		require.Equal(t, logA, logB)
		commitTo(t, got, scope, "goes on")
	}
}

func TestBackupAndRestore(t *testing.T) {
	s := furnished(t)
	backup := backupOf(t, s)
	to := storetest.NewMemory()
	scopes, err := store.Restore(t.Context(), to, iotestReader{bytes.NewReader(backup)})
	require.NoError(t, err)
	require.Equal(t, []string{"blog", "shop", store.System}, scopes)
	requireCopy(t, s, to, 1)

	_, err = store.Restore(t.Context(), to, bytes.NewReader(backup))
	require.ErrorIs(t, err, store.ErrExists)
	empty := storetest.NewMemory()
	scopes, err = store.Restore(t.Context(), empty, bytes.NewReader(backupOf(t, storetest.NewMemory())))
	require.NoError(t, err)
	require.Empty(t, scopes)
}

// iotestReader gives one byte at a time, as a network may.
type iotestReader struct{ r io.Reader }

func (o iotestReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.r.Read(p[:1])
}

// TestRestoreIsAllOrNothing: wherever a backup is cut, and whichever line is missing or doubled, nothing of it stays.
func TestRestoreIsAllOrNothing(t *testing.T) {
	backup := backupOf(t, furnished(t))
	broken := map[string][]byte{"more after the end": append(slices.Clone(backup), '\n')}
	for n := 0; n < len(backup); n += 97 {
		broken["cut at "+time.Duration(n).String()] = backup[:n]
	}
	broken["without its last byte"] = backup[:len(backup)-1]
	lines := bytes.SplitAfter(backup, []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := range lines {
		broken["without line "+string(lines[i])] = bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil)
		broken["twice line "+string(lines[i])] = bytes.Join(slices.Insert(slices.Clone(lines), i, lines[i]), nil)
	}
	for name, text := range broken {
		to := storetest.NewMemory()
		_, err := store.Restore(t.Context(), to, bytes.NewReader(text))
		require.ErrorIs(t, err, store.ErrStream, name)
		scopes, err := to.Scopes(t.Context())
		require.NoError(t, err)
		require.Empty(t, scopes, name)
	}
}

func TestRestoreTakesBackWhatItImported(t *testing.T) {
	backup := backupOf(t, furnished(t))
	to := storetest.NewMemory()
	commitTo(t, to, "shop", "was here")
	_, err := store.Restore(t.Context(), to, bytes.NewReader(backup))
	require.ErrorIs(t, err, store.ErrExists)
	require.ErrorContains(t, err, "shop")
	scopes, err := to.Scopes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"shop"}, scopes)
	head, err := to.Head(t.Context(), "shop")
	require.NoError(t, err)
	require.EqualValues(t, 1, head.Revision)
}

func TestBackupFailsWithTheStore(t *testing.T) {
	s := furnished(t)
	s.Fail(store.ErrUnavailable)
	require.ErrorIs(t, store.Backup(t.Context(), s, io.Discard, someday), store.ErrUnavailable)
	s.Fail(nil)
	require.ErrorIs(t, store.Backup(t.Context(), s, full{}, someday), errFull)
}

var errFull = errors.New("no room")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestCopy(t *testing.T) {
	s, to := furnished(t), storetest.NewMemory()
	commitTo(t, to, "other", "was here")
	scopes, err := store.Copy(t.Context(), s, to)
	require.NoError(t, err)
	require.Equal(t, []string{"blog", "shop", store.System}, scopes)
	require.NoError(t, to.Drop(t.Context(), "other"))
	requireCopy(t, s, to, 0)
	_, err = store.Copy(t.Context(), s, to)
	require.ErrorIs(t, err, store.ErrExists)
	empty, err := store.Copy(t.Context(), storetest.NewMemory(), storetest.NewMemory())
	require.NoError(t, err)
	require.Empty(t, empty)
}

// writing is a store that somebody writes to while it is exported.
type writing struct {
	*storetest.Memory
	t *testing.T
}

func (w writing) Export(ctx context.Context, scope string, out io.Writer) error {
	defer commitTo(w.t, w.Memory, "blog", "meanwhile")
	return w.Memory.Export(ctx, scope, out)
}

func TestCopyOfAStoreThatIsWrittenTo(t *testing.T) {
	to := storetest.NewMemory()
	_, err := store.Copy(t.Context(), writing{furnished(t), t}, to)
	require.ErrorIs(t, err, store.ErrConflict)
	scopes, err := to.Scopes(t.Context())
	require.NoError(t, err)
	require.Empty(t, scopes)
}

// failing is a store whose export or import fails in the middle.
type failing struct {
	*storetest.Memory
	exports, imports bool
}

func (f failing) Export(ctx context.Context, scope string, out io.Writer) error {
	if f.exports && scope == "shop" {
		_, _ = out.Write([]byte(`{"dimmer":"scope"`))
		return store.ErrUnavailable
	}
	return f.Memory.Export(ctx, scope, out)
}

func (f failing) Import(ctx context.Context, scope string, in io.Reader, raise bool) error {
	if f.imports && scope == "shop" {
		return store.ErrFull
	}
	return f.Memory.Import(ctx, scope, in, raise)
}

func TestCopyTakesBackWhatItCopied(t *testing.T) {
	to := storetest.NewMemory()
	_, err := store.Copy(t.Context(), failing{Memory: furnished(t), exports: true}, to)
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = store.Copy(t.Context(), furnished(t), failing{Memory: to, imports: true})
	require.ErrorIs(t, err, store.ErrFull)
	scopes, err := to.Scopes(t.Context())
	require.NoError(t, err)
	require.Empty(t, scopes)
}

// stream is the stream of furnished's shop.
func stream(t testing.TB, s store.Store, scope string) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, s.Export(context.Background(), scope, &out))
	return out.Bytes()
}

func TestStreamsStandOneAfterAnother(t *testing.T) {
	s := furnished(t)
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(stream(t, s, "blog")), bytes.NewReader(stream(t, s, "shop")), strings.NewReader("rest")), 64<<10)
	for _, scope := range []string{"blog", "shop"} {
		r, err := store.ReadScope(in)
		require.NoError(t, err)
		require.Equal(t, scope, r.Scope)
		for _, err := range r.Log() {
			require.NoError(t, err)
		}
	}
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, "rest", string(rest))
}

// FuzzReadScope: what the decoder accepts is, byte for byte, what the encoder makes of it.
func FuzzReadScope(f *testing.F) {
	s := storetest.NewMemory()
	for _, text := range []string{"1", "<2>", "\x00\xff"} {
		state, err := s.Read(context.Background(), "shop")
		require.NoError(f, err)
		k := store.Key{Collection: "flag", ID: "a"}
		before, _ := state.Get(k)
		e, err := store.Seal(state.Head(), store.Meta{Reason: text}, []store.Change{{Key: k, Before: before, After: []byte(text)}})
		require.NoError(f, err)
		_, err = s.Commit(context.Background(), store.Txn{Scope: "shop", Base: state.Head(), Entry: e})
		require.NoError(f, err)
		f.Add(stream(f, s, "shop"))
	}
	require.NoError(f, s.Compact(context.Background(), "shop", store.Retention{Age: -1}))
	f.Add(stream(f, s, "shop"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := store.ReadScope(bytes.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, store.ErrStream)
			return
		}
		var log []store.Entry
		for e, err := range r.Log() {
			if err != nil {
				require.ErrorIs(t, err, store.ErrStream)
				return
			}
			log = append(log, e)
		}
		var out bytes.Buffer
		require.NoError(t, store.WriteScope(&out, r.Scope, r.State, r.Checkpoint, func(yield func(store.Entry, error) bool) {
			for _, e := range log {
				if !yield(e, nil) {
					return
				}
			}
		}))
		require.True(t, bytes.HasPrefix(text, out.Bytes()))
	})
}

// FuzzRestore: a backup is restored whole, or nothing stays.
func FuzzRestore(f *testing.F) {
	s := storetest.NewMemory()
	for _, scope := range []string{"shop", store.System} {
		e, err := store.Seal(store.Head{}, store.Meta{}, []store.Change{{Key: store.Key{Collection: "flag", ID: "a"}, After: []byte("1")}})
		require.NoError(f, err)
		_, err = s.Commit(context.Background(), store.Txn{Scope: scope, Entry: e})
		require.NoError(f, err)
	}
	var out bytes.Buffer
	require.NoError(f, store.Backup(context.Background(), s, &out, someday))
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		to := storetest.NewMemory()
		scopes, err := store.Restore(t.Context(), to, bytes.NewReader(text))
		there, scopesErr := to.Scopes(t.Context())
		require.NoError(t, scopesErr)
		if err != nil {
			require.Empty(t, there)
			return
		}
		require.ElementsMatch(t, scopes, there)
	})
}
