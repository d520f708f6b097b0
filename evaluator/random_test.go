package evaluator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// The documents that property tests draw: few keys, so that references hit, and everything that can go wrong.

var (
	randomFlags    = []string{"f0", "f1", "f2", "f3", "f4", "f5"}
	randomSegments = []string{"s0", "s1", "s2", "s3"}
	randomPlans    = []string{"free", "pro", "PRO", "", "ünï"}
	randomUsers    = []string{"u0", "u1", "u2", "7", "u-long-enough-for-two-blocks"}
)

const randomListSalt = "lllllllllll0"

func raws(values ...any) []json.RawMessage {
	out := make([]json.RawMessage, len(values))
	for i, v := range values {
		out[i], _ = json.Marshal(v)
	}
	return out
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func drawClause(t *rapid.T) Condition {
	c := Condition{
		Attribute: rapid.SampledFrom([]string{"plan", "age", "company.id", "groups", "targetingKey", "beta"}).Draw(t, "attribute"),
		Negate:    rapid.Bool().Draw(t, "negate"),
	}
	switch rapid.IntRange(0, 7).Draw(t, "op") {
	case 0:
		c.Op, c.Values = "in", raws(rapid.SampledFrom(randomPlans).Draw(t, "plan"), 7, "u1")
	case 1:
		c.Op, c.Values, c.IgnoreCase = "in", raws("PRO", "x"), true
	case 2:
		c.Op, c.Values = "startsWith", raws("u", "p")
	case 3:
		c.Op, c.Values = "gte", raws(7)
	case 4:
		c.Op = "exists"
	case 5:
		c.Op, c.Values = "modulo", raws(3, 1)
	case 6:
		c.Op, c.Values = "matches", raws("^u[0-9]$")
	case 7:
		c.Op, c.Values = "in", raws(true)
	}
	return c
}

func drawCondition(t *rapid.T, depth int) Condition {
	top := 8
	if depth > 2 {
		top = 5
	}
	switch rapid.IntRange(0, top).Draw(t, "form") {
	case 0, 1:
		return Condition{Segment: rapid.SampledFrom(append([]string{"s9"}, randomSegments...)).Draw(t, "segment")}
	case 2:
		return Condition{Flag: rapid.SampledFrom(append([]string{"f9"}, randomFlags...)).Draw(t, "flag"), Variants: []string{"a", "b"}}
	case 3, 4, 5:
		return drawClause(t)
	case 6:
		inner := drawCondition(t, depth+1)
		return Condition{Not: &inner}
	case 7:
		return Condition{All: drawConditions(t, depth)}
	default:
		return Condition{Any: drawConditions(t, depth)}
	}
}

func drawConditions(t *rapid.T, depth int) []Condition {
	list := []Condition{}
	for range rapid.IntRange(0, 3).Draw(t, "conditions") {
		list = append(list, drawCondition(t, depth+1))
	}
	return list
}

func drawServe(t *rapid.T) Serve {
	if rapid.Bool().Draw(t, "plain") {
		return Serve{Variant: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "variant")}
	}
	d := &Distribution{
		Exposure:  rapid.SampledFrom([]int{0, 1, 50000, 99999, 100000}).Draw(t, "exposure"),
		Otherwise: rapid.SampledFrom([]string{"", "", "c"}).Draw(t, "otherwise"),
		BucketBy:  rapid.SampledFrom([][]string{nil, {"targetingKey"}, {"company.id", "targetingKey"}, {"age"}, {"groups"}}).Draw(t, "bucketBy"),
		Ranges:    []Range{{Variant: "a", From: 0, To: 100000}},
	}
	if rapid.Bool().Draw(t, "split") {
		d.Ranges = []Range{{Variant: "a", From: 0, To: 30000}, {Variant: "b", From: 30000, To: 70000}, {Variant: "a", From: 70000, To: 100000}}
	}
	return Serve{Distribution: d}
}

func drawFlag(t *rapid.T, key string) []byte {
	f := Flag{
		Key: key, Type: TypeString, Version: rapid.Int64Range(1, 99).Draw(t, "version"), Salt: "k3j9x0a1b2c" + key[1:], Enabled: true, Off: "c",
		Variants: []Variant{{"a", json.RawMessage(`"A"`)}, {"b", json.RawMessage(`"B"`)}, {"c", json.RawMessage(`"C"`)}},
		Default:  drawServe(t),
	}
	for range rapid.IntRange(0, 2).Draw(t, "prerequisites") / 2 {
		f.Prerequisites = append(f.Prerequisites, Prerequisite{rapid.SampledFrom(randomFlags).Draw(t, "flag"), []string{"a", "b"}})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
		r := Rule{ID: fmt.Sprint("r", i), Serve: drawServe(t)}
		if rapid.IntRange(0, 4).Draw(t, "always") > 0 {
			when := drawCondition(t, 1)
			r.When = &when
		}
		f.Rules = append(f.Rules, r)
	}
	switch rapid.IntRange(0, 20).Draw(t, "fault") {
	case 0:
		f.Enabled = false
	case 1:
		f.Off = "nope"
	case 2:
		f.Schema = 2
	case 3:
		f.Default = Serve{}
	case 4:
		f.Rules = append(f.Rules, Rule{ID: "bad", When: &Condition{Attribute: "plan", Op: "like", Values: raws("x")}, Serve: Serve{Variant: "a"}})
	case 5:
		f.Key = "other"
	case 6:
		return []byte(`{"type":"boolean",`)
	}
	return mustJSON(f)
}

func drawSegment(t *rapid.T, key string) []byte {
	s := Segment{Key: key, Version: 3}
	users := func() map[string][]string {
		return map[string][]string{"targetingKey": {rapid.SampledFrom(randomUsers).Draw(t, "user")}, "groups": {"7", "pro"}}
	}
	if rapid.Bool().Draw(t, "include") {
		s.Include = users()
	}
	if rapid.Bool().Draw(t, "exclude") {
		s.Exclude = users()
	}
	if rapid.Bool().Draw(t, "when") {
		when := drawCondition(t, 1)
		s.When = &when
	}
	for _, side := range []string{sideInclude, sideExclude} {
		if rapid.Bool().Draw(t, side) {
			s.Lists = append(s.Lists, ListRef{side, "targetingKey", randomListSalt})
		}
	}
	switch rapid.IntRange(0, 20).Draw(t, "fault") {
	case 0:
		s.Active = new(bool)
	case 1:
		s.Schema = 9
	case 2:
		s.Include = map[string][]string{"a..b": {"x"}}
	}
	return mustJSON(s)
}

// drawList draws a shard that holds some of the users that belong in it.
func drawList(t *rapid.T, key string) []byte {
	segment, side, shard, _ := splitListKey(key)
	l := List{Key: key, Segment: segment, Side: side, Shard: shard}
	var prints [][]byte
	for _, u := range randomUsers {
		if f := Fingerprint(randomListSalt, u); int(f[0]) == shard {
			prints = append(prints, f[:])
		}
	}
	slices.SortFunc(prints, slices.Compare)
	l.Fingerprints = base64.StdEncoding.EncodeToString(slices.Concat(prints...))
	switch rapid.IntRange(0, 8).Draw(t, "fault") {
	case 0:
		l.Fingerprints += "x"
	case 1:
		l.Fingerprints = ""
	}
	return mustJSON(l)
}

// drawChange draws a change of any document.
func drawChange(t *rapid.T) Document {
	doc := Document{Kind: rapid.SampledFrom([]Kind{KindFlag, KindFlag, KindSegment, KindKill, KindList, KindList, "other"}).Draw(t, "kind")}
	var draw func(t *rapid.T, key string) []byte
	switch doc.Kind {
	case KindFlag:
		doc.Key, draw = rapid.SampledFrom(randomFlags).Draw(t, "key"), drawFlag
	case KindSegment:
		doc.Key, draw = rapid.SampledFrom(randomSegments).Draw(t, "key"), drawSegment
	case KindKill:
		doc.Key = rapid.SampledFrom([]string{"k0", "k1", "k2"}).Draw(t, "key")
		draw = func(t *rapid.T, key string) []byte {
			k := Kill{ID: key, Flag: rapid.SampledFrom(randomFlags).Draw(t, "flag")}
			k.ClearedAt = rapid.SampledFrom([]string{"", "2026-11-20T14:02:00Z", "yesterday"}).Draw(t, "clearedAt")
			return mustJSON(k)
		}
	case KindList:
		user := Fingerprint(randomListSalt, rapid.SampledFrom(randomUsers).Draw(t, "user"))
		doc.Key = sideKey(rapid.SampledFrom(randomSegments).Draw(t, "segment"), rapid.SampledFrom([]string{sideInclude, sideExclude}).Draw(t, "side"))
		doc.Key, draw = doc.Key+":"+hex2(int(user[0])), drawList
	default:
		doc.Key, draw = "x", func(*rapid.T, string) []byte { return []byte(`{}`) }
	}
	if rapid.IntRange(0, 4).Draw(t, "delete") > 0 {
		doc.JSON = draw(t, doc.Key)
	}
	return doc
}

func drawContext(t *rapid.T) *Context {
	c := NewContext(rapid.SampledFrom(append([]string{""}, randomUsers...)).Draw(t, "user"))
	if rapid.Bool().Draw(t, "hasPlan") {
		c.String("plan", rapid.SampledFrom(randomPlans).Draw(t, "plan"))
	}
	if rapid.Bool().Draw(t, "hasAge") {
		c.Float("age", rapid.SampledFrom([]float64{0, 7, 10, 7.5, 1e300}).Draw(t, "age"))
	}
	if rapid.Bool().Draw(t, "hasGroups") {
		c.Value("groups", []any{"pro", 7, nil, true, []any{"x"}})
	}
	if rapid.Bool().Draw(t, "hasCompany") {
		c.Value("company", map[string]any{"id": rapid.SampledFrom([]any{7, "c9", 1.5, true}).Draw(t, "company")})
	}
	return c
}

func base64Text(data string) string { return base64.StdEncoding.EncodeToString([]byte(data)) }
