package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func (s *Store) hereKeys(scope string) []string {
	return []string{s.keys.here(scope), s.keys.hereEnd(scope)}
}

// PutPresence implements store.Store. Redis's clock says when the value expires, so that the clocks of nodes do not matter.
func (s *Store) PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error {
	if err := s.begin(ctx, scope); err != nil {
		return err
	}
	if expiry < time.Millisecond {
		return fmt.Errorf("redisstore: presence that expires after %v", expiry)
	}
	_, err := s.say(ctx, "write presence", appearScript, s.hereKeys(scope), id, value, expiry.Milliseconds())
	return err
}

// Presence implements store.Store.
func (s *Store) Presence(ctx context.Context, scope string) (map[string][]byte, error) {
	if err := s.begin(ctx, scope); err != nil {
		return nil, err
	}
	answer, err := s.eval(ctx, "read presence", presentScript, s.hereKeys(scope))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	parts, ok := answer.([]any)
	if !ok || len(parts) != 2 {
		return nil, corrupt(errors.New("presence is no list"))
	}
	values := map[string]string{}
	pairs, _ := parts[0].([]any)
	for i := 0; i+1 < len(pairs); i += 2 {
		id, _ := pairs[i].(string)
		values[id], _ = pairs[i+1].(string)
	}
	live, _ := parts[1].([]any)
	for _, element := range live {
		id, _ := element.(string)
		if value, found := values[id]; found {
			out[id] = []byte(value)
		}
	}
	return out, nil
}

// DeletePresence implements store.Store.
func (s *Store) DeletePresence(ctx context.Context, scope, id string) error {
	if err := s.begin(ctx, scope); err != nil {
		return err
	}
	_, err := s.say(ctx, "delete presence", vanishScript, s.hereKeys(scope), id)
	return err
}
