package adminapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// contract checks answers against the description: their status is declared, their body has all that the schema requires, and nothing that
// it does not name.
type contract struct {
	t        testing.TB
	spec     spec
	compiler *jsonschema.Compiler
	seen     map[string]map[int]bool // operation → statuses that came
}

const specURL = "openapi:///spec.json"

func newContract(t testing.TB) *contract {
	t.Helper()
	s := readSpec(t)
	text, err := json.Marshal(closed(s.doc))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(specURL, doc))
	return &contract{t: t, spec: s, compiler: c, seen: map[string]map[int]bool{}}
}

// closed forbids members that a schema does not name.
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, child := range v {
			out[name] = closed(child)
		}
		if _, object := out["properties"].(map[string]any); object && out["additionalProperties"] == nil && out["type"] == "object" {
			out["additionalProperties"] = false
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = closed(v[i])
		}
		return out
	}
	return v
}

// check is for world.check.
func (c *contract) check(r *http.Request, a answer) {
	c.t.Helper()
	op, item := c.find(r)
	if item == nil {
		return
	}
	if c.seen[op] == nil {
		c.seen[op] = map[int]bool{}
	}
	c.seen[op][a.status] = true
	responses := item["responses"].(map[string]any)
	at := strconv.Itoa(a.status)
	if _, declared := responses[at]; !declared {
		require.GreaterOrEqual(c.t, a.status, 400, "%s answers with a status that is not declared", op)
		at = "default"
	}
	response := c.spec.resolve(responses[at])
	content, _ := response["content"].(map[string]any)
	if content == nil {
		require.Empty(c.t, a.body, "%s %d", op, a.status)
		return
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	body, declared := content[media].(map[string]any)
	require.True(c.t, declared, "%s %d answers with the media type %q", op, a.status, media)
	if headers, _ := response["headers"].(map[string]any); headers["ETag"] != nil {
		require.Regexp(c.t, `^"[1-9][0-9]*"$`, a.header.Get("ETag"), op)
	}
	if !strings.HasSuffix(media, "json") {
		return
	}
	ref, _ := body["schema"].(map[string]any)["$ref"].(string)
	require.NotEmpty(c.t, ref, op)
	schema, err := c.compiler.Compile(specURL + ref)
	require.NoError(c.t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	require.NoError(c.t, err, "%s: %s", op, a.body)
	require.NoError(c.t, schema.Validate(value), "%s: %s", op, a.body)
}

// find is the operation that a request is for.
func (c *contract) find(r *http.Request) (id string, item map[string]any) {
	parts := strings.Split(r.URL.Path, "/")
	best := -1
	for path, all := range c.spec.Paths {
		want := strings.Split(path, "/")
		op, there := all[strings.ToLower(r.Method)].(map[string]any)
		if !there || len(want) != len(parts) {
			continue
		}
		literal, same := 0, true
		for i := range want {
			if !strings.HasPrefix(want[i], "{") {
				literal++
				same = same && want[i] == parts[i]
			}
		}
		if same && literal > best {
			best, id, item = literal, op["operationId"].(string), op
		}
	}
	return id, item
}
