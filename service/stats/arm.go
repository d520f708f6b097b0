package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Window is what was counted since the last one, of one revision: Bad events in both arms together, of which Treatment in the treatment arm,
// and Share, the part of those who could have caused one that was in the treatment arm, 0 < Share < 1.
//
// Windows of different shares are never added up. Where the share goes up while the rate goes down for all, totals put the blame on the
// treatment: in simulation that is a false alarm every time.
type Window struct {
	Bad       int64   `json:"bad"`
	Treatment int64   `json:"treatment"`
	Share     float64 `json:"share"`
}

// ErrWindow is wrapped by errors of windows that cannot have been counted.
var ErrWindow = errors.New("stats: impossible window")

func (w Window) check() error {
	switch {
	case w.Bad < 0 || w.Treatment < 0 || w.Treatment > w.Bad:
		return fmt.Errorf("%w: %d of %d events are of the treatment", ErrWindow, w.Treatment, w.Bad)
	case !(w.Share > 0 && w.Share < 1):
		return fmt.Errorf("%w: a share of %v", ErrWindow, w.Share)
	}
	return nil
}

// expected is the chance that a bad event is of the treatment when the treatment's rate is r times the control's: s·r / (s·r + 1 − s).
// The rate itself cancels, so that an incident upstream or the time of day moves nothing.
func expected(share, r float64) float64 { return share * r / (share*r + 1 - share) }

// Arms is the arm-label e-process: of every bad event it asks only in which arm it was. For each rate ratio r of a grid it keeps
//
//	L_r += k·ln(q_r/q_0) + (m−k)·ln((1−q_r)/(1−q_0)),    q_r = s·r/(s·r + 1 − s)
//
// for windows of m events, k of them in the treatment, at share s, and E = Σ w_r·exp(L_r) with equal weights w_r. While the true ratio lies
// on the null's side of Null, every exp(L_r) is a supermartingale: with a share by design because the label of each event is then a coin
// with a known bound, and with an observed share n_T/(n_T+n_C) and Null = 1 because the labels are drawn without replacement, under which the
// expectation of a convex function is no greater (Hoeffding 1963). Source: Lindon and Malek, arXiv 2011.03567, with a discrete mixture.
//
// Restart begins another process beside the earlier ones, so that harm which comes late need not first make up for a long good time. The
// sum stays a supermartingale since the weights are fixed beforehand: the first has 1 − Reserve, the j-th further one Reserve/(j·(j+1)), and what is
// not yet given out counts as a constant.
type Arms struct {
	Null    float64     `json:"null"`    // the ratio up to which nothing is wrong
	Ratios  []float64   `json:"ratios"`  // the grid, all on one side of Null, or on both for a test of the split
	Reserve float64     `json:"reserve"` // of the weight, for restarts; 0 when there are none
	Logs    [][]float64 `json:"logs"`    // L_r of each run, oldest first
	Events  int64       `json:"events"`  // bad events counted
	Temper  float64     `json:"temper"`  // what evidence is divided by, at least 1
	Peak    float64     `json:"peak"`    // the greatest ln E so far: once crossed is crossed

	gains gains
}

// gains are what an event adds to each L_r, by its arm, at the share that they were computed for: windows of one step have one share by design.
type gains struct {
	share              float64
	treatment, control []float64
}

func (a *Arms) gainsAt(share float64) gains {
	if a.gains.share == share {
		return a.gains
	}
	g := gains{share, make([]float64, len(a.Ratios)), make([]float64, len(a.Ratios))}
	q0 := expected(share, a.Null)
	for i, r := range a.Ratios {
		q := expected(share, r)
		g.treatment[i], g.control[i] = math.Log(q/q0), math.Log((1-q)/(1-q0))
	}
	a.gains = g
	return g
}

// restartReserve is half: a rollout with restarts finds early harm ln 2 of evidence later than one without.
const restartReserve = 0.5

// NewHarm tests whether the treatment's rate of bad events is worse than tolerance times the control's; a tolerance of 1 tolerates nothing, and
// is the only one that observed shares allow. It is above 1 for Increase and below 1 for Decrease where something is tolerated.
func NewHarm(bad Direction, tolerance float64, restarts bool) (*Arms, error) {
	if err := checkDirection(bad); err != nil {
		return nil, err
	}
	if worse := away(bad, tolerance); !(worse >= 1) || math.IsInf(worse, 0) {
		return nil, fmt.Errorf("stats: a tolerance of %v for %s", tolerance, bad)
	}
	return newArms(tolerance, harmRatios(bad, tolerance), restarts), nil
}

// NewSafe tests the opposite: that the ratio is better than margin, such as 1.5 for Increase or 0.8 for Decrease. Its evidence grows when the
// treatment is as good as the control, the faster the wider the margin. A margin of 1 cannot be proven by something that is just as good.
func NewSafe(bad Direction, margin float64, restarts bool) (*Arms, error) {
	if err := checkDirection(bad); err != nil {
		return nil, err
	}
	worse := away(bad, margin)
	if !(worse > 1) || math.IsInf(worse, 0) {
		return nil, fmt.Errorf("stats: a margin of %v for %s", margin, bad)
	}
	// From just better than the margin, over no difference, to as much better again.
	better := []float64{math.Pow(worse, 0.5), 1, math.Pow(worse, -0.5), 1 / worse}
	for i := range better {
		better[i] = away(bad, better[i])
	}
	return newArms(margin, better, restarts), nil
}

// NewSplit tests whether users arrive in the arms as designed (sample ratio mismatch): every first exposure of a user is an event. A split that is off
// says that the arms cannot be compared, whatever they show.
func NewSplit() *Arms {
	return newArms(1, []float64{0.5, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 2}, false)
}

func newArms(null float64, grid []float64, restarts bool) *Arms {
	a := &Arms{Null: null, Ratios: grid, Logs: [][]float64{make([]float64, len(grid))}, Temper: 1}
	if restarts {
		a.Reserve = restartReserve
	}
	return a
}

// Clone is a copy that shares nothing.
func (a *Arms) Clone() *Arms {
	c := *a
	c.gains = gains{}
	c.Ratios = slices.Clone(a.Ratios)
	c.Logs = make([][]float64, len(a.Logs))
	for i, run := range a.Logs {
		c.Logs[i] = slices.Clone(run)
	}
	return &c
}

// Restart begins a further run. Call it where something changes of which harm may come, such as at the entry of a step. Without a reserve it does nothing.
func (a *Arms) Restart() {
	if a.Reserve > 0 {
		a.Logs = append(a.Logs, make([]float64, len(a.Ratios)))
	}
}

// Observe adds a window. Temper is what Dispersion.Temper says where events are not independent of each other, else 1. The greatest that ever was divides the evidence
// of all windows, the earlier ones too: users who come again are seen to do so only in time. It costs two multiplications a ratio and run while the share stays.
func (a *Arms) Observe(w Window, temper float64) error {
	if err := w.check(); err != nil {
		return err
	}
	if !(temper >= 1) {
		return fmt.Errorf("%w: tempered by %v", ErrWindow, temper)
	}
	if w.Bad == 0 {
		return nil
	}
	a.Temper = max(a.Temper, temper)
	k, rest := float64(w.Treatment), float64(w.Bad-w.Treatment)
	g := a.gainsAt(w.Share)
	bound := 0.0
	for j, run := range a.Logs {
		top := math.Inf(-1)
		for i := range run {
			run[i] += k*g.treatment[i] + rest*g.control[i]
			top = max(top, run[i])
		}
		bound = max(bound, top/a.Temper+math.Log(a.weight(j)*float64(len(a.Logs)+1)))
	}
	a.Events += w.Bad
	if bound > a.Peak { // no sum of n terms is above n times the greatest: most windows need no exponential
		a.Peak = max(a.Peak, a.Evidence())
	}
	return nil
}

// weight is that of the j-th run.
func (a *Arms) weight(j int) float64 {
	if j == 0 {
		return 1 - a.Reserve
	}
	return a.Reserve / (float64(j) * float64(j+1))
}

// Evidence is ln E now. Peak, not this, is compared with a Threshold.
func (a *Arms) Evidence() float64 {
	total := 1 / float64(len(a.Ratios))
	weights := make([]float64, 0, 16)
	logs := make([]float64, 0, 16)
	for i, run := range a.Logs {
		for _, l := range run {
			weights, logs = append(weights, a.weight(i)*total), append(logs, l/a.Temper)
		}
	}
	if a.Reserve > 0 {
		weights, logs = append(weights, a.Reserve/float64(len(a.Logs))), append(logs, 0)
	}
	return logSum(weights, logs)
}

// EventsToNotice is about how many further bad events, in both arms together, it takes from now until harm of this ratio is noticed at level alpha, in the mean and at this
// share: what is missing of the evidence, divided by what an event brings. It is 0 when it is noticed already, and +Inf when ratio is no harm.
func (a *Arms) EventsToNotice(ratio, share, alpha float64) float64 {
	missing := Threshold(alpha) - a.Peak
	if missing <= 0 {
		return 0
	}
	q, q0 := expected(share, ratio), expected(share, a.Null)
	best := math.Inf(1)
	for i, r := range a.Ratios {
		qr := expected(share, r)
		rate := q*math.Log(qr/q0) + (1-q)*math.Log((1-qr)/(1-q0))
		if rate <= 0 {
			continue
		}
		for j, run := range a.Logs {
			need := Threshold(alpha) - math.Log(a.weight(j)/float64(len(a.Ratios))) - run[i]/a.Temper
			best = math.Min(best, math.Max(0, need*a.Temper/rate))
		}
	}
	return best
}

// Requests are counts of one window in both arms, where every request counts and not every user once.
type Requests struct {
	Treatment    int64 `json:"treatment"`
	Control      int64 `json:"control"`
	BadTreatment int64 `json:"badTreatment"`
	BadControl   int64 `json:"badControl"`
}

// Add puts further counts to it, and says of a window that both arms had requests whether it can be observed: the share is the observed one. A window that had
// not is kept and grows, for a share of 0 or 1 says nothing. When it returns true, r is empty again.
func (r *Requests) Add(more Requests) (Window, bool, error) {
	if more.Treatment < more.BadTreatment || more.Control < more.BadControl || more.BadTreatment < 0 || more.BadControl < 0 {
		return Window{}, false, fmt.Errorf("%w: %+v", ErrWindow, more)
	}
	r.Treatment += more.Treatment
	r.Control += more.Control
	r.BadTreatment += more.BadTreatment
	r.BadControl += more.BadControl
	if r.Treatment == 0 || r.Control == 0 {
		return Window{}, false, nil
	}
	w := Window{
		Bad: r.BadTreatment + r.BadControl, Treatment: r.BadTreatment,
		Share: float64(r.Treatment) / float64(r.Treatment+r.Control),
	}
	*r = Requests{}
	return w, true, nil
}
