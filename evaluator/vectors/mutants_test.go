package vectors_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is which part of the faults is planted in an everyday run: every eighth. With CI=true or DIMMER_SOAK=1 all are.
const sample = 8

// TestVectorsFindFaults plants a fault in a copy of the evaluator, one at a time, and runs the vectors on it: at least one has to fail. It says how
// good the vectors are, not how good the evaluator is. It takes about a second of processor time a fault.
func TestVectorsFindFaults(t *testing.T) {
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(faults), 40)
	all := os.Getenv("CI") == "true" || os.Getenv("DIMMER_SOAK") != ""
	for i, f := range faults {
		file, changed := changedSource(t, f)
		if !all && i%sample != 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			plant(t, goTool, file, changed)
		})
	}
	if !all {
		t.Logf("planted every %dth of %d faults; DIMMER_SOAK=1 plants all", sample, len(faults))
	}
}

// changedSource is the path of a file of the evaluator, and its text with the fault.
func changedSource(t *testing.T, f fault) (file, text string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", f.file))
	require.NoError(t, err)
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), f.old), "%s: the place in %s that this fault replaces has to be there once: name it anew", f.name, f.file)
	return file, strings.Replace(string(source), f.old, f.new, 1)
}

var failedVector = regexp.MustCompile(`--- FAIL: (Test(?:Cohorts|Fingerprints|Clauses|Flags)\S*)`)

func plant(t *testing.T, goTool, file, text string) {
	dir := t.TempDir()
	changed, overlay, binary := filepath.Join(dir, filepath.Base(file)), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "vectors.test")
	require.NoError(t, os.WriteFile(changed, []byte(text), 0o600))
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))

	// Without optimisation: the compiler takes half of the time.
	build := exec.CommandContext(t.Context(), goTool, "test", "-c", "-vet=off", "-ldflags=-s -w", "-gcflags=github.com/dimmerhq/dimmer/evaluator=-N -l",
		"-overlay", overlay, "-o", binary, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "a fault that does not compile is found by the compiler, not by a vector: %s", out)
	run := exec.CommandContext(t.Context(), binary, "-test.run=^Test(Cohorts|Fingerprints|Clauses|Flags)$", "-test.failfast", "-test.timeout=60s")
	out, err = run.CombinedOutput()
	require.Error(t, err, "no vector fails")
	by := failedVector.FindAllStringSubmatch(string(out), -1)
	require.NotEmpty(t, by, "it broke, but not by a vector:\n%.2000s", out)
	t.Log("found by", by[len(by)-1][1])
}
