package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// before calls fn before the nth command of a name that a client sends.
type before struct {
	name string
	nth  int64
	fn   func()
	seen atomic.Int64
}

func (b *before) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == b.name && b.seen.Add(1) == b.nth {
			b.fn()
		}
		return next(ctx, cmd)
	}
}

func (b *before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestCutAcrossRestart: what is read in parts is whole, or read again, when another process answers the later parts. Redis's cursors mean nothing there: a table of
// the same content has another order.
func TestCutAcrossRestart(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly("always"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	var changes []store.Change
	for i := range 2000 {
		changes = append(changes, store.Change{Key: store.Key{Collection: "bulk", ID: fmt.Sprint(i)}, After: []byte(strings.Repeat("x", 100))})
	}
	e, err := store.Seal(store.Head{}, store.Meta{}, changes)
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Txn{Scope: "p", Entry: e})
	require.NoError(t, err)
	w.state, err = w.state.Apply(e)
	require.NoError(t, err)

	s.client.AddHook(&before{name: "hscan", nth: 5, fn: func() { server.Restart() }})
	state, err := s.Read(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, w.state.Head(), state.Head(), "the epoch stays")
	require.Equal(t, w.state.Len(), state.Len())
	require.Empty(t, store.Diff(w.state, state, ""))

	for i := range 2000 { // other keys, so that the scopes come in several parts
		server.Must("SET", fmt.Sprintf("other-%d", i), "x")
	}
	for i := range 20 {
		newWriter(t, s, fmt.Sprint("scope", i)).commit()
	}
	fresh := open(t, server.URL(), Options{})
	want, err := fresh.Scopes(t.Context())
	require.NoError(t, err)
	require.Len(t, want, 21)
	blank := open(t, server.URL(), Options{}) // it does not know what to miss
	blank.client.AddHook(&before{name: "scan", nth: 2, fn: func() { server.Restart() }})
	if got, err := blank.Scopes(t.Context()); err != nil {
		require.ErrorIs(t, err, store.ErrUnavailable)
	} else {
		require.Equal(t, want, got)
	}
}

// TestWatchFromNothing: a watch that began before there was anything ends when a history without a log is imported: no entry will ever follow what it has.
func TestWatchFromNothing(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{})
	source := newWriter(t, s, "source")
	source.commit()
	source.commit()
	var stream bytes.Buffer
	require.NoError(t, store.WriteScope(&stream, "source", source.state, source.state.Head(), func(func(store.Entry, error) bool) {}))
	seen, ended := follow(t, s, "p", store.Cursor{})
	require.NoError(t, s.Import(t.Context(), "p", &stream, false))
	eventually(t, "the watch ends", func() bool { return ended() != nil })
	require.ErrorIs(t, ended(), store.ErrCompacted)
	require.Empty(t, seen())
}

// TestLostAfterDrop: a scope that was dropped and made again, and whose second life is lost, does not begin a third in the epoch of the second.
func TestLostAfterDrop(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	w.commit()
	require.NoError(t, s.Drop(t.Context(), "p"))
	left := w.head()
	require.Equal(t, store.Head{Epoch: 2}, left)
	kept := strings.Split(server.Must("HGETALL", s.keys.head("p")), "\n")
	w.state = store.NewState(left, (&store.State{}).All())
	w.commit()
	w.commit()
	server.Must("DEL", s.keys.head("p"), s.keys.log("p"), s.keys.docs("p")) // as a replica has it that is behind
	server.Must(append([]string{"HSET", s.keys.head("p")}, kept...)...)
	require.Equal(t, store.Head{Epoch: 3}, w.head())
}

func TestSynced(t *testing.T) {
	for name, test := range map[string]struct {
		file, fsync, lax string
		want             bool
	}{
		"always":                    {"yes", "always", "no", true},
		"not while it is rewritten": {"yes", "always", "yes", false},
		"every second":              {"yes", "everysec", "no", false},
		"no file":                   {"no", "always", "no", false},
		"not told":                  {"", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, synced(map[string]string{
				"appendonly": test.file, "appendfsync": test.fsync, "no-appendfsync-on-rewrite": test.lax,
			}))
		})
	}
	server := redistest.Start(t, redistest.AppendOnly("always"), redistest.Args("--no-appendfsync-on-rewrite", "yes"))
	w := newWriter(t, open(t, server.URL(), Options{}), "p")
	require.Equal(t, store.Unconfirmed, w.commit().Durability)
	server.Must("CONFIG", "SET", "no-appendfsync-on-rewrite", "no")
	require.Equal(t, store.Confirmed, w.commit().Durability)
}
