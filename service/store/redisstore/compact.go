package redisstore

import (
	"context"
	"fmt"

	"github.com/dimmerhq/dimmer/service/store"
)

// Compact implements [store.Store]. Each part of the log is archived first and dropped then, in one step with the new checkpoint, so that what
// breaks off in between archives a part twice and loses none. Several processes may compact at once: the one that comes second finds the checkpoint moved.
func (s *Store) Compact(ctx context.Context, scope string, keep store.Retention) error {
	if err := s.begin(ctx, scope); err != nil {
		return err
	}
	for {
		st, err := s.look(ctx, scope)
		if err != nil {
			return err
		}
		from := st.checkpoint.Revision + 1
		to := min(from+entriesPart-1, st.head.Revision-int64(max(keep.Entries, 1)))
		if to < from {
			return nil
		}
		entries, err := s.entries(ctx, scope, from, to)
		if err != nil {
			return err
		}
		n := 0
		for n < len(entries) && keep.Drops(&entries[n], st.head.Revision, s.opts.Clock()) {
			n++
		}
		if n == 0 {
			return nil
		}
		if err := s.trim(ctx, scope, st.checkpoint, entries[:n]); err != nil {
			return err
		}
		if n < len(entries) {
			return nil
		}
	}
}

func (s *Store) trim(ctx context.Context, scope string, checkpoint store.Head, entries []store.Entry) error {
	if err := s.opts.Archive(ctx, scope, entries); err != nil {
		return fmt.Errorf("archive %d entries of the log: %w", len(entries), err)
	}
	last := entries[len(entries)-1].Head()
	word, err := s.say(ctx, "compact", trimScript, []string{s.keys.head(scope), s.keys.log(scope)},
		checkpoint.Revision, last.Epoch, last.Revision, last.Hash.String(), entryID(last.Revision+1))
	if err == nil && word == "moved" {
		s.opts.Logger.Debug("another process compacts the log", "scope", scope)
	}
	return err
}
