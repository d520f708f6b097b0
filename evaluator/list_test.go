package evaluator

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFingerprintsAreASet: whatever the fingerprints are, hashes or chosen to collide, the set holds those and no others, and makes its text again.
func TestFingerprintsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]bool{}
		top := rapid.SampledFrom([]uint64{0, 0xffff, 1 << 55, 1 << 62}).Draw(t, "spread") // of the first half: from one slot to all
		for range rapid.IntRange(0, 600).Draw(t, "count") {
			var p [16]byte
			binary.BigEndian.PutUint64(p[:8], rapid.Uint64Range(0, top).Draw(t, "hi")&^(0xff<<56))
			binary.BigEndian.PutUint64(p[8:], rapid.Uint64Range(0, 1000).Draw(t, "lo")<<(rapid.IntRange(0, 1).Draw(t, "high")*54))
			want[string(p[:])] = true
		}
		text := base64Text(strings.Join(slices.Sorted(maps.Keys(want)), ""))
		f, problem := newFingerprints(text)
		require.Empty(t, problem)
		require.Equal(t, text, f.text())
		require.True(t, f.allBegin(0))
		require.Equal(t, len(want) == 0, f.allBegin(1))
		for p := range want {
			for _, flip := range []uint64{0, 1, 1 << 63} {
				hi, lo := binary.BigEndian.Uint64([]byte(p)), binary.BigEndian.Uint64([]byte(p[8:]))^flip
				var q [16]byte
				binary.BigEndian.PutUint64(q[:8], hi)
				binary.BigEndian.PutUint64(q[8:], lo)
				require.Equal(t, want[string(q[:])], f.has(mark{hi, lo}))
			}
		}
		require.Equal(t, want[string(make([]byte, 16))], f.has(mark{}))
		require.False(t, f.has(mark{1<<56 - 1, 1<<64 - 1}))
	})
}

func TestCollidingFingerprints(t *testing.T) {
	var data strings.Builder
	for i := range 1000 { // all of one slot: too far from it to be found in constant time
		data.WriteString(string(binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i))))
	}
	f, problem := newFingerprints(base64Text(data.String()))
	require.Empty(t, problem)
	require.True(t, f.plain)
	require.True(t, f.has(mark{}))
	require.True(t, f.has(mark{0, 999}))
	require.False(t, f.has(mark{0, 1000}))
	require.Equal(t, base64Text(data.String()), f.text())
}

// TestManyReferences: a document with many different references counts each once.
func TestManyReferences(t *testing.T) {
	var conditions, segments []string
	for i := range 100 {
		conditions = append(conditions, fmt.Sprintf(`{"segment":"s%d"}`, i%50))
		if i < 50 {
			segments = append(segments, fmt.Sprintf(`"s%d":{}`, i))
		}
	}
	s, problems := compileText(t, `{"flags":{"f":`+ruleFlag(`{"any":[`+strings.Join(conditions, ",")+`]}`)+`},"segments":{`+strings.Join(segments[1:], ",")+`}}`)
	require.Len(t, problems, 1)
	require.Equal(t, `flag "f" /rules/0/when/any/0/segment: there is no segment "s0"`, problems[0].Error())
	s, problems = s.With(Revision{}, []Document{{KindSegment, "s0", []byte(`{}`)}})
	require.Empty(t, problems)
	require.Equal(t, "b", s.Evaluate("f", nil).Variant)
	n := s.nodes[tableFlags].get(hashString("f"), "f")
	require.Len(t, n.doc.uses, 50)
	require.Equal(t, uint32(2), n.doc.uses[7].times)
	require.Equal(t, uint32(1+1+100+100), n.work)
}

// TestEvaluationDoesNotAllocate, whatever kind of condition and key it has to do with.
func TestEvaluationDoesNotAllocate(t *testing.T) {
	lists := mustJSON(listShards("s", sideInclude, randomListSalt, []string{"u9", "8"}))
	clause := func(op, values, more string) string {
		return fmt.Sprintf(`{"attribute":"x","op":%q,"values":%s%s}`, op, values, more)
	}
	for _, condition := range []string{
		clause("in", `["a","b"]`, ""), clause("in", `["A"]`, `,"ignoreCase":true`), clause("in", `[1,true]`, ""), clause("contains", `["b"]`, ""),
		clause("endsWith", `["B"]`, `,"ignoreCase":true`), clause("matches", `["^a+b*$"]`, ""), clause("gte", `[5]`, ""), clause("before", `["2026-11-20T14:02:00Z"]`, ""),
		clause("semverCaret", `["1.2"]`, ""), clause("inCidr", `["10.0.0.0/8"]`, ""), clause("modulo", `[3,1]`, ""), clause("exists", `[]`, ""),
		`{"segment":"s"}`, `{"flag":"g","variants":["a"]}`, `{"not":{"all":[{"any":[]},{"segment":"s"}]}}`,
	} {
		s, problems := compileText(t, `{"flags":{"f":`+ruleFlag(condition)+`,"g":`+ruleFlag(`{"segment":"s"}`)+`},"lists":`+string(lists)+
			`,"segments":{"s":{"include":{"x":["7"]},"exclude":{"y.z":["q"]},"lists":[{"side":"include","attribute":"x","salt":"lllllllllll0"}]}}}`)
		require.Empty(t, problems, condition)
		for _, x := range []any{"a", "ünï", 7, 7.5, true, nil, []any{"a", 8, nil, "u9"}, "1.2.3-rc.1+b", "10.1.2.3", "2001:db8::1", "2026-11-20T14:01:00.5+01:00"} {
			c := NewContext("u1").Value("x", x).Value("y", map[string]any{"z": 3})
			require.Zero(t, testing.AllocsPerRun(50, func() { s.Outcome("f", c) }), "%s with %v", condition, x)
		}
	}
	s, _ := compileText(t, distributionFlag(`{"bucketBy":["a","b"],"exposure":50000,"ranges":[{"variant":"a","from":0,"to":50000},{"variant":"b","from":50000,"to":100000}]}`))
	for _, key := range []any{1, -9007199254740991, "text", strings.Repeat("long", 200)} {
		c := NewContext("").Value("b", key)
		require.Zero(t, testing.AllocsPerRun(50, func() { s.Outcome("f", c) }), key)
	}
}
