package feature

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of RFC 7396, appendix A.
func TestMergePatchExamples(t *testing.T) {
	for _, c := range []struct{ original, patch, result string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":1.50,"m":9007199254740993}`, `{"x":1e2}`, `{"n":1.50,"m":9007199254740993,"x":1e2}`},
		{`{"b":1,"a":2}`, `{"\u0062":3}`, `{"b":3,"a":2}`},
		{` { "a" : 1 } `, ` { "b" : [ null ] } `, `{"a":1,"b":[ null ]}`},
	} {
		got, err := MergePatch([]byte(c.original), []byte(c.patch))
		require.NoError(t, err)
		require.Equal(t, c.result, string(got), "%s + %s", c.original, c.patch)
	}
}

func TestMergePatchRefuses(t *testing.T) {
	for _, patch := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":1} {}`, "{\"a\":\"\xff\"}"} {
		_, err := MergePatch([]byte(`{}`), []byte(patch))
		require.Equal(t, CodeMalformed, CodeOf(err), patch)
	}
}

// naive is the pseudo code of the RFC on decoded values.
func naive(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for k, v := range t {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = naive(out[k], v)
		}
	}
	return out
}

func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":"c"}}`), []byte(`{"a":{"b":"d","c":null},"x":[null]}`))
	f.Add([]byte(`0`), []byte(`1E800`))
	f.Add([]byte(`[1]`), []byte(`{"\u0061":null,"b":{"c":{}}}`))
	f.Fuzz(func(t *testing.T, document, patch []byte) {
		limits := Limits{Depth: 64}
		if CheckJSON(document, limits) != nil || CheckJSON(patch, limits) != nil {
			return
		}
		got, err := MergePatch(document, patch)
		require.NoError(t, err)
		require.NoError(t, CheckJSON(got, Limits{Bytes: 1 << 20, Depth: 128}), "%s", got)
		require.Equal(t, naive(decodeAny(t, document), decodeAny(t, patch)), decodeAny(t, got))
		again, err := MergePatch(got, patch)
		require.NoError(t, err)
		require.Equal(t, string(got), string(again), "a patch applied twice is a patch applied once")
	})
}

func decodeAny(t *testing.T, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}
