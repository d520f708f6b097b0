package auth

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// world is a service with a system scope that a test fills, and a clock that it turns.
type world struct {
	t     *testing.T
	state atomic.Pointer[store.State]
	now   time.Time
	*Service
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 20, 14, 2, 0, 0, time.UTC)}
	w.state.Store(&store.State{})
	w.Service = New(Options{System: w.state.Load, Clock: func() time.Time { return w.now }})
	return w
}

// put stores a token; nil data deletes it.
func (w *world) put(id string, token *feature.Token) {
	w.t.Helper()
	key := store.Key{Collection: "token", ID: id}
	state := w.state.Load()
	before, _ := state.Get(key)
	var after []byte
	if token != nil {
		var err error
		after, err = feature.Encode(token)
		require.NoError(w.t, err)
	}
	entry, err := store.Seal(state.Head(), store.Meta{At: w.now, Verb: "token.test"}, []store.Change{{Key: key, Before: before, After: after}})
	require.NoError(w.t, err)
	next, err := state.Apply(entry)
	require.NoError(w.t, err)
	w.state.Store(next)
}

func (w *world) mint(kind policy.Kind, change func(*feature.Token)) (Minted, feature.Token) {
	w.t.Helper()
	m, err := Mint(kind)
	require.NoError(w.t, err)
	token := feature.Token{ID: m.ID, Name: "ci", Kind: string(kind), SecretHash: hex.EncodeToString(m.Hash[:])}
	if change != nil {
		change(&token)
	}
	w.put(m.ID, &token)
	return m, token
}

func (w *world) refused(text string) {
	w.t.Helper()
	p, err := w.Authenticate(text, "192.0.2.7")
	require.Equal(w.t, feature.CodeUnauthenticated, feature.CodeOf(err))
	require.Zero(w.t, p)
	if len(text) > 20 {
		require.NotContains(w.t, err.Error(), text, "an error must not repeat a token")
		require.NotContains(w.t, err.Error(), text[20:40])
	}
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	m, _ := w.mint(policy.KindServer, func(k *feature.Token) { k.Project, k.Environment = "shop", "production" })
	p, err := w.Authenticate(m.Text, "192.0.2.7")
	require.NoError(t, err)
	require.Equal(t, policy.Principal{
		ID: "token:" + m.ID, Name: "ci", Kind: policy.KindServer, Project: "shop", Environment: "production", Address: "192.0.2.7",
	}, p)
	require.NoError(t, w.Check(p))
	require.NoError(t, w.Check(policy.Principal{ID: "controller", Kind: policy.KindController}))
	require.Equal(t, map[string]time.Time{m.ID: w.now}, w.Used())

	a, _ := w.mint(policy.KindAdmin, func(k *feature.Token) { k.Role = "operator" })
	p, err = w.Authenticate(a.Text, "")
	require.NoError(t, err)
	require.Equal(t, policy.RoleOperator, p.Role)
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	good, token := w.mint(policy.KindAdmin, func(k *feature.Token) { k.Role = "admin" })
	unknown, err := Mint(policy.KindAdmin)
	require.NoError(t, err)
	hashless, _ := w.mint(policy.KindAdmin, func(k *feature.Token) { k.SecretHash = "" })
	longHash, _ := w.mint(policy.KindAdmin, func(k *feature.Token) { k.SecretHash += k.SecretHash })
	// The right form and checksum, the id of a real token, and another secret or kind.
	forged := func(kind string, secret string) string {
		body := "dm" + kind + "_" + good.ID + "_" + secret
		return body + "_" + checksum(body)
	}
	own := strings.Split(good.Text, "_")[2]
	for name, text := range map[string]string{
		"nothing":                     "",
		"another kind, same secret":   forged("s", own),
		"another secret":              forged("a", strings.Repeat("a", 52)),
		"never made":                  unknown.Text,
		"a token without a hash":      hashless.Text,
		"a token with too long a one": longHash.Text,
		"upper case":                  strings.ToUpper(good.Text),
		"a space behind it":           good.Text + " ",
		"cut off":                     good.Text[:len(good.Text)-1],
		"an unknown kind":             forged("x", own),
		"another product's":           "ghp_" + good.Text[4:],
	} {
		t.Run(name, func(t *testing.T) { w.t = t; w.refused(text) })
	}
	w.t = t
	_, err = w.Authenticate(good.Text, "")
	require.NoError(t, err)

	t.Run("any one character mistyped", func(t *testing.T) {
		for i := range good.Text {
			text := []byte(good.Text)
			if text[i] == 'q' {
				text[i] = 'r'
			} else {
				text[i] = 'q'
			}
			_, err := parse(string(text))
			require.Error(t, err, "character %d: found by form and checksum alone", i)
		}
	})
	t.Run("expired", func(t *testing.T) {
		p, err := w.Authenticate(good.Text, "")
		require.NoError(t, err)
		token.Expires = w.now.Add(time.Minute)
		w.put(token.ID, &token)
		require.NoError(t, w.Check(p))
		w.now = w.now.Add(time.Minute)
		w.refused(good.Text)
		require.Equal(t, feature.CodeUnauthenticated, feature.CodeOf(w.Check(p)))
		token.Expires = time.Time{}
		w.put(token.ID, &token)
	})
	t.Run("revoked", func(t *testing.T) {
		p, err := w.Authenticate(good.Text, "")
		require.NoError(t, err)
		token.RevokedAt = w.now
		w.put(token.ID, &token)
		w.refused(good.Text)
		require.Error(t, w.Check(p), "an open stream has to end")
	})
	t.Run("deleted", func(t *testing.T) {
		token.RevokedAt = time.Time{}
		w.put(token.ID, &token)
		_, err := w.Authenticate(good.Text, "")
		require.NoError(t, err)
		w.put(token.ID, nil)
		w.refused(good.Text)
		require.NotContains(t, w.Used(), token.ID, "what is remembered of a token goes with it")
	})
}

func TestNotLoaded(t *testing.T) {
	s := New(Options{System: func() *store.State { return nil }})
	m, err := Mint(policy.KindKill)
	require.NoError(t, err)
	_, err = s.Authenticate(m.Text, "")
	require.Equal(t, feature.CodeUnavailable, feature.CodeOf(err), "not unauthenticated: an SDK must not take it for a revocation")
	require.Equal(t, feature.CodeUnavailable, feature.CodeOf(s.Check(policy.Principal{ID: "token:" + m.ID})))
}

func TestMint(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for _, kind := range policy.Kinds {
			m, err := Mint(kind)
			require.NoError(t, err)
			got, err := parse(m.Text)
			require.NoError(t, err)
			require.Equal(t, parsed{kind: kind, id: m.ID, hash: m.Hash}, got)
			require.False(t, seen[m.ID])
			seen[m.ID] = true
			require.Regexp(t, `^dm[asck]_[a-z2-7]{13}_[a-z2-7]{52}_[a-z2-7]{7}$`, m.Text)
		}
	}
	_, err := Mint(policy.KindController)
	require.Error(t, err)
}

// What is not a token is refused without a panic, whatever it is.
func TestParseNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _ = parse(rapid.String().Draw(t, "text"))
		_, err := parse(fmt.Sprintf("dma_%s_%s_%s", rapid.StringMatching(`[a-z2-7_]{13}`).Draw(t, "id"), rapid.StringMatching(`[a-z2-7_]{52}`).Draw(t, "secret"), "aaaaaaa"))
		require.Error(t, err)
	})
}

func FuzzParse(f *testing.F) {
	m, err := Mint(policy.KindServer)
	require.NoError(f, err)
	f.Add(m.Text)
	f.Add("dms___")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parse(text); err == nil {
			require.Contains(t, policy.Kinds, p.kind)
			require.Len(t, p.id, idLen)
		} else if len(text) > 30 {
			require.NotContains(t, err.Error(), text)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	w := &world{t: &testing.T{}, now: time.Now()}
	w.state.Store(&store.State{})
	w.Service = New(Options{System: w.state.Load})
	m, _ := w.mint(policy.KindServer, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Authenticate(m.Text, "192.0.2.7"); err != nil {
			b.Fatal(err)
		}
	}
}
