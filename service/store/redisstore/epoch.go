package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// peek asks where a scope stands, and refuses what is another store's. A head of revision 0, or none, is the caller's to judge.
func (s *Store) peek(ctx context.Context, scope string) (status, error) {
	keys := []string{s.keys.head(scope)}
	if scope == store.System {
		keys = append(keys, s.keys.record())
	}
	answer, err := s.eval(ctx, "ask for the head", headScript, keys)
	if err != nil {
		return status{}, err
	}
	st, err := parseStatus(answer)
	if err != nil {
		return status{}, err
	}
	return st, s.verify(ctx, scope, st)
}

// look asks where a scope stands, and puts right what can be: a head whose lineage has changed is reconciled with what this process knows. An answer is
// therefore always one that nobody has to doubt, or an error; ErrEmptied where a scope that was seen has vanished, or the whole store is another.
func (s *Store) look(ctx context.Context, scope string) (st status, err error) {
	for range readTries {
		if st, err = s.lookOnce(ctx, scope); !errors.Is(err, errAppeared) {
			break
		}
	}
	return st, err
}

func (s *Store) lookOnce(ctx context.Context, scope string) (status, error) {
	own := s.knows(scope) // before it is asked: what is committed meanwhile may be missing from the answer
	st, err := s.peek(ctx, scope)
	if err != nil {
		return status{}, err
	}
	switch {
	case st.absent:
		return st, s.emptied(ctx, scope, own)
	case st.head.Revision == 0 && (own.head.Revision == 0 || own.head.Epoch < st.head.Epoch):
		s.forget(scope, st.head)
		return st, nil
	case st.head.Revision == 0, // what was made after the drop is lost
		!st.intact:
		return s.reconcile(ctx, scope, own.head, st)
	}
	s.note(scope, st.head)
	s.register(ctx, scope)
	return st, nil
}

// reconcile runs the compare-and-set that decides about the epoch, of a head that was seen. It may run twice: the second time it finds what the first did.
func (s *Store) reconcile(ctx context.Context, scope string, known store.Head, seen status) (status, error) {
	own := s.knows(scope)
	doubt := ""
	if !seen.intact {
		done, err := s.renewed(ctx, s.keys.head(scope), seen.server)
		if err != nil {
			return status{}, err
		}
		if !done {
			doubt = seen.server
		}
	}
	st, err := s.compare(ctx, scope, known, "", seen.birth, doubt)
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
	case "moved":
		return status{}, errAppeared
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
		s.await(ctx, "the raised epoch", scope)
	}
	if st.head.Revision == 0 {
		s.forget(scope, st.head)
	} else {
		s.note(scope, st.head)
	}
	return st, nil
}

func (s *Store) compare(ctx context.Context, scope string, known store.Head, adopted, birth, doubt string) (status, error) {
	answer, err := s.eval(ctx, "reconcile", reconcileScript, []string{s.keys.head(scope), s.keys.log(scope)},
		known.Epoch, known.Revision, known.Hash.String(), adopted, birth, doubt)
	if err != nil {
		return status{}, err
	}
	return parseStatus(answer)
}

// restart is reconcile where there is no head. Unless the operator has adopted that, whoever knows one is refused: the caller, or this process, which knew
// own before it asked.
func (s *Store) restart(ctx context.Context, scope string, known store.Head, own claim) (status, error) {
	if err := s.emptied(ctx, scope, own); err != nil {
		return status{}, err
	}
	if known == (store.Head{}) {
		return status{absent: true, intact: true}, nil
	}
	if known.Revision > 0 && known.Epoch > 0 {
		// What the caller knew and this process does not was given up by an adoption that this process has taken note of, if there was one.
		if _, err := s.missing(ctx, scope, claim{head: known}); err != nil {
			s.note(scope, known)
			return status{}, err
		}
	}
	return s.compare(ctx, scope, known, "adopted", "", "")
}

// Reconcile implements [store.Store]. A head that equals known, or continues it, keeps its epoch, whatever server has it now; one that does not
// gets the next, once, however many processes ask.
func (s *Store) Reconcile(ctx context.Context, scope string, known store.Head) (head store.Head, err error) {
	if err := s.begin(ctx, scope); err != nil {
		return store.Head{}, err
	}
	for range readTries {
		if head, err = s.reconcileOnce(ctx, scope, known); !errors.Is(err, errAppeared) {
			break
		}
	}
	return head, err
}

func (s *Store) reconcileOnce(ctx context.Context, scope string, known store.Head) (store.Head, error) {
	st, err := s.peek(ctx, scope)
	if err != nil {
		return store.Head{}, err
	}
	if own := s.knows(scope).head; known.Cursor().Compare(own.Cursor()) < 0 {
		// Another part of this process has seen more: that has to be continued too.
		if _, err := s.reconcile(ctx, scope, own, st); err != nil {
			return store.Head{}, err
		}
	}
	if st, err = s.reconcile(ctx, scope, known, st); err == nil && st.head.Revision > 0 {
		s.suspectOnce(scope, st.server)
	}
	return st.head, err
}

// emptied decides what a missing head means to a process that knew one before it asked, or none: that the operator gave it up, that there was never anything;
// else ErrEmptied.
func (s *Store) emptied(ctx context.Context, scope string, own claim) error {
	word, err := s.missing(ctx, scope, own)
	if err != nil || own.head.Revision == 0 {
		return err
	}
	s.giveUp(word)
	return nil
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
