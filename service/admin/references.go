package admin

import (
	"bytes"
	"fmt"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// unreferenced refuses (CodeReferenced) while any targeting or segment refers to a flag or segment, and names who does. Archived flags
// count: they would break when they are brought back.
func (d *Draft) unreferenced(kind, key string) error {
	var found []feature.Error
	report := func(where string) {
		if len(found) < 100 {
			found = append(found, feature.Error{Code: feature.CodeReferenced, Msg: where})
		}
	}
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
			if where := targetingRefers(&t, kind, key); where != "" {
				report(fmt.Sprintf("flag %s in %s, %s", flag, environment, where))
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
		if refers(g.When, kind, key) {
			report("segment " + segment)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &feature.Error{Code: feature.CodeReferenced, Msg: fmt.Sprintf("the %s is referred to %d times, first by %s", kind, len(found), found[0].Msg), Details: found}
}

// targetingRefers says where a targeting refers to something, or "".
func targetingRefers(t *feature.Targeting, kind, key string) string {
	for _, p := range t.Prerequisites {
		if kind == "flag" && p.Flag == key {
			return "as a prerequisite"
		}
	}
	for _, r := range t.Rules {
		if refers(r.When, kind, key) {
			return "rule " + r.ID
		}
	}
	return ""
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
