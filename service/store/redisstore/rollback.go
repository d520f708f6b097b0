package redisstore

import (
	"context"
	"fmt"
	"time"
)

// rollback takes back an entry that stands in the log after the head, as half of a torn commit does that Redis has run (rewrite.go). Nobody was told that it was committed, and no commit
// would be possible as long as it is there, not even a kill. What it changed becomes what it was before; an idempotency record that says that it was done goes. It
// tells whether there was such an entry, and it is gone.
func (s *Store) rollback(ctx context.Context, scope string) (bool, error) {
	st, err := s.look(ctx, scope)
	if err != nil || st.head.Revision == 0 {
		return false, err
	}
	beyond, err := s.entries(ctx, scope, st.head.Revision+1, st.head.Revision+2)
	if err != nil || len(beyond) != 1 || beyond[0].Prev != st.head.Hash {
		return false, err // nothing, or nothing that could have been the next commit
	}
	e := beyond[0]
	records, err := s.recordsOf(ctx, scope, e.Revision)
	if err != nil {
		return false, err
	}
	args := []any{st.head.Epoch, st.head.Revision, st.head.Hash.String(), entryID(e.Revision), e.Hash.String(), 0}
	puts, deletes := 0, []any{}
	for _, c := range e.Changes {
		if len(c.Before) == 0 {
			deletes = append(deletes, field(c.Key))
			continue
		}
		args = append(args, field(c.Key), c.Before)
		puts++
	}
	args[5] = puts
	args = append(append(append(args, len(deletes)), deletes...), records...)
	word, err := s.say(ctx, "take back what was not committed", rollbackScript, []string{
		s.keys.head(scope), s.keys.docs(scope), s.keys.log(scope), s.keys.idem(scope), s.keys.idemEnd(scope),
	}, args...)
	if err != nil || word != "ok" {
		return false, err
	}
	s.opts.Logger.Error("half of a commit that nobody acknowledged was in the store, and was taken back", "scope", scope, "revision", e.Revision,
		"actor", e.Meta.Actor, "verb", e.Meta.Verb, "target", e.Meta.Target)
	s.mu.Lock()
	s.raised[scope] = fmt.Sprintf("half of a commit that nobody acknowledged was in %q and was taken back at %s: revision %d, %s of %s",
		scope, s.opts.Clock().UTC().Format(time.RFC3339), e.Revision, e.Meta.Verb, e.Meta.Target)
	s.mu.Unlock()
	return true, nil
}

// recordsOf finds the idempotency records that name a revision.
func (s *Store) recordsOf(ctx context.Context, scope string, revision int64) ([]any, error) {
	var out []any
	for cursor := uint64(0); ; {
		list, next, err := s.client.HScan(ctx, s.keys.idem(scope), cursor, "", docsPart).Result()
		if err != nil {
			return nil, s.fail(ctx, "read idempotency records", err)
		}
		for i := 0; i+1 < len(list); i += 2 {
			if r, err := decodeRecord(list[i+1]); err == nil && r.Revision == revision {
				out = append(out, list[i])
			}
		}
		if cursor = next; cursor == 0 {
			return out, nil
		}
	}
}
