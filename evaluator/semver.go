package evaluator

import (
	"cmp"
	"strings"
)

// version is a parsed [v]MAJOR[.MINOR[.PATCH]][-PRE][+BUILD]; the build is dropped.
type version struct {
	numbers [3]int64
	given   int    // how many numbers were written
	pre     string // empty: a release
}

func parseVersion(s string) (v version, ok bool) {
	s = strings.TrimPrefix(s, "v")
	for v.given < 3 {
		n := 0
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if v.numbers[v.given], ok = versionNumber(s[:n]); !ok {
			return v, false
		}
		v.given++
		if s = s[n:]; v.given == 3 || len(s) == 0 || s[0] != '.' {
			break
		}
		s = s[1:]
	}
	core, build, hasBuild := strings.Cut(s, "+")
	if hasBuild && !identifiers(build, false) {
		return v, false
	}
	switch {
	case core == "":
		return v, true
	case core[0] != '-':
		return v, false
	}
	v.pre = core[1:]
	return v, identifiers(v.pre, true)
}

// versionNumber reads digits without leading zeros, at most 2^53−1.
func versionNumber(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 16 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		n = n*10 + int64(s[i]-'0')
	}
	return n, n <= maxInteger
}

// identifiers checks dot-separated non-empty [0-9A-Za-z-]; with strict, numeric ones have no leading zeros.
func identifiers(s string, strict bool) bool {
	for more := true; more; {
		var id string
		id, s, more = strings.Cut(s, ".")
		if id == "" {
			return false
		}
		for i := range len(id) {
			if c := id[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' {
				return false
			}
		}
		if strict && len(id) > 1 && id[0] == '0' && numeric(id) {
			return false
		}
	}
	return true
}

func numeric(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// compare is SemVer's precedence.
func (v *version) compare(w *version) int {
	for i := range v.numbers {
		if c := cmp.Compare(v.numbers[i], w.numbers[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.pre == w.pre:
		return 0
	case v.pre == "":
		return 1
	case w.pre == "":
		return -1
	}
	return comparePre(v.pre, w.pre)
}

// comparePre goes identifier by identifier: numbers below words, numbers by value, words by ASCII, fewer before more.
func comparePre(a, b string) int {
	for moreA, moreB := true, true; ; {
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		var x, y string
		x, a, moreA = strings.Cut(a, ".")
		y, b, moreB = strings.Cut(b, ".")
		c := 0
		switch nx, ny := numeric(x), numeric(y); {
		case nx && ny: // of any length, without leading zeros: the longer is the larger
			c = cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		case nx:
			c = -1
		case ny:
			c = 1
		default:
			c = cmp.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
}

// tilde: at least w, and equal to it in major and minor (in major alone when w gives no more).
func (v *version) tilde(w *version) bool {
	return v.compare(w) >= 0 && v.numbers[0] == w.numbers[0] && (w.given == 1 || v.numbers[1] == w.numbers[1])
}

// caret: at least w, and equal to it up to and including the leftmost number given that is not zero (in all given when all are zero).
func (v *version) caret(w *version) bool {
	if v.compare(w) < 0 {
		return false
	}
	for i := range w.given {
		if v.numbers[i] != w.numbers[i] {
			return false
		}
		if w.numbers[i] != 0 {
			break
		}
	}
	return true
}
