package adminui

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The server forbids inline script and style, and foreign origins; both pages must live with that.
func TestPagesLiveWithThePolicy(t *testing.T) {
	for name, dir := range map[string]string{"placeholder": "embed/placeholder", "ui": "embed/ui"} {
		t.Run(name, func(t *testing.T) {
			page, err := fs.ReadFile(files, dir+"/index.html")
			if dir == "embed/ui" && !Built() {
				return // a clean clone; make ui builds it, and the browser tests then look at all of it
			}
			require.NoError(t, err)
			text := string(page)
			require.Contains(t, text, "<title>")
			require.NotRegexp(t, `(src|href)="(https?:)?//`, text)
			require.NotContains(t, text, "<style")
			for _, tag := range regexp.MustCompile(`<script[^>]*>`).FindAllString(text, -1) {
				require.Contains(t, tag, " src=")
			}
			require.NotRegexp(t, `\son[a-z]+=`, text)
		})
	}
	page, err := fs.ReadFile(files, "embed/placeholder/index.html")
	require.NoError(t, err)
	require.Contains(t, string(page), "dimmer flags list")
	require.Contains(t, string(page), "make ui")
	require.NotContains(t, string(page), "<script")
}

// What is served compressed is what is served plain.
func TestCompressedFilesAreThePlainOnes(t *testing.T) {
	root := FS()
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".gz") {
			return err
		}
		packed, err := fs.ReadFile(root, name)
		require.NoError(t, err)
		plain, err := fs.ReadFile(root, strings.TrimSuffix(name, ".gz"))
		require.NoError(t, err)
		z, err := gzip.NewReader(bytes.NewReader(packed))
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, string(plain), string(text), name)
		return nil
	}))
}

// mainLimit is how many bytes of JavaScript, gzipped, may come before the first screen: what index.html names, and what that imports.
const mainLimit = 250 << 10

func TestMainScriptIsSmall(t *testing.T) {
	if !Built() {
		return // nothing to weigh
	}
	root := FS()
	page, err := fs.ReadFile(root, "index.html")
	require.NoError(t, err)
	total := 0
	for _, m := range regexp.MustCompile(`(?:src|href)="/(assets/[^"]+\.js)"`).FindAllStringSubmatch(string(page), -1) {
		info, err := fs.Stat(root, m[1]+".gz")
		require.NoError(t, err)
		total += int(info.Size())
	}
	require.Positive(t, total)
	require.LessOrEqual(t, total, mainLimit)
	t.Logf("main JavaScript: %.1f kB gzipped", float64(total)/1000)
}
