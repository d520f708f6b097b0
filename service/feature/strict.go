package feature

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Limits bound a text before it is decoded. Zero fields mean [MaxDocument] and [MaxDepth].
type Limits struct {
	Bytes int
	Depth int // objects and arrays inside each other
}

// DecodeStrict decodes the JSON text of a request into the pointer v. encoding/json alone would accept a member that is unknown, that comes
// twice, that differs in case, or that is null where a value is meant, and would mend text that is not UTF-8; a request with such a
// mistake means something else than what would be done, so all of these are malformed errors here, with a JSON pointer and where possible a
// hint. Text after the value, and text over the limits, is refused as well (a text over Limits.Bytes with CodeTooLarge).
//
// A struct field tagged `dimmer:"required"` has to be present. Types that decode themselves may return an [Error]; its code is kept.
func DecodeStrict(data []byte, v any, limits Limits) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return Internal(nil, "decode into %T", v)
	}
	s := scanner{data: data, want: true}
	if err := s.scan(limits, rv.Type().Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return e
		}
		return Malformed("", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// CheckPatch checks the text of a merge patch for a document of v's type as [DecodeStrict] would, but that any member may be missing or null.
// What the patch makes of a document has to be decoded strictly after it was applied.
func CheckPatch(data []byte, v any, limits Limits) error {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := scanner{data: data, patch: true, want: true}
	if err := s.scan(limits, t); err != nil {
		return err
	}
	if trimmed := trimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return Malformed("", "a merge patch must be a JSON object")
	}
	return nil
}

// CheckJSON checks a text as DecodeStrict would, without knowing its members.
func CheckJSON(data []byte, limits Limits) error {
	s := scanner{data: data}
	return s.scan(limits, nil)
}

// shape is what the scanner knows of a Go type: how its JSON has to look.
type shape struct {
	kind     shapeKind
	fields   map[string]field // of an object with known members
	required []string
	elem     reflect.Type // of an array or of an object with free names
	nullable bool
	decodes  bool // implements json.Unmarshaler or encoding.TextUnmarshaler
	typ      reflect.Type
}

type field struct {
	typ reflect.Type
}

type shapeKind uint8

const (
	shapeAny shapeKind = iota
	shapeObject
	shapeMap
	shapeArray
	shapeString
	shapeBool
	shapeInteger
	shapeUnsigned
	shapeNumber
)

func (k shapeKind) String() string {
	return [...]string{"a value", "an object", "an object", "an array", "a string", "true or false", "an integer", "an integer of 0 or more", "a number"}[k]
}

var (
	shapes      sync.Map // reflect.Type → *shape
	jsonDecoder = reflect.TypeFor[json.Unmarshaler]()
	textDecoder = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessage  = reflect.TypeFor[json.RawMessage]()
	instant     = reflect.TypeFor[time.Time]()
	anyShape    = &shape{nullable: true}
)

func shapeOf(t reflect.Type) *shape {
	if t == nil {
		return anyShape
	}
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s, _ := shapes.LoadOrStore(t, newShape(t))
	return s.(*shape)
}

func newShape(t reflect.Type) *shape {
	s := &shape{typ: t}
	if t.Kind() == reflect.Pointer {
		inner := *shapeOf(t.Elem())
		inner.nullable = true
		return &inner
	}
	if t == rawMessage || t.Kind() == reflect.Interface {
		return anyShape
	}
	s.decodes = reflect.PointerTo(t).Implements(jsonDecoder) || reflect.PointerTo(t).Implements(textDecoder)
	switch t.Kind() {
	case reflect.Struct:
		if t == instant {
			s.kind = shapeString
			return s
		}
		s.kind, s.fields, s.required = structFields(t)
	case reflect.Map:
		s.kind, s.elem, s.nullable = shapeMap, t.Elem(), true
	case reflect.Slice, reflect.Array:
		s.kind, s.elem, s.nullable = shapeArray, t.Elem(), true
	case reflect.String:
		s.kind = shapeString
	case reflect.Bool:
		s.kind = shapeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.kind = shapeInteger
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.kind = shapeUnsigned
	case reflect.Float32, reflect.Float64:
		s.kind = shapeNumber
	default: // no document has any other
	}
	if s.decodes && s.kind != shapeObject {
		s.kind = shapeAny // it says itself what it takes
		s.elem = nil
	}
	return s
}

// structFields lists the members that encoding/json knows. A struct without a tagged field decodes in a way of its own.
func structFields(t reflect.Type) (shapeKind, map[string]field, []string) {
	fields := map[string]field{}
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" || !tagged {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = field{typ: f.Type}
		if f.Tag.Get("dimmer") == "required" {
			required = append(required, name)
		}
	}
	if len(fields) == 0 {
		return shapeAny, nil, nil
	}
	return shapeObject, fields, required
}

// nearest is the known name that was probably meant, or "".
func nearest(name string, fields map[string]field) string {
	best, bestCost := "", 3
	for known := range fields {
		cost := distance(strings.ToLower(name), strings.ToLower(known))
		if cost < bestCost || cost == bestCost && best != "" && known < best {
			best, bestCost = known, cost
		}
	}
	if bestCost >= len(name) {
		return ""
	}
	return best
}

// distance is Levenshtein's, of short names only.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
