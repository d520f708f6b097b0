package admin

import (
	"context"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// scope is what a Service keeps of one scope: the queue of its commits, and what it knows newer than the mirror.
type scope struct {
	name    string
	queue   queue
	journal *journal

	mu       sync.Mutex
	latest   *store.State // after this process's own last commit; the mirror may be behind or ahead of it
	rulesets map[string]*compiled
	pending  map[string]*attempt // by idempotency key, while in flight
	purged   time.Time           // when tombstones were last looked for
	vouching vouching
}

// compiled is an environment's ruleset as it is in a state. Both are immutable.
type compiled struct {
	state   *store.State
	ruleset *compile.Ruleset
}

func (s *Service) scope(name string) *scope {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.scopes[name]
	if sc == nil {
		sc = &scope{name: name, journal: newJournal(), rulesets: map[string]*compiled{}, pending: map[string]*attempt{}}
		s.scopes[name] = sc
	}
	return sc
}

// forget drops what is known of a scope that was deleted.
func (s *Service) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.scopes, name)
}

// state is the newest that this process knows of a scope, without asking the store.
func (s *Service) state(ctx context.Context, name string) (*store.State, error) {
	m, err := s.opts.Mirrors(ctx, name)
	if err != nil {
		return nil, fromStore(err)
	}
	return s.scope(name).newest(m.State()), nil
}

// sync is state after asking the store.
func (s *Service) sync(ctx context.Context, name string) (*store.State, error) {
	m, err := s.opts.Mirrors(ctx, name)
	if err != nil {
		return nil, fromStore(err)
	}
	state, err := m.Sync(ctx)
	if err != nil {
		return nil, fromStore(err)
	}
	return s.scope(name).newest(state), nil
}

// newest is the later one of the mirror's state and that of this process's own last commit.
func (sc *scope) newest(mirror *store.State) *store.State {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.latest == nil || !later(sc.latest.Head(), mirror.Head()) {
		sc.latest = nil
		return mirror
	}
	return sc.latest
}

func later(a, b store.Head) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Revision > b.Revision
}

// committed takes note of this process's own commit.
func (sc *scope) committed(next *store.State, rulesets map[string]*compile.Ruleset, d *Draft) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.latest == nil || later(next.Head(), sc.latest.Head()) {
		sc.latest = next
	}
	if d.purging {
		sc.purged = d.now
	}
	for environment, r := range rulesets {
		sc.rulesets[environment] = &compiled{state: next, ruleset: r}
	}
}

// ruleset is the compiled ruleset of an environment in a state. It is made from the last one that was asked for, at the cost of
// what differs.
func (sc *scope) ruleset(state *store.State, environment string) *compile.Ruleset {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	known := sc.rulesets[environment]
	if known != nil && known.state.Head() == state.Head() {
		return known.ruleset
	}
	head := state.Head()
	revision := evaluator.Revision{Epoch: head.Epoch, Number: head.Revision}
	collection := store.RulesetCollection(environment)
	next := &compiled{state: state}
	if known == nil {
		next.ruleset = compile.Open(revision, state.List(collection))
	} else {
		changes := difference(known.state, state, collection)
		next.ruleset = known.ruleset
		if len(changes) > 0 {
			next.ruleset, _ = known.ruleset.With(revision, changes)
		}
	}
	if known == nil || later(head, known.state.Head()) {
		sc.rulesets[environment] = next
	}
	return next.ruleset
}

// difference lists what changed in a ruleset between two states.
func difference(from, to *store.State, collection string) []compile.Change {
	var out []compile.Change
	for _, c := range store.Diff(from, to, collection) {
		kind, key := compile.ParseID(c.Key.ID)
		out = append(out, compile.Change{Kind: kind, Key: key, Before: c.Before, After: c.After})
	}
	return out
}

// project checks that a project is there, active, and the caller's to work with.
func (s *Service) project(ctx context.Context, call *Call, key string, action policy.Action, environment string) error {
	if err := policy.Can(call.Principal, action, policy.Resource{Project: key, Environment: environment}); err != nil {
		return err
	}
	if feature.CheckKey(key) != nil {
		return feature.NotFound("project", key)
	}
	state, err := s.state(ctx, store.System)
	if err != nil {
		return err
	}
	data, there := state.Get(projectKey(key))
	if !there {
		if state, err = s.sync(ctx, store.System); err != nil {
			return err
		}
		if data, there = state.Get(projectKey(key)); !there {
			return feature.NotFound("project", key)
		}
	}
	p, err := feature.Decode[feature.Project](data)
	if err != nil {
		return err
	}
	if p.State != feature.ProjectActive {
		return feature.Conflict("the project is %s", p.State)
	}
	return nil
}

// freshness is how long a read waits for the store to say that this process is up to date.
const freshness = 250 * time.Millisecond

// view is project and then the newest state of its scope: how every read begins. Whoever has changed something through another node reads it here; while
// the store does not answer, reads come from memory.
func (s *Service) view(ctx context.Context, call *Call, project string, action policy.Action, environment string) (*store.State, error) {
	if err := s.project(ctx, call, project, action, environment); err != nil {
		return nil, err
	}
	return s.fresh(ctx, project)
}

func (s *Service) fresh(ctx context.Context, scope string) (*store.State, error) {
	asking, cancel := context.WithTimeout(ctx, freshness)
	defer cancel()
	if state, err := s.sync(asking, scope); err == nil {
		return state, nil
	}
	return s.state(ctx, scope)
}

func revisionOf(epoch, number int64) evaluator.Revision {
	return evaluator.Revision{Epoch: epoch, Number: number}
}
