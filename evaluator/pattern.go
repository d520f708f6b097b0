package evaluator

import (
	"regexp"
	"regexp/syntax"
)

// maxPatternBytes bounds the text of a pattern of matches.
const maxPatternBytes = 256

// The limits of what a pattern stands for. A short pattern can stand for a large program: without the first limit 248 bytes make one of
// 11 MiB, and without the second a document holds a thousand of those that are just allowed.
const (
	maxPatternSize  = 1_000  // written out, see patternSize
	maxPatternSizes = 50_000 // of all patterns in a document
)

func (k *compiler) pattern(v *operands, pattern string, ignoreCase bool) {
	if len(pattern) > maxPatternBytes {
		k.problem("has %d bytes; a pattern has at most %d", len(pattern), maxPatternBytes)
		return
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		k.problemErr(err, "%v", err)
		return
	}
	size := patternSize(parsed)
	if size > maxPatternSize {
		k.problem("written out, with each repetition as often as it may come, it has more than %d characters and classes", maxPatternSize)
		return
	}
	if k.patternSize += size; k.patternSize > maxPatternSizes {
		k.problem("with those before it, the patterns of this document written out have more than %d characters and classes", maxPatternSizes)
		return
	}
	if ignoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		k.problemErr(err, "%v", err)
		return
	}
	v.patterns = append(v.patterns, re)
}

// patternSize is how many characters, classes and assertions a pattern has when each counted repetition is written out. A class counts one for each
// eight ranges of code points in it. The result is right up to just above maxPatternSize, and never overflows.
func patternSize(re *syntax.Regexp) int {
	const rangesEach = 8
	size := 0
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size = max(1, (len(re.Rune)/2+rangesEach-1)/rangesEach)
	default:
		for _, sub := range re.Sub {
			size = min(size+patternSize(sub), maxPatternSize+1)
		}
		if len(re.Sub) == 0 {
			size = 1
		}
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxPatternSize+1)
}
