package vectors_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/evaluator/vectors"
)

// TestCohorts asks for buckets as a user can: by flags whose exposure and ranges are cut right beside the bucket that is expected.
func TestCohorts(t *testing.T) {
	cohorts, _, err := vectors.Hashing()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(cohorts), 300)
	for _, c := range cohorts {
		t.Run(c.Name, func(t *testing.T) {
			ctx, err := c.Context()
			require.NoError(t, err)
			if c.Key == nil {
				require.Nil(t, c.Expose)
				require.Nil(t, c.Assign)
				require.Equal(t, "otherwise keyless", ask(t, ctx, c, 50_000, cut(50_000)))
				return
			}
			require.Equal(t, *c.Expose, bucketOf(*c.ExposeHash))
			require.Equal(t, *c.Assign, bucketOf(*c.AssignHash))
			if *c.Expose > 0 {
				require.Equal(t, "otherwise unexposed", ask(t, ctx, c, *c.Expose, cut(*c.Assign)), "exposed below its bucket")
			}
			require.Equal(t, "hit default", ask(t, ctx, c, *c.Expose+1, cut(*c.Assign)), "bucket within exposure, and assigned")
		})
	}
}

func bucketOf(hash uint32) int { return int(uint64(hash) * evaluator.Buckets >> 32) }

// cut is a line on which bucket alone has the variant hit.
func cut(bucket int) []evaluator.Range {
	line := []evaluator.Range{
		{Variant: "miss", From: 0, To: bucket}, {Variant: "hit", From: bucket, To: bucket + 1}, {Variant: "miss", From: bucket + 1, To: evaluator.Buckets},
	}
	return slices.DeleteFunc(line, func(r evaluator.Range) bool { return r.From == r.To })
}

func ask(t *testing.T, ctx *evaluator.Context, c vectors.Cohort, exposure int, line []evaluator.Range) string {
	t.Helper()
	value := func(key string) evaluator.Variant {
		return evaluator.Variant{Key: key, Value: json.RawMessage(`"` + key + `"`)}
	}
	s, problems := evaluator.Compile(evaluator.Ruleset{Flags: map[string]evaluator.Flag{"f": {
		Key: "f", Type: "string", Salt: c.Salt, Enabled: true, Off: "miss", Variants: []evaluator.Variant{value("hit"), value("miss"), value("otherwise")},
		Default: evaluator.Serve{Distribution: &evaluator.Distribution{BucketBy: c.BucketBy, Exposure: exposure, Otherwise: "otherwise", Ranges: line}},
	}}})
	require.Empty(t, problems)
	r := s.Evaluate("f", ctx)
	return r.Variant + " " + string(r.Cause)
}

func TestFingerprints(t *testing.T) {
	_, fingerprints, err := vectors.Hashing()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(fingerprints), 50)
	for _, c := range fingerprints {
		f := evaluator.Fingerprint(c.Salt, c.Key)
		require.Equal(t, c.Fingerprint, hex.EncodeToString(f[:]), c.Name)
		require.Equal(t, c.Shard, int(f[0]), c.Name)
	}
}

func TestClauses(t *testing.T) {
	clauses, err := vectors.Clauses()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(clauses), 200)
	for _, c := range clauses {
		t.Run(c.Name, func(t *testing.T) {
			ctx, err := c.Context()
			require.NoError(t, err)
			require.Equal(t, c.Want, holds(t, c.Clause, ctx))
		})
	}
}

func holds(t *testing.T, clause json.RawMessage, ctx *evaluator.Context) string {
	t.Helper()
	flag := fmt.Sprintf(`{"key":"f","type":"boolean","salt":"k3j9x0a1b2c4","variants":[{"key":"on","value":true},{"key":"off","value":false}],
		"enabled":true,"off":"off","rules":[{"id":"r","when":%s,"serve":{"variant":"on"}}],"default":{"variant":"off"}}`, clause)
	s, _ := evaluator.New(evaluator.Revision{}, []evaluator.Document{{Kind: evaluator.KindFlag, Key: "f", JSON: []byte(flag)}})
	switch value, r := s.Bool("f", ctx); {
	case r.Error == evaluator.ErrParse:
		return "quarantined"
	case r.Error != "":
		return string(r.Error)
	default:
		return fmt.Sprint(value)
	}
}

func TestFlags(t *testing.T) {
	cases, err := vectors.Flags()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(cases), 100)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s, err := c.Snapshot()
			require.NoError(t, err)
			quarantined := []string{}
			for key, info := range s.Flags() {
				if info.Quarantined {
					quarantined = append(quarantined, key)
				}
			}
			require.Equal(t, c.Quarantined, quarantined)
			ctx, invalid := c.Context()
			for _, e := range c.Evaluations {
				if e.Want.Error == evaluator.ErrInvalidContext {
					require.Error(t, invalid)
					continue
				}
				require.NoError(t, invalid)
				want := evaluator.Result{
					Variant: e.Want.Variant, Reason: e.Want.Reason, Cause: e.Want.Cause, Rule: e.Want.Rule, Version: e.Want.Version, Error: e.Want.Error,
				}
				value, got := evaluate(t, s, e, ctx)
				require.JSONEq(t, string(e.Want.Value), value, "%s as %q", e.Flag, e.As)
				got.Value = evaluator.Value{}
				require.Equal(t, want, got, "%s as %q", e.Flag, e.As)
			}
		})
	}
}

// evaluate makes the call that e asks for, and returns the value as JSON, null when the caller's default is to be used.
func evaluate(t *testing.T, s *evaluator.Snapshot, e vectors.Evaluation, ctx *evaluator.Context) (string, evaluator.Result) {
	t.Helper()
	var value any
	var r evaluator.Result
	switch e.As {
	case "boolean":
		value, r = s.Bool(e.Flag, ctx)
	case "string":
		value, r = s.String(e.Flag, ctx)
	case "number":
		value, r = s.Float(e.Flag, ctx)
	case "integer":
		value, r = s.Int(e.Flag, ctx)
	case "json":
		value, r = s.JSON(e.Flag, ctx)
	default:
		r = s.Evaluate(e.Flag, ctx)
		_, trace := s.EvaluateTrace(e.Flag, ctx)
		explained := evaluator.TraceResult{
			Value: r.Value.JSON(), Variant: r.Variant, Reason: r.Reason, Cause: r.Cause, Rule: r.Rule, Version: r.Version, Error: r.Error,
		}
		require.Equal(t, explained, trace.Result, "explained otherwise than answered")
		value = r.Value
	}
	if r.Error != "" {
		require.True(t, r.Value.IsZero())
		return "null", r
	}
	data, err := json.Marshal(value)
	require.NoError(t, err)
	return string(data), r
}
