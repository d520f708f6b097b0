// Package stats decides from counts whether a treatment does harm: numbers in, numbers out. It reads no clock and no randomness, starts
// nothing, and knows nothing of flags; a caller keeps its values with whatever they are about.
//
// Everything here is *anytime valid*: a value may be looked at after every event, and acted upon the first time it crosses its threshold,
// and still the chance of ever being wrong stays at α. A p-value of a classic test has this property at one planned look only; looked at
// continuously it raises a false alarm in a third of all harmless rollouts.
//
// The means is the e-process: a process E that starts at 1 and, while the treatment is harmless, is a supermartingale. By Ville's inequality
// it then ever reaches 1/α with probability at most α. Its logarithm is the evidence that people see. Sources: Howard, Ramdas, McAuliffe,
// Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021 (arXiv 1810.08240); Lindon and Malek,
// "Anytime-valid inference for multinomial count data", NeurIPS 2022 (arXiv 2011.03567); Lindon et al., KDD 2022 (arXiv 2205.14762);
// Waudby-Smith et al., "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024 (arXiv 2103.06476).
//
// Values are plain data with JSON tags, so that a decision can be stored with what it was made of and replayed. None may be used by two
// goroutines at once.
package stats

import (
	"fmt"
	"math"
)

// Direction says which change of a measure is harm.
type Direction string

// The directions.
const (
	Increase Direction = "increase" // of errors, of latency
	Decrease Direction = "decrease" // of payments
)

// Verdict is what the evidence says so far.
type Verdict string

// The verdicts. Undecided is no verdict of health: it may be that nothing was measured.
const (
	Harmful   Verdict = "harmful"
	Safe      Verdict = "safe"
	Undecided Verdict = "undecided"
)

// Judge is the verdict of two peaks of evidence, for harm and for safety, each in natural logarithms, against thresholds of 1/α. Harm wins:
// to roll back what is safe costs a day, to keep what harms costs customers.
func Judge(harm, safe, alphaHarm, alphaSafe float64) Verdict {
	switch {
	case harm >= Threshold(alphaHarm):
		return Harmful
	case safe >= Threshold(alphaSafe):
		return Safe
	}
	return Undecided
}

// Threshold is ln(1/α), which evidence has to reach for a chance of error of at most α, 0 < α < 1.
func Threshold(alpha float64) float64 { return -math.Log(alpha) }

// AnytimeP is the p-value of the greatest evidence that there ever was: min(1, 1/E). It may be read at any moment, and never rises.
func AnytimeP(peak float64) float64 { return math.Min(1, math.Exp(-peak)) }

// logSum is ln Σ wᵢ·exp(xᵢ), without overflow.
func logSum(weights, logs []float64) float64 {
	top := math.Inf(-1)
	for _, x := range logs {
		top = math.Max(top, x)
	}
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for i, x := range logs {
		sum += weights[i] * math.Exp(x-top)
	}
	return top + math.Log(sum)
}

// ratios are the rate ratios, treatment to control, for which evidence is gathered. Harm of any size in between is found almost as fast as
// by the nearest, and harm beyond the last by the last.
var ratios = [...]float64{1.1, 1.25, 1.5, 2, 3, 5, 10}

// harmRatios are the ratios beyond r0 in the direction of harm.
func harmRatios(bad Direction, r0 float64) []float64 {
	out := make([]float64, len(ratios))
	for i, r := range ratios {
		if bad == Decrease {
			r = 1 / r
		}
		out[i] = r0 * r
	}
	return out
}

// away is a ratio turned round where a decrease is harm, so that above 1 is always worse.
func away(bad Direction, ratio float64) float64 {
	if bad == Decrease {
		return 1 / ratio
	}
	return ratio
}

func checkDirection(d Direction) error {
	if d != Increase && d != Decrease {
		return fmt.Errorf("stats: %q is no direction", d)
	}
	return nil
}
