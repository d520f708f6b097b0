package stats

import (
	"fmt"
	"math"
	"slices"
)

// Exceedance compares two distributions that come as histograms, such as latencies: for every bound between two buckets, a value above it is a bad event, and an
// Arms process asks in which arm those are. The mean of the e-values is an e-value again, whatever depends on what, so that the bound at which harm shows need not be known
// beforehand: the tail, or everything a little.
type Exceedance struct {
	Bounds  []*Arms `json:"bounds"` // one process a bound
	Peak    float64 `json:"peak"`   // the greatest ln E so far
	Pending Buckets `json:"pending"`
}

// Buckets are counts of one window, by bucket in ascending order; both arms have the same number of buckets.
type Buckets struct {
	Treatment []int64 `json:"treatment"`
	Control   []int64 `json:"control"`
}

// NewExceedance is for histograms of that many buckets, at least 2.
func NewExceedance(bad Direction, buckets int, restarts bool) (*Exceedance, error) {
	if buckets < 2 {
		return nil, fmt.Errorf("stats: a histogram of %d buckets", buckets)
	}
	e := &Exceedance{Bounds: make([]*Arms, buckets-1), Pending: Buckets{make([]int64, buckets), make([]int64, buckets)}}
	for i := range e.Bounds {
		var err error
		// A value that is lower than it should be exceeds fewer bounds: the direction is that of the value.
		if e.Bounds[i], err = NewHarm(bad, 1, restarts); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Clone is a copy that shares nothing.
func (e *Exceedance) Clone() *Exceedance {
	c := &Exceedance{Bounds: make([]*Arms, len(e.Bounds)), Peak: e.Peak}
	for i, b := range e.Bounds {
		c.Bounds[i] = b.Clone()
	}
	c.Pending = Buckets{slices.Clone(e.Pending.Treatment), slices.Clone(e.Pending.Control)}
	return c
}

// Restart begins a further run at every bound.
func (e *Exceedance) Restart() {
	for _, b := range e.Bounds {
		b.Restart()
	}
}

// Observe adds a window; windows are merged until both arms have values. Temper is as for Arms.
func (e *Exceedance) Observe(w Buckets, temper float64) error {
	if len(w.Treatment) != len(e.Bounds)+1 || len(w.Control) != len(e.Bounds)+1 {
		return fmt.Errorf("%w: %d and %d buckets, want %d", ErrWindow, len(w.Treatment), len(w.Control), len(e.Bounds)+1)
	}
	if slices.Min(w.Treatment) < 0 || slices.Min(w.Control) < 0 || !(temper >= 1) {
		return fmt.Errorf("%w: negative counts, or tempered by %v", ErrWindow, temper)
	}
	var treatment, control int64
	for i := range w.Treatment {
		e.Pending.Treatment[i] += w.Treatment[i]
		e.Pending.Control[i] += w.Control[i]
		treatment += e.Pending.Treatment[i]
		control += e.Pending.Control[i]
	}
	if treatment == 0 || control == 0 {
		return nil
	}
	share := float64(treatment) / float64(treatment+control)
	var aboveTreatment, aboveControl int64
	for i := len(e.Bounds) - 1; i >= 0; i-- {
		aboveTreatment += e.Pending.Treatment[i+1]
		aboveControl += e.Pending.Control[i+1]
		if err := e.Bounds[i].Observe(Window{Bad: aboveTreatment + aboveControl, Treatment: aboveTreatment, Share: share}, temper); err != nil {
			return err
		}
	}
	clear(e.Pending.Treatment)
	clear(e.Pending.Control)
	e.Peak = math.Max(e.Peak, e.Evidence())
	return nil
}

// Evidence is ln of the mean e-value now.
func (e *Exceedance) Evidence() float64 {
	weights, logs := make([]float64, len(e.Bounds)), make([]float64, len(e.Bounds))
	for i, b := range e.Bounds {
		weights[i], logs[i] = 1/float64(len(e.Bounds)), b.Evidence()
	}
	return logSum(weights, logs)
}
