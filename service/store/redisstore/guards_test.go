package redisstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// TestAdoptedOnce: an adoption is for what was missing when it was said. What is lost later, though the word is still there, is refused until it is said again.
func TestAdoptedOnce(t *testing.T) {
	server := redistest.Start(t)
	s, peer := open(t, server.URL(), Options{}), open(t, server.URL(), Options{})
	newWriter(t, s, "p").commit()
	server.Must("FLUSHALL")
	_, err := s.Head(t.Context(), "p")
	require.ErrorIs(t, err, store.ErrEmptied)
	for range 2 {
		require.NoError(t, peer.Adopt(t.Context()))
		head, err := s.Head(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, head)
		newWriter(t, s, "p").commit()
		server.Must("DEL", s.keys.head("p"), s.keys.docs("p"), s.keys.log("p"))
		require.NotEmpty(t, server.Must("GET", s.keys.adopted()))
		_, err = s.Head(t.Context(), "p")
		require.ErrorIs(t, err, store.ErrEmptied)
	}
}

// TestTrimCompares: the log is cut only from the checkpoint that the archive continues, and only up to an entry that was archived.
func TestTrimCompares(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{})
	w := newWriter(t, s, "p")
	for range 10 {
		w.commit()
	}
	other := newWriter(t, open(t, server.URL(), own()), "p")
	for range 10 {
		other.commit()
	}
	mine, err := s.entries(t.Context(), "p", 1, 10)
	require.NoError(t, err)
	theirs, err := other.s.(*Store).entries(t.Context(), "p", 1, 10)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		from    store.Head
		entries []store.Entry
	}{
		"another checkpoint":         {mine[1].Head(), mine[2:5]},
		"entries of another history": {store.Head{}, theirs[:5]},
		"the newest":                 {store.Head{}, mine},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, s.trim(t.Context(), "p", test.from, test.entries))
			log, err := s.Log(t.Context(), "p", 0, 100)
			require.NoError(t, err)
			require.Len(t, log, 10)
		})
	}
	require.NoError(t, s.trim(t.Context(), "p", store.Head{}, mine[:4]))
	log, err := s.Log(t.Context(), "p", 0, 100)
	require.NoError(t, err)
	require.Len(t, log, 6)
	st, err := s.look(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, mine[3].Head(), st.checkpoint)
}
