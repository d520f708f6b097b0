package admin

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/dimmerhq/dimmer/service/store"
)

// Bounds of what is kept of a scope's log for those who look on.
const (
	maxKept      = 1024    // events
	maxKeptBytes = 4 << 20 // of events, about
)

// journal is the newest part of a scope's log, without contents, and shared by all streams of the scope: a stream is a position in it and has no queue.
// Whoever finds that it does not reach where he has to go reads the log for all, while the others wait for that.
type journal struct {
	turn chan struct{}           // holds one token: of who may read the log
	now  atomic.Pointer[stretch] // immutable
}

func newJournal() *journal {
	j := &journal{turn: make(chan struct{}, 1)}
	j.turn <- struct{}{}
	j.now.Store(&stretch{})
	return j
}

// stretch is the events of an epoch with the revisions from+1, from+2, ….
type stretch struct {
	epoch  int64
	from   int64
	events []*Event
}

func (t *stretch) to() int64 { return t.from + int64(len(t.events)) }

// between are the events after one revision and up to another; false: they are not all there.
func (t *stretch) between(epoch, after, to int64) ([]*Event, bool) {
	if t.epoch != epoch || after < t.from || to > t.to() {
		return nil, false
	}
	return t.events[after-t.from : to-t.from], true
}

// since lists what was committed after a cursor, up to a head. [store.ErrEpoch] and [store.ErrCompacted]: that cannot be told, and whoever asks has to load everything
// anew, also because there is more than is kept.
func (s *Service) since(ctx context.Context, scope string, head store.Head, after store.Cursor) ([]*Event, error) {
	switch {
	case after.Epoch != head.Epoch:
		return nil, store.ErrEpoch
	case after.Compare(head.Cursor()) >= 0: // learnt from a node that is ahead of this one
		return nil, nil
	case head.Revision-after.Revision > maxKept:
		return nil, store.ErrCompacted
	}
	j := s.scope(scope).journal
	if events, found := j.now.Load().between(head.Epoch, after.Revision, head.Revision); found {
		return events, nil
	}
	select {
	case <-j.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { j.turn <- struct{}{} }()
	next, err := s.extend(ctx, scope, *j.now.Load(), head, after.Revision)
	if err != nil {
		return nil, err
	}
	events, found := next.between(head.Epoch, after.Revision, head.Revision)
	if !found {
		return nil, store.ErrCompacted
	}
	j.now.Store(next.trimmed())
	return events, nil
}

// extend reads what a stretch lacks of the log after one revision and up to a head.
func (s *Service) extend(ctx context.Context, scope string, t stretch, head store.Head, after int64) (*stretch, error) {
	if t.epoch != head.Epoch || head.Revision-t.to() > maxKept || after > t.to() {
		t = stretch{epoch: head.Epoch, from: after}
	}
	newer, err := s.events(ctx, scope, head.Epoch, t.to(), head.Revision)
	if err != nil {
		return nil, err
	}
	older, err := s.events(ctx, scope, head.Epoch, after, t.from)
	if err != nil {
		return nil, err
	}
	return &stretch{epoch: t.epoch, from: min(t.from, after), events: slices.Concat(older, t.events, newer)}, nil
}

// trimmed is the stretch without its oldest events, as far as it is too long.
func (t *stretch) trimmed() *stretch {
	bytes, first := 0, len(t.events)
	for first > 0 && len(t.events)-first < maxKept {
		if bytes += t.events[first-1].size(); bytes > maxKeptBytes && first < len(t.events) {
			break
		}
		first--
	}
	return &stretch{epoch: t.epoch, from: t.from + int64(first), events: slices.Clone(t.events[first:])}
}

// events reads the log after one revision and up to another, oldest first.
func (s *Service) events(ctx context.Context, scope string, epoch, after, to int64) ([]*Event, error) {
	if after >= to {
		return nil, nil
	}
	var out []*Event
	for e, err := range s.backwards(ctx, scope, to+1) {
		if err != nil {
			return nil, err
		}
		if e.Revision <= after {
			break
		}
		out = append(out, newEvent(&e, epoch))
	}
	if int64(len(out)) != to-after {
		return nil, store.ErrCompacted
	}
	slices.Reverse(out)
	return out, nil
}
