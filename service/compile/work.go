package compile

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/dimmerhq/dimmer/service/feature"
)

// maxSchemaWork bounds the subschemas of a schema, references followed, times the nodes of all values that it is applied to. Schemas are checked
// while other commits of the project wait, and references alone could make the work exponential in the schema's size.
const maxSchemaWork = 1_000_000

// schemaWork counts what applying a schema can take.
type schemaWork struct {
	root any
	// costs of what references point to; 0 while it is being counted, so that a schema inside itself is found.
	costs map[string]int64
	old   bool // draft 4, where id is what $id is in later ones
}

// bound refuses a schema, decoded, that could keep the check of the values busy.
func bound(schema any, values []any) error {
	w := schemaWork{root: schema, costs: map[string]int64{}}
	if top, ok := schema.(map[string]any); ok {
		draft, _ := top["$schema"].(string)
		w.old = strings.Contains(draft, "draft-04")
	}
	cost, err := w.cost(schema, true)
	if err != nil {
		return err
	}
	nodes := int64(0)
	for _, v := range values {
		n, err := count(v)
		if err != nil {
			return err
		}
		nodes += n
	}
	if cost > maxSchemaWork || cost*max(1, nodes) > maxSchemaWork {
		return feature.Invalid("/jsonSchema", "takes too much work for these values: %d subschemas times %d parts; at most %d together", cost, nodes, maxSchemaWork)
	}
	return nil
}

// cost counts every object and array as a subschema: some are not, which errs on the safe side.
func (w *schemaWork) cost(v any, top bool) (int64, error) {
	sum := int64(1)
	add := func(child any) error {
		n, err := w.cost(child, false)
		sum = min(sum+n, math.MaxInt32)
		return err
	}
	switch v := v.(type) {
	case json.Number:
		return 0, checkExponent(v)
	case []any:
		for _, child := range v {
			if err := add(child); err != nil {
				return sum, err
			}
		}
	case map[string]any:
		for name, child := range v {
			text, isText := child.(string)
			switch {
			case isText && name == "$ref":
				n, err := w.target(text)
				if err != nil {
					return sum, err
				}
				sum = min(sum+n, math.MaxInt32)
			case isText && (name == "$dynamicRef" || name == "$recursiveRef" || !top && (name == "$id" || name == "id" && w.old)):
				return sum, feature.Invalid("/jsonSchema", "%s is not taken; refer to parts of the schema by $ref and #/", name)
			default:
				if err := add(child); err != nil {
					return sum, err
				}
			}
		}
	default:
		return 0, nil
	}
	return sum, nil
}

// target is the cost of what a reference points to. References beyond the schema cost nothing here: compiling refuses them.
func (w *schemaWork) target(ref string) (int64, error) {
	pointer, inside := strings.CutPrefix(ref, "#")
	if !inside {
		return 0, nil
	}
	if pointer != "" && pointer[0] != '/' {
		return 0, feature.Invalid("/jsonSchema", "the reference %.64q must begin with #/", ref)
	}
	if n, known := w.costs[pointer]; known {
		if n == 0 {
			return 0, feature.Invalid("/jsonSchema", "it contains itself, by the reference %.64q", ref)
		}
		return n, nil
	}
	v, there := resolve(w.root, pointer)
	if !there {
		return 0, feature.Invalid("/jsonSchema", "there is nothing where the reference %.64q points to", ref)
	}
	w.costs[pointer] = 0
	n, err := w.cost(v, pointer == "")
	w.costs[pointer] = n + 1
	return n, err
}

// resolve follows a JSON pointer; percent escapes, which a fragment could have, lead nowhere.
func resolve(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for name := range strings.SplitSeq(pointer[1:], "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch at := v.(type) {
		case map[string]any:
			child, there := at[name]
			if !there {
				return nil, false
			}
			v = child
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// count is the number of nodes of a value.
func count(v any) (int64, error) {
	sum := int64(1)
	each := func(child any) error {
		n, err := count(child)
		sum += n
		return err
	}
	switch v := v.(type) {
	case json.Number:
		return 1, checkExponent(v)
	case []any:
		for _, child := range v {
			if err := each(child); err != nil {
				return sum, err
			}
		}
	case map[string]any:
		for _, child := range v {
			if err := each(child); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

// checkExponent refuses numbers that no double holds: the library reckons with fractions of any length, and each digit of an exponent makes them ten
// times as long.
func checkExponent(n json.Number) error {
	if i := strings.IndexAny(string(n), "eE"); i >= 0 {
		if e, err := strconv.Atoi(string(n[i+1:])); err != nil || e < -400 || e > 400 {
			return feature.Invalid("/jsonSchema", "the number %.64s, in the schema or a value, is beyond what is reckoned with", n)
		}
	}
	return nil
}
