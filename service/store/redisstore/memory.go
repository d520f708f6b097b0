package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// nearlyFull is the share of the memory limit from which only urgent commits are taken.
const nearlyFull = 0.9

// memoryKept is how long an answer about memory is good for.
const memoryKept = time.Second

// memory remembers how full each server is.
type memory struct {
	mu   sync.Mutex
	used map[string]reading // by address
}

type reading struct {
	share float64
	until time.Time
}

// room refuses with ErrFull where a server is nearly full. It asks once a second.
func (s *Store) room(ctx context.Context, client *redis.Client) error {
	addr, now := client.Options().Addr, time.Now()
	s.memory.mu.Lock()
	r, found := s.memory.used[addr]
	s.memory.mu.Unlock()
	if !found || now.After(r.until) {
		info, err := client.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		r = reading{share: used(fields(info)), until: now.Add(memoryKept)}
		s.memory.mu.Lock()
		if s.memory.used == nil {
			s.memory.used = map[string]reading{}
		}
		s.memory.used[addr] = r
		s.memory.mu.Unlock()
	}
	if r.share >= nearlyFull {
		return fmt.Errorf("%w: %.0f %% of the memory limit is in use", store.ErrFull, r.share*100)
	}
	return nil
}

// used is the share of the limit that counts against it, 0 without a limit. Redis leaves the buffers of replicas out.
func used(info map[string]string) float64 {
	limit, err := strconv.ParseFloat(info["maxmemory"], 64)
	if err != nil || limit <= 0 {
		return 0
	}
	total, err := strconv.ParseFloat(info["used_memory"], 64)
	if err != nil {
		return 0
	}
	buffers, err := strconv.ParseFloat(info["mem_not_counted_for_evict"], 64)
	if err != nil {
		buffers = 0
	}
	return max(0, total-buffers) / limit
}

// fields reads the lines of INFO.
func fields(info string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			out[name] = value
		}
	}
	return out
}
