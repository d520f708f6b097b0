package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

// observe adds what was measured to the evidence, in every active phase: guards watch while nothing advances.
func (d *decision) observe() {
	if !d.s.Phase.Active() {
		return
	}
	if !d.s.Entered.IsZero() {
		d.s.Counted += d.in.Counted
	}
	for i, g := range d.plan.Guards {
		if i < len(d.s.Guards) {
			d.s.Guards[i].observe(g, d.in.Guards[g.Name], d.now)
		}
	}
	for _, w := range d.in.Split {
		if d.s.Split != nil {
			_ = d.s.Split.Observe(w, 1) // a window that cannot be says nothing about the split
		}
	}
}

func (d *decision) command(c Command) {
	why := string(c.Verb) + " by " + c.By
	if c.Reason != "" {
		why += ": " + c.Reason
	}
	switch c.Verb {
	case DoStart:
		if d.s.Phase == Draft {
			d.s.StartAt = c.At
			d.move(Scheduled, why)
		}
	case DoPause:
		d.pause(ByPerson, why)
	case DoResume:
		d.resume(why)
	case DoApprove:
		if d.s.Phase == Progressing || d.s.Phase == Paused && d.s.Cause == ByApproval {
			d.s.Approved = &Approval{By: c.By, At: d.now}
			d.note(why)
			if d.s.Phase == Paused {
				d.resume(why)
			}
		}
	case DoPromote:
		if d.s.Phase == Progressing {
			d.s.Skip = true
			d.note(why)
		}
	case DoFull:
		if d.s.Phase == Progressing && !d.breached() && d.in.Known && !d.in.Killed {
			if last := d.lastExposure(); last > d.s.Step {
				d.enter(last)
				d.note(why)
			}
		}
	case DoAbort:
		if !d.s.Phase.Final() && d.s.Phase != RollingBack {
			d.s.Cause = ByPerson
			d.move(Aborted, why)
		}
	case DoRollback:
		d.rollback(ByPerson, why)
	case DoRetry:
		if d.s.Phase == RolledBack || d.s.Phase == Aborted || d.s.Phase == Expired {
			// Where it began stays what it was: an attempt that was aborted at 50 % does not make 50 % the place to go back to.
			d.s = State{Phase: Scheduled, Generation: d.s.Generation + 1, Attempt: d.s.Attempt, Start: d.s.Start, History: d.s.History}
			d.note(why)
		}
	}
}

// resume goes on where it was paused. What paused it is looked at again at once: a breach that is still there pauses it again.
func (d *decision) resume(why string) {
	if d.s.Phase != Paused {
		return
	}
	if d.s.Cause == ByDrift {
		d.s.Exposure = d.in.Exposure // a person saw it: this is what is now
	}
	for i := range d.s.Guards {
		d.s.Guards[i].Heard = d.now // and has until NoData.After from now
	}
	d.s.Waited = d.now // longest waits begin anew; what had soaked has soaked
	d.s.Cause = ""
	phase := Progressing
	if !d.s.Bake.IsZero() {
		phase = Baking
	}
	d.move(phase, why)
}

// outside is what others did.
func (d *decision) outside() {
	if !d.s.Phase.Active() || !d.in.Known {
		return
	}
	switch {
	case d.in.Newer != "":
		d.s.Cause = ""
		d.move(Superseded, fmt.Sprintf("rollout %s took over", d.in.Newer))
	case d.in.Gone != "":
		// Nothing is left to roll back. Whoever took it away has to say what is to become of this.
		if d.s.Phase == RollingBack {
			d.s.Phase = Progressing
		}
		d.pause(ByGone, d.in.Gone)
	case d.s.Phase == Progressing || d.s.Phase == Baking:
		d.drift()
	}
}

// drift is an exposure that is not what was ordered, of a step that had been seen to have taken effect.
func (d *decision) drift() {
	if d.s.Entered.IsZero() || d.in.Exposure == d.s.Exposure {
		return
	}
	why := fmt.Sprintf("somebody else changed the exposure from %s to %s %%", d.s.Exposure, d.in.Exposure)
	switch d.plan.OnDrift {
	case "refuse":
		d.act(Action{Kind: SetExposure, Exposure: d.s.Exposure, Reason: "put back: " + why})
	case "adopt":
		d.s.Exposure = d.in.Exposure
		d.note("adopted: " + why)
	default:
		d.pause(ByDrift, why)
	}
}

// verdicts judges every guard and the split, in every active phase.
func (d *decision) verdicts() {
	if !d.s.Phase.Active() || d.s.Phase == RollingBack {
		return
	}
	alpha := GuardAlpha(d.plan, d.s.Attempt)
	for i, g := range d.plan.Guards {
		if i >= len(d.s.Guards) {
			break
		}
		e := &d.s.Guards[i]
		e.Verdict = e.judge(g, d.margin(), alpha)
		if e.Verdict == stats.Harmful {
			d.breach(g, e, alpha)
		}
		d.silence(g, e)
	}
	if d.s.Split != nil && d.s.Split.Peak >= stats.Threshold(splitAlpha) {
		why := fmt.Sprintf("the arms' sizes are not as designed (p ≤ %.2g after %d users): they cannot be compared", stats.AnytimeP(d.s.Split.Peak), d.s.Split.Events)
		switch d.plan.Health.SRM {
		case "rollback":
			d.rollback(BySplit, why)
		case "pause":
			d.pause(BySplit, why)
		}
	}
}

func (d *decision) breach(g feature.Guard, e *Evidence, alpha float64) {
	why := fmt.Sprintf("guard %s: %s of the treatment is worse than the control's, at a chance of error of %.3g", g.Name, measure(g), alpha)
	switch {
	case g.DryRun:
		if !e.Told {
			d.note("dry run: " + why)
		}
	case g.OnBreach == "rollback":
		d.rollback(ByGuard, why)
	case g.OnBreach == "pause":
		d.pause(ByGuard, why)
	case !e.Told:
		d.act(Action{Kind: Notify, Reason: why})
	}
	e.Told = true
}

func measure(g feature.Guard) string {
	if g.Event != "" {
		return g.Event
	}
	return g.Kind
}

// silence is a guard that hears nothing: no data is not health. A killed flag exposes nobody, and nothing is to be heard of it.
func (d *decision) silence(g feature.Guard, e *Evidence) {
	rule := d.plan.Health.NoData
	if d.s.Entered.IsZero() || d.in.Killed {
		e.Heard = later(e.Heard, d.now)
		return
	}
	if g.DryRun || rule.Action == "ignore" || d.now.Sub(e.Heard) < time.Duration(rule.After) {
		return
	}
	why := fmt.Sprintf("guard %s has heard nothing for %s", g.Name, rule.After)
	if e.Trouble != "" {
		why += " that it could use: " + e.Trouble
	}
	if rule.Action == "rollback" {
		d.rollback(ByNoData, why)
		return
	}
	d.pause(ByNoData, why)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// breached says whether a guard that stops rollouts says harm.
func (d *decision) breached() bool {
	for i, g := range d.plan.Guards {
		if i < len(d.s.Guards) && !g.DryRun && g.OnBreach != "notify" && d.s.Guards[i].Verdict == stats.Harmful {
			return true
		}
	}
	return false
}

func (d *decision) deadline() {
	if d.plan.Deadline == 0 || d.s.Overdue || !d.s.Phase.Active() || d.s.Phase == RollingBack || d.now.Sub(d.s.Started) < time.Duration(d.plan.Deadline) {
		return
	}
	why := fmt.Sprintf("the deadline of %s has passed", d.plan.Deadline)
	switch d.plan.OnDeadline {
	case "rollback":
		d.rollback(ByDeadline, why)
	case "expire":
		d.s.Cause = ByDeadline
		d.move(Expired, why)
	default:
		d.s.Overdue = true
		d.pause(ByDeadline, why)
	}
}

// margin is what the current step wants ruled out.
func (d *decision) margin() float64 {
	if d.s.Step < len(d.plan.Steps) {
		return d.plan.Steps[d.s.Step].Margin
	}
	return 0
}

// lastExposure is the index of the last step that sets the exposure.
func (d *decision) lastExposure() int {
	for i := len(d.plan.Steps) - 1; i >= 0; i-- {
		if d.plan.Steps[i].SetExposure != nil {
			return i
		}
	}
	return 0
}

// waitsFor is what a rollout that has not begun waits for.
func (d *decision) waitsFor() {
	if d.now.Before(d.s.StartAt) {
		d.wait("its start at " + d.s.StartAt.UTC().Format(time.RFC3339))
	}
	if len(d.in.Pending) > 0 {
		d.wait("rollout " + strings.Join(d.in.Pending, ", ") + " to be completed")
	}
	if !d.plan.Windows.Open(d.now) {
		d.wait("a window in which it may advance")
	}
	switch {
	case !d.in.Known:
		d.wait("its flag to be read")
	case d.in.Gone != "":
		d.wait(d.in.Gone)
	case d.in.Newer != "":
		d.wait("rollout " + d.in.Newer + ", which has the same distribution")
	}
}
