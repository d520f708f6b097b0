package feature

import (
	"maps"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Segment is a named set of contexts, defined for all environments of a project. Long lists and whether it is active are
// kept for each environment in a [SegmentEnvironment].
type Segment struct {
	Key         string               `json:"key" dimmer:"required"`
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	When        *evaluator.Condition `json:"when,omitempty"`
	Include     map[string][]string  `json:"include,omitempty"` // attribute path → keys
	Exclude     map[string][]string  `json:"exclude,omitempty"`

	// Owned by the server.
	Version   int64     `json:"version,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// Validate reports every problem of a segment, but for what its condition holds (package compile finds that).
func (s *Segment) Validate() error {
	var p problems
	p.merge("/key", CheckKey(s.Key))
	p.checkLine("/name", s.Name)
	p.checkText("/description", s.Description)
	validateInline(&p, "/include", s.Include)
	validateInline(&p, "/exclude", s.Exclude)
	return p.err()
}

func validateInline(p *problems, path string, side map[string][]string) {
	for _, attribute := range slices.Sorted(maps.Keys(side)) {
		if attribute == "" {
			p.add(path, "an attribute's name is required")
		}
		for i, key := range side[attribute] {
			p.checkListKey(path+Pointer(attribute, i), key)
		}
	}
}

// checkListKey checks one key of a list: what a context's attribute is compared with.
func (p *problems) checkListKey(path, key string) {
	if key == "" || len(key) > 1024 {
		p.add(path, "a key must have 1 to 1024 bytes")
	}
}

// Side says which of a segment's two lists is meant.
type Side string

// The sides.
const (
	Include Side = "include"
	Exclude Side = "exclude"
)

// SegmentEnvironment is what a segment has in one environment.
type SegmentEnvironment struct {
	Active  bool  `json:"active"` // nobody is in a segment that is not active
	Include *List `json:"include,omitempty"`
	Exclude *List `json:"exclude,omitempty"`

	// Owned by the server.
	Version   int64     `json:"version,omitempty"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// List describes a list whose keys are kept in shards.
type List struct {
	Attribute string `json:"attribute,omitempty"` // attribute path; empty: targetingKey. It cannot change while the list has keys.

	// Owned by the server.
	Salt  string `json:"salt,omitempty"`
	Count int64  `json:"count"`
	Bytes int64  `json:"bytes"` // of all keys together
}

// ListShard holds the keys of one of a list's 256 shards, sorted, each once.
type ListShard struct {
	Keys []string `json:"keys"`
}

// Of returns the list of a side.
func (e *SegmentEnvironment) Of(side Side) **List {
	if side == Exclude {
		return &e.Exclude
	}
	return &e.Include
}

// CheckSide refuses what is neither side.
func CheckSide(side Side) error {
	if side != Include && side != Exclude {
		return Invalid("/side", "must be include or exclude")
	}
	return nil
}

// CheckListKeys reports every bad key of a list edit; path is where the keys are in the request.
func CheckListKeys(path string, keys []string) error {
	var p problems
	for i, k := range keys {
		p.checkListKey(path+Pointer(i), k)
	}
	return p.err()
}
