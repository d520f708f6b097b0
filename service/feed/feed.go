// Package feed keeps, for every environment that a node serves, the current snapshot and the newest changes that led to
// it, encoded once for everybody, and lets any number of streams follow, each at its own pace.
//
// A [Feed] is one atomic pointer to an immutable [Node]. Publishing swaps the pointer and closes the old node's Next channel; a stream
// waits on that channel or its context, and then takes what is newer than its own position. There is no list of subscribers and
// nothing to unsubscribe, so a stream costs the feed nothing, and one that does not read holds up nobody.
//
// A node's revision is the project's: it moves with every entry of the project's log, also with one that touches other environments only.
// Such an entry makes no step and wakes no stream; streams learn the revision with the next heartbeat. [Node.Since] tells from
// which revision on the ruleset has been what it is, so that an instance that acknowledged that one is known to be up to date.
//
// The package does not know what a stream is: an [Encoder] makes the bytes.
package feed

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/store"
)

// collEnvironment is the collection of a project's environments: a feed is there while its environment's document is.
const collEnvironment = "environment"

// Options are what a Set is made of. All may be left out.
type Options struct {
	// Encoder makes the messages that streams send. nil: nothing is encoded, for a process that has no sync streams.
	Encoder Encoder
	// Served is told that an environment is served at a revision, and since which revision its ruleset is what it is now. It is called in
	// order for each project, after the swap, by the goroutine that calls Step, and must not block.
	Served func(project, environment string, at, since store.Cursor)
	// Vanished is told that an environment was deleted, in order with Served.
	Vanished func(project, environment string)
	Logger   *slog.Logger // nil: discards
}

// Set is all environments of all projects that a node serves. All methods may be called concurrently, but the steps of one
// project must come in order, from one goroutine at a time.
type Set struct {
	opts  Options
	feeds atomic.Pointer[map[place]*Feed] // replaced as a whole, rarely; read by every request

	mu       sync.Mutex
	projects map[string]*project
}

type place struct{ project, environment string }

// project is what is known of one project's scope. mu is held for a whole step.
type project struct {
	loaded atomic.Bool

	mu    sync.Mutex
	state *store.State // nil before the first load and after Drop
	feeds map[string]*Feed
}

// NewSet makes a Set that serves nothing yet.
func NewSet(opts Options) *Set {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Served == nil {
		opts.Served = func(string, string, store.Cursor, store.Cursor) {}
	}
	if opts.Vanished == nil {
		opts.Vanished = func(string, string) {}
	}
	s := &Set{opts: opts, projects: map[string]*project{}}
	s.feeds.Store(&map[place]*Feed{})
	return s
}

// Environment is the feed of an environment. false: it is not there, or the project is not loaded yet (see [Set.Loaded]).
func (s *Set) Environment(project, environment string) (*Feed, bool) {
	f, ok := (*s.feeds.Load())[place{project, environment}]
	return f, ok
}

// Loaded says whether a project's first full load is done, so that an environment that is not there does not exist.
func (s *Set) Loaded(project string) bool {
	p := s.known(project)
	return p != nil && p.loaded.Load()
}

// All are the feeds of all environments, in no particular order.
func (s *Set) All() iter.Seq[*Feed] { return maps.Values(*s.feeds.Load()) }

// Drop stops serving a project, whose deletion it is called for. Streams end, see [Feed.Gone].
func (s *Set) Drop(name string) {
	p := s.known(name)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for environment := range p.feeds {
		s.remove(p, name, environment)
	}
	p.state = nil
	p.loaded.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects, name)
}

func (s *Set) known(name string) *project {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.projects[name]
}

// Step takes what the mirror of a scope saw. It returns when every environment's new node is in place.
func (s *Set) Step(scope string, st store.Step) {
	if scope == store.System || st.State == nil {
		return
	}
	s.mu.Lock()
	p := s.projects[scope]
	if p == nil {
		p = &project{feeds: map[string]*Feed{}}
		s.projects[scope] = p
	}
	s.mu.Unlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.state
	if before == nil {
		before = &store.State{}
	}
	old, head := before.Head(), st.State.Head()
	if p.state != nil && !revision(old).before(head) {
		if old != head {
			s.opts.Logger.Error("feed: refused a step that does not lead forward", "project", scope, "from", revision(old), "to", revision(head))
		}
		return
	}
	if st.Entry != nil && p.state != nil && st.Entry.Epoch == old.Epoch && st.Entry.Revision == old.Revision+1 {
		s.follow(p, scope, st)
	} else {
		s.reload(p, scope, before, st.State)
	}
	p.state = st.State
	p.loaded.Store(true)
}

// at is a place in a project's history.
type at struct{ evaluator.Revision }

func revision(h store.Head) at { return at{evaluator.Revision{Epoch: h.Epoch, Number: h.Revision}} }

func (a at) before(h store.Head) bool { return a.Compare(revision(h).Revision) < 0 }

func cursor(r evaluator.Revision) store.Cursor {
	return store.Cursor{Epoch: r.Epoch, Revision: r.Number}
}

// follow applies one entry: the usual case, whose cost is that of the change.
func (s *Set) follow(p *project, name string, st store.Step) {
	changed := map[string][]store.Change{} // by environment
	var vanished, appeared []string
	for _, c := range st.Entry.Changes {
		if environment, ok := strings.CutPrefix(c.Key.Collection, store.RulesetCollection("")); ok {
			changed[environment] = append(changed[environment], c)
		}
		if c.Key.Collection != collEnvironment {
			continue
		}
		if c.After == nil {
			vanished = append(vanished, c.Key.ID)
		} else if p.feeds[c.Key.ID] == nil {
			appeared = append(appeared, c.Key.ID)
		}
	}
	for _, environment := range vanished {
		s.remove(p, name, environment)
	}
	rev := revision(st.State.Head()).Revision
	for environment, f := range p.feeds {
		s.publish(f, environment, rev, changed[environment])
	}
	for _, environment := range appeared {
		s.add(p, name, environment, st.State)
	}
}

// reload goes from one state to another without the entries between. The difference is a step like any other, so that streams that
// were up to date go on with a delta, also into another epoch.
func (s *Set) reload(p *project, name string, before, after *store.State) {
	there := map[string]bool{}
	for environment := range after.List(collEnvironment) {
		there[environment] = true
	}
	for environment := range p.feeds {
		if !there[environment] {
			s.remove(p, name, environment)
		}
	}
	rev := revision(after.Head()).Revision
	for environment := range there {
		if f := p.feeds[environment]; f != nil {
			s.publish(f, environment, rev, store.Diff(before, after, store.RulesetCollection(environment)))
		} else {
			s.add(p, name, environment, after)
		}
	}
}

func (s *Set) add(p *project, name, environment string, state *store.State) {
	var docs []evaluator.Document
	for id, data := range state.List(store.RulesetCollection(environment)) {
		docs = append(docs, document(id, data))
	}
	f := &Feed{project: name, environment: environment, encoder: s.opts.Encoder, gone: make(chan struct{})}
	snapshot, problems := evaluator.New(revision(state.Head()).Revision, docs)
	s.report(f, problems)
	f.node.Store(firstNode(f, snapshot))
	p.feeds[environment] = f
	s.replace(func(feeds map[place]*Feed) { feeds[place{name, environment}] = f })
	s.served(f)
}

func (s *Set) remove(p *project, name, environment string) {
	f := p.feeds[environment]
	if f == nil {
		return
	}
	delete(p.feeds, environment)
	s.replace(func(feeds map[place]*Feed) { delete(feeds, place{name, environment}) })
	close(f.gone)
	s.opts.Vanished(name, environment)
}

func (s *Set) replace(change func(map[place]*Feed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	feeds := maps.Clone(*s.feeds.Load())
	change(feeds)
	s.feeds.Store(&feeds)
}

func (s *Set) publish(f *Feed, environment string, rev evaluator.Revision, changes []store.Change) {
	docs := make([]evaluator.Document, len(changes))
	for i, c := range changes {
		docs[i] = document(c.Key.ID, c.After)
	}
	old := f.node.Load()
	snapshot, problems := old.snapshot.With(rev, docs)
	s.report(f, problems)
	if len(docs) == 0 {
		f.node.Store(old.quiet(snapshot))
	} else {
		f.node.Store(old.after(snapshot, docs))
		f.dropOldFull()
		close(old.next)
	}
	s.served(f)
}

func (s *Set) served(f *Feed) {
	n := f.node.Load()
	s.opts.Served(f.project, f.environment, cursor(n.Revision()), cursor(n.Since()))
}

// report logs what is quarantined. Stored rulesets were compiled before they were stored, so this happens when nodes of different
// versions run side by side, or after damage.
func (s *Set) report(f *Feed, problems []evaluator.Problem) {
	for i, p := range problems {
		if i == maxReported {
			s.opts.Logger.Error("feed: more documents are quarantined", "project", f.project, "environment", f.environment, "count", len(problems)-i)
			return
		}
		s.opts.Logger.Error("feed: a document is quarantined", "project", f.project, "environment", f.environment, "problem", p)
	}
}

const maxReported = 10

// document takes apart the id under which a ruleset document is stored, kind/key.
func document(id string, data []byte) evaluator.Document {
	kind, key, _ := strings.Cut(id, "/")
	return evaluator.Document{Kind: evaluator.Kind(kind), Key: key, JSON: data}
}

// Feed is one environment as this node serves it.
type Feed struct {
	project, environment string
	encoder              Encoder
	node                 atomic.Pointer[Node]
	full                 atomic.Pointer[fullSlot]
	gone                 chan struct{}

	doubts   sync.Mutex         // guards what follows, of ForgetFull
	doubted  evaluator.Revision // since when the ruleset is what was doubted last
	doubtful int                // how often it was
}

// Project and Environment name what the feed is of.
func (f *Feed) Project() string { return f.project }

// Environment names the environment within the project.
func (f *Feed) Environment() string { return f.environment }

// Current is the newest node. It is never nil: a feed comes to be with its first load.
func (f *Feed) Current() *Node { return f.node.Load() }

// Gone is closed when the environment was deleted. Its last node stays readable.
func (f *Feed) Gone() <-chan struct{} { return f.gone }

// WaitRevision waits until the feed is at a revision or beyond it. It is false when the context ended or the environment went first. It looks at
// every step and is meant for tests and commands: revisions that make no step are seen with the next one that does.
func (f *Feed) WaitRevision(ctx context.Context, rev evaluator.Revision) bool {
	for {
		n := f.Current()
		if n.Revision().Compare(rev) >= 0 {
			return true
		}
		select {
		case <-n.Next():
		case <-f.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Environments are the keys of a project's environments, sorted.
func (s *Set) Environments(project string) []string {
	var out []string
	for at := range *s.feeds.Load() {
		if at.project == project {
			out = append(out, at.environment)
		}
	}
	slices.Sort(out)
	return out
}
