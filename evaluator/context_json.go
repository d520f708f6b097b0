package evaluator

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// ParseContext reads a context from JSON, within the limits of docs/ruleset.md. The error says where. The context does not alias data.
func ParseContext(data []byte) (*Context, error) {
	if len(data) > maxContextBytes {
		return nil, errContextSize
	}
	r := &contextReader{jsonReader: jsonReader{data: data, max: maxContextDepth}}
	c := &Context{attributes: make([]attribute, 0, 8)}
	if k := r.peek(); k != jsonObject && k != jsonInvalid {
		return nil, fmt.Errorf("context: must be an object, is %v", k)
	} else if k == jsonObject {
		r.object(func(name []byte) {
			key := string(name)
			d := r.datum(name)
			if r.err == nil && c.err == nil {
				c.set(key, d)
			}
		})
		r.end()
	}
	if r.err != nil {
		return nil, fmt.Errorf("context: %w", r.err)
	}
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

type contextReader struct{ jsonReader }

// datum reads a value; name is that of the member that holds it, for messages.
func (r *contextReader) datum(name []byte) (d datum) {
	switch r.peek() {
	case jsonInvalid:
	case jsonNull:
		r.skip()
	case jsonBool:
		d = datum{kind: datumBool, boolean: r.boolean()}
	case jsonNumber:
		d = numberDatum(r.number())
	case jsonString:
		s := r.text()
		if len(s) > maxTextBytes {
			r.fail("%.64s: a string has %d bytes; at most %d", name, len(s), maxTextBytes)
			return d
		}
		text := string(s)
		d = datum{kind: datumText, text: text, hash: hashString(text)}
	case jsonArray:
		m := &more{}
		r.array(func(int) { m.elements = append(m.elements, r.datum(name)) })
		d = datum{kind: datumArray, more: m}
	case jsonObject:
		m := &more{}
		r.object(func(name []byte) {
			if len(name) > maxNameBytes {
				r.fail("a name has %d bytes; at most %d", len(name), maxNameBytes)
				return
			}
			key := string(name)
			m.put(key, r.datum(name))
		})
		d = datum{kind: datumObject, more: m}
	}
	return d
}

// MarshalJSON writes the context so that [ParseContext] reads an equal one.
func (c *Context) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	if c != nil {
		if c.key.kind == datumText {
			out = appendText(append(out, `"targetingKey":`...), c.key.text)
		}
		out = appendMembers(out, c.attributes)
	}
	return append(out, '}'), nil
}

func appendMembers(out []byte, members []attribute) []byte {
	for i := range members {
		if len(out) > 0 && out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(appendText(out, members[i].name), ':')
		out = members[i].append(out)
	}
	return out
}

func appendText(out []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	return append(out, quoted...)
}

func (d *datum) append(out []byte) []byte {
	switch d.kind {
	case datumBool:
		return strconv.AppendBool(out, d.boolean)
	case datumNumber:
		number, _ := json.Marshal(d.number) // finite, see numberDatum
		return append(out, number...)
	case datumText:
		return appendText(out, d.text)
	case datumArray:
		out = append(out, '[')
		for i := range d.more.elements {
			if i > 0 {
				out = append(out, ',')
			}
			out = d.more.elements[i].append(out)
		}
		return append(out, ']')
	case datumObject:
		out = append(out, '{')
		return append(appendMembers(out, d.more.members), '}')
	default:
		return append(out, "null"...)
	}
}
