package evaluator

import "fmt"

// ParseRuleset splits the text {"flags": …, "segments": …, "kills": …, "lists": …} into documents without looking into them, so that a
// damaged document stays alone. The documents alias data. It fails only when the text as a whole is not of that shape.
func ParseRuleset(data []byte) ([]Document, error) {
	r := &jsonReader{data: data, max: maxJSONDepth}
	var docs []Document
	var wrong error
	if k := r.peek(); k != jsonObject && k != jsonInvalid {
		return nil, fmt.Errorf("ruleset: must be an object, is %v", k)
	} else if k == jsonObject {
		r.object(func(name []byte) {
			kind := collectionKind(string(name))
			switch k := r.peek(); {
			case kind == "" || k == jsonNull || k == jsonInvalid:
				r.skip()
			case k != jsonObject:
				wrong = fmt.Errorf("ruleset: /%s: must be an object, is %v", name, k)
				r.skip()
			default:
				docs = append(docs, r.documents(kind)...)
			}
		})
		r.end()
	}
	if r.err != nil {
		return nil, fmt.Errorf("ruleset: %w", r.err)
	}
	return docs, wrong
}

func collectionKind(name string) Kind {
	switch name {
	case "flags":
		return KindFlag
	case "segments":
		return KindSegment
	case "kills":
		return KindKill
	case "lists":
		return KindList
	}
	return ""
}

// documents reads the members of one collection; of two with one name the last counts.
func (r *jsonReader) documents(kind Kind) []Document {
	var docs []Document
	seen := map[string]int{}
	r.object(func(name []byte) {
		key := string(name)
		doc := Document{Kind: kind, Key: key, JSON: r.raw()}
		if i, ok := seen[key]; ok {
			docs[i] = doc
			return
		}
		seen[key] = len(docs)
		docs = append(docs, doc)
	})
	return docs
}
