package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestArmsIsASupermartingale reckons the expectation of E after one event exactly: it must not be above E while the ratio lies on the null's side.
func TestArmsIsASupermartingale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := rapid.SampledFrom([]Direction{Increase, Decrease}).Draw(t, "bad")
		worse := rapid.Float64Range(1, 3).Draw(t, "tolerance")
		share := rapid.Float64Range(0.001, 0.999).Draw(t, "share")
		better := rapid.Float64Range(0.05, 1).Draw(t, "better") // at 1 the truth is the null's edge
		safe := rapid.Bool().Draw(t, "safe")
		var e *Arms
		var truth float64
		if safe {
			e = must(NewSafe(bad, away(bad, worse+0.01), rapid.Bool().Draw(t, "restarts")))
			truth = away(bad, (worse+0.01)/better) // as bad as the margin, or worse
		} else {
			e = must(NewHarm(bad, away(bad, worse), rapid.Bool().Draw(t, "restarts")))
			truth = away(bad, worse*better) // as bad as what is tolerated, or better
		}
		for range rapid.IntRange(0, 20).Draw(t, "before") {
			check(e.Observe(Window{Bad: 1, Treatment: rapid.Int64Range(0, 1).Draw(t, "label"), Share: share}, 1))
			if rapid.IntRange(0, 9).Draw(t, "step") == 0 {
				e.Restart()
			}
		}
		now := math.Exp(e.Evidence())
		after := func(treatment int64) float64 {
			c := e.Clone()
			check(c.Observe(Window{Bad: 1, Treatment: treatment, Share: share}, 1))
			return math.Exp(c.Evidence())
		}
		q := expected(share, truth)
		require.LessOrEqual(t, q*after(1)+(1-q)*after(0), now*(1+1e-9))
	})
}

// TestWindowsAddUp: how events are cut into windows does not matter, unless the share differs.
func TestWindowsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0.01, 0.99).Draw(t, "share")
		one, many := must(NewHarm(Increase, 1, true)), must(NewHarm(Increase, 1, true))
		var sum Window
		for range rapid.IntRange(1, 10).Draw(t, "windows") {
			w := Window{Bad: rapid.Int64Range(0, 50).Draw(t, "bad"), Share: share}
			w.Treatment = rapid.Int64Range(0, w.Bad).Draw(t, "treatment")
			sum = Window{sum.Bad + w.Bad, sum.Treatment + w.Treatment, share}
			check(many.Observe(w, 1))
		}
		check(one.Observe(sum, 1))
		require.InDelta(t, one.Evidence(), many.Evidence(), 1e-9*(1+math.Abs(one.Evidence())))
		require.GreaterOrEqual(t, many.Peak, one.Peak-1e-9) // it saw more moments
		require.Equal(t, one.Events, many.Events)
	})
}

// TestPeakIsTheGreatestEvidence: the shortcut that skips exponentials never skips the greatest.
func TestPeakIsTheGreatestEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, peak := must(NewHarm(Increase, 1, rapid.Bool().Draw(t, "restarts"))), 0.0
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			w := Window{Bad: 3, Treatment: rapid.Int64Range(0, 3).Draw(t, "treatment"), Share: rapid.SampledFrom([]float64{0.05, 0.5, 0.9}).Draw(t, "share")}
			check(e.Observe(w, rapid.SampledFrom([]float64{1, 1.5, 4}).Draw(t, "temper")))
			if rapid.IntRange(0, 9).Draw(t, "step") == 0 {
				e.Restart()
			}
			peak = math.Max(peak, e.Evidence())
			require.InDelta(t, peak, e.Peak, 1e-9)
		}
	})
}

func TestRestartForgivesTheGoodTimeBefore(t *testing.T) {
	with, without := must(NewHarm(Increase, 1, true)), must(NewHarm(Increase, 1, false))
	for _, e := range []*Arms{with, without} {
		check(e.Observe(Window{Bad: 1000, Treatment: 500, Share: 0.5}, 1)) // a long good time
		e.Restart()
		check(e.Observe(Window{Bad: 120, Treatment: 90, Share: 0.5}, 1)) // then three times the errors
	}
	require.GreaterOrEqual(t, with.Peak, Threshold(0.05))
	require.Less(t, without.Peak, Threshold(0.05))
	require.Len(t, without.Logs, 1, "without a reserve there is no further run")
}

// TestStateSurvivesStorage: a process goes on from its JSON as if it had never been away.
func TestStateSurvivesStorage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible on purpose
	buckets := func() Buckets {
		return Buckets{[]int64{r.Int64N(50), r.Int64N(20), r.Int64N(9)}, []int64{r.Int64N(50), r.Int64N(20), r.Int64N(5)}}
	}
	arms, histogram, rate := must(NewHarm(Decrease, 0.9, true)), must(NewExceedance(Increase, 3, true)), must(NewRate(Increase, 0.1))
	for round := range 20 {
		b, w := buckets(), Window{Bad: 10, Treatment: r.Int64N(11), Share: 0.3}
		fresh := struct {
			A *Arms
			E *Exceedance
			R *Rate
		}{}
		check(json.Unmarshal(must(json.Marshal(map[string]any{"A": arms, "E": histogram, "R": rate})), &fresh))
		clone := struct {
			A *Arms
			E *Exceedance
			R *Rate
		}{arms.Clone(), histogram.Clone(), rate.Clone()}
		check(arms.Observe(w, 1.2))
		check(histogram.Observe(b, 1))
		check(rate.Observe(100, w.Treatment, 1))
		require.Less(t, clone.R.Requests, rate.Requests, "a clone shares nothing")
		check(fresh.A.Observe(w, 1.2))
		check(fresh.E.Observe(b, 1))
		check(fresh.R.Observe(100, w.Treatment, 1))
		require.InDelta(t, arms.Evidence(), fresh.A.Evidence(), 1e-9)
		require.InDelta(t, histogram.Peak, fresh.E.Peak, 1e-9)
		require.InDelta(t, rate.Peak, fresh.R.Peak, 1e-9)
		check(clone.A.Observe(w, 1.2))
		check(clone.E.Observe(b, 1))
		require.Equal(t, arms.Peak, clone.A.Peak)
		require.Equal(t, histogram.Peak, clone.E.Peak)
		if round%5 == 4 {
			arms.Restart()
			histogram.Restart()
		}
	}
}

func TestImpossibleNumbersAreRefused(t *testing.T) {
	arms := func(w Window, temper float64) error { return must(NewHarm(Increase, 1, false)).Observe(w, temper) }
	histogram := func(b Buckets) error { return must(NewExceedance(Increase, 2, false)).Observe(b, 1) }
	rate := func(n, k int64) error { return must(NewRate(Increase, 0.1)).Observe(n, k, 1) }
	cohorts := func(c ...Cohort) error { return must(NewDispersion(2)).Observe(c) }
	means := func(a, b Sums) error { return new(Means).Observe(a, b) }
	_, _, requests := new(Requests).Add(Requests{Treatment: 1, BadTreatment: 2})
	for name, err := range map[string]error{
		"more treated than bad":     arms(Window{1, 2, 0.5}, 1),
		"negative":                  arms(Window{-1, -1, 0.5}, 1),
		"no share":                  arms(Window{1, 1, 0}, 1),
		"all the share":             arms(Window{1, 1, 1}, 1),
		"share is no number":        arms(Window{1, 1, math.NaN()}, 1),
		"temper below 1":            arms(Window{1, 1, 0.5}, 0.5),
		"temper is no number":       arms(Window{1, 1, 0.5}, math.NaN()),
		"more bad than requests":    requests,
		"missing bucket":            histogram(Buckets{[]int64{1}, []int64{1, 1}}),
		"negative bucket":           histogram(Buckets{[]int64{1, -1}, []int64{1, 1}}),
		"more bad than all":         rate(1, 2),
		"missing cohort":            cohorts(Cohort{1, 1}),
		"more bad than in a cohort": cohorts(Cohort{1, 1}, Cohort{1, 2}),
		"a sum of nothing":          means(Sums{0, 1, 1}, Sums{}),
		"not a number":              means(Sums{1, math.NaN(), 1}, Sums{}),
		"no positive means":         means(Sums{100, -5, 10}, Sums{100, 5, 10}),
	} {
		require.ErrorIs(t, err, ErrWindow, name)
	}
	for name, f := range map[string]func() error{
		"direction":         func() error { _, err := NewHarm("sideways", 1, false); return err },
		"tolerance":         func() error { _, err := NewHarm(Increase, 0.9, false); return err },
		"tolerance, down":   func() error { _, err := NewHarm(Decrease, 1.1, false); return err },
		"margin":            func() error { _, err := NewSafe(Increase, 1, false); return err },
		"margin, down":      func() error { _, err := NewSafe(Decrease, 1.2, false); return err },
		"margin, direction": func() error { _, err := NewSafe("", 1.2, false); return err },
		"buckets":           func() error { _, err := NewExceedance(Increase, 1, false); return err },
		"rate of 0":         func() error { _, err := NewRate(Increase, 0); return err },
		"one cohort":        func() error { _, err := NewDispersion(1); return err },
	} {
		require.Error(t, f(), name)
	}
}

func TestWindowsWaitForBothArms(t *testing.T) {
	var r Requests
	_, ok, err := r.Add(Requests{Treatment: 10, BadTreatment: 3})
	require.NoError(t, err)
	require.False(t, ok, "a share of 1 says nothing")
	w, ok, err := r.Add(Requests{Treatment: 10, Control: 60, BadControl: 2})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Window{Bad: 5, Treatment: 3, Share: 0.25}, w)
	require.Zero(t, r)

	e := must(NewExceedance(Increase, 2, false))
	check(e.Observe(Buckets{[]int64{0, 40}, []int64{0, 0}}, 1))
	require.Zero(t, e.Peak)
	check(e.Observe(Buckets{[]int64{0, 0}, []int64{40, 0}}, 1))
	require.Greater(t, e.Peak, Threshold(0.001), "all values of the treatment are above, none of the control")
}

func TestLowerIsHarmWhereDecreaseIsBad(t *testing.T) {
	payments := must(NewHarm(Decrease, 1, false))
	check(payments.Observe(Window{Bad: 400, Treatment: 120, Share: 0.5}, 1)) // here a "bad" event is the good one that becomes rare
	require.GreaterOrEqual(t, payments.Peak, Threshold(0.001))
	more := must(NewHarm(Decrease, 1, false))
	check(more.Observe(Window{Bad: 400, Treatment: 280, Share: 0.5}, 1))
	require.Zero(t, more.Peak, "more payments are no harm")
}

func TestJudge(t *testing.T) {
	over, under := Threshold(0.05)+0.1, Threshold(0.05)-0.1
	for _, tt := range []struct {
		name       string
		harm, safe float64
		want       Verdict
	}{
		{"nothing seen", 0, 0, Undecided},
		{"not enough of either", under, under, Undecided},
		{"harm", over, 0, Harmful},
		{"safe", 0, over, Safe},
		{"harm wins", over, over, Harmful},
	} {
		require.Equal(t, tt.want, Judge(tt.harm, tt.safe, 0.05, 0.05), tt.name)
	}
	require.InDelta(t, 1, AnytimeP(0), 0)
	require.InDelta(t, 0.05, AnytimeP(Threshold(0.05)), 1e-12)
}

// TestEventsToNotice: the forecast is near the median of what happens.
func TestEventsToNotice(t *testing.T) {
	fresh := must(NewHarm(Increase, 1, false))
	forecast := fresh.EventsToNotice(2, 0.05, 0.05)
	events := make([]float64, 0, 400)
	l := labels{base: flat(0.01), ratio: 2, steps: []step{{0, 0.05}}, horizon: 1_000_000}
	for i := range 400 {
		e := must(NewHarm(Increase, 1, false))
		l.run(rand.New(rand.NewPCG(9, uint64(i))), nil, func(treated bool, share float64) bool { //nolint:gosec // reproducible on purpose
			w := Window{Bad: 1, Share: share}
			if treated {
				w.Treatment = 1
			}
			check(e.Observe(w, 1))
			return e.Peak >= Threshold(0.05)
		})
		events = append(events, float64(e.Events))
	}
	mean := 0.0
	for _, n := range events {
		mean += n / float64(len(events))
	}
	require.InEpsilon(t, mean, forecast, 0.35)
	require.True(t, math.IsInf(fresh.EventsToNotice(1, 0.05, 0.05), 1), "what is no harm is never noticed")
	check(fresh.Observe(Window{Bad: 300, Treatment: 60, Share: 0.05}, 1))
	require.Zero(t, fresh.EventsToNotice(2, 0.05, 0.05))
}

func TestIntervalHoldsTheRate(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // reproducible on purpose
	missed := 0
	for range 300 {
		bad := int64(0)
		for n := int64(1); n <= 3000; n++ {
			if r.Float64() < 0.03 {
				bad++
			}
			if n%50 == 0 { // at every look, not at one
				if low, high := Interval(bad, n, 0.05); low > 0.03 || high < 0.03 {
					missed++
					break
				}
			}
		}
	}
	require.LessOrEqual(t, float64(missed)/300, surely(0.05, 300))
	low, high := Interval(0, 100, 0.05)
	require.Zero(t, low)
	require.InDelta(t, 0.06, high, 0.02)
	low, high = Interval(100, 100, 0.05)
	require.InDelta(t, 1, high, 0)
	require.Greater(t, low, 0.9)
	low, high = Interval(0, 0, 0.05)
	require.InDelta(t, 1, high-low, 0, "nothing is known")
}

func TestDispersion(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // reproducible on purpose
	draw := func(rate func(cohort int) float64) *Dispersion {
		d := must(NewDispersion(40))
		for range 100 {
			w := make([]Cohort, 40)
			for i := range w {
				w[i].Requests = 200
				for range 200 {
					if r.Float64() < rate(i) {
						w[i].Bad++
					}
				}
			}
			check(d.Observe(w))
		}
		return d
	}
	require.InDelta(t, 1, draw(func(int) float64 { return 0.02 }).Phi(), 0.6)
	require.Greater(t, draw(func(i int) float64 { return 0.01 + 0.02*float64(i%2) }).Temper(), 20.0)
	require.InDelta(t, temperMargin, must(NewDispersion(4)).Temper(), 0, "nothing is known")
}

func TestMeansSaySafeAndHarmful(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // reproducible on purpose
	judge := func(ratio float64) Verdict {
		var m Means
		for range 300 {
			sums := func(n int, factor float64) (s Sums) {
				for range n {
					x := math.Exp(r.NormFloat64()*0.5) * factor
					s.Count, s.Sum, s.Squares = s.Count+1, s.Sum+x, s.Squares+x*x
				}
				return s
			}
			check(m.Observe(sums(60, ratio), sums(90, 1)))
		}
		return m.Judge(Increase, 1, 1.1, 0.05, 0.05)
	}
	require.Equal(t, Harmful, judge(1.2))
	require.Equal(t, Safe, judge(1))
	require.Equal(t, Undecided, new(Means).Judge(Increase, 1, 1.1, 0.05, 0.05))
}
