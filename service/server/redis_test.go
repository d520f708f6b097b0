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

// TestTwoNodesOnRedis is a production installation in small: two nodes on one Redis, SDKs on both, a kill that says who has it, Redis
// away and back.
func TestTwoNodesOnRedis(t *testing.T) {
	redis := redistest.Start(t, redistest.AppendOnly("always"))
	nodes := make([]*running, 2)
	for i := range nodes {
		cfg := testConfig(t.TempDir())
		cfg.Store, cfg.Node = redis.URL(), fmt.Sprint("node-", i+1)
		nodes[i] = launch(t, cfg, nil)
	}
	token := tokenText.FindString(nodes[0].notice.String())
	require.NotEmpty(t, token)
	nodes[0].must(201, "POST", "/v1/projects", token, `{"key":"shop"}`)
	nodes[0].must(201, "POST", "/v1/projects/shop/flags", token, `{"key":"new-checkout","type":"boolean"}`)
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(nodes[0].must(201, "POST", "/v1/projects/shop/tokens", token, `{"name":"sdk","kind":"server","environment":"production"}`)), &made))

	for _, n := range nodes { // an SDK whose token is refused comes back after half a minute at the earliest
		eventually(t, "every node knows the token", func() bool {
			status, _ := n.call("POST", "/v1/evaluate/new-checkout", made.Secret, `{"context":{"targetingKey":"u"}}`)
			return status == 200
		})
	}
	clients := make([]*dimmer.Client, 10)
	for i := range clients {
		var err error
		clients[i], err = dimmer.New(nodes[i%2].Addresses().GRPC, dimmer.WithToken(made.Secret), dimmer.WithInstance(fmt.Sprint("app-", i)),
			dimmer.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		defer clients[i].Close()
	}
	exposed := func() int {
		n := 0
		for _, c := range clients {
			if c.Bool(t.Context(), "new-checkout", dimmer.NewContext("u"), false) {
				n++
			}
		}
		return n
	}
	text := nodes[0].must(200, "POST", production+"/ramp", token, `{"exposure":100}`)
	require.Contains(t, text, `"durability":"confirmed"`, "every write is on disk")
	eventually(t, "all SDKs have the ramp", func() bool { return exposed() == len(clients) })
	eventually(t, "the nodes know of all SDKs", func() bool {
		return strings.Count(nodes[1].must(200, "GET", "/v1/projects/shop/instances", token, ""), `"state":"connected"`) == len(clients)
	})

	// A kill through the other node, acknowledged by all.
	var killed struct {
		IDs              []string
		Nodes, Instances struct{ Done, Total int }
	}
	text = nodes[1].must(200, "POST", production+"/kill", token, `{"reason":"test","wait":"instances","timeout":"20s"}`)
	require.NoError(t, json.Unmarshal([]byte(text), &killed))
	require.Equal(t, 0, exposed())
	require.Equal(t, 10, killed.Instances.Done, text)
	require.Equal(t, 10, killed.Instances.Total, text)
	require.Equal(t, 2, killed.Nodes.Done, text)
	nodes[0].must(200, "DELETE", production+"/kills/"+killed.IDs[0]+"?reason=over", token, "")
	eventually(t, "cleared everywhere", func() bool { return exposed() == len(clients) })

	// Redis away: everybody goes on; Redis back: writes work without anybody's doing.
	redis.Kill9()
	status, _ := nodes[0].call("POST", production+"/ramp", token, `{"exposure":50}`)
	require.Equal(t, 503, status)
	require.Equal(t, len(clients), exposed())
	for _, n := range nodes {
		status, _ := get(t, "http://"+n.Addresses().HTTP+"/readyz")
		require.Equal(t, 200, status)
	}
	redis.Restart()
	eventually(t, "writes work again", func() bool {
		status, _ := nodes[1].call("POST", production+"/ramp", token, `{"exposure":0}`)
		return status == 200
	})
	eventually(t, "and arrive", func() bool { return exposed() == 0 })
	for _, n := range nodes {
		require.NotContains(t, n.log.String(), "REWRITTEN", "a plain restart rewrites nothing")
	}

	// A node leaves: its SDKs keep their values, and it is not waited for any more.
	nodes[0].end()
	require.Equal(t, 0, exposed())
	start := time.Now()
	text = nodes[1].must(200, "POST", production+"/kill", token, `{"reason":"test","wait":"nodes","timeout":"20s"}`)
	require.Less(t, time.Since(start), 19*time.Second, text)
}
