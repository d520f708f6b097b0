package service_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// between is what a page says between <!-- name --> and <!-- /name -->, inside its code fence.
func between(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "<!-- "+name+" -->")
	require.True(t, ok, "the page has no part called %s", name)
	part, _, ok := strings.Cut(rest, "<!-- /"+name+" -->")
	require.True(t, ok, "the part %s does not end", name)
	_, part, ok = strings.Cut(part, "```")
	require.True(t, ok)
	_, part, _ = strings.Cut(part, "\n") // the fence's language
	code, _, ok := strings.Cut(part, "```")
	require.True(t, ok)
	return code
}

// The README's lines of Go are what a reader copies first: they compile as they stand.
func TestReadmeSnippetCompiles(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	program := `package main

import (
	"context"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
)

func newCheckout() {}

func run(ctx context.Context, token string) error {
` + between(t, string(page), "snippet") + `
	return nil
}

func main() { _ = run(context.Background(), "") }
`
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	// The program is laid into the module without being written there.
	place, err := filepath.Abs("../sdk/go/examples/readme/main.go")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, "out"), "./sdk/go/examples/readme")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, program)
}

var link = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)

// Every page and file that the documentation names is there.
func TestLinks(t *testing.T) {
	pages := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".md") {
			return nil
		}
		pages++
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(name), m[1]))
			require.NoError(t, err, "%s links to %s", name, m[1])
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, pages, 5)
}
