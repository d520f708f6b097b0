// Package receipt knows which nodes and which instances have acknowledged which revision, and waits for them: it is how a kill can say
// where it has arrived and where it has not.
package receipt

import (
	"context"
	"log/slog"
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

// Instance is one SDK process.
type Instance struct {
	ID          string    `json:"id"`
	Application string    `json:"application,omitempty"`
	SDK         string    `json:"sdk,omitempty"`
	SDKVersion  string    `json:"sdkVersion,omitempty"`
	Node        string    `json:"node,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Epoch       int64     `json:"epoch"`
	Revision    int64     `json:"revision"` // acknowledged
	Lag         int64     `json:"lag"`      // revisions behind what its node serves
	State       State     `json:"state"`
	ConnectedAt time.Time `json:"connectedAt"`
	LastSeen    time.Time `json:"lastSeen"`
}

// Node is one node that serves the project.
type Node struct {
	Name      string    `json:"name"`
	Epoch     int64     `json:"epoch"`
	Revision  int64     `json:"revision"`  // served
	Instances int       `json:"instances"` // connected
	LastSeen  time.Time `json:"lastSeen"`
}

// Count is how many of how many.
type Count struct{ Done, Total int }

// Receipt says where a revision has arrived.
type Receipt struct {
	Nodes, Instances Count
	Missing          []Instance // at most 1,000
	Complete         bool
}

// List is what is known of a project's instances and nodes.
type List struct {
	Instances []Instance
	Nodes     []Node
	Truncated bool // there are more instances than are listed
}

// Options are what a Service is made of. Store and Node are required.
type Options struct {
	Store  store.Store
	Node   string           // this node's name, unique among those that run
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: discards
}

// Service keeps the receipts of one node. All methods may be called concurrently.
type Service struct{ opts Options }

// Link is one connection of an instance.
type Link struct{}

// New makes a Service.
func New(opts Options) *Service { return &Service{opts: opts} }

// Run publishes.
func (s *Service) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Served says that this node serves an environment at a revision, and since which revision its ruleset is what it is now.
func (s *Service) Served(project, environment string, at, since store.Cursor) {}

// Connect registers an instance's connection.
func (s *Service) Connect(project, environment string, i Instance) *Link { return &Link{} }

// Ack says what the instance serves.
func (l *Link) Ack(store.Cursor) {}

// Seen says that the instance gave a sign of life.
func (l *Link) Seen() {}

// Close ends the connection; clean says that the instance said goodbye.
func (l *Link) Close(clean bool) {}

// Wait waits.
func (s *Service) Wait(ctx context.Context, project, environment string, at store.Cursor, want Want) (Receipt, error) {
	return Receipt{}, nil
}

// List lists.
func (s *Service) List(ctx context.Context, project, environment string) (List, error) {
	return List{}, nil
}
