package dimmertest_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/sdk/go/dimmertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	ctx := t.Context()
	flags := dimmertest.New(t,
		dimmertest.Bool("yes", true), dimmertest.Bool("no", false), dimmertest.String("text", `a "quoted" one`),
		dimmertest.Int("int", 42), dimmertest.Float("float", 1.5), dimmertest.JSON("json", map[string]any{"n": []int{1}}))
	client := flags.Client
	require.True(t, client.Bool(ctx, "yes", nil, false))
	require.False(t, client.Bool(ctx, "no", nil, true))
	require.Equal(t, `a "quoted" one`, client.String(ctx, "text", nil, ""))
	require.Equal(t, int64(42), client.Int(ctx, "int", nil, 0))
	require.Equal(t, 1.5, client.Float(ctx, "float", nil, 0))
	require.JSONEq(t, `{"n":[1]}`, string(client.JSON(ctx, "json", nil, nil)))
	require.Equal(t, dimmer.ErrFlagNotFound, client.BoolDetail(ctx, "none", nil, true).Error)
	require.Equal(t, "on", client.BoolDetail(ctx, "yes", nil, false).Variant)
	require.Equal(t, "off", client.BoolDetail(ctx, "no", nil, true).Variant)
}

func TestSet(t *testing.T) {
	ctx := t.Context()
	flags := dimmertest.New(t, dimmertest.Bool("a", true), dimmertest.Bool("b", true))
	changed := make(chan dimmer.Change, 10)
	flags.OnChange(func(c dimmer.Change) { changed <- c })
	flags.Set(dimmertest.Bool("a", false))
	require.False(t, flags.Bool(ctx, "a", nil, true))
	require.True(t, flags.Bool(ctx, "b", nil, false), "the others stay")
	require.Equal(t, []string{"a"}, (<-changed).Flags)

	flags.Set(dimmertest.Killed("b"))
	d := flags.BoolDetail(ctx, "b", nil, true)
	require.False(t, d.Value)
	require.Equal(t, dimmer.CauseKilled, d.Cause)
	flags.Set(dimmertest.Bool("b", true))
	require.False(t, flags.Bool(ctx, "b", nil, true), "an edit does not lift a kill")
	flags.Set(dimmertest.Absent("b"))
	require.Equal(t, dimmer.ErrFlagNotFound, flags.BoolDetail(ctx, "b", nil, true).Error)
	flags.Set(dimmertest.Merge(dimmertest.Bool("b", true), dimmertest.Bool("c", true)))
	require.True(t, flags.Bool(ctx, "b", nil, false))
	require.True(t, flags.Bool(ctx, "c", nil, false))
	require.NotEmpty(t, flags.Counts())
}

func TestRuleset(t *testing.T) {
	flags := dimmertest.New(t, dimmertest.Ruleset(`{
		"segments": {"beta": {"include": {"targetingKey": ["u1"]}}},
		"kills": {"k": {"flag": "dead"}},
		"flags": {
			"dead": {"type":"boolean","salt":"abcdefghijkl","enabled":true,"off":"off","variants":[{"key":"on","value":true},{"key":"off","value":false}],"default":{"variant":"on"}},
			"beta": {"type":"boolean","salt":"abcdefghijkl","enabled":true,"off":"off","variants":[{"key":"on","value":true},{"key":"off","value":false}],
				"rules":[{"id":"r","when":{"segment":"beta"},"serve":{"variant":"on"}}],"default":{"variant":"off"}}}}`))
	require.True(t, flags.Bool(t.Context(), "beta", dimmer.NewContext("u1"), false))
	require.False(t, flags.Bool(t.Context(), "beta", dimmer.NewContext("u2"), true))
	require.False(t, flags.Bool(t.Context(), "dead", nil, true))
	flags.Set(dimmertest.Bool("dead", true), dimmertest.Bool("other", true))
	require.False(t, flags.Bool(t.Context(), "dead", nil, true), "still killed")
	require.True(t, flags.Bool(t.Context(), "other", nil, false))
}

// A mistake in a test's flags is the test's, and says what it is.
func TestMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		flag dimmertest.Flag
		want string
	}{
		"no JSON form": {dimmertest.JSON("a", func() {}), "unsupported type"},
		"null":         {dimmertest.JSON("a", nil), `flag "a"`},
		"no ruleset":   {dimmertest.Ruleset("["), "dimmertest"},
		"damaged flag": {dimmertest.Ruleset(`{"flags":{"a":{"type":"boolean"}}}`), `flag "a"`},
		"inside":       {dimmertest.Merge(dimmertest.Ruleset("[")), "dimmertest"},
	} {
		t.Run(name, func(t *testing.T) {
			tb := &fakeTB{}
			defer tb.cleanUp()
			func() {
				defer func() { _ = recover() }()
				dimmertest.New(tb, test.flag)
			}()
			require.Contains(t, tb.fatal, test.want)
		})
	}
}

type fakeTB struct {
	fatal    string
	cleanups []func()
}

func (f *fakeTB) Helper()              {}
func (f *fakeTB) Cleanup(clean func()) { f.cleanups = append(f.cleanups, clean) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	panic(f.fatal)
}

func (f *fakeTB) cleanUp() {
	for _, clean := range f.cleanups {
		clean()
	}
}

func TestValuesAreCopied(t *testing.T) {
	raw := json.RawMessage(`{"n":1}`)
	flags := dimmertest.New(t, dimmertest.JSON("a", raw))
	raw[2] = 'x'
	require.JSONEq(t, `{"n":1}`, string(flags.JSON(t.Context(), "a", nil, nil)))
}
