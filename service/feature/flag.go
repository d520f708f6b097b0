package feature

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types of a flag's variants, and kinds of flags.
var (
	Types = []string{"boolean", "string", "number", "json"}
	Kinds = []string{"release", "experiment", "killSwitch", "permission", "operational"}
)

// Flag is the definition of a flag for a whole project: what it can be. What it is in one environment is its [Targeting].
type Flag struct {
	Key           string          `json:"key" dimmer:"required"`
	Name          string          `json:"name"`
	Description   string          `json:"description,omitempty"`
	Type          string          `json:"type" dimmer:"required"`
	Kind          string          `json:"kind"` // empty: release
	Tags          []string        `json:"tags,omitempty"`
	Owner         string          `json:"owner,omitempty"`
	ClientVisible bool            `json:"clientVisible"` // client tokens see it; otherwise it looks unknown to them
	Variants      []Variant       `json:"variants,omitempty"`
	JSONSchema    json.RawMessage `json:"jsonSchema,omitempty"` // every variant's value has to satisfy it
	Archived      bool            `json:"archived"`             // serves off everywhere, and can be deleted

	// Owned by the server. The salt is what cohorts are drawn with: 12 characters of [a-z0-9], independent of the key.
	Salt      string    `json:"salt,omitempty"`
	Version   int64     `json:"version,omitempty"` // the project's revision at which it last changed; its ETag
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// Variant is one value that a flag can have.
type Variant struct {
	Key         string          `json:"key" dimmer:"required"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Value       json.RawMessage `json:"value" dimmer:"required"`
}

// Normalize fills in what an author may leave out: the kind, and the two variants of a boolean flag.
func (f *Flag) Normalize() {
	if f.Kind == "" {
		f.Kind = "release"
	}
	if f.Type == "boolean" && len(f.Variants) == 0 {
		f.Variants = []Variant{{Key: "on", Value: json.RawMessage("true")}, {Key: "off", Value: json.RawMessage("false")}}
	}
	if string(bytes.TrimSpace(f.JSONSchema)) == "null" {
		f.JSONSchema = nil
	}
}

// Validate reports every problem of a flag on its own. Whether its variants satisfy its JSON schema is checked by package
// compile, since that needs a library that this package does without.
func (f *Flag) Validate() error {
	var p problems
	p.merge("/key", CheckKey(f.Key))
	p.checkLine("/name", f.Name)
	p.checkText("/description", f.Description)
	p.checkLine("/owner", f.Owner)
	if !slices.Contains(Types, f.Type) {
		p.add("/type", "must be one of %s", strings.Join(Types, ", "))
	}
	if !slices.Contains(Kinds, f.Kind) {
		p.add("/kind", "must be one of %s", strings.Join(Kinds, ", "))
	}
	f.validateTags(&p)
	f.validateVariants(&p)
	if f.JSONSchema != nil {
		if c := bytes.TrimSpace(f.JSONSchema); len(c) == 0 || c[0] != '{' && string(c) != "true" && string(c) != "false" {
			p.add("/jsonSchema", "must be a JSON schema: an object")
		}
	}
	return p.err()
}

func (f *Flag) validateTags(p *problems) {
	if len(f.Tags) > MaxTags {
		p.add("/tags", "has %d entries; at most %d", len(f.Tags), MaxTags)
	}
	for i, t := range f.Tags {
		p.merge(Pointer("tags", i), CheckKey(t))
		if slices.Contains(f.Tags[:i], t) {
			p.add(Pointer("tags", i), "%s is there twice", quote(t))
		}
	}
}

func (f *Flag) validateVariants(p *problems) {
	switch n := len(f.Variants); {
	case n == 0:
		p.add("/variants", "a flag needs at least one variant")
	case n > MaxVariants:
		p.add("/variants", "has %d entries; at most %d", n, MaxVariants)
	}
	seen := map[string]bool{}
	for i, v := range f.Variants {
		at := Pointer("variants", i)
		p.merge(at+"/key", checkVariantKey(v.Key))
		p.checkLine(at+"/name", v.Name)
		p.checkText(at+"/description", v.Description)
		if seen[v.Key] {
			p.add(at+"/key", "%s is there twice", quote(v.Key))
		}
		seen[v.Key] = true
		if msg := checkValue(f.Type, v.Value); msg != "" {
			p.add(at+"/value", "%s", msg)
		}
	}
}

// checkValue says what is wrong with a variant's value, or "".
func checkValue(typ string, value json.RawMessage) string {
	text := bytes.TrimSpace(value)
	if len(text) == 0 {
		return "is required"
	}
	if text[0] == 'n' {
		return "cannot be null"
	}
	switch typ {
	case "boolean":
		if text[0] != 't' && text[0] != 'f' {
			return "must be true or false, since the flag is a boolean"
		}
	case "string":
		if text[0] != '"' {
			return "must be a string, since the flag is a string"
		}
	case "number":
		return checkNumber(string(text))
	}
	return ""
}

func checkNumber(text string) string {
	if strings.IndexByte(`"{[tf`, text[0]) >= 0 {
		return "must be a number, since the flag is a number"
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return "is too large a number"
	case !strings.ContainsAny(text, ".eE") && math.Abs(f) > 1<<53-1:
		return "is an integer beyond 2^53-1, which not every language reads exactly"
	}
	return ""
}

// Variant returns the variant with a key.
func (f *Flag) Variant(key string) (Variant, bool) {
	for _, v := range f.Variants {
		if v.Key == key {
			return v, true
		}
	}
	return Variant{}, false
}

// DefaultOff is the variant that a new targeting serves when it is off: the one with the key "off", else for a boolean the
// one that is false, else the first.
func (f *Flag) DefaultOff() string {
	if _, ok := f.Variant("off"); ok {
		return "off"
	}
	for _, v := range f.Variants {
		if f.Type == "boolean" && string(bytes.TrimSpace(v.Value)) == "false" {
			return v.Key
		}
	}
	if len(f.Variants) == 0 {
		return ""
	}
	return f.Variants[0].Key
}

// NewTargeting is what a flag begins with in every environment: off, and a default that is exposed to nobody. Ramping the
// default exposes all of a boolean's "on" (its variant that is not off), or equal shares of the variants that are not off.
func (f *Flag) NewTargeting(off string) Targeting {
	if off == "" {
		off = f.DefaultOff()
	}
	var live []string
	for _, v := range f.Variants {
		if v.Key != off {
			live = append(live, v.Key)
		}
	}
	if len(live) == 0 {
		live = []string{off}
	}
	if _, on := f.Variant("on"); f.Type == "boolean" && on && off != "on" {
		live = []string{"on"}
	}
	return Targeting{Off: off, Default: Serve{Distribution: &Distribution{
		BucketBy: []string{"targetingKey"}, Weights: equalWeights(live), Otherwise: off,
	}}}
}

// equalWeights shares 100 % among the variants; the first ones take the buckets that do not divide.
func equalWeights(variants []string) map[string]Percent {
	n := Percent(len(variants))
	out := make(map[string]Percent, n)
	for i, v := range variants {
		out[v] = All / n
		if Percent(i) < All%n {
			out[v]++
		}
	}
	return out
}
