package redisstore

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// TestUnconfirmed: what has no answer that could say so is said by Check when a replica does not have it, and not any more once one has.
func TestUnconfirmed(t *testing.T) {
	server := redistest.Start(t)
	replica := redistest.StartReplica(t, server)
	for name, do := range map[string]func(t *testing.T, s *Store, w *writer){
		"the import": func(t *testing.T, s *Store, w *writer) {
			var stream bytes.Buffer
			require.NoError(t, s.Export(t.Context(), "p", &stream))
			require.NoError(t, s.Drop(t.Context(), "q"))
			require.NoError(t, s.Import(t.Context(), "q", &stream, false))
		},
		"the drop":     func(t *testing.T, s *Store, _ *writer) { require.NoError(t, s.Drop(t.Context(), "p")) },
		"the adoption": func(t *testing.T, s *Store, _ *writer) { require.NoError(t, s.Adopt(t.Context())) },
		"the raised epoch": func(t *testing.T, s *Store, w *writer) {
			head := w.head()
			_, err := s.Reconcile(t.Context(), "p", store.Head{Epoch: head.Epoch + 1, Revision: 1})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := own()
			opts.WaitTimeout = 300 * time.Millisecond
			s := open(t, server.URL(), opts)
			w := newWriter(t, s, "p")
			eventually(t, "the replica is counted", func() bool { return w.commit().Durability == store.Confirmed })
			said := func() bool {
				r, err := s.Check(t.Context())
				require.NoError(t, err)
				return strings.Contains(strings.Join(r.Warnings, "\n"), "unconfirmed: "+name)
			}
			replica.Stop()
			do(t, s, w)
			require.True(t, said())
			replica.Cont()
			eventually(t, "the replica is back", func() bool {
				return newWriter(t, open(t, server.URL(), own()), "other").commit().Durability == store.Confirmed
			})
			if name == "the drop" {
				w = newWriter(t, s, "p")
				w.state = store.NewState(w.head(), (&store.State{}).All())
				w.commit()
			}
			do(t, s, w)
			require.False(t, said())
		})
	}
}

// TestDiskFull: a Redis that cannot write to its disk takes nothing, and Check says why.
func TestDiskFull(t *testing.T) {
	server := redistest.Start(t, redistest.Args("--save", "3600 1000"))
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	w.commit()
	inTheWay := filepath.Join(server.Dir(), "dump.rdb")
	require.NoError(t, os.Mkdir(inTheWay, 0o700)) // stands for a full disk: the snapshot cannot be put there
	server.Must("BGSAVE")
	eventually(t, "it has failed", func() bool { return server.Info("persistence", "rdb_last_bgsave_status") == "err" })
	_, err := s.Commit(t.Context(), w.seal())
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "MISCONF")
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "could not write its last snapshot (is its disk full?)")
	require.Empty(t, failing(map[string]string{"aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok"}))
	require.Len(t, failing(map[string]string{"aof_last_write_status": "err", "aof_last_bgrewrite_status": "err", "rdb_last_bgsave_status": "err"}), 3)
	require.NoError(t, os.Remove(inTheWay))
	server.Must("BGSAVE")
	eventually(t, "writes are taken again", func() bool { _, err := s.Commit(t.Context(), w.seal()); return err == nil })
}

// TestTLS: rediss is TLS to a real server, whose certificate is checked.
func TestTLS(t *testing.T) {
	server, config := redistest.StartTLS(t, redistest.AppendOnly("always"))
	s := open(t, server.TLSURL(), Options{TLS: config})
	w := newWriter(t, s, "p")
	require.Equal(t, store.Confirmed, w.commit().Durability)
	seen, _ := follow(t, s, "p", store.Cursor{})
	eventually(t, "the watch sees it", func() bool { return len(seen()) == 1 })
	require.Equal(t, "rediss://"+strings.TrimPrefix(server.TLSURL(), "rediss://")+"/0", s.address)
	_, err := Open(t.Context(), server.TLSURL(), Options{Timeout: time.Second})
	require.ErrorIs(t, err, store.ErrUnavailable, "nobody vouches for it")
	_, err = Open(t.Context(), "redis://"+strings.TrimPrefix(server.TLSURL(), "rediss://"), Options{Timeout: time.Second})
	require.ErrorIs(t, err, store.ErrUnavailable, "it speaks TLS only there")
}
