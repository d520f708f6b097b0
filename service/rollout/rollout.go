// Package rollout decides what a rollout does next: [Decide] takes a plan, where the rollout stands, what was read and the time, and returns where it
// stands then and what is to be done. It is pure: no clock, no I/O, no goroutine, and the same arguments give the same answer, so that a decision can be
// replayed from what was stored of it. Whoever runs it commits the new state and the effect of the actions in one transaction that names the
// state's generation and step; a decision that was made from a state that is no longer the newest then has no effect.
//
// What holds whatever is read, and is tested as such: a rollout never advances while a guard is breached, never takes two steps at once, never exposes more than
// the step it is in, can roll back from every active phase, and does nothing at all when it knows nothing.
package rollout

import (
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

// Phase is where a rollout stands as a whole. An error is no phase: it is a reason to wait.
type Phase string

// The phases.
const (
	Draft       Phase = "draft"
	Scheduled   Phase = "scheduled"   // until its time to start
	Waiting     Phase = "waiting"     // for other rollouts, or for a window, before its first step
	Progressing Phase = "progressing" // in a step
	Paused      Phase = "paused"      // in a step, and not advancing; guards watch
	Baking      Phase = "baking"      // all steps are done; guards watch
	Completed   Phase = "completed"
	RollingBack Phase = "rollingBack" // ordered, and not yet seen
	RolledBack  Phase = "rolledBack"
	Aborted     Phase = "aborted"    // left as it is by a person
	Superseded  Phase = "superseded" // another rollout took over
	Expired     Phase = "expired"    // left as it is at its deadline
)

// Phases are all, in the order of a good rollout and then the bad ends.
var Phases = []Phase{Draft, Scheduled, Waiting, Progressing, Paused, Baking, Completed, RollingBack, RolledBack, Aborted, Superseded, Expired}

// Active says whether the rollout has begun and not ended: it owns its distribution's exposure.
func (p Phase) Active() bool {
	return p == Progressing || p == Paused || p == Baking || p == RollingBack
}

// Final says whether nothing happens any more by itself.
func (p Phase) Final() bool {
	return slices.Contains([]Phase{Completed, RolledBack, Aborted, Superseded, Expired}, p)
}

// State is where a rollout stands. It is plain data; the zero value is a draft. A State must not be changed but by Decide.
type State struct {
	Phase      Phase     `json:"phase"`
	Generation int64     `json:"generation"` // raised when a decision voids what was ordered before: a rollback, a retry
	Attempt    int       `json:"attempt"`    // 1 for the first
	StartAt    time.Time `json:"startAt,omitzero"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`

	Step    int       `json:"step"`              // index of the plan's steps
	Ordered time.Time `json:"ordered,omitzero"`  // when the step was begun
	Entered time.Time `json:"entered,omitzero"`  // when it was seen to have taken effect; zero: not yet
	Waited  time.Time `json:"waited,omitzero"`   // since when a verdict or an approval is waited for
	Counted int64     `json:"counted,omitempty"` // exposures of the treatment since it was entered
	Bake    time.Time `json:"bake,omitzero"`     // since when it bakes

	Start    feature.Percent `json:"start"`              // the exposure before the first step
	Exposure feature.Percent `json:"exposure"`           // what was ordered last
	Safe     feature.Percent `json:"safe"`               // of the last step that was left in good order
	Audience string          `json:"audience,omitempty"` // the segment that was ordered last
	Revert   feature.Percent `json:"revert"`             // rolling back: where to

	Approved *Approval `json:"approved,omitempty"` // of this step
	Skip     bool      `json:"skip,omitempty"`     // a person said not to wait for the rest of this step
	Overdue  bool      `json:"overdue,omitempty"`  // the deadline has paused it once; whoever resumes it knows
	Cause    Cause     `json:"cause,omitempty"`    // what paused it, or ended it
	Reason   string    `json:"reason,omitempty"`   // that in a sentence
	Waits    []string  `json:"waits,omitempty"`    // what has to come true before the next step, a sentence each

	Guards  []Evidence   `json:"guards,omitempty"` // as the plan's
	Split   *stats.Arms  `json:"split,omitempty"`
	History []Transition `json:"history,omitempty"` // the newest last, at most 200
}

// Cause classes why a rollout is paused or ended.
type Cause string

// The causes.
const (
	ByPerson    Cause = "person"
	ByGuard     Cause = "guard"
	BySplit     Cause = "split"     // sample ratio mismatch
	ByNoData    Cause = "noData"    // a guard hears nothing
	ByDrift     Cause = "drift"     // somebody else changed the exposure
	ByGone      Cause = "gone"      // the flag, the rule or the distribution is not there
	ByWebhook   Cause = "webhook"   // it said no
	ByDeadline  Cause = "deadline"  // the plan's
	ByApproval  Cause = "approval"  // nobody approved in time
	ByUndecided Cause = "undecided" // no verdict within maxWait
)

// Approval is who let a step pass.
type Approval struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Transition is one change of phase or step, for people.
type Transition struct {
	At    time.Time `json:"at"`
	Phase Phase     `json:"phase"`
	Step  int       `json:"step"`
	Why   string    `json:"why"`
}

const maxHistory = 200

// Readings are what is known at the moment of a decision. What is not known is zero, and holds the rollout.
type Readings struct {
	Known    bool // the target was read; otherwise nothing goes up, whoever asks
	Gone     string
	Exposure feature.Percent // of the distribution, as it is
	Audience string          // the segment of the rollout's own rule, as it is
	Killed   bool
	Newer    string // a rollout that took over the same distribution; empty: none

	Acknowledged int // instances that serve the newest revision
	Instances    int // of so many

	Counted  int64          // exposures of the treatment since the last decision
	Split    []stats.Window // users who were exposed for the first time, by arm
	Guards   map[string]Measured
	Hook     *HookAnswer // to the webhook of this generation and step
	Pending  []string    // names of rollouts of Plan.After that are not completed
	Commands []Command   // in the order given
}

// HookAnswer is what a webhook said in the end, after its retries.
type HookAnswer struct {
	Step   int
	OK     bool
	Detail string
}

// Verb is what a person asks of a rollout.
type Verb string

// The verbs.
const (
	DoStart    Verb = "start"
	DoPause    Verb = "pause"
	DoResume   Verb = "resume"
	DoApprove  Verb = "approve"
	DoPromote  Verb = "promote"     // leave this step without waiting for the rest
	DoFull     Verb = "promoteFull" // go to the last step
	DoAbort    Verb = "abort"       // stop, and leave everything as it is
	DoRollback Verb = "rollback"
	DoRetry    Verb = "retry" // from the first step, as a new attempt
)

// Command is one of them. Who may give it was checked.
type Command struct {
	Verb   Verb
	By     string
	Reason string
	At     time.Time // start: not before
}

// Kind is what kind of an action is to be done.
type Kind string

// The kinds of actions.
const (
	SetExposure Kind = "setExposure" // of the distribution, to exactly this, if it is what the readings said
	SetAudience Kind = "setAudience" // the rollout's own rule serves To to this segment; empty: the rule goes away
	Revert      Kind = "revert"      // exposure := min(current, this), and the rollout's own rule goes away; whatever else was edited
	CallHook    Kind = "callHook"
	Notify      Kind = "notify"
)

// Action is one effect that a decision asks for. Doing it twice is doing it once: it names what it is for.
type Action struct {
	Kind       Kind
	Generation int64
	Step       int
	Exposure   feature.Percent
	Segment    string
	Reason     string
}

// Decide is the next step of everything. State is not changed; the returned one shares nothing with it.
func Decide(plan feature.Plan, state State, in Readings, now time.Time) (State, []Action) {
	d := &decision{plan: plan, s: state.clone(), in: in, now: now}
	if d.s.Phase == "" {
		d.s.Phase = Draft
	}
	d.s.Waits = nil
	d.observe()
	for _, c := range in.Commands {
		d.command(c)
	}
	d.outside()
	d.verdicts()
	d.deadline()
	d.progress()
	return d.s, d.actions
}

func (s State) clone() State {
	s.Waits, s.History = slices.Clone(s.Waits), slices.Clone(s.History)
	if s.Approved != nil {
		a := *s.Approved
		s.Approved = &a
	}
	if s.Split != nil {
		s.Split = s.Split.Clone()
	}
	s.Guards = slices.Clone(s.Guards)
	for i := range s.Guards {
		s.Guards[i] = s.Guards[i].clone()
	}
	return s
}

// decision is one call of Decide.
type decision struct {
	plan    feature.Plan
	s       State
	in      Readings
	now     time.Time
	actions []Action
}

func (d *decision) act(a Action) {
	a.Generation, a.Step = d.s.Generation, d.s.Step
	d.actions = append(d.actions, a)
}

// move changes the phase, and remembers why.
func (d *decision) move(to Phase, why string) {
	d.s.Phase = to
	d.note(why)
	if to.Final() {
		d.s.Ended = d.now
	}
}

func (d *decision) note(why string) {
	d.s.Reason = why
	d.s.History = append(d.s.History, Transition{d.now, d.s.Phase, d.s.Step, why})
	if n := len(d.s.History); n > maxHistory {
		d.s.History = slices.Delete(d.s.History, 0, n-maxHistory)
	}
}

func (d *decision) wait(why string) { d.s.Waits = append(d.s.Waits, why) }

func (d *decision) pause(cause Cause, why string) {
	if d.s.Phase != Progressing && d.s.Phase != Baking {
		return
	}
	d.s.Cause = cause
	d.withdraw()
	d.move(Paused, why)
	d.act(Action{Kind: Notify, Reason: why})
}

// withdraw takes back what this decision has ordered so far; what the step needs is ordered again when it goes on.
func (d *decision) withdraw() {
	d.actions = slices.DeleteFunc(d.actions, func(a Action) bool { return a.Kind != Notify })
}

// rollback orders the way back. It holds in every active phase, and outranks everything.
func (d *decision) rollback(cause Cause, why string) {
	if !d.s.Phase.Active() || d.s.Phase == RollingBack {
		return
	}
	d.withdraw()
	d.s.Generation++
	d.s.Cause = cause
	d.s.Revert = d.s.Start
	if d.plan.RollbackTo == "lastSafeStep" && cause != ByPerson {
		d.s.Revert = min(d.s.Safe, d.s.Exposure)
	}
	d.move(RollingBack, why)
	d.act(Action{Kind: Notify, Reason: why})
}
