package auth

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// When tokens were used is one value beside the log, which makes no revision: all processes write it, each adding what it has seen, at most once a
// minute. Where two write at once, what one of them added is lost until it adds it again, a minute later.

// Uses is what remembering them needs of a store.
type Uses interface {
	PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error
	Presence(ctx context.Context, scope string) (map[string][]byte, error)
}

const (
	usesID    = "token-uses"
	usesEvery = time.Minute
	usesKept  = 400 * 24 * time.Hour
	usesWrite = 5 * time.Second // at most, for one turn
)

// Run writes down when tokens were used, until ctx ends, and then once more. It never fails: what cannot be written now is written later.
func (s *Service) Run(ctx context.Context) error {
	if s.opts.Uses == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(usesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.writeUses(ctx)
		case <-ctx.Done():
			s.writeUses(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// writeUses adds what this process has seen to what is written down, unless that has it already.
func (s *Service) writeUses(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, usesWrite)
	defer cancel()
	seen := s.Used()
	s.forgetGone(seen)
	if len(seen) == 0 {
		return
	}
	all, err := s.readUses(ctx)
	if err == nil && newer(seen, all) {
		merge(all, seen)
		err = s.putUses(ctx, all)
	}
	if err != nil {
		s.opts.Logger.Debug("when tokens were used is written later", "cause", err)
	}
}

// LastUsed is when each token was last used: as all processes have written it down, and as this one has seen it since. On an error it is what this one has seen.
func (s *Service) LastUsed(ctx context.Context) (map[string]time.Time, error) {
	seen := s.Used()
	if s.opts.Uses == nil {
		return seen, nil
	}
	all, err := s.readUses(ctx)
	if err != nil {
		return seen, err
	}
	merge(all, seen)
	return all, nil
}

func (s *Service) readUses(ctx context.Context) (map[string]time.Time, error) {
	values, err := s.opts.Uses.Presence(ctx, store.System)
	if err != nil {
		return nil, feature.Unavailable(err, "the store does not answer")
	}
	out := map[string]time.Time{}
	text, there := values[usesID]
	if !there {
		return out, nil
	}
	var seconds map[string]int64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return out, nil //nolint:nilerr // written anew by whoever sees a token used
	}
	for id, at := range seconds {
		out[id] = time.Unix(at, 0).UTC()
	}
	return out, nil
}

func (s *Service) putUses(ctx context.Context, uses map[string]time.Time) error {
	s.forgetGone(uses)
	seconds := make(map[string]int64, len(uses))
	for id, at := range uses {
		seconds[id] = at.Unix()
	}
	text, err := json.Marshal(seconds)
	if err != nil {
		return err
	}
	return s.opts.Uses.PutPresence(ctx, store.System, usesID, text, usesKept)
}

// forgetGone leaves out tokens that are not there any more.
func (s *Service) forgetGone(uses map[string]time.Time) {
	state := s.opts.System()
	maps.DeleteFunc(uses, func(id string, _ time.Time) bool {
		_, there := state.Get(store.Key{Collection: collection, ID: id})
		return !there
	})
}

// newer says whether something in a is later than in b by a second, which is as exact as it is written down.
func newer(a, b map[string]time.Time) bool {
	for id, at := range a {
		if at.Unix() > b[id].Unix() {
			return true
		}
	}
	return false
}

// merge keeps the later of each in into.
func merge(into, from map[string]time.Time) {
	for id, at := range from {
		if at.After(into[id]) {
			into[id] = at
		}
	}
}
