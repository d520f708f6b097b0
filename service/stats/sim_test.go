package stats

import (
	"flag"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var paths = flag.Int("paths", 2000, "simulated rollouts of each kind")

// seed makes every run the same; docs/statistics.md names it.
const seed = 20261120

const never = int64(math.MaxInt64)

// scenario is one kind of simulated rollout. A path says after how many requests (or users) it was stopped, or never.
type scenario struct {
	name    string
	claim   float64 // stopped paths are at most this part of all, but for chance; 0: it is about time
	path    func(r *rand.Rand) int64
	median  float64 // of requests until stopped, from the specification; 0: none
	p90     float64
	atLeast float64 // stopped paths are at least this part
	worse   bool    // what not to do, shown for comparison: a tenth of the paths tells enough
}

// outcome is what all paths of a scenario came to.
type outcome struct {
	scenario scenario
	stopped  float64
	times    []int64 // ascending, never last
}

func (o outcome) quantile(q float64) int64 { return o.times[int(q*float64(len(o.times)-1))] }

func simulate(s scenario, n int) outcome {
	if s.worse {
		n /= 10
	}
	o := outcome{scenario: s, times: make([]int64, n)}
	var next atomic.Int64
	var done sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				o.times[i] = s.path(rand.New(rand.NewPCG(seed, uint64(i)))) //nolint:gosec // reproducible on purpose
			}
		})
	}
	done.Wait()
	slices.Sort(o.times)
	for _, t := range o.times {
		if t != never {
			o.stopped += 1 / float64(n)
		}
	}
	return o
}

// surely is the greatest count that n coins of chance p show but once in 10,000 times, as a part of n.
func surely(p float64, n int) float64 {
	return p + 3.72*math.Sqrt(p*(1-p)/float64(n)) + 4/float64(n)
}

func geometric(r *rand.Rand, p float64) int64 {
	return 1 + int64(math.Log(1-r.Float64())/math.Log1p(-p))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// step is a part of a rollout: from this request on, the treatment has this share.
type step struct {
	at    int64
	share float64
}

// labels is a rollout in which every request counts and is looked at: errors happen at a base rate, and at ratio times it in the treatment.
type labels struct {
	base     func(request int64) float64
	ratio    float64
	steps    []step
	horizon  int64
	restarts bool
}

func flat(rate float64) func(int64) float64 { return func(int64) float64 { return rate } }

// run calls seen for every bad event, until it says stop.
func (l labels) run(r *rand.Rand, entered func(), seen func(treated bool, share float64) bool) int64 {
	return l.runAt(r, entered, func(_ int64, treated bool, share float64) bool { return seen(treated, share) })
}

func (l labels) runAt(r *rand.Rand, entered func(), seen func(at int64, treated bool, share float64) bool) int64 {
	at, current := int64(0), 0
	if entered == nil {
		entered = func() {}
	}
	for {
		share := l.steps[current].share
		base := l.base(at)
		rate := base * (share*l.ratio + 1 - share)
		at += geometric(r, rate)
		for current+1 < len(l.steps) && at >= l.steps[current+1].at {
			// The gap has no memory: what remains of it is drawn anew at the next step's rate, which is the same for a harmless treatment.
			current++
			entered()
			share = l.steps[current].share
		}
		if at > l.horizon {
			return never
		}
		if seen(at, r.Float64() < expected(share, l.ratio), share) {
			return at
		}
	}
}

func (l labels) harm(alpha float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		e := must(NewHarm(Increase, 1, l.restarts))
		return l.run(r, e.Restart, func(treated bool, share float64) bool {
			w := Window{Bad: 1, Share: share}
			if treated {
				w.Treatment = 1
			}
			check(e.Observe(w, 1))
			return e.Peak >= Threshold(alpha)
		})
	}
}

func (l labels) safe(margin, alpha float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		e := must(NewSafe(Increase, margin, l.restarts))
		return l.run(r, e.Restart, func(treated bool, share float64) bool {
			w := Window{Bad: 1, Share: share}
			if treated {
				w.Treatment = 1
			}
			check(e.Observe(w, 1))
			return e.Peak >= Threshold(alpha)
		})
	}
}

// naive is what many tools do: a z-test of two proportions, looked at continuously.
func (l labels) naive(z float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		var treated, all float64
		return l.run(r, nil, func(t bool, share float64) bool {
			all++
			if t {
				treated++
			}
			return all >= 20 && (treated-all*share)/math.Sqrt(all*share*(1-share)) > z
		})
	}
}

// pooled adds up requests and errors of all shares, and asks the same question of the totals.
func (l labels) pooled(alpha float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		var k, m, treated, all float64
		last, total := int64(0), must(NewHarm(Increase, 1, false))
		return l.runAt(r, nil, func(at int64, t bool, share float64) bool {
			treated += float64(at-last) * share
			all += float64(at - last)
			last = at
			m++
			if t {
				k++
			}
			logs, weights := make([]float64, len(total.Ratios)), make([]float64, len(total.Ratios))
			s := treated / all
			for i, ratio := range total.Ratios {
				q := expected(s, ratio)
				logs[i], weights[i] = k*math.Log(q/s)+(m-k)*math.Log((1-q)/(1-s)), 1/float64(len(logs))
			}
			return logSum(weights, logs) >= Threshold(alpha)
		})
	}
}

// crowd are users who come again and again: few of them often, and a tenth of them with requests that fail together. What they do does not depend on their arm.
type crowd struct {
	users    int
	requests int64 // a window
	windows  int
	steps    []step // at windows
}

type visit struct {
	user    int
	bad     bool
	treated bool
	share   float64
	window  int
}

func (c crowd) run(r *rand.Rand, seen func(visit) bool) int64 {
	place, troubled, weight := make([]float64, c.users), make([]bool, c.users), make([]float64, c.users)
	for u := range c.users {
		place[u], troubled[u] = r.Float64(), r.Float64() < 0.1
		weight[u] = math.Pow(1-r.Float64(), -0.6) // a heavy tail
	}
	pick := alias(weight)
	current, at := 0, int64(0)
	for window := range c.windows {
		for current+1 < len(c.steps) && int64(window) >= c.steps[current+1].at {
			current++
		}
		share := c.steps[current].share
		for range c.requests {
			at++
			u := pick(r)
			rate := 0.002
			if troubled[u] {
				rate = 0.1
			}
			if seen(visit{u, r.Float64() < rate, place[u] < share, share, window}) {
				return at
			}
		}
	}
	return never
}

// alias draws an index in proportion to its weight, in constant time (Vose 1991).
func alias(weights []float64) func(*rand.Rand) int {
	n, sum := len(weights), 0.0
	for _, w := range weights {
		sum += w
	}
	keep, other := make([]float64, n), make([]int, n)
	var small, large []int
	for i, w := range weights {
		keep[i] = w / sum * float64(n)
		if keep[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		other[s] = l
		if keep[l] -= 1 - keep[s]; keep[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		keep[i] = 1
	}
	return func(r *rand.Rand) int {
		x := r.Float64() * float64(n)
		i := int(x)
		if x-float64(i) < keep[i] {
			return i
		}
		return other[i]
	}
}

// byUser counts the first bad event of a user; each of so many instances knows only those that it saw itself.
func (c crowd) byUser(instances int, alpha float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		e, known := must(NewHarm(Increase, 1, true)), make([]bool, c.users*instances)
		return c.run(r, func(v visit) bool {
			i := v.user*instances + r.IntN(instances)
			if !v.bad || known[i] {
				return false
			}
			known[i] = true
			w := Window{Bad: 1, Share: v.share}
			if v.treated {
				w.Treatment = 1
			}
			check(e.Observe(w, 1))
			return e.Peak >= Threshold(alpha)
		})
	}
}

// byRequest counts every request, with or without tempering.
func (c crowd) byRequest(tempered bool, alpha float64) func(*rand.Rand) int64 {
	const cohorts = 50
	return func(r *rand.Rand) int64 {
		e, d := must(NewHarm(Increase, 1, false)), must(NewDispersion(cohorts))
		var pending, window Requests
		part, last := make([]Cohort, cohorts), 0
		return c.run(r, func(v visit) bool {
			if v.window != last {
				last = v.window
				temper := 1.0
				if tempered {
					check(d.Observe(part))
					temper = d.Temper()
				}
				w, ok, err := pending.Add(window)
				check(err)
				if ok {
					check(e.Observe(w, temper))
				}
				window, part = Requests{}, make([]Cohort, cohorts)
			}
			bad := int64(0)
			if v.bad {
				bad = 1
			}
			if v.treated {
				window.Treatment++
				window.BadTreatment += bad
			} else {
				window.Control++
				window.BadControl += bad
				part[v.user%cohorts].Requests++
				part[v.user%cohorts].Bad += bad
			}
			return e.Peak >= Threshold(alpha)
		})
	}
}

// latencies are measured values in windows: log-normal, in the treatment slower by a factor.
type latencies struct {
	slower           float64
	windows          int
	treated, control int // values a window
}

func (l latencies) draw(r *rand.Rand, factor float64, window int) float64 {
	daytime := 1 + 0.5*math.Sin(float64(window)/20) // everything is slower at noon
	return math.Exp(r.NormFloat64()*0.8) * factor * daytime
}

func (l latencies) histogram(alpha float64) func(*rand.Rand) int64 {
	bounds := []float64{0.1, 0.2, 0.4, 0.7, 1, 1.5, 2, 3, 5, 8, 12}
	return func(r *rand.Rand) int64 {
		e := must(NewExceedance(Increase, len(bounds)+1, false))
		for window := range l.windows {
			b := Buckets{make([]int64, len(bounds)+1), make([]int64, len(bounds)+1)}
			for range l.treated {
				i, _ := slices.BinarySearch(bounds, l.draw(r, l.slower, window))
				b.Treatment[i]++
			}
			for range l.control {
				i, _ := slices.BinarySearch(bounds, l.draw(r, 1, window))
				b.Control[i]++
			}
			check(e.Observe(b, 1))
			if e.Peak >= Threshold(alpha) {
				return int64(window+1) * int64(l.treated+l.control)
			}
		}
		return never
	}
}

func (l latencies) means(alpha float64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		var m Means
		for window := range l.windows {
			sums := func(n int, factor float64) (s Sums) {
				for range n {
					x := l.draw(r, factor, window)
					s.Count, s.Sum, s.Squares = s.Count+1, s.Sum+x, s.Squares+x*x
				}
				return s
			}
			check(m.Observe(sums(l.treated, l.slower), sums(l.control, 1)))
			if m.Judge(Increase, 1, 1.5, alpha, 1e-300) == Harmful {
				return int64(window+1) * int64(l.treated+l.control)
			}
		}
		return never
	}
}

// oneArm has no control: a rate against the declared one.
func oneArm(rate, declared, alpha float64, horizon int64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		e := must(NewRate(Increase, declared))
		for at := int64(0); ; {
			gap := geometric(r, rate)
			if at += gap; at > horizon {
				return never
			}
			check(e.Observe(gap, 1, 1))
			if e.Peak >= Threshold(alpha) {
				return at
			}
		}
	}
}

// split is users who arrive in the arms, with a part of the treatment's lost on the way.
func split(share, lost, alpha float64, horizon int64) func(*rand.Rand) int64 {
	return func(r *rand.Rand) int64 {
		e := NewSplit()
		for at := int64(1); at <= horizon; at++ {
			w := Window{Bad: 1, Share: share}
			if r.Float64() < share*(1-lost)/(1-share*lost) {
				w.Treatment = 1
			}
			check(e.Observe(w, 1))
			if e.Peak >= Threshold(alpha) {
				return at
			}
		}
		return never
	}
}

func TestSimulations(t *testing.T) {
	n := *paths
	if underRace {
		n /= 20
		t.Logf("under the race detector: %d rollouts of each kind", n)
	}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			o := simulate(s, n)
			t.Logf("stopped %.2f %%, median %d, p90 %d", o.stopped*100, o.quantile(0.5), o.quantile(0.9))
			if s.claim > 0 {
				require.LessOrEqual(t, o.stopped, surely(s.claim, n))
			}
			require.GreaterOrEqual(t, o.stopped, s.atLeast)
			if s.median > 0 && !underRace {
				require.InEpsilon(t, s.median, o.quantile(0.5), 0.05)
				require.InEpsilon(t, s.p90, o.quantile(0.9), 0.05)
			}
		})
	}
}

func scenarios() []scenario {
	const alpha = 0.05
	ramp := []step{{0, 0.01}, {100_000, 0.05}, {200_000, 0.25}, {300_000, 0.5}}
	drift := func(at int64) float64 { return 0.004 * math.Exp(math.Min(float64(at), 500_000)/250_000) } // 0.4 % → 3 %
	plain := labels{base: flat(0.01), ratio: 1, steps: []step{{0, 0.05}}, horizon: 1_000_000}
	twice := plain
	twice.ratio = 2
	restarts := plain
	restarts.restarts = true
	restarts.steps = []step{{0, 0.05}, {100_000, 0.05}, {200_000, 0.05}, {300_000, 0.05}}
	restartsTwice := restarts
	restartsTwice.ratio = 2
	drifting := labels{base: drift, ratio: 1, steps: ramp, horizon: 1_000_000}
	driftingRestarts := drifting
	driftingRestarts.restarts = true
	margin := plain
	margin.ratio = 1.5
	people := crowd{users: 4000, requests: 500, windows: 200, steps: []step{{0, 0.05}, {60, 0.25}, {120, 0.5}}}
	steady := crowd{users: 4000, requests: 500, windows: 200, steps: []step{{0, 0.2}}}
	same := latencies{slower: 1, windows: 100, treated: 50, control: 200}
	slower := same
	slower.slower = 1.2
	return []scenario{
		{name: "harmless", claim: alpha, path: plain.harm(alpha)},
		{name: "harmless, restarts", claim: alpha, path: restarts.harm(alpha)},
		{name: "harmless, z-test at every look", worse: true, path: plain.naive(1.96), atLeast: 0.25},
		{name: "harmless, ramp and drift", claim: alpha, path: drifting.harm(alpha)},
		{name: "harmless, ramp and drift, restarts", claim: alpha, path: driftingRestarts.harm(alpha)},
		{name: "harmless, ramp and drift, totals pooled", worse: true, path: drifting.pooled(alpha), atLeast: 0.9},
		{name: "harmless, users, first event of each in the store", claim: alpha, path: people.byUser(1, alpha)},
		{name: "harmless, users, first event of each on 10 instances", worse: true, path: people.byUser(10, alpha), atLeast: 0.06},
		{name: "harmless, every request of sticky users, tempered", claim: alpha, path: steady.byRequest(true, alpha)},
		{name: "harmless, every request of sticky users, not tempered", worse: true, path: steady.byRequest(false, alpha), atLeast: 0.1},
		{name: "harmless, latency histogram", claim: alpha, path: same.histogram(alpha)},
		{name: "harmless, means", claim: alpha, path: same.means(alpha)},
		{name: "as declared, one arm", claim: alpha, path: oneArm(0.01, 0.01, alpha, 1_000_000)},
		{name: "split as designed", claim: 0.001, path: split(0.05, 0, 0.001, 20_000)},
		{name: "50 % worse, called safe at that margin", claim: alpha, path: margin.safe(1.5, alpha)},

		{name: "twice the errors", path: twice.harm(alpha), median: 18_300, p90: 46_000, atLeast: 0.999},
		{name: "twice the errors, restarts", path: restartsTwice.harm(alpha), atLeast: 0.999},
		{name: "20 % slower, latency histogram", path: slower.histogram(alpha), atLeast: 0.9},
		{name: "20 % slower, means", path: slower.means(alpha), atLeast: 0.9},
		{name: "twice the declared rate, one arm", path: oneArm(0.02, 0.01, alpha, 1_000_000), atLeast: 0.999},
		{name: "a tenth of the treatment lost, split", path: split(0.5, 0.1, 0.001, 50_000), atLeast: 0.999},
		{name: "harmless, called safe at a margin of 50 %", path: plain.safe(1.5, alpha), atLeast: 0.9},
	}
}
