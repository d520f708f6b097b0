package rollout

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

// Measured is what was measured of a guard since the last decision: the part that belongs to its kind.
type Measured struct {
	Users    []stats.Window   // proportion: first bad events of users, by the share of their revision
	Requests []stats.Requests // count
	Cohorts  [][]stats.Cohort // count: of the control, to see how far requests are from independent
	Buckets  []stats.Buckets  // histogram
	Sums     []ArmSums        // mean
	Rates    []stats.Cohort   // slo: of the treatment
	Heard    bool             // something was measured, if only that nothing bad happened
}

// ArmSums are a window of measured values.
type ArmSums struct{ Treatment, Control stats.Sums }

// Evidence is what a guard has gathered. Exactly the process of its kind is there.
type Evidence struct {
	Guard   string                 `json:"guard"`
	Verdict stats.Verdict          `json:"verdict"`
	Heard   time.Time              `json:"heard,omitzero"` // when something was measured last
	Told    bool                   `json:"told,omitempty"` // its breach was acted upon
	Harm    *stats.Arms            `json:"harm,omitempty"`
	Safe    map[string]*stats.Arms `json:"safe,omitempty"` // by margin
	Pending stats.Requests         `json:"pending,omitzero"`
	Spread  *stats.Dispersion      `json:"spread,omitempty"`
	Exceeds *stats.Exceedance      `json:"exceeds,omitempty"`
	Means   *stats.Means           `json:"means,omitempty"`
	Rate    *stats.Rate            `json:"rate,omitempty"`
	Trouble string                 `json:"trouble,omitempty"` // why its newest numbers were not used
}

const (
	cohorts    = 50
	splitAlpha = 0.001 // of a mismatch of the split, on its own
)

func (e Evidence) clone() Evidence {
	if e.Harm != nil {
		e.Harm = e.Harm.Clone()
	}
	e.Safe = maps.Clone(e.Safe)
	for margin, safe := range e.Safe {
		e.Safe[margin] = safe.Clone()
	}
	if e.Spread != nil {
		e.Spread = e.Spread.Clone()
	}
	if e.Exceeds != nil {
		e.Exceeds = e.Exceeds.Clone()
	}
	if e.Means != nil {
		means := *e.Means
		e.Means = &means
	}
	if e.Rate != nil {
		e.Rate = e.Rate.Clone()
	}
	return e
}

// newEvidence begins a guard's evidence. A plan that was validated gives no error.
func newEvidence(plan feature.Plan, g feature.Guard, now time.Time) (Evidence, error) {
	e := Evidence{Guard: g.Name, Verdict: stats.Undecided, Heard: now}
	bad := stats.Direction(g.Bad)
	var err error
	switch g.Kind {
	case "proportion", "count":
		if e.Harm, err = stats.NewHarm(bad, g.Tolerate, true); err != nil {
			return e, err
		}
		e.Safe = map[string]*stats.Arms{}
		for _, margin := range margins(plan) {
			if e.Safe[marginKey(margin)], err = stats.NewSafe(bad, directed(bad, margin), true); err != nil {
				return e, err
			}
		}
		if g.Kind == "count" {
			e.Spread, err = stats.NewDispersion(cohorts)
		}
	case "mean":
		e.Means = &stats.Means{}
	case "slo":
		e.Rate, err = stats.NewRate(bad, g.Limit)
	}
	return e, err // a histogram's process is made with its first window, which tells the number of buckets
}

func margins(plan feature.Plan) []float64 {
	var out []float64
	for _, s := range plan.Steps {
		if s.Margin != 0 && !slices.Contains(out, s.Margin) {
			out = append(out, s.Margin)
		}
	}
	return out
}

func marginKey(m float64) string { return strconv.FormatFloat(m, 'g', -1, 64) }

func directed(bad stats.Direction, ratio float64) float64 {
	if bad == stats.Decrease {
		return 1 / ratio
	}
	return ratio
}

// restart begins further runs at the entry of a step, of which harm may come.
func (e *Evidence) restart() {
	if e.Harm != nil {
		e.Harm.Restart()
	}
	for _, safe := range e.Safe {
		safe.Restart()
	}
	if e.Exceeds != nil {
		e.Exceeds.Restart()
	}
}

// observe adds what was measured. Numbers that cannot be are left out, and named: a guard that hears only such hears nothing.
func (e *Evidence) observe(g feature.Guard, m Measured, now time.Time) {
	if !m.Heard {
		return
	}
	if err := e.add(g, m); err != nil {
		e.Trouble = err.Error()
		return
	}
	e.Trouble, e.Heard = "", now
}

func (e *Evidence) add(g feature.Guard, m Measured) error {
	for _, c := range m.Cohorts {
		if e.Spread != nil {
			if err := e.Spread.Observe(c); err != nil {
				return err
			}
		}
	}
	for _, w := range m.Users {
		if err := e.arms(w, 1); err != nil {
			return err
		}
	}
	for _, r := range m.Requests {
		w, ok, err := e.Pending.Add(r)
		if err != nil {
			return err
		}
		if ok && e.Spread != nil {
			if err := e.arms(w, e.Spread.Temper()); err != nil {
				return err
			}
		}
	}
	for _, b := range m.Buckets {
		if e.Exceeds == nil {
			var err error
			if e.Exceeds, err = stats.NewExceedance(stats.Direction(g.Bad), len(b.Treatment), true); err != nil {
				return err
			}
		}
		if err := e.Exceeds.Observe(b, 1); err != nil {
			return err
		}
	}
	for _, s := range m.Sums {
		if e.Means != nil {
			if err := e.Means.Observe(s.Treatment, s.Control); err != nil {
				return err
			}
		}
	}
	for _, r := range m.Rates {
		if e.Rate != nil {
			if err := e.Rate.Observe(r.Requests, r.Bad, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Evidence) arms(w stats.Window, temper float64) error {
	if e.Harm == nil {
		return fmt.Errorf("a guard of another kind counts no arms")
	}
	if err := e.Harm.Observe(w, temper); err != nil {
		return err
	}
	for _, safe := range e.Safe {
		if err := safe.Observe(w, temper); err != nil {
			return err
		}
	}
	return nil
}

// judge is the verdict at level alpha; margin 0 asks for harm alone.
func (e *Evidence) judge(g feature.Guard, margin, alpha float64) stats.Verdict {
	switch {
	case e.Harm != nil:
		safe := math.Inf(-1)
		if s := e.Safe[marginKey(margin)]; s != nil {
			safe = s.Peak
		}
		return stats.Judge(e.Harm.Peak, safe, alpha, alpha)
	case e.Exceeds != nil:
		return stats.Judge(e.Exceeds.Peak, math.Inf(-1), alpha, alpha)
	case e.Means != nil:
		bad := stats.Direction(g.Bad)
		if margin == 0 {
			margin = 1 // nothing is better than no difference at once: never safe by this
		}
		verdict := e.Means.Judge(bad, g.Tolerate, directed(bad, margin), alpha, alpha)
		if margin == 1 && verdict == stats.Safe {
			return stats.Undecided
		}
		return verdict
	case e.Rate != nil:
		return stats.Judge(e.Rate.Peak, math.Inf(-1), alpha, alpha)
	}
	return stats.Undecided
}

// LogEvidence is ln E of harm, and the threshold at which it is a breach; ok is false for a guard of means, which has a bound instead.
func (e Evidence) LogEvidence(alpha float64) (peak, threshold float64, ok bool) {
	threshold = stats.Threshold(alpha)
	switch {
	case e.Harm != nil:
		return e.Harm.Peak, threshold, true
	case e.Exceeds != nil:
		return e.Exceeds.Peak, threshold, true
	case e.Rate != nil:
		return e.Rate.Peak, threshold, true
	}
	return 0, threshold, e.Means == nil
}

// GuardAlpha is a guard's share of the plan's α in an attempt: an equal part of those that can end the rollout, of which the first attempt has half, and each further one
// half of what is left, so that however often a rollout is tried again, the chance that a harmless one is ever rolled back stays at α. A dry run takes nothing from the
// others, and is judged like them.
func GuardAlpha(plan feature.Plan, attempt int) float64 {
	alpha := 0.05
	if plan.Alpha != nil {
		alpha = *plan.Alpha
	}
	n := 0
	for _, g := range plan.Guards {
		if !g.DryRun && g.OnBreach != "notify" {
			n++
		}
	}
	return alpha / float64(max(n, 1)) / math.Pow(2, float64(max(attempt, 1)))
}
