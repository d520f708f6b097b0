package evaluator

import "iter"

// Context is who asks: a targeting key and attributes. It is built by one goroutine,
//
//	NewContext("user-17").String("plan", "pro").Int("age", 42)
//
// and must not be changed after it was passed to an evaluation; from then on any number of goroutines may share it. A nil Context is empty.
//
// The builder keeps to the limits of docs/ruleset.md. What breaks them, or has no JSON form, is remembered as [Context.Err]; an evaluation
// that would have to look at such a context answers ERROR with [ErrInvalidContext].
type Context struct {
	key string
	err error
}

// NewContext begins a context. An empty targeting key is an absent one.
func NewContext(targetingKey string) *Context { return &Context{key: targetingKey} }

// String sets an attribute. A name that was set before is replaced. The name "targetingKey" sets the key.
func (c *Context) String(name, value string) *Context { panic("not written yet") }

// Bool sets an attribute.
func (c *Context) Bool(name string, value bool) *Context { panic("not written yet") }

// Int sets an attribute. Numbers are doubles: beyond ±(2^53−1) an integer is rounded.
func (c *Context) Int(name string, value int64) *Context { panic("not written yet") }

// Float sets an attribute; NaN and the infinities count as missing.
func (c *Context) Float(name string, value float64) *Context { panic("not written yet") }

// Strings sets an attribute to an array.
func (c *Context) Strings(name string, values ...string) *Context { panic("not written yet") }

// Value sets an attribute to nil (missing), a string, boolean or number of any Go type, []any, []string, map[string]any, json.Number or
// json.RawMessage, as deep as the limits allow. It copies what it is given.
func (c *Context) Value(name string, value any) *Context { panic("not written yet") }

// Clone is a copy that may be changed.
func (c *Context) Clone() *Context { panic("not written yet") }

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
	return c.key
}

// Attributes are the attributes at the top, the targeting key not among them, in the order in which they were set: nil (null), bool,
// float64, string, []any or map[string]any.
func (c *Context) Attributes() iter.Seq2[string, any] { panic("not written yet") }

// MarshalJSON writes the context so that [ParseContext] reads an equal one.
func (c *Context) MarshalJSON() ([]byte, error) { panic("not written yet") }

// ParseContext reads a context from JSON, within the limits of docs/ruleset.md. The error says where.
func ParseContext(data []byte) (*Context, error) { panic("not written yet") }

// ContextFromMap makes a context of a map as encoding/json would decode it, or of the Go types that [Context.Value] takes.
func ContextFromMap(attributes map[string]any) (*Context, error) { panic("not written yet") }
