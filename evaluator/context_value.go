package evaluator

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// converter makes data of Go values. Those may contain themselves, so besides their depth their number is bounded.
type converter struct{ left int }

// datumOf converts an attribute's value. Errors begin with the path below the attribute.
func datumOf(value any) (datum, error) {
	c := converter{left: maxContextBytes}
	return c.convert(value, 2)
}

func (c *converter) convert(value any, depth int) (datum, error) {
	if c.left--; c.left < 0 {
		return datum{}, fmt.Errorf(": has more than %d values", maxContextBytes)
	}
	switch v := value.(type) {
	case nil:
		return datum{}, nil
	case bool:
		return datum{kind: datumBool, boolean: v}, nil
	case string:
		return textOrError(v)
	case float64:
		return numberDatum(v), nil
	case int:
		return numberDatum(float64(v)), nil
	case int64:
		return numberDatum(float64(v)), nil
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil && f == 0 {
			return datum{}, fmt.Errorf(": %q is not a number", string(v))
		}
		return numberDatum(f), nil
	case json.RawMessage:
		return rawDatum(v, depth)
	case []any:
		return c.array(len(v), depth, func(i int) any { return v[i] })
	case map[string]any:
		return c.object(v, depth)
	}
	return c.reflect(reflect.ValueOf(value), depth)
}

func textOrError(s string) (datum, error) {
	if len(s) > maxTextBytes {
		return datum{}, fmt.Errorf(": has %d bytes; at most %d", len(s), maxTextBytes)
	}
	return textDatum(s), nil
}

func rawDatum(data []byte, depth int) (datum, error) {
	if len(data) > maxContextBytes {
		return datum{}, fmt.Errorf(": has more than %d bytes", maxContextBytes)
	}
	r := &contextReader{jsonReader: jsonReader{data: data, max: maxContextDepth, depth: depth - 1}}
	d := r.datum(nil)
	r.end()
	if r.err != nil {
		return datum{}, fmt.Errorf(": %w", r.err)
	}
	return d, nil
}

func (c *converter) array(n, depth int, at func(i int) any) (datum, error) {
	if depth > maxContextDepth {
		return datum{}, fmt.Errorf(": nested more than %d deep", maxContextDepth)
	}
	m := &more{elements: make([]datum, n)}
	for i := range n {
		d, err := c.convert(at(i), depth+1)
		if err != nil {
			return datum{}, fmt.Errorf("/%d%w", i, err)
		}
		m.elements[i] = d
	}
	return datum{kind: datumArray, more: m}, nil
}

func (c *converter) object(v map[string]any, depth int) (datum, error) {
	if depth > maxContextDepth {
		return datum{}, fmt.Errorf(": nested more than %d deep", maxContextDepth)
	}
	m := &more{}
	for name, value := range v {
		if len(name) > maxNameBytes {
			return datum{}, fmt.Errorf(": a name has %d bytes; at most %d", len(name), maxNameBytes)
		}
		d, err := c.convert(value, depth+1)
		if err != nil {
			return datum{}, fmt.Errorf("/%s%w", name, err)
		}
		m.put(wellFormed(name), d)
	}
	return datum{kind: datumObject, more: m}, nil
}

// reflectDatum converts the types that are named otherwise than the usual ones.
func (c *converter) reflect(v reflect.Value, depth int) (datum, error) {
	switch v.Kind() {
	case reflect.Bool:
		return datum{kind: datumBool, boolean: v.Bool()}, nil
	case reflect.String:
		return textOrError(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return numberDatum(float64(v.Int())), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return numberDatum(float64(v.Uint())), nil
	case reflect.Float32, reflect.Float64:
		return numberDatum(v.Float()), nil
	case reflect.Slice, reflect.Array:
		return c.array(v.Len(), depth, func(i int) any { return v.Index(i).Interface() })
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			m := make(map[string]any, v.Len())
			for entries := v.MapRange(); entries.Next(); {
				m[entries.Key().String()] = entries.Value().Interface()
			}
			return c.object(m, depth)
		}
	default:
	}
	return datum{}, fmt.Errorf(": a %v has no JSON form", v.Type())
}
