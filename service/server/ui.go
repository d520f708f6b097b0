package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	adminui "github.com/dimmerhq/dimmer/admin-ui"
)

// policyUI is what a page of the UI may do: run and draw what came with it, and talk to this server. It holds no nonce, so that pages can be cached;
// style sheets that scripts construct are not covered by it, and are how the UI has computed style.
const policyUI = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

// page is one file of the UI. It is immutable, and read when it is asked for first: most processes never are, and all pages together have megabytes.
type page struct {
	media string
	cache string
	read  func() content
}

type content struct {
	plain, packed  []byte // packed: gzipped; nil: as it is only
	tag, packedTag string
}

// ui serves the UI's files from memory, and index.html for every address that the UI itself understands.
type ui struct{ pages map[string]*page }

// newUI looks which files there are.
func newUI(files fs.FS) (*ui, error) {
	u := &ui{pages: map[string]*page{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".gz") {
			return err
		}
		p := &page{media: mediaOf(name), cache: "no-cache"}
		if strings.HasPrefix(name, "assets/") {
			p.cache = "public, max-age=31536000, immutable" // the name holds a hash of the content
		}
		p.read = sync.OnceValue(func() content { return readPage(files, name) })
		u.pages["/"+name] = p
		return nil
	})
	if err == nil && u.pages["/index.html"] == nil {
		err = fmt.Errorf("the admin UI has no index.html")
	}
	return u, err
}

// readPage reads a file that is there; the files are part of the binary, and reading them does not fail.
func readPage(files fs.FS, name string) content {
	plain, err := fs.ReadFile(files, name)
	if err != nil {
		return content{}
	}
	c := content{plain: plain}
	if packed, err := fs.ReadFile(files, name+".gz"); err == nil {
		c.packed = packed
	}
	sum := sha256.Sum256(plain)
	text := base64.RawURLEncoding.EncodeToString(sum[:12])
	c.tag, c.packedTag = `"`+text+`"`, `"`+text+`-gz"`
	return c
}

// media that the system's table may lack or have otherwise.
func mediaOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	default:
		if media := mime.TypeByExtension(ext); media != "" {
			return media
		}
		return "application/octet-stream"
	}
}

// ServeHTTP implements [http.Handler].
func (u *ui) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policyUI)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	p := u.find(r)
	if p == nil {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", p.media)
	h.Set("Cache-Control", p.cache)
	c := p.read()
	body, tag := c.plain, c.tag
	if c.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header) {
			h.Set("Content-Encoding", "gzip")
			body, tag = c.packed, c.packedTag
		}
	}
	h.Set("ETag", tag)
	r.Header.Del("Range") // no file is worth a part of it
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// find is the file of that name. Any other address is the UI's own, which a person may have followed a link to, and gets index.html; but not what
// was to be an asset, or what no browser's address line asks for: an error is better there than a page.
func (u *ui) find(r *http.Request) *page {
	if r.URL.Path == "/" {
		return u.pages["/index.html"]
	}
	if p := u.pages[r.URL.Path]; p != nil {
		return p
	}
	if strings.HasPrefix(r.URL.Path, "/assets/") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return nil
	}
	return u.pages["/index.html"]
}

// takesGzip says whether gzip may be sent. Who forbids it with q=0 is as rare as it is cheap to look for.
func takesGzip(h http.Header) bool {
	for _, part := range strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000")
		}
	}
	return false
}

// uiHandler serves the admin UI that is embedded.
func uiHandler() (http.Handler, error) { return newUI(adminui.FS()) }
