package adminapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/stretchr/testify/require"
)

// match is the header that changes a document of a version.
func match(a answer) map[string]string { return map[string]string{"If-Match": a.header.Get("ETag")} }

// TestEveryOperation goes through all of them once, as somebody would who sets up a shop, and holds every answer to the description.
func TestEveryOperation(t *testing.T) { onEveryStore(t, everyOperation) }

func everyOperation(t *testing.T, w *world) {
	c := newContract(t)
	w.check = c.check
	for _, part := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"projects", projectsTour}, {"segments", segmentsTour}, {"flags", flagsTour}, {"targeting", targetingTour}, {"kills", killsTour},
		{"log", logTour}, {"tokens", tokensTour}, {"evaluation", evaluationTour}, {"operations", operationsTour}, {"sessions", sessionsTour},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			c.t = t
			part.run(t, w.in(t))
		}) {
			return
		}
	}
	for _, op := range table() {
		if op.ID == "StreamEvents" || op.ID == "Backup" {
			continue // see their own tests
		}
		good := false
		for status := range c.seen[op.ID] {
			good = good || status < 300
		}
		require.True(t, good, "%s was never answered with success", op.ID)
	}
}

func sessionsTour(t *testing.T, w *world) {
	code := decode[SignInCode](t, w.ok(201, ask{method: "POST", path: "/v1/session/codes", token: "editor"}))
	cookie, session := w.signIn(`{"code":"` + code.Code + `"}`)
	require.Equal(t, session, decode[Session](t, w.ok(200, with(cookie, ask{method: "GET", path: "/v1/session"}))))
	w.ok(204, with(cookie, ask{method: "DELETE", path: "/v1/session"}))
}

func projectsTour(t *testing.T, w *world) {
	got := w.ok(200, ask{method: "GET", path: "/v1/whoami", token: "editor"})
	require.Equal(t, "editor", decode[Principal](t, got).Role)

	made := w.ok(201, ask{method: "POST", path: "/v1/projects?reason=new", body: `{"key":"bakery","name":"Bakery","environments":[{"key":"live","production":true}]}`})
	require.Equal(t, "1", made.header.Get("Dimmer-Epoch"))
	require.NotEmpty(t, made.header.Get("Dimmer-Revision"))
	require.Equal(t, "confirmed", made.header.Get("Dimmer-Durability"))
	w.refused(409, "exists", ask{method: "POST", path: "/v1/projects", body: `{"key":"bakery"}`})

	got = w.ok(200, ask{method: "GET", path: "/v1/projects?limit=2"})
	list := decode[ProjectList](t, got)
	require.Len(t, list.Items, 2)
	require.NotEmpty(t, list.Next)
	list = decode[ProjectList](t, w.ok(200, ask{method: "GET", path: "/v1/projects?limit=2&cursor=" + list.Next}))
	require.Len(t, list.Items, 1)
	require.Empty(t, list.Next)
	list = decode[ProjectList](t, w.ok(200, ask{method: "GET", path: "/v1/projects", token: "viewer"}))
	require.Len(t, list.Items, 1, "a token of one project sees one project")

	got = w.ok(200, ask{method: "GET", path: "/v1/projects/bakery"})
	got = w.ok(200, ask{method: "PATCH", path: "/v1/projects/bakery", body: `{"name":"The bakery"}`, header: match(got)})
	require.Equal(t, "The bakery", decode[feature.Project](t, got).Name)

	environment := w.ok(201, ask{method: "POST", path: "/v1/projects/bakery/environments", body: `{"key":"test","order":1}`})
	require.Len(t, decode[EnvironmentList](t, w.ok(200, ask{method: "GET", path: "/v1/projects/bakery/environments"})).Items, 2)
	environment = w.ok(200, ask{method: "PATCH", path: "/v1/projects/bakery/environments/test", media: "application/merge-patch+json",
		body: `{"name":"Test","description":null}`, header: match(environment)})
	environment = w.ok(200, ask{method: "GET", path: "/v1/projects/bakery/environments/test", header: match(environment)})
	require.Equal(t, "Test", decode[feature.Environment](t, environment).Name)
	w.ok(204, ask{method: "DELETE", path: "/v1/projects/bakery/environments/test?reason=unused", header: match(environment)})
	w.refused(404, "not_found", ask{method: "GET", path: "/v1/projects/bakery/environments/test"})

	w.refused(428, "precondition_required", ask{method: "DELETE", path: "/v1/projects/bakery"})
	got = w.ok(200, ask{method: "GET", path: "/v1/projects/bakery"})
	w.ok(204, ask{method: "DELETE", path: "/v1/projects/bakery", header: match(got)})
	w.refused(404, "not_found", ask{method: "GET", path: "/v1/projects/bakery"})
}

func segmentsTour(t *testing.T, w *world) {
	const at = "/v1/projects/shop/segments/staff"
	got := w.ok(201, ask{method: "POST", path: "/v1/projects/shop/segments", token: "editor",
		body: `{"key":"staff","when":{"attribute":"email","op":"endsWith","values":["@example.com"]}}`})
	require.Len(t, decode[SegmentList](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/segments?q=STA"})).Items, 1)
	require.Empty(t, decode[SegmentList](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/segments?q=nobody"})).Items)
	got = w.ok(200, ask{method: "PUT", path: at, body: string(got.body), header: match(got)})
	got = w.ok(200, ask{method: "PATCH", path: at, body: `{"include":{"targetingKey":["ada"]}}`, header: match(got)})
	got = w.ok(200, ask{method: "GET", path: at, header: match(got)})
	require.Equal(t, []string{"ada"}, decode[feature.Segment](t, got).Include["targetingKey"])

	edited := decode[Written](t, w.ok(200, ask{method: "POST", path: at + "/environments/production/lists/include", body: `{"add":["u1","u2","u3"],"remove":["u3"]}`}))
	require.Positive(t, edited.Version)
	keys := decode[KeyList](t, w.ok(200, ask{method: "GET", path: at + "/environments/production/lists/include?limit=1"}))
	require.Equal(t, 2, keys.Total)
	require.Len(t, keys.Items, 1)
	rest := decode[KeyList](t, w.ok(200, ask{method: "GET", path: at + "/environments/production/lists/include?cursor=" + keys.Next}))
	require.ElementsMatch(t, []string{"u1", "u2"}, append(keys.Items, rest.Items...))
	found := decode[KeyList](t, w.ok(200, ask{method: "GET", path: at + "/environments/production/lists/include?key=u2"}))
	require.Equal(t, KeyList{Items: []string{"u2"}, Total: 2}, found)
	require.Empty(t, decode[KeyList](t, w.ok(200, ask{method: "GET", path: at + "/environments/production/lists/include?key=u3"})).Items)
	place := w.ok(200, ask{method: "GET", path: at + "/environments/production"})
	require.Equal(t, int64(2), decode[feature.SegmentEnvironment](t, place).Include.Count)
	place = w.ok(200, ask{method: "PATCH", path: at + "/environments/production", body: `{"active":false}`, header: match(place)})
	require.False(t, decode[feature.SegmentEnvironment](t, place).Active)

	require.Equal(t, ReferenceList{Items: []Reference{}}, decode[ReferenceList](t, w.ok(200, ask{method: "GET", path: at + "/references"})))
	wider := w.ok(201, ask{method: "POST", path: "/v1/projects/shop/segments", body: `{"key":"wider","when":{"segment":"staff"}}`})
	require.Equal(t, []Reference{{Segment: "wider"}}, decode[ReferenceList](t, w.ok(200, ask{method: "GET", path: at + "/references"})).Items)
	w.ok(204, ask{method: "DELETE", path: "/v1/projects/shop/segments/wider", header: match(wider)})
	list := decode[TargetingList](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/environments/production/targetings?limit=1"}))
	require.Len(t, list.Items, 1)
	require.Equal(t, "production", list.Items[0].Environment)
	require.NotEmpty(t, list.Items[0].Flag)

	made := w.ok(201, ask{method: "POST", path: "/v1/projects/shop/segments", body: `{"key":"gone"}`})
	w.ok(204, ask{method: "DELETE", path: "/v1/projects/shop/segments/gone", header: match(made)})
}

func flagsTour(t *testing.T, w *world) {
	const flags = "/v1/projects/shop/flags"
	got := w.ok(201, ask{method: "POST", path: flags + "?reason=try", token: "editor",
		body: `{"key":"banner","type":"string","off":"none","variants":[{"key":"red","value":"#f00"},{"key":"none","value":""}],"tags":["ui"]}`})
	flag := decode[feature.Flag](t, got)
	require.NotEmpty(t, flag.Salt)
	require.Equal(t, `"`+strconv.FormatInt(flag.Version, 10)+`"`, got.header.Get("ETag"))
	list := decode[FlagList](t, w.ok(200, ask{method: "GET", path: flags + "?tag=ui&type=string&kind=release&q=BAN&archived=false&environment=staging"}))
	require.Len(t, list.Items, 1)
	require.Equal(t, []string{"staging"}, keysOf(list.Items[0].Environments))
	require.Equal(t, "off", list.Items[0].Environments["staging"].State)
	require.Len(t, decode[FlagList](t, w.ok(200, ask{method: "GET", path: flags + "?flag=banner"})).Items, 1)
	require.Empty(t, decode[FlagList](t, w.ok(200, ask{method: "GET", path: flags + "?flag=ban"})).Items, "a whole key")

	got = w.ok(200, ask{method: "PUT", path: flags + "/banner", body: strings.Replace(string(got.body), `"name":""`, `"name":"Banner"`, 1), header: match(got)})
	got = w.ok(200, ask{method: "PATCH", path: flags + "/banner", media: "application/merge-patch+json", body: `{"tags":null,"owner":"ada"}`, header: match(got)})
	got = w.ok(200, ask{method: "GET", path: flags + "/banner", header: match(got)})
	flag = decode[feature.Flag](t, got)
	require.Equal(t, "Banner", flag.Name)
	require.Equal(t, "ada", flag.Owner)
	require.Empty(t, flag.Tags, "null deletes")
	require.Equal(t, "none", decode[targetingBody](t, w.ok(200, ask{method: "GET", path: flags + "/banner/environments/production"})).Off)

	w.refused(409, "conflict", ask{method: "DELETE", path: flags + "/banner", header: match(got)})
	salt := flag.Salt
	got = w.ok(200, ask{method: "POST", path: flags + "/banner/reshuffle", body: `{"reason":"bias"}`})
	require.NotEqual(t, salt, decode[feature.Flag](t, got).Salt)
	require.True(t, decode[feature.Flag](t, w.ok(200, ask{method: "POST", path: flags + "/banner/archive", body: `{}`})).Archived)
	require.False(t, decode[feature.Flag](t, w.ok(200, ask{method: "POST", path: flags + "/banner/unarchive", body: `{}`})).Archived)
	got = w.ok(200, ask{method: "POST", path: flags + "/banner/archive", body: `{}`})
	w.ok(204, ask{method: "DELETE", path: flags + "/banner", header: match(got)})
}

func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func targetingTour(t *testing.T, w *world) {
	got := w.ok(200, ask{method: "GET", path: inProduction})
	require.Equal(t, "checkout", decode[targetingBody](t, got).Flag)
	got = w.ok(200, ask{method: "PUT", path: inProduction, body: string(got.body), header: match(got)})
	got = w.ok(200, ask{method: "PATCH", path: inProduction, body: `{"enabled":true}`, header: match(got)})
	require.True(t, decode[targetingBody](t, got).Enabled)

	got = w.ok(200, ask{method: "PUT", path: inProduction + "/rules/norway", header: match(got),
		body: `{"when":{"attribute":"country","op":"in","values":["NO"]},"serve":{"variant":"on"}}`})
	got = w.ok(200, ask{method: "PUT", path: inProduction + "/rules/rollout:all", header: match(got),
		body: `{"serve":{"distribution":{"exposure":12.5,"weights":{"on":100}}}}`})
	got = w.ok(200, ask{method: "PATCH", path: inProduction + "/rules/norway", header: match(got), body: `{"name":"Norway"}`})
	got = w.ok(200, ask{method: "POST", path: inProduction + "/rules:order", header: match(got), body: `{"order":["rollout:all","norway"]}`})
	body := decode[targetingBody](t, got)
	require.Equal(t, "Norway", body.Rules[1].Name)
	w.refused(404, "not_found", ask{method: "DELETE", path: inProduction + "/rules/nobody", header: match(got)})
	got = w.ok(200, ask{method: "DELETE", path: inProduction + "/rules/norway?reason=done", header: match(got)})
	require.Len(t, decode[targetingBody](t, got).Rules, 1)

	got = w.ok(200, ask{method: "POST", path: inProduction + "/ramp", token: "operator", body: `{"exposure":25,"from":0,"reason":"go"}`})
	body = decode[targetingBody](t, got)
	require.Equal(t, feature.Percent(25_000), body.Default.Distribution.Exposure)
	require.Positive(t, body.Revision)
	require.Equal(t, "confirmed", string(body.Durability))
	w.refused(409, "conflict", ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":50,"from":0}`})
	require.False(t, decode[targetingBody](t, w.ok(200, ask{method: "POST", path: inProduction + "/off", token: "operator", body: `{"reason":"x"}`})).Enabled)
	require.True(t, decode[targetingBody](t, w.ok(200, ask{method: "POST", path: inProduction + "/on", token: "operator", body: `{}`})).Enabled)

	before := w.heads()
	p := decode[Preview](t, w.ok(200, ask{method: "POST", path: inProduction + "/preview", token: "viewer",
		body: `{"ramp":{"exposure":50},"contexts":[{"targetingKey":"u1"},{"targetingKey":"u2","country":"NO"}]}`}))
	require.Len(t, p.Distributions, 2, "the rule that does not change is listed as well")
	require.Len(t, p.Contexts, 2)
	require.InDelta(t, 25, p.Distributions[len(p.Distributions)-1].EnterPercent, 1e-9)
	p = decode[Preview](t, w.ok(200, ask{method: "POST", path: inProduction + "/preview", body: `{"patch":{"enabled":false}}`}))
	require.NotEmpty(t, p.Changes)
	got = w.ok(200, ask{method: "GET", path: inProduction})
	w.ok(200, ask{method: "POST", path: inProduction + "/preview", body: `{"targeting":` + string(got.body) + `}`})
	require.Equal(t, before, w.heads(), "a preview saves nothing")
}

func killsTour(t *testing.T, w *world) {
	w.people.mu.Lock()
	w.people.receipt = receipt.Receipt{Complete: true, Nodes: receipt.Count{Done: 2, Total: 2}, Instances: receipt.Count{Done: 50, Total: 50}}
	w.people.mu.Unlock()
	got := decode[KillReceipt](t, w.ok(200, ask{method: "POST", path: inProduction + "/kill", token: "kill", body: `{"reason":"it burns","wait":"instances","timeout":"2s"}`}))
	require.Len(t, got.Ids, 1)
	require.Equal(t, Count{50, 50}, got.Instances)
	require.True(t, decode[targetingBody](t, w.ok(200, ask{method: "GET", path: inProduction})).Killed)
	require.True(t, decode[targetingBody](t, w.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":30}`})).Killed, "a ramp says that nobody sees it")

	w.people.mu.Lock()
	w.people.receipt = receipt.Receipt{Instances: receipt.Count{Done: 49, Total: 50}, Missing: []receipt.Instance{{ID: "i-7", State: receipt.Behind, LastSeen: time.Now()}}}
	w.people.list = receipt.List{Instances: w.people.receipt.Missing, Nodes: []receipt.Node{{Name: "n1", Epoch: 1, Revision: 3, Instances: 50}}}
	w.people.mu.Unlock()
	again := decode[KillReceipt](t, w.ok(202, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"it burns","wait":"instances","timeout":"10ms"}`}))
	require.Equal(t, "i-7", again.Missing[0].Instance)
	byTag := decode[KillReceipt](t, w.ok(202, ask{method: "POST", path: "/v1/projects/shop/kill", body: `{"reason":"all","tag":"payments","environment":"production","wait":"nodes"}`}))
	require.ElementsMatch(t, []string{"checkout", "secret"}, byTag.Flags)
	w.people.mu.Lock()
	w.people.receipt.Complete = true
	w.people.mu.Unlock()
	w.ok(200, ask{method: "POST", path: "/v1/projects/shop/kill", body: `{"reason":"all","tag":"payments","environment":"staging"}`})
	w.refused(404, "not_found", ask{method: "POST", path: "/v1/projects/shop/kill", body: `{"reason":"all","tag":"nobody","environment":"production"}`})

	require.Len(t, decode[InstanceList](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/instances?environment=production"})).Nodes, 1)
	kills := decode[KillList](t, w.ok(200, ask{method: "GET", path: inProduction + "/kills", token: "kill"}))
	require.Len(t, kills.Items, 3)
	for _, k := range kills.Items {
		w.refused(403, "denied", ask{method: "DELETE", path: inProduction + "/kills/" + k.ID + "?reason=calm", token: "operator"})
		cleared := decode[feature.Kill](t, w.ok(200, ask{method: "DELETE", path: inProduction + "/kills/" + k.ID + "?reason=calm", token: "editor"}))
		require.Equal(t, "calm", cleared.Cleared.Reason)
	}
	require.False(t, decode[targetingBody](t, w.ok(200, ask{method: "GET", path: inProduction})).Killed)
}

func logTour(t *testing.T, w *world) {
	page := decode[LogPage](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/log?limit=3&flag=checkout&environment=production"}))
	require.Len(t, page.Items, 3)
	require.Equal(t, "kill.clear", page.Items[0].Verb)
	require.Equal(t, "calm", page.Items[0].Reason)
	require.NotEmpty(t, page.Items[0].Address)
	page = decode[LogPage](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/log?cursor=" + page.Next}))
	require.NotEmpty(t, page.Items)

	before := w.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":10}`})
	after := w.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":90}`})
	entry := decode[LogEntry](t, w.ok(200, ask{method: "GET", path: "/v1/projects/shop/log/" + after.header.Get("Dimmer-Revision")}))
	require.Equal(t, "targeting/production/checkout", entry.Changes[0].Document)
	require.Contains(t, string(entry.Changes[0].Before), `"exposure":10`)
	require.Contains(t, string(entry.Changes[0].After), `"exposure":90`)
	done := decode[Restored](t, w.ok(200, ask{method: "POST", path: "/v1/projects/shop/log/" + before.header.Get("Dimmer-Revision") + "/restore",
		token: "editor", body: `{"flag":"checkout","environment":"production","reason":"back"}`}))
	require.Equal(t, []string{"targeting/production/checkout"}, done.Documents)
	require.Equal(t, feature.Percent(10_000), decode[targetingBody](t, w.ok(200, ask{method: "GET", path: inProduction})).Default.Distribution.Exposure)
	w.refused(404, "not_found", ask{method: "GET", path: "/v1/projects/shop/log/999999"})
}

func tokensTour(t *testing.T, w *world) {
	for _, at := range []string{"/v1/projects/shop/tokens", "/v1/tokens"} {
		body := `{"name":"ci","kind":"admin","role":"viewer"}`
		made := decode[struct {
			Token  feature.Token
			Secret string
		}](t, w.ok(201, ask{method: "POST", path: at, body: body}))
		require.True(t, strings.HasPrefix(made.Secret, "dma_"))
		require.Empty(t, made.Token.SecretHash)
		list := w.ok(200, ask{method: "GET", path: at})
		require.Contains(t, string(list.body), made.Token.ID)
		require.NotContains(t, string(list.body), "secretHash")
		require.NotContains(t, string(list.body), made.Secret)
		one := w.ok(200, ask{method: "GET", path: at + "/" + made.Token.ID})
		require.NotContains(t, string(one.body), "secretHash")
		next := decode[struct{ Secret string }](t, w.ok(201, ask{method: "POST", path: at + "/" + made.Token.ID + "/rotate", body: `{"overlap":"1h"}`}))
		require.NotEqual(t, made.Secret, next.Secret)
		w.ok(204, ask{method: "DELETE", path: at + "/" + made.Token.ID + "?reason=gone"})
		w.settle()
		w.tokens["gone"] = made.Secret
		w.refused(401, "unauthenticated", ask{method: "GET", path: "/v1/whoami", token: "gone"})
	}
	w.refused(422, "invalid", ask{method: "POST", path: "/v1/projects/shop/tokens", body: `{"name":"x","kind":"server"}`})
	w.refused(404, "not_found", ask{method: "GET", path: "/v1/projects/other/tokens/" + w.principal("viewer").ID[len("token:"):]})
}

func evaluationTour(t *testing.T, w *world) {
	w.ok(200, ask{method: "POST", path: inProduction + "/ramp", body: `{"exposure":100}`})
	// The only rule: whom a distribution before it would take is drawn with the flag's salt, which is another in every run.
	w.ok(200, ask{method: "PATCH", path: inProduction, header: map[string]string{"If-Match": "*"},
		body: `{"rules":[{"id":"norway","when":{"attribute":"country","op":"in","values":["NO"]},"serve":{"variant":"off"}}]}`})
	w.settle()
	const who = `{"context":{"targetingKey":"u1","country":"NO"}}`
	for _, name := range []string{"server", "client"} {
		e := decode[Evaluation](t, w.ok(200, ask{method: "POST", path: "/v1/evaluate/checkout", token: name, body: who}))
		require.Empty(t, e.Error)
		require.JSONEq(t, `false`, string(e.Value))
		require.Equal(t, "off", e.Variant)
		require.Equal(t, name == "server", e.Rule == "norway", "a client learns nothing of rules")
		all := decode[Evaluations](t, w.ok(200, ask{method: "POST", path: "/v1/evaluate", token: name, body: who}))
		require.Equal(t, e, all.Items[0])
		require.Equal(t, e.Revision, all.Revision)
		require.Len(t, all.Items, map[string]int{"server": 2, "client": 1}[name])
		some := decode[Evaluations](t, w.ok(200, ask{method: "POST", path: "/v1/evaluate", token: name, body: `{"flags":["secret","nobody"]}`}))
		require.Equal(t, name == "client", some.Items[0].Error == "FLAG_NOT_FOUND", "a hidden flag looks like an unknown one")
		require.Equal(t, "FLAG_NOT_FOUND", some.Items[1].Error)
		some.Items[0].Flag, some.Items[1].Flag = "", ""
		if name == "client" {
			require.Equal(t, some.Items[1], some.Items[0])
		}
	}
	traced := decode[struct {
		Trace struct{ Rules []json.RawMessage }
	}](t, w.ok(200, ask{method: "POST", path: "/v1/evaluate/checkout?trace=1", token: "server", body: who}))
	require.NotEmpty(t, traced.Trace.Rules)
	w.ok(200, ask{method: "POST", path: "/v1/evaluate?trace=1", token: "server", body: who})
	for n, status := range map[int]int{maxTraces: 200, maxTraces + 1: 422} { // a trace may have 64 KiB
		body := `{"flags":["checkout"` + strings.Repeat(`,"checkout"`, n-1) + `]}`
		require.Equal(t, status, w.do(ask{method: "POST", path: "/v1/evaluate?trace=1", token: "server", body: body}).status)
		w.ok(200, ask{method: "POST", path: "/v1/evaluate", token: "server", body: body})
	}
	w.refused(403, "denied", ask{method: "POST", path: "/v1/evaluate/checkout?trace=1", token: "client", body: who})
	w.ok(200, ask{method: "POST", path: "/v1/evaluate/checkout?project=shop&environment=production", body: who})
	w.refused(422, "invalid", ask{method: "POST", path: "/v1/evaluate/checkout", body: who})
	w.refused(404, "not_found", ask{method: "POST", path: "/v1/evaluate/checkout?environment=staging", token: "server", body: who})
	w.refused(404, "not_found", ask{method: "POST", path: "/v1/evaluate/checkout?project=shop&environment=nowhere", body: who})
	w.refused(404, "not_found", ask{method: "POST", path: "/v1/evaluate/checkout?project=nowhere&environment=production", body: who})
	w.refused(422, "invalid", ask{method: "POST", path: "/v1/evaluate/checkout", token: "server", body: `{"context":"u1"}`})
}

func operationsTour(t *testing.T, w *world) {
	require.NotEmpty(t, decode[struct{ Backend string }](t, w.ok(200, ask{method: "GET", path: "/v1/store"})).Backend)
	w.ok(204, ask{method: "POST", path: "/v1/store/adopt", body: `{"reason":"it was me"}`})
	require.Contains(t, w.logged.String(), "it was me")
}

// TestBackup also checks the other side: a backup that breaks off has no trailer, and no proper end.
func TestBackup(t *testing.T) { onEveryStore(t, backs) }

func backs(t *testing.T, w *world) {
	got := func() (*http.Response, []byte, error) {
		resp, err := http.DefaultTransport.RoundTrip(w.request(ask{method: "GET", path: "/v1/backup"}))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		return resp, body, err
	}
	resp, body, err := got()
	require.NoError(t, err)
	require.Equal(t, "true", resp.Trailer.Get("Dimmer-Complete"))
	require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
	require.Contains(t, string(body), `"scope":"shop"`)
	require.Contains(t, string(body), `"scope":"_system"`)

	w.breakExport.Store(true)
	resp, _, err = got()
	require.Equal(t, 200, resp.StatusCode)
	require.Error(t, err, "a stream that breaks off has no proper end")
	require.Empty(t, resp.Trailer.Get("Dimmer-Complete"))
	require.Contains(t, w.logged.String(), "disk on fire")
}

// TestNothingStandsInTheWayOfAKill: a header that means nothing to a kill is no reason to refuse it.
func TestNothingStandsInTheWayOfAKill(t *testing.T) {
	w := newWorld(t)
	for _, tag := range []string{`"1"`, "*", "broken", `"1", "2"`} {
		w.ok(200, ask{method: "POST", path: inProduction + "/kill", body: `{"reason":"errors"}`, header: map[string]string{"If-Match": tag}})
	}
	w.ok(200, ask{method: "GET", path: inProduction, header: map[string]string{"If-Match": `"1"`}})
}

func TestTokenIsRevokedAtItsVersion(t *testing.T) {
	w := newWorld(t)
	path := "/v1/projects/shop/tokens/" + strings.TrimPrefix(w.principal("kill").ID, "token:")
	got := w.ok(200, ask{method: "GET", path: path})
	w.ok(204, ask{method: "DELETE", path: path, header: match(got)})
}
