package vectors_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/evaluator/vectors"
)

// TestGenerated makes the vectors anew: a difference means that the generator was changed and the files were not, or that somebody edited
// the files. `node generate/main.mjs .` in this folder writes them.
func TestGenerated(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "CI has node, and has to generate the vectors")
		t.Skip("LEFT OUT: node is not installed, so nobody checked that the vectors are what generate/ makes")
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), node, "generate/main.mjs", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	names, err := fs.Glob(vectors.Files, "*.json")
	require.NoError(t, err)
	made, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, made, len(names), "files")
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := vectors.Files.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s is stale: run `node generate/main.mjs .` in evaluator/vectors", name)
	}
}
