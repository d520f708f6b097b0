package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// TestFailover: the primary of a Sentinel set, or of the project's slot in a Cluster, dies. The SDK is served throughout, writes work again by
// themselves, and what was confirmed before is still so.
func TestFailover(t *testing.T) {
	tests := []struct {
		name  string
		start func(t *testing.T) (url string, kill, heal func())
	}{
		{"sentinel", func(t *testing.T) (string, func(), func()) {
			set := redistest.StartSentinel(t)
			return set.URL(), func() { set.Primary().Kill9() }, func() {} // a replica is left
		}},
		{"cluster", func(t *testing.T) (string, func(), func()) {
			cluster := redistest.StartCluster(t)
			return cluster.URL(), func() { cluster.Primary("dimmer:{shop}:head").Kill9() }, cluster.Heal
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, kill, heal := tt.start(t)
			cfg := testConfig(t.TempDir())
			cfg.Store, cfg.Node = url, "node-1"
			n := launch(t, cfg, nil)
			failOver(t, n, kill, heal)
		})
	}
}

func failOver(t *testing.T, n *running, kill, heal func()) {
	t.Helper()
	token := tokenText.FindString(n.notice.String())
	require.NotEmpty(t, token)
	n.must(201, "POST", "/v1/projects", token, `{"key":"shop"}`)
	n.must(201, "POST", "/v1/projects/shop/flags", token, `{"key":"new-checkout","type":"boolean"}`)
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(n.must(201, "POST", "/v1/projects/shop/tokens", token, `{"name":"sdk","kind":"server","environment":"production"}`)), &made))
	eventually(t, "the token is known", func() bool {
		status, _ := n.call("POST", "/v1/evaluate/new-checkout", made.Secret, `{"context":{"targetingKey":"u"}}`)
		return status == 200
	})
	client, err := dimmer.New(n.Addresses().GRPC, dimmer.WithToken(made.Secret), dimmer.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer client.Close()
	exposed := func() bool { return client.Bool(t.Context(), "new-checkout", dimmer.NewContext("u"), false) }
	require.Contains(t, n.must(200, "POST", production+"/ramp", token, `{"exposure":100}`), `"durability":"confirmed"`, "it is on a replica")
	eventually(t, "the ramp arrives", exposed)
	before := client.Snapshot().Revision()

	kill()
	died := time.Now()
	var text string
	require.Eventually(t, func() bool {
		require.True(t, exposed(), "served throughout")
		var status int
		status, text = n.call("POST", production+"/ramp", token, `{"exposure":99.999}`)
		return status == 200
	}, 60*time.Second, 20*time.Millisecond, "writes work again")
	t.Logf("no write for %.2f s", time.Since(died).Seconds())
	heal()
	exposure := 99
	require.Eventually(t, func() bool { // once the new primary has a replica in sync
		exposure = 1 + (exposure+1)%100 // another each time: a write without effect is none
		_, text = n.call("POST", production+"/ramp", token, fmt.Sprintf(`{"exposure":%d}`, exposure))
		return strings.Contains(text, `"durability":"confirmed"`)
	}, 60*time.Second, 20*time.Millisecond, "a write is confirmed again")
	n.must(200, "POST", production+"/ramp", token, `{"exposure":0}`)
	eventually(t, "and arrives", func() bool { return !exposed() })
	require.Positive(t, client.Snapshot().Revision().Compare(before))
	require.NotContains(t, n.log.String(), "REWRITTEN", "nothing that was confirmed is lost")
	require.Equal(t, before.Epoch, client.Snapshot().Revision().Epoch, "and so the history goes on")
}
