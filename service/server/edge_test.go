package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a proxy says of its client reaches the log, and when a token was last used outlives the process: both are made elsewhere and only wired here.
func TestProxiesAndUses(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev, cfg.TrustedProxies = true, []string{"127.0.0.1"}
	s := launch(t, cfg, nil)
	admin := s.dev().Admin
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addresses().HTTP+production+"/ramp", strings.NewReader(`{"exposure":5}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+admin)
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	resp, err := web.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var log struct{ Items []struct{ Address string } }
	require.NoError(t, json.Unmarshal([]byte(s.must(200, "GET", "/v1/projects/shop/log?limit=1", admin, "")), &log))
	require.Equal(t, "203.0.113.9", log.Items[0].Address)

	sdk := s.must(201, "POST", "/v1/projects/shop/tokens", admin, `{"name":"used","kind":"server","environment":"production"}`)
	var made struct {
		Secret string
		Token  struct{ ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(sdk), &made))
	s.must(200, "GET", "/v1/whoami", made.Secret, "")
	s.end()

	s = launch(t, cfg, nil)
	var token struct{ LastUsed time.Time }
	require.NoError(t, json.Unmarshal([]byte(s.must(200, "GET", "/v1/projects/shop/tokens/"+made.Token.ID, s.dev().Admin, "")), &token))
	require.WithinDuration(t, time.Now(), token.LastUsed, time.Minute)
}
