package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// look asks where a scope stands, and puts right what can be: a head whose lineage has changed is reconciled with what this process knows. An answer is
// therefore always one that nobody has to doubt, or an error; ErrEmptied where a scope that was seen has vanished.
func (s *Store) look(ctx context.Context, scope string) (status, error) {
	known := s.knows(scope) // before it is asked: what is committed meanwhile may be missing from the answer
	answer, err := s.eval(ctx, "ask for the head", headScript, []string{s.keys.head(scope)})
	if err != nil {
		return status{}, err
	}
	st, err := parseStatus(answer)
	if err != nil {
		return status{}, err
	}
	switch {
	case st.absent:
		return st, s.emptied(ctx, scope, known)
	case st.head.Revision == 0 && (known.Revision == 0 || known.Epoch < st.head.Epoch):
		s.forget(scope, st.head)
		return st, nil
	case st.head.Revision == 0: // what was made after the drop is lost
		return s.reconcile(ctx, scope, known)
	case !st.intact:
		return s.reconcile(ctx, scope, known)
	}
	s.note(scope, st.head)
	return st, nil
}

// reconcile runs the compare-and-set that decides about the epoch. It may run twice: the second time it finds what the first did.
func (s *Store) reconcile(ctx context.Context, scope string, known store.Head) (status, error) {
	own := s.knows(scope)
	st, err := s.compare(ctx, scope, known, "")
	if err != nil {
		return status{}, err
	}
	if st.absent {
		if st, err = s.restart(ctx, scope, known, own); err != nil {
			return status{}, err
		}
	}
	log := s.opts.Logger.With("scope", scope, "epoch", st.head.Epoch, "revision", st.head.Revision)
	switch st.did {
	case "kept":
		log.Info("redis was restarted or promoted, and continues what was known; the epoch stays")
	case "raised":
		log.Warn("redis does not continue what was known; the epoch was raised", "known_epoch", known.Epoch, "known_revision", known.Revision)
		why := "nobody here could vouch for what it holds"
		if known.Revision > 0 {
			why = fmt.Sprintf("revision %d of epoch %d was known", known.Revision, known.Epoch)
		}
		s.mu.Lock()
		s.raised[scope] = fmt.Sprintf("the history of %q was rewritten: at %s its epoch was raised to %d at revision %d, because %s",
			scope, s.opts.Clock().UTC().Format(time.RFC3339), st.head.Epoch, st.head.Revision, why)
		s.mu.Unlock()
	}
	if st.head.Revision == 0 {
		s.forget(scope, st.head)
	} else {
		s.note(scope, st.head)
	}
	return st, nil
}

func (s *Store) compare(ctx context.Context, scope string, known store.Head, adopted string) (status, error) {
	answer, err := s.eval(ctx, "reconcile", reconcileScript, []string{s.keys.head(scope), s.keys.log(scope)},
		known.Epoch, known.Revision, known.Hash.String(), adopted)
	if err != nil {
		return status{}, err
	}
	return parseStatus(answer)
}

// restart is reconcile where there is no head. Unless the operator has adopted that, whoever knows one is refused: the caller, or this process, which knew
// own before it asked.
func (s *Store) restart(ctx context.Context, scope string, known, own store.Head) (status, error) {
	if err := s.emptied(ctx, scope, own); err != nil {
		return status{}, err
	}
	if known == (store.Head{}) {
		return status{absent: true, intact: true}, nil
	}
	word, err := s.adoption(ctx)
	if err != nil {
		return status{}, err
	}
	if word == "" && known.Revision > 0 && known.Epoch > 0 {
		s.note(scope, known)
		return status{}, vanished(scope, known)
	}
	return s.compare(ctx, scope, known, "adopted")
}

// Reconcile implements [store.Store]. A head that equals known, or continues it, keeps its epoch, whatever server has it now; one that does not
// gets the next, once, however many processes ask.
func (s *Store) Reconcile(ctx context.Context, scope string, known store.Head) (store.Head, error) {
	if err := s.begin(ctx, scope); err != nil {
		return store.Head{}, err
	}
	if own := s.knows(scope); known.Cursor().Compare(own.Cursor()) < 0 {
		// Another part of this process has seen more: that has to be continued too.
		if _, err := s.reconcile(ctx, scope, own); err != nil {
			return store.Head{}, err
		}
	}
	st, err := s.reconcile(ctx, scope, known)
	return st.head, err
}

// emptied decides what a missing head means to a process that knew one before it asked: that the operator gave it up; else ErrEmptied.
func (s *Store) emptied(ctx context.Context, scope string, known store.Head) error {
	if known.Revision == 0 {
		return nil
	}
	word, err := s.adoption(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if word != "" && word != s.adopted {
		s.adopted = word
		clear(s.known)
		return nil
	}
	return vanished(scope, known)
}

func vanished(scope string, known store.Head) error {
	return fmt.Errorf("%w: revision %d of %q was known", store.ErrEmptied, known.Revision, scope)
}

// adoption is the operator's last word; empty when there was none since the store was last emptied.
func (s *Store) adoption(ctx context.Context) (string, error) {
	word, err := s.client.Get(ctx, s.keys.adopted()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", s.fail(ctx, "ask for an adoption", err)
	}
	return word, nil
}

// present refuses to begin a new scope in a store that has lost those that were known.
func (s *Store) present(ctx context.Context, scope string) error {
	known := s.knownScopes()
	if _, found := known[store.System]; found && scope != store.System {
		_, err := s.look(ctx, store.System)
		return err
	}
	for other := range known {
		if other != scope {
			_, err := s.look(ctx, other)
			return err
		}
	}
	return nil
}

// Adopt implements [store.Store]. The other processes take note of it when they next find something missing.
func (s *Store) Adopt(ctx context.Context) error {
	if err := s.begin(ctx, store.System); err != nil {
		return err
	}
	var raw [16]byte
	if _, err := io.ReadFull(s.opts.Random, raw[:]); err != nil {
		return fmt.Errorf("redisstore: no randomness: %w", err)
	}
	word := hex.EncodeToString(raw[:])
	if err := s.client.Set(ctx, s.keys.adopted(), word, 0).Err(); err != nil {
		return s.fail(ctx, "adopt", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopted = word
	clear(s.known)
	return nil
}
