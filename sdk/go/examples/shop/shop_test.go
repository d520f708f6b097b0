package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/sdk/go/dimmertest"
)

func get(t *testing.T, h http.Handler, target string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

func TestPagesFollowTheFlags(t *testing.T) {
	flags := dimmertest.New(t)
	shop := newShop(flags.Client)

	home := get(t, shop, "/?user=u1")
	require.NotContains(t, home, `class="banner"`, "no banner without the flag")
	require.Contains(t, home, "--accent:#2f5d50;--radius:6px", "the fallback theme")
	require.NotContains(t, home, "Goes well with")
	require.Contains(t, get(t, shop, "/checkout?user=u1"), `data-checkout="old"`)
	require.Contains(t, get(t, shop, "/checkout?user=u1"), "4.90 €", "39 is below the fallback threshold of 50")

	flags.Set(
		dimmertest.Bool("new-checkout", true), dimmertest.Bool("recommendations", true), dimmertest.String("banner", "Winter <lamps>"),
		dimmertest.Float("free-shipping-from", 39), dimmertest.String("checkout-button", "Pay securely"),
		dimmertest.JSON("theme", map[string]any{"accent": "#b4532a", "radius": 14}),
	)
	home = get(t, shop, "/?user=u1")
	require.Contains(t, home, `Winter &lt;lamps&gt;`, "what a flag says is text")
	require.Contains(t, home, "--accent:#b4532a;--radius:14px")
	require.Contains(t, home, "Goes well with")
	checkout := get(t, shop, "/checkout?user=u1")
	require.Contains(t, checkout, `data-checkout="new"`)
	require.NotContains(t, checkout, `data-checkout="old"`)
	require.Contains(t, checkout, "Pay securely")
	require.NotContains(t, checkout, "4.90 €", "shipping is free from the threshold on")
}

func TestHostileValuesStayText(t *testing.T) {
	flags := dimmertest.New(t, dimmertest.JSON("theme", map[string]any{"accent": "red;} body{display:none", "radius": 3}))
	shop := newShop(flags.Client)
	require.Contains(t, get(t, shop, "/"), "--accent:#2f5d50;--radius:3px", "what is no colour is not used")
	require.NotContains(t, get(t, shop, "/checkout?user=%3Cscript%3E"), "<script>")
}

func TestCrowd(t *testing.T) {
	flags := dimmertest.New(t, dimmertest.Bool("new-checkout", true))
	var answer struct {
		In    int    `json:"in"`
		Users []bool `json:"users"`
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, newShop(flags.Client), "/crowd.json")), &answer))
	require.Equal(t, 1000, answer.In)
	require.Len(t, answer.Users, 1000)
	require.Contains(t, get(t, newShop(flags.Client), "/crowd"), "/crowd.js")
}
