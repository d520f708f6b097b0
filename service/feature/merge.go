package feature

import "bytes"

// MergePatch applies a JSON merge patch (RFC 7396, formerly 7386) to a document and returns the text of the result. It works on the texts
// themselves: numbers keep their digits, members their order, and null means "remove" rather than being lost in a Go value. Both texts must
// be JSON as [CheckJSON] accepts it; the result has to be decoded strictly.
func MergePatch(document, patch []byte) ([]byte, error) {
	limits := Limits{Bytes: 64 << 20, Depth: 64}
	if err := CheckJSON(patch, limits); err != nil {
		return nil, err
	}
	if len(document) > 0 {
		if err := CheckJSON(document, limits); err != nil {
			return nil, Internal(err, "merge onto a document that is not JSON")
		}
	}
	return merge(trimSpace(document), trimSpace(patch)), nil
}

type member struct {
	name []byte // with its quotes and escapes, as it stands
	key  string
	raw  []byte
}

// members splits the text of an object, which was checked before.
func members(object []byte) []member {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	s := scanner{data: object, pos: 1, max: 1 << 20}
	var out []member
	for {
		s.space()
		if s.peek() != '"' {
			return out
		}
		start := s.pos
		key, _ := s.text()
		m := member{name: object[start:s.pos], key: key}
		s.space()
		s.pos++ // ':'
		s.space()
		start = s.pos
		if s.value(anyShape) != nil {
			return out
		}
		m.raw = object[start:s.pos]
		out = append(out, m)
		s.space()
		s.pos++ // ',' or '}'
	}
}

func merge(target, patch []byte) []byte {
	if patch[0] != '{' {
		return patch
	}
	result := members(target)
	at := make(map[string]int, len(result))
	for i, m := range result {
		at[m.key] = i
	}
	for _, m := range members(patch) {
		i, there := at[m.key]
		switch {
		case m.raw[0] == 'n' && there:
			result[i].raw = nil
		case m.raw[0] == 'n':
		case there:
			result[i].raw = merge(result[i].raw, m.raw)
		default:
			m.raw = merge(nil, m.raw)
			at[m.key] = len(result)
			result = append(result, m)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range result {
		if m.raw == nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(m.name)
		b.WriteByte(':')
		b.Write(m.raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}
