package evaluator

// Weight is how much of the hash line a variant shall have, in buckets.
type Weight struct {
	Variant string
	Weight  int
}

// MaxRanges is how many pieces a line may have.
const MaxRanges = 1000

// Reallocate changes a line so that every variant has its weight, and moves as little of it as possible: exactly half of the sum of
// all changes. A shrinking variant gives its latest pieces first, and a piece goes back to the variant that had it before when that
// one grows, so the inverse of the last edit restores the line exactly. The weights sum to [Buckets]; a variant that is not
// named has 0. No ranges at all is a new line, laid out in the order of the weights. The arguments are not changed.
func Reallocate(ranges []Range, weights []Weight) ([]Range, error) { panic("not written yet") }
