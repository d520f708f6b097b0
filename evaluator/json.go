package evaluator

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads one JSON text from front to back without building a tree. It exists because encoding/json cannot do what the ruleset
// asks for: exact names, the last of two equal names, one U+FFFD for each lone surrogate, a bound on depth, and going on after a
// value of the wrong type.
//
// The first syntax error sticks: every later call returns a zero value, so callers look at err once, at the end.
type jsonReader struct {
	data  []byte
	pos   int
	depth int // objects and arrays that are open
	max   int // how deep they may be
	err   *syntaxError
}

// maxJSONDepth bounds the recursion on texts whose depth is not bounded by a rule of their own.
const maxJSONDepth = 512

type syntaxError struct {
	pos int
	msg string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.msg, e.pos) }

type jsonKind uint8

const (
	jsonInvalid jsonKind = iota
	jsonNull
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

var jsonKindNames = [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}

func (k jsonKind) String() string { return jsonKindNames[k] }

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &syntaxError{r.pos, fmt.Sprintf(format, args...)}
	}
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return
		}
	}
}

// peek is the kind of the next value. The value is only known to begin like one.
func (r *jsonReader) peek() jsonKind {
	if r.err != nil {
		return jsonInvalid
	}
	r.space()
	if r.pos == len(r.data) {
		r.fail("the text ends where a value is expected")
		return jsonInvalid
	}
	switch c := r.data[r.pos]; c {
	case 'n':
		return jsonNull
	case 't', 'f':
		return jsonBool
	case '"':
		return jsonString
	case '[':
		return jsonArray
	case '{':
		return jsonObject
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return jsonNumber
		}
		r.fail("unexpected character %q", rune(c))
		return jsonInvalid
	}
}

// end fails unless only space is left.
func (r *jsonReader) end() {
	if r.err != nil {
		return
	}
	if r.space(); r.pos < len(r.data) {
		r.fail("unexpected text after the value")
	}
}

func (r *jsonReader) word(w string) {
	if len(r.data)-r.pos < len(w) || string(r.data[r.pos:r.pos+len(w)]) != w {
		r.fail("unexpected word")
		return
	}
	r.pos += len(w)
}

func (r *jsonReader) boolean() bool {
	if r.data[r.pos] == 't' {
		r.word("true")
		return r.err == nil
	}
	r.word("false")
	return false
}

// open enters an object or array and says whether it has members.
func (r *jsonReader) open(closing byte) bool {
	if r.depth++; r.depth > r.max {
		r.fail("nested more than %d deep", r.max)
		return false
	}
	r.pos++
	r.space()
	if r.pos < len(r.data) && r.data[r.pos] == closing {
		r.pos++
		r.depth--
		return false
	}
	return true
}

// next goes on to the next member, or leaves.
func (r *jsonReader) next(closing byte) bool {
	if r.err != nil {
		return false
	}
	r.space()
	switch {
	case r.pos == len(r.data):
		r.fail("the text ends inside of an object or array")
		return false
	case r.data[r.pos] == ',':
		r.pos++
		return true
	case r.data[r.pos] == closing:
		r.pos++
		r.depth--
		return false
	}
	r.fail("expected , or %c", closing)
	return false
}

// object reads an object; member is called with each name and has to read the value. name is only good during the call.
func (r *jsonReader) object(member func(name []byte)) {
	for more := r.open('}'); more; more = r.next('}') {
		r.space()
		if r.pos == len(r.data) || r.data[r.pos] != '"' {
			r.fail("expected a name in double quotes")
			return
		}
		name := r.text()
		if r.err != nil {
			return
		}
		r.space()
		if r.pos == len(r.data) || r.data[r.pos] != ':' {
			r.fail("expected : after a name")
			return
		}
		r.pos++
		member(name)
	}
}

// array reads an array; element is called for each and has to read it.
func (r *jsonReader) array(element func(i int)) {
	i := 0
	for more := r.open(']'); more; more = r.next(']') {
		element(i)
		i++
	}
}

// skip reads any value and checks its syntax.
func (r *jsonReader) skip() {
	switch r.peek() {
	case jsonInvalid:
	case jsonNull:
		r.word("null")
	case jsonBool:
		r.boolean()
	case jsonNumber:
		r.numberText()
	case jsonString:
		r.text()
	case jsonArray:
		for more := r.open(']'); more; more = r.next(']') {
			r.skip()
		}
	case jsonObject:
		r.object(func([]byte) { r.skip() })
	}
}

// raw reads any value and returns its text. Ill-formed UTF-8 is replaced, as it is in strings.
func (r *jsonReader) raw() []byte {
	r.peek()
	from := r.pos
	r.skip()
	if r.err != nil {
		return nil
	}
	text := r.data[from:r.pos:r.pos]
	if !utf8.Valid(text) {
		text = []byte(wellFormed(string(text)))
	}
	return text
}

func (r *jsonReader) str() string { return string(r.text()) }

// text reads a string. What it returns aliases the input when that needs no decoding.
func (r *jsonReader) text() []byte {
	r.pos++
	from := r.pos
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			text := r.data[from:r.pos]
			r.pos++
			return text
		case c == '\\' || c >= utf8.RuneSelf:
			return r.decodeText(from)
		case c < ' ':
			r.fail("control character in a string")
			return nil
		}
		r.pos++
	}
	r.fail("a string has no end")
	return nil
}

// decodeText goes on with a string, whose text began at from, from its first escape or byte beyond ASCII.
func (r *jsonReader) decodeText(from int) []byte {
	plain := true // so far what stands there is what is meant
	var out []byte
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		switch {
		case c == '"':
			r.pos++
			if plain {
				return r.data[from : r.pos-1]
			}
			return out
		case c < ' ':
			r.fail("control character in a string")
			return nil
		case c == '\\':
			if plain {
				out, plain = append(out, r.data[from:r.pos]...), false
			}
			var ok bool
			if out, ok = r.escape(out); !ok {
				return nil
			}
		case c < utf8.RuneSelf:
			if !plain {
				out = append(out, c)
			}
			r.pos++
		default:
			ch, n := utf8.DecodeRune(r.data[r.pos:])
			if plain && ch == utf8.RuneError && n == 1 {
				out, plain = append(out, r.data[from:r.pos]...), false
			}
			if !plain {
				out = utf8.AppendRune(out, ch)
			}
			r.pos += n
		}
	}
	r.fail("a string has no end")
	return nil
}

func (r *jsonReader) escape(out []byte) ([]byte, bool) {
	if r.pos+1 >= len(r.data) {
		r.fail("a string has no end")
		return out, false
	}
	c := r.data[r.pos+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return r.unicode(out)
	default:
		r.fail("unknown escape in a string")
		return out, false
	}
	r.pos += 2
	return append(out, c), true
}

// unicode reads \uXXXX, and the second half of a surrogate pair when it follows. A half alone is U+FFFD.
func (r *jsonReader) unicode(out []byte) ([]byte, bool) {
	ch, ok := r.hex4(r.pos)
	if !ok {
		r.fail("\\u needs four hexadecimal digits")
		return out, false
	}
	r.pos += 6
	if utf16.IsSurrogate(ch) {
		low, ok := r.hex4(r.pos)
		if pair := utf16.DecodeRune(ch, low); ok && pair != utf8.RuneError {
			ch = pair
			r.pos += 6
		} else {
			ch = utf8.RuneError
		}
	}
	return utf8.AppendRune(out, ch), true
}

func (r *jsonReader) hex4(at int) (rune, bool) {
	if len(r.data)-at < 6 || r.data[at] != '\\' || r.data[at+1] != 'u' {
		return 0, false
	}
	var ch rune
	for _, c := range r.data[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			ch = ch<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			ch = ch<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			ch = ch<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return ch, true
}

func (r *jsonReader) digits() int {
	from := r.pos
	for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - from
}

// numberText reads a number by JSON's grammar.
func (r *jsonReader) numberText() []byte {
	from := r.pos
	if r.data[r.pos] == '-' {
		r.pos++
	}
	first := r.pos
	n := r.digits()
	ok := n == 1 || n > 1 && r.data[first] != '0'
	if ok && r.pos < len(r.data) && r.data[r.pos] == '.' {
		r.pos++
		ok = r.digits() > 0
	}
	if ok && r.pos < len(r.data) && r.data[r.pos]|0x20 == 'e' {
		r.pos++
		if r.pos < len(r.data) && (r.data[r.pos] == '+' || r.data[r.pos] == '-') {
			r.pos++
		}
		ok = r.digits() > 0
	}
	if !ok {
		r.fail("not a number")
		return nil
	}
	return r.data[from:r.pos]
}

// number reads a number as a double; one beyond a double's range is an infinity.
func (r *jsonReader) number() float64 {
	text := r.numberText()
	if n := len(text); n > 0 && n <= 15 {
		if f, ok := shortInteger(text); ok {
			return f
		}
	}
	if text == nil {
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(string(text), 64) // the grammar was checked; out of range gives an infinity
	return f
}

func shortInteger(text []byte) (float64, bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -float64(n), true
	}
	return float64(n), true
}

// wellFormed replaces each byte that does not belong to a well-formed UTF-8 sequence by U+FFFD.
func wellFormed(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for _, ch := range s {
		out = utf8.AppendRune(out, ch)
	}
	return string(out)
}
