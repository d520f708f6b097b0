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

// written is how much memory a commit may take for each byte of its entry: the documents, the log's base64, and what allocation adds.
const written = 4

// memory remembers how full each server is.
type memory struct {
	mu   sync.Mutex
	used map[string]reading // by address
}

// reading is what a server said, and what this process has written since.
type reading struct {
	share, limit float64 // limit in bytes, 0: none
	until        time.Time
}

// room refuses with ErrFull where a server is nearly full. It asks once a second, and whenever what was written since may have filled it.
func (s *Store) room(ctx context.Context, client *redis.Client, size int) error {
	addr, now := client.Options().Addr, time.Now()
	r := s.memory.add(addr, size)
	if r.until.Before(now) || r.share >= nearlyFull {
		info, err := client.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		f := fields(info)
		limit, err := strconv.ParseFloat(f["maxmemory"], 64)
		if err != nil {
			limit = 0
		}
		r = reading{share: used(f), limit: limit, until: now.Add(memoryKept)}
		s.memory.set(addr, r)
	}
	if r.share >= nearlyFull {
		return fmt.Errorf("%w: %.0f %% of the memory limit is in use", store.ErrFull, r.share*100)
	}
	return nil
}

// add counts what is about to be written; the zero reading when nothing is known.
func (m *memory) add(addr string, size int) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found := m.used[addr]
	if found && r.limit > 0 {
		r.share += float64(size) * written / r.limit
		m.used[addr] = r
	}
	return r
}

func (m *memory) set(addr string, r reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used == nil {
		m.used = map[string]reading{}
	}
	m.used[addr] = r
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
