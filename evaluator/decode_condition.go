package evaluator

// A condition's members fall into forms; the first member of each form says which one it is.
const (
	formAll = 1 << iota
	formAny
	formNot
	formSegment
	formFlag
	formClause
)

// maxConditionDepth is how deep conditions may be nested; the outermost is the first.
const maxConditionDepth = 16

func (d *decoder) when() *Condition {
	c := d.condition(1)
	return &c
}

func (d *decoder) condition(depth int) (c Condition) {
	if !d.is(jsonObject) {
		return c
	}
	if depth > maxConditionDepth {
		d.problem("conditions are nested more than %d deep", maxConditionDepth)
		d.skip()
		return c
	}
	forms, options := 0, 0
	d.members(func(name string) {
		switch name {
		case "all":
			forms |= formAll
			c.All = d.conditions(depth)
		case "any":
			forms |= formAny
			c.Any = d.conditions(depth)
		case "not":
			forms |= formNot
			inner := d.condition(depth + 1)
			c.Not = &inner
		case "segment":
			forms |= formSegment
			c.Segment = d.text0()
		case "flag":
			forms |= formFlag
			c.Flag = d.text0()
		case "variants":
			options |= formFlag
			c.Variants = d.strings()
		case "attribute":
			forms |= formClause
			c.Attribute = d.text0()
		case "op":
			options |= formClause
			c.Op = d.text0()
		case "values":
			options |= formClause
			c.Values = d.raws()
		case "ignoreCase":
			options |= formClause
			c.IgnoreCase = d.bool0()
		case "negate":
			options |= formClause
			c.Negate = d.bool0()
		default:
			d.skip()
		}
	})
	switch {
	case d.err != nil:
	case forms == 0:
		d.problem("is none of all, any, not, segment, flag, attribute")
	case forms&(forms-1) != 0:
		d.problem("is more than one of all, any, not, segment, flag, attribute")
	case options&^forms != 0:
		d.problem("has members of another form of condition")
	}
	return c
}

func (d *decoder) conditions(depth int) []Condition {
	if !d.is(jsonArray) {
		return nil
	}
	list := []Condition{}
	d.elements(func(int) {
		if d.peek() == jsonNull {
			d.problem("must be an object, is null")
		}
		list = append(list, d.condition(depth+1))
	})
	return list
}

func (d *decoder) decodeSegment() (s Segment) {
	s.Key = d.key
	d.document("key", func(name string) {
		switch name {
		case "version":
			s.Version = d.integer0()
		case "active":
			active := d.bool0()
			s.Active = &active
		case "when":
			s.When = d.when()
		case "include":
			s.Include = d.inline()
		case "exclude":
			s.Exclude = d.inline()
		case "lists":
			s.Lists = d.listRefs()
		default:
			d.skip()
		}
	})
	return s
}

func (d *decoder) inline() map[string][]string {
	if !d.is(jsonObject) {
		return nil
	}
	m := map[string][]string{}
	d.members(func(name string) { m[name] = d.strings() })
	return m
}

func (d *decoder) listRefs() []ListRef {
	if !d.is(jsonArray) {
		return nil
	}
	var list []ListRef
	d.elements(func(int) {
		var r ListRef
		if d.is(jsonObject) {
			d.members(func(name string) {
				switch name {
				case "side":
					r.Side = d.text0()
				case "attribute":
					r.Attribute = d.text0()
				case "salt":
					r.Salt = d.text0()
				default:
					d.skip()
				}
			})
		}
		list = append(list, r)
	})
	return list
}

// decodeKill reads a kill. What can be read counts even when the rest is damaged: the flag that it names, up to the damage.
func (d *decoder) decodeKill() (k Kill) {
	k.ID = d.key
	d.document("id", func(name string) {
		switch name {
		case "flag":
			if k.Flag = d.text0(); k.Flag == "" {
				d.problem("must name a flag")
			}
		case "at":
			k.At = d.instant0()
		case "clearedAt":
			k.ClearedAt = d.instant0()
		default:
			d.skip()
		}
	})
	if k.Flag == "" && len(d.problems) == 0 {
		d.problemIn("flag", "is missing")
	}
	return k
}

// instant0 reads an RFC 3339 instant; empty when it is none.
func (d *decoder) instant0() string {
	text := d.text0()
	if _, ok := parseInstant(text); ok || d.err != nil {
		return text
	}
	d.problem("is not an RFC 3339 instant")
	return ""
}

func (d *decoder) decodeList() (l List) {
	l.Key, l.Shard = d.key, noShard
	d.document("key", func(name string) {
		switch name {
		case "segment":
			l.Segment = d.text0()
		case "side":
			l.Side = d.text0()
		case "shard":
			if l.Shard = int(d.integer0()); l.Shard < 0 {
				d.problem("must not be negative")
			}
		case "fingerprints":
			l.Fingerprints = d.text0()
		default:
			d.skip()
		}
	})
	return l
}

// internName returns the known names without an allocation; there are few, and each comes many times.
func internName(name []byte) string {
	switch string(name) {
	case "schema":
		return "schema"
	case "key":
		return "key"
	case "type":
		return "type"
	case "version":
		return "version"
	case "salt":
		return "salt"
	case "variants":
		return "variants"
	case "value":
		return "value"
	case "values":
		return "values"
	case "enabled":
		return "enabled"
	case "rules":
		return "rules"
	case "id":
		return "id"
	case "when":
		return "when"
	case "serve":
		return "serve"
	case "variant":
		return "variant"
	case "distribution":
		return "distribution"
	case "exposure":
		return "exposure"
	case "ranges":
		return "ranges"
	case "from":
		return "from"
	case "to":
		return "to"
	case "seq":
		return "seq"
	case "attribute":
		return "attribute"
	case "op":
		return "op"
	}
	return string(name)
}
