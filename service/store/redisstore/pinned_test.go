package redisstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// thief takes a connection out of the pool whenever a pipeline has ended: whoever gave the pipeline's back gets another one for what comes next.
type thief struct {
	client *redis.Client
	held   []*redis.Conn
}

func (*thief) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*thief) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *thief) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		conn := h.client.Conn()
		_ = conn.Ping(ctx).Err() // it has a connection now; what the server says does not matter
		h.held = append(h.held, conn)
		return err
	}
}

// warm leaves connections in the pool whose last command is older than what comes, and waits until the replica has acknowledged everything up to there: WAIT on
// one of those would be content.
func (h *thief) warm(t *testing.T, server *redistest.Server) {
	t.Helper()
	conns := make([]*redis.Conn, 12)
	for i := range conns {
		conns[i] = h.client.Conn()
		require.NoError(t, conns[i].Ping(t.Context()).Err())
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	eventually(t, "the replica has everything", func() bool {
		return strings.Contains(server.Info("replication", "slave0"), ",offset="+server.Info("replication", "master_repl_offset")+",")
	})
}

// TestPinned: WAIT goes over the connection of the write. On another one it speaks of other writes, and would say that a replica that has stopped has them.
func TestPinned(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.URL(), Options{WaitTimeout: 200 * time.Millisecond})
	w := newWriter(t, s, "p")
	replica := redistest.StartReplica(t, server)
	eventually(t, "the replica is counted", func() bool { return w.commit().Durability == store.Confirmed })
	client := s.writer.(*redis.Client)
	h := &thief{client: client}
	client.AddHook(h)
	require.Equal(t, store.Confirmed, w.commit().Durability)
	h.warm(t, server)
	replica.Stop()
	for range 3 {
		require.Equal(t, store.Unconfirmed, w.commit().Durability)
	}
	require.NotEmpty(t, h.held)
	for _, conn := range h.held {
		require.NoError(t, conn.Close())
	}
}
