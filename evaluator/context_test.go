package evaluator

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestContextFromJSON(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"all kinds", ` {"targetingKey":"u","s":"x","n":-1.5e3,"b":true,"z":null,"a":[1,"2",[3]],"o":{"p":{"q":1}}} `,
			`{"targetingKey":"u","s":"x","n":-1500,"b":true,"z":null,"a":[1,"2",[3]],"o":{"p":{"q":1}}}`},
		{"an integer key", `{"targetingKey":17.0}`, `{"targetingKey":"17"}`},
		{"a negative key", `{"targetingKey":-17}`, `{"targetingKey":"-17"}`},
		{"a null key", `{"targetingKey":null}`, `{}`},
		{"an empty key", `{"targetingKey":""}`, `{}`},
		{"the last key counts", `{"targetingKey":"a","targetingKey":"b"}`, `{"targetingKey":"b"}`},
		{"the last name counts", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"escapes", `{"\u0061":"\ud83d\ude00\n\/"}`, `{"a":"😀\n/"}`},
		{"lone surrogates", `{"a":"\ud83dx\udE00\ud83d\ud83d\ude00"}`, `{"a":"�x��😀"}`},
		{"ill-formed UTF-8", "{\"a\":\"x\xff\xe2\x82y\"}", `{"a":"x���y"}`},
		{"too large a number is missing", `{"a":1e999,"b":[-1e999]}`, `{"a":null,"b":[null]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseContext([]byte(test.text))
			require.NoError(t, err)
			got, err := json.Marshal(c)
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(got))
		})
	}
}

func TestContextsThatAreRefused(t *testing.T) {
	many := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = `"` + strings.Repeat("a", i+1) + `":1`
		}
		return strings.Join(names, ",")
	}
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	for name, test := range map[string]struct{ good, bad, want string }{
		"syntax":            {`{}`, `{"a":}`, "unexpected character '}' at byte 5"},
		"trailing text":     {`{} `, `{} x`, "unexpected text"},
		"empty":             {`{}`, ``, "the text ends"},
		"not an object":     {`{}`, `[]`, "must be an object, is an array"},
		"key is a boolean":  {`{"targetingKey":"true"}`, `{"targetingKey":true}`, "targetingKey: must be a string or an integer"},
		"key is a fraction": {`{"targetingKey":9007199254740991}`, `{"targetingKey":1.5}`, "targetingKey: must be a string or an integer"},
		"key is inexact":    {`{"targetingKey":-9007199254740991}`, `{"targetingKey":9007199254740992}`, "targetingKey: must be a string or an integer"},
		"bytes":             {`{}` + strings.Repeat(" ", 64<<10-2), `{}` + strings.Repeat(" ", 64<<10-1), "has more than 65536 bytes"},
		"attributes":        {`{"targetingKey":"u",` + many(100) + `}`, `{` + many(101) + `}`, "has more than 100 attributes"},
		"string":            {`{"a":"` + strings.Repeat("é", 512) + `"}`, `{"a":"` + strings.Repeat("é", 512) + `x"}`, "a: a string has 1025 bytes"},
		"string within":     {`{"a":["` + strings.Repeat("x", 1024) + `"]}`, `{"a":["` + strings.Repeat("x", 1025) + `"]}`, "a string has 1025 bytes"},
		"key":               {`{"targetingKey":"` + strings.Repeat("x", 1024) + `"}`, `{"targetingKey":"` + strings.Repeat("x", 1025) + `"}`, "has 1025 bytes"},
		"name":              {`{"` + strings.Repeat("x", 256) + `":1}`, `{"` + strings.Repeat("x", 257) + `":1}`, "name has 257 bytes"},
		"name within":       {`{"a":{"` + strings.Repeat("x", 256) + `":1}}`, `{"a":{"` + strings.Repeat("x", 257) + `":1}}`, "name has 257 bytes"},
		"depth":             {deep(16), deep(17), "nested more than 16 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseContext([]byte(test.good))
			require.NoError(t, err)
			_, err = ParseContext([]byte(test.bad))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestContextBuilder(t *testing.T) {
	c := NewContext("u").String("s", "x").Int("n", -7).Float("f", 1.5).Float("nan", math.NaN()).Bool("b", true).Strings("l", "a", "b").
		Value("o", map[string]any{"p": []int{1, 2}}).String("s", "y").Value("raw", json.RawMessage(`{"a":[1]}`)).Value("nil", nil)
	require.NoError(t, c.Err())
	require.Equal(t, "u", c.Key())
	require.Equal(t, map[string]any{
		"s": "y", "n": -7.0, "f": 1.5, "nan": nil, "b": true, "l": []any{"a", "b"}, "o": map[string]any{"p": []any{1.0, 2.0}},
		"raw": map[string]any{"a": []any{1.0}}, "nil": nil,
	}, maps.Collect(c.Attributes()))
	other := c.Clone().String("s", "z").String(keyAttribute, "v")
	require.Equal(t, "v", other.Key())
	require.Equal(t, "y", maps.Collect(c.Attributes())["s"])
	require.Empty(t, NewContext("u").Value(keyAttribute, nil).Key())
	require.Equal(t, "9", NewContext("u").Int(keyAttribute, 9).Key())

	var none *Context
	require.Empty(t, none.Key())
	require.NoError(t, none.Err())
	require.Empty(t, maps.Collect(none.Attributes()))
	require.Equal(t, "x", none.Clone().String(keyAttribute, "x").Key())
}

func TestContextBuilderKeepsToTheLimits(t *testing.T) {
	type loop map[string]any
	endless := map[string]any{}
	endless["self"] = endless
	deep := any(1)
	for range 15 {
		deep = []any{deep}
	}
	require.NoError(t, NewContext("").Value("a", deep).Err())
	long := strings.Repeat("x", 1025)
	tooMany := NewContext("")
	for i := range 101 {
		tooMany.Int(strings.Repeat("a", i+1), 1)
	}
	for want, c := range map[string]*Context{
		"targetingKey: has 1025 bytes":   NewContext(long),
		"a: has 1025 bytes":              NewContext("").String("a", long),
		"a: element 1 has 1025 bytes":    NewContext("").Strings("a", "", long),
		"a/b/0: has 1025 bytes":          NewContext("").Value("a", map[string]any{"b": []string{long}}),
		"a: a chan int has no JSON form": NewContext("").Value("a", make(chan int)),
		"a: a func() has no JSON form":   NewContext("").Value("a", func() {}),
		"has more than 100 attributes":   tooMany,
		"name has 257 bytes":             NewContext("").Int(strings.Repeat("n", 257), 1),
		"targetingKey: must be":          NewContext("").Bool(keyAttribute, true),
		"nested more than 16 deep":       NewContext("").Value("a", []any{deep}),
		"self: nested more than 16 deep": NewContext("").Value("a", loop(endless)),
		"a: unexpected character 'x'":    NewContext("").Value("a", json.RawMessage("x")),
		"a: \"x\" is not a number":       NewContext("").Value("a", json.Number("x")),
	} {
		require.ErrorContains(t, c.Err(), want)
		s, _ := compileText(t, `{"flags":{"f":`+ruleFlag(`{"any":[]}`)+`,"off":`+strings.Replace(ruleFlag(`{"any":[]}`), `"enabled":true,`, "", 1)+`}}`)
		require.Equal(t, ErrInvalidContext, s.Evaluate("f", c).Error)
		r, _ := s.EvaluateTrace("f", c)
		require.Equal(t, ErrInvalidContext, r.Error)
		require.Equal(t, CauseOff, s.Evaluate("off", c).Cause, "nobody had to look at the context")
	}
	wide := make([]any, 70_000)
	require.ErrorContains(t, NewContext("").Value("a", wide).Err(), "has more than 65536 values")
	_, err := ContextFromMap(map[string]any{"a": make(chan int)})
	require.Error(t, err)
}

// TestContextRoundTrip: what a context writes reads as an equal one, however it was made.
func TestContextRoundTrip(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) any { return drawValue(t, 3) })
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.StringMatching(`[a-d.ü]{1,3}`), value, 0, 6).Draw(t, "attributes")
		c, err := ContextFromMap(m)
		require.NoError(t, err)
		c.String(keyAttribute, rapid.String().Draw(t, "key"))
		text, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := ParseContext(text)
		require.NoError(t, err)
		require.Equal(t, c.Key(), again.Key())
		require.Equal(t, maps.Collect(c.Attributes()), maps.Collect(again.Attributes()))
	})
}

func drawValue(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 5+min(depth, 1)).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Float64().Draw(t, "float")
	case 3:
		return rapid.Int32().Draw(t, "int")
	case 4, 5:
		return rapid.StringN(0, 20, 100).Draw(t, "string")
	}
	if rapid.Bool().Draw(t, "array") {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return drawValue(t, depth-1) }), 0, 3).Draw(t, "elements")
	}
	return rapid.MapOfN(rapid.StringN(1, 4, 16), rapid.Custom(func(t *rapid.T) any { return drawValue(t, depth-1) }), 0, 3).Draw(t, "members")
}

// FuzzContext: encoding/json accepts whatever ParseContext accepts, and reads the same values.
func FuzzContext(f *testing.F) {
	for _, s := range []string{`{}`, `{"targetingKey":7,"a":[1,{"b":"\ud800"}]}`, `{"a":1e999}`, `{"a":-0}`, "{\"\xff\":\"\xff\"}", `{"a":"\u00"}`, `[`, `{"a":01}`} {
		f.Add([]byte(s))
	}
	s, _ := compileText(f, `{"flags":{"f":`+ruleFlag(`{"any":[{"attribute":"a.b","op":"in","values":["x",1]},{"attribute":"a","op":"modulo","values":[3,1]}]}`)+`}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseContext(data)
		if err != nil {
			return
		}
		s.EvaluateTrace("f", c)
		var oracle map[string]any
		if err := json.Unmarshal(data, &oracle); err != nil {
			require.Contains(t, err.Error(), "cannot unmarshal number", "%q", data) // out of range: missing here
			return
		}
		for name, got := range c.Attributes() {
			if strings.Contains(string(data), `"`+name+`"`) && strings.Count(string(data), ":") == len(oracle) { // no name twice, none escaped
				require.Equal(t, oracle[name], got, "%q", data)
			}
		}
		text, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := ParseContext(text)
		if err != nil {
			require.Contains(t, err.Error(), "bytes") // escapes may make the text longer than it was
			return
		}
		require.Equal(t, maps.Collect(c.Attributes()), maps.Collect(again.Attributes()))
	})
}
