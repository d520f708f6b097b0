package localstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// presence is kept in memory: it is of processes that live, and here there is one.
type presence struct {
	value   []byte
	expires time.Time
}

// PutPresence implements [store.Store].
func (s *Store) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckScope(scope); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.presence[scope]
	if values == nil {
		values = map[string]presence{}
		s.presence[scope] = values
	}
	now := s.opts.Clock()
	maps.DeleteFunc(values, func(_ string, p presence) bool { return !p.expires.After(now) }) // or they pile up where nobody reads
	values[id] = presence{value: slices.Clone(value), expires: now.Add(expiry)}
	return nil
}

// Presence implements [store.Store]. It also forgets what has expired.
func (s *Store) Presence(ctx context.Context, scope string) (map[string][]byte, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock()
	maps.DeleteFunc(s.presence[scope], func(_ string, p presence) bool { return !p.expires.After(now) })
	out := make(map[string][]byte, len(s.presence[scope]))
	for id, p := range s.presence[scope] {
		out[id] = slices.Clone(p.value)
	}
	return out, nil
}

// DeletePresence implements [store.Store].
func (s *Store) DeletePresence(ctx context.Context, scope, id string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.presence[scope], id)
	return nil
}
