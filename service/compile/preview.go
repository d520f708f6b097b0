package compile

import (
	"maps"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// Pairs is the number of equally likely places that a context can have: a bucket on the line that decides exposure, and
// independently one on the line that decides the variant. All counts in a [Preview] are of this many.
const Pairs = evaluator.Buckets * evaluator.Buckets

// Next is the outcome of a context that a rule's distribution does not expose and that goes on with the next rule.
const Next = ""

// Preview tells what a change of a targeting would do. Its numbers are exact, and speak of the contexts that reach a distribution: nothing is
// known here of who comes by.
type Preview struct {
	Distributions []Shift  `json:"distributions"`
	Changes       []string `json:"changes"` // everything else that changes, in words
}

// Shift compares one rule (or the default) before and after. Enter, Leave and Switch count the places of [Pairs] that come to be exposed,
// cease to be, and stay exposed with another variant.
type Shift struct {
	Rule    string          `json:"rule"`
	Before  feature.Percent `json:"before"`
	After   feature.Percent `json:"after"`
	Enter   int64           `json:"enter"`
	Leave   int64           `json:"leave"`
	Switch  int64           `json:"switch"`
	Moves   []Move          `json:"variants"`          // what is served to whom changes from what to what; unchanged places are not listed
	Redrawn bool            `json:"redrawn,omitempty"` // the line itself is another (bucketing attributes changed): nothing can be counted
}

// Move counts the places that are served To after the change and were served From before. [Next] stands for going on with the next rule.
type Move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Share int64  `json:"share"`
}

// line is a distribution seen as two lines; a rule that serves one variant is exposed to all.
type line struct {
	bucketBy  []string
	exposure  int
	otherwise string
	ranges    []evaluator.Range
}

func lineOf(s feature.Serve, fallback string) line {
	d := s.Distribution
	if d == nil {
		v := s.Variant
		if v == "" {
			v = fallback
		}
		return line{exposure: evaluator.Buckets, ranges: []evaluator.Range{{Variant: v, To: evaluator.Buckets}}}
	}
	l := line{bucketBy: d.BucketBy, exposure: int(d.Exposure), otherwise: d.Otherwise, ranges: d.Ranges}
	if l.otherwise == "" {
		l.otherwise = fallback
	}
	if len(l.bucketBy) == 0 {
		l.bucketBy = []string{"targetingKey"}
	}
	return l
}

// NewPreview compares two targetings of one flag, both with their ranges.
func NewPreview(before, after *feature.Targeting) Preview {
	out := Preview{Distributions: []Shift{}, Changes: describe(before, after)}
	old := map[string]feature.Serve{}
	before.Serves(func(id, _ string, s *feature.Serve) { old[id] = *s })
	after.Serves(func(id, _ string, s *feature.Serve) {
		was, there := old[id]
		if !there || was.Distribution == nil && s.Distribution == nil && was.Variant == s.Variant {
			return
		}
		fallbackBefore, fallbackAfter := Next, Next
		if id == feature.DefaultRule {
			fallbackBefore, fallbackAfter = before.Off, after.Off
		}
		out.Distributions = append(out.Distributions, shift(id, lineOf(was, fallbackBefore), lineOf(*s, fallbackAfter)))
	})
	return out
}

func shift(rule string, a, b line) Shift {
	out := Shift{Rule: rule, Before: feature.Percent(a.exposure), After: feature.Percent(b.exposure), Moves: []Move{}}
	if a.bucketBy != nil && b.bucketBy != nil && !slices.Equal(a.bucketBy, b.bucketBy) {
		out.Redrawn = true
		return out
	}
	moves := map[[2]string]int64{}
	low, high := min(a.exposure, b.exposure), max(a.exposure, b.exposure)
	both, one, neither := int64(low), int64(high-low), int64(evaluator.Buckets-high)
	eachSegment(a.ranges, b.ranges, func(va, vb string, width int64) {
		if va != vb {
			out.Switch += both * width
		}
		moves[[2]string{va, vb}] += both * width
		if b.exposure > a.exposure {
			out.Enter += one * width
			moves[[2]string{a.otherwise, vb}] += one * width
		} else {
			out.Leave += one * width
			moves[[2]string{va, b.otherwise}] += one * width
		}
		moves[[2]string{a.otherwise, b.otherwise}] += neither * width
	})
	for _, k := range slices.SortedFunc(maps.Keys(moves), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) }) {
		if k[0] != k[1] && moves[k] > 0 {
			out.Moves = append(out.Moves, Move{From: k[0], To: k[1], Share: moves[k]})
		}
	}
	return out
}

// eachSegment cuts the line at every border of either side.
func eachSegment(a, b []evaluator.Range, visit func(va, vb string, width int64)) {
	for i, j, at := 0, 0, 0; i < len(a) && j < len(b); {
		end := min(a[i].To, b[j].To)
		if end > at {
			visit(a[i].Variant, b[j].Variant, int64(end-at))
		}
		at = max(at, end)
		if a[i].To == end {
			i++
		}
		if j < len(b) && b[j].To == end {
			j++
		}
	}
}
