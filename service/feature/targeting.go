package feature

import (
	"maps"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Targeting is a flag's configuration in one environment. Its layout is that of the ruleset's flag, so that a JSON pointer
// into one means the same place in the other; shares are percent here and buckets there.
type Targeting struct {
	Enabled       bool                     `json:"enabled"`
	Off           string                   `json:"off" dimmer:"required"` // the variant served when not enabled, killed, or a prerequisite fails
	Prerequisites []evaluator.Prerequisite `json:"prerequisites,omitempty"`
	Rules         []Rule                   `json:"rules,omitempty"`
	Default       Serve                    `json:"default" dimmer:"required"`

	// Owned by the server. Lines keeps the hash lines of rules (and of "default") that have no distribution at the moment, so
	// that nobody changes cohort when it comes back.
	Lines     map[string][]evaluator.Range `json:"lines,omitempty"`
	Version   int64                        `json:"version,omitempty"` // the project's revision at which it last changed; its ETag
	UpdatedAt time.Time                    `json:"updatedAt,omitzero"`
}

// Rule serves something to the contexts that match its condition; the first rule that matches decides.
type Rule struct {
	ID    string               `json:"id"` // empty in a request: the server makes one
	Name  string               `json:"name,omitempty"`
	When  *evaluator.Condition `json:"when,omitempty"` // nil: always
	Serve Serve                `json:"serve" dimmer:"required"`
}

// Serve is one variant or a distribution, exactly one of them.
type Serve struct {
	Variant      string        `json:"variant,omitempty"`
	Distribution *Distribution `json:"distribution,omitempty"`
}

// Distribution is a weighted split with an exposure: Exposure of the hash line is in, and those who are in are split by
// Weights. Those who are not get Otherwise, or without it go on with the next rule, in the end the default.
type Distribution struct {
	BucketBy  []string           `json:"bucketBy,omitempty"` // attribute paths, the first that is present counts; empty: targetingKey
	Exposure  Percent            `json:"exposure" dimmer:"required"`
	Weights   map[string]Percent `json:"weights" dimmer:"required"` // sum exactly to 100
	Otherwise string             `json:"otherwise,omitempty"`

	// Owned by the server: where on the line each variant is. Ranges follow the weights with the least movement.
	Ranges []evaluator.Range `json:"ranges,omitempty"`
	Hash   string            `json:"hash,omitempty"` // empty: h1
}

// Validate reports every problem of a targeting of the given flag, but for what conditions hold: that is found by
// compiling the ruleset (package compile), with the same pointers.
func (t *Targeting) Validate(f *Flag) error {
	v := targetingCheck{flag: f}
	v.variant("/off", t.Off)
	if t.Off == "" {
		v.add("/off", "names the variant served when the flag is off, and is required")
	}
	for i, p := range t.Prerequisites {
		if len(p.Variants) == 0 {
			v.add(Pointer("prerequisites", i, "variants"), "at least one variant is required")
		}
		if p.Flag == f.Key {
			v.add(Pointer("prerequisites", i, "flag"), "a flag cannot be its own prerequisite")
		}
	}
	if len(t.Rules) > MaxRules {
		v.add("/rules", "has %d entries; at most %d", len(t.Rules), MaxRules)
	}
	seen := map[string]bool{}
	for i, r := range t.Rules {
		at := Pointer("rules", i)
		v.merge(at+"/id", CheckRuleID(r.ID))
		if seen[r.ID] {
			v.add(at+"/id", "%s is there twice", quote(r.ID))
		}
		seen[r.ID] = true
		v.checkLine(at+"/name", r.Name)
		v.serve(at+"/serve", r.Serve)
	}
	v.serve("/default", t.Default)
	return v.err()
}

type targetingCheck struct {
	problems
	flag *Flag
}

func (v *targetingCheck) variant(path, key string) {
	if key == "" {
		return
	}
	if _, ok := v.flag.Variant(key); !ok {
		v.add(path, "the flag has no variant %s", quote(key))
	}
}

func (v *targetingCheck) serve(path string, s Serve) {
	switch {
	case s.Variant == "" && s.Distribution == nil:
		v.add(path, "must have a variant or a distribution")
	case s.Variant != "" && s.Distribution != nil:
		v.add(path, "must have a variant or a distribution, not both")
	}
	v.variant(path+"/variant", s.Variant)
	if s.Distribution != nil {
		v.distribution(path+"/distribution", s.Distribution)
	}
}

func (v *targetingCheck) distribution(path string, d *Distribution) {
	if len(d.BucketBy) > MaxBucketBy {
		v.add(path+"/bucketBy", "has %d entries; at most %d", len(d.BucketBy), MaxBucketBy)
	}
	for i, a := range d.BucketBy {
		if a == "" {
			v.add(path+Pointer("bucketBy", i), "an attribute's name is required")
		}
	}
	if d.Exposure < None || d.Exposure > All {
		v.add(path+"/exposure", "must lie between 0 and 100")
	}
	v.variant(path+"/otherwise", d.Otherwise)
	if d.Hash != "" && d.Hash != "h1" {
		v.add(path+"/hash", "must be h1")
	}
	sum, ok := int64(0), true
	for _, key := range slices.Sorted(maps.Keys(d.Weights)) {
		w := d.Weights[key]
		v.variant(path+Pointer("weights", key), key)
		if key == "" {
			v.add(path+"/weights", "a variant's key is required")
		}
		if w < None || w > All {
			v.add(path+Pointer("weights", key), "must lie between 0 and 100")
			ok = false
		}
		sum += int64(w)
	}
	if ok && sum != int64(All) {
		v.add(path+"/weights", "sum to %s, not to 100", Percent(sum))
	}
}

// Serves lists what a targeting can serve by rule id, the default last under [DefaultRule].
func (t *Targeting) Serves(visit func(id, path string, s *Serve)) {
	for i := range t.Rules {
		visit(t.Rules[i].ID, Pointer("rules", i, "serve"), &t.Rules[i].Serve)
	}
	visit(DefaultRule, "/default", &t.Default)
}

// Clone is a deep copy of what the server changes in place: rules, distributions and lines. Conditions are shared.
func (t *Targeting) Clone() Targeting {
	c := *t
	c.Rules = slices.Clone(t.Rules)
	c.Lines = maps.Clone(t.Lines)
	c.Serves(func(_, _ string, s *Serve) {
		if s.Distribution != nil {
			d := *s.Distribution
			d.Weights = maps.Clone(d.Weights)
			d.Ranges = slices.Clone(d.Ranges)
			s.Distribution = &d
		}
	})
	return c
}

// Rule finds a rule by its id; -1 when there is none.
func (t *Targeting) Rule(id string) int {
	return slices.IndexFunc(t.Rules, func(r Rule) bool { return r.ID == id })
}
