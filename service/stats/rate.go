package stats

import (
	"fmt"
	"math"
	"slices"
)

// Rate tests one arm against a rate that was declared, for when there is no control: at 100 % without a hold-back. It cannot tell a defect of the treatment from
// an incident upstream, and whoever shows its verdict has to say so. For rates p_r beyond the declared p it keeps L_r += k·ln(p_r/p) + (n−k)·ln((1−p_r)/(1−p)), and
// E = Σ w_r·exp(L_r): a supermartingale while the rate of each request is on the good side of p, which may change all the time.
type Rate struct {
	Declared float64   `json:"declared"`
	Rates    []float64 `json:"rates"`
	Logs     []float64 `json:"logs"`
	Requests int64     `json:"requests"`
	Temper   float64   `json:"temper"` // as for Arms
	Peak     float64   `json:"peak"`
}

// NewRate tests whether bad events are more (Increase) or fewer (Decrease) than declared, 0 < declared < 1.
func NewRate(bad Direction, declared float64) (*Rate, error) {
	if err := checkDirection(bad); err != nil {
		return nil, err
	}
	if !(declared > 0 && declared < 1) {
		return nil, fmt.Errorf("stats: a rate of %v", declared)
	}
	r := &Rate{Declared: declared, Temper: 1}
	for _, ratio := range harmRatios(bad, 1) {
		// By the odds, so that no rate leaves the interval, however great the declared one.
		r.Rates = append(r.Rates, expected(declared, ratio))
	}
	r.Logs = make([]float64, len(r.Rates))
	return r, nil
}

// Clone is a copy that shares nothing.
func (r *Rate) Clone() *Rate {
	c := *r
	c.Rates, c.Logs = slices.Clone(r.Rates), slices.Clone(r.Logs)
	return &c
}

// Observe adds a window of requests, some of them bad. Temper is as for Arms.
func (r *Rate) Observe(requests, bad int64, temper float64) error {
	if bad < 0 || requests < bad || !(temper >= 1) {
		return fmt.Errorf("%w: %d of %d requests are bad, tempered by %v", ErrWindow, bad, requests, temper)
	}
	if requests == 0 {
		return nil
	}
	r.Temper = max(r.Temper, temper)
	for i, p := range r.Rates {
		r.Logs[i] += float64(bad)*math.Log(p/r.Declared) + float64(requests-bad)*math.Log((1-p)/(1-r.Declared))
	}
	r.Requests += requests
	r.Peak = math.Max(r.Peak, r.Evidence())
	return nil
}

// Evidence is ln E now.
func (r *Rate) Evidence() float64 {
	weights, logs := make([]float64, len(r.Logs)), make([]float64, len(r.Logs))
	for i, l := range r.Logs {
		weights[i], logs[i] = 1/float64(len(logs)), l/r.Temper
	}
	return logSum(weights, logs)
}

// Interval holds the true rate of bad events among requests at all times together with probability 1 − alpha, while the rate does not change: those p that the
// beta-binomial mixture with Jeffreys' prior does not reject (Robbins 1970; Howard et al., arXiv 1810.08240). It is for people to look at; verdicts compare arms.
func Interval(bad, requests int64, alpha float64) (low, high float64) {
	if requests <= 0 || bad < 0 || bad > requests || !(alpha > 0 && alpha < 1) {
		return 0, 1
	}
	k, n := float64(bad), float64(requests)
	mixture := logBeta(k+0.5, n-k+0.5) - logBeta(0.5, 0.5)
	inside := func(p float64) bool {
		l := 0.0
		if k > 0 {
			l += k * math.Log(p)
		}
		if k < n {
			l += (n - k) * math.Log1p(-p)
		}
		return mixture-l < Threshold(alpha)
	}
	mean := k / n
	edge := func(in, out float64) float64 {
		if inside(out) {
			return out
		}
		for range 60 {
			mid := (in + out) / 2
			if inside(mid) {
				in = mid
			} else {
				out = mid
			}
		}
		return out
	}
	return edge(mean, 0), edge(mean, 1)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
