package dimmer

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A limit is only one when nothing is left to take away: it is held to the sum of what it consists of, each part measured by itself in the same run.

var (
	sinkFlag limitFlag
	sinkText string
	sinkHash uint32
)

func limitName(name string) bool {
	switch name {
	case "ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "joe":
		return true
	}
	return false
}

// part is one thing that a limit does; cost is what it takes beyond an empty loop, in its best round.
type part struct {
	run  func(i int)
	cost time.Duration
}

// limitParts measures the parts and the limits of all cases in turns.
func limitParts(w *benchWorld, limits map[string]func(i int)) (parts map[string]*part, whole map[string]*part) {
	key := strings.Clone("static-boolean-flag")
	call := limitFlag(limitStatic)
	members := map[string]struct{}{}
	for i := range 10_000 {
		members[fmt.Sprintf("user-%08d", i*3)] = struct{}{}
	}
	asked := func(i int) *limitContext { return w.asked[i%benchContexts] }
	parts = map[string]*part{
		"loop":    {run: func(i int) { sinkText = asked(i).key }},
		"look up": {run: func(i int) { sinkText = asked(i).key; sinkFlag = w.limits[key] }},
		"thousand": {run: func(int) {
			for _, k := range w.keys {
				sinkFlag = w.limits[k]
			}
		}},
		"call":      {run: func(i int) { sinkAnswer = call(asked(i)); sinkBool = sinkAnswer.on }},
		"attribute": {run: func(i int) { sinkText = asked(i).attributes["plan"] }},
		"five": {run: func(i int) {
			a := asked(i).attributes
			sinkBool = a["plan"] == "enterprise" || a["country"] == "aq" || a["email"] == "root@example.com" || a["device"] == "watch"
			sinkText = a["name"]
		}},
		"of ten": {run: func(i int) { sinkText = asked(i).key; sinkBool = limitName([]string{"ann", "joe"}[i&1]) }},
		"hash":   {run: func(i int) { sinkHash = limitBucket(limitExpose, asked(i).key) }},
		"member": {run: func(i int) { _, sinkBool = members[asked(i).key] }},
	}
	whole = map[string]*part{}
	for name, run := range limits {
		whole[name] = &part{run: run}
	}
	for range 60 {
		for _, all := range []map[string]*part{parts, whole} {
			for name, p := range all {
				n := 20_000
				if name == "thousand" || name == "D" {
					n = 20
				}
				start := time.Now()
				for i := range n {
					p.run(i)
				}
				// In thousandths of a nanosecond: a part is a few nanoseconds.
				if took := time.Since(start) * 1000 / time.Duration(n); p.cost == 0 || took < p.cost {
					p.cost = took
				}
			}
		}
	}
	return parts, whole
}

// BenchmarkLimits prints the limits of the cases A–E beside the sums of their parts.
func BenchmarkLimits(b *testing.B) {
	w := newBenchWorld(b)
	limits := map[string]func(i int){"D": func(i int) {
		c := w.asked[i%benchContexts]
		for _, key := range w.keys {
			sinkAnswer = w.limits[key](c)
		}
	}}
	for name, key := range map[string]string{"A": "static-boolean-flag", "B": "five-rules-flag", "C": "four-variants-flag", "E": "segment-flag"} {
		key = strings.Clone(key)
		limits[name] = func(i int) { sinkAnswer = w.limits[key](w.asked[i%benchContexts]); sinkBool = sinkAnswer.on }
	}
	parts, whole := limitParts(w, limits)
	loop := parts["loop"].cost
	cost := func(name string) time.Duration { return max(parts[name].cost-loop, 0) }
	one := cost("look up") + cost("call") + loop
	rules := cost("five") + cost("of ten") + cost("hash")
	sums := map[string]time.Duration{
		"A": one, "B": one + rules, "C": one + cost("hash"), "E": one + cost("member"),
		"D": parts["thousand"].cost + 1000*cost("call") + 200*cost("attribute") + 200*cost("hash") + 100*rules, // see newBenchWorld
	}
	for _, name := range []string{"A", "B", "C", "D", "E"} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(sums[name])/1000, "limit-ns")
			b.ReportMetric(float64(whole[name].cost)/1000, "ours-ns")
			b.ReportMetric(float64(whole[name].cost)/float64(sums[name]), "x-limit")
			b.ReportMetric(1.3, "x-target")
			b.ReportMetric(0, "ns/op")
		})
	}
}
