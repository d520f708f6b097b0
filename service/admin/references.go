package admin

import (
	"bytes"
	"context"
	"fmt"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

// Reference is one place that refers to a flag or a segment: a flag's targeting in an environment, or a segment.
type Reference struct {
	Flag         string
	Environment  string
	Rule         string // of that targeting; empty with Prerequisite
	Prerequisite bool
	Segment      string // refers in its condition; empty with Flag
}

// String is the reference in words.
func (r Reference) String() string {
	switch {
	case r.Segment != "":
		return "segment " + r.Segment
	case r.Prerequisite:
		return fmt.Sprintf("flag %s in %s, as a prerequisite", r.Flag, r.Environment)
	}
	return fmt.Sprintf("flag %s in %s, rule %s", r.Flag, r.Environment, r.Rule)
}

// SegmentReferences lists who refers to a segment, at most limit of them, targetings by environment and flag first; more says that there are
// others. A principal that is bound to one environment sees no targeting of another.
func (s *Service) SegmentReferences(ctx context.Context, call Call, project, segment string, limit int) (found []Reference, more bool, err error) {
	state, err := s.view(ctx, &call, project, policy.SegmentRead, "")
	if err != nil {
		return nil, false, err
	}
	if _, there := state.Get(segmentKey(segment)); !there {
		return nil, false, feature.NotFound("segment", segment)
	}
	found = []Reference{}
	err = s.newDraft(ctx, &call, project, state).references("segment", segment, func(r Reference) bool {
		if only := call.Principal.Environment; only != "" && r.Environment != "" && r.Environment != only {
			return true
		}
		if more = len(found) == limit; !more {
			found = append(found, r)
		}
		return !more
	})
	return found, more, err
}

// unreferenced refuses (CodeReferenced) while any targeting or segment refers to a flag or segment, and names who does. Archived flags
// count: they would break when they are brought back.
func (d *Draft) unreferenced(kind, key string) error {
	var found []feature.Error
	if err := d.references(kind, key, func(r Reference) bool {
		found = append(found, feature.Error{Code: feature.CodeReferenced, Msg: r.String()})
		return len(found) < 100
	}); err != nil || len(found) == 0 {
		return err
	}
	return &feature.Error{Code: feature.CodeReferenced, Msg: fmt.Sprintf("the %s is referred to %d times, first by %s", kind, len(found), found[0].Msg), Details: found}
}

// references visits what refers to a flag or segment until visit returns false: each targeting once, by its first reference, then segments.
func (d *Draft) references(kind, key string, visit func(Reference) bool) error {
	needle := []byte(`"` + key + `"`) // keys have no escapes in JSON, so most documents need not be decoded
	for _, environment := range d.environments() {
		for _, flag := range d.ids(targetingCollection(environment)) {
			data, _ := d.get(targetingKey(environment, flag))
			if kind == "flag" && flag == key || !bytes.Contains(data, needle) {
				continue
			}
			t, err := feature.Decode[feature.Targeting](data)
			if err != nil {
				return err
			}
			if r, refers := targetingRefers(&t, kind, key); refers {
				r.Flag, r.Environment = flag, environment
				if !visit(r) {
					return nil
				}
			}
		}
	}
	for _, segment := range d.ids(collSegment) {
		data, _ := d.get(segmentKey(segment))
		if kind == "segment" && segment == key || !bytes.Contains(data, needle) {
			continue
		}
		g, err := feature.Decode[feature.Segment](data)
		if err != nil {
			return err
		}
		if refers(g.When, kind, key) && !visit(Reference{Segment: segment}) {
			return nil
		}
	}
	return nil
}

// targetingRefers says where a targeting refers to something first.
func targetingRefers(t *feature.Targeting, kind, key string) (Reference, bool) {
	for _, p := range t.Prerequisites {
		if kind == "flag" && p.Flag == key {
			return Reference{Prerequisite: true}, true
		}
	}
	for _, r := range t.Rules {
		if refers(r.When, kind, key) {
			return Reference{Rule: r.ID}, true
		}
	}
	return Reference{}, false
}

func refers(c *evaluator.Condition, kind, key string) bool {
	if c == nil {
		return false
	}
	if kind == "flag" && c.Flag == key || kind == "segment" && c.Segment == key {
		return true
	}
	for i := range c.All {
		if refers(&c.All[i], kind, key) {
			return true
		}
	}
	for i := range c.Any {
		if refers(&c.Any[i], kind, key) {
			return true
		}
	}
	return refers(c.Not, kind, key)
}
