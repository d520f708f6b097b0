package feature

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is what a rollout is to do: the steps in which one distribution of one flag in one environment is turned up, what is watched
// meanwhile, and what happens when something is wrong. It says nothing about where the rollout stands; that is its state (package rollout).
type Plan struct {
	Name        string `json:"name" dimmer:"required"` // a key, unique in the project
	Description string `json:"description,omitempty"`
	Flag        string `json:"flag" dimmer:"required"`
	Environment string `json:"environment" dimmer:"required"`
	Target      string `json:"target,omitempty"` // a rule's id; empty: the default
	From        string `json:"from" dimmer:"required"`
	To          string `json:"to" dimmer:"required"`

	Alpha    *float64     `json:"alpha,omitempty"` // total chance of a false rollback over the whole rollout, 0 < alpha ≤ 0.5; nil: 0.05
	Defaults StepDefaults `json:"defaults,omitzero"`
	Steps    []Step       `json:"steps" dimmer:"required"`
	Guards   []Guard      `json:"guards,omitempty"`
	Health   Health       `json:"health,omitzero"`

	RollbackTo string   `json:"rollbackTo,omitempty"` // start (default) or lastSafeStep
	Windows    *Windows `json:"windows,omitempty"`    // when it may advance; nil: always
	Deadline   Duration `json:"deadline,omitzero"`    // since its start; 0: none
	OnDeadline string   `json:"onDeadline,omitempty"` // hold (default), rollback or expire
	OnDrift    string   `json:"onDrift,omitempty"`    // what a change of the exposure by somebody else does: pause (default), adopt or refuse
	After      []string `json:"after,omitempty"`      // rollouts that have to be completed before this one begins
}

// StepDefaults hold for every step that does not say otherwise.
type StepDefaults struct {
	Soak         Duration `json:"soak,omitzero"`         // how long a step lasts at least; 0: 10 minutes
	MinExposures int64    `json:"minExposures,omitzero"` // of the treatment in a step, before it may be left
	Settle       Duration `json:"settle,omitzero"`       // after a step is entered, before its numbers count towards leaving it; 0: 30 s
	Propagated   Percent  `json:"propagated,omitzero"`   // of the instances have to have acknowledged a step; 0: 99
}

// Step is one thing that a rollout does, and what it waits for before the next. Exactly one of SetExposure, SetAudience, Approve and Webhook is given.
type Step struct {
	SetExposure *Percent  `json:"setExposure,omitempty"` // of the distribution
	SetAudience *Audience `json:"setAudience,omitempty"` // the variant To for these alone, by a rule that the rollout adds and takes away
	Approve     *Approve  `json:"approve,omitempty"`
	Webhook     *Webhook  `json:"webhook,omitempty"`

	Soak         *Duration `json:"soak,omitempty"`
	MinExposures *int64    `json:"minExposures,omitempty"`
	Require      string    `json:"require,omitempty"`     // of every guard: noHarm (default) or safe
	Margin       float64   `json:"margin,omitempty"`      // safe: the ratio that is ruled out, such as 1.5
	MaxWait      Duration  `json:"maxWait,omitzero"`      // longest, when the verdict stays undecided; 0: for ever
	OnUndecided  string    `json:"onUndecided,omitempty"` // then: hold (default), advance or rollback
	Holdback     Percent   `json:"holdback,omitempty"`    // of setExposure 100: this part stays control, to compare with
	Bake         Duration  `json:"bake,omitzero"`         // the last step: guards watch on, before it is completed
}

// Audience is who gets a variant by a rule of the rollout's own.
type Audience struct {
	Segment string `json:"segment" dimmer:"required"`
}

// Approve waits for a person.
type Approve struct {
	By      []string `json:"by,omitempty"` // token names or ids, one of which suffices; empty: anyone who may ramp
	Expires Duration `json:"expires,omitzero"`
}

// Webhook asks a program: 2xx advances, anything else pauses.
type Webhook struct {
	URL     string   `json:"url" dimmer:"required"`
	Timeout Duration `json:"timeout,omitzero"` // 0: 10 s
	Retries int      `json:"retries,omitzero"`
}

// Guard compares a measure between the arms.
type Guard struct {
	Name     string  `json:"name" dimmer:"required"`
	Source   string  `json:"source,omitempty"` // sdk (default) or prometheus
	Event    string  `json:"event,omitempty"`  // sdk: what Track is called with
	Query    string  `json:"query,omitempty"`  // prometheus
	Kind     string  `json:"kind" dimmer:"required"`
	Bad      string  `json:"bad" dimmer:"required"` // increase or decrease
	Tolerate float64 `json:"tolerate,omitempty"`    // the ratio up to which nothing is wrong; 0: 1
	Limit    float64 `json:"limit,omitempty"`       // slo: the rate that is declared
	OnBreach string  `json:"onBreach,omitempty"`    // rollback (default), pause or notify
	DryRun   bool    `json:"dryRun,omitempty"`      // judged and shown, but nothing is done
}

// GuardKinds are the kinds of guards. A proportion counts each user once; a count, every event; slo is a threshold that no error probability belongs to.
var GuardKinds = []string{"proportion", "count", "histogram", "mean", "slo"}

// Health is what is done when the comparison itself cannot be trusted.
type Health struct {
	SRM    string `json:"srm,omitempty"` // the arms' sizes are not as designed: pause (default), rollback or ignore
	NoData NoData `json:"noData,omitzero"`
}

// NoData is what is done when a guard hears nothing. No data is not health.
type NoData struct {
	After  Duration `json:"after,omitzero"`   // 0: 5 minutes
	Action string   `json:"action,omitempty"` // pause (default), rollback or ignore
}

// Windows are the times at which a rollout may advance. Guards watch and roll back at all times.
type Windows struct {
	Timezone string   `json:"timezone" dimmer:"required"` // IANA, such as Europe/Berlin
	Allow    []string `json:"allow" dimmer:"required"`    // such as "Mon-Thu 09:00-16:00"; until 24:00; not over midnight
}

// The limits of a plan.
const (
	MaxSteps  = 100
	MaxGuards = 20
)

// Duration is a time span that JSON has as text: "90s", "1h30m".
type Duration time.Duration

// MarshalJSON writes the text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String is the text, without units that are zero: "10m", not "10m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// UnmarshalJSON reads the text.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return Malformed("", `must be a time span such as "10m"`)
	}
	span, err := time.ParseDuration(s)
	if err != nil || span < 0 {
		return Malformed("", "%s is not a time span such as \"10m\"", quote(s))
	}
	*d = Duration(span)
	return nil
}

// Normalize fills in what an author may leave out.
func (p *Plan) Normalize() {
	fill := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	span := func(d *Duration, value time.Duration) {
		if *d == 0 {
			*d = Duration(value)
		}
	}
	if p.Alpha == nil {
		alpha := 0.05
		p.Alpha = &alpha
	}
	fill(&p.RollbackTo, "start")
	fill(&p.OnDeadline, "hold")
	fill(&p.OnDrift, "pause")
	fill(&p.Health.SRM, "pause")
	fill(&p.Health.NoData.Action, "pause")
	span(&p.Health.NoData.After, 5*time.Minute)
	span(&p.Defaults.Soak, 10*time.Minute)
	span(&p.Defaults.Settle, 30*time.Second)
	if p.Defaults.Propagated == 0 {
		p.Defaults.Propagated = 99_000
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		fill(&s.Require, "noHarm")
		fill(&s.OnUndecided, "hold")
		if s.Webhook != nil {
			span(&s.Webhook.Timeout, 10*time.Second)
		}
	}
	for i := range p.Guards {
		g := &p.Guards[i]
		fill(&g.Source, "sdk")
		fill(&g.OnBreach, "rollback")
		if g.Tolerate == 0 {
			g.Tolerate = 1
		}
	}
}

// Validate reports every problem of a normalized plan on its own. Whether what it names is there is checked where it is stored.
func (p *Plan) Validate() error {
	var v problems
	v.merge("/name", CheckKey(p.Name))
	v.checkText("/description", p.Description)
	for path, key := range map[string]string{"/flag": p.Flag, "/environment": p.Environment, "/from": p.From, "/to": p.To} {
		if key == "" {
			v.add(path, "is required")
		}
	}
	if p.From == p.To && p.From != "" {
		v.add("/to", "must be another variant than from")
	}
	if p.Alpha == nil || !(*p.Alpha > 0 && *p.Alpha <= 0.5) {
		v.add("/alpha", "must be above 0 and at most 0.5")
	}
	oneOf(&v, "/rollbackTo", p.RollbackTo, "start", "lastSafeStep")
	oneOf(&v, "/onDeadline", p.OnDeadline, "hold", "rollback", "expire")
	oneOf(&v, "/onDrift", p.OnDrift, "pause", "adopt", "refuse")
	oneOf(&v, "/health/srm", p.Health.SRM, "pause", "rollback", "ignore")
	oneOf(&v, "/health/noData/action", p.Health.NoData.Action, "pause", "rollback", "ignore")
	if d := p.Defaults.Propagated; d < 0 || d > All {
		v.add("/defaults/propagated", "must be between 0 and 100")
	}
	if p.Defaults.MinExposures < 0 {
		v.add("/defaults/minExposures", "must not be negative")
	}
	p.validateSteps(&v)
	p.validateGuards(&v)
	if p.Windows != nil {
		if _, err := p.Windows.parse(); err != nil {
			v.merge("/windows", err)
		}
	}
	for i, name := range p.After {
		v.merge(Pointer("after", i), CheckKey(name))
		if name == p.Name {
			v.add(Pointer("after", i), "a rollout cannot wait for itself")
		}
	}
	return v.err()
}

func oneOf(v *problems, path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.add(path, "must be one of %s", strings.Join(allowed, ", "))
	}
}

func (p *Plan) validateSteps(v *problems) {
	switch n := len(p.Steps); {
	case n == 0:
		v.add("/steps", "a rollout needs at least one step")
		return
	case n > MaxSteps:
		v.add("/steps", "has %d steps; at most %d", n, MaxSteps)
		return
	}
	last := Percent(-1)
	exposes := false
	for i, s := range p.Steps {
		at := func(names ...any) string { return Pointer(append([]any{"steps", i}, names...)...) }
		given := 0
		for _, is := range []bool{s.SetExposure != nil, s.SetAudience != nil, s.Approve != nil, s.Webhook != nil} {
			if is {
				given++
			}
		}
		if given != 1 {
			v.add(at(), "must have exactly one of setExposure, setAudience, approve, webhook")
		}
		if s.SetExposure != nil {
			exposes = true
			switch e := *s.SetExposure; {
			case e < 0 || e > All:
				v.add(at("setExposure"), "must be between 0 and 100")
			case e <= last:
				v.add(at("setExposure"), "is %s %%, which is not above the %s %% of the step before; a rollout only goes up", e, last)
			default:
				last = e
			}
		}
		p.validateWaits(v, i, at)
	}
	if !exposes {
		v.add("/steps", "no step exposes anyone: one needs setExposure")
	}
}

func (p *Plan) validateWaits(v *problems, i int, at func(...any) string) {
	s := p.Steps[i]
	oneOf(v, at("require"), s.Require, "noHarm", "safe")
	oneOf(v, at("onUndecided"), s.OnUndecided, "hold", "advance", "rollback")
	switch {
	case s.Require == "safe" && s.Margin == 0:
		v.add(at("margin"), "is required with require: safe, such as 1.5: the harm that has to be ruled out")
	case s.Require == "safe" && len(p.Guards) == 0:
		v.add(at("require"), "safe needs a guard that can prove it")
	case s.Margin != 0 && !(s.Margin > 1 && s.Margin <= 10):
		v.add(at("margin"), "must be above 1 and at most 10")
	}
	if s.MinExposures != nil && *s.MinExposures < 0 {
		v.add(at("minExposures"), "must not be negative")
	}
	if s.Holdback != 0 && (s.SetExposure == nil || *s.SetExposure != All || s.Holdback < 0 || s.Holdback >= All) {
		v.add(at("holdback"), "belongs to setExposure 100, and is below 100")
	}
	if s.Bake != 0 && i != len(p.Steps)-1 {
		v.add(at("bake"), "belongs to the last step")
	}
	if w := s.Webhook; w != nil {
		if !strings.HasPrefix(w.URL, "https://") && !strings.HasPrefix(w.URL, "http://") {
			v.add(at("webhook", "url"), "must be a URL of https or http")
		}
		if w.Retries < 0 || w.Retries > 10 {
			v.add(at("webhook", "retries"), "must be between 0 and 10")
		}
	}
}

func (p *Plan) validateGuards(v *problems) {
	if len(p.Guards) > MaxGuards {
		v.add("/guards", "has %d guards; at most %d", len(p.Guards), MaxGuards)
		return
	}
	names := map[string]bool{}
	for i, g := range p.Guards {
		at := func(name string) string { return Pointer("guards", i, name) }
		v.merge(at("name"), CheckKey(g.Name))
		if names[g.Name] {
			v.add(at("name"), "is the name of another guard too")
		}
		names[g.Name] = true
		oneOf(v, at("source"), g.Source, "sdk", "prometheus")
		oneOf(v, at("kind"), g.Kind, GuardKinds...)
		oneOf(v, at("bad"), g.Bad, "increase", "decrease")
		oneOf(v, at("onBreach"), g.OnBreach, "rollback", "pause", "notify")
		if g.Source == "sdk" && g.Event == "" {
			v.add(at("event"), "names what the SDK's Track is called with, and is required")
		}
		if g.Source == "prometheus" && g.Query == "" {
			v.add(at("query"), "is required with source: prometheus")
		}
		if g.Tolerate != 1 {
			switch {
			case g.Kind == "histogram" || g.Kind == "count":
				v.add(at("tolerate"), "is not possible with kind: %s, which compares observed shares", g.Kind)
			case g.Bad == "increase" && !(g.Tolerate > 1 && g.Tolerate <= 10):
				v.add(at("tolerate"), "must be between 1 and 10 where an increase is bad")
			case g.Bad == "decrease" && !(g.Tolerate >= 0.1 && g.Tolerate < 1):
				v.add(at("tolerate"), "must be between 0.1 and 1 where a decrease is bad")
			}
		}
		if (g.Kind == "slo") != (g.Limit != 0) || g.Kind == "slo" && !(g.Limit > 0 && g.Limit < 1) {
			v.add(at("limit"), "is the declared rate of kind: slo, above 0 and below 1, and of no other kind")
		}
	}
}

// span is a part of a week: minutes since Monday 00:00, until excluded.
type span struct{ from, until int }

var weekdays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

func (w *Windows) parse() ([]span, error) {
	var v problems
	if _, err := time.LoadLocation(w.Timezone); err != nil || w.Timezone == "" {
		v.add("/timezone", "%s is no time zone such as Europe/Berlin", quote(w.Timezone))
	}
	if len(w.Allow) == 0 {
		v.add("/allow", "a window that never opens: name at least one")
	}
	var spans []span
	for i, text := range w.Allow {
		days, hours, ok := strings.Cut(text, " ")
		first, last, ranged := strings.Cut(days, "-")
		if !ranged {
			last = first
		}
		a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
		from, until, err := parseHours(hours)
		if !ok || a < 0 || b < a || err != nil {
			v.add(Pointer("allow", i), "%s is not like \"Mon-Thu 09:00-16:00\"", quote(text))
			continue
		}
		for day := a; day <= b; day++ {
			spans = append(spans, span{day*24*60 + from, day*24*60 + until})
		}
	}
	return spans, v.err()
}

func parseHours(s string) (from, until int, err error) {
	var h1, m1, h2, m2 int
	if n, err := fmt.Sscanf(s, "%2d:%2d-%2d:%2d", &h1, &m1, &h2, &m2); err != nil || n != 4 || len(s) != len("09:00-16:00") {
		return 0, 0, fmt.Errorf("%q are no hours", s)
	}
	from, until = h1*60+m1, h2*60+m2
	if m1 > 59 || m2 > 59 || h1 < 0 || m1 < 0 || m2 < 0 || from >= until || until > 24*60 {
		return 0, 0, fmt.Errorf("%q are no hours", s)
	}
	return from, until, nil
}

// Open says whether a rollout may advance at a moment; a nil or invalid value is always and never open.
func (w *Windows) Open(now time.Time) bool {
	if w == nil {
		return true
	}
	spans, err := w.parse()
	if err != nil {
		return false
	}
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil {
		return false
	}
	local := now.In(zone)
	minute := (int(local.Weekday())+6)%7*24*60 + local.Hour()*60 + local.Minute()
	return slices.ContainsFunc(spans, func(s span) bool { return minute >= s.from && minute < s.until })
}
