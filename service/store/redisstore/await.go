package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// markKept is how long a mark is kept that nothing reads.
const markKept = time.Minute

// await is for what has no answer that could say how durable it is: an import, a drop, an adoption, an epoch that was raised. It writes a mark behind that and waits until the
// replicas have the mark, and with it everything before. Where too few have, that is said in the log, and by Check until it was done again; not where nothing is
// ever confirmed, as on one server that does not sync its file.
func (s *Store) await(ctx context.Context, what, scope string) {
	durability, ever := s.behind(ctx, scope)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ever || durability == store.Confirmed {
		delete(s.unsure, scope)
		return
	}
	at := s.opts.Clock().UTC().Format(time.RFC3339)
	s.unsure[scope] = fmt.Sprintf("unconfirmed: %s of %q at %s is stored, but may be lost with the primary", what, scope, at)
	s.opts.Logger.Warn("unconfirmed: it is stored, but may be lost with the primary", "what", what, "scope", scope)
}

// behind tells how durable everything is that was written so far to the server that has a scope, and whether anything ever is.
func (s *Store) behind(ctx context.Context, scope string) (d store.Durability, ever bool) {
	key := s.keys.mark(scope)
	client, err := s.master(ctx, s.writer, key)
	if err != nil {
		return store.Unconfirmed, true
	}
	conn := client.Conn()
	defer conn.Close()
	var set *redis.StatusCmd
	var info *redis.StringCmd
	var config *redis.MapStringStringCmd
	_, _ = conn.Pipelined(ctx, func(p redis.Pipeliner) error { // the commands have their errors; one that is not told its configuration has an empty one
		set = p.Set(ctx, key, "1", markKept)
		info = p.Info(ctx, "replication")
		config = p.ConfigGet(ctx, "*append*")
		return nil
	})
	if set.Err() != nil || info.Err() != nil {
		return store.Unconfirmed, true
	}
	online, _ := replicas(info.Val())
	return s.durable(ctx, conn, info.Val(), synced(config.Val())), online > 0 || s.opts.MinReplicas > 0 || synced(config.Val())
}
