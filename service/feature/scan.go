package feature

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks a JSON text once, without building anything, and compares it with the shape of a Go type on the way. It accepts exactly
// RFC 8259 in UTF-8, less duplicate names and escapes that are half of a surrogate pair.
type scanner struct {
	data  []byte
	pos   int
	depth int
	max   int
	path  []string
	patch bool // null is allowed anywhere outside of arrays, and nothing is required
	array int  // arrays around the current value
	want  bool // shapes matter
	soft  []Error
}

func (s *scanner) scan(limits Limits, t reflect.Type) error {
	maxBytes := limits.Bytes
	if maxBytes == 0 {
		maxBytes = MaxDocument
	}
	if s.max = limits.Depth; s.max == 0 {
		s.max = MaxDepth
	}
	if len(s.data) > maxBytes {
		return &Error{Code: CodeTooLarge, Msg: "the document has " + strconv.Itoa(len(s.data)) + " bytes; at most " + strconv.Itoa(maxBytes)}
	}
	if i := invalidUTF8(s.data); i >= 0 {
		return Malformed("", "byte %d is not UTF-8", i)
	}
	s.space()
	if s.pos == len(s.data) {
		return Malformed("", "the document is empty")
	}
	if err := s.value(shapeOf(t)); err != nil {
		return err
	}
	s.space()
	if s.pos < len(s.data) {
		return Malformed("", "unexpected text after the end of the document, at byte %d", s.pos)
	}
	p := problems{list: s.soft}
	return p.err()
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func trimSpace(data []byte) []byte { return bytes.Trim(data, " \t\r\n") }

func (s *scanner) pointer() string {
	names := make([]any, len(s.path))
	for i, n := range s.path {
		names[i] = n
	}
	return Pointer(names...)
}

func (s *scanner) fail(format string, args ...any) *Error {
	return Malformed(s.pointer(), format, args...)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) value(sh *shape) error {
	start := s.pos
	if err := s.unchecked(sh); err != nil {
		return err
	}
	if !s.want || !sh.decodes || s.data[start] == 'n' && (sh.nullable || s.patch) {
		return nil
	}
	// The type decodes itself: let it, so that its complaint gets a place.
	err := json.Unmarshal(s.data[start:s.pos], reflect.New(sh.typ).Interface())
	if e, ok := errors.AsType[*Error](err); ok {
		e = e.At(s.pointer())
		if e.Code == CodeInvalid {
			s.soft = append(s.soft, *e)
			return nil
		}
		return e
	}
	if err != nil && !s.patch {
		return s.fail("cannot be read: %v", err)
	}
	return nil
}

func (s *scanner) unchecked(sh *shape) error {
	c := s.peek()
	kind := sh.kind
	if !s.want {
		kind = shapeAny
	}
	mismatch := func() error { return s.fail("must be %s", kind) }
	switch {
	case c == '{':
		if kind != shapeAny && kind != shapeObject && kind != shapeMap {
			return mismatch()
		}
		return s.object(sh)
	case c == '[':
		if kind != shapeAny && kind != shapeArray {
			return mismatch()
		}
		return s.list(sh)
	case c == '"':
		if kind != shapeAny && kind != shapeString {
			return mismatch()
		}
		_, err := s.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number(sh, kind)
	case s.literal("true"), s.literal("false"):
		if kind != shapeAny && kind != shapeBool {
			return mismatch()
		}
		return nil
	case s.literal("null"):
		if kind != shapeAny && !sh.nullable && (!s.patch || s.array > 0) {
			return s.fail("must be %s, not null", kind)
		}
		return nil
	}
	if s.pos == len(s.data) {
		return s.fail("the text ends too early")
	}
	return s.fail("unexpected character %s at byte %d", strconv.QuoteRune(s.rune()), s.pos)
}

func (s *scanner) rune() rune {
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return r
}

func (s *scanner) literal(word string) bool {
	if bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		s.pos += len(word)
		return true
	}
	return false
}

func (s *scanner) enter() error {
	s.depth++
	if s.depth > s.max {
		return s.fail("is nested more than %d deep", s.max)
	}
	s.pos++
	s.space()
	return nil
}

func (s *scanner) object(sh *shape) error {
	if err := s.enter(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for first := true; ; first = false {
		if first && s.peek() == '}' {
			break
		}
		if s.peek() != '"' {
			return s.fail("a member's name is missing at byte %d", s.pos)
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		s.path = append(s.path, name)
		if seen[name] {
			return s.fail("is there twice")
		}
		seen[name] = true
		if err := s.member(sh, name); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
		s.space()
		if s.peek() != ',' {
			break
		}
		s.pos++
		s.space()
	}
	if s.peek() != '}' {
		return s.fail("',' or '}' is missing at byte %d", s.pos)
	}
	s.pos++
	s.depth--
	return s.require(sh, seen)
}

func (s *scanner) member(sh *shape, name string) error {
	inner := anyShape
	if s.want {
		switch sh.kind {
		case shapeObject:
			f, known := sh.fields[name]
			if !known {
				if hint := nearest(name, sh.fields); hint != "" {
					return s.fail("is not a known field; did you mean %q?", hint)
				}
				return s.fail("is not a known field")
			}
			inner = shapeOf(f.typ)
		case shapeMap:
			inner = shapeOf(sh.elem)
		default: // free: a mismatch was refused before
		}
	}
	s.space()
	if s.peek() != ':' {
		return s.fail("':' is missing at byte %d", s.pos)
	}
	s.pos++
	s.space()
	return s.value(inner)
}

func (s *scanner) require(sh *shape, seen map[string]bool) error {
	if !s.want || s.patch || sh.kind != shapeObject {
		return nil
	}
	for _, name := range sh.required {
		if !seen[name] {
			s.soft = append(s.soft, *Invalid(s.pointer()+Pointer(name), "is required"))
		}
	}
	return nil
}

func (s *scanner) list(sh *shape) error {
	if err := s.enter(); err != nil {
		return err
	}
	inner := anyShape
	if s.want && sh.kind == shapeArray {
		inner = shapeOf(sh.elem)
	}
	s.array++
	for i := 0; ; i++ {
		if i == 0 && s.peek() == ']' {
			break
		}
		s.path = append(s.path, strconv.Itoa(i))
		if err := s.value(inner); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
		s.space()
		if s.peek() != ',' {
			break
		}
		s.pos++
		s.space()
	}
	if s.peek() != ']' {
		return s.fail("',' or ']' is missing at byte %d", s.pos)
	}
	s.pos++
	s.depth--
	s.array--
	return nil
}

// number checks the grammar of a number, and that a Go integer can hold it.
func (s *scanner) number(sh *shape, kind shapeKind) error {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if s.digits() == 0 {
		return s.fail("a digit is missing at byte %d", s.pos)
	}
	whole := true
	if s.peek() == '.' {
		s.pos++
		whole = false
		if s.digits() == 0 {
			return s.fail("a digit is missing at byte %d", s.pos)
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		whole = false
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if s.digits() == 0 {
			return s.fail("a digit is missing at byte %d", s.pos)
		}
	}
	text := string(s.data[start:s.pos])
	switch kind {
	case shapeAny:
	case shapeNumber:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return s.fail("is too large a number")
		}
	case shapeInteger:
		if _, err := strconv.ParseInt(text, 10, sh.typ.Bits()); err != nil || !whole {
			return s.fail("must be %s", kind)
		}
	case shapeUnsigned:
		if _, err := strconv.ParseUint(text, 10, sh.typ.Bits()); err != nil || !whole {
			return s.fail("must be %s", kind)
		}
	default:
		return s.fail("must be %s", kind)
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// text reads a string and returns what it means.
func (s *scanner) text() (string, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			plain := string(s.data[start:s.pos])
			s.pos++
			return plain, nil
		case c == '\\':
			return s.escaped(slices.Clone(s.data[start:s.pos]))
		case c < 0x20:
			return "", s.fail("a control character stands in a string, at byte %d", s.pos)
		default:
			s.pos++
		}
	}
	return "", s.fail("a string is not closed")
}

// escaped goes on with a string from its first escape.
func (s *scanner) escaped(out []byte) (string, error) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			return string(out), nil
		case c < 0x20:
			return "", s.fail("a control character stands in a string, at byte %d", s.pos)
		case c != '\\':
			out = append(out, c)
			s.pos++
			continue
		}
		s.pos++
		e := s.peek()
		if i := bytes.IndexByte([]byte(`"\/bfnrt`), e); i >= 0 && e != 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[i])
			s.pos++
			continue
		}
		r, ok := s.unicode()
		if ok && utf16.IsSurrogate(r) {
			low := rune(0)
			if ok = s.peek() == '\\'; ok {
				s.pos++
				low, ok = s.unicode()
			}
			r = utf16.DecodeRune(r, low)
			ok = ok && r != utf8.RuneError
		}
		if !ok {
			return "", s.fail("a string has an escape that means no character, before byte %d", s.pos)
		}
		out = utf8.AppendRune(out, r)
	}
	return "", s.fail("a string is not closed")
}

// unicode reads uXXXX.
func (s *scanner) unicode() (rune, bool) {
	if s.peek() != 'u' || s.pos+5 > len(s.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.data[s.pos+1:s.pos+5]), 16, 16)
	if err != nil {
		return 0, false
	}
	s.pos += 5
	return rune(n), true
}
