package feature

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePercent(t *testing.T) {
	for _, c := range []struct {
		text string
		want Percent
		err  string
	}{
		{"0", 0, ""}, {"100", All, ""}, {"12.5", 12_500, ""}, {"0.001", 1, ""}, {"99.999", 99_999, ""}, {"1e1", 10_000, ""}, {"1.25E+1", 12_500, ""},
		{"125e-1", 12_500, ""}, {"100.000", All, ""}, {"0.0010", 1, ""}, {"-0", 0, ""}, {"0e999", 0, ""}, {"0.29", 290, ""}, {"57.3", 57_300, ""},
		{"0.0005", 0, "multiple of 0.001"}, {"33.3333", 0, "multiple of 0.001"}, {"1e-4", 0, "multiple of 0.001"},
		{"100.001", 0, "above 100"}, {"101", 0, "above 100"}, {"1e3", 0, "above 100"}, {"1e1000", 0, "above 100"},
		{"-1", 0, "below 0"}, {"-0.001", 0, "below 0"},
		{"", 0, "not a percentage"}, {"x", 0, "not a percentage"}, {"1.", 0, "not a percentage"}, {".5", 0, "not a percentage"},
		{"1e", 0, "not a percentage"}, {"1e+-1", 0, "not a percentage"}, {"1e99999", 0, "not a percentage"}, {"1_0", 0, "not a percentage"}, {"+1", 0, "not a percentage"},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ParsePercent(c.text)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, CodeInvalid, CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// Every share survives JSON, and what is read is what exact arithmetic says.
func TestPercentIsExact(t *testing.T) {
	for n := range int(All) + 1 {
		p := Percent(n)
		text, err := p.MarshalJSON()
		require.NoError(t, err)
		var back Percent
		require.NoError(t, back.UnmarshalJSON(text))
		require.Equal(t, p, back)
		require.True(t, json.Valid(text))
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?([eE][+-]?[0-4])?`).Draw(t, "text")
		exact, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		exact.Mul(exact, big.NewRat(1000, 1))
		got, err := ParsePercent(text)
		fits := exact.IsInt() && exact.Cmp(big.NewRat(int64(All), 1)) <= 0
		require.Equal(t, fits, err == nil, text)
		if fits {
			require.Equal(t, exact.Num().Int64(), int64(got))
		}
	})
}

func TestPercentInJSON(t *testing.T) {
	for _, bad := range []string{`"12"`, `null`, `[]`, `{}`, `true`} {
		require.Error(t, new(Percent).UnmarshalJSON([]byte(bad)), bad)
	}
	require.Equal(t, "12.5 100 0.001 -1", fmt.Sprint(Percent(12_500), All, Percent(1), Percent(-1000)))
}

func FuzzPercent(f *testing.F) {
	for _, s := range []string{"12.5", "1e1", "0.0001", "-1", "1e-3", "99.9990", strings.Repeat("9", 30)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePercent(text)
		if err != nil {
			return
		}
		if p < None || p > All {
			t.Fatalf("%q gives %d", text, p)
		}
		again, err := ParsePercent(p.String())
		if err != nil || again != p {
			t.Fatalf("%q: %v is read back as %v (%v)", text, p, again, err)
		}
	})
}
