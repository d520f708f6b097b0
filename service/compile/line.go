package compile

import (
	"errors"
	"maps"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// maxLines bounds how many hash lines are remembered for rules that have none at the moment.
const maxLines = 200

// Lines gives every distribution of after its ranges: those that the same rule (by id, or the default) had in before, moved as little as the
// new weights allow. A rule that has no distribution any more leaves its line in after.Lines, where it is found again. Whatever ranges and lines
// after came with is overwritten; a restore passes what it restores as before as well.
//
// Distributions with problems are left without ranges. after must not share distributions with anything else: see
// [feature.Targeting.Clone].
func Lines(f *feature.Flag, before, after *feature.Targeting) error {
	known := map[string][]evaluator.Range{}
	weighed := map[string]map[string]feature.Percent{}
	if before != nil {
		maps.Copy(known, before.Lines)
		before.Serves(func(id, _ string, s *feature.Serve) {
			if s.Distribution != nil && len(s.Distribution.Ranges) > 0 {
				known[id], weighed[id] = s.Distribution.Ranges, s.Distribution.Weights
			}
		})
	}
	var problems []error
	after.Serves(func(id, path string, s *feature.Serve) {
		d := s.Distribution
		if d == nil {
			return
		}
		d.Hash, d.Ranges = "h1", nil
		if w, there := weighed[id]; there && maps.Equal(w, d.Weights) {
			d.Ranges = known[id]
			delete(known, id)
			return
		}
		weights, ok := weightsOf(f, d)
		if !ok {
			return
		}
		ranges, err := evaluator.Reallocate(known[id], weights)
		if err != nil {
			problems = append(problems, feature.Invalid(path+"/distribution/weights", "cannot be laid out: %v", err))
			return
		}
		d.Ranges = ranges
		delete(known, id)
	})
	after.Lines = remembered(after, known)
	return feature.Join(problems...)
}

// weightsOf lists the weights in the order of the flag's variants; false when they are not valid.
func weightsOf(f *feature.Flag, d *feature.Distribution) ([]evaluator.Weight, bool) {
	var out []evaluator.Weight
	sum, used := 0, 0
	for _, v := range f.Variants {
		w, there := d.Weights[v.Key]
		if !there {
			continue
		}
		used++
		if w < 0 || w > feature.All {
			return nil, false
		}
		sum += int(w)
		out = append(out, evaluator.Weight{Variant: v.Key, Weight: int(w)})
	}
	return out, sum == int(feature.All) && used == len(d.Weights)
}

// remembered keeps the lines of rules that still exist, then those of deleted ones as far as there is room.
func remembered(after *feature.Targeting, lines map[string][]evaluator.Range) map[string][]evaluator.Range {
	out := map[string][]evaluator.Range{}
	after.Serves(func(id, _ string, s *feature.Serve) {
		if l := lines[id]; l != nil && s.Distribution == nil {
			out[id] = l
		}
	})
	for _, id := range slices.Sorted(maps.Keys(lines)) {
		if len(out) >= maxLines {
			break
		}
		out[id] = lines[id]
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// maxRemembered bounds the bytes of the lines that are remembered, encoded.
const maxRemembered = 64 << 10

// Forget drops of the lines that are remembered in t those for which there is no room: first of rules that are gone, and among these the last by id. room is in bytes, encoded.
// A rule whose line was dropped gets a new one when it is given a distribution again.
func Forget(t *feature.Targeting, room int) error {
	room = min(room, maxRemembered)
	kept := map[string][]evaluator.Range{}
	keep := func(id string) error {
		line, there := t.Lines[id]
		if _, done := kept[id]; !there || done {
			return nil
		}
		data, err := feature.Encode(map[string][]evaluator.Range{id: line})
		if err == nil && len(data) <= room {
			kept[id] = line
			room -= len(data)
		}
		return err
	}
	var err error
	t.Serves(func(id, _ string, _ *feature.Serve) { err = errors.Join(err, keep(id)) })
	for _, id := range slices.Sorted(maps.Keys(t.Lines)) {
		err = errors.Join(err, keep(id))
	}
	if t.Lines = kept; len(kept) == 0 {
		t.Lines = nil
	}
	return err
}
