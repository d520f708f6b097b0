package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Redis that is killed while it writes leaves a transaction in its append-only file that begins and does not end. When it starts again it cuts the command that is torn,
// keeps the beginning, and does not run it; its next start runs it, together with whatever transaction comes next in the file (seen with 7.0.15). Documents would appear
// that nobody acknowledged, the log would have an entry that is not of the chain, and the commit that has that revision would be lost from it. So the file is
// written anew before the first commit after a restart: it then holds what Redis has in memory.

// rewriteWithin is how long a restart keeps commits waiting for the file. What is committed after that and before the file is done is called unconfirmed.
const rewriteWithin = 2 * time.Second

const (
	rewriteEvery = 20 * time.Millisecond // how often it is looked whether it is done
	rewriteAgain = 5 * time.Second       // after one that failed
)

// files is what this process knows of the append-only files, by the server's replication id. It is guarded by Store.mu.
type files struct {
	since   map[string]time.Time // when the file was first found to be old
	asked   map[string]time.Time // when this process last had it written anew
	refused string               // why it cannot be, for Check
}

// renewed has the append-only file of the server that has a key written anew, unless that has been done since it started, and waits for it a while. False: it is
// not done yet.
func (s *Store) renewed(ctx context.Context, key, server string) (bool, error) {
	client, err := s.master(ctx, s.client, key)
	if err != nil {
		return false, s.fail(ctx, "find the server", err)
	}
	s.mu.Lock()
	if s.files.since[server].IsZero() {
		s.files.since[server] = time.Now()
	}
	until := s.files.since[server].Add(rewriteWithin)
	s.mu.Unlock()
	for {
		done, err := s.renew(ctx, client, server)
		if err != nil || done || time.Now().After(until) {
			return done, err
		}
		if !pause(ctx, rewriteEvery) {
			return false, s.fail(ctx, "wait for the append-only file", ctx.Err())
		}
	}
}

// renew looks whether the file was written since the server started, and has it written where it was not.
func (s *Store) renew(ctx context.Context, client *redis.Client, server string) (bool, error) {
	info, err := client.Info(ctx, "persistence").Result()
	if err != nil {
		return false, s.fail(ctx, "ask for the append-only file", err)
	}
	f := fields(info)
	s.mu.Lock()
	asked := s.files.asked[server]
	s.mu.Unlock()
	busy := f["aof_rewrite_in_progress"] == "1" || f["aof_rewrite_scheduled"] == "1"
	failed := f["aof_last_bgrewrite_status"] == "err"
	count, counts := f["aof_rewrites"]                 // of this process, those that have begun
	began := counts && count != "0" || !asked.IsZero() // 6.2 does not count
	switch {
	case f["aof_enabled"] != "1":
		return true, nil
	case busy:
		if !counts && asked.IsZero() {
			s.asked(server) // it began after the start, whoever asked
		}
		return false, nil
	case began && !failed:
		return true, nil
	case time.Since(asked) < rewriteAgain: // it failed, or has not begun
		return false, nil
	}
	s.asked(server)
	err = client.BgRewriteAOF(ctx).Err()
	switch kind := kindOf(err); {
	case err == nil:
	case kind == "NOPERM", strings.Contains(err.Error(), "unknown command"): // whoever runs this Redis has taken it away
		s.mu.Lock()
		defer s.mu.Unlock()
		s.files.refused = fmt.Sprintf("Redis was restarted, and does not let its append-only file be written anew (BGREWRITEAOF: %s): if it was killed in the middle of a write, "+
			"its next start may bring back half of that; run it by hand, or allow it", kind)
		s.opts.Logger.Warn(s.files.refused)
		return true, nil
	case kind == "ERR": // another process was faster, or there is no memory for it now
		return false, nil
	default:
		return false, s.fail(ctx, "have the append-only file written", err)
	}
	s.opts.Logger.Info("redis was restarted, and writes its append-only file anew", "addr", client.Options().Addr)
	return false, nil
}

func (s *Store) asked(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.asked[server] = time.Now()
}

// settled is for a scope that was gone on with before the file was done: whether it is by now.
func (s *Store) settled(ctx context.Context, client *redis.Client, head, server string) bool {
	done, err := s.renew(ctx, client, server)
	return err == nil && done && s.client.HDel(ctx, head, "doubt").Err() == nil
}
