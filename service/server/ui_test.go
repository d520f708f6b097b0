package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func testUI(t *testing.T) *ui {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("script"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	u, err := newUI(fstest.MapFS{
		"index.html":            {Data: []byte("<title>Dimmer</title>")},
		"favicon.svg":           {Data: []byte("<svg/>")},
		"assets/main-abc.js":    {Data: []byte("script")},
		"assets/main-abc.js.gz": {Data: packed.Bytes()},
	})
	require.NoError(t, err)
	return u
}

func TestUIFiles(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		body               string
		want               map[string]string
	}{
		{name: "the front page", path: "/", status: 200, body: "<title>Dimmer</title>", want: map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache"}},
		{name: "a link into the UI", path: "/p/shop/flags/new-checkout?env=production", header: map[string]string{"Accept": browser}, status: 200, body: "<title>Dimmer</title>", want: map[string]string{"Cache-Control": "no-cache"}},
		{name: "a flag with a dot in its key", path: "/p/shop/flags/checkout.v2", header: map[string]string{"Accept": browser}, status: 200, body: "<title>Dimmer</title>"},
		{name: "not for a person", path: "/p/shop/flags", header: map[string]string{"Accept": "application/json"}, status: 404},
		{name: "no Accept", path: "/somewhere", status: 404, want: map[string]string{"Cache-Control": "no-store"}},
		{name: "an asset", path: "/assets/main-abc.js", status: 200, body: "script", want: map[string]string{
			"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "", "Vary": "Accept-Encoding",
		}},
		{name: "an asset, part of it", path: "/assets/main-abc.js", header: map[string]string{"Range": "bytes=0-1"}, status: 200, body: "script"},
		{name: "an asset of another build", path: "/assets/main-old.js", header: map[string]string{"Accept": browser}, status: 404},
		{name: "no gzip, please", path: "/assets/main-abc.js", header: map[string]string{"Accept-Encoding": "gzip;q=0, br"}, status: 200, body: "script"},
		{name: "the compressed file by its name", path: "/assets/main-abc.js.gz", status: 404},
		{name: "the icon", path: "/favicon.svg", status: 200, body: "<svg/>", want: map[string]string{"Content-Type": "image/svg+xml", "Cache-Control": "no-cache"}},
		{name: "a way out", path: "/../../etc/passwd", header: map[string]string{"Accept": browser}, status: 200, body: "<title>Dimmer</title>"},
		{name: "a folder", path: "/assets/", header: map[string]string{"Accept": browser}, status: 404},
		{name: "HEAD", method: "HEAD", path: "/", status: 200},
		{name: "POST", method: "POST", path: "/", status: 405, want: map[string]string{"Allow": "GET, HEAD"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			r := httptest.NewRequest(method, test.path, nil)
			for k, v := range test.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			testUI(t).ServeHTTP(w, r)
			require.Equal(t, test.status, w.Code)
			if test.status == 200 {
				require.Equal(t, test.body, w.Body.String())
				require.NotEmpty(t, w.Header().Get("ETag"))
			}
			for k, v := range test.want {
				require.Equal(t, v, w.Header().Get(k), k)
			}
			require.Equal(t, policyUI, w.Header().Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
			require.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Opener-Policy"))
			require.NotEmpty(t, w.Header().Get("Permissions-Policy"))
		})
	}
}

func TestUICompressedAndCached(t *testing.T) {
	u := testUI(t)
	get := func(header map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/assets/main-abc.js", nil)
		for k, v := range header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		u.ServeHTTP(w, r)
		return w
	}
	packed := get(map[string]string{"Accept-Encoding": "br, gzip"})
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	z, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, "script", string(text))

	plain := get(nil)
	require.NotEqual(t, plain.Header().Get("ETag"), packed.Header().Get("ETag"), "different bytes, different tags")
	again := get(map[string]string{"If-None-Match": plain.Header().Get("ETag")})
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Empty(t, again.Body.String())
}

func TestUIWithoutAPageIsRefused(t *testing.T) {
	_, err := newUI(fstest.MapFS{"app.js": {Data: []byte("x")}})
	require.ErrorContains(t, err, "index.html")
}
