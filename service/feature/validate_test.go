package feature

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/stretchr/testify/require"
)

func paths(err error) []string {
	var out []string
	for _, p := range Problems(err) {
		out = append(out, p.Path)
	}
	return out
}

func TestCheckKey(t *testing.T) {
	for _, good := range []string{"a", "0", "new-checkout", "a.b_c-d", strings.Repeat("k", 128)} {
		require.NoError(t, CheckKey(good), good)
	}
	for _, bad := range []string{"", "A", "-a", ".a", "_a", "a b", "a/b", "ä", "a\x00", "a%2Fb", strings.Repeat("k", 129)} {
		require.Equal(t, CodeInvalid, CodeOf(CheckKey(bad)), bad)
	}
	require.NoError(t, CheckRuleID("rollout:Checkout-2"))
	require.Error(t, CheckRuleID(DefaultRule))
	require.Error(t, CheckRuleID(""))
}

func boolean() Flag {
	f := Flag{Key: "new-checkout", Type: "boolean"}
	f.Normalize()
	return f
}

func TestFlagValidate(t *testing.T) {
	valid := boolean()
	require.NoError(t, valid.Validate())
	require.Equal(t, "release", valid.Kind)
	require.Equal(t, "off", valid.DefaultOff())
	value := func(s string) []Variant { return []Variant{{Key: "v", Value: json.RawMessage(s)}} }
	for _, c := range []struct {
		name string
		edit func(*Flag)
		want []string
	}{
		{"key", func(f *Flag) { f.Key = "Bad" }, []string{"/key"}},
		{"type", func(f *Flag) { f.Type = "bool" }, []string{"/type"}},
		{"kind", func(f *Flag) { f.Kind = "x" }, []string{"/kind"}},
		{"name", func(f *Flag) { f.Name = "a\nb" }, []string{"/name"}},
		{"long name", func(f *Flag) { f.Name = strings.Repeat("n", 257) }, []string{"/name"}},
		{"description with bell", func(f *Flag) { f.Description = "a\n\tb\x07" }, []string{"/description"}},
		{"tags", func(f *Flag) { f.Tags = []string{"a", "B", "a"} }, []string{"/tags/1", "/tags/2"}},
		{"no variants", func(f *Flag) { f.Variants = nil }, []string{"/variants"}},
		{"too many variants", func(f *Flag) { f.Type, f.Variants = "number", many(101) }, []string{"/variants"}},
		{"100 variants", func(f *Flag) { f.Type, f.Variants = "number", many(100) }, nil},
		{"two variants of one key", func(f *Flag) { f.Variants[1].Key = "on" }, []string{"/variants/1/key"}},
		{"variant key", func(f *Flag) { f.Variants[0].Key = "a b" }, []string{"/variants/0/key"}},
		{"upper case variant", func(f *Flag) { f.Variants[0].Key = "Blue" }, nil},
		{"text for a boolean", func(f *Flag) { f.Variants[0].Value = json.RawMessage(`"true"`) }, []string{"/variants/0/value"}},
		{"null", func(f *Flag) { f.Type, f.Variants = "json", value(`null`) }, []string{"/variants/0/value"}},
		{"no value", func(f *Flag) { f.Type, f.Variants = "json", value(``) }, []string{"/variants/0/value"}},
		{"number for a string", func(f *Flag) { f.Type, f.Variants = "string", value(`1`) }, []string{"/variants/0/value"}},
		{"text for a number", func(f *Flag) { f.Type, f.Variants = "number", value(`"1"`) }, []string{"/variants/0/value"}},
		{"huge number", func(f *Flag) { f.Type, f.Variants = "number", value(`1e999`) }, []string{"/variants/0/value"}},
		{"inexact integer", func(f *Flag) { f.Type, f.Variants = "number", value(`9007199254740993`) }, []string{"/variants/0/value"}},
		{"largest integer", func(f *Flag) { f.Type, f.Variants = "number", value(`9007199254740991`) }, nil},
		{"any JSON", func(f *Flag) { f.Type, f.Variants = "json", value(`[1,{"a":null}]`) }, nil},
		{"schema", func(f *Flag) { f.JSONSchema = json.RawMessage(`[]`) }, []string{"/jsonSchema"}},
		{"all at once", func(f *Flag) { f.Key, f.Type, f.Owner, f.Tags = "", "?", "\x00", []string{""} }, []string{"/key", "/owner", "/type", "/tags/0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := boolean()
			c.edit(&f)
			require.Equal(t, c.want, paths(f.Validate()))
		})
	}
}

func many(n int) (out []Variant) {
	for i := range n {
		out = append(out, Variant{Key: fmt.Sprint("v", i), Value: json.RawMessage("1")})
	}
	return out
}

func TestNewTargeting(t *testing.T) {
	for _, c := range []struct {
		name     string
		typ      string
		variants []string
		off      string
		wantOff  string
		weights  map[string]Percent
	}{
		{"boolean", "boolean", nil, "", "off", map[string]Percent{"on": All}},
		{"three", "string", []string{"control", "a", "b"}, "", "control", map[string]Percent{"a": 50_000, "b": 50_000}},
		{"off by key", "string", []string{"a", "off", "b", "c"}, "", "off", map[string]Percent{"a": 33_334, "b": 33_333, "c": 33_333}},
		{"off as given", "string", []string{"a", "b"}, "b", "b", map[string]Percent{"a": All}},
		{"one variant", "string", []string{"a"}, "", "a", map[string]Percent{"a": All}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Flag{Key: "f", Type: c.typ}
			for _, v := range c.variants {
				f.Variants = append(f.Variants, Variant{Key: v, Value: json.RawMessage(`"x"`)})
			}
			f.Normalize()
			got := f.NewTargeting(c.off)
			require.NoError(t, got.Validate(&f))
			require.False(t, got.Enabled)
			require.Equal(t, c.wantOff, got.Off)
			require.Equal(t, c.weights, got.Default.Distribution.Weights)
			require.Equal(t, None, got.Default.Distribution.Exposure)
			require.Equal(t, c.wantOff, got.Default.Distribution.Otherwise)
		})
	}
}

func TestTargetingValidate(t *testing.T) {
	flag := Flag{Key: "f", Type: "string", Variants: many(4)}
	split := func(w map[string]Percent) Serve { return Serve{Distribution: &Distribution{Weights: w}} }
	rule := func(id string) Rule { return Rule{ID: id, Serve: Serve{Variant: "v0"}} }
	for _, c := range []struct {
		name string
		edit func(*Targeting)
		want []string
	}{
		{"off", func(x *Targeting) { x.Off = "nope" }, []string{"/off"}},
		{"no off", func(x *Targeting) { x.Off = "" }, []string{"/off"}},
		{"variant", func(x *Targeting) { x.Default.Variant = "nope" }, []string{"/default/variant"}},
		{"neither", func(x *Targeting) { x.Default = Serve{} }, []string{"/default"}},
		{"both", func(x *Targeting) { x.Default = split(map[string]Percent{"v0": All}); x.Default.Variant = "v0" }, []string{"/default"}},
		{"sum", func(x *Targeting) { x.Default = split(map[string]Percent{"v0": 50_000, "v1": 49_999}) }, []string{"/default/distribution/weights"}},
		{"no weights", func(x *Targeting) { x.Default = split(nil) }, []string{"/default/distribution/weights"}},
		{"a weight of 0", func(x *Targeting) { x.Default = split(map[string]Percent{"v0": All, "v1": 0}) }, nil},
		{"weights", func(x *Targeting) { x.Default = split(map[string]Percent{"v0": -1, "v9": All + 1}) },
			[]string{"/default/distribution/weights/v0", "/default/distribution/weights/v9", "/default/distribution/weights/v9"}},
		{"exposure", func(x *Targeting) {
			x.Default = split(map[string]Percent{"v0": All})
			x.Default.Distribution.Exposure = All + 1
		},
			[]string{"/default/distribution/exposure"}},
		{"otherwise, hash and bucketBy", func(x *Targeting) {
			x.Default = split(map[string]Percent{"v0": All})
			d := x.Default.Distribution
			d.Otherwise, d.Hash, d.BucketBy = "v9", "h2", []string{"", "a", "b", "c", "d", "e", "f", "g", "h"}
		}, []string{"/default/distribution/bucketBy", "/default/distribution/bucketBy/0", "/default/distribution/otherwise", "/default/distribution/hash"}},
		{"rule ids", func(x *Targeting) { x.Rules = []Rule{rule("a"), rule("a"), rule(""), rule("default")} },
			[]string{"/rules/1/id", "/rules/2/id", "/rules/3/id"}},
		{"200 rules", func(x *Targeting) {
			for i := range 200 {
				x.Rules = append(x.Rules, rule(fmt.Sprint("r", i)))
			}
		}, nil},
		{"201 rules", func(x *Targeting) {
			for i := range 201 {
				x.Rules = append(x.Rules, rule(fmt.Sprint("r", i)))
			}
		}, []string{"/rules"}},
		{"prerequisites", func(x *Targeting) { x.Prerequisites = []evaluator.Prerequisite{{Flag: "f"}} },
			[]string{"/prerequisites/0/variants", "/prerequisites/0/flag"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Targeting{Off: "v0", Default: Serve{Variant: "v1"}}
			require.NoError(t, x.Validate(&flag))
			c.edit(&x)
			require.Equal(t, c.want, paths(x.Validate(&flag)))
		})
	}
}

func TestOtherDocumentsValidate(t *testing.T) {
	now := time.Date(2026, 11, 20, 14, 2, 0, 0, time.UTC)
	require.NoError(t, (&Project{Key: "shop"}).Validate())
	require.Equal(t, []string{"/key", "/name"}, paths((&Project{Key: "", Name: "\x01"}).Validate()))
	require.Equal(t, []string{"/order"}, paths((&Environment{Key: "e", Order: 2_000_000}).Validate()))
	require.Equal(t, []string{"/key", "/include/targetingKey/1", "/exclude", "/exclude//0"}, paths((&Segment{
		Key: "A", Include: map[string][]string{"targetingKey": {"u", ""}}, Exclude: map[string][]string{"": {strings.Repeat("x", 1025)}},
	}).Validate()))
	require.NoError(t, (&Token{Kind: "admin", Role: "editor"}).Validate())
	require.NoError(t, (&Token{Kind: "server", Project: "p", Environment: "e"}).Validate())
	require.Equal(t, []string{"/role"}, paths((&Token{Kind: "admin"}).Validate()))
	require.Equal(t, []string{"/environment"}, paths((&Token{Kind: "client", Project: "p"}).Validate()))
	require.Equal(t, []string{"/kind", "/project", "/role"}, paths((&Token{Kind: "x", Environment: "e", Role: "admin"}).Validate()))
	token := Token{Expires: now}
	require.True(t, token.Live(now.Add(-1)))
	require.False(t, token.Live(now))
	require.Error(t, CheckSide("both"))
	require.Error(t, CheckReason("a\x00"))
}

func TestClone(t *testing.T) {
	x := Targeting{Lines: map[string][]evaluator.Range{"a": nil}, Rules: []Rule{{ID: "r", Serve: Serve{Distribution: &Distribution{Weights: map[string]Percent{"v": 1}}}}},
		Default: Serve{Distribution: &Distribution{Ranges: []evaluator.Range{{Variant: "v"}}}}}
	before, err := Encode(x)
	require.NoError(t, err)
	c := x.Clone()
	c.Lines["b"], c.Rules[0].Serve.Distribution.Weights["w"] = nil, 2
	c.Rules[0].ID, c.Default.Distribution.Ranges[0].Variant, c.Default.Distribution.Exposure = "s", "w", 5
	after, err := Encode(x)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "changing a clone leaves the original alone")
}

func TestErrors(t *testing.T) {
	require.NoError(t, Join(nil, nil))
	require.Equal(t, Code(""), CodeOf(nil))
	require.Equal(t, CodeInternal, CodeOf(errors.New("x")))
	require.Equal(t, CodeConflict, CodeOf(fmt.Errorf("wrapped: %w", Conflict("x"))))
	joined := Join(Invalid("/a", "x"), nil, Invalid("/a", "x"), Join(Invalid("/b", "y"), Invalid("/c", "z")))
	require.Equal(t, []string{"/a", "/b", "/c"}, paths(joined), "each problem once")
	require.Equal(t, CodeNotFound, CodeOf(Join(Invalid("/a", "x"), NotFound("flag", "f"))), "another code wins")
	var all *Error
	require.ErrorAs(t, joined, &all)
	require.Equal(t, []string{"/x/a", "/x/b", "/x/c"}, paths(all.At("/x")))
	require.Equal(t, "/a~1b/0/~0", Pointer("a/b", 0, "~"))
	var p problems
	for i := range 1000 {
		p.add(fmt.Sprint(i), "x")
	}
	require.Len(t, Problems(p.err()), maxProblems)
	cause := errors.New("cause")
	require.ErrorIs(t, Unavailable(cause, "x"), cause)
	require.Contains(t, Invalid("/a", "is bad").Error(), "/a: is bad")
}

func TestEncodeKeepsText(t *testing.T) {
	data, err := Encode(Flag{Key: "f", Name: "<b> & ü", JSONSchema: json.RawMessage(`{ "a" : 1.50 }`)})
	require.NoError(t, err)
	require.Contains(t, string(data), `"name":"<b> & ü"`)
	require.Contains(t, string(data), `"jsonSchema":{"a":1.50}`)
	back, err := Decode[Flag](data)
	require.NoError(t, err)
	require.Equal(t, "<b> & ü", back.Name)
	_, err = Decode[Flag]([]byte("{"))
	require.Equal(t, CodeInternal, CodeOf(err))
}
