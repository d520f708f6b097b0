package compile

import (
	"encoding/json"
	"testing"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/stretchr/testify/require"
)

func TestSchema(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		values       []string
		paths        []string
		msg          string
	}{
		{"none", ``, []string{`1`}, nil, ""},
		{"fits", `{"type":"object","required":["a"]}`, []string{`{"a":1}`}, nil, ""},
		{"one does not fit", `{"type":"object","properties":{"a":{"type":"integer"}}}`, []string{`{"a":1}`, `{"a":"x"}`}, []string{"/variants/1/value/a"}, "got string, want integer"},
		{"missing member", `{"required":["a"]}`, []string{`{}`}, []string{"/variants/0/value"}, "missing property 'a'"},
		{"several", `{"items":{"maximum":3}}`, []string{`[4,1,5]`}, []string{"/variants/0/value/0", "/variants/0/value/2"}, ""},
		{"inner reference", `{"$defs":{"n":{"minimum":2}},"additionalProperties":{"$ref":"#/$defs/n"}}`, []string{`{"x":1}`}, []string{"/variants/0/value/x"}, ""},
		{"not a schema", `{"type":"strin"}`, []string{`1`}, []string{"/jsonSchema"}, "not a valid JSON schema"},
		{"reference to the network", `{"$ref":"https://example.com/s.json"}`, []string{`1`}, []string{"/jsonSchema"}, "not followed"},
		{"reference to a file", `{"$ref":"file:///etc/passwd"}`, []string{`1`}, []string{"/jsonSchema"}, "not followed"},
		{"no schema fits", `false`, []string{`1`}, []string{"/variants/0/value"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := feature.Flag{Key: "f", Type: "json"}
			if c.schema != "" {
				f.JSONSchema = json.RawMessage(c.schema)
			}
			for _, v := range c.values {
				f.Variants = append(f.Variants, feature.Variant{Key: "v", Value: json.RawMessage(v)})
			}
			err := Schema(&f)
			var paths []string
			for _, p := range feature.Problems(err) {
				paths = append(paths, p.Path)
			}
			require.Equal(t, c.paths, paths, "%v", err)
			if c.msg != "" {
				require.ErrorContains(t, err, c.msg)
			}
		})
	}
}
