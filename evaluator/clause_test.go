package evaluator

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// holds evaluates one condition for a context in JSON.
func holds(t testing.TB, condition, context string) bool {
	t.Helper()
	s, problems := compileText(t, `{"flags":{"f":`+ruleFlag(condition)+`}}`)
	require.Empty(t, problems)
	c, err := ParseContext([]byte(context))
	require.NoError(t, err)
	r := s.Evaluate("f", c)
	require.Empty(t, r.Error)
	again, trace := s.EvaluateTrace("f", c)
	require.Equal(t, r, again)
	require.Equal(t, traceState(truthOf(r.Variant == "a")), trace.Rules[0].State)
	return r.Variant == "a"
}

func TestClauses(t *testing.T) {
	for _, test := range []struct {
		op, values string
		yes, no    string // values of the attribute x, separated by |, that match, and that are usable and do not
		unusable   string // that make the clause false, negated or not
	}{
		{"in", `["a","ünï"]`, `"a"|"ünï"|["z","a"]|["z",7,"a"]`, `"A"|""|["z"]|["z",1]`, `1|true|{"a":1}|[]|[1]|[["a"]]|null`},
		{"in", `[1,-0.5]`, `1|1.0|1e0|-0.5|["a",1]`, `2|-1|[2]`, `"1"|true|["a"]`},
		{"in", `[0]`, `0|-0|0.0`, `1`, `false|""`},
		{"in", `[true]`, `true`, `false`, `1|"true"`},
		{"in", `["a",1,false]`, `"a"|1|false`, `"b"|2|true`, `{}|[[1]]`},
		{"contains", `["bc","x"]`, `"abcd"|"x"|["a","bc"]`, `"b"|""|["a"]`, `1|true`},
		{"contains", `[""]`, `"a"|""`, ``, `1`},
		{"startsWith", `["ab"]`, `"abc"|"ab"`, `"a"|"cab"`, `1`},
		{"endsWith", `["bc","é"]`, `"abc"|"café"`, `"bcd"|"e"`, `7`},
		{"matches", `["^a.c$","x+"]`, `"abc"|"oxxo"`, `"abbc"|""`, `1`},
		{"lt", `[5]`, `4|4.999|-1e300|[9,4]`, `5|6|[9]`, `"4"|true`},
		{"lte", `[5]`, `5|4`, `5.001`, `"5"`},
		{"gt", `[5,7]`, `6|5.5`, `5|4`, `"6"`},
		{"gte", `[5]`, `5|6`, `4.9`, `"6"`},
		{"before", `["2026-01-01T00:00:00Z"]`, `"2025-12-31T23:59:59.999Z"|1767225599999|"2026-01-01T00:59:59+01:00"`, `"2026-01-01T00:00:00Z"|1767225600000|1767225600000.9`,
			`"2026-01-01"|"2026-01-01t00:00:00Z"|"2026-02-30T00:00:00Z"|true|8.65e15`},
		{"after", `[0]`, `1|"1970-01-01T00:00:00.001Z"`, `0|0.5|-0.5|-1|"1970-01-01T00:00:00.0009Z"`, `"now"`},
		{"semverEq", `["1.2.0"]`, `"1.2.0"|"v1.2"|"1.2.0+b"`, `"1.2.1"|"1.2.0-rc"`, `"1.2.x"|"01.2.0"|"1.2.0-01"|1.2|"v"|""`},
		{"semverLt", `["1.2.0"]`, `"1.2.0-rc.1"|"1.1.9"|"1"`, `"1.2"|"1.2.0+zz"|"2"`, `"one"`},
		{"semverLte", `["1.2.0"]`, `"1.2"|"0.9"`, `"1.2.1"`, `"?"`},
		{"semverGt", `["1.2.0-rc.2"]`, `"1.2.0-rc.10"|"1.2.0"|"1.2.0-rd"`, `"1.2.0-rc.2"|"1.2.0-rc"`, `"?"`},
		{"semverGte", `["1.2.0"]`, `"1.2.0"|"1.2.1-a"`, `"1.2.0-a"|"1.1"`, `"?"`},
		{"semverTilde", `["1.2.3"]`, `"1.2.3"|"1.2.9"`, `"1.3.0"|"1.2.2"|"1.2.3-a"`, `"?"`},
		{"semverTilde", `["1"]`, `"1.9.9"|"1"`, `"2"|"0.9"`, `1`},
		{"semverCaret", `["1.2"]`, `"1.2"|"1.9.9"|"1.3.0-beta"`, `"2.0.0"|"2.0.0-beta"|"1.1"`, `"?"`},
		{"semverCaret", `["0.2.3"]`, `"0.2.3"|"0.2.9"`, `"0.3.0"|"0.2.2"`, `"?"`},
		{"semverCaret", `["0.0.3"]`, `"0.0.3"`, `"0.0.4"|"0.1.0"`, `"?"`},
		{"semverCaret", `["0.0"]`, `"0.0.9"`, `"0.1.0"`, `"?"`},
		{"semverCaret", `["0"]`, `"0.9.9"`, `"1.0.0"`, `"?"`},
		{"inCidr", `["10.1.2.3/8","2001:db8::/32"]`, `"10.255.0.1"|"::ffff:10.0.0.1"|"2001:db8::1"|"2001:DB8:0:0:0:0:0:1"`, `"11.0.0.1"|"2001:db9::"`, `"010.0.0.1"|"10.0.0"|"fe80::1%eth0"|10|"10.0.0.0/8"`},
		{"inCidr", `["::/0"]`, `"::1"`, `"1.2.3.4"|"::ffff:1.2.3.4"`, `""`},
		{"inCidr", `["0.0.0.0/0"]`, `"1.2.3.4"|"::ffff:1.2.3.4"`, `"::1"`, `"x"`},
		{"inCidr", `["::ffff:1.2.3.4"]`, `"1.2.3.4"`, `"1.2.3.5"`, `"x"`},
		{"modulo", `[3,1]`, `1|4|-2|1.0`, `0|3|-1`, `1.5|"1"|1e300|9007199254740992`},
	} {
		for _, negate := range []bool{false, true} {
			clause := fmt.Sprintf(`{"attribute":"x","op":%q,"values":%s,"negate":%v}`, test.op, test.values, negate)
			check := func(values string, want bool) {
				for v := range strings.SplitSeq(values, "|") {
					if v != "" {
						require.Equal(t, want, holds(t, clause, `{"x":`+v+`}`), "%s %s", clause, v)
					}
				}
			}
			check(test.yes, !negate)
			check(test.no, negate)
			check(test.unusable, false)
			require.False(t, holds(t, clause, `{}`), clause)
		}
	}
}

func TestExists(t *testing.T) {
	for _, there := range []string{`0`, `""`, `false`, `[]`, `{}`, `[null]`} {
		require.True(t, holds(t, `{"attribute":"x","op":"exists"}`, `{"x":`+there+`}`), there)
		require.False(t, holds(t, `{"attribute":"x","op":"exists","negate":true}`, `{"x":`+there+`}`), there)
	}
	for _, missing := range []string{`{}`, `{"x":null}`, `{"x":1e999}`} {
		require.False(t, holds(t, `{"attribute":"x","op":"exists"}`, missing), missing)
		require.True(t, holds(t, `{"attribute":"x","op":"exists","negate":true}`, missing), missing)
	}
	require.False(t, holds(t, `{"attribute":"targetingKey","op":"exists"}`, `{"targetingKey":""}`))
	require.True(t, holds(t, `{"attribute":"targetingKey","op":"exists"}`, `{"targetingKey":7}`))
}

func TestIgnoreCase(t *testing.T) {
	clause := func(op, value string) string {
		return fmt.Sprintf(`{"attribute":"x","op":%q,"values":[%q],"ignoreCase":true}`, op, value)
	}
	require.True(t, holds(t, clause("in", "ÄRGER"), `{"x":"ärger"}`))
	require.True(t, holds(t, clause("in", "İ"), `{"x":"i"}`), "U+0130 has i as its simple lowercase")
	require.False(t, holds(t, clause("in", "ß"), `{"x":"SS"}`))
	require.True(t, holds(t, clause("contains", "EF"), `{"x":"defg"}`))
	require.True(t, holds(t, clause("startsWith", "de"), `{"x":"DEF"}`))
	require.True(t, holds(t, clause("endsWith", "Σ"), `{"x":"σ"}`))
	require.False(t, holds(t, clause("endsWith", "Σ"), `{"x":"ς"}`), "simple mapping, not folding")
	require.True(t, holds(t, clause("matches", "^a[b-d]+$"), `{"x":"ABCD"}`))
	require.True(t, holds(t, clause("in", strings.Repeat("Long", 60)), `{"x":"`+strings.Repeat("lONG", 60)+`"}`))
}

func TestPaths(t *testing.T) {
	in := func(path string) string { return fmt.Sprintf(`{"attribute":%q,"op":"in","values":["v"]}`, path) }
	for _, test := range []struct {
		path, context string
		want          bool
	}{
		{"a.b.c", `{"a":{"b":{"c":"v"}}}`, true},
		{"a.b.c", `{"a":{"b":{"c":["u","v"]}}}`, true},
		{"a.b.c", `{"a":{"b":[{"c":"v"}]}}`, false},
		{"a.b.c", `{"a.b.c":"v"}`, false},
		{`a\.b`, `{"a.b":"v"}`, true},
		{`a\\b.c`, `{"a\\b":{"c":"v"}}`, true},
		{"a", `{"a":"u","a":"v"}`, true},
		{"a", `{"a":"v","a":"u"}`, false},
		{"a", `{"a":"v","a":null}`, false},
		{"a.b", `{"a":{"b":"v","b":"u"}}`, false},
		{"targetingKey", `{"targetingKey":"v"}`, true},
		{"targetingKey.x", `{"targetingKey":"v"}`, false},
		{"a.targetingKey", `{"a":{"targetingKey":"v"}}`, true},
	} {
		require.Equal(t, test.want, holds(t, in(test.path), test.context), "%s in %s", test.path, test.context)
	}
	members := make([]string, 3*manyMembers)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%d":"u"`, i)
	}
	many := `{"a":{` + strings.Join(members, ",") + `,"m50":"v"}}`
	require.True(t, holds(t, in("a.m50"), many))
	require.False(t, holds(t, in("a.m51"), many))
}

func TestConditionsThatDoNotCompile(t *testing.T) {
	for condition, want := range map[string]string{
		`{"attribute":"x","op":"like","values":["a"]}`:                                                `/rules/0/when/op: "like" is no known operator`,
		`{"attribute":"x","op":"in","values":[]}`:                                                     "/values: needs at least one value",
		`{"attribute":"x","op":"in"}`:                                                                 "/values: needs at least one value",
		`{"attribute":"x","op":"in","values":[{}]}`:                                                   "/values/0: must be a string, a number or a boolean",
		`{"attribute":"x","op":"in","values":[null]}`:                                                 "/values/0: must be a string, a number or a boolean",
		`{"attribute":"x","op":"contains","values":["a",1]}`:                                          "/values/1: must be a string",
		`{"attribute":"x","op":"matches","values":["("]}`:                                             `/values/0: is not a pattern: missing closing ), at "("`,
		`{"attribute":"x","op":"matches","values":["` + strings.Repeat("a", 257) + `"]}`:              "/values/0: has 257 bytes",
		`{"attribute":"x","op":"lt","values":["1"]}`:                                                  "/values/0: must be a number",
		`{"attribute":"x","op":"lt","values":[1e999]}`:                                                "/values/0: must be a number",
		`{"attribute":"x","op":"before","values":["2026-13-01T00:00:00Z"]}`:                           "/values/0: must be an RFC 3339 instant",
		`{"attribute":"x","op":"semverEq","values":["1.2.3.4"]}`:                                      "/values/0: must be a version",
		`{"attribute":"x","op":"inCidr","values":["10.0.0.0/33"]}`:                                    "/values/0: must be an IP address",
		`{"attribute":"x","op":"inCidr","values":["::ffff:10.0.0.0/95"]}`:                             "/values/0: must be an IP address",
		`{"attribute":"x","op":"modulo","values":[3]}`:                                                "/values: modulo takes",
		`{"attribute":"x","op":"modulo","values":[0,0]}`:                                              "/values/0: the divisor",
		`{"attribute":"x","op":"modulo","values":[3,3]}`:                                              "/values/1: the remainder",
		`{"attribute":"x","op":"modulo","values":[3,0.5]}`:                                            "/values/1: must be an integer",
		`{"attribute":"x","op":"exists","values":[1]}`:                                                "/values: exists takes no values",
		`{"attribute":"x","op":"lt","values":[1],"ignoreCase":true}`:                                  "/ignoreCase: does not go with lt",
		`{"attribute":"a..b","op":"exists"}`:                                                          "/attribute: \"a..b\" is not a path",
		`{"attribute":"a\\b","op":"exists"}`:                                                          "/attribute: \"a\\\\b\" is not a path",
		`{"attribute":"","op":"exists"}`:                                                              "/attribute: \"\" is not a path",
		`{"segment":"s","negate":true}`:                                                               "has members of another form",
		`{"all":[],"any":[]}`:                                                                         "is more than one of",
		`{}`:                                                                                          "is none of",
		`{"all":[null]}`:                                                                              "/all/0: must be an object, is null",
		`{"flag":"f2","variants":[]}`:                                                                 "/variants: needs at least one variant",
		strings.Repeat(`{"not":`, 16) + `{"all":[]}` + strings.Repeat(`}`, 16):                        "nested more than 16 deep",
		strings.Repeat(`{"all":[`, 16) + `{"attribute":"x","op":"exists"}` + strings.Repeat(`]}`, 16): "nested more than 16 deep",
	} {
		s, problems := compileText(t, `{"flags":{"f":`+ruleFlag(condition)+`}}`)
		text := ""
		for _, p := range problems {
			text += p.Error() + "\n"
		}
		require.Contains(t, text, want, condition)
		require.Equal(t, ErrParse, s.Evaluate("f", nil).Error)
	}
	_, problems := compileText(t, `{"flags":{"f":`+ruleFlag(strings.Repeat(`{"not":`, 15)+`{"all":[]}`+strings.Repeat(`}`, 15))+`}}`)
	require.Empty(t, problems)
}

// TestVersionsAgainstMasterminds compares where the two definitions agree: full versions, whose numbers fit.
func TestVersionsAgainstMasterminds(t *testing.T) {
	number := rapid.StringMatching(`0|[1-9][0-9]?`)
	pre := rapid.StringMatching(`(-(0|[1-9][0-9]?|[0-9]*[a-cA-C-][0-9a-cA-C-]?)(\.(0|[1-9]|[a-c-][0-9a-c]?)){0,2})?(\+[a-z0]{1,2})?`)
	draw := rapid.Custom(func(t *rapid.T) string {
		return number.Draw(t, "major") + "." + number.Draw(t, "minor") + "." + number.Draw(t, "patch") + pre.Draw(t, "pre")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		va, okA := parseVersion(a)
		vb, okB := parseVersion(b)
		ma, errA := semver.StrictNewVersion(a)
		mb, errB := semver.StrictNewVersion(b)
		require.Equal(t, errA == nil, okA, a)
		require.Equal(t, errB == nil, okB, b)
		if !okA || !okB {
			return
		}
		require.Equal(t, ma.Compare(mb), va.compare(&vb))
		require.Equal(t, -va.compare(&vb), vb.compare(&va))
		if va.pre != "" || vb.pre != "" || vb.numbers == [3]int64{} {
			return // Masterminds keeps pre-releases out of ranges, and takes ~0.0.0 for everything
		}
		for op, mine := range map[string]bool{"~": va.tilde(&vb), "^": va.caret(&vb)} {
			c, err := semver.NewConstraint(op + b)
			require.NoError(t, err)
			require.Equal(t, c.Check(ma), mine, "%s in %s%s", a, op, b)
		}
	})
}

// FuzzVersion: whatever is a version here is one for Masterminds, and the other way round for strict versions.
func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "v1", "1.2", "1.2.3-a.1+b", "01.2.3", "1.2.3-01", "9007199254740993.0.0", "1.2.3-", "1..2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 256 {
			return // more than the oracle takes
		}
		v, ok := parseVersion(s)
		m, err := semver.StrictNewVersion(s)
		if err == nil && m.Major() <= maxInteger && m.Minor() <= maxInteger && m.Patch() <= maxInteger {
			require.True(t, ok, "%q", s)
		}
		if ok {
			loose, err := semver.NewVersion(s)
			require.NoError(t, err, "%q", s)
			require.Equal(t, [3]int64{int64(loose.Major()), int64(loose.Minor()), int64(loose.Patch())}, v.numbers)
			require.Equal(t, loose.Prerelease(), v.pre)
			require.Zero(t, v.compare(&v))
		}
	})
}

// FuzzAddress holds addresses and networks to net/netip.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "::", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1::2.3.4.5", "fe80::1%x", "1.2.3.04", "10.0.0.0/8", "::/0", "1:::2", "2001:db8::/129", ":1::"} {
		f.Add(s, "10.1.1.1")
	}
	f.Fuzz(func(t *testing.T, s, candidate string) {
		want, err := netip.ParseAddr(s)
		_, ok := parseAddress(s)
		require.Equal(t, err == nil && want.Zone() == "", ok, "%q", s)
		n, ok := parseNetwork(s)
		if !strings.Contains(s, "/") {
			return
		}
		p, err := netip.ParsePrefix(s)
		mapped := err == nil && p.Addr().Is4In6()
		require.Equal(t, err == nil && (!mapped || p.Bits() >= 96), ok, "%q", s)
		a, okA := parseAddress(candidate)
		if !ok || !okA {
			return
		}
		if mapped {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		require.Equal(t, p.Contains(netip.MustParseAddr(candidate).Unmap()), n.contains(a), "%q in %q", candidate, s)
	})
}

// FuzzInstant holds instants to the time package, which is laxer: it is the oracle for those that are accepted.
func FuzzInstant(f *testing.F) {
	for _, s := range []string{"2026-11-20T14:02:00Z", "2026-11-20T14:02:00.25+01:00", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59.9999Z", "2024-02-29T00:00:00-23:59", "2023-02-29T00:00:00Z",
		"2026-11-20T14:02:60Z", "2026-11-20t14:02:00z", "2026-11-20T14:02:00,5Z", "2026-11-20T14:02:00+24:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseInstant(s)
		want, err := time.Parse(time.RFC3339Nano, s)
		strict := err == nil && !strings.Contains(s, ",") && len(s) >= 20
		if ok {
			require.NoError(t, err, "%q", s)
			require.Equal(t, want.UnixMilli(), got, "%q", s)
		} else if strict && regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`).MatchString(s) {
			t.Fatalf("%q is an instant", s)
		}
	})
}

func TestInstantNumbers(t *testing.T) {
	for f, want := range map[float64]int64{0: 0, 0.9: 0, -0.1: -1, 8.64e15: 8.64e15, -8.64e15: -8.64e15} {
		got, ok := instantOfNumber(f)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, f := range []float64{8.64e15 + 2, math.Inf(1), math.NaN()} {
		_, ok := instantOfNumber(f)
		require.False(t, ok)
	}
}
