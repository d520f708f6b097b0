package rollout

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/stats"
)

const plain = `{"name":"r","flag":"f","environment":"production","from":"off","to":"on","defaults":{"soak":"10m"},
"steps":[{"setExposure":5},{"approve":{}},{"setExposure":25},{"setExposure":100,"bake":"1h"}],
"guards":[{"name":"errors","event":"e","kind":"proportion","bad":"increase"},{"name":"tried","event":"t","kind":"proportion","bad":"decrease","dryRun":true}]}`

var verbs = []Verb{DoStart, DoPause, DoResume, DoApprove, DoPromote, DoFull, DoAbort, DoRollback, DoRetry}

// inPhase brings a rollout to a phase the way it gets there.
func inPhase(t *testing.T, phase Phase) *world {
	t.Helper()
	plan := plain
	if phase == Expired {
		plan = strings.Replace(plain, `"from"`, `"deadline":"20m","onDeadline":"expire","from"`, 1)
	}
	w := newWorld(t, plan)
	lines := map[Phase][]string{
		Draft:       {},
		Scheduled:   {"+0s start=1h"},
		Waiting:     {"+0s start pending=other"},
		Progressing: {"+0s start", "+1s"},
		Paused:      {"+0s start", "+1s", "+1m pause"},
		Baking:      {"+0s start", "+1s", "+10m", "+1s approve", "+1s", "+10m", "+1s", "+10m"},
		Completed:   {"+0s start", "+1s", "+10m", "+1s approve", "+1s", "+10m", "+1s", "+10m", "+1h"},
		RollingBack: {"+0s start", "+1s deaf rollback"},
		RolledBack:  {"+0s start", "+1s rollback", "+1s"},
		Aborted:     {"+0s start", "+1s", "+1m abort"},
		Superseded:  {"+0s start", "+1s newer=other"},
		Expired:     {"+0s start", "+1s", "+20m"},
	}[phase]
	for _, line := range lines {
		_, err := w.run(line)
		require.NoError(t, err)
	}
	if phase == Draft {
		_ = w.decide(Readings{})
	}
	require.Equal(t, phase, w.state.Phase)
	w.in.Pending = nil
	return w
}

// TestEveryPhaseByEveryVerb writes down what becomes of each phase by each verb, so that a change of any of them is seen in review.
func TestEveryPhaseByEveryVerb(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s", "")
	for _, v := range verbs {
		fmt.Fprintf(&b, "%-13s", v)
	}
	for _, phase := range Phases {
		fmt.Fprintf(&b, "\n%-12s", phase)
		for _, verb := range verbs {
			w := inPhase(t, phase)
			w.deaf = true // what is ordered is not yet so
			w.decide(Readings{Commands: []Command{{Verb: verb, By: "ann"}}})
			got := string(w.state.Phase)
			if w.state.Phase == phase {
				got = "·"
			}
			fmt.Fprintf(&b, "%-13s", got)
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got := strings.Join(lines, "\n") + "\n"
	const file = "testdata/verbs.golden"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestRollbackIsPossibleFromEveryActivePhase(t *testing.T) {
	for _, phase := range []Phase{Progressing, Paused, Baking} {
		for _, known := range []bool{true, false} { // also when nothing can be read
			w := inPhase(t, phase)
			w.in.Known = known
			state, actions := Decide(w.plan, w.state, Readings{Known: known, Exposure: w.in.Exposure, Commands: []Command{{Verb: DoRollback, By: "ann"}}}, w.now)
			require.Equal(t, RollingBack, state.Phase, phase)
			require.Greater(t, state.Generation, w.state.Generation)
			require.Contains(t, actions, Action{Kind: Revert, Generation: state.Generation, Step: state.Step, Exposure: 0, Reason: "rollback by ann"})
		}
	}
}

// guess is a plan and a life of it: what a world full of mishaps may show to a rollout.
func guess(t *rapid.T) (feature.Plan, []Readings, []time.Duration) {
	var plan feature.Plan
	exposures := rapid.SliceOfNDistinct(rapid.IntRange(1, 100_000), 1, 4, rapid.ID[int]).Draw(t, "exposures")
	last := 0
	for _, e := range exposures {
		if e <= last {
			continue
		}
		last = e
		p := feature.Percent(e)
		s := feature.Step{SetExposure: &p}
		if rapid.Bool().Draw(t, "safe") {
			s.Require, s.Margin, s.MaxWait = "safe", 1.5, feature.Duration(time.Hour)
			s.OnUndecided = rapid.SampledFrom([]string{"hold", "advance", "rollback"}).Draw(t, "undecided")
		}
		plan.Steps = append(plan.Steps, s)
		if rapid.IntRange(0, 3).Draw(t, "approve") == 0 {
			plan.Steps = append(plan.Steps, feature.Step{Approve: &feature.Approve{Expires: feature.Duration(time.Hour)}})
		}
	}
	plan.Steps[len(plan.Steps)-1].Bake = feature.Duration(10 * time.Minute)
	plan.Name, plan.Flag, plan.Environment, plan.From, plan.To = "r", "f", "e", "off", "on"
	plan.RollbackTo = rapid.SampledFrom([]string{"start", "lastSafeStep"}).Draw(t, "rollbackTo")
	plan.OnDrift = rapid.SampledFrom([]string{"pause", "adopt", "refuse"}).Draw(t, "onDrift")
	plan.Defaults.Soak = feature.Duration(5 * time.Minute)
	plan.Guards = []feature.Guard{{Name: "errors", Event: "e", Kind: "proportion", Bad: "increase", OnBreach: rapid.SampledFrom([]string{"rollback", "pause", "notify"}).Draw(t, "onBreach")}}
	if rapid.Bool().Draw(t, "deadline") {
		plan.Deadline, plan.OnDeadline = feature.Duration(2*time.Hour), rapid.SampledFrom([]string{"hold", "rollback", "expire"}).Draw(t, "onDeadline")
	}
	plan.Normalize()
	require.NoError(t, plan.Validate())
	n := rapid.IntRange(1, 40).Draw(t, "decisions")
	readings, spans := make([]Readings, n), make([]time.Duration, n)
	for i := range readings {
		spans[i] = time.Duration(rapid.SampledFrom([]int{0, 1, 60, 600, 3600}).Draw(t, "span")) * time.Second
		r := Readings{Known: rapid.IntRange(0, 9).Draw(t, "known") > 0, Instances: 3, Acknowledged: rapid.IntRange(2, 3).Draw(t, "ack"), Counted: 500}
		r.Killed = rapid.IntRange(0, 9).Draw(t, "killed") == 0
		if rapid.IntRange(0, 19).Draw(t, "gone") == 0 {
			r.Gone = "the rule is not there"
		}
		m := Measured{Heard: rapid.IntRange(0, 4).Draw(t, "heard") > 0}
		if m.Heard && rapid.Bool().Draw(t, "events") {
			bad := rapid.Int64Range(0, 60).Draw(t, "bad")
			m.Users = []stats.Window{{Bad: bad, Treatment: rapid.Int64Range(0, bad).Draw(t, "treated"), Share: 0.3}}
		}
		r.Guards = map[string]Measured{"errors": m}
		if rapid.IntRange(0, 3).Draw(t, "command?") == 0 || i == 0 {
			verb := rapid.SampledFrom(verbs).Draw(t, "verb")
			if i == 0 {
				verb = DoStart
			}
			r.Commands = []Command{{Verb: verb, By: "ann"}}
		}
		readings[i] = r
	}
	return plan, readings, spans
}

// TestWhatAlwaysHolds lives through random lives. The world does what it is told, mostly, and others change things now and then.
func TestWhatAlwaysHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, readings, spans := guess(t)
		var s State
		now, exposure := monday, feature.Percent(rapid.SampledFrom([]int{0, 0, 3000}).Draw(t, "before"))
		for i, in := range readings {
			now = now.Add(spans[i])
			if rapid.IntRange(0, 14).Draw(t, "drift") == 0 {
				exposure = feature.Percent(rapid.IntRange(0, 100_000).Draw(t, "exposure"))
			}
			in.Exposure = exposure
			before, err := json.Marshal(s)
			require.NoError(t, err)
			next, actions := Decide(plan, s, in, now)

			after, err := json.Marshal(s)
			require.NoError(t, err)
			require.JSONEq(t, string(before), string(after), "the state that was given is not changed")
			var stored State
			require.NoError(t, json.Unmarshal(before, &stored))
			again, same := Decide(plan, stored, in, now)
			require.Equal(t, actions, same, "a decision can be replayed from what was stored")
			a, err := json.Marshal(next)
			require.NoError(t, err)
			b, err := json.Marshal(again)
			require.NoError(t, err)
			require.JSONEq(t, string(a), string(b))

			holds(t, plan, s, next, in, actions)
			if rapid.IntRange(0, 4).Draw(t, "does") > 0 {
				exposure = carryOut(actions, exposure)
			}
			s = next
		}
	})
}

func carryOut(actions []Action, exposure feature.Percent) feature.Percent {
	for _, a := range actions {
		switch a.Kind {
		case SetExposure:
			exposure = a.Exposure
		case Revert:
			exposure = min(exposure, a.Exposure)
		case SetAudience, CallHook, Notify:
		}
	}
	return exposure
}

func holds(t *rapid.T, plan feature.Plan, s, next State, in Readings, actions []Action) {
	commanded := func(v Verb) bool { return len(in.Commands) > 0 && in.Commands[0].Verb == v }
	if s.Phase.Active() && next.Phase.Active() && !commanded(DoFull) {
		require.LessOrEqual(t, next.Step, s.Step+1, "never two steps at once")
	}
	if next.Step > s.Step {
		for _, e := range next.Guards {
			require.False(t, e.Verdict == stats.Harmful && plan.Guards[0].OnBreach != "notify", "never past a guard that says harm")
		}
		require.True(t, in.Known, "never without knowing")
		require.False(t, in.Killed, "never while it is killed")
		if s.Phase == Progressing && plan.Steps[s.Step].SetExposure != nil && !commanded(DoFull) {
			require.True(t, !s.Entered.IsZero() || in.Exposure == s.Exposure, "never before the step was seen")
		}
	}
	if s.Phase.Final() && len(in.Commands) == 0 {
		require.Equal(t, s.Phase, next.Phase, "what has ended has ended")
		require.Empty(t, actions)
	}
	ceiling := next.Start
	for i, step := range plan.Steps {
		if step.SetExposure != nil && i <= next.Step {
			ceiling = max(ceiling, *step.SetExposure)
		}
	}
	for _, a := range actions {
		if a.Kind != Notify {
			require.Equal(t, next.Generation, a.Generation)
			require.NotEqual(t, Paused, next.Phase, "nothing is ordered by what is paused")
		}
		switch a.Kind {
		case SetExposure:
			if plan.OnDrift != "adopt" { // whoever adopts takes what others set
				require.LessOrEqual(t, a.Exposure, ceiling, "never above the step")
			}
			require.NotEqual(t, RollingBack, next.Phase, "never up while going back")
		case Revert:
			require.Equal(t, RollingBack, next.Phase)
			require.LessOrEqual(t, a.Exposure, max(next.Start, next.Safe))
		case SetAudience, CallHook, Notify:
		}
	}
}

func TestGuardAlphaIsShared(t *testing.T) {
	var plan feature.Plan
	require.NoError(t, json.Unmarshal([]byte(plain), &plan))
	plan.Normalize()
	total := 0.0
	for attempt := 1; attempt < 60; attempt++ {
		total += GuardAlpha(plan, attempt) // of one guard that counts
	}
	require.LessOrEqual(t, total, 0.05+1e-12)
	require.InDelta(t, 0.025, GuardAlpha(plan, 1), 1e-12)
	plan.Guards[1].DryRun = false
	require.InDelta(t, 0.0125, GuardAlpha(plan, 1), 1e-12)
}

// TestEveryKindOfGuardFindsHarm: each kind goes its own way from numbers to a verdict.
func TestEveryKindOfGuardFindsHarm(t *testing.T) {
	worse := map[string]Measured{
		"proportion": {Users: []stats.Window{{Bad: 100, Treatment: 60, Share: 0.2}}},
		"count":      {Requests: []stats.Requests{{Treatment: 1000, Control: 4000, BadTreatment: 100, BadControl: 40}}},
		"histogram":  {Buckets: []stats.Buckets{{Treatment: []int64{10, 10, 80}, Control: []int64{300, 60, 40}}}},
		"mean":       {Sums: []ArmSums{{stats.Sums{Count: 100, Sum: 200, Squares: 450}, stats.Sums{Count: 100, Sum: 100, Squares: 120}}}},
		"slo":        {Rates: []stats.Cohort{{Requests: 1000, Bad: 100}}},
	}
	for _, kind := range feature.GuardKinds {
		for _, harmless := range []bool{true, false} {
			w := newWorld(t, `{"name":"r","flag":"f","environment":"e","from":"off","to":"on","steps":[{"setExposure":20}],
				"guards":[{"name":"g","event":"e","kind":"`+kind+`","bad":"increase"`+map[bool]string{true: `,"limit":0.01`}[kind == "slo"]+`}]}`)
			for range 3 {
				w.decide(Readings{Commands: []Command{{Verb: DoStart, By: "ann"}}})
			}
			for range 20 {
				m := worse[kind]
				if harmless {
					m = Measured{}
				}
				m.Heard = true
				w.decide(Readings{Guards: map[string]Measured{"g": m}})
			}
			require.Equal(t, !harmless, w.state.Phase == RolledBack, "%s, harmless: %v: %s", kind, harmless, w.state.Reason)
		}
	}
}
