package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// change describes a commit for the log and the queue.
type change struct {
	scope  string
	verb   string      // "flag.create"
	target string      // "flag/new-checkout@production"
	class  store.Class // at least; a change that only lowers is raised to ClassLowering
}

// maxAnswer bounds what is kept for the repetition of a request; the store takes 256 KiB.
const maxAnswer = 255 << 10

// attempt is one call of write on its way.
type attempt struct {
	s       *Service
	scope   *scope
	call    *Call
	change  change
	idem    store.Idempotency
	own     bool // the key is the service's, not the client's
	synced  bool // the state was the store's at some time since the call began
	unknown bool // an earlier commit may have succeeded
	done    chan struct{}
}

// answer is what an idempotency record holds.
type answer struct {
	Epoch     int64           `json:"epoch"`
	Version   int64           `json:"version,omitempty"`
	Unchanged bool            `json:"unchanged,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
}

// write runs fn on drafts until one of them is committed, and returns what fn returned then.
//
// fn is run on the newest state known here. When it fails there, or finds nothing to do, the store is asked whether that state is still
// its newest, and fn is run again if not: so one node never refuses what another has just made possible, at no cost for changes that succeed.
func write[T any](ctx context.Context, s *Service, call *Call, c change, fn func(*Draft) (T, error)) (T, Written, error) {
	var none T
	if err := feature.CheckReason(call.Reason); err != nil {
		return none, Written{}, err
	}
	a := &attempt{s: s, scope: s.scope(c.scope), call: call, change: c, done: make(chan struct{})}
	if err := a.identify(); err != nil {
		return none, Written{}, err
	}
	if !a.own && !call.DryRun {
		leave, err := a.join(ctx)
		if err != nil {
			return none, Written{}, err
		}
		defer leave()
		if result, w, found, err := replayed[T](ctx, a); found || err != nil {
			return result, w, err
		}
	}
	if call.DryRun {
		return dryRun(ctx, a, fn)
	}
	if err := a.scope.queue.enter(ctx, c.class); err != nil {
		return none, Written{}, fromStore(err)
	}
	defer a.scope.queue.leave()
	return commit(ctx, a, fn)
}

// identify gives the call its idempotency key.
func (a *attempt) identify() error {
	if i := a.call.Idempotency; i != nil {
		if len(i.Key) == 0 || len(i.Key) > 1024 {
			return feature.Invalid("", "the idempotency key must have 1 to 1024 bytes")
		}
		a.idem = store.Idempotency{Key: i.Key, Request: i.Request}
		return nil
	}
	id, err := a.s.newID()
	a.own, a.idem.Key = true, "own/"+id
	return err
}

// join waits for a call with the same key that is in flight in this process; between processes the store decides.
func (a *attempt) join(ctx context.Context) (leave func(), err error) {
	for {
		a.scope.mu.Lock()
		other := a.scope.pending[a.idem.Key]
		if other == nil {
			a.scope.pending[a.idem.Key] = a
			a.scope.mu.Unlock()
			return func() {
				a.scope.mu.Lock()
				delete(a.scope.pending, a.idem.Key)
				a.scope.mu.Unlock()
				close(a.done)
			}, nil
		}
		a.scope.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, fromStore(ctx.Err())
		}
	}
}

// replayed answers from the record of an earlier commit with the same key.
func replayed[T any](ctx context.Context, a *attempt) (T, Written, bool, error) {
	var result T
	r, found, err := a.s.opts.Store.Recorded(ctx, a.change.scope, a.idem.Key)
	if err != nil || !found {
		return result, Written{}, false, fromStore(err)
	}
	if r.Request != a.idem.Request {
		return result, Written{}, true, feature.Invalid("", "the Idempotency-Key was used for a request with another body")
	}
	var kept answer
	if err := json.Unmarshal(r.Answer, &kept); err != nil {
		return result, Written{}, true, feature.Internal(err, "decode the answer to an earlier request")
	}
	w := Written{Revision: r.Revision, Epoch: kept.Epoch, Version: kept.Version, Replayed: !a.own, Unchanged: kept.Unchanged}
	w.Durability, _ = a.scope.vouchFor(store.Cursor{Epoch: w.Epoch, Revision: w.Revision}, a.s.opts.Clock())
	if kept.Result != nil {
		if err := json.Unmarshal(kept.Result, &result); err != nil {
			return result, w, true, feature.Internal(err, "decode the answer to an earlier request")
		}
	}
	return result, w, true, nil
}

// dryRun runs fn as for a commit, and stops there.
func dryRun[T any](ctx context.Context, a *attempt, fn func(*Draft) (T, error)) (T, Written, error) {
	var none T
	state, err := a.s.sync(ctx, a.change.scope)
	if err != nil {
		return none, Written{}, err
	}
	result, m, err := prepare(ctx, a, state, fn)
	head := state.Head()
	return result, Written{Revision: head.Revision, Epoch: head.Epoch, Version: m.draft.version, Unchanged: len(m.changes) == 0}, err
}

// commit is the loop of write, inside the queue.
func commit[T any](ctx context.Context, a *attempt, fn func(*Draft) (T, error)) (T, Written, error) {
	var none, sent T // sent: the result of an attempt whose fate is unknown
	state, err := a.s.state(ctx, a.change.scope)
	if err != nil {
		return none, Written{}, err
	}
	for {
		result, made, err := prepare(ctx, a, state, fn)
		if err != nil || len(made.changes) == 0 {
			next, again, syncErr := a.fresher(ctx, state, err)
			if syncErr != nil {
				return none, Written{}, syncErr
			}
			if again {
				state = next
				continue
			}
			if recorded, w, found, lookErr := settle(ctx, a, sent); found || lookErr != nil {
				return recorded, w, lookErr
			}
			if err != nil {
				return result, Written{}, err
			}
			w, done, err := a.unchanged(state, &made)
			if err != nil || done {
				return result, w, err
			}
		}
		w, err := a.try(ctx, state, &made, result)
		if err == nil {
			return result, w, nil
		}
		if made.unchanged && a.own && !errors.Is(err, store.ErrConflict) {
			head := state.Head() // nothing was asked for but what is there; only what it would survive is not known
			return result, Written{Revision: head.Revision, Epoch: head.Epoch, Durability: store.Unconfirmed, Version: made.draft.version, Unchanged: true}, nil
		}
		if errors.Is(err, store.ErrDuplicate) {
			recorded, w, found, err := settle(ctx, a, sent)
			if err == nil && !found {
				err = feature.Internal(store.ErrDuplicate, "the record of an earlier request is gone")
			}
			return recorded, w, err
		}
		if state, err = a.recover(ctx, state, err); err != nil {
			return none, Written{}, err
		}
		if a.unknown {
			sent = result
		}
	}
}

// made is what a draft came to.
type made struct {
	draft     *Draft
	changes   []store.Change
	rulesets  map[string]*compile.Ruleset
	unchanged bool // the changes are no more than a note
}

// prepare runs fn on a draft of a state and completes what it made.
func prepare[T any](ctx context.Context, a *attempt, state *store.State, fn func(*Draft) (T, error)) (result T, m made, err error) {
	m.draft = a.s.newDraft(ctx, a.call, a.change.scope, state)
	m.draft.urgent = a.change.class == store.ClassKill
	if result, err = fn(m.draft); err == nil {
		m.changes, m.rulesets, err = m.draft.finish()
	}
	return result, m, err
}

// settle answers from the record of this call's key: that of the client's earlier request, or of an attempt of this very call
// whose answer was lost. sent is what that attempt was to return.
func settle[T any](ctx context.Context, a *attempt, sent T) (T, Written, bool, error) {
	if a.own && !a.unknown {
		return sent, Written{}, false, nil
	}
	result, w, found, err := replayed[T](ctx, a)
	if a.unknown {
		result, w.Replayed = sent, false
	}
	return result, w, found, err
}

// try makes one attempt to commit what a draft came to.
func (a *attempt) try(ctx context.Context, state *store.State, m *made, result any) (Written, error) {
	d := m.draft
	meta := store.Meta{
		At: d.now, Actor: a.call.Principal.ID, Verb: a.change.verb, Target: a.change.target, Reason: a.call.Reason, Address: a.call.Principal.Address,
	}
	entry, err := store.Seal(state.Head(), meta, m.changes)
	if err != nil {
		return Written{}, fromStore(err)
	}
	class := a.change.class
	if class == store.ClassNormal && (!d.raises || m.unchanged) {
		class = store.ClassLowering
	}
	if a.idem.Answer, err = a.answer(m, entry.Epoch, result); err != nil {
		return Written{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.s.opts.CommitTimeout)
	defer cancel()
	idem := a.idem
	done, err := a.s.opts.Store.Commit(ctx, store.Txn{Scope: a.change.scope, Base: state.Head(), Entry: entry, Class: class, Idempotency: &idem})
	if err != nil {
		return Written{}, err
	}
	a.scope.acknowledged(done, a.s.opts.Clock())
	if next, err := state.Apply(entry); err == nil {
		a.scope.committed(next, m.rulesets, d)
	}
	return Written{
		Revision: done.Head.Revision, Epoch: done.Head.Epoch, Durability: done.Durability, Version: d.version, Unchanged: m.unchanged,
	}, nil
}

// answer encodes what a repetition of a client's request is to be told. Nobody but this call repeats one with an own key.
func (a *attempt) answer(m *made, epoch int64, result any) ([]byte, error) {
	kept := answer{Epoch: epoch, Version: m.draft.version, Unchanged: m.unchanged}
	if !a.own {
		data, err := feature.Encode(result)
		if err != nil {
			return nil, err
		}
		if len(data) <= maxAnswer {
			kept.Result = data
		}
	}
	return feature.Encode(kept)
}

// fresher decides whether a draft that failed or found nothing to do is to be made again on a newer state.
func (a *attempt) fresher(ctx context.Context, state *store.State, cause error) (*store.State, bool, error) {
	switch feature.CodeOf(cause) {
	case feature.CodeDenied, feature.CodeUnauthenticated, feature.CodeMalformed, feature.CodeInternal, feature.CodeTooLarge, feature.CodePreconditionRequired:
		return nil, false, nil
	default: // the others, and none at all, may be otherwise in a newer state
	}
	if a.synced {
		return nil, false, nil
	}
	next, err := a.s.sync(ctx, a.change.scope)
	if err != nil {
		return nil, false, err
	}
	a.synced = true
	return next, next.Head() != state.Head(), nil
}

// recover decides what to do after a commit failed: nil error means try again on the state returned.
func (a *attempt) recover(ctx context.Context, state *store.State, cause error) (*store.State, error) {
	switch {
	case ctx.Err() != nil:
		return nil, fromStore(ctx.Err())
	case errors.Is(cause, store.ErrConflict):
	case errors.Is(cause, store.ErrUnavailable), errors.Is(cause, context.DeadlineExceeded):
		if a.unknown { // the second time: the store is down, and the caller may repeat the request
			return nil, fromStore(cause)
		}
		a.unknown = true
	default:
		return nil, fromStore(cause)
	}
	next, err := a.s.sync(ctx, a.change.scope)
	if err != nil {
		return nil, err
	}
	a.synced = true
	if next.Head() == state.Head() && errors.Is(cause, store.ErrConflict) {
		// The mirror has not come further although the head has moved: let it breathe rather than spin.
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, fromStore(ctx.Err())
		}
	}
	return next, nil
}
