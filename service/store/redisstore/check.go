package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// oldest is the first version of Redis that has what the scripts use (XTRIM MINID).
var oldest = [2]int{6, 2}

// health is what one primary says of itself.
type health struct {
	addr     string
	version  string
	policy   string
	aof      bool
	replicas int
	used     float64
	failing  []string // what it could not write to disk
}

// inspect asks every primary.
func (s *Store) inspect(ctx context.Context) ([]health, error) {
	var mu sync.Mutex
	var out []health
	err := s.each(ctx, func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx).Result()
		if err != nil {
			return err
		}
		f := fields(info)
		online, _ := replicas(info)
		h := health{
			addr: c.Options().Addr, version: f["redis_version"], policy: f["maxmemory_policy"], aof: f["aof_enabled"] == "1",
			replicas: online, used: used(f), failing: failing(f),
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, h)
		return nil
	})
	if err != nil {
		s.lost(ctx)
		return nil, s.fail(ctx, "ask for the servers' health", err)
	}
	slices.SortFunc(out, func(a, b health) int { return strings.Compare(a.addr, b.addr) })
	return out, nil
}

// failing reads from INFO what could not be written to disk. While the append-only file or the snapshot cannot, Redis takes no writes (MISCONF).
func failing(info map[string]string) []string {
	var out []string
	for _, part := range []struct{ field, text string }{
		{"aof_last_write_status", "Redis cannot write its append-only file (is its disk full?): it takes no writes until it can"},
		{"aof_last_bgrewrite_status", "Redis could not write its append-only file anew (is its disk full?): the file grows, and writes may stay unconfirmed"},
		{"rdb_last_bgsave_status", "Redis could not write its last snapshot (is its disk full?): unless stop-writes-on-bgsave-error is no, it takes no writes until it can"},
	} {
		if info[part.field] == "err" {
			out = append(out, part.text)
		}
	}
	return out
}

// greet is the first exchange: it refuses what would lose data, and takes note of the last adoption.
func (s *Store) greet(ctx context.Context) error {
	servers, err := s.inspect(ctx)
	if err != nil {
		return err
	}
	for _, h := range servers {
		if !recent(h.version) {
			return fmt.Errorf("redisstore: this is Redis %q, and %d.%d or later is needed", h.version, oldest[0], oldest[1])
		}
		if h.policy != "noeviction" {
			return fmt.Errorf("redisstore: maxmemory-policy is %q, which lets Redis drop flags when memory is short; set it to noeviction", h.policy)
		}
		if !h.aof {
			s.opts.Logger.Warn(noAOF)
		}
	}
	return s.recall(ctx)
}

const noAOF = "Redis has no append-only file (appendonly no): what was written since its last snapshot is lost when it restarts"

func recent(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > oldest[0] || a == oldest[0] && b >= oldest[1])
}

// Check implements [store.Store]. Replicas is the least that a primary has, Used the most.
func (s *Store) Check(ctx context.Context) (store.Report, error) {
	if err := s.begin(ctx, store.System); err != nil {
		return store.Report{}, err
	}
	servers, err := s.inspect(ctx)
	if err != nil {
		return store.Report{}, err
	}
	r := store.Report{Backend: s.backend}
	warnings := map[string]bool{}
	for i, h := range servers {
		if i == 0 || h.replicas < r.Replicas {
			r.Replicas = h.replicas
		}
		r.Used = max(r.Used, min(1, h.used))
		if !h.aof {
			warnings[noAOF] = true
		}
		for _, text := range h.failing {
			warnings[text+", at "+h.addr] = true
		}
		if h.policy != "noeviction" {
			warnings[fmt.Sprintf("maxmemory-policy is %q: Redis may drop flags when memory is short; set it to noeviction", h.policy)] = true
		}
	}
	if r.Replicas < s.opts.MinReplicas {
		warnings[fmt.Sprintf("a primary has %d replicas of the %d that a confirmed write needs: writes are unconfirmed", r.Replicas, s.opts.MinReplicas)] = true
	}
	if r.Used >= nearlyFull {
		warnings[fmt.Sprintf("%.0f %% of the memory limit is in use: only kills and changes that lower exposure are taken", r.Used*100)] = true
	}
	s.mu.Lock()
	if s.files.refused != "" {
		warnings[s.files.refused] = true
	}
	for _, texts := range []map[string]string{s.raised, s.audits.broken, s.unsure} {
		for _, text := range texts {
			warnings[text] = true
		}
	}
	s.mu.Unlock()
	record, err := s.readRecord(ctx)
	if err != nil {
		return store.Report{}, err
	}
	for _, text := range record.others {
		warnings[text] = true
	}
	if record.lost != "" {
		warnings[s.refuse(record.lost).Error()] = true
	}
	// The emptiness that matters most is the whole store's; it is said, not failed: a report is about what is wrong.
	if err := s.present(ctx, ""); errors.Is(err, store.ErrEmptied) {
		warnings[err.Error()] = true
	}
	r.Warnings = slices.Sorted(maps.Keys(warnings))
	return r, nil
}
