package admin

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Events yields a project's changes after a cursor (the zero one: from now on) as they are committed by anyone, those that the filter chooses and the caller may
// see; also those of the project's own document and of its tokens, which are in the system's log, and are not repeated to who comes back. An event without a verb says only how far the stream has come: at first where it begins, then where it stands after what
// was not for the caller.
//
// It ends with the caller's context, or after an error: when that wraps [store.ErrCompacted] or [store.ErrEpoch] the cursor is too old, or the caller too slow, and he
// loads everything anew.
//
// A stream costs two positions in journals that all streams share. It has no queue: while a caller is busy with an event nothing piles up.
func (s *Service) Events(ctx context.Context, call Call, project string, filter LogFilter, after store.Cursor) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := s.follow(ctx, &call, project, filter, after, yield); err != nil {
			yield(Event{}, fromStore(err))
		}
	}
}

// follow is Events; nil: the caller has had enough.
func (s *Service) follow(
	ctx context.Context, call *Call, project string, filter LogFilter, after store.Cursor, yield func(Event, error) bool,
) error {
	if _, err := s.view(ctx, call, project, policy.EventRead, filter.Environment); err != nil {
		return err
	}
	if _, err := s.fresh(ctx, store.System); err != nil {
		return err
	}
	own, err := s.opts.Mirrors(ctx, project)
	if err != nil {
		return err
	}
	system, err := s.opts.Mirrors(ctx, store.System)
	if err != nil {
		return err
	}
	state, newer := own.Newest()
	if after == (store.Cursor{}) {
		after = state.Head().Cursor()
	}
	systemState, systemNewer := system.Newest()
	systemAfter := systemState.Head().Cursor()
	if !yield(Event{At: after}, nil) {
		return nil
	}
	for {
		events, err := s.since(ctx, project, state.Head(), after)
		if err != nil {
			return err
		}
		skipped := false
		for _, e := range events {
			shown, ok := e.shown(filter, call.Principal)
			if after, skipped = e.At, !ok; ok && !yield(shown, nil) {
				return nil
			}
		}
		if skipped && !yield(Event{At: after}, nil) {
			return nil
		}
		if events, err = s.since(ctx, store.System, systemState.Head(), systemAfter); err != nil {
			return err
		}
		systemAfter = systemState.Head().Cursor()
		for _, e := range events {
			if shown, ok := e.ofProject(project, filter, call.Principal); ok && !yield(shown, nil) {
				return nil
			}
		}
		if len(events) > 0 {
			if err := s.project(ctx, call, project, policy.EventRead, filter.Environment); err != nil {
				return err
			}
		}
		select {
		case <-newer:
		case <-systemNewer:
		case <-ctx.Done():
			return ctx.Err()
		}
		state, newer = own.Newest()
		systemState, systemNewer = system.Newest()
	}
}

// StoreAge is how long ago the store last answered for a project: events of that time may be missing.
func (s *Service) StoreAge(ctx context.Context, project string) (time.Duration, error) {
	m, err := s.opts.Mirrors(ctx, project)
	if err != nil {
		return 0, fromStore(err)
	}
	return m.Age(s.opts.Clock()), nil
}

// ActorNames returns a function that gives the names of those who are written down as actors, as they are called now: a token's name; empty where there is none. It
// answers from memory, and is for one request.
func (s *Service) ActorNames(ctx context.Context) func(actor string) string {
	state, err := s.state(ctx, store.System)
	known := map[string]string{}
	return func(actor string) string {
		if err != nil {
			return ""
		}
		name, there := known[actor]
		if !there {
			name = actorName(state, actor)
			known[actor] = name
		}
		return name
	}
}

func actorName(state *store.State, actor string) string {
	id, isToken := strings.CutPrefix(actor, "token:")
	if !isToken {
		return ""
	}
	t, err := read[feature.Token](state, tokenKey(id), "token", id)
	if err != nil {
		return ""
	}
	return t.Name
}
