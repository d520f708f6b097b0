package evaluator

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each case is measured beside its limit: the same question, answered by Go that a person would write by hand for this one flag, with the same
// work in it: find the flag by its key among 1,000, find attributes by their names, hash. The ratio of the two in one run is what we promise.
//
//	go test ./evaluator -run '^$' -bench NoAlloc

const benchFlags = 1000

// limitContext is the hand-written context.
type limitContext struct {
	key        string
	attributes map[string]string
}

type limitAnswer struct {
	on      bool
	variant string
	reason  string
}

var (
	limitOn    = &limitAnswer{true, "on", "TARGETING_MATCH"}
	limitOff   = &limitAnswer{false, "off", "DEFAULT"}
	limitSplit = [4]*limitAnswer{{true, "a", "SPLIT"}, {false, "b", "SPLIT"}, {true, "c", "SPLIT"}, {false, "d", "SPLIT"}}
)

type limitFlag func(c *limitContext) *limitAnswer

// limitBucket is written apart from the evaluator's: salt and stage are a constant here too.
func limitBucket(state uint32, key string) uint32 {
	h, n := state, uint32(20+len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		h ^= bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	if len(key) > 0 {
		k := uint32(key[0])
		if len(key) > 1 {
			k |= uint32(key[1]) << 8
		}
		if len(key) > 2 {
			k |= uint32(key[2]) << 16
		}
		h ^= bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593
	}
	h ^= n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	h ^= h >> 16
	return uint32(uint64(h) * 100000 >> 32)
}

// benchWorld is the ruleset and its hand-written twin.
type benchWorld struct {
	snapshot *Snapshot
	contexts []*Context
	limits   map[string]limitFlag
	asked    []*limitContext
	keys     []string // of the mixed flags
}

func benchFlag(key string) Flag {
	return Flag{
		Key: key, Type: TypeBoolean, Version: 1, Salt: "k3j9x0a1b2c4", Enabled: true, Off: "off",
		Variants: []Variant{{"on", json.RawMessage("true")}, {"off", json.RawMessage("false")}}, Default: Serve{Variant: "on"},
	}
}

func benchRollout(exposure int) Serve {
	return Serve{Distribution: &Distribution{Exposure: exposure, Otherwise: "off", Ranges: []Range{{Variant: "on", From: 0, To: Buckets}}}}
}

func benchSplit(f *Flag) {
	f.Variants = []Variant{{"a", json.RawMessage("true")}, {"b", json.RawMessage("false")}, {"c", json.RawMessage("true")}, {"d", json.RawMessage("false")}}
	f.Off = "a"
	f.Default = Serve{Distribution: &Distribution{Exposure: Buckets, Ranges: []Range{
		{Variant: "a", From: 0, To: 10000}, {Variant: "b", From: 10000, To: 30000}, {Variant: "c", From: 30000, To: 60000}, {Variant: "d", From: 60000, To: Buckets}}}}
}

func benchIn(attribute string, values ...any) *Condition {
	return &Condition{Attribute: attribute, Op: "in", Values: raws(values...)}
}

var (
	benchExpose = hashPrefix("k3j9x0a1b2c4", stageExpose)
	benchAssign = hashPrefix("k3j9x0a1b2c4", stageAssign)
	benchNames  = []any{"ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "joe"}
)

func limitRollout(c *limitContext) *limitAnswer {
	if limitBucket(benchExpose, c.key) < 20000 {
		return limitOn
	}
	return limitOff
}

func limitFour(c *limitContext) *limitAnswer {
	switch b := limitBucket(benchAssign, c.key); {
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

func newBenchWorld(b testing.TB) *benchWorld {
	w := &benchWorld{limits: map[string]limitFlag{}}
	r := Ruleset{Flags: map[string]Flag{}, Segments: map[string]Segment{}, Lists: map[string]List{}}
	add := func(f Flag, limit limitFlag) {
		r.Flags[f.Key] = f
		w.limits[f.Key] = limit
	}
	var ids []string
	set := map[string]struct{}{}
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("user-%08d", i*3))
		set[ids[i]] = struct{}{}
	}
	r.Segments["big"] = Segment{Key: "big", Include: map[string][]string{keyAttribute: ids}}
	r.Segments["listed"] = Segment{Key: "listed", Lists: []ListRef{{sideInclude, keyAttribute, randomListSalt}}}
	for key, l := range listShards("listed", sideInclude, randomListSalt, ids) {
		r.Lists[key] = l
	}
	isOn := func(*limitContext) *limitAnswer { return limitOn }
	add(benchFlag("static-boolean-flag"), isOn)

	rules := benchFlag("five-rules-flag")
	rules.Rules = []Rule{
		{ID: "1", When: benchIn("plan", "enterprise"), Serve: Serve{Variant: "off"}},
		{ID: "2", When: benchIn("country", "aq"), Serve: Serve{Variant: "off"}},
		{ID: "3", When: benchIn("email", "root@example.com"), Serve: Serve{Variant: "off"}},
		{ID: "4", When: benchIn("device", "watch"), Serve: Serve{Variant: "off"}},
		{ID: "5", When: benchIn("name", benchNames...), Serve: benchRollout(20000)},
	}
	add(rules, limitRules)

	four := benchFlag("four-variants-flag")
	benchSplit(&four)
	add(four, limitFour)

	member := func(c *limitContext) *limitAnswer {
		if _, ok := set[c.key]; ok {
			return limitOn
		}
		return limitOff
	}
	for _, segment := range []string{"big", "listed"} {
		f := benchFlag("segment-flag-" + segment)
		f.Default = Serve{Variant: "off"}
		f.Rules = []Rule{{ID: "1", When: &Condition{Segment: segment}, Serve: Serve{Variant: "on"}}}
		add(f, member)
	}
	w.mixed(add, rules, four, isOn)
	w.askers()
	s, problems := Compile(r)
	require.Empty(b, problems)
	w.snapshot = s
	for key, limit := range w.limits { // both say the same
		for i := range w.contexts {
			want, got := limit(w.asked[i]), s.Outcome(key, w.contexts[i])
			on, ok := got.Bool()
			require.True(b, ok)
			require.Equal(b, want.on, on, key)
			require.Equal(b, want.variant, got.Variant(), key)
		}
	}
	return w
}

// mixed adds flags up to 1,000: of ten, five are static, two have a rule, one is a rollout, one a split, and one is case B.
func (w *benchWorld) mixed(add func(Flag, limitFlag), rules, four Flag, isOn limitFlag) {
	for i := 0; len(w.limits) < benchFlags; i++ {
		f := benchFlag(fmt.Sprintf("mixed-flag-%04d", i))
		limit := isOn
		switch i % 10 {
		case 5, 6:
			f.Rules = []Rule{{ID: "1", When: benchIn("plan", "pro"), Serve: Serve{Variant: "on"}}}
			f.Default = Serve{Variant: "off"}
			limit = func(c *limitContext) *limitAnswer {
				if c.attributes["plan"] == "pro" {
					return limitOn
				}
				return limitOff
			}
		case 7:
			f.Default = benchRollout(20000)
			limit = limitRollout
		case 8:
			benchSplit(&f)
			limit = limitFour
		case 9:
			f.Rules = rules.Rules
			limit = limitRules
			f.Default = Serve{Variant: "off"}
		}
		add(f, limit)
	}
	for key := range w.limits {
		w.keys = append(w.keys, strings.Clone(key)) // as in an application, whose keys are not the map's own
	}
	slices.Sort(w.keys)
}

const benchContexts = 16

func (w *benchWorld) askers() {
	for i := range benchContexts {
		key := fmt.Sprintf("user-%08d", i*7)
		attributes := []string{"country", "de", "email", key + "@example.com", "plan", []string{"free", "pro"}[i&1], "device", "phone", "version", "1.2.3",
			"name", benchNames[i%10].(string)}
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
	sinkKey    string
)

// compare runs a case and its limit in turns, and reports both and their ratio. Each turn takes the shorter of its rounds, because whatever
// disturbs a round makes it longer.
func compare(b *testing.B, limit, ours func(i int)) {
	b.Helper()
	i := 0
	if n := testing.AllocsPerRun(200, func() { ours(i); i++ }); n != 0 {
		b.Fatalf("allocates %v times", n)
	}
	best := [2]time.Duration{1 << 62, 1 << 62}
	const rounds = 100 // short ones: the machine is seldom quiet for long
	n := max(b.N/rounds, 1)
	b.ResetTimer()
	for range rounds {
		for side, run := range []func(int){limit, ours} {
			start := time.Now()
			for i := range n {
				run(i)
			}
			best[side] = min(best[side], time.Since(start))
		}
	}
	b.ReportMetric(float64(best[0].Nanoseconds())/float64(n), "limit-ns/op")
	b.ReportMetric(float64(best[1].Nanoseconds())/float64(n), "ours-ns/op")
	b.ReportMetric(float64(best[1])/float64(best[0]), "x-limit")
	b.ReportMetric(0, "ns/op")
}

func (w *benchWorld) compare(b *testing.B, key string) {
	key = strings.Clone(key)
	compare(b, func(i int) { sinkAnswer = w.limits[key](w.asked[i%benchContexts]); sinkBool = sinkAnswer.on },
		func(i int) {
			v, _ := w.snapshot.Outcome(key, w.contexts[i%benchContexts]).Bool()
			sinkBool = v
		})
}

func BenchmarkANoAlloc(b *testing.B)     { newBenchWorld(b).compare(b, "static-boolean-flag") }
func BenchmarkBNoAlloc(b *testing.B)     { newBenchWorld(b).compare(b, "five-rules-flag") }
func BenchmarkCNoAlloc(b *testing.B)     { newBenchWorld(b).compare(b, "four-variants-flag") }
func BenchmarkENoAlloc(b *testing.B)     { newBenchWorld(b).compare(b, "segment-flag-big") }
func BenchmarkEListNoAlloc(b *testing.B) { newBenchWorld(b).compare(b, "segment-flag-listed") }

// BenchmarkDNoAlloc asks for 1,000 flags, one after the other.
func BenchmarkDNoAlloc(b *testing.B) {
	w := newBenchWorld(b)
	compare(b, func(i int) {
		c := w.asked[i%benchContexts]
		for _, key := range w.keys {
			sinkAnswer = w.limits[key](c)
		}
	}, func(i int) {
		c := w.contexts[i%benchContexts]
		for _, key := range w.keys {
			sinkBool, _ = w.snapshot.Outcome(key, c).Bool()
		}
	})
}

// BenchmarkDAllNoAlloc asks for all 1,000 flags at once; the limit ranges over its map.
func BenchmarkDAllNoAlloc(b *testing.B) {
	w := newBenchWorld(b)
	visit := func(key string, o *Outcome) { sinkKey, sinkBool = key, o.boolean }
	compare(b, func(i int) {
		c := w.asked[i%benchContexts]
		for key, f := range w.limits {
			sinkKey, sinkAnswer = key, f(c)
		}
	}, func(i int) { w.snapshot.OutcomeAll(w.contexts[i%benchContexts], visit) })
}

// BenchmarkNew compiles 10,000 flags, of the mix of case D.
func BenchmarkNew(b *testing.B) {
	docs := slices.Collect(newBenchWorld(b).snapshot.Documents())
	var all []Document
	for i := range 10 {
		for _, d := range docs {
			if d.Kind == KindFlag && d.Key[0] == 'm' {
				key := fmt.Sprintf("%s-%d", d.Key, i)
				d.JSON = []byte(strings.Replace(string(d.JSON), d.Key, key, 1))
				d.Key = key
				all = append(all, d)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		_, problems := New(Revision{}, all)
		require.Empty(b, problems)
	}
}

// BenchmarkWith changes one flag of 10,000.
func BenchmarkWith(b *testing.B) {
	var docs []Document
	for i := range 10_000 {
		docs = append(docs, Document{KindFlag, fmt.Sprint("flag-", i), []byte(ruleFlag(`{"attribute":"plan","op":"in","values":["pro"]}`))})
	}
	s, problems := New(Revision{}, docs)
	require.Empty(b, problems)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.With(Revision{}, docs[77:78])
	}
}

// listShards makes the list documents of a segment's side.
func listShards(segment, side, salt string, keys []string) map[string]List {
	prints := map[int][]string{}
	for _, key := range keys {
		f := Fingerprint(salt, key)
		prints[int(f[0])] = append(prints[int(f[0])], string(f[:]))
	}
	out := map[string]List{}
	for shard, list := range prints {
		slices.Sort(list)
		key := sideKey(segment, side) + ":" + hex2(shard)
		out[key] = List{Key: key, Segment: segment, Side: side, Shard: shard, Fingerprints: base64Text(strings.Join(list, ""))}
	}
	return out
}
