package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const pkg = `"Package":"github.com/dimmerhq/dimmer/service/feed"`

func TestReport(t *testing.T) {
	passing := `{"Action":"run",` + pkg + `,"Test":"TestA"}
{"Action":"output",` + pkg + `,"Test":"TestA","Output":"chatter\n"}
{"Action":"pass",` + pkg + `,"Test":"TestA","Elapsed":1}
`
	ended := func(action string) string {
		return `{"Action":"output",` + pkg + `,"Output":"exit status\n"}
{"Action":"` + action + `",` + pkg + `,"Elapsed":2.5}
`
	}
	skipping := `{"Action":"output",` + pkg + `,"Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output",` + pkg + `,"Test":"TestB","Output":"    feed_test.go:9: no redis-server\n"}
{"Action":"skip",` + pkg + `,"Test":"TestB"}
`
	failing := `{"Action":"output",` + pkg + `,"Test":"TestC","Output":"    feed_test.go:12: got 1\n"}
{"Action":"fail",` + pkg + `,"Test":"TestC"}
`
	tests := []struct {
		name       string
		in         string
		allowSkips bool
		good       bool
		last       string
		contains   []string
		lacks      []string
	}{
		{name: "passing", in: passing + ended("pass"), good: true, last: "1 passed, 0 failed, 0 skipped",
			contains: []string{"ok    service/feed", "2.5s"}, lacks: []string{"chatter", "LEFT OUT", "FAILED"}},
		{name: "a skip is named with its reason", in: passing + skipping + ended("pass"), allowSkips: true, good: true,
			last: "1 passed, 0 failed, 1 skipped", contains: []string{"LEFT OUT: 1 tests", "no redis-server\n    service/feed.TestB"}},
		{name: "a skip fails in CI", in: passing + skipping + ended("pass"), last: "1 passed, 0 failed, 1 skipped",
			contains: []string{"CI=true: a skipped test fails the run"}},
		{name: "a failure is printed in full", in: passing + failing + ended("fail"), last: "1 passed, 1 failed, 0 skipped",
			contains: []string{"--- FAIL service/feed.TestC\n    feed_test.go:12: got 1\n", "FAILED:\n  service/feed.TestC\n"}, lacks: []string{"chatter"}},
		{name: "a package that fails without a test counts", in: passing + ended("fail"), last: "1 passed, 1 failed, 0 skipped",
			contains: []string{"exit status", "FAILED:\n  service/feed\n"}},
		{name: "output of a test that never ended is kept", in: `{"Action":"output",` + pkg + `,"Test":"TestD","Output":"goroutine 7\n"}` + "\n" + ended("fail"),
			last: "0 passed, 1 failed, 0 skipped", contains: []string{"goroutine 7"}},
		{name: "a benchmark passes with its package", in: `{"Action":"run",` + pkg + `,"Test":"BenchmarkNoAlloc"}` + "\n" + ended("pass"), good: true,
			last: "1 passed, 0 failed, 0 skipped"},
		{name: "a package without tests is not a failure", in: passing + `{"Action":"skip","Package":"github.com/dimmerhq/dimmer/deploy"}` + "\n", good: true,
			last: "1 passed, 0 failed, 0 skipped"},
		{name: "no test at all is not good", in: ended("pass"), last: "0 passed, 0 failed, 0 skipped"},
		{name: "lines that are not events pass through", in: "go: warning\n" + passing, good: true, last: "1 passed, 0 failed, 0 skipped",
			contains: []string{"go: warning\n"}},
		{name: "compiler output passes through", in: `{"ImportPath":"x","Action":"build-output","Output":"a.go:1: undefined\n"}` + "\n" + ended("fail"),
			last: "0 passed, 1 failed, 0 skipped", contains: []string{"a.go:1: undefined\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			r.read(strings.NewReader(test.in))
			require.Equal(t, test.good, r.finish(test.allowSkips))
			require.True(t, strings.HasSuffix(out.String(), "\n"+test.last+"\n"), out.String())
			for _, text := range test.contains {
				require.Contains(t, out.String(), text)
			}
			for _, text := range test.lacks {
				require.NotContains(t, out.String(), text)
			}
		})
	}
}

func TestNoAllocPackages(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for path, text := range map[string]string{
		"a/a_test.go":        "package a\nfunc BenchmarkBoolNoAlloc(b *testing.B) {}\n",
		"a/b_test.go":        "package a\nfunc BenchmarkIntNoAlloc(b *testing.B) {}\n",
		"b/b_test.go":        "package b\nfunc BenchmarkBool(b *testing.B) {}\n",
		"b/b.go":             "package b\nfunc BenchmarkBoolNoAlloc(b *testing.B) {}\n",
		".cache/c/c_test.go": "package c\nfunc BenchmarkBoolNoAlloc(b *testing.B) {}\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	found, err := noAllocPackages(".")
	require.NoError(t, err)
	require.Equal(t, []string{"./a"}, found)
}
