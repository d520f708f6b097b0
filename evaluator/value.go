package evaluator

import "encoding/json"

// The types of a flag.
const (
	TypeBoolean = "boolean"
	TypeString  = "string"
	TypeNumber  = "number"
	TypeJSON    = "json"
)

// maxInteger is the largest integer up to which all integers are exact in a double: 2^53−1.
const maxInteger = 1<<53 - 1

// Value is a variant's value. It is immutable; the zero Value is none: the caller's default is to be used.
type Value struct{ v *value }

// value is prepared when the flag is compiled. raw is the JSON as authored.
type value struct {
	typ     string
	raw     json.RawMessage
	text    string
	number  float64
	boolean bool
}

// IsZero says that there is no value.
func (v Value) IsZero() bool { return v.v == nil }

// Type is TypeBoolean, TypeString, TypeNumber or TypeJSON; empty for the zero Value.
func (v Value) Type() string {
	if v.v == nil {
		return ""
	}
	return v.v.typ
}

// Bool is the value of a boolean flag.
func (v Value) Bool() (value, ok bool) {
	if v.v == nil || v.v.typ != TypeBoolean {
		return false, false
	}
	return v.v.boolean, true
}

// Text is the value of a string flag.
func (v Value) Text() (string, bool) {
	if v.v == nil || v.v.typ != TypeString {
		return "", false
	}
	return v.v.text, true
}

// Float is the value of a number flag.
func (v Value) Float() (float64, bool) {
	if v.v == nil || v.v.typ != TypeNumber {
		return 0, false
	}
	return v.v.number, true
}

// Int is the value of a number flag that is an integer of at most 2^53−1.
func (v Value) Int() (int64, bool) {
	if v.v == nil || v.v.typ != TypeNumber {
		return 0, false
	}
	return exactInteger(v.v.number)
}

// JSON is the value as authored, of any type; nil for the zero Value. The bytes are shared and must not be changed.
func (v Value) JSON() []byte {
	if v.v == nil {
		return nil
	}
	return v.v.raw
}

// String is the value's JSON text, so that values print well; [Value.Text] is the value of a string flag.
func (v Value) String() string { return string(v.JSON()) }

// MarshalJSON writes the value as authored, null for the zero Value.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.v == nil {
		return []byte("null"), nil
	}
	return v.v.raw, nil
}

// Any decodes the value: bool, string, float64, []any or map[string]any; nil for the zero Value. What it returns is the caller's.
func (v Value) Any() any {
	switch v.Type() {
	case "":
		return nil
	case TypeBoolean:
		return v.v.boolean
	case TypeString:
		return v.v.text
	case TypeNumber:
		return v.v.number
	}
	var out any
	if json.Unmarshal(v.v.raw, &out) != nil {
		return nil // not reachable: the text was checked when the flag was compiled
	}
	return out
}

// exactInteger converts a number that has an integer value of at most 2^53−1.
func exactInteger(f float64) (int64, bool) {
	if f < -maxInteger || f > maxInteger {
		return 0, false
	}
	n := int64(f)
	return n, float64(n) == f
}
