package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nodes are two processes on one store, with one clock.
type nodes struct {
	t     *testing.T
	store *storetest.Memory
	clock atomic.Int64 // Unix seconds
	a, b  *Service
}

func (n *nodes) now() time.Time { return time.Unix(n.clock.Load(), 0).UTC() }

func newNodes(t *testing.T) *nodes {
	n := &nodes{t: t, store: storetest.NewMemory()}
	n.clock.Store(1_800_000_000)
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	node := func() *Service {
		m := store.NewMirror(n.store, store.System, store.MirrorOptions{})
		work.Go(func() { _ = m.Run(ctx) })
		<-m.Ready()
		return New(Options{System: m.State, Sync: m.Sync, Store: n.store, Clock: n.now})
	}
	n.a, n.b = node(), node()
	t.Cleanup(func() {
		stop()
		work.Wait()
	})
	return n
}

// token stores a token past the API and waits until both nodes know it.
func (n *nodes) token(kind policy.Kind, change func(*feature.Token)) string {
	n.t.Helper()
	m, err := Mint(kind)
	require.NoError(n.t, err)
	token := feature.Token{ID: m.ID, Name: "ann", Kind: string(kind), SecretHash: hex.EncodeToString(m.Hash[:])}
	if kind == policy.KindAdmin {
		token.Role = "operator"
	}
	if change != nil {
		change(&token)
	}
	n.write("token", m.ID, token)
	return m.Text
}

func (n *nodes) write(collection, id string, v any) {
	n.t.Helper()
	state, err := n.store.Read(n.t.Context(), store.System)
	require.NoError(n.t, err)
	before, _ := state.Get(store.Key{Collection: collection, ID: id})
	after, err := feature.Encode(v)
	require.NoError(n.t, err)
	entry, err := store.Seal(state.Head(), store.Meta{At: n.now(), Verb: "test"}, []store.Change{{Key: store.Key{Collection: collection, ID: id}, Before: before, After: after}})
	require.NoError(n.t, err)
	_, err = n.store.Commit(n.t.Context(), store.Txn{Scope: store.System, Base: state.Head(), Entry: entry})
	require.NoError(n.t, err)
	for _, s := range []*Service{n.a, n.b} {
		_, err := s.sync(n.t.Context())
		require.NoError(n.t, err)
	}
}

func (n *nodes) revoke(text string) {
	n.t.Helper()
	state, err := n.store.Read(n.t.Context(), store.System)
	require.NoError(n.t, err)
	p, err := parse(text)
	require.NoError(n.t, err)
	data, _ := state.Get(store.Key{Collection: "token", ID: p.id})
	token, err := feature.Decode[feature.Token](data)
	require.NoError(n.t, err)
	token.RevokedAt = n.now()
	n.write("token", p.id, token)
}

func (n *nodes) has(collection string) int {
	n.t.Helper()
	state, err := n.store.Read(n.t.Context(), store.System)
	require.NoError(n.t, err)
	count := 0
	for range state.List(collection) {
		count++
	}
	return count
}

func unauthenticated(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, feature.CodeUnauthenticated, feature.CodeOf(err), "%v", err)
}

func TestSession(t *testing.T) {
	n := newNodes(t)
	text := n.token(policy.KindAdmin, nil)
	s, err := n.a.SignIn(t.Context(), text, "192.0.2.7")
	require.NoError(t, err)
	require.Equal(t, policy.Principal{
		ID: s.Principal.ID, Name: "ann", Kind: policy.KindAdmin, Role: policy.RoleOperator, Address: "192.0.2.7",
		Expires: n.now().Add(sessionLife), Session: hashed(s.Text),
	}, s.Principal)
	require.NoError(t, n.a.Check(s.Principal))

	// The other node has not necessarily heard of it yet, and is asked nevertheless.
	p, err := n.b.Resume(t.Context(), s.Text, "192.0.2.8")
	require.NoError(t, err)
	require.Equal(t, s.Principal.ID, p.ID)
	require.Equal(t, "192.0.2.8", p.Address)
	require.NotEmpty(t, n.b.Used(), "a session uses its token")

	// Nothing in the store, the log included, holds what would sign in.
	entries, err := n.store.Log(t.Context(), store.System, 0, 100)
	require.NoError(t, err)
	data, err := feature.Encode(entries)
	require.NoError(t, err)
	require.NotContains(t, string(data), s.Text)
	require.Equal(t, "session.start", entries[0].Meta.Verb)
	require.Equal(t, s.Principal.ID, entries[0].Meta.Actor)
	require.Equal(t, "192.0.2.7", entries[0].Meta.Address)

	// A principal that showed its token has no session that could be ended.
	direct, err := n.a.Authenticate(text, "")
	require.NoError(t, err)
	require.NoError(t, n.a.SignOut(t.Context(), direct))
	require.NoError(t, n.b.Check(s.Principal))

	require.NoError(t, n.b.SignOut(t.Context(), p))
	_, err = n.b.Resume(t.Context(), s.Text, "")
	unauthenticated(t, err)
	require.Eventually(t, func() bool { return n.a.Check(s.Principal) != nil }, 5*time.Second, time.Millisecond, "on all nodes")
	_, err = n.a.Resume(t.Context(), s.Text, "")
	unauthenticated(t, err)
	require.NoError(t, n.b.SignOut(t.Context(), p), "ending what has ended changes nothing")
	require.NoError(t, n.a.Check(direct), "the token lives on")
	require.Zero(t, n.has(collSession))
}

func TestSessionEndsWithItsToken(t *testing.T) {
	n := newNodes(t)
	text := n.token(policy.KindAdmin, nil)
	s, err := n.a.SignIn(t.Context(), text, "")
	require.NoError(t, err)
	n.revoke(text)
	unauthenticated(t, n.a.Check(s.Principal))
	_, err = n.b.Resume(t.Context(), s.Text, "")
	unauthenticated(t, err)
	_, err = n.a.SignIn(t.Context(), text, "")
	unauthenticated(t, err)
}

func TestSessionExpires(t *testing.T) {
	for name, test := range map[string]struct {
		token func(*feature.Token)
		life  time.Duration
	}{
		"by itself":      {nil, sessionLife},
		"with its token": {func(k *feature.Token) { k.Expires = time.Unix(1_800_000_000, 0).Add(time.Hour) }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNodes(t)
			s, err := n.a.SignIn(t.Context(), n.token(policy.KindAdmin, test.token), "")
			require.NoError(t, err)
			require.Equal(t, n.now().Add(test.life), s.Principal.Expires.UTC())
			n.clock.Add(int64(test.life/time.Second) - 1)
			_, err = n.a.Resume(t.Context(), s.Text, "")
			require.NoError(t, err)
			n.clock.Add(1)
			_, err = n.a.Resume(t.Context(), s.Text, "")
			unauthenticated(t, err)
			unauthenticated(t, n.a.Check(s.Principal))
		})
	}
}

func TestSessionLifeIsAnOption(t *testing.T) {
	n := newNodes(t)
	n.a.opts.SessionLife = 8 * time.Hour
	s, err := n.a.SignIn(t.Context(), n.token(policy.KindAdmin, nil), "")
	require.NoError(t, err)
	require.Equal(t, n.now().Add(8*time.Hour), s.Principal.Expires.UTC())
}

func TestWhoMaySignIn(t *testing.T) {
	n := newNodes(t)
	sdk := func(k *feature.Token) { k.Project, k.Environment = "shop", "production" }
	for _, kind := range []policy.Kind{policy.KindServer, policy.KindClient, policy.KindKill} {
		text := n.token(kind, sdk)
		_, err := n.a.SignIn(t.Context(), text, "")
		require.Equal(t, feature.CodeDenied, feature.CodeOf(err), kind)
		p, err := n.a.Authenticate(text, "")
		require.NoError(t, err)
		_, _, err = n.a.Code(t.Context(), p)
		require.Equal(t, feature.CodeDenied, feature.CodeOf(err), kind)
	}
	s, err := n.a.SignIn(t.Context(), n.token(policy.KindAdmin, func(k *feature.Token) { sdk(k); k.Role = "viewer" }), "")
	require.NoError(t, err, "a viewer of one environment")
	require.Equal(t, "production", s.Principal.Environment)
	for _, text := range []string{"", "x", n.token(policy.KindAdmin, nil) + "x"} {
		_, err := n.a.SignIn(t.Context(), text, "")
		unauthenticated(t, err)
		_, err = n.a.Redeem(t.Context(), text, "")
		unauthenticated(t, err)
		_, err = n.a.Resume(t.Context(), text, "")
		unauthenticated(t, err)
	}
	require.Equal(t, 1, n.has(collSession))
	require.Zero(t, n.has(collCode))
}

// Of all who redeem a code on whatever node, one gets a session.
func TestCodeIsGoodOnce(t *testing.T) {
	n := newNodes(t)
	p, err := n.a.Authenticate(n.token(policy.KindAdmin, nil), "")
	require.NoError(t, err)
	code, expires, err := n.a.Code(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, n.now().Add(CodeLife), expires)
	_, err = n.a.Resume(t.Context(), code, "")
	unauthenticated(t, err)
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := []*Service{n.a, n.b}[i%2].Redeem(context.Background(), code, "192.0.2.9")
			switch {
			case err == nil && s.Principal.ID == p.ID && s.Text != code:
				won.Add(1)
			case errors.Is(err, errNoCode):
				lost.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int32(1), won.Load())
	require.Equal(t, int32(7), lost.Load())
	require.Equal(t, 1, n.has(collSession))
	require.Zero(t, n.has(collCode))

	code, _, err = n.a.Code(t.Context(), p)
	require.NoError(t, err)
	n.clock.Add(int64(CodeLife / time.Second))
	_, err = n.b.Redeem(t.Context(), code, "")
	unauthenticated(t, err)
	require.Equal(t, 1, n.has(collCode), "one that has expired stays until the next is made")
	_, _, err = n.a.Code(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, 1, n.has(collCode))
}

// A session's code is good for what is left of the session, however often it is traded; a token's code for a whole session.
func TestCodeProlongsNoSession(t *testing.T) {
	n := newNodes(t)
	first, err := n.a.SignIn(t.Context(), n.token(policy.KindAdmin, nil), "")
	require.NoError(t, err)
	ends := first.Principal.Expires
	require.Equal(t, n.now().Add(sessionLife), ends)
	p := first.Principal
	for range 3 {
		n.clock.Add(int64(5 * time.Hour / time.Second))
		code, expires, err := n.a.Code(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, n.now().Add(CodeLife), expires)
		s, err := n.b.Redeem(t.Context(), code, "")
		require.NoError(t, err)
		require.Equal(t, ends, s.Principal.Expires)
		p = s.Principal
	}
	code, _, err := n.a.Code(t.Context(), p)
	require.NoError(t, err)
	n.clock.Add(int64(9 * time.Hour / time.Second))
	unauthenticated(t, n.a.Check(p))
	_, err = n.a.Redeem(t.Context(), code, "")
	unauthenticated(t, err)

	p, err = n.a.Authenticate(n.token(policy.KindAdmin, nil), "")
	require.NoError(t, err)
	code, _, err = n.a.Code(t.Context(), p)
	require.NoError(t, err)
	s, err := n.a.Redeem(t.Context(), code, "")
	require.NoError(t, err)
	require.Equal(t, n.now().Add(sessionLife), s.Principal.Expires)
}

func TestSessionsAreBounded(t *testing.T) {
	n := newNodes(t)
	text, other := n.token(policy.KindAdmin, nil), n.token(policy.KindAdmin, nil)
	kept, err := n.a.SignIn(t.Context(), other, "")
	require.NoError(t, err)
	var made []Session
	for range maxPerToken + 2 {
		s, err := n.a.SignIn(t.Context(), text, "")
		require.NoError(t, err)
		made = append(made, s)
		n.clock.Add(1)
	}
	require.Equal(t, maxPerToken+1, n.has(collSession))
	for i, s := range made {
		err := n.a.Check(s.Principal)
		require.Equal(t, i < 2, err != nil, "session %d of %d", i, len(made))
	}
	require.NoError(t, n.a.Check(kept.Principal), "another token's sessions are its own")
	n.clock.Add(int64(sessionLife / time.Second))
	_, err = n.a.SignIn(t.Context(), text, "")
	require.NoError(t, err)
	require.Equal(t, 1, n.has(collSession), "what has expired goes by the way")
}

func TestStoreIsAway(t *testing.T) {
	n := newNodes(t)
	text := n.token(policy.KindAdmin, nil)
	s, err := n.a.SignIn(t.Context(), text, "")
	require.NoError(t, err)
	n.store.Fail(store.ErrUnavailable)
	_, err = n.a.SignIn(t.Context(), text, "")
	require.Equal(t, feature.CodeUnavailable, feature.CodeOf(err))
	require.Equal(t, feature.CodeUnavailable, feature.CodeOf(n.a.SignOut(t.Context(), s.Principal)))
	_, err = n.a.Resume(t.Context(), s.Text, "")
	require.NoError(t, err, "who is signed in stays so")
	require.NoError(t, n.a.Check(s.Principal))
	_, err = n.a.Resume(t.Context(), newText(), "")
	unauthenticated(t, err)
}

// A question that comes too often is answered from memory, without a word to the store.
func TestFromMemory(t *testing.T) {
	n := newNodes(t)
	asked := 0
	counting := New(Options{Clock: n.now, System: n.a.opts.System, Store: n.store, Sync: func(ctx context.Context) (*store.State, error) {
		asked++
		return n.a.opts.Sync(ctx)
	}})
	_, err := counting.Resume(t.Context(), newText(), "")
	unauthenticated(t, err)
	require.Equal(t, 1, asked)
	_, err = counting.Resume(FromMemory(t.Context()), newText(), "")
	unauthenticated(t, err)
	require.Equal(t, 1, asked)
}

func BenchmarkResume(b *testing.B) {
	s, state := session(b)
	s.Service.opts.System = func() *store.State { return state }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Resume(b.Context(), s.text, "192.0.2.7"); err != nil {
			b.Fatal(err)
		}
	}
}

type resuming struct {
	*Service
	text string
}

// session is a service with one session, without any goroutine.
func session(b *testing.B) (resuming, *store.State) {
	b.Helper()
	m, err := Mint(policy.KindAdmin)
	require.NoError(b, err)
	token, err := feature.Encode(feature.Token{ID: m.ID, Kind: "admin", Role: "admin", SecretHash: hex.EncodeToString(m.Hash[:])})
	require.NoError(b, err)
	text := newText()
	in, err := feature.Encode(standIn{Token: m.ID, Expires: time.Now().Add(time.Hour)})
	require.NoError(b, err)
	entry, err := store.Seal(store.Head{}, store.Meta{}, []store.Change{
		{Key: store.Key{Collection: collection, ID: m.ID}, After: token},
		{Key: store.Key{Collection: collSession, ID: hashed(text)}, After: in},
	})
	require.NoError(b, err)
	state, err := (&store.State{}).Apply(entry)
	require.NoError(b, err)
	return resuming{Service: New(Options{}), text: text}, state
}
