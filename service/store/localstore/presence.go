package localstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/dimmerhq/dimmer/service/store"
)

// presence is kept in memory: it is of processes that live, and here there is one.
type presence struct {
	value   []byte
	expires time.Time
}

// lasting is what is to live for a day or more. It is of no process, and goes to the disk, to outlive this one.
type lasting struct {
	Value   []byte `json:"value"`
	Expires int64  `json:"expires"` // Unix nanoseconds
}

const lastsFrom = 24 * time.Hour

// PutPresence implements [store.Store].
func (s *Store) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckScope(scope); err != nil {
		return err
	}
	if expiry >= lastsFrom {
		l := lasting{Value: value, Expires: s.opts.Clock().Add(expiry).UnixNano()}
		return s.change(ctx, scope, len(value), func(_ *bbolt.Tx, b *bbolt.Bucket) error {
			kept, err := b.CreateBucketIfNotExists(lastBucket)
			if err != nil {
				return err
			}
			return putJSON(kept, []byte(id), l)
		})
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
	out, err := s.lasting(ctx, scope)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock()
	maps.DeleteFunc(s.presence[scope], func(_ string, p presence) bool { return !p.expires.After(now) })
	for id, p := range s.presence[scope] {
		out[id] = slices.Clone(p.value)
	}
	return out, nil
}

// lasting reads what is on the disk.
func (s *Store) lasting(ctx context.Context, scope string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		b := scopeOf(tx, scope)
		if b == nil || b.Bucket(lastBucket) == nil {
			return nil
		}
		kept, now := b.Bucket(lastBucket), s.opts.Clock().UnixNano()
		return kept.ForEach(func(id, _ []byte) error {
			var l lasting
			if err := s.get(kept, id, &l); err != nil {
				return err
			}
			if l.Expires > now {
				out[string(id)] = l.Value
			}
			return nil
		})
	})
	return out, err
}

// DeletePresence implements [store.Store].
func (s *Store) DeletePresence(ctx context.Context, scope, id string) error {
	kept, err := s.lasting(ctx, scope)
	if err != nil {
		return err
	}
	if _, there := kept[id]; there {
		return s.change(ctx, scope, 0, func(_ *bbolt.Tx, b *bbolt.Bucket) error {
			if kept := b.Bucket(lastBucket); kept != nil {
				return kept.Delete([]byte(id))
			}
			return nil
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.presence[scope], id)
	return nil
}
