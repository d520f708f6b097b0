package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// Scripts keep documents, log and head in step. What Redis makes of its files after a crash, or somebody else's hand, may not. That costs no evaluation: documents are served as
// they are. But it must not go unnoticed, since a log that is no chain cannot be read, backed up or followed.

const (
	auditEntries = 128 // of the newest, whose documents are compared
	auditTries   = 3   // what others do meanwhile looks like damage
	auditPause   = 200 * time.Millisecond
	auditWithin  = time.Minute
	auditSpread  = 2 * time.Second
)

// audits is what is known of the scopes' soundness, by scope. It is guarded by Store.mu.
type audits struct {
	begun   map[string]string // the process of Redis under which one was begun
	running map[string]bool
	broken  map[string]string // what the last one found
}

// damaged tells whether an error is corrupt's.
func damaged(err error) bool {
	e, ok := errors.AsType[*feature.Error](err)
	return ok && e.Code == feature.CodeInternal
}

// suspect has a scope audited in the background, unless that is going on. What it finds is said in the log, and by Check until an audit finds it mended.
func (s *Store) suspect(scope string) { s.suspectWithin(scope, 0) }

// suspectWithin is suspect at some time within a spread.
func (s *Store) suspectWithin(scope string, spread time.Duration) {
	s.mu.Lock()
	running := s.audits.running[scope]
	s.audits.running[scope] = true
	s.mu.Unlock()
	if running {
		return
	}
	s.start(func() {
		ctx, cancel := context.WithTimeout(s.ctx, auditWithin)
		defer cancel()
		if spread > 0 && !pause(ctx, rand.N(spread)) {
			return
		}
		found, err := s.audit(ctx, scope)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.audits.running, scope)
		switch {
		case err != nil:
			delete(s.audits.begun, scope)
		case found == "":
			delete(s.audits.broken, scope)
		default:
			s.audits.broken[scope] = fmt.Sprintf("the log, the documents and the head of %q do not belong together, and are served as they are; compare them, and restore a backup: %s", scope, found)
			s.opts.Logger.Error("THE STORE IS DAMAGED; its documents are served as they are", "scope", scope, "found", found)
		}
	})
}

// suspectOnce is suspect once for each process of Redis. It costs a full read and the newest entries, which not all nodes are to ask for at the moment in which Redis is
// back.
func (s *Store) suspectOnce(scope, server string) {
	s.mu.Lock()
	done := s.audits.begun[scope] == server
	s.audits.begun[scope] = server
	s.mu.Unlock()
	if !done {
		s.suspectWithin(scope, auditSpread)
	}
}

// audit says what is wrong with a scope; nothing when it is sound, or when others kept changing it. What can be mended is.
func (s *Store) audit(ctx context.Context, scope string) (found string, err error) {
	for range auditTries {
		if found, err = s.compareLog(ctx, scope); err != nil || found == "" {
			return "", err
		}
		if !pause(ctx, auditPause) {
			return "", ctx.Err()
		}
	}
	if mended, err := s.rollback(ctx, scope); err != nil || !mended {
		return found, err
	}
	return s.compareLog(ctx, scope)
}

// compareLog compares the head with the newest entry, entries with each other, and documents with the entry that made them.
func (s *Store) compareLog(ctx context.Context, scope string) (string, error) {
	state, err := s.Read(ctx, scope)
	if damaged(err) {
		return err.Error(), nil
	}
	if err != nil || state.Head().Revision == 0 {
		return "", err
	}
	st, err := s.look(ctx, scope)
	if err != nil {
		return "", err
	}
	head, n, seen := state.Head(), 0, map[store.Key]bool{}
	for e, err := range s.backwards(ctx, scope, head.Revision, st.checkpoint.Revision) {
		switch {
		case errors.Is(err, store.ErrCompacted):
			return fmt.Sprintf("the log ends before revision %d", head.Revision-int64(n)), nil
		case damaged(err):
			return err.Error(), nil
		case err != nil:
			return "", err
		case n == 0 && e.Hash != head.Hash:
			return fmt.Sprintf("the log's entry of revision %d is not the one that the head names", e.Revision), nil
		}
		for _, c := range e.Changes {
			if got, _ := state.Get(c.Key); !seen[c.Key] && !bytes.Equal(got, c.After) {
				return fmt.Sprintf("the document %s is not what revision %d made of it", c.Key, e.Revision), nil
			}
			seen[c.Key] = true
		}
		if n++; n == auditEntries {
			break
		}
	}
	return s.lookBeyond(ctx, scope, head)
}

// lookBeyond finds an entry after the head, which is not committed and in the way of the next.
func (s *Store) lookBeyond(ctx context.Context, scope string, head store.Head) (string, error) {
	beyond, err := s.entries(ctx, scope, head.Revision+1, head.Revision+1)
	if damaged(err) {
		return err.Error(), nil
	}
	if err != nil || len(beyond) == 0 {
		return "", err
	}
	if st, err := s.look(ctx, scope); err != nil || st.head != head {
		return "", err
	}
	return fmt.Sprintf("the log has revision %d, which is not committed; nothing can be committed after it", head.Revision+1), nil
}
