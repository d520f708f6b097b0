package stats

import (
	"fmt"
	"math"
	"slices"
)

// Dispersion measures how far requests are from independent, among the control alone: users whose requests fail together make counts jump, in either arm, by more than chance,
// and a test that takes requests for independent raises false alarms. The control's users are split by hash into cohorts between which there is no difference; φ̂ is Pearson's
// χ² of the cohorts' totals divided by its degrees of freedom, and is 1 for independent requests. Totals of all windows, not windows one by one: the same users come again.
type Dispersion struct {
	Cohorts []Cohort `json:"cohorts"`
}

// Cohort is what a part of the control did.
type Cohort struct {
	Requests int64 `json:"requests"`
	Bad      int64 `json:"bad"`
}

// NewDispersion is for that many cohorts; 16 or more make an estimate that Temper's margin covers.
func NewDispersion(cohorts int) (*Dispersion, error) {
	if cohorts < 2 {
		return nil, fmt.Errorf("stats: %d cohorts", cohorts)
	}
	return &Dispersion{make([]Cohort, cohorts)}, nil
}

// Clone is a copy that shares nothing.
func (d *Dispersion) Clone() *Dispersion { return &Dispersion{slices.Clone(d.Cohorts)} }

// Observe adds a window, a count for each cohort.
func (d *Dispersion) Observe(window []Cohort) error {
	if len(window) != len(d.Cohorts) {
		return fmt.Errorf("%w: %d cohorts, want %d", ErrWindow, len(window), len(d.Cohorts))
	}
	for _, c := range window {
		if c.Bad < 0 || c.Requests < c.Bad {
			return fmt.Errorf("%w: %+v", ErrWindow, c)
		}
	}
	for i, c := range window {
		d.Cohorts[i].Requests += c.Requests
		d.Cohorts[i].Bad += c.Bad
	}
	return nil
}

// temperMargin covers that φ̂ is an estimate.
const temperMargin = 1.3

// Phi is φ̂, and 1 while there is too little to tell.
func (d *Dispersion) Phi() float64 {
	var requests, bad int64
	for _, c := range d.Cohorts {
		requests += c.Requests
		bad += c.Bad
	}
	if bad == 0 || bad == requests {
		return 1
	}
	p := float64(bad) / float64(requests)
	chi, df := 0.0, -1.0
	for _, c := range d.Cohorts {
		n := float64(c.Requests)
		if n == 0 {
			continue
		}
		off := float64(c.Bad) - n*p
		chi += off * off / (n * p * (1 - p))
		df++
	}
	if df < 1 {
		return 1
	}
	return chi / df
}

// Temper is what a test's evidence is to be divided by: 1.3·φ̂, and never less than 1. A test that sees every user once needs none: its temper is 1.
func (d *Dispersion) Temper() float64 { return math.Max(1, temperMargin*d.Phi()) }
