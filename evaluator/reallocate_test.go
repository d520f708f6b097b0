package evaluator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/evaluator"
)

// weights are written as "a", 50_000, "b", 50_000.
func weights(pairs ...any) []evaluator.Weight {
	var out []evaluator.Weight
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, evaluator.Weight{Variant: pairs[i].(string), Weight: pairs[i+1].(int)})
	}
	return out
}

func reallocate(t require.TestingT, line []evaluator.Range, w []evaluator.Weight) []evaluator.Range {
	out, err := evaluator.Reallocate(line, w)
	require.NoError(t, err)
	return out
}

// owners is the dumb oracle: who has each of the 100,000 buckets, as a number by name. It also checks that the line is one.
func owners(t require.TestingT, line []evaluator.Range) []uint8 {
	out, end := make([]uint8, evaluator.Buckets), 0
	for _, r := range line {
		if r.From != end || r.To <= r.From || r.To > evaluator.Buckets {
			require.Failf(t, "not a line", "%+v begins after %d buckets", r, end)
		}
		copy(out[r.From:r.To], bytes.Repeat([]byte{number(r.Variant)}, r.To-r.From))
		end = r.To
	}
	require.Equal(t, evaluator.Buckets, end)
	return out
}

// number is the variant's, for names of one letter or "v7".
func number(variant string) uint8 {
	if n, err := strconv.Atoi(strings.TrimPrefix(variant, "v")); err == nil {
		return uint8(n)
	}
	return 128 + variant[0]
}

// requireMinimal compares bucket by bucket: the weights are as asked, and no more moved than half of the sum of all changes.
func requireMinimal(t require.TestingT, before, after []uint8, w []evaluator.Weight) {
	var had, have, want [256]int
	moved, least := 0, 0
	for b := range before {
		had[before[b]]++
		have[after[b]]++
		if before[b] != after[b] {
			moved++
		}
	}
	for _, x := range w {
		want[number(x.Variant)] += x.Weight
	}
	require.Equal(t, want, have)
	for v := range had {
		least += max(0, had[v]-have[v])
	}
	require.Equal(t, least, moved, "buckets moved")
}

func weightsOf(line []evaluator.Range) []evaluator.Weight {
	sums := map[string]int{}
	for _, r := range line {
		sums[r.Variant] += r.To - r.From
	}
	var out []evaluator.Weight
	for _, v := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, evaluator.Weight{Variant: v, Weight: sums[v]})
	}
	return out
}

func spell(line []evaluator.Range) string {
	s := ""
	for _, r := range line {
		s += fmt.Sprintf("%s:%d ", r.Variant, (r.To-r.From)/1000)
	}
	return s[:len(s)-1]
}

func TestReallocate(t *testing.T) {
	type edits [][]evaluator.Weight
	abc := func(a, b, c int) []evaluator.Weight { return weights("a", a*1000, "b", b*1000, "c", c*1000) }
	for _, test := range []struct {
		name  string
		edits edits
		want  string // variants and widths in thousands of buckets
	}{
		{"a new line is in the order of the weights", edits{weights("b", 30_000, "a", 70_000)}, "b:30 a:70"},
		{"a variant without weight has no piece", edits{abc(0, 100, 0)}, "b:100"},
		{"nothing changes", edits{abc(50, 30, 20), abc(50, 30, 20)}, "a:50 b:30 c:20"},
		{"the order of the weights changes nothing", edits{abc(50, 30, 20), weights("c", 20_000, "a", 50_000, "b", 30_000)}, "a:50 b:30 c:20"},
		{"a piece goes from the upper end", edits{abc(50, 30, 20), abc(40, 30, 30)}, "a:40 c:10 b:30 c:20"},
		{"from the end beside the one that grows", edits{abc(50, 30, 20), abc(50, 20, 30)}, "a:50 b:20 c:10 c:20"},
		{"from the lower end when only there one grows", edits{abc(50, 30, 20), abc(60, 20, 20)}, "a:50 a:10 b:20 c:20"},
		{"the inverse restores", edits{abc(50, 30, 20), abc(40, 30, 30), abc(50, 30, 20)}, "a:40 a:10 b:30 c:20"},
		{"the latest goes first", edits{abc(50, 50, 0), abc(40, 50, 10), abc(40, 40, 20), abc(50, 40, 10)}, "a:40 c:10 a:10 b:40"},
		{"a piece goes back to whom it came from", edits{abc(50, 50, 0), abc(40, 40, 20), abc(50, 50, 0)}, "a:40 a:10 b:40 b:10"},
		{"beyond that to whoever grows", edits{abc(50, 50, 0), abc(40, 50, 10), abc(40, 60, 0)}, "a:40 b:10 b:50"},
		{"all of a variant", edits{abc(50, 30, 20), abc(0, 50, 50)}, "c:30 b:20 b:30 c:20"},
		{"a variant that is not named has none", edits{abc(50, 30, 20), weights("a", 100_000)}, "a:50 a:30 a:20"},
		{"a variant that is new", edits{abc(50, 30, 20), weights("a", 50_000, "b", 30_000, "d", 20_000)}, "a:50 b:30 d:20"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var line []evaluator.Range
			for _, w := range test.edits {
				old := line
				line = reallocate(t, line, w)
				if old != nil {
					requireMinimal(t, owners(t, old), owners(t, line), w)
				}
			}
			require.Equal(t, test.want, spell(line))
		})
	}
}

func TestReallocateRefuses(t *testing.T) {
	line := []evaluator.Range{{Variant: "a", From: 0, To: 60_000}, {Variant: "b", From: 60_000, To: evaluator.Buckets}}
	good := weights("a", 50_000, "b", 50_000)
	broken := func(change func(line []evaluator.Range)) []evaluator.Range {
		l := slices.Clone(line)
		change(l)
		return l
	}
	var many []evaluator.Weight
	for i := range evaluator.MaxRanges + 1 {
		many = append(many, evaluator.Weight{Variant: fmt.Sprint(i), Weight: 1})
	}
	many[0].Weight = evaluator.Buckets - evaluator.MaxRanges
	for _, test := range []struct {
		name    string
		line    []evaluator.Range
		weights []evaluator.Weight
		want    string
	}{
		{"no weights", line, nil, "weights: they sum to 0, not 100000"},
		{"a bucket too few", line, weights("a", 50_000, "b", 49_999), "weights: they sum to 99999, not 100000"},
		{"negative", line, weights("a", 100_001, "b", -1), "weights: \"a\" has 100001, which is not within 0…100000"},
		{"below zero", line, weights("b", -1, "a", 100_000), "weights: \"b\" has -1, which is not within 0…100000"},
		{"twice", line, weights("a", 50_000, "a", 50_000), "weights: \"a\" is there twice"},
		{"no key", line, weights("", 100_000), "weights: a variant without a key"},
		{"a new line of too many variants", nil, many, "weights: 1001 variants have one, at most 1000"},
		{"a gap", broken(func(l []evaluator.Range) { l[1].From++ }), good, "ranges: number 1 is 60001…100000, but must begin at 60000 and not be empty"},
		{"an overlap", broken(func(l []evaluator.Range) { l[1].From-- }), good, "ranges: number 1 is 59999…100000, but must begin at 60000 and not be empty"},
		{"begins late", line[1:], good, "ranges: number 0 is 60000…100000, but must begin at 0 and not be empty"},
		{"ends early", line[:1], good, "ranges: they end at 60000, not 100000"},
		{"an empty piece", slices.Insert(slices.Clone(line), 1, evaluator.Range{Variant: "c", From: 60_000, To: 60_000}), good, "must begin at 60000 and not be empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := evaluator.Reallocate(test.line, test.weights)
			require.ErrorContains(t, err, test.want)
			require.Nil(t, got)
		})
	}
}

// shift moves up to n buckets of weight at random, a few times.
func shift(rng *rand.Rand, w []evaluator.Weight, n int) []evaluator.Weight {
	w = slices.Clone(w)
	for range 1 + rng.IntN(4) {
		from, to := rng.IntN(len(w)), rng.IntN(len(w))
		d := min(w[from].Weight, 1+rng.IntN(n))
		w[from].Weight -= d
		w[to].Weight += d
	}
	return w
}

// TestThousandEdits is the promise: however often weights change, no more moves than must, the last edit can be taken back exactly, and the line
// stays short enough. With five and more variants the limit of ranges is reached on the way. A hundred variants are more than the line can
// remember: then an edit may be refused or not be remembered, but never moves too much.
func TestThousandEdits(t *testing.T) {
	for _, test := range []struct {
		variants, step int
		limit          bool // reaches the limit of ranges
		beyond         bool // cannot always keep within it
	}{
		{variants: 2, step: 60_000}, {variants: 3, step: 1_000}, {variants: 5, step: 1_000, limit: true},
		{variants: 10, step: 5}, {variants: 100, step: 1_000, limit: true, beyond: true},
	} {
		t.Run(fmt.Sprintf("%d variants, up to %d buckets", test.variants, test.step), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(test.variants), uint64(test.step)))
			w := make([]evaluator.Weight, test.variants)
			for i := range w {
				w[i] = evaluator.Weight{Variant: fmt.Sprintf("v%d", i), Weight: evaluator.Buckets / test.variants}
			}
			w[0].Weight += evaluator.Buckets % test.variants
			line := reallocate(t, nil, w)
			have, longest, refused, forgotten := owners(t, line), 0, 0, 0
			for edit := range 1_000 {
				next := shift(rng, w, test.step)
				argument, before := slices.Clone(line), slices.Clone(next)
				after, err := evaluator.Reallocate(line, next)
				require.True(t, slices.Equal(argument, line) && slices.Equal(before, next), "arguments do not change")
				if err != nil {
					refused++
					continue
				}
				if edit%50 == 0 {
					require.True(t, slices.Equal(after, reallocate(t, line, next)), "the same twice")
				}
				require.LessOrEqual(t, len(after), evaluator.MaxRanges)
				now := owners(t, after)
				requireMinimal(t, have, now, next)
				if back, err := evaluator.Reallocate(after, w); err != nil || !slices.Equal(have, owners(t, back)) {
					forgotten++
				}
				line, have, w = after, now, next
				longest = max(longest, len(line))
			}
			if test.limit {
				require.GreaterOrEqual(t, longest, evaluator.MaxRanges-1, "the limit was never reached, so nothing was tried at it")
			}
			require.Equal(t, test.beyond, refused > 0, "refused: %d", refused)
			require.Equal(t, test.beyond, forgotten > 0, "last edits that could not be taken back exactly: %d", forgotten)
		})
	}
}

func TestReallocateProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d", "e", "f"}[:rapid.IntRange(1, 6).Draw(t, "variants")]
		drawn := func(label string) []evaluator.Weight {
			left := evaluator.Buckets
			var w []evaluator.Weight
			for i, v := range rapid.Permutation(names).Draw(t, label+" order") {
				n := left
				if i < len(names)-1 {
					n = rapid.OneOf(rapid.IntRange(0, left), rapid.Just(0), rapid.Just(left), rapid.Just(min(left, 1))).Draw(t, label)
				}
				w = append(w, evaluator.Weight{Variant: v, Weight: n})
				left -= n
			}
			return w
		}
		line := reallocate(t, nil, drawn("first"))
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			w := drawn("weights")
			before := owners(t, line)
			after := reallocate(t, line, w)
			requireMinimal(t, before, owners(t, after), w)
			require.True(t, slices.Equal(before, owners(t, reallocate(t, after, weightsOf(line)))), "the inverse")
			line = after
		}
	})
}

// TestTogglingDoesNotFragment: an edit and its inverse, a thousand times.
func TestTogglingDoesNotFragment(t *testing.T) {
	here, there := weights("a", 50_000, "b", 30_000, "c", 20_000), weights("a", 40_000, "b", 30_000, "c", 30_000)
	line := reallocate(t, nil, here)
	want := owners(t, line)
	for range 1_000 {
		line = reallocate(t, reallocate(t, line, there), here)
	}
	require.Len(t, line, 4)
	require.True(t, slices.Equal(want, owners(t, line)))
}

// TestStepsBackInReverse: a variant that grew step by step gives back step by step, the last first.
func TestStepsBackInReverse(t *testing.T) {
	step := func(c int) []evaluator.Weight { return weights("a", 60_000-c/2, "b", 40_000-c/2, "c", c) }
	var history [][]uint8
	line := reallocate(t, nil, step(0))
	for c := 2_000; c <= 40_000; c += 2_000 {
		history = append(history, owners(t, line))
		line = reallocate(t, line, step(c))
	}
	for c := 38_000; c >= 0; c -= 2_000 {
		line = reallocate(t, line, step(c))
		require.True(t, slices.Equal(history[c/2_000], owners(t, line)), "at %d", c)
	}
}

// alternating is a line of n pieces of which no two neighbours are of one variant.
func alternating(n int, names ...string) []evaluator.Range {
	line := make([]evaluator.Range, n)
	for i := range line {
		from := evaluator.Buckets / n * i
		line[i] = evaluator.Range{Variant: names[i%len(names)], From: from, To: from + evaluator.Buckets/n, Seq: int64(i + 1), Prev: "z"}
	}
	line[n-1].To = evaluator.Buckets
	return line
}

func change(line []evaluator.Range, by map[string]int) []evaluator.Weight {
	w := weightsOf(line)
	for i := range w {
		w[i].Weight += by[w[i].Variant]
		delete(by, w[i].Variant)
	}
	for _, v := range slices.Sorted(maps.Keys(by)) {
		w = append(w, evaluator.Weight{Variant: v, Weight: by[v]})
	}
	return w
}

func TestAtTheLimitOfRanges(t *testing.T) {
	t.Run("memory gives way, oldest first, and the last edit stays exact", func(t *testing.T) {
		line := alternating(1_000, "a", "a", "b") // 333 pairs of neighbours that only their memory tells apart
		w := change(line, map[string]int{"b": -50, "c": 50})
		after := reallocate(t, line, w)
		requireMinimal(t, owners(t, line), owners(t, after), w)
		require.True(t, slices.Equal(owners(t, line), owners(t, reallocate(t, after, weightsOf(line)))))
		require.Len(t, after, evaluator.MaxRanges)
		require.Equal(t, 200, after[0].To, "the oldest two are one now")
		require.Equal(t, 400, after[2].To, "the next two are not")
	})
	t.Run("whole pieces move when nothing can be joined", func(t *testing.T) {
		line := alternating(1_000, "a", "b")
		line[10].To, line[11].From = line[10].To-50, line[11].From-50 // one a is 50 wide
		w := change(line, map[string]int{"a": -50, "c": 50})
		after := reallocate(t, line, w)
		requireMinimal(t, owners(t, line), owners(t, after), w)
		require.Equal(t, "c", after[10].Variant)
		require.True(t, slices.Equal(owners(t, line), owners(t, reallocate(t, after, weightsOf(line)))))
	})
	t.Run("the edit is not remembered when not even that fits", func(t *testing.T) {
		line := alternating(1_000, "a", "b")
		w := change(line, map[string]int{"a": -50, "b": 50})
		after := reallocate(t, line, w)
		requireMinimal(t, owners(t, line), owners(t, after), w)
		back := reallocate(t, after, weightsOf(line))
		requireMinimal(t, owners(t, after), owners(t, back), weightsOf(line))
	})
	t.Run("an error that names the mend when it cannot be done at all", func(t *testing.T) {
		line := alternating(1_000, "a", "b")
		_, err := evaluator.Reallocate(line, change(line, map[string]int{"a": -50, "c": 50}))
		require.EqualError(t, err, "these weights would cut the line into 1001 pieces, at most 1000: choose weights nearer to those of now, "+
			"or lay the line out anew, which moves people between variants")
	})
	t.Run("a line that is too long already becomes shorter", func(t *testing.T) {
		line := alternating(1_250, "a", "a", "b")
		after := reallocate(t, line, weightsOf(line))
		require.True(t, slices.Equal(owners(t, line), owners(t, after)))
		require.LessOrEqual(t, len(after), evaluator.MaxRanges)
	})
	t.Run("sequence numbers near the end of what JSON carries are counted anew", func(t *testing.T) {
		line := reallocate(t, nil, weights("a", 50_000, "b", 50_000))
		line[1].Seq = 1<<53 - 1
		after := reallocate(t, line, weights("a", 60_000, "b", 40_000))
		for _, r := range after {
			require.Less(t, r.Seq, int64(10))
		}
		require.True(t, slices.Equal(owners(t, line), owners(t, reallocate(t, after, weightsOf(line)))))
	})
}

// TestRampMovesNobodyBetweenVariants ramps the exposure of three variants up and down, with real keys through the evaluator: nobody who is exposed changes
// variant, nobody leaves on the way up, and on the way down those who came last leave first.
func TestRampMovesNobodyBetweenVariants(t *testing.T) {
	line := reallocate(t, nil, weights("a", 50_000, "b", 30_000, "c", 20_000))
	served := func(exposure int) map[string]string {
		var variants []evaluator.Variant
		for _, key := range []string{"a", "b", "c", "off"} {
			variants = append(variants, evaluator.Variant{Key: key, Value: json.RawMessage(`"` + key + `"`)})
		}
		s, problems := evaluator.Compile(evaluator.Ruleset{Flags: map[string]evaluator.Flag{"f": {
			Key: "f", Type: "string", Salt: "k3j9x0a1b2c4", Enabled: true, Off: "off", Variants: variants,
			Default: evaluator.Serve{Distribution: &evaluator.Distribution{Exposure: exposure, Otherwise: "off", Ranges: line}},
		}}})
		require.Empty(t, problems)
		out := map[string]string{}
		for i := range 20_000 {
			key := fmt.Sprintf("user-%d", i)
			if o := s.Outcome("f", evaluator.NewContext(key)); o.Cause() == evaluator.CauseDefault {
				out[key] = o.Variant()
			}
		}
		return out
	}
	steps := []int{1_000, 5_000, 25_000, 50_000}
	var before map[string]string
	var seen []map[string]string
	for _, exposure := range steps {
		now := served(exposure)
		require.InEpsilon(t, 20_000*exposure/evaluator.Buckets, len(now), 0.2)
		for key, variant := range before {
			require.Equal(t, variant, now[key], "%s at %d", key, exposure)
		}
		before = now
		seen = append(seen, now)
	}
	for _, v := range []string{"a", "b", "c"} {
		require.Contains(t, slices.Collect(maps.Values(seen[0])), v, "each variant from the first step on")
	}
	for i := len(steps) - 1; i >= 0; i-- {
		require.Equal(t, seen[i], served(steps[i]), "down again at %d: exactly those of the way up", steps[i])
	}
}

func ExampleReallocate() {
	line, _ := evaluator.Reallocate(nil, []evaluator.Weight{{Variant: "a", Weight: 50_000}, {Variant: "b", Weight: 50_000}})
	line, _ = evaluator.Reallocate(line, []evaluator.Weight{{Variant: "a", Weight: 40_000}, {Variant: "b", Weight: 40_000}, {Variant: "c", Weight: 20_000}})
	for _, r := range line {
		fmt.Printf("%s %d…%d\n", r.Variant, r.From, r.To)
	}
	// Output:
	// a 0…40000
	// c 40000…50000
	// b 50000…90000
	// c 90000…100000
}
