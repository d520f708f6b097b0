package adminapi

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageListsEveryError holds the table of docs/api.md to the one that answers.
func TestPageListsEveryError(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	want := map[string]int{codeMethodNotAllowed: 405, codeMediaType: 415}
	for code, status := range statuses {
		want[string(code)] = status
	}
	row := regexp.MustCompile(`^\| ([0-9]{3}) \| ([^|]+) \|`)
	for line := range strings.Lines(string(text)) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, code := range strings.Split(strings.TrimSpace(m[2]), ", ") {
			code = strings.Trim(code, "`")
			require.Equal(t, m[1], strconv.Itoa(want[code]), code)
			delete(want, code)
		}
	}
	require.Empty(t, want, "codes that the page does not list")
}

// TestPageNamesRealPaths: every path in an example is one of the description's.
func TestPageNamesRealPaths(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	var known []string
	for _, op := range table() {
		known = append(known, op.Path)
	}
	pattern := regexp.MustCompile(`\{[a-z]+\}`)
	paths := regexp.MustCompile(`\$D(/v1/[A-Za-z0-9/_-]*)`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, paths)
	for _, p := range paths {
		found := false
		for _, k := range known {
			found = found || regexp.MustCompile(fmt.Sprintf("^%s$", pattern.ReplaceAllString(k, "[^/]+"))).MatchString(p[1])
		}
		require.True(t, found, "%s is no path of the API", p[1])
	}
}
