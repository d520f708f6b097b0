package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/server"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// TestAdoptRedis: the line that a refusal names is one that works, and says what it gave up.
func TestAdoptRedis(t *testing.T) {
	redis := redistest.Start(t)
	st, err := server.OpenStore(t.Context(), redis.URL(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	e, err := store.Seal(store.Head{}, store.Meta{}, []store.Change{{Key: store.Key{Collection: "c", ID: "i"}, After: []byte("{}")}})
	require.NoError(t, err)
	_, err = st.Commit(t.Context(), store.Txn{Scope: "shop", Entry: e})
	require.NoError(t, err)
	redis.Must("FLUSHALL")
	_, err = st.Head(t.Context(), "shop")
	require.ErrorIs(t, err, store.ErrEmptied)
	_, line, found := strings.Cut(err.Error(), "dimmer adopt ")
	require.True(t, found, err.Error())

	adopt := func() string {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(append([]string{"adopt"}, strings.Fields(line)...), &stdout, &stderr), stderr.String())
		return stdout.String()
	}
	text := adopt()
	require.Contains(t, text, `given up: revision 1 of "shop" was known`)
	require.Contains(t, text, "adopted as empty")
	head, err := st.Head(t.Context(), "shop")
	require.NoError(t, err)
	require.Zero(t, head)
	require.Contains(t, adopt(), "nobody missed anything here")
}
