package feature

import "time"

// ProjectState is where a project is on its way in or out; both take two steps that can be resumed.
type ProjectState string

// The states. Only an active project can be worked on.
const (
	ProjectCreating ProjectState = "creating"
	ProjectActive   ProjectState = "active"
	ProjectDeleting ProjectState = "deleting"
)

// Project is the unit of isolation: it has its own log, environments, flags and tokens. Its key is also the name of its scope in the store.
type Project struct {
	Key         string `json:"key" dimmer:"required"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`

	// Owned by the server.
	State     ProjectState  `json:"state,omitempty"`
	Version   int64         `json:"version,omitempty"` // the revision of the system scope at which it last changed; its ETag
	CreatedAt time.Time     `json:"createdAt,omitzero"`
	Initial   []Environment `json:"initial,omitempty"` // what it is to be created with, while State is creating
}

// Validate reports every problem of an authored project.
func (p *Project) Validate() error {
	var out problems
	out.merge("/key", CheckKey(p.Key))
	out.checkLine("/name", p.Name)
	out.checkText("/description", p.Description)
	return out.err()
}

// Environment is a place where flags are served: production, staging. Each has its own ruleset.
type Environment struct {
	Key         string `json:"key" dimmer:"required"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Production  bool   `json:"production"` // shown everywhere, and asked about twice
	Order       int    `json:"order"`      // position in lists, then by key

	// Owned by the server.
	Version   int64     `json:"version,omitempty"` // the project's revision at which it last changed; its ETag
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// Validate reports every problem of an authored environment.
func (e *Environment) Validate() error {
	var out problems
	out.merge("/key", CheckKey(e.Key))
	out.checkLine("/name", e.Name)
	out.checkText("/description", e.Description)
	if e.Order < -1_000_000 || e.Order > 1_000_000 {
		out.add("/order", "must lie between -1000000 and 1000000")
	}
	return out.err()
}
