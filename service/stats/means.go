package stats

import (
	"fmt"
	"math"
)

// Sums are what a window has of a measured value in one arm: how many values, their sum and the sum of their squares.
type Sums struct {
	Count   int64   `json:"count"`
	Sum     float64 `json:"sum"`
	Squares float64 `json:"squares"`
}

func (s Sums) plus(o Sums) Sums { return Sums{s.Count + o.Count, s.Sum + o.Sum, s.Squares + o.Squares} }

func (s Sums) mean() float64 { return s.Sum / float64(s.Count) }

// variance is that of one value, unbiased.
func (s Sums) variance() float64 {
	n := float64(s.Count)
	return math.Max(0, (s.Squares-s.Sum*s.Sum/n)/(n-1))
}

func (s Sums) check() error {
	if s.Count < 0 || math.IsNaN(s.Sum+s.Squares) || math.IsInf(s.Sum+s.Squares, 0) || s.Squares < 0 || s.Count == 0 && (s.Sum != 0 || s.Squares != 0) {
		return fmt.Errorf("%w: %+v", ErrWindow, s)
	}
	return nil
}

// Means compares the means of a positive value: how much greater the treatment's is than the control's, as a ratio, from windows in each of which both arms were measured
// at the same time. It is a one-sided asymptotic confidence sequence of the mean logarithm of the ratio (Waudby-Smith et al., arXiv 2103.06476, one-sided form of
// Theorem 2.2): with S the sum of the windows' ln(m_T/m_C), each weighted by its effective number of values n = 1/(1/n_T + 1/n_C), W the sum of weights, V the variance of S
// by the delta method, and σ² = V/W,
//
//	lower bound = S/W − σ·√( 2(Wρ²+1)/(W²ρ²) · ln(1 + √(Wρ²+1)/(2α)) )
//
// holds at all times together with probability 1−α, as the number of windows grows. Windows are merged until each arm has 50 values, and the first eight windows decide
// nothing: "asymptotic" is a promise about many windows, and simulations say that these are enough.
type Means struct {
	Weight   float64 `json:"weight"`
	Score    float64 `json:"score"`
	Variance float64 `json:"variance"`
	Windows  int64   `json:"windows"`

	Treatment Sums `json:"treatment"` // not yet a window
	Control   Sums `json:"control"`
}

const (
	meansValues  = 50     // of each arm, for a window
	meansWindows = 8      // before anything is decided
	meansTuned   = 10_000 // effective values at which the bound is tightest
)

// Observe adds a window. The means have to be positive: the ratio of others means nothing.
func (m *Means) Observe(treatment, control Sums) error {
	for _, s := range []Sums{treatment, control} {
		if err := s.check(); err != nil {
			return err
		}
	}
	t, c := m.Treatment.plus(treatment), m.Control.plus(control)
	if t.Count < meansValues || c.Count < meansValues {
		m.Treatment, m.Control = t, c
		return nil
	}
	m.Treatment, m.Control = Sums{}, Sums{}
	if t.mean() <= 0 || c.mean() <= 0 {
		return fmt.Errorf("%w: means of %v and %v have no ratio", ErrWindow, t.mean(), c.mean())
	}
	weight := 1 / (1/float64(t.Count) + 1/float64(c.Count))
	m.Weight += weight
	m.Score += weight * math.Log(t.mean()/c.mean())
	m.Variance += weight * weight * (t.variance()/float64(t.Count)/(t.mean()*t.mean()) + c.variance()/float64(c.Count)/(c.mean()*c.mean()))
	m.Windows++
	return nil
}

// Ratio is the estimate of the ratio of means, and a bound on the side asked for that holds at all times with probability 1 − alpha: from below for Increase, from above
// for Decrease. ok is false while too little was seen, and the bound is then none.
func (m *Means) Ratio(bad Direction, alpha float64) (ratio, bound float64, ok bool) {
	if m.Windows < meansWindows {
		return 1, 0, false
	}
	mean := m.Score / m.Weight
	width := m.width(alpha)
	if bad == Decrease {
		return math.Exp(mean), math.Exp(mean + width), true
	}
	return math.Exp(mean), math.Exp(mean - width), true
}

func (m *Means) width(alpha float64) float64 {
	w, sigma := m.Weight, math.Sqrt(m.Variance/m.Weight)
	rho2 := tuned(2*alpha, meansTuned)
	return sigma * math.Sqrt(2*(w*rho2+1)/(w*w*rho2)*math.Log(1+math.Sqrt(w*rho2+1)/(2*alpha)))
}

// tuned is the ρ² for which the bound is tightest at n (the same paper, appendix B.2).
func tuned(alpha, n float64) float64 {
	l := -2 * math.Log(alpha)
	return (l + math.Log(l) + 1) / n
}

// Judge is the verdict: harmful when the ratio is surely beyond tolerance, safe when it is surely better than margin.
func (m *Means) Judge(bad Direction, tolerance, margin, alphaHarm, alphaSafe float64) Verdict {
	_, harm, ok := m.Ratio(bad, alphaHarm)
	if !ok {
		return Undecided
	}
	other := Decrease
	if bad == Decrease {
		other = Increase
	}
	_, safe, _ := m.Ratio(other, alphaSafe)
	switch {
	case away(bad, harm) > away(bad, tolerance):
		return Harmful
	case away(bad, safe) < away(bad, margin):
		return Safe
	}
	return Undecided
}
