package evaluator

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseRuleset(t *testing.T) {
	docs, err := ParseRuleset([]byte(`{"flags":{"a":1,"b":{"x":2},"a":3},"segments":null,"kills":{"k":[]},"other":{"x":1},"lists":{}}`))
	require.NoError(t, err)
	require.Equal(t, []Document{{KindFlag, "a", []byte("3")}, {KindFlag, "b", []byte(`{"x":2}`)}, {KindKill, "k", []byte("[]")}}, docs)
	for text, want := range map[string]string{
		``:                   "the text ends",
		`[]`:                 "must be an object, is an array",
		`{"flags":[]}`:       "/flags: must be an object, is an array",
		`{"flags":{"a":1}`:   "the text ends inside",
		`{"flags":{"a":1}}x`: "unexpected text",
		`{"flags":{"a":}}`:   "unexpected character",
	} {
		_, err := ParseRuleset([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestRulesetDocuments(t *testing.T) {
	f := benchFlag("f")
	r := Ruleset{Flags: map[string]Flag{"f": f}, Segments: map[string]Segment{"s": {Key: "s", When: &Condition{All: []Condition{}}}}, Kills: map[string]Kill{"k": {ID: "k", Flag: "f"}}}
	docs, err := r.Documents()
	require.NoError(t, err)
	require.Len(t, docs, 3)
	s, problems := Compile(r)
	require.Empty(t, problems)
	require.Equal(t, CauseKilled, s.Evaluate("f", nil).Cause)
	r.Flags["g"] = Flag{Variants: []Variant{{"a", json.RawMessage("{")}}}
	_, err = r.Documents()
	require.ErrorContains(t, err, `flag "g"`)
	_, problems = Compile(r)
	require.NotEmpty(t, problems)
}

// TestDecodingAgreesWithEncodingJSON: a flag written by encoding/json is read back the same.
func TestDecodingAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := drawFlag(t, "f0")
		var want Flag
		if json.Unmarshal(data, &want) != nil {
			return
		}
		d := newDecoder(Document{KindFlag, want.Key, data})
		got := d.decodeFlag()
		got.Schema = want.Schema
		require.JSONEq(t, string(mustJSON(want)), string(mustJSON(got)))
		data = drawSegment(t, "s0")
		var segment Segment
		require.NoError(t, json.Unmarshal(data, &segment))
		read := newDecoder(Document{KindSegment, "s0", data}).decodeSegment()
		read.Schema = segment.Schema
		require.JSONEq(t, string(mustJSON(segment)), string(mustJSON(read)))
	})
}

func TestFlagsThatDoNotCompile(t *testing.T) {
	good := ruleFlag(`{"any":[]}`)
	_, problems := compileText(t, `{"flags":{"f":`+good+`}}`)
	require.Empty(t, problems)
	variants := func(n int) string {
		list := []string{`{"key":"a","value":"A"},{"key":"b","value":"B"},{"key":"off","value":"-"}`}
		for i := 3; i < n; i++ {
			list = append(list, fmt.Sprintf(`{"key":"v%d","value":""}`, i))
		}
		return `[` + strings.Join(list, ",") + `]`
	}
	rules := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"id":"r%d","serve":{"variant":"a"}}`, i)
		}
		return `"rules":[` + strings.Join(list, ",") + `],"was":[`
	}
	const three = `[{"key":"a","value":"A"},{"key":"b","value":"B"},{"key":"off","value":"-"}]`
	for _, test := range []struct{ name, from, to, want string }{
		{"type", `"type":"string"`, `"type":"text"`, "/type: must be boolean, string"},
		{"type of a value", `"value":"A"`, `"value":1`, "/variants/0/value: is not of the flag's type, string"},
		{"null value", `"value":"A"`, `"value":null`, "/variants/0/value: is missing"},
		{"variant twice", `{"key":"b"`, `{"key":"a"`, `/variants/1/key: "a" is there twice`},
		{"variant without key", `{"key":"b"`, `{"key":""`, `/variants/1/key: is missing`},
		{"101 variants", three, variants(101), "/variants: has 101 entries"},
		{"off", `"off":"off"`, `"off":"on"`, `/off: the flag has no variant "on"`},
		{"no off", `"off":"off",`, ``, `/off: must name a variant`},
		{"salt", `k3j9x0a1b2c4`, `K3j9x0a1b2c4`, "/salt: must be 12 characters"},
		{"salt with a newline", `k3j9x0a1b2c4`, `k3j9x0a1b2c\n`, "/salt: must be 12 characters"},
		{"enabled", `"enabled":true`, `"enabled":1`, "/enabled: must be a boolean, is a number"},
		{"version", `"version":3`, `"version":"3"`, "/version: must be a number, is a string"},
		{"schema", `"version":3`, `"version":3,"schema":0`, "/schema: must be a positive integer"},
		{"key", `"version":3`, `"version":3,"key":"g"`, `/key: is not the document's key "f"`},
		{"rule without id", `"id":"r",`, ``, "/rules/0/id: is missing"},
		{"serve both", `"serve":{"variant":"a"}`, `"serve":{"variant":"a","distribution":{"exposure":0,"ranges":[{"variant":"a","from":0,"to":100000}]}}`, "/rules/0/serve: has both"},
		{"serve neither", `"serve":{"variant":"a"}`, `"serve":{}`, "/rules/0/serve: has neither"},
		{"no default", `,"default":{"variant":"b"}`, ``, "/default: has neither"},
		{"prerequisite", `"rules"`, `"prerequisites":[{"flag":"g","variants":[]}],"rules"`, "/prerequisites/0/variants: needs at least one"},
		{"201 rules", `"rules":[`, rules(201), "/rules: has 201 entries"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Contains(t, good, test.from)
			s, problems := compileText(t, `{"flags":{"f":`+strings.Replace(good, test.from, test.to, 1)+`}}`)
			text := ""
			for _, p := range problems {
				text += p.Error() + "\n"
			}
			require.Contains(t, text, test.want)
			require.Equal(t, ErrParse, s.Evaluate("f", nil).Error)
		})
	}
	_, problems = compileText(t, `{"flags":{"f":`+strings.Replace(good, three, variants(100), 1)+`}}`)
	require.Empty(t, problems)
	_, problems = compileText(t, `{"flags":{"f":`+strings.Replace(good, `"rules":[`, rules(200), 1)+`}}`)
	require.Empty(t, problems)
}

// TestManyProblemsDoNotHideOne: what is not remembered still counts. With its off variant unknown a killed flag must not serve it.
func TestManyProblemsDoNotHideOne(t *testing.T) {
	bad := strings.Repeat(`,{"id":7}`, 3*maxProblems)
	s, problems := compileText(t, `{"flags":{"f":{"rules":[{"id":7}`+bad+`],"off":7,"type":"boolean","variants":[{"key":"a","value":true}]}},"kills":{"k":{"flag":"f"}}}`)
	require.Len(t, problems, maxProblems)
	require.Equal(t, ErrParse, s.Evaluate("f", nil).Error)
}

func TestTypedAnswers(t *testing.T) {
	flag := func(typ, value string) string {
		return fmt.Sprintf(`{"type":%q,"version":5,"salt":"k3j9x0a1b2c4","enabled":true,"off":"v","variants":[{"key":"v","value":%s}],"default":{"variant":"v"}}`, typ, value)
	}
	s, problems := compileText(t, `{"flags":{"b":`+flag("boolean", "true")+`,"s":`+flag("string", `"x"`)+`,"i":`+flag("number", "7.0")+`,"f":`+flag("number", "3.14")+`,"j":`+flag("json", ` {"a": [1]}`)+`}}`)
	require.Empty(t, problems)
	mismatch := func(r Result) {
		t.Helper()
		require.Equal(t, Result{Reason: ReasonError, Error: ErrTypeMismatch, Revision: Revision{1, 7}}, r)
	}
	b, r := s.Bool("b", nil)
	require.True(t, b)
	require.Equal(t, "STATIC default v", short(r))
	require.Equal(t, int64(5), r.Version)
	require.Equal(t, Revision{1, 7}, r.Revision)
	text, r := s.String("s", nil)
	require.Equal(t, "x", text)
	require.Empty(t, r.Error)
	i, r := s.Int("i", nil)
	require.Equal(t, int64(7), i)
	require.Empty(t, r.Error)
	f, r := s.Float("f", nil)
	require.Equal(t, 3.14, f)
	require.Empty(t, r.Error)
	j, r := s.JSON("j", nil)
	if j.String() != `{"a": [1]}` {
		t.Fatalf("%s is not the value byte for byte", j)
	}
	require.Equal(t, map[string]any{"a": []any{1.0}}, j.Any())
	require.Empty(t, r.Error)
	_, r = s.Bool("s", nil)
	mismatch(r)
	_, r = s.String("b", nil)
	mismatch(r)
	_, r = s.Int("f", nil)
	mismatch(r)
	_, r = s.Float("s", nil)
	mismatch(r)
	_, r = s.JSON("s", nil)
	mismatch(r)
	_, r = s.Bool("nope", nil)
	require.Equal(t, ErrFlagNotFound, r.Error)
}

func TestTheEmptySnapshot(t *testing.T) {
	var s *Snapshot
	require.Equal(t, ErrFlagNotFound, s.Evaluate("f", nil).Error)
	r, trace := s.EvaluateTrace("f", nil)
	require.Equal(t, ErrFlagNotFound, r.Error)
	require.Equal(t, ErrFlagNotFound, trace.Result.Error)
	s.EvaluateAll(nil, func(string, Result) { t.Fatal("there is no flag") })
	require.Zero(t, s.Len())
	require.Empty(t, s.Problems())
	require.Equal(t, Digest{}, s.Digest())
	require.Equal(t, Revision{}, s.Revision())
	require.Empty(t, slices.Collect(s.Documents()))
	for range s.Flags() {
		t.Fatal("there is no flag")
	}
	require.Equal(t, []string{"f"}, s.Dependents(KindFlag, "f"))
	require.Empty(t, s.Dependents(KindSegment, "s"))
	_, ok := s.Flag("f")
	require.False(t, ok)
	_, ok = s.Document(KindFlag, "f")
	require.False(t, ok)
}

func TestListSegments(t *testing.T) {
	lists, err := json.Marshal(listShards("s", sideInclude, randomListSalt, []string{"u1", "7"}))
	require.NoError(t, err)
	excluded, err := json.Marshal(listShards("s", sideExclude, randomListSalt, []string{"acme"}))
	require.NoError(t, err)
	all := string(lists[:len(lists)-1]) + "," + string(excluded[1:])
	s, problems := compileText(t, `{"flags":{"f":`+ruleFlag(`{"segment":"s"}`)+`},"lists":`+all+`,"segments":{"s":{"include":{"email":["x@y.z"]},"exclude":{"targetingKey":["u9"]},"when":{"all":[]},
		"lists":[{"side":"include","attribute":"targetingKey","salt":"lllllllllll0"},{"side":"exclude","attribute":"company.names","salt":"lllllllllll0"}]}}}`)
	require.Empty(t, problems)
	for context, want := range map[string]string{
		`{"targetingKey":"u1","company":{"names":["acme"]}}`: "a",
		`{"targetingKey":7}`:                                              "a",
		`{"targetingKey":"u9"}`:                                           "b",
		`{"targetingKey":"u9","email":"x@y.z"}`:                           "a",
		`{"targetingKey":"u2","company":{"names":["other","acme",null]}}`: "b",
		`{"targetingKey":"u2","company":{"names":"acme"}}`:                "b",
		`{"targetingKey":"u2","company":{"names":["other"]}}`:             "a",
		`{}`: "a",
	} {
		c, err := ParseContext([]byte(context))
		require.NoError(t, err)
		require.Equal(t, want, s.Evaluate("f", c).Variant, context)
		_, trace := s.EvaluateTrace("f", c)
		require.Equal(t, want, trace.Result.Variant, context)
	}
	for key := range listShards("s", sideInclude, randomListSalt, []string{"u1"}) {
		require.Equal(t, []string{"f"}, s.Dependents(KindList, key))
		require.Empty(t, s.Dependents(KindList, strings.Replace(key, "s:", "t:", 1)))
		next, problems := s.With(Revision{}, []Document{{KindList, key, nil}})
		require.Empty(t, problems)
		c := NewContext("u1").Value("company", map[string]any{"names": "acme"})
		require.Equal(t, "a", s.Evaluate("f", c).Variant)
		require.Equal(t, "b", next.Evaluate("f", c).Variant)
	}
}

func TestListsThatCannotBeRead(t *testing.T) {
	one := base64Text("\x0a23456789abcdef\x00")
	two := base64Text("\x0a23456789abcdef\x00\x0a23456789abcdef\x01")
	for text, want := range map[string]string{
		`{"fingerprints":"` + one + `"}`: "",
		`{"key":"s:include:0a","segment":"s","side":"include","shard":10,"fingerprints":"` + two + `"}`: "",
		`{"fingerprints":"` + one + one + `"}`:                                                          "is not padded base64",
		`{"fingerprints":"` + base64Text("\x0a23456789abcdef\x01\x0a23456789abcdef\x00") + `"}`:         "is not sorted",
		`{"fingerprints":"` + base64Text("\x0a23456789abcdef\x01\x0a23456789abcdef\x01") + `"}`:         "is not sorted",
		`{"fingerprints":"` + base64Text("\x0b23456789abcdef\x01") + `"}`:                               "has one that does not begin",
		`{"fingerprints":"` + base64Text("short") + `"}`:                                                "is not a whole number",
		`{"fingerprints":"\n` + one + `"}`:                                                              "is not padded base64",
		`{"segment":"t"}`:                                                                               "is not the key's segment",
		`{"side":"exclude"}`:                                                                            "is not the key's side",
		`{"shard":11}`:                                                                                  "is not the key's shard",
		`{"shard":-1}`:                                                                                  "must not be negative",
		`[]`:                                                                                            "must be an object",
	} {
		s, problems := compileText(t, `{"lists":{"s:include:0a":`+text+`}}`)
		if want == "" {
			require.Empty(t, problems)
		} else {
			require.NotEmpty(t, problems, text)
			require.Contains(t, problems[0].Error(), want)
		}
		d, _ := s.Document(KindList, "s:include:0a")
		require.Equal(t, text, string(d.JSON))
	}
	for _, key := range []string{"s:include:0A", "s:include:a", "s:inside:0a", ":include:0a", "include:0a", "s-include:0a", "s:include:+a", ""} {
		_, problems := compileText(t, `{"lists":{"`+key+`":{}}}`)
		require.Len(t, problems, 1, key)
	}
	segment, side, shard, ok := splitListKey("a:b:exclude:ff")
	require.Equal(t, []any{"a:b", "exclude", 255, true}, []any{segment, side, shard, ok})
}

// TestListMemory: a list of a million keys stays within 32 bytes a key, also while the documents are kept.
func TestListMemory(t *testing.T) {
	const keys = 1_000_000
	before := heap()
	s := millionKeys(t, keys)
	used := heap() - before
	t.Logf("%.1f bytes a key", float64(used)/keys)
	require.Less(t, used, int64(32*keys))
	for i := range 1000 {
		require.Equal(t, "a", s.Evaluate("f", NewContext(fmt.Sprint("user-", i*997))).Variant)
		require.Equal(t, "b", s.Evaluate("f", NewContext(fmt.Sprint("other-", i))).Variant)
	}
	runtime.KeepAlive(s)
}

// millionKeys leaves nothing behind but the snapshot.
func millionKeys(t *testing.T, keys int) *Snapshot {
	list := make([]string, keys)
	for i := range list {
		list[i] = fmt.Sprint("user-", i)
	}
	r := Ruleset{
		Lists:    listShards("s", sideInclude, randomListSalt, list),
		Segments: map[string]Segment{"s": {Key: "s", Lists: []ListRef{{sideInclude, keyAttribute, randomListSalt}}}},
	}
	s, problems := Compile(r)
	require.Empty(t, problems)
	s, problems = s.With(Revision{}, []Document{{KindFlag, "f", []byte(ruleFlag(`{"segment":"s"}`))}})
	require.Empty(t, problems)
	return s
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestChangesCostWhatTheyChange: the bytes that a change allocates do not grow with the ruleset, up to the list of shards.
func TestChangesCostWhatTheyChange(t *testing.T) {
	cost := func(flags int) float64 {
		docs := make([]Document, flags)
		for i := range docs {
			docs[i] = Document{KindFlag, fmt.Sprint("flag-", i), []byte(ruleFlag(`{"segment":"s"}`))}
		}
		docs = append(docs, Document{KindSegment, "s", []byte(`{}`)})
		s, problems := New(Revision{}, docs)
		require.Empty(t, problems)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const rounds = 50
		for i := range rounds {
			s, problems = s.With(Revision{}, []Document{{KindFlag, fmt.Sprint("flag-", i), []byte(ruleFlag(`{"not":{"segment":"s"}}`))},
				{KindKill, fmt.Sprint("k", i), []byte(`{"flag":"flag-7"}`)}})
			require.Empty(t, problems)
		}
		runtime.ReadMemStats(&after)
		require.Equal(t, CauseKilled, s.Evaluate("flag-7", nil).Cause)
		return float64(after.TotalAlloc-before.TotalAlloc) / rounds
	}
	small, large := cost(1000), cost(50_000)
	require.Less(t, large, small+32*2*50_000/shardLoad*4, "a change costs %.0f bytes among 1,000 flags, %.0f among 50,000", small, large)
	t.Logf("a change costs %.0f bytes among 1,000 flags, %.0f among 50,000", small, large)
}

func TestDigest(t *testing.T) {
	a, b := Document{KindFlag, "a", []byte("{}")}, Document{KindSegment, "b", []byte("[]")}
	s, _ := New(Revision{}, []Document{a, b})
	require.Equal(t, Digest{}.Add(b).Add(a), s.Digest())
	require.Equal(t, Digest{}.Add(a), s.Digest().Remove(b))
	require.NotEqual(t, Digest{}.Add(Document{KindFlag, "ab", []byte("c")}), Digest{}.Add(Document{KindFlag, "a", []byte("bc")}))
	// By another implementation of SHA-256; the digest is part of the sync protocol.
	require.Equal(t, "a1a43d18d6eea03f4da7270d67a6bd5b", Digest{}.Add(a).String())
}

// FuzzRuleset: nothing that a ruleset holds makes compiling or evaluating panic, trace and evaluation agree, and one document at a time is
// the same as all at once.
func FuzzRuleset(f *testing.F) {
	f.Add([]byte(`{"flags":{"f":` + ruleFlag(`{"segment":"s"}`) + `},"segments":{"s":{"include":{"a":["x"]}}},"kills":{"k":{"flag":"f"}},"lists":{"s:include:00":{}}}`))
	f.Add([]byte(doubling(3)))
	f.Add([]byte(distributionFlag(`{"exposure":5,"ranges":[{"variant":"a","from":0,"to":100000}]}`)))
	c := NewContext("u").String("a", "x").Value("b", []any{1, "y", nil})
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := ParseRuleset(data)
		if err != nil {
			return
		}
		all, problems := New(Revision{}, docs)
		require.Equal(t, problems, all.Problems())
		one := (*Snapshot)(nil)
		for _, d := range docs {
			one, _ = one.With(Revision{}, []Document{d})
		}
		require.Equal(t, all.Problems(), one.Problems())
		require.Equal(t, all.Digest(), one.Digest())
		for key := range all.Flags() {
			r, trace := all.EvaluateTrace(key, c)
			require.Equal(t, plainResult(all.Evaluate(key, c)), plainResult(r))
			require.Equal(t, plainResult(one.Evaluate(key, c)), plainResult(r))
			_, err := json.Marshal(trace)
			require.NoError(t, err)
		}
	})
}

// FuzzCondition: one condition, with every operator among the seeds.
func FuzzCondition(f *testing.F) {
	for op := range operators {
		f.Add(fmt.Sprintf(`{"attribute":"a.b","op":%q,"values":["1.2.3",1,"2026-11-20T14:02:00Z","10.0.0.0/8"]}`, op), `{"a":{"b":"1.2.3"}}`)
	}
	f.Add(`{"any":[{"not":{"all":[]}},{"flag":"f","variants":["a"]},{"segment":"s"}]}`, `{"targetingKey":1}`)
	f.Add(`{"attribute":"a","op":"modulo","values":[3,1],"negate":true}`, `{"a":[1,"x"]}`)
	f.Fuzz(func(t *testing.T, condition, context string) {
		if !json.Valid([]byte(condition)) {
			return
		}
		c, err := ParseContext([]byte(context))
		if err != nil {
			return
		}
		s, problems := New(Revision{}, []Document{{KindFlag, "g", []byte(ruleFlag(condition))}})
		r := s.Evaluate("g", c)
		require.Equal(t, len(problems) > 0, r.Error == ErrParse)
		again, _ := s.EvaluateTrace("g", c)
		require.Equal(t, r, again)
	})
}
