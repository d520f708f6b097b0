package evaluator

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Weight is how much of the hash line a variant shall have, in buckets.
type Weight struct {
	Variant string
	Weight  int
}

// MaxRanges is how many pieces a line may have.
const MaxRanges = 1000

// maxSeq is the highest sequence number that JSON carries exactly everywhere.
const maxSeq = 1<<53 - 1

// Reallocate changes a line so that every variant has its weight, and moves as little of it as possible: exactly half of the sum of
// all changes. A shrinking variant gives its latest pieces first, and a piece goes back to the variant that had it before when that
// one grows, so the inverse of the last edit restores the line exactly. The weights sum to [Buckets]; a variant that is not
// named has 0. No ranges at all is a new line, laid out in the order of the weights. The arguments are not changed.
//
// A line has at most [MaxRanges] pieces. Neighbours that are alike in everything become one. When that is not enough, memory gives way,
// never the minimum, each step only if the one before does not fit:
//
//  1. Neighbours of one variant become one, oldest memory first: an earlier edit may come back differently, the last one exactly.
//  2. The smallest pieces and those beside a growing variant move instead of the latest: the inverse of this edit is still exact.
//  3. This edit is not remembered either: its inverse moves the minimum, but perhaps other buckets.
//
// It is an error when even then there are too many pieces; what helps is weights nearer to those of now, or a new line, which moves people.
func Reallocate(ranges []Range, weights []Weight) ([]Range, error) {
	want, err := wanted(weights)
	if err != nil {
		return nil, err
	}
	if len(ranges) == 0 {
		return newLine(weights)
	}
	if err := checkLine(ranges); err != nil {
		return nil, err
	}
	change := map[string]int{} // buckets to gain; below 0: to give
	for _, w := range weights {
		change[w.Variant] += want[w.Variant]
	}
	for _, r := range ranges {
		change[r.Variant] -= r.To - r.From
	}
	old, now := renumbered(ranges), int64(1)
	for _, r := range old {
		now = max(now, r.Seq+1)
	}
	alike := func(a, b Range) bool { return a.Variant == b.Variant && a.Seq == b.Seq && a.Prev == b.Prev }
	oneVariant := func(a, b Range) bool { return a.Variant == b.Variant }

	latest := merge(move(old, weights, change, now, latestFirst), alike)
	line := forget(latest, now)
	if len(line) <= MaxRanges {
		return line, nil
	}
	smallest := move(merge(old, oneVariant), weights, change, now, smallestFirst)
	if line = forget(merge(smallest, alike), now); len(line) <= MaxRanges {
		return line, nil
	}
	for _, moved := range [][]Range{latest, smallest} {
		if line = merge(moved, oneVariant); len(line) <= MaxRanges {
			return line, nil
		}
	}
	return nil, fmt.Errorf("these weights would cut the line into %d pieces, at most %d: choose weights nearer to those of now, "+
		"or lay the line out anew, which moves people between variants", len(line), MaxRanges)
}

// wanted is the weight of each variant.
func wanted(weights []Weight) (map[string]int, error) {
	want, sum := make(map[string]int, len(weights)), 0
	for _, w := range weights {
		if _, twice := want[w.Variant]; twice {
			return nil, fmt.Errorf("weights: %q is there twice", w.Variant)
		}
		if w.Variant == "" {
			return nil, errors.New("weights: a variant without a key")
		}
		if w.Weight < 0 || w.Weight > Buckets {
			return nil, fmt.Errorf("weights: %q has %d, which is not within 0…%d", w.Variant, w.Weight, Buckets)
		}
		want[w.Variant] = w.Weight
		sum += w.Weight
	}
	if sum != Buckets {
		return nil, fmt.Errorf("weights: they sum to %d, not %d", sum, Buckets)
	}
	return want, nil
}

func newLine(weights []Weight) ([]Range, error) {
	var line []Range
	from := 0
	for _, w := range weights {
		if w.Weight > 0 {
			line = append(line, Range{Variant: w.Variant, From: from, To: from + w.Weight, Seq: 1})
			from += w.Weight
		}
	}
	if len(line) > MaxRanges {
		return nil, fmt.Errorf("weights: %d variants have one, at most %d", len(line), MaxRanges)
	}
	return line, nil
}

func checkLine(ranges []Range) error {
	end := 0
	for i, r := range ranges {
		if r.From != end || r.To <= r.From {
			return fmt.Errorf("ranges: number %d is %d…%d, but must begin at %d and not be empty", i, r.From, r.To, end)
		}
		end = r.To
	}
	if end != Buckets {
		return fmt.Errorf("ranges: they end at %d, not %d", end, Buckets)
	}
	return nil
}

// renumbered is a copy in which the sequence numbers leave room for the next. Only their order means anything.
func renumbered(ranges []Range) []Range {
	line := slices.Clone(ranges)
	if !slices.ContainsFunc(line, func(r Range) bool { return r.Seq >= maxSeq || r.Seq < 0 }) {
		return line
	}
	var seqs []int64
	for _, r := range line {
		seqs = append(seqs, r.Seq)
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	for i := range line {
		at, _ := slices.BinarySearch(seqs, line[i].Seq)
		line[i].Seq = int64(at) + 1
	}
	return line
}

// order says which pieces of a shrinking variant go first.
type order int

const (
	latestFirst   order = iota // and back to where they came from
	smallestFirst              // those beside growing variants before all others: makes fewer pieces
)

// move gives the line its new weights. What moves gets seq now and remembers where it was. It makes at most one more piece for each
// variant that changes.
func move(line []Range, weights []Weight, change map[string]int, now int64, o order) []Range {
	m := mover{line: line, need: map[string]int{}, now: now}
	for _, w := range weights {
		if n := change[w.Variant]; n > 0 {
			m.need[w.Variant] = n
			m.growing = append(m.growing, w.Variant)
		}
	}
	surplus := map[string]int{}
	for v, n := range change {
		if n < 0 {
			surplus[v] = -n
		}
	}
	released := m.release(surplus, o)
	if o == latestFirst {
		released = m.giveBack(released)
	}
	m.give(released)
	return m.result()
}

type mover struct {
	line    []Range
	kept    []Range
	moved   []Range
	need    map[string]int // of the growing variants, buckets
	growing []string       // in the order of the weights
	now     int64
}

// stretch is a part of the line that waits for its new variant; left and right are the variants beside it.
type stretch struct {
	Range

	left, right string
}

// release takes from every variant with a surplus as much as it has too much. Of the piece that has to be cut the end beside a
// growing variant goes, else the upper one.
func (m *mover) release(surplus map[string]int, o order) []stretch {
	pieces := make([]stretch, len(m.line))
	for i, r := range m.line {
		pieces[i].Range = r
		if i > 0 {
			pieces[i].left = m.line[i-1].Variant
		}
		if i+1 < len(m.line) {
			pieces[i].right = m.line[i+1].Variant
		}
	}
	slices.SortFunc(pieces, func(a, b stretch) int {
		if o == smallestFirst {
			return cmp.Or(cmp.Compare(m.touches(b), m.touches(a)), cmp.Compare(a.To-a.From, b.To-b.From), cmp.Compare(a.From, b.From))
		}
		return cmp.Or(cmp.Compare(b.Seq, a.Seq), cmp.Compare(b.From, a.From))
	})
	var released, big []stretch
	for _, p := range pieces {
		switch left := surplus[p.Variant]; {
		case left >= p.To-p.From:
			surplus[p.Variant] -= p.To - p.From
			released = append(released, p)
		case o == latestFirst && left > 0:
			released = append(released, m.cut(p, left))
			surplus[p.Variant] = 0
		default:
			big = append(big, p)
		}
	}
	// Smallest first: what is left to give is less than any piece, so one is cut, the first beside a growing variant if there is one.
	for _, p := range big {
		if left := surplus[p.Variant]; left > 0 {
			released = append(released, m.cut(p, left))
			surplus[p.Variant] = 0
		} else {
			m.kept = append(m.kept, p.Range)
		}
	}
	return released
}

// touches counts the growing variants beside p.
func (m *mover) touches(p stretch) int {
	n := 0
	for _, v := range []string{p.left, p.right} {
		if m.need[v] > 0 {
			n++
		}
	}
	return n
}

// cut keeps p but for n buckets, which it returns.
func (m *mover) cut(p stretch, n int) stretch {
	keep := p.Range
	if m.need[p.left] > 0 && m.need[p.right] == 0 {
		p.To, p.right = p.From+n, p.Variant
		keep.From = p.To
	} else {
		p.From, p.left = p.To-n, p.Variant
		keep.To = p.From
	}
	m.kept = append(m.kept, keep)
	return p
}

// giveBack gives pieces to their former variants as far as these grow, and returns the rest.
func (m *mover) giveBack(released []stretch) []stretch {
	var rest []stretch
	for _, p := range released {
		rest = append(rest, m.giveTo(p, p.Prev)...)
	}
	return rest
}

// give gives the rest, each piece to a variant beside it if one needs it, else to the first that does.
func (m *mover) give(released []stretch) {
	slices.SortFunc(released, func(a, b stretch) int { return cmp.Compare(a.From, b.From) })
	for len(released) > 0 {
		p := released[0]
		to := p.left
		if m.need[to] == 0 {
			to = p.right
		}
		if m.need[to] == 0 {
			to = m.growing[slices.IndexFunc(m.growing, func(v string) bool { return m.need[v] > 0 })]
		}
		released = append(m.giveTo(p, to), released[1:]...)
	}
}

// giveTo gives as much of p as the variant needs, from the end that touches it, else the lower one, and returns what is left.
func (m *mover) giveTo(p stretch, variant string) []stretch {
	n := min(m.need[variant], p.To-p.From)
	if n == 0 {
		return []stretch{p}
	}
	m.need[variant] -= n
	given, rest := p, p
	if p.right == variant && p.left != variant {
		given.From, rest.To, rest.right = p.To-n, p.To-n, variant
	} else {
		given.To, rest.From, rest.left = p.From+n, p.From+n, variant
	}
	m.moved = append(m.moved, Range{Variant: variant, From: given.From, To: given.To, Seq: m.now, Prev: p.Variant})
	if rest.From == rest.To {
		return nil
	}
	return []stretch{rest}
}

func (m *mover) result() []Range {
	line := append(m.kept, m.moved...)
	slices.SortFunc(line, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	return line
}

// merge makes one of neighbours that are the same. The later memory of the two stays.
func merge(line []Range, same func(a, b Range) bool) []Range {
	out := make([]Range, 0, len(line))
	for _, r := range line {
		if last := len(out) - 1; last >= 0 && same(out[last], r) {
			out[last] = joined(out[last], r)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func joined(a, b Range) Range {
	if b.Seq > a.Seq {
		a.Seq, a.Prev = b.Seq, b.Prev
	}
	a.To = b.To
	return a
}

// forget makes a line of at most [MaxRanges] by joining neighbours of one variant, those first whose later one is the oldest, and none that moved
// just now. It returns a longer line when that is not enough.
func forget(line []Range, now int64) []Range {
	for len(line) > MaxRanges {
		// The newest memory that has to go: with everything up to it joined, the line fits.
		var seqs []int64
		for i := 1; i < len(line); i++ {
			if seq := max(line[i-1].Seq, line[i].Seq); line[i-1].Variant == line[i].Variant && seq < now {
				seqs = append(seqs, seq)
			}
		}
		if len(seqs) == 0 {
			return line
		}
		slices.Sort(seqs)
		newest := seqs[min(len(line)-MaxRanges, len(seqs))-1]
		line = merge(line, func(a, b Range) bool { return a.Variant == b.Variant && max(a.Seq, b.Seq) <= newest })
	}
	return line
}
