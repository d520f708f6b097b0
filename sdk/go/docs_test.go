package dimmer_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every line of Go that the page for users shows stands in example_test.go too, in the same order, so it compiles and does what it says.
func TestSnippetsCompile(t *testing.T) {
	examples := lines(t, "example_test.go")
	snippets := 0
	for _, page := range []string{"../../docs/sdk-go.md"} {
		for _, snippet := range goBlocks(lines(t, page)) {
			snippets++
			at := 0
			for _, line := range snippet {
				found := -1
				for i := at; i < len(examples) && found < 0; i++ {
					if examples[i] == line {
						found = i
					}
				}
				require.GreaterOrEqual(t, found, 0, "%s shows a line that example_test.go does not have there: %s", page, line)
				at = found + 1
			}
		}
	}
	require.NotZero(t, snippets)
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	all := strings.Split(string(text), "\n")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func goBlocks(lines []string) (blocks [][]string) {
	inside := false
	for _, line := range lines {
		switch {
		case line == "```go":
			inside = true
			blocks = append(blocks, nil)
		case line == "```":
			inside = false
		case inside && line != "":
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], line)
		}
	}
	return blocks
}
