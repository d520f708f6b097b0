// Package receipt knows which nodes serve and which instances have acknowledged which revision, and waits for them: it is how a kill
// can say where it has arrived and where it has not.
//
// Each node tells the others through the store's presence, which expires by itself and makes no revision. Per project it writes three
// reports. "node/NAME" lives for 15 s and says that the node is there and who has acknowledged what, in twelve bytes an instance. It is written when
// something changed, at most every 50 ms, and every 5 s when nothing did; so nobody has to announce that he waits: what there is to
// wait for is always told promptly, and an idle node is quiet. "roster/NAME" has the names, changes only when instances come and go,
// and outlives its node, so that the instances of a node that died are still expected. It is large and therefore written every 10 s at most; "last/NAME"
// bridges that: the live report as of the last coming or going, which outlives the node as well.
//
// An instance is expected while it is connected to some node, and for ten minutes after it was last seen unless it said goodbye. One that is not
// connected is lost: it never counts as done, whatever it acknowledged before. An instance that moved to another node counts once: connected wins
// over lost, and a goodbye over older connections that were lost. Of two acknowledgements of one process the higher one counts, since a process never
// goes back. Of two processes under one name, as there are while the connection of one that crashed is not yet known to be dead, the lower one counts.
package receipt

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// Want says what a wait waits for.
type Want string

// What can be waited for. WantInstances includes the nodes: one that does not serve a revision yet answers requests with an older one.
const (
	WantInstances Want = "instances"
	WantNodes     Want = "nodes"
	WantNone      Want = "none"
)

// State says how an instance stands to what its node serves.
type State string

// The states.
const (
	Connected State = "connected" // and up to date
	Behind    State = "behind"    // connected, but has not acknowledged what its node serves
	Lost      State = "lost"      // not connected, seen within the last ten minutes, and did not say goodbye
)

// Instance is one SDK process, or several one after the other under the same name.
type Instance struct {
	ID          string    `json:"id"`
	Process     string    `json:"-"` // tells processes of one name apart; any bytes. Empty: not known, so that each connection counts for itself
	Application string    `json:"application,omitempty"`
	SDK         string    `json:"sdk,omitempty"`
	SDKVersion  string    `json:"sdkVersion,omitempty"`
	Node        string    `json:"node,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Epoch       int64     `json:"epoch"`
	Revision    int64     `json:"revision"` // acknowledged, or the same ruleset as what was
	Lag         int64     `json:"lag"`      // revisions behind what its node serves
	State       State     `json:"state"`
	ConnectedAt time.Time `json:"connectedAt"`
	LastSeen    time.Time `json:"lastSeen"` // when it last said something
}

func (i *Instance) acknowledged() store.Cursor {
	return store.Cursor{Epoch: i.Epoch, Revision: i.Revision}
}

// Node is one node that serves the project.
type Node struct {
	Name      string    `json:"name"`
	Epoch     int64     `json:"epoch"`
	Revision  int64     `json:"revision"`  // served in every environment that was asked for
	Instances int       `json:"instances"` // connected
	LastSeen  time.Time `json:"lastSeen"`
}

// Count is how many of how many.
type Count struct{ Done, Total int }

// Receipt says where a revision has arrived.
type Receipt struct {
	Nodes, Instances Count
	Missing          []Instance // by id, at most 1,000
	Complete         bool       // what was wanted is done, and all nodes could be asked
}

// List is what is known of a project's instances and nodes, by environment and id, and by name.
type List struct {
	Instances []Instance
	Nodes     []Node
	Truncated bool // there are more instances than are listed
}

// The times and sizes of this package.
const (
	expiry        = 15 * time.Second // of a node that says nothing
	rosterExpiry  = lostFor + time.Minute
	rosterEvery   = 10 * time.Second // at most so often, when membership changed
	publishEvery  = 50 * time.Millisecond
	publishIdle   = 5 * time.Second
	publishLimit  = 2 * time.Second  // for one write
	lostFor       = 10 * time.Minute // an instance that was seen is expected
	announceLimit = 2 * time.Second  // for the first report, until the node is used without
	tardy         = time.Second      // after a change: from then on the live report names who is behind
	maxNamed      = 1000             // instances that a report names, per environment
	maxMissing    = 1000
	maxRemembered = 10_000 // lost instances, and those that said goodbye, per environment
	lookLocal     = 5 * time.Millisecond
	lookRemote    = 50 * time.Millisecond
)

// Options are what a Service is made of. Store and Node are required.
type Options struct {
	Store  store.Store
	Node   string           // this node's name, unique among those that run, and better the same after a restart
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: discards
}

// Service keeps the receipts of one node. All methods may be called concurrently.
type Service struct {
	opts Options
	news chan struct{} // there is a project that Run does not know

	mu       sync.Mutex
	projects map[string]*project
}

// New makes a Service. Run publishes; without it the others are not told, and waiting sees this node alone and never completes.
func New(opts Options) *Service {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{opts: opts, news: make(chan struct{}, 1), projects: map[string]*project{}}
}

// project is what this node knows of the instances of one project.
func (s *Service) project(name string) *project {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[name]
	if p == nil {
		p = &project{
			name: name, service: s, dirty: make(chan struct{}, 1), announced: make(chan struct{}),
			environments: map[string]*environment{}, looking: make(chan struct{}, 1),
		}
		s.projects[name] = p
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
	return p
}

// Drop forgets a project that was deleted.
func (s *Service) Drop(name string) {
	s.mu.Lock()
	p := s.projects[name]
	delete(s.projects, name)
	s.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = true
	p.touch()
}

// Served says that this node serves an environment at a revision, and since which revision its ruleset is what it is now: an instance that
// acknowledged that one is up to date. It does not block.
func (s *Service) Served(project, environment string, at, since store.Cursor) {
	p := s.project(project)
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.environment(environment)
	if !e.served || since != e.since {
		e.changed = s.opts.Clock()
	}
	e.at, e.since, e.served = at, since, true
	if p.giveUp == nil {
		p.giveUp = time.AfterFunc(announceLimit, p.announce)
	}
	p.touch()
}

// Vanished says that an environment was deleted: nobody is expected there any more.
func (s *Service) Vanished(project, environment string) {
	p := s.project(project)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.environments, environment)
	p.members++
	p.touch()
}

// Announced is closed when the other nodes can know that this one serves the project: who is served before that is missing in what they say about
// a kill. A store that does not take the report is not waited for longer than 2 s. Run has to run.
func (s *Service) Announced(project string) <-chan struct{} {
	return s.project(project).announced
}

// Connect registers an instance's connection; of i only what describes the instance is used. Until the first Ack it has acknowledged nothing. A second connection
// of the same process goes on where the first is; one of another process has to acknowledge for itself.
func (s *Service) Connect(project, environment string, i Instance) *Link {
	p, now := s.project(project), s.opts.Clock().UTC()
	l := &Link{project: p, process: processOf(i.Process)}
	l.seen.Store(now.UnixMilli())
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.environment(environment)
	known := e.instances[i.ID]
	if known == nil {
		known = &instance{key: keyOf(i.ID)}
		e.instances[i.ID] = known
	}
	i.Node, i.Environment, i.ConnectedAt = s.opts.Node, environment, now
	p.members++
	known.Instance, known.joined, known.rostered = i, p.members, false
	known.links = append(known.links, l)
	l.instance, l.environment = known, e
	delete(e.left, known.key)
	delete(e.nameless, known.key)
	p.touch()
	return l
}

// Run publishes until ctx ends; then it says that this node is gone. It is called once.
func (s *Service) Run(ctx context.Context) error {
	var publishers sync.WaitGroup
	defer publishers.Wait()
	started := map[*project]bool{}
	for {
		s.mu.Lock()
		for _, p := range s.projects {
			if !started[p] {
				started[p] = true
				publishers.Go(func() { p.publish(ctx) })
			}
		}
		for p := range started {
			if s.projects[p.name] != p {
				delete(started, p)
			}
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil
		}
	}
}
