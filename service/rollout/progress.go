package rollout

import (
	"fmt"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

// progress goes on by at most one step.
func (d *decision) progress() {
	switch d.s.Phase {
	case Scheduled, Waiting:
		d.begin()
	case Progressing:
		d.step()
	case Baking:
		d.bake()
	case RollingBack:
		d.back()
	case Draft, Paused, Completed, RolledBack, Aborted, Superseded, Expired: // only a person gets these anywhere
	}
}

// begin starts the first step when nothing stands against it.
func (d *decision) begin() {
	d.waitsFor()
	if len(d.s.Waits) > 0 {
		if d.s.Phase == Scheduled && !d.now.Before(d.s.StartAt) {
			d.move(Waiting, "waits for "+d.s.Waits[0])
		}
		return
	}
	if d.s.Attempt++; d.s.Attempt == 1 {
		d.s.Start = d.in.Exposure
	}
	d.s.Started, d.s.Exposure, d.s.Safe = d.now, d.s.Start, d.s.Start
	d.s.Split = stats.NewSplit()
	d.s.Guards = make([]Evidence, len(d.plan.Guards))
	for i, g := range d.plan.Guards {
		e, err := newEvidence(d.plan, g, d.now)
		if err != nil {
			e.Trouble = err.Error()
		}
		d.s.Guards[i] = e
	}
	d.s.Phase = Progressing
	d.enter(0)
	d.note("started")
}

// enter orders a step. That it has taken effect is read, not assumed.
func (d *decision) enter(i int) {
	d.s.Step, d.s.Ordered, d.s.Entered, d.s.Counted = i, d.now, time.Time{}, 0
	d.s.Approved, d.s.Skip = nil, false
	s := d.plan.Steps[i]
	switch {
	case s.SetExposure != nil:
		// A step that is not above what somebody set before the start takes nothing away.
		d.s.Exposure = max(d.s.Exposure, min(*s.SetExposure, feature.All-s.Holdback))
	case s.SetAudience != nil:
		d.s.Audience = s.SetAudience.Segment
	}
	d.order()
}

// order asks for what the current step needs and is not yet so. Asking again is harmless.
func (d *decision) order() {
	s := d.plan.Steps[d.s.Step]
	switch {
	case s.SetExposure != nil && d.in.Exposure != d.s.Exposure:
		d.act(Action{Kind: SetExposure, Exposure: d.s.Exposure, Reason: d.title()})
	case s.SetAudience != nil && d.in.Audience != d.s.Audience:
		d.act(Action{Kind: SetAudience, Segment: d.s.Audience, Reason: d.title()})
	case s.Webhook != nil && d.hook() == nil:
		d.act(Action{Kind: CallHook, Reason: d.title()})
	}
}

func (d *decision) title() string { return fmt.Sprintf("step %d of %d", d.s.Step+1, len(d.plan.Steps)) }

// hook is the webhook's answer to this step; nil: none yet.
func (d *decision) hook() *HookAnswer {
	if h := d.in.Hook; h != nil && h.Step == d.s.Step {
		return h
	}
	return nil
}

// step waits for everything that the current step asks for, and then takes the next.
func (d *decision) step() {
	if !d.in.Known {
		d.wait("its flag to be read")
		return
	}
	if d.s.Entered.IsZero() {
		if !d.effective() {
			d.wait("its " + d.title() + " to take effect")
			if d.s.Ordered.Before(d.now) { // not in the decision that ordered it
				d.order()
			}
			return
		}
		d.s.Entered, d.s.Waited = d.now, d.now
		for i := range d.s.Guards {
			d.s.Guards[i].restart()
			d.s.Guards[i].Heard = d.now
		}
		d.note(d.title() + " has taken effect")
	}
	if d.webhookSaysNo() {
		return
	}
	d.waits()
	if len(d.s.Waits) > 0 && !d.overdue() {
		return
	}
	if d.s.Phase != Progressing {
		return // overdue led elsewhere
	}
	d.leave()
}

// effective says whether what the step ordered is so.
func (d *decision) effective() bool {
	s := d.plan.Steps[d.s.Step]
	switch {
	case s.SetExposure != nil:
		return d.in.Exposure == d.s.Exposure
	case s.SetAudience != nil:
		return d.in.Audience == d.s.Audience
	}
	return true
}

func (d *decision) webhookSaysNo() bool {
	h := d.hook()
	if d.plan.Steps[d.s.Step].Webhook == nil || h == nil || h.OK {
		return false
	}
	d.pause(ByWebhook, "the webhook of "+d.title()+" says no: "+h.Detail)
	return true
}

// waits lists what stands against leaving the step. A breach is never skipped, and neither is what was not acknowledged.
func (d *decision) waits() {
	s := d.plan.Steps[d.s.Step]
	if d.in.Killed {
		d.wait("the flag's kills to be cleared")
	}
	if d.breached() {
		d.wait("guards that say harm")
	}
	exposes := s.SetExposure != nil || s.SetAudience != nil
	if exposes {
		d.waitPropagated()
	}
	if !d.plan.Windows.Open(d.now) {
		d.wait("a window in which it may advance")
	}
	if d.s.Skip {
		return
	}
	switch {
	case s.Approve != nil && d.s.Approved == nil:
		d.wait("approval")
	case s.Webhook != nil && d.hook() == nil:
		d.wait("its webhook's answer")
		d.order()
	}
	if exposes {
		d.waitTime(s)
		d.waitExposures(s)
		d.waitVerdicts(s)
	}
}

func (d *decision) waitPropagated() {
	need := int64(d.plan.Defaults.Propagated)
	if int64(d.in.Acknowledged)*int64(feature.All) < need*int64(d.in.Instances) {
		d.wait(fmt.Sprintf("%s %% of instances to acknowledge: %d of %d have", d.plan.Defaults.Propagated, d.in.Acknowledged, d.in.Instances))
	}
}

func (d *decision) waitTime(s feature.Step) {
	soak := d.plan.Defaults.Soak
	if s.Soak != nil {
		soak = *s.Soak
	}
	if left := max(time.Duration(soak), time.Duration(d.plan.Defaults.Settle)) - d.now.Sub(d.s.Entered); left > 0 {
		d.wait(fmt.Sprintf("its time: %s are left", feature.Duration(left.Round(time.Second))))
	}
}

func (d *decision) waitExposures(s feature.Step) {
	need := d.plan.Defaults.MinExposures
	if s.MinExposures != nil {
		need = *s.MinExposures
	}
	if d.s.Counted < need {
		d.wait(fmt.Sprintf("%d exposures: %d were counted", need, d.s.Counted))
	}
}

func (d *decision) waitVerdicts(s feature.Step) {
	if s.Require != "safe" {
		return
	}
	for i, g := range d.plan.Guards {
		if i < len(d.s.Guards) && !g.DryRun && g.OnBreach != "notify" && d.s.Guards[i].Verdict != stats.Safe {
			d.wait(fmt.Sprintf("guard %s to rule out that it is %s times worse", g.Name, marginKey(s.Margin)))
		}
	}
}

// overdue looks at how long the step has waited, and says whether it is left all the same.
func (d *decision) overdue() bool {
	s := d.plan.Steps[d.s.Step]
	waited := d.now.Sub(d.s.Waited)
	if a := s.Approve; a != nil && a.Expires != 0 && d.s.Approved == nil && waited >= time.Duration(a.Expires) {
		d.pause(ByApproval, fmt.Sprintf("nobody approved within %s", a.Expires))
		return false
	}
	if s.MaxWait == 0 || waited < time.Duration(s.MaxWait) || d.in.Killed || d.breached() {
		return false
	}
	why := fmt.Sprintf("no verdict within %s: it waits for %s", s.MaxWait, d.s.Waits[0])
	switch s.OnUndecided {
	case "advance":
		undecided := len(d.s.Waits)
		d.s.Waits = nil
		d.s.Skip = true // what only time and numbers ask for; the rest holds
		d.waits()
		d.s.Skip = false
		if len(d.s.Waits) > 0 {
			return false
		}
		d.note(fmt.Sprintf("advances undecided, %d conditions unmet: %s", undecided, why))
		return true
	case "rollback":
		d.rollback(ByUndecided, why)
	default:
		d.pause(ByUndecided, why)
	}
	return false
}

// leave takes the next step, or ends.
func (d *decision) leave() {
	d.s.Waits = nil
	d.s.Safe = d.s.Exposure
	if d.s.Step+1 < len(d.plan.Steps) {
		d.enter(d.s.Step + 1)
		d.note("begins " + d.title())
		return
	}
	d.s.Bake = d.now
	if d.plan.Steps[d.s.Step].Bake > 0 {
		d.move(Baking, "all steps are done; bakes")
		return
	}
	d.move(Completed, "all steps are done")
}

func (d *decision) bake() {
	bake := time.Duration(d.plan.Steps[d.s.Step].Bake)
	switch left := bake - d.now.Sub(d.s.Bake); {
	case !d.in.Known:
		d.wait("its flag to be read")
	case d.breached():
		d.wait("guards that say harm")
	case left > 0:
		d.wait(fmt.Sprintf("its time: %s are left", feature.Duration(left.Round(time.Second))))
	default:
		d.move(Completed, "baked, and nothing was found")
	}
}

// back orders the way back until it is seen.
func (d *decision) back() {
	if d.in.Known && d.in.Exposure <= d.s.Revert && d.in.Audience == "" {
		d.s.Exposure, d.s.Audience = d.in.Exposure, ""
		d.move(RolledBack, d.s.Reason)
		return
	}
	d.act(Action{Kind: Revert, Exposure: d.s.Revert, Reason: d.s.Reason})
	d.wait("the exposure to be back")
}
