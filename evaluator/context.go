package evaluator

import (
	"fmt"
	"iter"
	"slices"
)

// The limits of a context.
const (
	maxContextBytes = 64 << 10 // of its JSON text
	maxAttributes   = 100      // at the top
	maxTextBytes    = 1 << 10  // of a string
	maxNameBytes    = 256
	maxContextDepth = 16 // objects and arrays inside each other, the context itself being the first
)

// Context is who asks: a targeting key and attributes. It is built by one goroutine,
//
//	NewContext("user-17").String("plan", "pro").Int("age", 42)
//
// and must not be changed after it was passed to an evaluation; from then on any number of goroutines may share it. A nil Context is empty.
//
// The builder keeps to the limits of docs/ruleset.md. What breaks them, or has no JSON form, is remembered as [Context.Err]; an evaluation
// that would have to look at such a context answers ERROR with [ErrInvalidContext].
type Context struct {
	key        datum // of kind datumText, or missing
	attributes []attribute
	err        error
}

// attribute is a member of a context or of an object in it.
type attribute struct {
	hash uint64 // of name
	name string
	datum
}

// datum is a value, prepared for evaluation: strings are well-formed and hashed.
type datum struct {
	kind    datumKind
	boolean bool
	number  float64
	text    string
	hash    uint64 // of text
	more    *more  // of an array or object
}

type more struct {
	elements []datum
	members  []attribute
	index    map[string]int // of members, when there are many
}

// manyMembers is from how many members on an object is searched by its index.
const manyMembers = 32

// put sets a member of an object; the last of two with one name counts.
func (m *more) put(name string, d datum) {
	hash := hashString(name)
	if old := m.find(hash, name); old != nil {
		*old = d
		return
	}
	if m.index != nil {
		m.index[name] = len(m.members)
	}
	m.members = append(m.members, attribute{hash, name, d})
	if len(m.members) == manyMembers {
		m.index = make(map[string]int, 4*manyMembers)
		for i := range m.members {
			m.index[m.members[i].name] = i
		}
	}
}

func (m *more) find(hash uint64, name string) *datum {
	if m.index == nil {
		return findAttribute(m.members, hash, name)
	}
	if i, ok := m.index[name]; ok {
		return &m.members[i].datum
	}
	return nil
}

type datumKind uint8

const (
	datumMissing datumKind = iota // absent, null, not a number
	datumBool
	datumNumber
	datumText
	datumArray
	datumObject
)

var emptyContext = &Context{}

// NewContext begins a context. An empty targeting key is an absent one.
func NewContext(targetingKey string) *Context {
	c := &Context{}
	c.setKey(targetingKey)
	return c
}

func (c *Context) setKey(key string) {
	if len(key) > maxTextBytes {
		c.fail("targetingKey: has %d bytes; at most %d", len(key), maxTextBytes)
		return
	}
	c.key = datum{}
	if key != "" {
		c.key = textDatum(key)
	}
}

func textDatum(s string) datum {
	s = wellFormed(s)
	return datum{kind: datumText, text: s, hash: hashString(s)}
}

func numberDatum(f float64) datum {
	if f-f != 0 { // NaN or an infinity
		return datum{}
	}
	return datum{kind: datumNumber, number: f}
}

func (c *Context) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("context: "+format, args...)
	}
}

// String sets an attribute. A name that was set before is replaced. The name "targetingKey" sets the key.
func (c *Context) String(name, value string) *Context {
	if name == keyAttribute {
		c.setKey(value)
		return c
	}
	if len(value) > maxTextBytes {
		c.fail("%s: has %d bytes; at most %d", name, len(value), maxTextBytes)
		return c
	}
	return c.set(name, textDatum(value))
}

// Bool sets an attribute.
func (c *Context) Bool(name string, value bool) *Context {
	return c.set(name, datum{kind: datumBool, boolean: value})
}

// Int sets an attribute. Numbers are doubles: beyond ±(2^53−1) an integer is rounded.
func (c *Context) Int(name string, value int64) *Context {
	return c.set(name, numberDatum(float64(value)))
}

// Float sets an attribute; NaN and the infinities count as missing.
func (c *Context) Float(name string, value float64) *Context { return c.set(name, numberDatum(value)) }

// Strings sets an attribute to an array.
func (c *Context) Strings(name string, values ...string) *Context {
	elements := make([]datum, len(values))
	for i, v := range values {
		if len(v) > maxTextBytes {
			c.fail("%s: element %d has %d bytes; at most %d", name, i, len(v), maxTextBytes)
			return c
		}
		elements[i] = textDatum(v)
	}
	return c.set(name, datum{kind: datumArray, more: &more{elements: elements}})
}

// Value sets an attribute to nil (missing), a string, boolean or number of any Go type, []any, []string, map[string]any, json.Number or
// json.RawMessage, as deep as the limits allow. It copies what it is given.
func (c *Context) Value(name string, value any) *Context {
	d, err := datumOf(value)
	if err != nil {
		c.fail("%s%w", name, err)
		return c
	}
	return c.set(name, d)
}

func (c *Context) set(name string, d datum) *Context {
	if name == keyAttribute {
		c.setKeyDatum(d)
		return c
	}
	if len(name) > maxNameBytes {
		c.fail("an attribute's name has %d bytes; at most %d", len(name), maxNameBytes)
		return c
	}
	name = wellFormed(name)
	hash := hashString(name)
	if old := findAttribute(c.attributes, hash, name); old != nil {
		*old = d
		return c
	}
	if len(c.attributes) == maxAttributes {
		c.fail("has more than %d attributes", maxAttributes)
		return c
	}
	c.attributes = append(c.attributes, attribute{hash, name, d})
	return c
}

// setKeyDatum takes a string, or an integer as its base-10 string.
func (c *Context) setKeyDatum(d datum) {
	switch d.kind {
	case datumMissing:
		c.key = datum{}
		return
	case datumText:
		c.setKey(d.text)
		return
	case datumNumber:
		if text, ok := d.integerText(); ok {
			c.setKey(text)
			return
		}
	default:
	}
	c.fail("targetingKey: must be a string or an integer")
}

// Clone is a copy that may be changed.
func (c *Context) Clone() *Context {
	if c == nil {
		return &Context{}
	}
	return &Context{key: c.key, attributes: slices.Clone(c.attributes), err: c.err}
}

// Err is the first mistake made in building the context.
func (c *Context) Err() error {
	if c == nil {
		return nil
	}
	return c.err
}

// Key is the targeting key, empty when absent.
func (c *Context) Key() string {
	if c == nil {
		return ""
	}
	return c.key.text
}

// Attributes are the attributes at the top, the targeting key not among them, in the order in which they were set: nil (null), bool,
// float64, string, []any or map[string]any.
func (c *Context) Attributes() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if c == nil {
			return
		}
		for i := range c.attributes {
			if !yield(c.attributes[i].name, c.attributes[i].any()) {
				return
			}
		}
	}
}

func (d *datum) any() any {
	switch d.kind {
	case datumBool:
		return d.boolean
	case datumNumber:
		return d.number
	case datumText:
		return d.text
	case datumArray:
		list := make([]any, len(d.more.elements))
		for i := range list {
			list[i] = d.more.elements[i].any()
		}
		return list
	case datumObject:
		m := make(map[string]any, len(d.more.members))
		for i := range d.more.members {
			m[d.more.members[i].name] = d.more.members[i].any()
		}
		return m
	default:
		return nil
	}
}

// ContextFromMap makes a context of a map as encoding/json would decode it, or of the Go types that [Context.Value] takes.
func ContextFromMap(attributes map[string]any) (*Context, error) {
	c := &Context{attributes: make([]attribute, 0, min(len(attributes), maxAttributes))}
	for name, value := range attributes {
		c.Value(name, value)
	}
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

var errContextSize = fmt.Errorf("context: has more than %d bytes", maxContextBytes)
