package evaluator

import (
	"encoding/json"
)

// decoder reads one document. A value of the wrong type is a problem and reading goes on, so that all problems are found at once and a
// flag whose rules are damaged still has its variants; a syntax error ends it.
type decoder struct {
	jsonReader
	place
	damaged bool // not a JSON object, or of a schema that this package does not know
}

func newDecoder(doc Document) *decoder {
	return &decoder{
		jsonReader: jsonReader{data: doc.JSON, max: maxJSONDepth},
		place:      place{kind: doc.Kind, key: doc.Key, steps: make([]step, 0, 16)},
	}
}

// document reads the whole text; member is called for each member but "schema" and the one that repeats the document's key.
func (d *decoder) document(keyName string, member func(name string)) {
	switch k := d.peek(); k {
	case jsonObject:
		d.members(func(name string) {
			switch name {
			case "schema":
				d.schema()
			case keyName:
				if key := d.text0(); key != "" && key != d.key {
					d.problem("is not the document's key %q", d.key)
				}
			default:
				member(name)
			}
		})
		d.end()
	case jsonInvalid:
	default:
		d.problem("must be an object, is %v", k)
		d.damaged = true
		return
	}
	if d.err != nil {
		d.steps = d.steps[:0]
		d.problemErr(d.err, "not JSON: %v", d.err)
		d.damaged = true
	}
}

func (d *decoder) schema() {
	switch n, ok := d.integer(); {
	case !ok || n < 1:
		d.problem("must be a positive integer")
		d.damaged = true
	case n > Schema:
		d.problem("is %d; this evaluator knows up to %d", n, Schema)
		d.damaged = true
	}
}

// is says whether the next value is of a kind. null is read and is absent; another kind is read and is a problem.
func (d *decoder) is(want jsonKind) bool {
	k := d.peek()
	if k == want {
		return true
	}
	d.skip()
	if k != jsonNull && k != jsonInvalid {
		d.problem("must be %v, is %v", want, k)
	}
	return false
}

// members reads an object, within which each name is a step. A member that is null is not visited.
func (d *decoder) members(member func(name string)) {
	d.object(func(name []byte) {
		if d.peek() == jsonNull {
			d.skip()
			return
		}
		known := internName(name)
		d.in(known)
		member(known)
		if d.err == nil {
			d.out()
		}
	})
}

// elements reads an array, within which each index is a step.
func (d *decoder) elements(element func(i int)) {
	d.array(func(i int) {
		d.at(i)
		element(i)
		if d.err == nil {
			d.out()
		}
	})
}

func (d *decoder) text0() string {
	if !d.is(jsonString) {
		return ""
	}
	return d.str()
}

func (d *decoder) bool0() bool {
	return d.is(jsonBool) && d.boolean()
}

// integer reads an exact integer.
func (d *decoder) integer() (int64, bool) {
	if !d.is(jsonNumber) {
		return 0, false
	}
	f := d.number()
	if d.err != nil {
		return 0, false
	}
	n, ok := exactInteger(f)
	if !ok {
		d.problem("must be an integer of at most 2^53-1")
	}
	return n, ok
}

func (d *decoder) integer0() int64 {
	n, _ := d.integer()
	return n
}

func (d *decoder) strings() []string {
	if !d.is(jsonArray) {
		return nil
	}
	list := []string{}
	d.elements(func(int) {
		if d.peek() == jsonNull {
			d.problem("must be a string, is null")
		}
		list = append(list, d.text0())
	})
	return list
}

func (d *decoder) raws() []json.RawMessage {
	if !d.is(jsonArray) {
		return nil
	}
	list := []json.RawMessage{}
	d.array(func(int) { list = append(list, d.raw()) })
	return list
}

// decodeFlag reads a flag; what could not be read is zero.
func (d *decoder) decodeFlag() (f Flag) {
	f.Key = d.key
	d.document("key", func(name string) {
		switch name {
		case "type":
			f.Type = d.text0()
		case "version":
			f.Version = d.integer0()
		case "salt":
			f.Salt = d.text0()
		case "clientVisible":
			f.ClientVisible = d.bool0()
		case "variants":
			f.Variants = d.variants()
		case "enabled":
			f.Enabled = d.bool0()
		case "off":
			f.Off = d.text0()
		case "prerequisites":
			f.Prerequisites = d.prerequisites()
		case "rules":
			f.Rules = d.rules()
		case "default":
			f.Default = d.serve()
		default:
			d.skip()
		}
	})
	return f
}

func (d *decoder) variants() []Variant {
	if !d.is(jsonArray) {
		return nil
	}
	var list []Variant
	d.elements(func(int) {
		var v Variant
		if d.is(jsonObject) {
			d.members(func(name string) {
				switch name {
				case "key":
					v.Key = d.text0()
				case "value":
					v.Value = d.raw()
				default:
					d.skip()
				}
			})
		}
		list = append(list, v)
	})
	return list
}

func (d *decoder) prerequisites() []Prerequisite {
	if !d.is(jsonArray) {
		return nil
	}
	var list []Prerequisite
	d.elements(func(int) {
		var p Prerequisite
		if d.is(jsonObject) {
			d.members(func(name string) {
				switch name {
				case "flag":
					p.Flag = d.text0()
				case "variants":
					p.Variants = d.strings()
				default:
					d.skip()
				}
			})
		}
		list = append(list, p)
	})
	return list
}

func (d *decoder) rules() []Rule {
	if !d.is(jsonArray) {
		return nil
	}
	var list []Rule
	d.elements(func(int) {
		var r Rule
		if d.is(jsonObject) {
			d.members(func(name string) {
				switch name {
				case "id":
					r.ID = d.text0()
				case "when":
					r.When = d.when()
				case "serve":
					r.Serve = d.serve()
				default:
					d.skip()
				}
			})
		}
		list = append(list, r)
	})
	return list
}

func (d *decoder) serve() (s Serve) {
	if !d.is(jsonObject) {
		return s
	}
	d.members(func(name string) {
		switch name {
		case "variant":
			s.Variant = d.text0()
		case "distribution":
			s.Distribution = d.distribution()
		default:
			d.skip()
		}
	})
	return s
}

func (d *decoder) distribution() *Distribution {
	x := &Distribution{}
	if !d.is(jsonObject) {
		return x // not nil: it is there, and its problem is known
	}
	exposed := false
	d.members(func(name string) {
		switch name {
		case "bucketBy":
			x.BucketBy = d.strings()
		case "exposure":
			x.Exposure, exposed = int(d.integer0()), true
		case "otherwise":
			x.Otherwise = d.text0()
			if x.Otherwise == "" {
				d.problem("must name a variant")
			}
		case "hash":
			if x.Hash = d.text0(); x.Hash != "h1" {
				d.problem("%q is no known hash", x.Hash)
			}
		case "ranges":
			x.Ranges = d.ranges()
		default:
			d.skip()
		}
	})
	if !exposed && d.err == nil {
		d.problemIn("exposure", "is missing")
	}
	return x
}

func (d *decoder) ranges() []Range {
	if !d.is(jsonArray) {
		return nil
	}
	var list []Range
	d.elements(func(int) {
		r := Range{From: -1, To: -1}
		if d.is(jsonObject) {
			d.members(func(name string) {
				switch name {
				case "variant":
					r.Variant = d.text0()
				case "from":
					r.From = int(d.integer0())
				case "to":
					r.To = int(d.integer0())
				case "seq":
					r.Seq = d.integer0()
				case "prev":
					r.Prev = d.text0()
				default:
					d.skip()
				}
			})
		}
		list = append(list, r)
	})
	return list
}
