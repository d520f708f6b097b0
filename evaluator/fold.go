package evaluator

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldCase maps each code point to lower case by Unicode's simple mapping, appending to out. Strings that fit out's capacity cost no
// allocation.
func foldCase(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return foldRunes(out, s[i:])
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func foldRunes(out []byte, s string) []byte {
	for _, ch := range s {
		out = utf8.AppendRune(out, unicode.ToLower(ch))
	}
	return out
}

// hasText says whether a candidate contains a value, as o asks.
func hasText(o op, candidate, value string) bool {
	switch o {
	case opStartsWith:
		return strings.HasPrefix(candidate, value)
	case opEndsWith:
		return strings.HasSuffix(candidate, value)
	default:
		return strings.Contains(candidate, value)
	}
}

// hasFolded is hasText for a candidate and a value that are both folded.
func hasFolded(o op, candidate, value []byte) bool {
	switch o {
	case opStartsWith:
		return bytes.HasPrefix(candidate, value)
	case opEndsWith:
		return bytes.HasSuffix(candidate, value)
	default:
		return bytes.Contains(candidate, value)
	}
}
