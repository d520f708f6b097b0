package compile

import (
	"testing"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// unit is the grain of generated lines: a coarse line of a hundred units lets the oracle look at every place.
const unit = evaluator.Buckets / 100

func drawLine(t *rapid.T, label string) feature.Serve {
	d := &feature.Distribution{Exposure: feature.Percent(unit * rapid.IntRange(0, 100).Draw(t, label+"exposure"))}
	d.Otherwise = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, label+"otherwise")
	for from := 0; from < 100; {
		to := min(100, from+rapid.IntRange(1, 60).Draw(t, label+"width"))
		d.Ranges = append(d.Ranges, evaluator.Range{Variant: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, label+"variant"), From: from * unit, To: to * unit})
		from = to
	}
	return feature.Serve{Distribution: d}
}

// place is what one context gets: a dumb evaluation at two buckets.
func place(s feature.Serve, fallback string, expose, assign int) (variant string, exposed bool) {
	if s.Distribution == nil {
		return s.Variant, true
	}
	d := s.Distribution
	if expose >= int(d.Exposure) {
		if d.Otherwise == "" {
			return fallback, false
		}
		return d.Otherwise, false
	}
	for _, r := range d.Ranges {
		if r.From <= assign && assign < r.To {
			return r.Variant, true
		}
	}
	panic("the line has a gap")
}

func TestPreviewCountsEveryPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) feature.Serve {
			if rapid.IntRange(0, 4).Draw(t, label+"kind") == 0 {
				return feature.Serve{Variant: rapid.SampledFrom([]string{"a", "b"}).Draw(t, label+"variant")}
			}
			return drawLine(t, label)
		}
		before := feature.Targeting{Off: "off", Default: draw("before ")}
		after := feature.Targeting{Off: "off", Default: draw("after ")}
		var enter, leave, change int64
		moves := map[[2]string]int64{}
		for x := range 100 {
			for y := range 100 {
				va, ea := place(before.Default, "off", x*unit, y*unit)
				vb, eb := place(after.Default, "off", x*unit, y*unit)
				switch {
				case !ea && eb:
					enter++
				case ea && !eb:
					leave++
				case ea && eb && va != vb:
					change++
				}
				if va != vb {
					moves[[2]string{va, vb}] += unit * unit
				}
			}
		}
		got := NewPreview(&before, &after)
		if before.Default.Distribution == nil && after.Default.Distribution == nil {
			require.LessOrEqual(t, len(got.Distributions), 1)
			if before.Default.Variant == after.Default.Variant {
				require.Empty(t, got.Distributions)
				return
			}
		}
		require.Len(t, got.Distributions, 1)
		s := got.Distributions[0]
		require.Equal(t, feature.DefaultRule, s.Rule)
		require.Equal(t, []int64{enter * unit * unit, leave * unit * unit, change * unit * unit}, []int64{s.Enter, s.Leave, s.Switch})
		seen := map[[2]string]int64{}
		for _, m := range s.Moves {
			seen[[2]string{m.From, m.To}] = m.Share
		}
		require.Equal(t, moves, seen)
	})
}

func TestPreviewIsExact(t *testing.T) {
	line := func(exposure feature.Percent) feature.Targeting {
		return feature.Targeting{Off: "off", Enabled: true, Default: feature.Serve{Distribution: &feature.Distribution{
			Exposure: exposure, Otherwise: "off", Ranges: []evaluator.Range{{Variant: "a", From: 0, To: 33_333}, {Variant: "b", From: 33_333, To: 100_000}},
		}}}
	}
	before, after := line(12_500), line(12_501)
	s := NewPreview(&before, &after).Distributions[0]
	require.Equal(t, int64(1)*evaluator.Buckets, s.Enter, "one bucket more")
	require.Equal(t, []Move{{"off", "a", 33_333}, {"off", "b", 66_667}}, s.Moves)
	require.Zero(t, s.Leave+s.Switch)
	back := NewPreview(&after, &before).Distributions[0]
	require.Equal(t, s.Enter, back.Leave)
	require.Equal(t, int64(10_000_000_000), int64(Pairs))
}

func TestPreviewOfAnotherLine(t *testing.T) {
	serve := func(by ...string) feature.Targeting {
		return feature.Targeting{Off: "off", Default: feature.Serve{Distribution: &feature.Distribution{
			BucketBy: by, Exposure: feature.All, Ranges: []evaluator.Range{{Variant: "a", To: evaluator.Buckets}},
		}}}
	}
	before, after := serve(), serve("company.id")
	got := NewPreview(&before, &after)
	require.True(t, got.Distributions[0].Redrawn)
	require.Equal(t, []string{"the default draws cohorts by company.id instead of targetingKey: everyone is drawn anew"}, got.Changes)
	same := serve("targetingKey")
	require.False(t, NewPreview(&before, &same).Distributions[0].Redrawn, "an empty list means targetingKey")
}

func TestPreviewInWords(t *testing.T) {
	when := func(segment string) *evaluator.Condition { return &evaluator.Condition{Segment: segment} }
	v := func(key string) feature.Serve { return feature.Serve{Variant: key} }
	before := feature.Targeting{Off: "off", Default: v("on"), Rules: []feature.Rule{
		{ID: "a", When: when("x"), Serve: v("on")}, {ID: "b", Name: "Staff", When: when("y"), Serve: v("on")}, {ID: "c", Serve: v("on")},
	}}
	after := feature.Targeting{Enabled: true, Off: "dark", Default: feature.Serve{Distribution: &feature.Distribution{}},
		Prerequisites: []evaluator.Prerequisite{{Flag: "p", Variants: []string{"on"}}}, Rules: []feature.Rule{
			{ID: "b", Name: "Staff", When: when("z"), Serve: v("off")}, {ID: "a", When: when("x"), Serve: v("on")}, {ID: "d", Serve: v("on")},
		}}
	require.Equal(t, []string{
		"the flag is turned on: until now everyone gets off",
		"the off variant changes from off to dark",
		"the prerequisites change",
		"the condition of rule b (Staff) changes",
		"rule b (Staff) serves off instead of on",
		"rule d is added at place 3",
		"rule c is removed",
		"the order of the rules changes to b, a",
		"the default serves a distribution instead of on",
	}, NewPreview(&before, &after).Changes)
	require.Empty(t, NewPreview(&before, &before).Changes)
	require.Equal(t, []string{"the flag is turned off: everyone gets dark"},
		NewPreview(&feature.Targeting{Enabled: true, Off: "dark"}, &feature.Targeting{Off: "dark"}).Changes)
}

func TestLowering(t *testing.T) {
	base := func() feature.Targeting {
		d := func(e feature.Percent) feature.Serve {
			return feature.Serve{Distribution: &feature.Distribution{Exposure: e, Weights: map[string]feature.Percent{"on": feature.All}, Otherwise: "off"}}
		}
		return feature.Targeting{Enabled: true, Off: "off", Rules: []feature.Rule{{ID: "r", Serve: d(50_000)}}, Default: d(10_000), Version: 7}
	}
	for _, c := range []struct {
		name string
		edit func(*feature.Targeting)
		want bool
	}{
		{"nothing", func(*feature.Targeting) {}, true},
		{"off", func(x *feature.Targeting) { x.Enabled = false }, true},
		{"lower", func(x *feature.Targeting) { x.Default.Distribution.Exposure = 5 }, true},
		{"version", func(x *feature.Targeting) { x.Version = 8 }, true},
		{"off and higher", func(x *feature.Targeting) { x.Enabled, x.Default.Distribution.Exposure = false, 10_001 }, false},
		{"higher", func(x *feature.Targeting) { x.Default.Distribution.Exposure = 10_001 }, false},
		{"one lower, one higher", func(x *feature.Targeting) {
			x.Default.Distribution.Exposure, x.Rules[0].Serve.Distribution.Exposure = 1, 50_001
		}, false},
		{"below 0", func(x *feature.Targeting) { x.Default.Distribution.Exposure = -1 }, false},
		{"weights", func(x *feature.Targeting) {
			x.Default.Distribution.Weights = map[string]feature.Percent{"off": feature.All}
		}, false},
		{"rule gone", func(x *feature.Targeting) { x.Rules = nil }, false},
		{"rule name", func(x *feature.Targeting) { x.Rules[0].Name = "n" }, false},
		{"off variant", func(x *feature.Targeting) { x.Off = "on" }, false},
		{"variant", func(x *feature.Targeting) { x.Default = feature.Serve{Variant: "off"} }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := base(), base()
			c.edit(&after)
			require.Equal(t, c.want, Lowering(&before, &after))
		})
	}
	before, after := base(), base()
	before.Enabled = false
	require.False(t, Lowering(&before, &after), "turning on")
}
