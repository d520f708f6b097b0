package stats

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var write = flag.String("write", "", "write the report of the simulations to this folder")

// TestReport writes docs/statistics.md and its plots; make simulate calls it.
func TestReport(t *testing.T) {
	if *write == "" {
		t.Log("-write says where; nothing to do without it")
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, reportHead, count(int64(*paths)), count(int64(*paths/10)), seed)
	b.WriteString("| simulated rollout | claimed | stopped | requests until then: median | 90 % within |\n|---|---|---|---|---|\n")
	for _, s := range scenarios() {
		o := simulate(s, *paths)
		claim := "–"
		if s.claim > 0 {
			claim = fmt.Sprintf("≤ %g %%", s.claim*100)
		}
		fmt.Fprintf(&b, "| %s | %s | %.2f %% | %s | %s |\n", s.name, claim, o.stopped*100, count(o.quantile(0.5)), count(o.quantile(0.9)))
		if s.claim > 0 {
			require.LessOrEqual(t, o.stopped, s.claim, s.name)
		}
	}
	b.WriteString(reportTail)
	require.NoError(t, os.WriteFile(filepath.Join(*write, "statistics.md"), []byte(b.String()), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(*write, "statistics-alarms.svg"), alarms(), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(*write, "statistics-time.svg"), times(), 0o644))
}

func count(n int64) string {
	if n == never {
		return "–"
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

const reportHead = `# What the guards' statistics promise, and what simulations say

A guard compares those who are exposed with a control of the same moment, after every event, and stops the rollout when the evidence reaches 1/α. The methods and
their sources are in the comments of ` + "`service/stats`" + `. This page is written by ` + "`make simulate`" + `: %s rollouts of each kind (%s of those that show what not
to do), seed %d, α = 5 %% unless the table says otherwise. ` + "`make test`" + ` runs 2,000 of each.

- Errors happen in 1 %% of requests, 5 %% of requests are treated, and up to 1,000,000 requests are looked at one by one, unless the name says otherwise.
- *Ramp and drift*: exposure 1 → 5 → 25 → 50 %% while errors rise for everybody from 0.4 %% to 3 %%.
- *Sticky users*: 4,000 users of very different activity, a tenth of them with failing requests, 100,000 requests. *10 instances*: each knows only those users' first events that it saw itself.
- *Latency, means*: log-normal values in windows of 50 treated and 200 of the control, with a daily swing.

`

const reportTail = `
"Stopped" of a harmless rollout is a false alarm: at most what is claimed, for ever and not at one look. Of a harmful one it is what guards are for.

![False alarms of harmless rollouts, by requests](statistics-alarms.svg)

![Requests until harm is found, by its size](statistics-time.svg)
`

// alarms plots how many harmless rollouts were stopped, by the number of requests: ours, and the classic test looked at continuously.
func alarms() []byte {
	plain := labels{base: flat(0.01), ratio: 1, steps: []step{{0, 0.05}}, horizon: 1_000_000}
	p := plot{title: "False alarms of harmless rollouts", x: "requests", y: "stopped, %", left: 3, right: 6, top: 50}
	for _, c := range []struct {
		name, colour string
		path         scenario
	}{
		{"z-test at every look", "#8a8f98", scenario{path: plain.naive(1.96)}},
		{"arm-label e-process, α = 5 %", "#d97706", scenario{path: plain.harm(0.05)}},
	} {
		o := simulate(c.path, *paths)
		l := line{name: c.name, colour: c.colour}
		for i := 0; i <= 60; i++ {
			at := math.Pow(10, 3+float64(i)/20)
			n := 0
			for n < len(o.times) && float64(o.times[n]) <= at {
				n++
			}
			l.points = append(l.points, [2]float64{math.Log10(at), 100 * float64(n) / float64(len(o.times))})
		}
		p.lines = append(p.lines, l)
	}
	return p.svg()
}

// times plots the requests until harm is found, by the ratio of error rates.
func times() []byte {
	p := plot{title: "Requests until harm is found (1 % errors, α = 5 %)", x: "requests", y: "found, %", left: 2, right: 6, top: 100}
	for i, ratio := range []float64{1.5, 2, 3, 5} {
		l := labels{base: flat(0.01), ratio: ratio, steps: []step{{0, 0.05}}, horizon: 1_000_000}
		o := simulate(scenario{path: l.harm(0.05)}, *paths)
		curve := line{name: fmt.Sprintf("%g × the errors", ratio), colour: []string{"#fcd34d", "#f59e0b", "#d97706", "#92400e"}[i]}
		for i := 0; i <= 80; i++ {
			at := math.Pow(10, 2+float64(i)/20)
			n := 0
			for n < len(o.times) && float64(o.times[n]) <= at {
				n++
			}
			curve.points = append(curve.points, [2]float64{math.Log10(at), 100 * float64(n) / float64(len(o.times))})
		}
		p.lines = append(p.lines, curve)
	}
	return p.svg()
}

type line struct {
	name, colour string
	points       [][2]float64
}

// plot has a logarithmic x axis from 10^left to 10^right.
type plot struct {
	title, x, y      string
	left, right, top float64
	lines            []line
}

func (p plot) svg() []byte {
	const w, h, x0, y0, x1, y1 = 750, 360, 60, 310, 700, 40
	var b strings.Builder
	px := func(x float64) float64 { return x0 + (x-p.left)/(p.right-p.left)*(x1-x0) }
	py := func(y float64) float64 { return y0 - y/p.top*(y0-y1) }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12">`, w, h)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><text x="%d" y="22" font-size="15">%s: %s</text>`, w, h, x0, p.title, p.y)
	for i := p.left; i <= p.right; i++ {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#e5e7eb"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s</text>`,
			px(i), px(i), y0, y1, px(i), y0+18, count(int64(math.Pow(10, i))))
	}
	for i := 0; i <= 5; i++ {
		y := p.top * float64(i) / 5
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e5e7eb"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%g</text>`, x0, x1, py(y), py(y), x0-8, py(y)+4, y)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#555">%s</text>`, x1, y0+36, p.x)
	for i, l := range p.lines {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, l.colour)
		for _, point := range l.points {
			fmt.Fprintf(&b, "%.1f,%.1f ", px(point[0]), py(point[1]))
		}
		fmt.Fprintf(&b, `"/><rect x="%d" y="%d" width="14" height="4" fill="%s"/><text x="%d" y="%d">%s</text>`, x0+12, y1+10+i*18, l.colour, x0+32, y1+16+i*18, l.name)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
