package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/server"
	"github.com/dimmerhq/dimmer/service/store"
)

const (
	project     = "bench"
	environment = "production"

	staticFlag = "static-boolean-flag" // case A
	rulesFlag  = "five-rules-flag"     // case B
)

const serveShare = `{"distribution":{"exposure":20,"weights":{"on":100},"otherwise":"off"}}`

// templates are flags, by what follows their key in the request that makes them, with their targeting. Copies of them fill a set: as in the mixed
// case D, of ten five are static, two have a rule, one is a rollout, one a split, and one is case B.
var templates = []struct{ key, variants, targeting string }{
	{staticFlag, ``, `{"enabled":true,"off":"off","default":{"variant":"on"}}`},
	{rulesFlag, ``, `{"enabled":true,"off":"off","default":{"variant":"off"},"rules":[` +
		`{"id":"1","when":{"attribute":"plan","op":"in","values":["enterprise"]},"serve":{"variant":"off"}},` +
		`{"id":"2","when":{"attribute":"country","op":"in","values":["aq"]},"serve":{"variant":"off"}},` +
		`{"id":"3","when":{"attribute":"email","op":"in","values":["root@example.com"]},"serve":{"variant":"off"}},` +
		`{"id":"4","when":{"attribute":"device","op":"in","values":["watch"]},"serve":{"variant":"off"}},` +
		`{"id":"5","when":{"attribute":"name","op":"in","values":["ann","bob","cid","dan","eve","fay","gus","hal","ida","joe"]},"serve":` + serveShare + `}]}`},
	{"plan-flag", ``, `{"enabled":true,"off":"off","default":{"variant":"off"},"rules":[` +
		`{"id":"1","when":{"attribute":"plan","op":"in","values":["pro"]},"serve":{"variant":"on"}}]}`},
	{"rollout-flag", ``, `{"enabled":true,"off":"off","default":` + serveShare + `}`},
	{"split-flag", `,"variants":[{"key":"a","value":true},{"key":"b","value":false},{"key":"c","value":true},{"key":"d","value":false}]`,
		`{"enabled":true,"off":"a","default":{"distribution":{"exposure":100,"weights":{"a":10,"b":20,"c":30,"d":40}}}}`},
}

// mix is which template each of ten copies is made from.
var mix = [10]string{staticFlag, staticFlag, staticFlag, staticFlag, staticFlag, "plan-flag", "plan-flag", "rollout-flag", "split-flag", rulesFlag}

// installation is a store with a project in it, and the tokens to it.
type installation struct {
	store             string // URL
	admin, serverSide string // tokens
}

// install makes a project of so many flags. The first ones come over REST; the others are copies of their documents, written to the store in
// large commits, because ten thousand requests would take longer than all that is measured.
func install(b *testing.B, storeURL string, flags int) installation {
	b.Helper()
	in := installation{store: storeURL}
	p := start(b, roleDimmer, storeVariable+"="+storeURL)
	in.admin = p.Token
	require.NotEmpty(b, in.admin)
	call := func(status int, method, path, body string) string {
		return request(b, p.HTTP, in.admin, status, method, path, body)
	}
	call(201, "POST", "/v1/projects", `{"key":"`+project+`"}`)
	var made struct{ Secret string }
	require.NoError(b, json.Unmarshal([]byte(call(201, "POST", "/v1/projects/"+project+"/tokens", `{"name":"bench","kind":"server","environment":"`+environment+`"}`)), &made))
	in.serverSide = made.Secret
	for _, t := range templates {
		call(201, "POST", "/v1/projects/"+project+"/flags", fmt.Sprintf(`{"key":%q,"type":"boolean"%s}`, t.key, t.variants))
		call(200, "PUT", targetingPath(t.key), t.targeting)
	}
	p.ask("stop")
	p.end()
	in.copies(b, flags-len(templates))
	return in
}

func targetingPath(flag string) string {
	return "/v1/projects/" + project + "/flags/" + flag + "/environments/" + environment
}

func (in installation) copies(b *testing.B, n int) {
	ctx := b.Context()
	st, err := server.OpenStore(ctx, in.store, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	defer st.Close()
	state, err := st.Read(ctx, project)
	require.NoError(b, err)
	of := map[string][]store.Change{} // a template's documents
	for key, doc := range state.All() {
		for _, t := range templates {
			if key.ID == t.key || strings.HasSuffix(key.ID, "/"+t.key) {
				of[t.key] = append(of[t.key], store.Change{Key: key, After: doc})
			}
		}
	}
	head := state.Head()
	const atOnce = 1000
	for from := 0; from < n; from += atOnce {
		var changes []store.Change
		for i := from; i < min(from+atOnce, n); i++ {
			template, key := mix[i%10], fmt.Sprintf("mixed-flag-%05d", i)
			for _, c := range of[template] {
				c.Key.ID = strings.ReplaceAll(c.Key.ID, template, key)
				c.After = bytes.ReplaceAll(c.After, []byte(`"`+template+`"`), []byte(`"`+key+`"`))
				changes = append(changes, c)
			}
		}
		entry, err := store.Seal(head, store.Meta{Actor: "bench", Verb: "copy", At: time.Now()}, changes)
		require.NoError(b, err)
		done, err := st.Commit(ctx, store.Txn{Scope: project, Base: head, Entry: entry})
		require.NoError(b, err)
		head = done.Head
	}
}

// run starts a server on the installation.
func (in installation) run(b *testing.B) *process {
	return start(b, roleDimmer, storeVariable+"="+in.store)
}

var web = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}

// request makes one REST request and returns what is answered with the status.
func request(b testing.TB, address, token string, status int, method, path, body string) string {
	b.Helper()
	got, text, err := try(b.Context(), address, token, method, path, body)
	require.NoError(b, err)
	require.Equal(b, status, got, "%s %s: %s", method, path, text)
	return text
}

func try(ctx context.Context, address, token, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if method == http.MethodPut {
		req.Header.Set("If-Match", "*")
	}
	resp, err := web.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
