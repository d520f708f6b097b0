package compile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/stretchr/testify/require"
)

// doubling is a schema of n definitions, each of which applies the next one twice: 2^n visits for any value.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"d%d":{"type":"string"}}}`, n)
	return b.String()
}

// A flag is checked while its project's commits wait, kills among them, so a schema must not be able to keep the check busy.
func TestSchemaWork(t *testing.T) {
	many := "[" + strings.Repeat("0,", 20_000) + "0]"
	for _, c := range []struct{ name, schema, value, msg string }{
		{"a little doubling", doubling(6), `"x"`, ""},
		{"doubling", doubling(60), `"x"`, "too much work"},
		{"half a million visits", `{"items":{"allOf":[` + strings.Repeat(`{"minimum":0},`, 100) + `{}]}}`, many, "too much work"},
		{"one check of many items", `{"items":{"minimum":0}}`, many, ""},
		{"it contains itself", `{"properties":{"next":{"$ref":"#"}}}`, `{"next":{}}`, "contains itself"},
		{"it contains itself by a detour", `{"$ref":"#/$defs/a","$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"not":{"$ref":"#/$defs/a"}}}}`, `1`, "contains itself"},
		{"an escaped reference", `{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"integer"}}}`, `1`, ""},
		{"an index", `{"allOf":[{"type":"integer"},{"not":{"$ref":"#/allOf/0"}}]}`, `"x"`, "got string"},
		{"a reference to nothing", `{"$ref":"#/$defs/gone"}`, `1`, "there is nothing"},
		{"an anchor", `{"$ref":"#a","$defs":{"x":{"$anchor":"a"}}}`, `1`, "must begin with"},
		{"a dynamic reference", `{"$dynamicRef":"#a","$defs":{"x":{"$dynamicAnchor":"a"}}}`, `1`, "not taken"},
		{"another base", `{"$defs":{"x":{"$id":"y"}}}`, `1`, "not taken"},
		{"a huge number in the schema", `{"multipleOf":1e-999999}`, `1`, "number"},
		{"a huge number in a value", `{"multipleOf":3}`, `[1e-999999]`, "number"},
		{"a property that is called $ref", `{"properties":{"$ref":{"type":"string"}}}`, `{"$ref":"x"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &feature.Flag{Type: "json", JSONSchema: json.RawMessage(c.schema), Variants: []feature.Variant{{Key: "a", Value: json.RawMessage(c.value)}}}
			done := make(chan error, 1)
			go func() { done <- Schema(f) }()
			select {
			case err := <-done:
				if c.msg == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.msg)
				require.Equal(t, feature.CodeInvalid, feature.CodeOf(err))
			case <-time.After(10 * time.Second):
				require.Fail(t, "it does not end")
			}
		})
	}
}
