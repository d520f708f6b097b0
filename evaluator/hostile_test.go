package evaluator

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// matching is a flag whose only rule has these patterns.
func matching(patterns ...string) string {
	values, err := json.Marshal(patterns)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return `{"flags":{"f":` + ruleFlag(`{"attribute":"x","op":"matches","values":`+string(values)+`}`) + `}}`
}

func repeated(pattern string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = pattern
	}
	return list
}

// TestPatternsAreBounded: a pattern of 256 bytes can stand for a program of 11 MiB, and a document can hold a thousand of them.
func TestPatternsAreBounded(t *testing.T) {
	for name, test := range map[string]struct {
		patterns []string
		want     string // empty: taken
	}{
		"as many as may be":      {[]string{`.{1000}`}, ""},
		"optional ones":          {[]string{`^[a-z]{1,64}@[a-z.]{0,900}$`}, ""},
		"one too many":           {[]string{`a.{1000}`}, "/values/0: written out"},
		"nested repeats":         {[]string{`((ab){20}c){16}`}, ""},
		"nested repeats too far": {[]string{`((ab){20}c){17}`}, "/values/0: written out"},
		"no upper bound":         {[]string{`(abc){334,}`}, "/values/0: written out"},
		"alternatives":           {[]string{`(aa|bb|cc|dd){126}`}, "/values/0: written out"},
		"dots":                   {[]string{"(" + strings.Repeat(".", 240) + "){1000}"}, "/values/0: written out"},
		"large classes":          {[]string{strings.Repeat(`\pL`, 85)}, "/values/0: written out"},
		"a large class":          {[]string{`^\pL[\pL\d_]*$`}, ""},
		"all together":           {repeated(`.{1000}`, 50), ""},
		"all together too many":  {repeated(`.{1000}`, 51), "/values/50: with those before"},
		"many small ones":        {repeated(`^abc$`, 2000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, problems := compileText(t, matching(test.patterns...))
			if test.want == "" {
				require.Empty(t, problems)
				return
			}
			require.Len(t, problems, 1)
			require.Contains(t, problems[0].Error(), test.want)
			require.Equal(t, ErrParse, s.Evaluate("f", nil).Error)
		})
	}
}

// TestHostileDocumentsStaySmall: what a snapshot keeps of a damaged document is bounded by a small multiple of its size.
func TestHostileDocumentsStaySmall(t *testing.T) {
	long := strings.Repeat("n", 100<<10)
	numbers := strings.TrimSuffix(strings.Repeat("1,", 200), ",")
	for name, doc := range map[string]Document{
		"patterns":                    {KindFlag, "f", []byte(ruleFlag(`{"attribute":"x","op":"matches","values":["` + strings.Join(repeated("("+strings.Repeat(".", 240)+"){1000}", 40), `","`) + `"]}`))},
		"a long name in each path":    {KindSegment, "s", []byte(`{"include":{"` + long + `":[` + numbers + `]}}`)},
		"a long text in each message": {KindFlag, "f", []byte(`{"type":"boolean","variants":[` + strings.TrimSuffix(strings.Repeat(`{"key":"`+long[:2000]+`","value":true},`, 100), ",") + `]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s, problems := New(Revision{}, []Document{doc})
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.NotEmpty(t, problems)
			require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
			for _, p := range problems {
				require.LessOrEqual(t, len(p.Path)+len(p.Msg), 3<<10)
			}
			runtime.KeepAlive(s)
		})
	}
}
