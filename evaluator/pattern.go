package evaluator

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPatternBytes bounds the text of a pattern of matches.
const maxPatternBytes = 256

// The limits of what a pattern stands for. A short pattern can stand for a large program: without the first limit 248 bytes make one of
// 11 MiB, and without the second a document holds a thousand of those that are just allowed.
const (
	maxPatternSize  = 1_000  // written out, see patternSize
	maxPatternSizes = 50_000 // of all patterns in a document
)

// patternMistake is what is wrong and where, without the words that the library wraps it in.
func patternMistake(err error) string {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Sprintf("%s, at %q", e.Code, e.Expr)
	}
	return err.Error()
}

func (k *compiler) pattern(v *operands, pattern string, ignoreCase bool) {
	if len(pattern) > maxPatternBytes {
		k.problem("has %d bytes; a pattern has at most %d", len(pattern), maxPatternBytes)
		return
	}
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		k.problemErr(err, "is not a pattern: %s", patternMistake(err))
		return
	}
	size := patternSize(pattern)
	if size > maxPatternSize {
		k.problem("written out, with each repetition as often as it may come, it has more than %d characters, classes, groups and bars", maxPatternSize)
		return
	}
	if k.patternSize += size; k.patternSize > maxPatternSizes {
		k.problem("with those before it, the patterns of this document written out have more than %d characters, classes, groups and bars", maxPatternSizes)
		return
	}
	k.nodes += uint32(size)
	if ignoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		k.problemErr(err, "is not a pattern: %s", patternMistake(err))
		return
	}
	v.patterns = append(v.patterns, re)
}

// patternSize is how many characters, classes, assertions, groups and bars a pattern has when each counted repetition is written out; the pattern is
// one that parses. It goes by the text, because what the parser makes of it (`abc|abd` is `ab[cd]`) is not for other languages to follow. The result is right up to
// just above maxPatternSize, and never overflows.
func patternSize(pattern string) int {
	p := patternText{text: pattern}
	return p.sequence()
}

// patternText is read once, from left to right.
type patternText struct {
	text string
	at   int
}

func (p *patternText) take(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// sequence reads up to the end of the group, or of the pattern.
func (p *patternText) sequence() (size int) {
	last := 0 // what a repetition repeats
	for p.at < len(p.text) && p.text[p.at] != ')' {
		if n, ok := p.repetition(); ok {
			size += last * (n - 1)
		} else if p.take(`\Q`) {
			literal, _, _ := strings.Cut(p.text[p.at:], `\E`)
			if p.at += len(literal); literal != "" {
				last = 1
			}
			p.take(`\E`)
			size += utf8.RuneCountInString(literal)
		} else if !p.take(`\E`) {
			last = p.atom()
			size += last
		}
		size = min(size, maxPatternSize+1)
	}
	return size
}

var counted = regexp.MustCompile(`^\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}`)

// repetition reads one, and says how often it writes out what it repeats.
func (p *patternText) repetition() (n int, ok bool) {
	if p.take("*") || p.take("+") || p.take("?") {
		return 1, true
	}
	m := counted.FindStringSubmatch(p.text[p.at:])
	if m == nil {
		return 0, false
	}
	p.at += len(m[0])
	low, _ := strconv.Atoi(m[1]) // at most 1,000, or it would not parse
	high, _ := strconv.Atoi(m[3])
	return max(low, high, 1), true
}

// atom reads what may be repeated, or a bar.
func (p *patternText) atom() int {
	start := p.at
	switch {
	case p.take("("):
		return p.group()
	case p.take("["):
		p.skipClass()
	case p.take(`\`):
		if !p.skipEscape() {
			return 1
		}
	default:
		_, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
		return 1
	}
	// A class counts one for each eight ranges.
	const rangesEach = 8
	class, err := syntax.Parse(p.text[start:p.at], syntax.Perl)
	if err != nil || class.Op != syntax.OpCharClass {
		return 1
	}
	return max(1, (len(class.Rune)/2+rangesEach-1)/rangesEach)
}

func (p *patternText) group() int {
	if p.take("?") {
		end := strings.IndexAny(p.text[p.at:], ">:)") // of a name, or of flags
		if p.at += end + 1; end < 0 {
			p.at = len(p.text) // not reachable: it parses
		} else if p.text[p.at-1] == ')' {
			return 1
		}
	}
	size := 1 + p.sequence()
	p.take(")")
	return min(size, maxPatternSize+1)
}

// skipClass reads the rest of a class in brackets. A bracket that comes first is a member.
func (p *patternText) skipClass() {
	p.take("^")
	for first := true; p.at < len(p.text); first = false {
		switch {
		case p.text[p.at] == ']' && !first:
			p.at++
			return
		case p.take(`[:`):
			if i := strings.Index(p.text[p.at:], ":]"); i >= 0 {
				p.at += i + 2
			}
		case p.take(`\`):
			p.at++
		default:
			p.at++
		}
	}
}

// skipEscape reads what follows a backslash, and says whether it is a class.
func (p *patternText) skipEscape() bool {
	if p.at == len(p.text) {
		return false // not reachable: it parses
	}
	c, size := utf8.DecodeRuneInString(p.text[p.at:])
	p.at += size
	skip := func(pattern *regexp.Regexp) { p.at += len(pattern.FindString(p.text[p.at:])) }
	switch c {
	case 'p', 'P':
		skip(escapedName)
		return true
	case 'd', 'D', 's', 'S', 'w', 'W':
		return true
	case 'x':
		skip(escapedHex)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		skip(escapedOctal)
	}
	return false
}

var (
	escapedName  = regexp.MustCompile(`^(?:\{[^}]*\}|.)`)
	escapedHex   = regexp.MustCompile(`^(?:\{[^}]*\}|[0-9A-Fa-f]{2})`)
	escapedOctal = regexp.MustCompile(`^[0-7]{1,2}`)
)
