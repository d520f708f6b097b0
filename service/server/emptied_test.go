package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/redistest"
)

// TestEmptiedRedis: Redis loses everything under two nodes, and one of them is restarted. Nobody begins anew and nobody follows: the SDK is served what it had, a kill
// included, until the backup is back, with which the kill that it lacks comes back.
func TestEmptiedRedis(t *testing.T) {
	redis := redistest.Start(t)
	node := func(name string) *running {
		cfg := testConfig(t.TempDir())
		cfg.Store, cfg.Node = redis.URL(), name
		return start(t, cfg, nil)
	}
	first, second := node("node-1"), node("node-2")
	eventually(t, "both are ready", func() bool { return first.isUp() && second.isUp() })
	token := tokenText.FindString(first.notice.String() + second.notice.String())
	require.NotEmpty(t, token)
	first.must(201, "POST", "/v1/projects", token, `{"key":"shop"}`)
	first.must(201, "POST", "/v1/projects/shop/flags", token, `{"key":"new-checkout","type":"boolean"}`)
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(first.must(201, "POST", "/v1/projects/shop/tokens", token, `{"name":"sdk","kind":"server","environment":"production"}`)), &made))
	first.must(200, "POST", production+"/ramp", token, `{"exposure":100}`)
	eventually(t, "the other node has it", func() bool {
		_, text := second.call("POST", "/v1/evaluate/new-checkout", made.Secret, `{"context":{"targetingKey":"u"}}`)
		return bytes.Contains([]byte(text), []byte("true"))
	})
	client, err := dimmer.New(second.Addresses().GRPC, dimmer.WithToken(made.Secret), dimmer.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer client.Close()
	exposed := func() bool { return client.Bool(t.Context(), "new-checkout", dimmer.NewContext("u"), false) }
	eventually(t, "the SDK has it", exposed)
	operator, err := OpenStore(t.Context(), redis.URL(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	var backup bytes.Buffer
	require.NoError(t, store.Backup(t.Context(), operator, &backup, time.Now()))
	require.NoError(t, operator.Close())
	first.must(200, "POST", production+"/kill", token, `{"reason":"test","wait":"instances","timeout":"20s"}`)
	require.False(t, exposed())

	redis.Must("FLUSHALL")
	first.end()
	first = node("node-1")
	refused := "dimmer adopt --store " + redis.URL() + "/0"
	eventually(t, "both refuse it", func() bool {
		return bytes.Contains([]byte(first.log.String()), []byte(refused)) && bytes.Contains([]byte(second.log.String()), []byte(refused))
	})
	status, _ := get(t, "http://"+first.Addresses().HTTP+"/readyz")
	require.Equal(t, 503, status)
	status, _ = get(t, "http://"+second.Addresses().HTTP+"/readyz")
	require.Equal(t, 200, status, "it serves what it knows")
	eventually(t, "the metric says so of every scope", func() bool {
		_, metrics := get(t, "http://"+second.Addresses().Metrics+"/metrics")
		return bytes.Contains([]byte(metrics), []byte(`dimmer_store_refused{scope="shop"} 1`))
	})
	status, text := second.call("POST", production+"/ramp", token, `{"exposure":50}`)
	require.Equal(t, 503, status, text)
	require.Empty(t, first.notice.String(), "nobody is given keys to what is not new")
	require.False(t, exposed())
	require.Empty(t, redis.Must("KEYS", "dimmer:*:head"), "nothing began")

	operator, err = OpenStore(t.Context(), redis.URL(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = store.Restore(t.Context(), operator, &backup)
	require.NoError(t, err)
	require.NoError(t, operator.Close())
	eventually(t, "the restarted node is ready", first.isUp)
	eventually(t, "the kill is back", func() bool {
		status, text := first.call("GET", production+"/kills", token, "")
		return status == 200 && bytes.Contains([]byte(text), []byte(`"id"`))
	})
	require.False(t, exposed(), "never in between")
	second.must(200, "POST", production+"/ramp", token, `{"exposure":100}`)
	eventually(t, "the metric says so", func() bool {
		_, metrics := get(t, "http://"+second.Addresses().Metrics+"/metrics")
		return bytes.Contains([]byte(metrics), []byte(fmt.Sprintf("dimmer_store_refused{scope=%q} 0", "shop")))
	})
	require.False(t, exposed())
}

// TestAdoptedRedis: an operator gives up what Redis lost. The node that waited for that begins anew and shows a token; the one that knew better follows, and its SDK
// keeps what it has.
func TestAdoptedRedis(t *testing.T) {
	redis := redistest.Start(t)
	cfg := testConfig(t.TempDir())
	cfg.Store = redis.URL()
	knows := launch(t, cfg, nil)
	token := tokenText.FindString(knows.notice.String())
	knows.must(201, "POST", "/v1/projects", token, `{"key":"shop"}`)
	knows.must(201, "POST", "/v1/projects/shop/flags", token, `{"key":"new-checkout","type":"boolean"}`)
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(knows.must(201, "POST", "/v1/projects/shop/tokens", token, `{"name":"sdk","kind":"server","environment":"production"}`)), &made))
	knows.must(200, "POST", production+"/ramp", token, `{"exposure":100}`)
	eventually(t, "the token is known", func() bool {
		status, _ := knows.call("POST", "/v1/evaluate/new-checkout", made.Secret, `{"context":{"targetingKey":"u"}}`)
		return status == 200
	})
	client, err := dimmer.New(knows.Addresses().GRPC, dimmer.WithToken(made.Secret), dimmer.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer client.Close()
	exposed := func() bool { return client.Bool(t.Context(), "new-checkout", dimmer.NewContext("u"), false) }
	eventually(t, "the SDK has it", exposed)
	redis.Must("FLUSHALL")
	eventually(t, "it is refused", func() bool { return bytes.Contains([]byte(knows.log.String()), []byte("REFUSES")) })
	waits := start(t, cfg, nil)
	eventually(t, "also by the one that waits", func() bool { return bytes.Contains([]byte(waits.log.String()), []byte("REFUSES")) })

	operator, err := OpenStore(t.Context(), redis.URL(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, operator.Adopt(t.Context()))
	require.NoError(t, operator.Close())
	eventually(t, "the one that waited begins anew", waits.isUp)
	fresh := tokenText.FindString(waits.notice.String())
	require.NotEmpty(t, fresh)
	require.NotEqual(t, token, fresh)
	eventually(t, "the other follows", func() bool {
		status, _ := knows.call("GET", "/v1/projects", fresh, "")
		return status == 200
	})
	status, _ := knows.call("GET", "/v1/projects", token, "")
	require.Equal(t, 401, status)
	require.True(t, exposed(), "what the SDK has it keeps")
	waits.must(201, "POST", "/v1/projects", fresh, `{"key":"shop"}`)
	require.True(t, exposed())
}

// TestLostProject: a node that starts serves every project but the one that Redis lacks, and that one when it is back.
func TestLostProject(t *testing.T) {
	redis := redistest.Start(t)
	cfg := testConfig(t.TempDir())
	cfg.Store = redis.URL()
	before := launch(t, cfg, nil)
	token := tokenText.FindString(before.notice.String())
	for _, project := range []string{"shop", "store"} {
		before.must(201, "POST", "/v1/projects", token, `{"key":"`+project+`"}`)
		before.must(201, "POST", "/v1/projects/"+project+"/flags", token, `{"key":"new-checkout","type":"boolean"}`)
	}
	before.end()
	keys := []string{"head", "docs", "log"}
	for _, key := range keys {
		redis.Must("RENAME", "dimmer:{shop}:"+key, "aside:"+key)
	}
	after := launch(t, cfg, nil)
	after.must(200, "GET", "/v1/projects/store/flags/new-checkout", token, "")
	status, text := after.call("GET", "/v1/projects/shop/flags/new-checkout", token, "")
	require.Equal(t, 503, status, text)
	status, text = after.call("POST", "/v1/projects/shop/flags", token, `{"key":"other","type":"boolean"}`)
	require.Equal(t, 503, status, text)
	require.Contains(t, after.log.String(), "dimmer adopt --store")
	for _, key := range keys {
		redis.Must("RENAME", "aside:"+key, "dimmer:{shop}:"+key)
	}
	eventually(t, "it is back", func() bool {
		status, _ := after.call("GET", "/v1/projects/shop/flags/new-checkout", token, "")
		return status == 200
	})
	eventually(t, "and followed", func() bool {
		_, metrics := get(t, "http://"+after.Addresses().Metrics+"/metrics")
		return bytes.Contains([]byte(metrics), []byte(`dimmer_store_refused{scope="shop"} 0`))
	})
}

func (r *running) isUp() bool {
	select {
	case <-r.Ready():
		return true
	default:
		return false
	}
}
