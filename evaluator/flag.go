package evaluator

import (
	"regexp"
)

// The limits of a flag.
const (
	maxVariants = 100
	maxRules    = 200
	maxBucketBy = 8
	maxWork     = 1 << 16 // nodes that one evaluation can visit, and values and patterns that it can compare with
)

// flag is a compiled flag.
type flag struct {
	prerequisites []*reference
	failed        *Outcome // a prerequisite failed: off
	rules         []rule
	fallback      serve
}

type rule struct {
	when  *condition // nil: always
	serve serve
}

// serve is an outcome or a distribution.
type serve struct {
	out          *Outcome
	distribution *distribution
}

func (v *serve) pick(c *Context) *Outcome {
	if v.out != nil {
		return v.out
	}
	return v.distribution.pick(c)
}

// head is what a flag answers without being evaluated, and what lists of flags show. It may be sound when the rest is not.
type head struct {
	sound         bool // variants, and off among them
	enabled       bool
	clientVisible bool
	typ           string
	version       int64
	off           variant
	plain         *Outcome // the answer when it does not depend on the context
}

type variant struct {
	key   string
	value Value
}

// outcome makes one of the flag's answers.
func (h *head) outcome(v *variant, reason, cause uint8, rule string) *Outcome {
	o := &Outcome{value: v.value, variant: v.key, rule: rule, version: h.version, reason: reason, cause: cause}
	o.boolean, o.isBool = v.value.Bool()
	return o
}

// flagCompiler compiles one flag.
type flagCompiler struct {
	compiler
	head     head
	salt     string
	variants []variant
	flag     flag
}

func compileFlag(doc Document, wanted map[use]string) *flagCompiler {
	d := newDecoder(doc)
	f := d.decodeFlag()
	k := &flagCompiler{compiler: compiler{place: d.place, wanted: wanted}}
	k.head.version, k.head.typ, k.head.clientVisible = f.Version, f.Type, f.ClientVisible
	if d.damaged {
		k.head = head{}
		return k
	}
	k.heading(&f)
	k.body(&f)
	return k
}

// heading compiles what killed and disabled flags need: type, variants, off.
func (k *flagCompiler) heading(f *Flag) {
	switch f.Type {
	case TypeBoolean, TypeString, TypeNumber, TypeJSON:
	default:
		k.problemIn("type", "must be boolean, string, number or json")
	}
	k.in("variants")
	if n := len(f.Variants); n < 1 || n > maxVariants {
		k.problem("has %d entries; there must be 1 to %d", n, maxVariants)
	}
	k.variants = make([]variant, len(f.Variants))
	seen := make(map[string]bool, len(f.Variants))
	for i, v := range f.Variants {
		k.at(i)
		if v.Key == "" {
			k.problemIn("key", "is missing")
		} else if seen[v.Key] {
			k.problemIn("key", "%q is there twice", v.Key)
		}
		seen[v.Key] = true
		k.in("value")
		k.variants[i] = variant{v.Key, k.value(f.Type, v.Value)}
		k.out()
		k.out()
	}
	k.out()
	k.in("off")
	if off := k.variant(f.Off); off != nil {
		k.head.off = *off
	}
	k.out()
	k.head.sound = !k.hasProblem("type", "variants", "off")
	k.head.enabled = f.Enabled || k.hasProblem("enabled") // a flag that may be meant to be on is not off
}

func (k *flagCompiler) value(typ string, raw []byte) Value {
	if raw == nil {
		k.problem("is missing")
		return Value{}
	}
	d := readScalar(raw)
	ok := true
	switch typ {
	case TypeBoolean:
		ok = d.kind == datumBool
	case TypeString:
		ok = d.kind == datumText
	case TypeNumber:
		ok = d.kind == datumNumber
	}
	if !ok {
		k.problem("is not of the flag's type, %s", typ)
	}
	return Value{&value{typ: typ, raw: raw, text: d.text, number: d.number, boolean: d.boolean}}
}

// variant finds a variant by its key.
func (k *flagCompiler) variant(key string) *variant {
	for i := range k.variants {
		if k.variants[i].key == key && key != "" {
			return &k.variants[i]
		}
	}
	if key == "" {
		k.problem("must name a variant")
	} else {
		k.problem("the flag has no variant %q", key)
	}
	return &variant{}
}

var saltPattern = regexp.MustCompile(`^[a-z0-9]{12}$`)

const saltProblem = "must be %d characters of [a-z0-9]"

// body compiles the rest. It goes on after problems, to find them all.
func (k *flagCompiler) body(f *Flag) {
	if k.salt = f.Salt; !saltPattern.MatchString(f.Salt) {
		k.problemIn("salt", saltProblem, saltLength)
	}
	k.flag.failed = k.head.outcome(&k.head.off, reasonDefault, causePrerequisite, "")
	k.in("prerequisites")
	for i, p := range f.Prerequisites {
		k.at(i)
		k.flag.prerequisites = append(k.flag.prerequisites, k.flagReference(p.Flag, p.Variants))
		k.out()
	}
	k.out()
	k.in("rules")
	if len(f.Rules) > maxRules {
		k.problem("has %d entries; at most %d", len(f.Rules), maxRules)
	}
	k.flag.rules = make([]rule, len(f.Rules))
	seen := make(map[string]bool, len(f.Rules))
	for i := range f.Rules {
		k.at(i)
		r := &f.Rules[i]
		if r.ID == "" {
			k.problemIn("id", "is missing")
		} else if seen[r.ID] {
			k.problemIn("id", "%q is there twice", r.ID)
		}
		seen[r.ID] = true
		k.flag.rules[i] = k.rule(r)
		k.out()
	}
	k.out()
	k.fallback(f)
}

func (k *flagCompiler) rule(r *Rule) (out rule) {
	if r.When != nil {
		k.in("when")
		x := k.condition(r.When)
		out.when = &x
		k.out()
	}
	k.in("serve")
	out.serve = k.serve(&r.Serve, r.ID, serveOutcomes{reasonMatch, causeRule, nil})
	k.out()
	return out
}

func (k *flagCompiler) fallback(f *Flag) {
	reason := reasonDefault
	alone := len(f.Rules) == 0 && len(f.Prerequisites) == 0
	if alone {
		reason = reasonStatic
	}
	k.in("default")
	k.flag.fallback = k.serve(&f.Default, "", serveOutcomes{reason, causeDefault, &k.head.off})
	k.out()
	if alone && len(k.problems) == 0 {
		k.head.plain = k.flag.fallback.plain()
	}
}

// plain is the outcome when it needs no context.
func (v *serve) plain() *Outcome {
	switch x := v.distribution; {
	case v.out != nil:
		return v.out
	case x.exposure == 0:
		return x.unexposed
	case x.exposure == Buckets:
		return x.single // nil with more variants
	}
	return nil
}
