package evaluator

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/spaolacci/murmur3"
	"github.com/stretchr/testify/require"
)

// oracleBucket is the formula of docs/ruleset.md on the whole input. New32WithSeed, because Sum32 trips the race detector's pointer checks.
func oracleBucket(salt, stage, key string) uint32 {
	h := murmur3.New32WithSeed(0)
	_, _ = h.Write([]byte(salt + "/" + stage + "/" + key))
	return uint32(uint64(h.Sum32()) * 100000 >> 32)
}

func FuzzHash(f *testing.F) {
	for _, key := range []string{"", "a", "ab", "abc", "abcd", "user-17", "ünïcödé", "0123456789abcdef0123456789abcdef"} {
		f.Add("k3j9x0a1b2c4", key)
	}
	f.Fuzz(func(t *testing.T, salt, key string) {
		if len(salt) == saltLength {
			for _, stage := range []string{stageExpose, stageAssign} {
				require.Equal(t, oracleBucket(salt, stage, key), bucketOf(hashKey(hashPrefix(salt, stage), key)))
			}
		}
		hi, lo := murmur3.Sum128([]byte(salt + "/" + key))
		gotHi, gotLo := fingerprint(salt, key)
		require.Equal(t, [2]uint64{hi, lo}, [2]uint64{gotHi, gotLo})
	})
}

func distributionFlag(distribution string) string {
	return `{"flags":{"f":{"type":"string","version":3,"salt":"k3j9x0a1b2c4","enabled":true,"off":"off","variants":[{"key":"a","value":"A"},{"key":"b","value":"B"},{"key":"off","value":"-"}],` +
		`"default":{"distribution":` + distribution + `}}}}`
}

func TestCohorts(t *testing.T) {
	s, problems := compileText(t, distributionFlag(`{"exposure":40000,"otherwise":"off","ranges":[{"variant":"a","from":0,"to":25000},{"variant":"b","from":25000,"to":100000}]}`))
	require.Empty(t, problems)
	seen := map[string]int{}
	for i := range 20_000 {
		key := "user-" + strconv.Itoa(i)
		want := "SPLIT unexposed off"
		if oracleBucket("k3j9x0a1b2c4", "expose", key) < 40000 {
			want = "SPLIT default b"
			if oracleBucket("k3j9x0a1b2c4", "assign", key) < 25000 {
				want = "SPLIT default a"
			}
		}
		require.Equal(t, want, short(s.Evaluate("f", NewContext(key))))
		seen[want]++
	}
	require.InDelta(t, 12000, seen["SPLIT unexposed off"], 400)
	require.InDelta(t, 2000, seen["SPLIT default a"], 200)
	require.InDelta(t, 6000, seen["SPLIT default b"], 300)
}

func TestEdgesOfTheLine(t *testing.T) {
	find := func(stage string, bucket uint32) string {
		for i := 0; ; i++ {
			if key := strconv.Itoa(i); oracleBucket("k3j9x0a1b2c4", stage, key) == bucket {
				return key
			}
		}
	}
	first, last := find("expose", 0), find("expose", 99999)
	serve := func(exposure int, key string) string {
		s, problems := compileText(t, distributionFlag(fmt.Sprintf(`{"exposure":%d,"ranges":[{"variant":"a","from":0,"to":100000}]}`, exposure)))
		require.Empty(t, problems)
		return s.Evaluate("f", NewContext(key)).Variant
	}
	require.Equal(t, "off", serve(0, first))
	require.Equal(t, "a", serve(1, first))
	require.Equal(t, "off", serve(99999, last))
	require.Equal(t, "a", serve(100000, last))
	s, _ := compileText(t, distributionFlag(`{"exposure":100000,"ranges":[{"variant":"a","from":0,"to":1},{"variant":"b","from":1,"to":99999},{"variant":"off","from":99999,"to":100000}]}`))
	require.Equal(t, "a", s.Evaluate("f", NewContext(find("assign", 0))).Variant)
	require.Equal(t, "b", s.Evaluate("f", NewContext(find("assign", 1))).Variant)
	require.Equal(t, "off", s.Evaluate("f", NewContext(find("assign", 99999))).Variant)
}

func TestBucketBy(t *testing.T) {
	s, problems := compileText(t, distributionFlag(`{"bucketBy":["company.id","targetingKey"],"exposure":99999,"ranges":[{"variant":"a","from":0,"to":100000}]}`))
	require.Empty(t, problems)
	trace := func(context string) (string, *TraceDistribution) {
		c, err := ParseContext([]byte(context))
		require.NoError(t, err)
		r, trace := s.EvaluateTrace("f", c)
		require.Equal(t, s.Evaluate("f", c), r)
		return short(r), trace.Default.Distribution
	}
	for context, input := range map[string]string{
		`{"company":{"id":7}}`:                       "7",
		`{"company":{"id":7.0},"targetingKey":"u"}`:  "7",
		`{"company":{"id":"7"}}`:                     "7",
		`{"company":{"id":-0.0}}`:                    "0",
		`{"company":{"id":-12}}`:                     "-12",
		`{"company":{"id":7.5},"targetingKey":"u"}`:  "u",
		`{"company":{"id":""},"targetingKey":"u"}`:   "u",
		`{"company":{"id":true},"targetingKey":"u"}`: "u",
		`{"company":{"id":["7"]},"targetingKey":17}`: "17",
		`{"company":{"id":9007199254740991}}`:        "9007199254740991",
		`{"targetingKey":" U "}`:                     " U ",
		`{"targetingKey":"\ud800x"}`:                 "\ufffdx",
	} {
		result, d := trace(context)
		require.Equal(t, "SPLIT default a", result, context)
		require.Equal(t, "k3j9x0a1b2c4/expose/"+input, d.Expose.Input)
		require.Equal(t, oracleBucket("k3j9x0a1b2c4", "expose", input), d.Expose.Bucket)
	}
	for _, context := range []string{`{}`, `{"company":{"id":9007199254740992}}`, `{"company":7}`, `{"company":[{"id":7}]}`} {
		result, d := trace(context)
		require.Equal(t, "SPLIT keyless off", result, context)
		require.True(t, d.Keyless)
		require.Nil(t, d.Expose)
	}
}

func TestWhatNeedsNoKey(t *testing.T) {
	for distribution, want := range map[string]string{
		`{"exposure":0,"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                                        "SPLIT unexposed off",
		`{"exposure":0,"otherwise":"b","ranges":[{"variant":"a","from":0,"to":100000}]}`:                                        "SPLIT unexposed b",
		`{"exposure":100000,"ranges":[{"variant":"a","from":0,"to":5},{"variant":"a","from":5,"to":100000}]}`:                   "SPLIT default a",
		`{"exposure":99999,"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                                    "SPLIT keyless off",
		`{"exposure":100000,"otherwise":"b","ranges":[{"variant":"a","from":0,"to":5},{"variant":"off","from":5,"to":100000}]}`: "SPLIT keyless b",
		`{"exposure":100000,"bucketBy":["x"],"otherwise":"b","ranges":[{"variant":"a","from":0,"to":100000}]}`:                  "SPLIT default a",
	} {
		s, problems := compileText(t, distributionFlag(distribution))
		require.Empty(t, problems)
		require.Equal(t, want, short(s.Evaluate("f", nil)), distribution)
		r, _ := s.EvaluateTrace("f", nil)
		require.Equal(t, want, short(r))
	}
}

func TestARuleWithoutOtherwiseGoesOn(t *testing.T) {
	flag := func(distribution string) string {
		return `{"flags":{"f":{"type":"string","version":3,"salt":"k3j9x0a1b2c4","enabled":true,"off":"off","variants":[{"key":"a","value":"A"},{"key":"b","value":"B"},{"key":"off","value":"-"}],` +
			`"rules":[{"id":"1","serve":{"distribution":` + distribution + `}},{"id":"2","serve":{"variant":"b"}}],"default":{"variant":"off"}}}}`
	}
	s, _ := compileText(t, flag(`{"exposure":0,"ranges":[{"variant":"a","from":0,"to":100000}]}`))
	require.Equal(t, "TARGETING_MATCH rule b 2", short(s.Evaluate("f", nil)))
	s, _ = compileText(t, flag(`{"exposure":0,"otherwise":"a","ranges":[{"variant":"a","from":0,"to":100000}]}`))
	require.Equal(t, "SPLIT unexposed a 1", short(s.Evaluate("f", nil)))
	s, _ = compileText(t, flag(`{"exposure":50,"otherwise":"a","ranges":[{"variant":"a","from":0,"to":100000}]}`))
	require.Equal(t, "SPLIT keyless a 1", short(s.Evaluate("f", nil)))
	s, _ = compileText(t, flag(`{"exposure":100000,"ranges":[{"variant":"a","from":0,"to":100000}]}`))
	require.Equal(t, "SPLIT rule a 1", short(s.Evaluate("f", nil)))
}

func TestDistributionsThatDoNotCompile(t *testing.T) {
	for distribution, want := range map[string]string{
		`{"exposure":100001,"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                             "/exposure: must lie between",
		`{"exposure":1.5,"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                                "/exposure: must be an integer",
		`{"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                                               "/exposure: is missing",
		`{"exposure":1,"ranges":[]}`:                                                                                      "/ranges: has 0 entries",
		`{"exposure":1,"ranges":[{"variant":"a","from":0,"to":99999}]}`:                                                   "/ranges: end at 99999",
		`{"exposure":1,"ranges":[{"variant":"a","from":1,"to":100000}]}`:                                                  "/ranges/0/from: is 1",
		`{"exposure":1,"ranges":[{"variant":"a","from":0,"to":0},{"variant":"a","from":0,"to":100000}]}`:                  "/ranges/0/to: is 0",
		`{"exposure":1,"ranges":[{"variant":"a","from":0,"to":60000},{"variant":"b","from":50000,"to":100000}]}`:          "/ranges/1/from: is 50000",
		`{"exposure":1,"ranges":[{"variant":"z","from":0,"to":100000}]}`:                                                  `/ranges/0/variant: the flag has no variant "z"`,
		`{"exposure":1,"otherwise":"z","ranges":[{"variant":"a","from":0,"to":100000}]}`:                                  "/otherwise: the flag has no variant",
		`{"exposure":1,"otherwise":"","ranges":[{"variant":"a","from":0,"to":100000}]}`:                                   "/otherwise: must name a variant",
		`{"exposure":1,"hash":"h2","ranges":[{"variant":"a","from":0,"to":100000}]}`:                                      `/hash: "h2" is no known hash`,
		`{"exposure":1,"bucketBy":["a","b","c","d","e","f","g","h","i"],"ranges":[{"variant":"a","from":0,"to":100000}]}`: "/bucketBy: has 9 entries",
		`{"exposure":1,"bucketBy":[""],"ranges":[{"variant":"a","from":0,"to":100000}]}`:                                  "/bucketBy/0: \"\" is not a path",
	} {
		s, problems := compileText(t, distributionFlag(distribution))
		require.NotEmpty(t, problems, distribution)
		text := ""
		for _, p := range problems {
			text += p.Error() + "\n"
		}
		require.Contains(t, text, "/default/distribution"+want, distribution)
		require.Equal(t, ErrParse, s.Evaluate("f", NewContext("u")).Error)
	}
}

func TestManyRanges(t *testing.T) {
	text := ""
	for i := range 1000 {
		text += fmt.Sprintf(`,{"variant":"%s","from":%d,"to":%d}`, []string{"a", "b"}[i%2], i*100, i*100+100)
	}
	s, problems := compileText(t, distributionFlag(`{"exposure":100000,"ranges":[`+text[1:]+`]}`))
	require.Empty(t, problems)
	for i := range 1000 {
		key := strconv.Itoa(i)
		require.Equal(t, []string{"a", "b"}[oracleBucket("k3j9x0a1b2c4", "assign", key)/100%2], s.Evaluate("f", NewContext(key)).Variant)
	}
}
