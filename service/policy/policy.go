// Package policy decides who may do what: Can(principal, action, resource). It is pure, knows no transport and no
// store, and denies by default: an action that no role lists is refused to everyone.
package policy

import (
	"fmt"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
)

// Kind is what a principal's credential was made for.
type Kind string

// The kinds. A server or client token serves SDKs and can change nothing; a kill token can kill and nothing else.
const (
	KindAdmin      Kind = "admin"
	KindServer     Kind = "server"
	KindClient     Kind = "client"
	KindKill       Kind = "kill"
	KindController Kind = "controller" // the process itself, acting for a rollout or a repair
)

// Kinds lists the kinds that a token can have.
var Kinds = []Kind{KindAdmin, KindServer, KindClient, KindKill}

// Role grades what an admin principal may do.
type Role string

// The roles, each including the one before it.
const (
	RoleViewer   Role = "viewer"   // reads everything but secrets
	RoleOperator Role = "operator" // ramps, switches, kills
	RoleEditor   Role = "editor"   // writes flags, segments and targeting
	RoleAdmin    Role = "admin"    // projects, environments, tokens
)

// Roles lists the roles, least first.
var Roles = []Role{RoleViewer, RoleOperator, RoleEditor, RoleAdmin}

func (r Role) rank() int {
	for i, known := range Roles {
		if r == known {
			return i
		}
	}
	return -1
}

// Principal is whoever makes a call. It is a value: a copy is taken at authentication, and revocation is asked of
// package auth, not of the copy.
type Principal struct {
	ID          string // "token:01J…", "controller"
	Name        string // for people
	Kind        Kind
	Project     string // the one project it is bound to; empty: all
	Environment string // the one environment it is bound to; empty: all
	Role        Role   // of an admin principal
	Address     string // the peer's address
	Expires     time.Time
	Session     string // the id of the browser session that it came with; empty: it showed its token
}

// Action names one thing that can be done. Every route and RPC declares exactly one.
type Action string

// The actions.
const (
	ProjectRead      Action = "project.read"
	ProjectWrite     Action = "project.write"
	EnvironmentRead  Action = "environment.read"
	EnvironmentWrite Action = "environment.write"
	FlagRead         Action = "flag.read"
	FlagWrite        Action = "flag.write"
	SegmentRead      Action = "segment.read"
	SegmentWrite     Action = "segment.write"
	TargetingRead    Action = "targeting.read"
	TargetingWrite   Action = "targeting.write"
	TargetingRamp    Action = "targeting.ramp" // exposure, on, off
	KillCreate       Action = "kill.create"
	KillRead         Action = "kill.read"
	KillClear        Action = "kill.clear"
	TokenRead        Action = "token.read"
	TokenWrite       Action = "token.write"
	LogRead          Action = "log.read"
	LogRestore       Action = "log.restore"
	InstanceRead     Action = "instance.read"
	EventRead        Action = "event.read"
	Evaluate         Action = "evaluate"       // answers for all flags
	EvaluateTrace    Action = "evaluate.trace" // reveals rules
	EvaluateClient   Action = "evaluate.client"
	Sync             Action = "sync"
	StoreManage      Action = "store.manage"  // backup, adopt
	SignIn           Action = "session.start" // trade a token for a browser's session
	// Whoami is for any authenticated principal.
	Whoami Action = "whoami"
)

// grant says from which admin role on an action is allowed, and which other kinds may do it. Clearing a kill is stricter
// than killing: whoever may raise exposure may clear.
type grant struct {
	role   Role
	others []Kind
}

var grants = map[Action]grant{
	ProjectRead:      {role: RoleViewer},
	ProjectWrite:     {role: RoleAdmin},
	EnvironmentRead:  {role: RoleViewer},
	EnvironmentWrite: {role: RoleAdmin},
	FlagRead:         {role: RoleViewer},
	FlagWrite:        {role: RoleEditor},
	SegmentRead:      {role: RoleViewer},
	SegmentWrite:     {role: RoleEditor},
	TargetingRead:    {role: RoleViewer},
	TargetingWrite:   {role: RoleEditor},
	TargetingRamp:    {role: RoleOperator, others: []Kind{KindController}},
	KillCreate:       {role: RoleOperator, others: []Kind{KindKill, KindController}},
	KillRead:         {role: RoleViewer, others: []Kind{KindKill}},
	KillClear:        {role: RoleEditor},
	TokenRead:        {role: RoleAdmin},
	TokenWrite:       {role: RoleAdmin},
	LogRead:          {role: RoleViewer},
	LogRestore:       {role: RoleEditor},
	InstanceRead:     {role: RoleViewer},
	EventRead:        {role: RoleViewer},
	Evaluate:         {role: RoleViewer, others: []Kind{KindServer}},
	EvaluateTrace:    {role: RoleViewer, others: []Kind{KindServer}},
	EvaluateClient:   {role: RoleViewer, others: []Kind{KindServer, KindClient}},
	Sync:             {role: RoleAdmin, others: []Kind{KindServer}},
	StoreManage:      {role: RoleAdmin},
	SignIn:           {role: RoleViewer},
	Whoami:           {role: RoleViewer, others: []Kind{KindServer, KindClient, KindKill}},
}

// Actions lists every action, for the tests that enumerate them.
func Actions() []Action {
	out := make([]Action, 0, len(grants))
	for a := range grants {
		out = append(out, a)
	}
	return out
}

// Resource is what an action is done to. An empty Environment means the project as a whole, an empty Project the installation.
type Resource struct {
	Project     string
	Environment string
}

// Can reports whether the principal may do it: nil, a not_found error when the resource is outside the principal's project or
// environment (what one may not see does not exist), or a denied error.
func Can(p Principal, a Action, r Resource) error {
	g, known := grants[a]
	if !known {
		return denied(p, a)
	}
	if p.Project != "" && r.Project != "" && p.Project != r.Project {
		return feature.NotFound("project", r.Project)
	}
	if p.Environment != "" && r.Environment != "" && p.Environment != r.Environment {
		return feature.NotFound("environment", r.Environment)
	}
	if !g.allows(p) {
		return denied(p, a)
	}
	if p.Project != "" && r.Project == "" && !installationWide[a] {
		return denied(p, a)
	}
	// A principal bound to one environment reads the project around it, and writes nothing that reaches beyond.
	if p.Environment != "" && r.Environment == "" && !projectReads[a] {
		return denied(p, a)
	}
	return nil
}

func (g grant) allows(p Principal) bool {
	if p.Kind == KindAdmin {
		return g.role != "" && p.Role.rank() >= g.role.rank()
	}
	for _, k := range g.others {
		if p.Kind == k {
			return true
		}
	}
	return false
}

// installationWide are the actions that a principal bound to a project may do without naming one: lists are filtered to
// what it may see.
var installationWide = map[Action]bool{ProjectRead: true, SignIn: true, Whoami: true}

// projectReads are the reads of project-wide documents that a principal bound to an environment needs.
var projectReads = map[Action]bool{
	ProjectRead: true, EnvironmentRead: true, FlagRead: true, SegmentRead: true, EventRead: true, LogRead: true, InstanceRead: true, KillRead: true, SignIn: true, Whoami: true,
}

func denied(p Principal, a Action) error {
	who := string(p.Kind)
	if p.Kind == KindAdmin {
		who = string(p.Role)
	}
	return &feature.Error{Code: feature.CodeDenied, Msg: fmt.Sprintf("a %s principal may not do %s here", who, a)}
}
