package feature

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type strictInner struct {
	Name  string `json:"name" dimmer:"required"`
	Share Percent
	Part  Percent           `json:"part"`
	Tags  []string          `json:"tags,omitempty"`
	Extra map[string]string `json:"extra,omitempty"`
}

type strictOuter struct {
	Key     string          `json:"key"`
	On      bool            `json:"on"`
	Count   int32           `json:"count"`
	Size    uint8           `json:"size"`
	Ratio   float64         `json:"ratio"`
	At      time.Time       `json:"at"`
	Raw     json.RawMessage `json:"raw"`
	Inner   strictInner     `json:"inner"`
	Maybe   *strictInner    `json:"maybe"`
	Members []strictInner   `json:"members"`
}

func TestDecodeStrictAccepts(t *testing.T) {
	var v strictOuter
	text := ` {"key":"a\u00e9\ud83d\ude00\n","on":true,"count":-5,"size":255,"ratio":1e3,"at":"2026-11-20T14:02:00Z","raw":{"b":[null,1.50]},` +
		`"inner":{"name":"x","part":12.5,"extra":{"k":"v"}},"maybe":null,"members":[{"name":"y","tags":["t"]}]}` + "\n"
	require.NoError(t, DecodeStrict([]byte(text), &v, Limits{}))
	require.Equal(t, "aé😀\n", v.Key)
	require.Equal(t, Percent(12_500), v.Inner.Part)
	require.Equal(t, `{"b":[null,1.50]}`, string(v.Raw), "raw values keep their digits") //nolint:testifylint // digits are what JSONEq would not compare
	require.Nil(t, v.Maybe)
}

func TestDecodeStrictRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)
	for _, c := range []struct {
		name, text, path, msg string
		code                  Code
	}{
		{"empty", "", "", "empty", CodeMalformed},
		{"blank", " \n", "", "empty", CodeMalformed},
		{"unknown field", `{"kee":"a"}`, "/kee", `did you mean "key"`, CodeMalformed},
		{"unknown field without a hint", `{"unrelated":1}`, "/unrelated", "not a known field", CodeMalformed},
		{"other case", `{"Key":"a"}`, "/Key", `did you mean "key"`, CodeMalformed},
		{"Go name of an untagged field", `{"inner":{"name":"x","Share":1}}`, "/inner/Share", "not a known field", CodeMalformed},
		{"duplicate", `{"key":"a","on":true,"key":"b"}`, "/key", "twice", CodeMalformed},
		{"duplicate by escape", `{"key":"a","\u006bey":"b"}`, "/key", "twice", CodeMalformed},
		{"duplicate in a free object", `{"raw":{"x":{"y":1,"y":2}}}`, "/raw/x/y", "twice", CodeMalformed},
		{"duplicate in a map", `{"inner":{"name":"n","extra":{"a/b":"1","a/b":"2"}}}`, "/inner/extra/a~1b", "twice", CodeMalformed},
		{"trailing text", `{"key":"a"} {}`, "", "after the end", CodeMalformed},
		{"bad UTF-8", "{\"key\":\"a\xff\"}", "", "byte 9 is not UTF-8", CodeMalformed},
		{"half a surrogate pair", `{"key":"\ud83d"}`, "/key", "no character", CodeMalformed},
		{"surrogates in the wrong order", `{"key":"\ude00\ud83d"}`, "/key", "no character", CodeMalformed},
		{"unknown escape", `{"key":"\x"}`, "/key", "no character", CodeMalformed},
		{"control character", "{\"key\":\"a\tb\"}", "/key", "control character", CodeMalformed},
		{"open string", `{"key":"a`, "/key", "not closed", CodeMalformed},
		{"null string", `{"key":null}`, "/key", "must be a string, not null", CodeMalformed},
		{"null struct", `{"inner":null}`, "/inner", "must be an object, not null", CodeMalformed},
		{"wrong type", `{"on":"true"}`, "/on", "must be true or false", CodeMalformed},
		{"fraction for an integer", `{"count":1.0}`, "/count", "must be an integer", CodeMalformed},
		{"too large an integer", `{"count":3000000000}`, "/count", "must be an integer", CodeMalformed},
		{"negative size", `{"size":-1}`, "/size", "0 or more", CodeMalformed},
		{"too large a size", `{"size":256}`, "/size", "0 or more", CodeMalformed},
		{"too large a number", `{"ratio":1e999}`, "/ratio", "too large", CodeMalformed},
		{"leading zero", `{"count":01}`, "", "missing", CodeMalformed},
		{"plus sign", `{"count":+1}`, "/count", "unexpected character", CodeMalformed},
		{"not a number", `{"ratio":NaN}`, "/ratio", "unexpected character", CodeMalformed},
		{"array for an object", `[]`, "", "must be an object", CodeMalformed},
		{"trailing comma", `{"key":"a",}`, "", "name is missing", CodeMalformed},
		{"comment", `{"key":"a"} // x`, "", "after the end", CodeMalformed},
		{"time", `{"at":"yesterday"}`, "/at", "cannot be read", CodeMalformed},
		{"percent as text", `{"inner":{"name":"x","part":"12"}}`, "/inner/part", "number of percent", CodeMalformed},
		{"percent too fine", `{"inner":{"name":"x","part":0.0001}}`, "/inner/part", "multiple of 0.001", CodeInvalid},
		{"missing field", `{"members":[{"name":"a"},{"part":1}]}`, "/members/1/name", "required", CodeInvalid},
		{"too deep", deep, strings.Repeat("/a", 16), "more than 16 deep", CodeMalformed},
		{"too long", `{"key":"` + strings.Repeat("x", MaxDocument) + `"}`, "", "at most 262144", CodeTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			var into any = &strictOuter{}
			if c.name == "too deep" {
				into = new(any)
			}
			err := DecodeStrict([]byte(c.text), into, Limits{})
			require.ErrorContains(t, err, c.msg)
			require.Equal(t, c.code, CodeOf(err))
			require.Equal(t, c.path, Problems(err)[0].Path)
		})
	}
}

func TestDecodeStrictReportsAllInvalidFields(t *testing.T) {
	var v strictOuter
	err := DecodeStrict([]byte(`{"inner":{"part":0.0001},"members":[{"name":"a","part":101}]}`), &v, Limits{})
	var paths []string
	for _, p := range Problems(err) {
		paths = append(paths, p.Path)
	}
	require.ElementsMatch(t, []string{"/inner/part", "/inner/name", "/members/0/part"}, paths)
}

func TestCheckPatch(t *testing.T) {
	ok := []string{`{}`, `{"key":null,"inner":{"name":null,"extra":null}}`, `{"members":[{"name":"a"}]}`, `{"maybe":{"part":3}}`}
	for _, text := range ok {
		require.NoError(t, CheckPatch([]byte(text), strictOuter{}, Limits{}), text)
	}
	bad := map[string]string{
		`{"kee":null}`: "/kee", `[]`: "", `null`: "", `{"inner":{"nam":null}}`: "/inner/nam", `{"key":1}`: "/key", `{"members":[null]}`: "/members/0",
		`{"key":null,"key":null}`: "/key", `{"members":[{"name":null}]}`: "/members/0/name",
	}
	for text, path := range bad {
		err := CheckPatch([]byte(text), strictOuter{}, Limits{})
		require.Equal(t, CodeMalformed, CodeOf(err), text)
		require.Equal(t, path, Problems(err)[0].Path, text)
	}
}

func FuzzDecodeStrict(f *testing.F) {
	for _, s := range []string{
		`{"key":"a","inner":{"name":"x","part":12.5}}`, `{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00"]}`, `{"a":1,"a":2}`, "\"\xff\"", `[[[[`, `1e5`, `"\ud800"`, ` [] x`,
		`{"members":[{"name":"a"},{"name":"b"}],"maybe":null,"raw":{"x":[]}}`, `{"at":"2026-11-20T14:02:00Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var loose any
		err := DecodeStrict(data, &loose, Limits{})
		var std any
		stdErr := json.Unmarshal(data, &std)
		if err == nil {
			require.NoError(t, stdErr)
			require.Equal(t, std, loose)
		} else if CodeOf(err) == CodeInternal {
			t.Fatal(err)
		}
		var v, w strictOuter
		if err := DecodeStrict(data, &v, Limits{}); err == nil {
			// What is accepted is what encoding/json reads when it is told to be as strict as it can.
			require.NoError(t, json.Unmarshal(data, &w))
			require.Equal(t, w, v)
			require.NoError(t, CheckJSON(data, Limits{}))
			once, err := Encode(v)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(once, &w))
		} else if CodeOf(err) == CodeInternal {
			t.Fatal(err)
		}
	})
}
