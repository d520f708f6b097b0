package adminapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// member is a member that a body may have, with a value of its type, found in the description.
func (s spec) member(t testing.TB, op operation) (name, value string) {
	t.Helper()
	item := s.Paths[op.Path][strings.ToLower(op.Method)].(map[string]any)
	content := s.resolve(item["requestBody"])["content"].(map[string]any)
	schema := s.resolve(content["application/json"].(map[string]any)["schema"])
	if parts, ok := schema["allOf"].([]any); ok {
		schema = s.resolve(parts[0])
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, candidate := range []string{"reason", "key", "name", "off", "id", "environment", "add", "order", "contexts", "flags", "overlap", "token"} {
		if p, there := properties[candidate]; there {
			value := map[string]string{"string": `"x"`, "array": `[]`}[s.resolve(p)["type"].(string)]
			require.NotEmpty(t, value, "%s: %s", op.ID, candidate)
			return candidate, value
		}
	}
	require.Empty(t, properties, "%s: name one of its members here", op.ID)
	return "name", `"x"` // a merge patch
}

// TestEveryBodyIsStrict asks every operation of the description that takes a body, so that a new one is covered the moment it is written down.
func TestEveryBodyIsStrict(t *testing.T) {
	w := newWorld(t)
	s := readSpec(t)
	before := w.heads()
	for _, op := range table() {
		for _, media := range op.Bodies {
			t.Run(op.ID+"/"+media, func(t *testing.T) { w.in(t).checkBody(t, s, op, media) })
		}
	}
	require.Equal(t, before, w.heads(), "none of these requests changes anything")
}

func (w *world) checkBody(t *testing.T, s spec, op operation, media string) {
	name, value := s.member(t, op)
	good := `{"` + name + `":` + value + `}`
	limit := op.maxBody()
	deep := strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)
	tests := []struct {
		name, body, media string
		header            map[string]string
		status            int
		detail            string
	}{
		{name: "unknown member", body: `{"nope":1}`, status: 400, detail: "not a known field"},
		{name: "member in another case", body: `{"` + strings.ToUpper(name) + `":` + value + `}`, status: 400, detail: "not a known field"},
		{name: "member twice", body: `{"` + name + `":` + value + `,"` + name + `":` + value + `}`, status: 400, detail: "twice"},
		{name: "text after the end", body: good + ` {}`, status: 400, detail: "after the end"},
		{name: "nothing", body: "", status: 400, detail: "empty"},
		{name: "blanks", body: " \n", status: 400, detail: "empty"},
		{name: "null", body: "null", status: 400},
		{name: "an array", body: "[]", status: 400},
		{name: "a text", body: `"x"`, status: 400},
		{name: "not JSON", body: "{", status: 400},
		{name: "NaN", body: `{"` + name + `":NaN}`, status: 400},
		{name: "not UTF-8", body: `{"` + name + `":"` + "\xff" + `"}`, status: 400, detail: "not UTF-8"},
		{name: "half a surrogate pair", body: `{"` + name + `":"\ud800"}`, status: 400},
		{name: "too deep", body: deep, status: 400},
		{name: "too large", body: `{"` + name + `":"` + strings.Repeat("a", limit) + `"}`, status: 413},
		{name: "too large, length not known", body: `{"` + name + `":"` + strings.Repeat("a", limit) + `"}`, header: map[string]string{"x-chunked": "1"}, status: 413},
		{name: "a form", body: "reason=x", media: "application/x-www-form-urlencoded", status: 415},
		{name: "a form with files", body: good, media: "multipart/form-data; boundary=x", status: 415},
		{name: "text", body: good, media: "text/plain", status: 415},
		{name: "another JSON type", body: good, media: "application/vnd.api+json", status: 415},
		{name: "another charset", body: good, media: media + "; charset=latin1", status: 415},
		{name: "no type", body: good, header: map[string]string{"Content-Type": ""}, status: 415},
		{name: "compressed", body: good, header: map[string]string{"Content-Encoding": "gzip"}, status: 415},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := ask{method: op.Method, path: filled(op.Path), body: test.body, media: media}
			if test.media != "" {
				a.media = test.media
			}
			r := w.request(a)
			for k, v := range test.header {
				if v == "" {
					r.Header.Del(k)
				} else if k != "x-chunked" {
					r.Header.Set(k, v)
				}
			}
			if test.header["x-chunked"] != "" {
				r.ContentLength = -1
			}
			r.Header.Set("If-Match", "*") // so that nothing but the body can be wrong
			resp, err := http.DefaultTransport.RoundTrip(r)
			require.NoError(t, err)
			defer func() { require.NoError(t, resp.Body.Close()) }()
			var p Problem
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
			require.Equal(t, test.status, resp.StatusCode, "%+v", p)
			require.Equal(t, map[int]string{400: "malformed", 413: "too_large", 415: codeMediaType}[test.status], p.Code)
			require.Contains(t, p.Detail, test.detail)
		})
	}
}

// TestRoutesWithoutABodyTakeNone: whoever sends one believes that it means something.
func TestRoutesWithoutABodyTakeNone(t *testing.T) {
	w := newWorld(t)
	before := w.heads()
	for _, op := range table() {
		if len(op.Bodies) == 0 {
			t.Run(op.ID, func(t *testing.T) {
				resp, err := http.DefaultTransport.RoundTrip(w.request(ask{method: op.Method, path: filled(op.Path), body: `{"reason":"x"}`}))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusBadRequest, resp.StatusCode)
			})
		}
	}
	require.Equal(t, before, w.heads())
}

// FuzzBodies sends any bytes to every operation that takes a body: none is a defect of the server, and what is refused changes nothing.
func FuzzBodies(f *testing.F) {
	ops := []operation{}
	for _, op := range table() {
		if len(op.Bodies) > 0 {
			ops = append(ops, op)
		}
	}
	for i := range ops {
		for _, body := range []string{
			`{}`, `{"reason":"x"}`, `{"key":"k","type":"boolean"}`, `{"enabled":true,"off":"off","default":{"variant":"on"}}`, `{"exposure":12.5}`,
			`{"rules":[{"id":"a","when":{"attribute":"country","op":"in","values":["NO"]},"serve":{"variant":"on"}}]}`, `{"name":null}`,
			`{"context":{"targetingKey":"u"},"flags":["checkout"]}`, `{"order":[]}`, `{"ramp":{"exposure":1},"contexts":[{}]}`, `{"add":["a"],"remove":["b"]}`,
			`{"serve":{"distribution":{"exposure":50,"weights":{"on":100}}}}`,
		} {
			f.Add(i, []byte(body))
		}
	}
	unlimited := Rate{PerSecond: -1}
	w := newWorld(f, func(o *Options) { o.RateLimits = RateLimits{Admin: unlimited, Evaluate: unlimited, Kill: unlimited} })
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		if i < 0 {
			i = -(i + 1)
		}
		op := ops[i%len(ops)]
		if op.ID == "KillFlag" || op.ID == "KillByTag" {
			return // they may wait, which is tested elsewhere
		}
		w := w.in(t)
		before := w.heads()
		r, err := http.NewRequestWithContext(t.Context(), op.Method, w.http.URL+filled(op.Path)+evaluatesAt(op), bytes.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", op.Bodies[0])
		r.Header.Set("Authorization", "Bearer "+w.tokens["root"])
		r.Header.Set("If-Match", "*")
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		var answer any
		if resp.StatusCode != http.StatusNoContent {
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		}
		require.Less(t, resp.StatusCode, 500, "%s: %v", op.ID, answer)
		if resp.StatusCode >= 400 {
			require.Equal(t, before, w.heads(), "%s was refused", op.ID)
		}
	})
}

func evaluatesAt(op operation) string {
	if op.evaluates() {
		return "?project=shop&environment=production"
	}
	return ""
}
