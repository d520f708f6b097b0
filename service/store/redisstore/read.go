package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// Reads go in parts, so that a large scope never holds Redis up: it does nothing else while it answers.
const (
	docsPart    = 128 // documents
	entriesPart = 64
	scanPart    = 1000 // keys
	readTries   = 5
)

// Head implements [store.Store].
func (s *Store) Head(ctx context.Context, scope string) (store.Head, error) {
	if err := s.begin(ctx, scope); err != nil {
		return store.Head{}, err
	}
	st, err := s.look(ctx, scope)
	return st.head, err
}

// Scopes implements [store.Store]. It walks over all keys of the database, in parts.
func (s *Store) Scopes(ctx context.Context) ([]string, error) {
	if err := s.begin(ctx, store.System); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	found := map[string]bool{}
	scan := func(ctx context.Context, c *redis.Client) error {
		began, err := process(ctx, c)
		if err != nil {
			return err
		}
		it := c.Scan(ctx, 0, s.keys.heads(), scanPart).Iterator()
		for it.Next(ctx) {
			if scope, ok := s.keys.scope(it.Val()); ok && store.CheckScope(scope) == nil {
				mu.Lock()
				found[scope] = true
				mu.Unlock()
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
		if ended, err := process(ctx, c); err != nil || ended != began {
			return errors.Join(err, errRestarted)
		}
		return nil
	}
	if err := s.each(ctx, scan); err != nil {
		return nil, s.fail(ctx, "list the scopes", err)
	}
	for scope := range s.knownScopes() {
		found[scope] = true // a scope that has vanished is an error, not an absence
	}
	var out []string
	for _, scope := range slices.Sorted(maps.Keys(found)) {
		st, err := s.look(ctx, scope)
		if err != nil {
			return nil, err
		}
		if st.head.Revision > 0 {
			out = append(out, scope)
		}
	}
	return out, nil
}

// errRestarted: the keys were listed by two processes, each in an order of its own, so that some may be missing.
var errRestarted = errors.New("redisstore: another process answers than before")

// process names the server's process.
func process(ctx context.Context, c *redis.Client) (string, error) {
	info, err := c.Info(ctx, "server").Result()
	return fields(info)["run_id"], err
}

// each calls fn for every primary, concurrently.
func (s *Store) each(ctx context.Context, fn func(context.Context, *redis.Client) error) error {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, fn)
	case *redis.Client:
		return fn(ctx, c)
	default:
		return fmt.Errorf("redisstore: no client of this kind is made here: %T", c)
	}
}

// Read implements [store.Store]. It collects the documents part by part while others may commit, and then lays the entries that were committed meanwhile over
// them: what was changed is as the newest of those entries left it, and what was not is as it was all the time.
func (s *Store) Read(ctx context.Context, scope string) (*store.State, error) {
	if err := s.begin(ctx, scope); err != nil {
		return nil, err
	}
	for range readTries {
		before, err := s.look(ctx, scope)
		if err != nil {
			return nil, err
		}
		if before.head.Revision == 0 {
			return store.NewState(before.head, maps.All(map[store.Key][]byte{})), nil
		}
		docs, err := s.documents(ctx, scope)
		if err != nil {
			return nil, err
		}
		after, err := s.look(ctx, scope)
		if err != nil {
			return nil, err
		}
		if before.server != after.server {
			continue // a part may have come from each, and the place where one was means nothing to the other
		}
		whole, err := s.overlay(ctx, scope, docs, before.head, after.head)
		if err != nil {
			return nil, err
		}
		if whole {
			return store.NewState(after.head, maps.All(docs)), nil
		}
	}
	return nil, fmt.Errorf("%w: read: the scope's history changed at every attempt", store.ErrUnavailable)
}

// documents collects all documents, each as it was at some time between the call and the return.
func (s *Store) documents(ctx context.Context, scope string) (map[store.Key][]byte, error) {
	docs := map[store.Key][]byte{}
	for cursor := uint64(0); ; {
		list, next, err := s.client.HScan(ctx, s.keys.docs(scope), cursor, "", docsPart).Result()
		if err != nil {
			s.lost(ctx)
			return nil, s.fail(ctx, "read the documents", err)
		}
		for i := 0; i+1 < len(list); i += 2 {
			k, ok := splitField(list[i])
			if !ok || list[i+1] == "" {
				return nil, corrupt(errors.New("a document without a key or a body"))
			}
			docs[k] = []byte(list[i+1])
		}
		if cursor = next; cursor == 0 {
			return docs, nil
		}
	}
}

// overlay brings documents that were collected between two heads to the second; false: there is no way from one to the other.
func (s *Store) overlay(ctx context.Context, scope string, docs map[store.Key][]byte, from, to store.Head) (bool, error) {
	if from == to {
		return true, nil
	}
	if from.Epoch != to.Epoch || from.Revision >= to.Revision {
		return false, nil
	}
	hash := from.Hash
	for next := from.Revision + 1; next <= to.Revision; {
		entries, err := s.entries(ctx, scope, next, min(to.Revision, next+entriesPart-1))
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			return false, nil // compacted meanwhile
		}
		for _, e := range entries {
			if e.Revision != next || e.Prev != hash {
				return false, nil
			}
			for _, c := range e.Changes {
				if len(c.After) == 0 {
					delete(docs, c.Key)
				} else {
					docs[c.Key] = c.After
				}
			}
			hash, next = e.Hash, next+1
		}
	}
	return hash == to.Hash, nil
}

// entries reads part of the log, oldest first, both ends included. Each entry is verified.
func (s *Store) entries(ctx context.Context, scope string, from, to int64) ([]store.Entry, error) {
	list, err := s.client.XRange(ctx, s.keys.log(scope), entryID(from), entryID(to)).Result()
	if err != nil {
		s.lost(ctx)
		return nil, s.fail(ctx, "read the log", err)
	}
	return decodeEntries(list)
}

// Log implements [store.Store].
func (s *Store) Log(ctx context.Context, scope string, before int64, limit int) ([]store.Entry, error) {
	if err := s.begin(ctx, scope); err != nil {
		return nil, err
	}
	st, err := s.look(ctx, scope)
	if err != nil {
		return nil, err
	}
	if before <= 0 || before > st.head.Revision {
		before = st.head.Revision + 1
	} else if before > 1 && before <= st.checkpoint.Revision+1 && limit > 0 {
		return nil, store.ErrCompacted
	}
	var out []store.Entry
	bytes := 0
	for e, err := range s.backwards(ctx, scope, before-1, st.checkpoint.Revision) {
		if err != nil {
			if damaged(err) {
				s.suspect(scope)
			}
			return nil, err
		}
		if len(out) >= limit || bytes >= store.LogBytes {
			break
		}
		out, bytes = append(out, e), bytes+e.Size()
	}
	return out, nil
}

// backwards yields the entries from newest down to the one after the checkpoint, without a gap. It reads in parts that
// become larger, up to [store.LogBytes].
func (s *Store) backwards(ctx context.Context, scope string, newest, checkpoint int64) func(func(store.Entry, error) bool) {
	return func(yield func(store.Entry, error) bool) {
		var below *store.Hash
		for next, part := newest, int64(8); next > checkpoint; part = min(entriesPart, part*2) {
			entries, err := s.newest(ctx, scope, next, checkpoint+1, part)
			if err == nil && len(entries) == 0 {
				err = store.ErrCompacted // while we read
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range entries {
				if e.Revision != next || below != nil && *below != e.Hash {
					yield(store.Entry{}, corrupt(fmt.Errorf("the log has revision %d where %d belongs, or another history", e.Revision, next)))
					return
				}
				if !yield(e, nil) {
					return
				}
				below, next = &e.Prev, next-1
			}
		}
	}
}

// newest reads part of the log, newest first: from one revision down to another, so many entries at most, and no more after LogBytes. Each entry is verified.
func (s *Store) newest(ctx context.Context, scope string, from, to, most int64) ([]store.Entry, error) {
	answer, err := s.eval(ctx, "read the log", newestScript, []string{s.keys.log(scope)}, from, to, most, store.LogBytes)
	if err != nil {
		return nil, err
	}
	list, ok := answer.([]any)
	if !ok {
		return nil, corrupt(fmt.Errorf("a script answered %T", answer))
	}
	messages := make([]redis.XMessage, len(list))
	for i, entry := range list {
		pair, _ := entry.([]any)
		if len(pair) != 2 {
			return nil, corrupt(fmt.Errorf("a script answered %d parts of a log entry", len(pair)))
		}
		messages[i].ID, _ = pair[0].(string)
		messages[i].Values = map[string]any{}
		fields, _ := pair[1].([]any)
		for at := 0; at+1 < len(fields); at += 2 {
			name, _ := fields[at].(string)
			messages[i].Values[name] = fields[at+1]
		}
	}
	return decodeEntries(messages)
}

// decodeEntries decodes what a stream holds. It trusts nothing: each entry must stand where it belongs and have the hash of its content.
func decodeEntries(list []redis.XMessage) ([]store.Entry, error) {
	out := make([]store.Entry, len(list))
	for i, m := range list {
		e, err := decodeEntry(m.ID, m.Values)
		if err != nil {
			return nil, corrupt(fmt.Errorf("log entry %s: %w", strconv.Quote(m.ID), err))
		}
		out[i] = e
	}
	return out, nil
}

func decodeEntry(id string, values map[string]any) (store.Entry, error) {
	text, _ := values["e"].(string)
	hash, _ := values["h"].(string)
	var e store.Entry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return store.Entry{}, err
	}
	if id != entryID(e.Revision) || hash != e.Hash.String() {
		return store.Entry{}, errors.New("it is not where it belongs")
	}
	if err := e.Verify(); err != nil {
		return store.Entry{}, err
	}
	return e, nil
}
