package dimmer

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/evaluator"
)

// The cases A–E through the public call, with a prebuilt context, counting off and on. Each is measured beside its limit, in turns in one run:
// the same question, answered by Go that a person would write by hand for this one flag, with the same work in it: find the flag by its key
// among 1,000, find attributes by their names, hash. The ratio is what we promise, and what is printed. A benchmark whose name ends in
// NoAlloc fails when the call allocates.
//
//	go test ./sdk/go -run '^$' -bench NoAlloc

const (
	benchFlags    = 1000
	benchContexts = 16
	benchSalt     = "k3j9x0a1b2c4"
)

type limitContext struct {
	key        string
	attributes map[string]string
}

type limitAnswer struct {
	on      bool
	variant string
}

type limitFlag func(c *limitContext) *limitAnswer

var (
	limitOn    = &limitAnswer{true, "on"}
	limitOff   = &limitAnswer{false, "off"}
	limitSplit = [4]*limitAnswer{{true, "a"}, {false, "b"}, {true, "c"}, {false, "d"}}

	limitExpose = murmurBlocks(0, benchSalt+"/expose/")
	limitAssign = murmurBlocks(0, benchSalt+"/assign/")
)

func murmurBlocks(h uint32, s string) uint32 {
	for ; len(s) >= 4; s = s[4:] {
		k := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		h ^= bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	return h
}

// limitBucket is murmur3 of 20 bytes, which are hashed already, and the key.
func limitBucket(state uint32, key string) uint32 {
	h := murmurBlocks(state, key)
	if tail := key[len(key)&^3:]; tail != "" {
		k := uint32(tail[0])
		if len(tail) > 1 {
			k |= uint32(tail[1]) << 8
		}
		if len(tail) > 2 {
			k |= uint32(tail[2]) << 16
		}
		h ^= bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593
	}
	h ^= uint32(20 + len(key))
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	h ^= h >> 16
	return uint32(uint64(h) * 100000 >> 32)
}

func limitRollout(c *limitContext) *limitAnswer {
	if limitBucket(limitExpose, c.key) < 20000 {
		return limitOn
	}
	return limitOff
}

func limitFour(c *limitContext) *limitAnswer {
	switch b := limitBucket(limitAssign, c.key); {
	case b < 10000:
		return limitSplit[0]
	case b < 30000:
		return limitSplit[1]
	case b < 60000:
		return limitSplit[2]
	}
	return limitSplit[3]
}

func limitRules(c *limitContext) *limitAnswer {
	if c.attributes["plan"] == "enterprise" || c.attributes["country"] == "aq" || c.attributes["email"] == "root@example.com" ||
		c.attributes["device"] == "watch" {
		return limitOff
	}
	switch c.attributes["name"] {
	case "ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "joe":
		return limitRollout(c)
	}
	return limitOff
}

func limitPro(c *limitContext) *limitAnswer {
	if c.attributes["plan"] == "pro" {
		return limitOn
	}
	return limitOff
}

func limitStatic(*limitContext) *limitAnswer { return limitOn }

const (
	serveOn      = `{"variant":"on"}`
	serveOff     = `{"variant":"off"}`
	serveRollout = `{"distribution":{"exposure":20000,"otherwise":"off","ranges":[{"variant":"on","from":0,"to":100000}]}}`
	serveFour    = `{"distribution":{"exposure":100000,"ranges":[{"variant":"a","from":0,"to":10000},{"variant":"b","from":10000,"to":30000},` +
		`{"variant":"c","from":30000,"to":60000},{"variant":"d","from":60000,"to":100000}]}}`
	fiveRules = `{"id":"1","when":{"attribute":"plan","op":"in","values":["enterprise"]},"serve":` + serveOff + `},` +
		`{"id":"2","when":{"attribute":"country","op":"in","values":["aq"]},"serve":` + serveOff + `},` +
		`{"id":"3","when":{"attribute":"email","op":"in","values":["root@example.com"]},"serve":` + serveOff + `},` +
		`{"id":"4","when":{"attribute":"device","op":"in","values":["watch"]},"serve":` + serveOff + `},` +
		`{"id":"5","when":{"attribute":"name","op":"in","values":["ann","bob","cid","dan","eve","fay","gus","hal","ida","joe"]},"serve":` + serveRollout + `}`
	rulePro    = `{"id":"1","when":{"attribute":"plan","op":"in","values":["pro"]},"serve":` + serveOn + `}`
	ruleMember = `{"id":"1","when":{"segment":"big"},"serve":` + serveOn + `}`
)

func benchFlag(key, variants, off, rules, serve string) evaluator.Document {
	if variants == "" {
		variants = `{"key":"on","value":true},{"key":"off","value":false}`
	}
	return evaluator.Document{Kind: evaluator.KindFlag, Key: key, JSON: fmt.Appendf(nil,
		`{"key":%q,"type":"boolean","version":1,"salt":%q,"enabled":true,"off":%q,"variants":[%s],"rules":[%s],"default":%s}`, key, benchSalt, off, variants, rules, serve)}
}

const fourVariants = `{"key":"a","value":true},{"key":"b","value":false},{"key":"c","value":true},{"key":"d","value":false}`

// benchWorld is a client whose ruleset came over the stream, and its hand-written twin.
type benchWorld struct {
	client   *Client
	limits   map[string]limitFlag
	contexts []*Context
	asked    []*limitContext
	keys     []string // of all flags, not the map's own strings: as in an application
}

func newBenchWorld(b testing.TB, options ...Option) *benchWorld {
	w := &benchWorld{limits: map[string]limitFlag{}}
	var docs []evaluator.Document
	add := func(doc evaluator.Document, limit limitFlag) {
		docs = append(docs, doc)
		w.limits[doc.Key] = limit
	}
	var ids []string
	members := map[string]struct{}{}
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("user-%08d", i*3))
		members[ids[i]] = struct{}{}
	}
	include, err := json.Marshal(ids)
	require.NoError(b, err)
	docs = append(docs, evaluator.Document{Kind: evaluator.KindSegment, Key: "big", JSON: fmt.Appendf(nil, `{"key":"big","version":1,"include":{"targetingKey":%s}}`, include)})
	add(benchFlag("static-boolean-flag", "", "off", "", serveOn), limitStatic)
	add(benchFlag("five-rules-flag", "", "off", fiveRules, serveOff), limitRules)
	add(benchFlag("four-variants-flag", fourVariants, "a", "", serveFour), limitFour)
	add(benchFlag("segment-flag", "", "off", ruleMember, serveOff), func(c *limitContext) *limitAnswer {
		if _, ok := members[c.key]; ok {
			return limitOn
		}
		return limitOff
	})
	// Mixed: of ten, five are static, two have a rule, one is a rollout, one a split, and one is case B.
	for i := 0; len(w.limits) < benchFlags; i++ {
		key := fmt.Sprintf("mixed-flag-%04d", i)
		switch i % 10 {
		case 5, 6:
			add(benchFlag(key, "", "off", rulePro, serveOff), limitPro)
		case 7:
			add(benchFlag(key, "", "off", "", serveRollout), limitRollout)
		case 8:
			add(benchFlag(key, fourVariants, "a", "", serveFour), limitFour)
		case 9:
			add(benchFlag(key, "", "off", fiveRules, serveOff), limitRules)
		default:
			add(benchFlag(key, "", "off", "", serveOn), limitStatic)
		}
	}
	for key := range w.limits {
		w.keys = append(w.keys, strings.Clone(key))
	}
	slices.Sort(w.keys)
	w.askers()
	n := newNodes()
	w.client = n.client(b, "a:1", options...)
	conn := n.accept(b)
	conn.full(snapshotOf(rev(1, 1), docs...))
	conn.expectAck(rev(1, 1))
	require.Empty(b, w.client.Snapshot().Problems())
	for _, key := range w.keys { // both say the same
		for i, c := range w.contexts {
			want, got := w.limits[key](w.asked[i]), w.client.BoolDetail(b.Context(), key, c, false)
			require.Equal(b, want.on, got.Value, key)
			require.Equal(b, want.variant, got.Variant, key)
		}
	}
	return w
}

func (w *benchWorld) askers() {
	names := []string{"ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "joe"}
	for i := range benchContexts {
		key := fmt.Sprintf("user-%08d", i*7)
		attributes := []string{"country", "de", "email", key + "@example.com", "plan", []string{"free", "pro"}[i&1], "device", "phone", "version", "1.2.3",
			"name", names[i%10]}
		c, l := NewContext(key), &limitContext{key, map[string]string{}}
		for j := 0; j < len(attributes); j += 2 {
			c.String(attributes[j], attributes[j+1])
			l.attributes[attributes[j]] = attributes[j+1]
		}
		w.contexts, w.asked = append(w.contexts, c), append(w.asked, l)
	}
}

var (
	sinkAnswer *limitAnswer
	sinkBool   bool
)

// compare runs the limit, our call, and our call with counting in turns, and reports their times and ratios. Each takes the shortest of its rounds,
// because whatever disturbs a round makes it longer.
func compare(b *testing.B, limit, ours, counting func(i int)) {
	b.Helper()
	for name, f := range map[string]func(int){"": ours, " when counting": counting} {
		for i := range 2 * benchContexts {
			f(i) // everything was counted before
		}
		i := 0
		if n := testing.AllocsPerRun(200, func() { f(i); i++ }); n != 0 {
			b.Fatalf("allocates %v times%s", n, name)
		}
	}
	sides := []func(int){limit, ours, counting}
	best := []time.Duration{1 << 62, 1 << 62, 1 << 62}
	const rounds = 100 // short ones: the machine is seldom quiet for long
	n := max(b.N/rounds, 1)
	b.ResetTimer()
	for range rounds {
		for side, run := range sides {
			start := time.Now()
			for i := range n {
				run(i)
			}
			best[side] = min(best[side], time.Since(start))
		}
	}
	each := func(side int) float64 { return float64(best[side].Nanoseconds()) / float64(n) }
	b.ReportMetric(each(0), "limit-ns/op")
	b.ReportMetric(each(1), "ours-ns/op")
	b.ReportMetric(each(1)/each(0), "x-limit")
	b.ReportMetric(each(2)-each(1), "counting-ns/op")
	b.ReportMetric(0, "ns/op")
}

func benchCase(b *testing.B, key string, target float64) {
	b.Helper()
	w, counting := newBenchWorld(b), newBenchWorld(b, WithCounting())
	key = strings.Clone(key)
	ctx := context.Background()
	compare(b,
		func(i int) { sinkAnswer = w.limits[key](w.asked[i%benchContexts]); sinkBool = sinkAnswer.on },
		func(i int) { sinkBool = w.client.Bool(ctx, key, w.contexts[i%benchContexts], false) },
		func(i int) { sinkBool = counting.client.Bool(ctx, key, counting.contexts[i%benchContexts], false) },
	)
	b.ReportMetric(target, "x-target")
}

func BenchmarkANoAlloc(b *testing.B) { benchCase(b, "static-boolean-flag", 2) }
func BenchmarkBNoAlloc(b *testing.B) { benchCase(b, "five-rules-flag", 1.2) }
func BenchmarkCNoAlloc(b *testing.B) { benchCase(b, "four-variants-flag", 1.5) }
func BenchmarkENoAlloc(b *testing.B) { benchCase(b, "segment-flag", 1.5) }

// BenchmarkDNoAlloc asks for 1,000 flags, one after the other.
func BenchmarkDNoAlloc(b *testing.B) {
	w, counting := newBenchWorld(b), newBenchWorld(b, WithCounting())
	ctx := context.Background()
	all := func(w *benchWorld) func(int) {
		return func(i int) {
			c := w.contexts[i%benchContexts]
			for _, key := range w.keys {
				sinkBool = w.client.Bool(ctx, key, c, false)
			}
		}
	}
	compare(b, func(i int) {
		c := w.asked[i%benchContexts]
		for _, key := range w.keys {
			sinkAnswer = w.limits[key](c)
		}
	}, all(w), all(counting))
	b.ReportMetric(1.5, "x-target")
}

// BenchmarkDAllNoAlloc asks for all 1,000 flags at once, which counts nothing; the limit goes through a list of them.
func BenchmarkDAllNoAlloc(b *testing.B) {
	w := newBenchWorld(b)
	var list []limitFlag
	for _, key := range w.keys {
		list = append(list, w.limits[key])
	}
	ctx := context.Background()
	all := func(i int) {
		for _, o := range w.client.All(ctx, w.contexts[i%benchContexts]) {
			sinkBool, _ = o.Bool()
		}
	}
	compare(b, func(i int) {
		c := w.asked[i%benchContexts]
		for _, f := range list {
			sinkAnswer = f(c)
		}
	}, all, all)
	b.ReportMetric(1.5, "x-target")
}

// BenchmarkTypesNoAlloc calls every kind of call on a flag of its type, with detail and without.
func BenchmarkTypesNoAlloc(b *testing.B) {
	c := offline(b, bootstrapText, WithCounting())
	ctx, who := context.Background(), NewContext("u").String("plan", "pro")
	for name, call := range map[string]func(){
		"String":       func() { _ = c.String(ctx, "text", who, "") },
		"Int":          func() { _ = c.Int(ctx, "number", who, 0) },
		"Float":        func() { _ = c.Float(ctx, "number", who, 0) },
		"JSON":         func() { _ = c.JSON(ctx, "json", who, nil) },
		"BoolDetail":   func() { _ = c.BoolDetail(ctx, "on", who, false) },
		"StringDetail": func() { _ = c.StringDetail(ctx, "text", who, "") },
		"IntDetail":    func() { _ = c.IntDetail(ctx, "number", who, 0) },
		"FloatDetail":  func() { _ = c.FloatDetail(ctx, "number", who, 0) },
		"JSONDetail":   func() { _ = c.JSONDetail(ctx, "json", who, nil) },
		"none":         func() { _ = c.Bool(ctx, "none", who, false) },
		"wrong type":   func() { _ = c.Bool(ctx, "text", who, false) },
	} {
		b.Run(name, func(b *testing.B) {
			if n := testing.AllocsPerRun(100, call); n != 0 {
				b.Fatalf("allocates %v times", n)
			}
			for b.Loop() {
				call()
			}
		})
	}
}

// BenchmarkParallel evaluates on all processors at once, where shared counters would show.
func BenchmarkParallel(b *testing.B) {
	for name, options := range map[string][]Option{"plain": nil, "counting": {WithCounting()}} {
		b.Run(name, func(b *testing.B) {
			w := newBenchWorld(b, options...)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					w.client.Bool(context.Background(), "static-boolean-flag", w.contexts[i%benchContexts], false)
				}
			})
		})
	}
}

// BenchmarkCountingErrors counts flags that are not there: 1,000 names of one length, which share one outcome.
func BenchmarkCountingErrors(b *testing.B) {
	for name, options := range map[string][]Option{"plain": nil, "counting": {WithCounting()}} {
		b.Run(name, func(b *testing.B) {
			c := offline(b, bootstrapText, options...)
			flags := make([]string, 1000)
			for i := range flags {
				flags[i] = fmt.Sprintf("no-such-flag-%04d", i)
			}
			for i := 0; b.Loop(); i++ {
				c.Bool(context.Background(), flags[i%len(flags)], nil, false)
			}
		})
	}
}
