package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/server"
)

// built is the folder of the real binaries, dimmer and shop, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dimmer-bin-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), ".", "../../sdk/go/examples/shop").CombinedOutput()
	if err != nil {
		return "", &exitError{exitFailed, &buildError{string(out)}}
	}
	return dir, nil
})

type buildError struct{ out string }

func (e *buildError) Error() string { return e.out }

func binaries(t *testing.T) string {
	t.Helper()
	dir, err := built()
	require.NoError(t, err)
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// TestScripts runs testdata/script: the real binary, as people type it, against a real server on a local store.
func TestScripts(t *testing.T) {
	bin := binaries(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": scriptReady, "capture": scriptCapture},
	})
}

// scriptReady waits until the development server of the script's data folder serves.
func scriptReady(ts *testscript.TestScript, _ bool, _ []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		dev, err := server.ReadDevFile(ts.MkAbs(".dimmer"))
		if err == nil {
			if resp, err := http.Get(dev.URL + "/readyz"); err == nil { //nolint:noctx // a short local request
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the server is not ready: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// scriptCapture sets a variable to the last word of the first line of the last output that has a text: capture NAME TEXT.
func scriptCapture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: capture NAME TEXT")
	}
	for _, line := range strings.Split(ts.ReadFile("stdout")+ts.ReadFile("stderr"), "\n") {
		if words := strings.Fields(line); strings.Contains(line, args[1]) && len(words) > 0 {
			ts.Setenv(args[0], words[len(words)-1])
			return
		}
	}
	ts.Fatalf("no line of the output has %q", args[1])
}
