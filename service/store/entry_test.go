package store

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write testdata again")

// samples are entries that hold everything that an encoding can get wrong, as one chain.
func samples(t *testing.T) []Entry {
	t.Helper()
	var out []Entry
	head := Head{}
	for _, s := range []struct {
		meta    Meta
		changes []Change
	}{
		{Meta{}, []Change{{Key: Key{"flag", "a"}, After: []byte("{}")}}},
		{Meta{At: time.Unix(1_790_000_000, 123_999_999), Actor: "token:01J", Verb: "flag.edit", Target: "flag/ü@production", Reason: "a \"reason\" <&>\u2028\x00\n", Address: "::1"},
			[]Change{{Key: Key{"targeting/production", "é"}, After: []byte{0, 255}}, {Key: Key{"flag", "a"}, Before: []byte("{}")}, {Key: Key{"flag", "B"}, Before: []byte("1"), After: []byte("2")}}},
		{Meta{At: time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.FixedZone("", 3600))}, []Change{{Key: Key{"a/b", "c"}, Before: []byte("1"), After: []byte("1")}}},
	} {
		e, err := Seal(head, s.meta, s.changes)
		require.NoError(t, err)
		out = append(out, e)
		head = e.Head()
		head.Epoch += 2 // as after a restore
	}
	return out
}

// TestHashIsAsDocumented compares with hashes that an implementation in another language made of the same JSON, from what encode documents.
func TestHashIsAsDocumented(t *testing.T) {
	const name = "testdata/entries.jsonl"
	var lines bytes.Buffer
	for _, e := range samples(t) {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		lines.Write(append(data, '\n'))
	}
	if *update {
		require.NoError(t, os.WriteFile(name, lines.Bytes(), 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), lines.String())
	sums, err := os.ReadFile("testdata/entries.sha256")
	require.NoError(t, err)
	for i, e := range samples(t) {
		require.Equal(t, strings.Fields(string(sums))[i], e.Hash.String())
		require.NoError(t, e.Verify())
	}
}

func TestEntryTravelsAsJSON(t *testing.T) {
	for _, e := range samples(t) {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		var back Entry
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, e, back)
		require.NoError(t, back.Verify())
	}
}

func TestSeal(t *testing.T) {
	one := []Change{{Key: Key{"flag", "a"}, After: []byte("1")}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("x", -3600))
	changes := []Change{{Key: Key{"b", "1"}, After: []byte("1")}, {Key: Key{"a", "2"}, After: []byte("2"), Before: []byte{}}, {Key: Key{"a", "1"}, Before: []byte("3"), After: []byte{}}}
	e, err := Seal(Head{Epoch: 3, Revision: 6, Hash: Hash{7}}, Meta{At: at, Reason: "a\xffb"}, changes)
	require.NoError(t, err)
	require.Equal(t, Cursor{3, 7}, e.Cursor())
	require.Equal(t, Hash{7}, e.Prev)
	require.Equal(t, time.Date(2026, 1, 2, 4, 4, 5, 678_000_000, time.UTC), e.Meta.At)
	require.Equal(t, "a\uFFFDb", e.Meta.Reason)
	require.Equal(t, []Change{{Key: Key{"a", "1"}, Before: []byte("3")}, {Key: Key{"a", "2"}, After: []byte("2")}, {Key: Key{"b", "1"}, After: []byte("1")}}, e.Changes)
	require.Equal(t, Key{"b", "1"}, changes[0].Key, "the caller's slice is as it was")
	require.Equal(t, Head{3, 7, e.Hash}, e.Head())
	first, err := Seal(Head{}, Meta{}, one)
	require.NoError(t, err)
	require.Equal(t, Cursor{1, 1}, first.Cursor())
	after, err := Seal(Head{Epoch: 5}, Meta{}, one) // of a scope that was dropped
	require.NoError(t, err)
	require.Equal(t, Cursor{5, 1}, after.Cursor())

	for name, changes := range map[string][]Change{
		"nothing":                  nil,
		"two of a key":             {one[0], one[0]},
		"neither before nor after": {{Key: Key{"flag", "a"}}},
		"an empty document":        {{Key: Key{"flag", "a"}, After: []byte{}}},
		"no collection":            {{Key: Key{"", "a"}, After: []byte("1")}},
		"no id":                    {{Key: Key{"flag", ""}, After: []byte("1")}},
		"a NUL":                    {{Key: Key{"flag", "a\x00"}, After: []byte("1")}},
		"what is not text":         {{Key: Key{"flag", "\xff"}, After: []byte("1")}},
		"a key without end":        {{Key: Key{"flag", strings.Repeat("a", MaxKey+1)}, After: []byte("1")}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Seal(Head{}, Meta{}, changes)
			require.Error(t, err)
		})
	}
	_, err = Seal(Head{}, Meta{At: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}, one)
	require.Error(t, err)
}

// TestEveryFieldIsHashed: no two entries that differ in anything have one hash, however bytes move between fields.
func TestEveryFieldIsHashed(t *testing.T) {
	short := rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00", "\x01"})
	entries := rapid.Custom(func(t *rapid.T) Entry {
		document := func(name string) []byte { return normal([]byte(short.Draw(t, name))) }
		e := Entry{
			Epoch: rapid.Int64Range(1, 2).Draw(t, "epoch"), Revision: rapid.Int64Range(1, 2).Draw(t, "revision"), Prev: Hash{byte(rapid.IntRange(0, 1).Draw(t, "prev"))},
			Meta: Meta{At: time.UnixMilli(rapid.Int64Range(-1, 1).Draw(t, "at")).UTC(), Actor: short.Draw(t, "actor"), Verb: short.Draw(t, "verb"),
				Target: short.Draw(t, "target"), Reason: short.Draw(t, "reason"), Address: short.Draw(t, "address")},
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			e.Changes = append(e.Changes, Change{Key: Key{short.Draw(t, "c"), short.Draw(t, "i")}, Before: document("before"), After: document("after")})
		}
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := entries.Draw(t, "a"), entries.Draw(t, "b")
		textA, err := json.Marshal(a)
		require.NoError(t, err)
		textB, err := json.Marshal(b)
		require.NoError(t, err)
		require.Equal(t, bytes.Equal(textA, textB), a.sum() == b.sum())
	})
}

func TestVerifyFindsEveryChange(t *testing.T) {
	for name, change := range map[string]func(e *Entry){
		"epoch":      func(e *Entry) { e.Epoch++ },
		"revision":   func(e *Entry) { e.Revision++ },
		"at":         func(e *Entry) { e.Meta.At = e.Meta.At.Add(time.Millisecond) },
		"at, finely": func(e *Entry) { e.Meta.At = e.Meta.At.Add(time.Microsecond) },
		"actor":      func(e *Entry) { e.Meta.Actor += "x" },
		"prev":       func(e *Entry) { e.Prev[31]++ },
		"hash":       func(e *Entry) { e.Hash[0]++ },
		"before":     func(e *Entry) { e.Changes[0].Before = nil },
		"after":      func(e *Entry) { e.Changes[0].After = []byte("x") },
		"order":      func(e *Entry) { e.Changes[0], e.Changes[1] = e.Changes[1], e.Changes[0] },
		"one less":   func(e *Entry) { e.Changes = e.Changes[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			e := samples(t)[1]
			require.NoError(t, e.Verify())
			change(&e)
			require.Error(t, e.Verify())
		})
	}
}

func TestHashText(t *testing.T) {
	h := Hash{0xab, 31: 1}
	text, err := json.Marshal(h)
	require.NoError(t, err)
	require.Equal(t, `"ab`+strings.Repeat("0", 60)+`01"`, string(text))
	var back Hash
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, h, back)
	for _, bad := range []string{`""`, `"ab"`, `"AB` + strings.Repeat("0", 62) + `"`, `"xy` + strings.Repeat("0", 62) + `"`, `"` + strings.Repeat("0", 66) + `"`, `1`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
		require.Equal(t, h, back)
	}
}

func TestReconciled(t *testing.T) {
	head := Head{Epoch: 3, Revision: 10, Hash: Hash{10}}
	at := func(revision int64) (Hash, bool, error) { return Hash{byte(revision)}, revision > 4, nil }
	raised := func(epoch int64) Head { return Head{Epoch: epoch, Revision: 10, Hash: Hash{10}} }
	for name, test := range map[string]struct{ known, want Head }{
		"nothing is known":                     {Head{}, head},
		"the same":                             {head, head},
		"something before it":                  {Head{3, 7, Hash{7}}, head},
		"something before what is kept":        {Head{3, 2, Hash{99}}, head},
		"another thing before it":              {Head{3, 7, Hash{8}}, raised(4)},
		"another thing in its place":           {Head{3, 10, Hash{8}}, raised(4)},
		"more than there is":                   {Head{3, 11, Hash{11}}, raised(4)},
		"an earlier epoch, whatever was in it": {Head{2, 99, Hash{1}}, head},
		"a later epoch":                        {Head{7, 7, Hash{7}}, raised(8)},
		"a later epoch without a commit":       {Head{Epoch: 7}, raised(8)},
		"its epoch without a commit":           {Head{Epoch: 3}, head},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Reconciled(head, test.known, at)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
