package evaluator

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// hashSeed makes the hashes by which names, keys and strings are found. It differs in each process and never shows in an answer.
var hashSeed = maphash.MakeSeed()

func hashString(s string) uint64 { return maphash.String(hashSeed, s) }

// keyAttribute is the name under which a context's targeting key is found.
const keyAttribute = "targetingKey"

// path is an attribute path, taken apart and hashed when the flag is compiled.
type path struct {
	hash  uint64 // of first
	first string
	rest  []name
	isKey bool // exactly targetingKey
}

type name struct {
	hash uint64
	text string
}

// parsePath reads names joined by dots; `\.` and `\\` are a dot and a backslash within a name.
func parsePath(text string) (path, error) {
	var names []name
	var b strings.Builder
	add := func() error {
		if b.Len() == 0 {
			return fmt.Errorf("%q is not a path: it has an empty name", text)
		}
		names = append(names, name{hashString(b.String()), b.String()})
		b.Reset()
		return nil
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			if err := add(); err != nil {
				return path{}, err
			}
		case c == '\\' && i+1 < len(text) && (text[i+1] == '.' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		case c == '\\':
			return path{}, fmt.Errorf(`%q is not a path: a backslash stands before a dot or a backslash`, text)
		default:
			b.WriteByte(c)
		}
	}
	if err := add(); err != nil {
		return path{}, err
	}
	return path{
		hash: names[0].hash, first: names[0].text, rest: names[1:],
		isKey: len(names) == 1 && names[0].text == keyAttribute,
	}, nil
}

var nameEscape = strings.NewReplacer(`\`, `\\`, ".", `\.`)

// String is the path as it is authored.
func (p *path) String() string {
	text := nameEscape.Replace(p.first)
	for i := range p.rest {
		text += "." + nameEscape.Replace(p.rest[i].text)
	}
	return text
}

// find is the attribute's value in the context; nil when it is missing. An array is not entered.
func (p *path) find(c *Context) *datum {
	if p.isKey {
		if c.key.kind == datumMissing {
			return nil
		}
		return &c.key
	}
	d := findAttribute(c.attributes, p.hash, p.first)
	for i := range p.rest {
		if d == nil || d.kind != datumObject {
			return nil
		}
		d = d.more.find(p.rest[i].hash, p.rest[i].text)
	}
	if d == nil || d.kind == datumMissing {
		return nil
	}
	return d
}

func findAttribute(list []attribute, hash uint64, text string) *datum {
	for i := range list {
		if list[i].hash == hash && list[i].name == text {
			return &list[i].datum
		}
	}
	return nil
}
