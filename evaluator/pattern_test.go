package evaluator

import (
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatternSize(t *testing.T) {
	for pattern, want := range map[string]int{
		"":                           0,
		"abc":                        3,
		"äöü":                        3,
		"^a.b$":                      5,
		"a*b+c?d*?":                  4,
		"abc|abd":                    7,
		"a|b|c":                      5,
		"(a)":                        2,
		"(?:a)(?P<name>b)(?<n>c)":    6,
		"(?i)ab":                     3,
		"(?i:ab)c":                   4,
		"()":                         1,
		"(((((a))))){10}":            60,
		"a{3}":                       3,
		"a{2,5}":                     5,
		"a{7,}?":                     7,
		"a{0}b{0,0}":                 2,
		"a{,5}":                      5,
		"a{01}":                      5,
		"a{x}":                       4,
		"(ab|c){4}d":                 21,
		"[abc]":                      1,
		"[]a]":                       1,
		"[^]a]{3}":                   3,
		"[[:alpha:]]{2}":             2,
		`[\]\\-]x`:                   2,
		"[acegikmoq]":                2,
		`\d\D\w\W\s\S`:               6,
		`\x41\x{1F600}\101\.\n`:      5,
		`\bx\B\A\z`:                  5,
		`\Qa.b*\E{3}`:                6,
		`(abc)\Q\E{2}`:               8,
		`\Qab`:                       2,
		strings.Repeat("a{1000}", 3): maxPatternSize + 1,
		"((a{30}){30})((a{30}){30})": maxPatternSize + 1,
	} {
		_, err := syntax.Parse(pattern, syntax.Perl)
		require.NoError(t, err, pattern)
		require.Equal(t, want, patternSize(pattern), pattern)
	}
	require.Greater(t, patternSize(`\pL`), 50)
	require.Equal(t, patternSize(`\pL`), patternSize(`\p{L}`))
	require.Equal(t, patternSize(`\pL`), patternSize(`[\pL]`))
}

// FuzzPattern: whatever parses is read to its end, and what it compiles to is in proportion to its size.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		"a{01}", `\Qa\E{5}(`, "(?P<n>[^]a[:alpha:]]{2,3})|^$", `\pL\p{Greek}[\PN]`, "((((a){9}){9}){9}){1}", "(?i)(?s:.)\\x{41}", "(|a|){7}", "(a)\\Q\\E{9}", "[[a]", "[a[:b]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if len(pattern) > maxPatternBytes {
			return
		}
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return
		}
		p := patternText{text: pattern}
		size := p.sequence()
		require.Equal(t, len(pattern), p.at, "%q is not read to its end", pattern)
		if size > maxPatternSize {
			return
		}
		program, err := syntax.Compile(parsed.Simplify())
		require.NoError(t, err)
		require.LessOrEqual(t, len(program.Inst), 4*size+10, "%q is called %d", pattern, size)
	})
}
