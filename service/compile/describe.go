package compile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/dimmerhq/dimmer/service/feature"
)

// describe lists in words what changes beside distributions, in the order of evaluation.
func describe(before, after *feature.Targeting) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case after.Enabled && !before.Enabled:
		say("the flag is turned on: until now everyone gets %s", before.Off)
	case !after.Enabled && before.Enabled:
		say("the flag is turned off: everyone gets %s", after.Off)
	}
	if before.Off != after.Off {
		say("the off variant changes from %s to %s", before.Off, after.Off)
	}
	if !same(before.Prerequisites, after.Prerequisites) {
		say("the prerequisites change")
	}
	old := map[string]feature.Rule{}
	for _, r := range before.Rules {
		old[r.ID] = r
	}
	var kept []string
	for i, r := range after.Rules {
		was, there := old[r.ID]
		if !there {
			say("rule %s is added at place %d", name(r), i+1)
			continue
		}
		kept = append(kept, r.ID)
		if !same(was.When, r.When) {
			say("the condition of rule %s changes", name(r))
		}
		describeServe(say, "rule "+name(r), was.Serve, r.Serve)
		delete(old, r.ID)
	}
	var keptBefore []string
	for _, r := range before.Rules {
		if _, gone := old[r.ID]; gone {
			say("rule %s is removed", name(r))
		} else {
			keptBefore = append(keptBefore, r.ID)
		}
	}
	if !slices.Equal(kept, keptBefore) {
		say("the order of the rules changes to %s", strings.Join(kept, ", "))
	}
	describeServe(say, "the default", before.Default, after.Default)
	return out
}

func describeServe(say func(string, ...any), what string, before, after feature.Serve) {
	a, b := before.Distribution, after.Distribution
	switch {
	case a == nil && b == nil:
		if before.Variant != after.Variant {
			say("%s serves %s instead of %s", what, after.Variant, before.Variant)
		}
	case a == nil:
		say("%s serves a distribution instead of %s", what, before.Variant)
	case b == nil:
		say("%s serves %s instead of a distribution", what, after.Variant)
	default:
		if !slices.Equal(lineOf(before, "").bucketBy, lineOf(after, "").bucketBy) {
			say("%s draws cohorts by %s instead of %s: everyone is drawn anew", what,
				strings.Join(lineOf(after, "").bucketBy, ", "), strings.Join(lineOf(before, "").bucketBy, ", "))
		}
		if a.Otherwise != b.Otherwise {
			say("%s serves %s to those who are not exposed, instead of %s", what, orNext(b.Otherwise), orNext(a.Otherwise))
		}
	}
}

func orNext(variant string) string {
	if variant == "" {
		return "what follows"
	}
	return variant
}

func name(r feature.Rule) string {
	if r.Name != "" {
		return fmt.Sprintf("%s (%s)", r.ID, r.Name)
	}
	return r.ID
}

func same(a, b any) bool {
	x, errX := feature.Encode(a)
	y, errY := feature.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Lowering says whether a change can only take exposure away: it turns the flag off, or lowers exposures, and changes nothing else. Such changes
// need no approval and are taken when the store is nearly full.
func Lowering(before, after *feature.Targeting) bool {
	if after.Enabled && !before.Enabled {
		return false
	}
	a, b := before.Clone(), after.Clone()
	a.Enabled, b.Enabled = false, false
	a.Version, b.Version = 0, 0
	a.UpdatedAt = b.UpdatedAt
	was := map[string]feature.Percent{}
	a.Serves(func(id, _ string, s *feature.Serve) {
		if s.Distribution != nil {
			was[id] = s.Distribution.Exposure
			s.Distribution.Exposure = 0
		}
	})
	lower := true
	b.Serves(func(id, _ string, s *feature.Serve) {
		if s.Distribution != nil {
			lower = lower && s.Distribution.Exposure >= 0 && s.Distribution.Exposure <= was[id]
			s.Distribution.Exposure = 0
		}
	})
	return lower && same(a, b)
}
