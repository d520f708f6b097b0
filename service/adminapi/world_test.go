package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/localstore"
	"github.com/dimmerhq/dimmer/service/store/storetest"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a whole node without gRPC, behind a real HTTP server: a project shop with production and staging, another one called other, and a
// token of every kind.
type world struct {
	t       testing.TB
	store   *storetest.Memory // nil in a world on another store
	stored  store.Store
	mirrors *store.Mirrors
	admin   *admin.Service
	auth    *auth.Service
	feeds   *feed.Set
	people  *people
	logged  *logged
	echo    *echo.Echo
	server  *server
	http    *httptest.Server
	tokens  map[string]string // by name, see newWorld
	check   func(r *http.Request, resp answer)
	drain   context.CancelFunc // ends every request's context

	breakExport *atomic.Bool
}

// breaking is a store whose backups break off in the middle when it is told to.
type breaking struct {
	store.Store
	broken *atomic.Bool
}

func (b *breaking) Export(ctx context.Context, scope string, out io.Writer) error {
	if !b.broken.Load() {
		return b.Store.Export(ctx, scope, out)
	}
	if _, err := io.WriteString(out, strings.Repeat("half a line ", 100_000)); err != nil {
		return err
	}
	return errors.New("disk on fire")
}

// people stands in for package receipt: it says what a test wants to hear.
type people struct {
	mu      sync.Mutex
	receipt receipt.Receipt
	err     error
	list    receipt.List
	asked   []receipt.Want
	block   bool // until the context ends
}

func (p *people) Wait(ctx context.Context, _, _ string, _ store.Cursor, want receipt.Want) (receipt.Receipt, error) {
	p.mu.Lock()
	p.asked = append(p.asked, want)
	block := p.block
	p.mu.Unlock()
	if block {
		<-ctx.Done()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.receipt, p.err
}

func (p *people) List(context.Context, string, string) (receipt.List, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list, p.err
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func root() admin.Call {
	return admin.Call{Principal: policy.Principal{ID: "token:root", Kind: policy.KindAdmin, Role: policy.RoleAdmin}}
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	return newWorldOn(t, storetest.NewMemory(), change...)
}

// onEveryStore runs a test on the store in memory, and on the one that a process without Redis has.
func onEveryStore(t *testing.T, test func(*testing.T, *world)) {
	t.Run("memory", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("local", func(t *testing.T) {
		s, err := localstore.Open(t.TempDir(), localstore.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		test(t, newWorldOn(t, s))
	})
}

func newWorldOn(t testing.TB, st store.Store, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, stored: st, people: &people{}, logged: &logged{}, tokens: map[string]string{}, breakExport: &atomic.Bool{}}
	w.store, _ = st.(*storetest.Memory)
	w.people.receipt.Complete = true
	w.feeds = feed.NewSet(feed.Options{})
	w.mirrors = store.NewMirrors(st, store.MirrorsOptions{OnStep: w.feeds.Step})
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = w.mirrors.Run(ctx) })
	w.admin = admin.New(admin.Options{
		Store: st,
		Mirrors: func(ctx context.Context, scope string) (admin.Mirror, error) {
			return w.mirrors.Get(ctx, scope)
		},
		Mint: func(kind policy.Kind) (admin.Minted, error) {
			m, err := auth.Mint(kind)
			return admin.Minted(m), err
		},
	})
	system, err := w.mirrors.Get(ctx, store.System)
	require.NoError(t, err)
	w.auth = auth.New(auth.Options{System: system.State, Sync: system.Sync, Store: st})
	opts := Options{
		Admin: w.admin, Auth: w.auth, Feeds: w.feeds, Receipts: w.people, Store: &breaking{Store: st, broken: w.breakExport}, Version: "test",
		Logger: slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&opts)
	}
	w.server, w.echo, err = build(opts)
	require.NoError(t, err)
	w.http = httptest.NewUnstartedServer(w.server.handler(w.echo))
	base, release := context.WithCancel(context.Background()) // what a server cancels when it drains
	w.http.Config.BaseContext = func(net.Listener) context.Context { return base }
	w.drain = release
	w.http.Start()
	t.Cleanup(func() {
		release()
		w.http.CloseClientConnections()
		w.http.Close()
		stop()
		work.Wait()
	})
	w.populate()
	return w
}

// in is the same world for a subtest.
func (w *world) in(t testing.TB) *world {
	c := *w
	c.t = t
	return &c
}

// populate makes what most tests need, past the API.
func (w *world) populate() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, key := range []string{"shop", "other"} {
		_, _, err := w.admin.CreateProject(ctx, root(), feature.Project{Key: key, Name: strings.ToUpper(key)}, []feature.Environment{
			{Key: "production", Production: true, Order: 2}, {Key: "staging", Order: 1},
		})
		require.NoError(w.t, err)
		_, err = w.mirrors.Get(ctx, key)
		require.NoError(w.t, err)
	}
	for _, f := range []feature.Flag{
		{Key: "checkout", Type: "boolean", ClientVisible: true, Tags: []string{"payments"}}, {Key: "secret", Type: "boolean", Tags: []string{"payments"}},
	} {
		_, _, err := w.admin.CreateFlag(ctx, root(), "shop", f, admin.CreateOptions{})
		require.NoError(w.t, err)
	}
	for _, role := range policy.Roles {
		w.mint(string(role), feature.Token{Kind: "admin", Role: string(role), Project: "shop"})
	}
	w.mint("root", feature.Token{Kind: "admin", Role: "admin"})
	w.mint("stranger", feature.Token{Kind: "admin", Role: "admin", Project: "other"})
	w.mint("staging", feature.Token{Kind: "admin", Role: "admin", Project: "shop", Environment: "staging"})
	w.mint("server", feature.Token{Kind: "server", Project: "shop", Environment: "production"})
	w.mint("client", feature.Token{Kind: "client", Project: "shop", Environment: "production"})
	w.mint("kill", feature.Token{Kind: "kill", Project: "shop"})
	w.settle()
}

// mint makes a token and remembers its text under name.
func (w *world) mint(name string, t feature.Token) feature.Token {
	w.t.Helper()
	t.Name = name
	made, _, err := w.admin.CreateToken(w.t.Context(), root(), t)
	require.NoError(w.t, err)
	w.tokens[name] = made.Secret
	return made.Token
}

// settle waits until every mirror, and so the feed and the tokens, are where the store is.
func (w *world) settle() {
	w.t.Helper()
	scopes, err := w.stored.Scopes(w.t.Context())
	require.NoError(w.t, err)
	for _, scope := range scopes {
		m, err := w.mirrors.Get(w.t.Context(), scope)
		require.NoError(w.t, err)
		state, err := m.Sync(w.t.Context())
		require.NoError(w.t, err)
		if scope == store.System {
			continue
		}
		require.Eventually(w.t, func() bool {
			for _, environment := range w.feeds.Environments(scope) {
				f, there := w.feeds.Environment(scope, environment)
				if !there || f.Current().Revision().Number < state.Head().Revision {
					return false
				}
			}
			return w.feeds.Loaded(scope)
		}, 10*time.Second, time.Millisecond)
	}
}

// principal is what a token of newWorld stands for.
func (w *world) principal(name string) policy.Principal {
	w.t.Helper()
	p, err := w.auth.Authenticate(w.tokens[name], "192.0.2.1")
	require.NoError(w.t, err)
	return p
}

// ask is one request; zero members are left out.
type ask struct {
	method, path string
	token        string // name of a token of newWorld; "" is root, "none" is none
	body         string
	media        string // default application/json when there is a body
	header       map[string]string
}

// answer is what came back, read to the end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (w *world) request(a ask) *http.Request {
	w.t.Helper()
	var body io.Reader
	if a.body != "" || a.media != "" {
		body = strings.NewReader(a.body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), a.method, w.http.URL+a.path, body)
	require.NoError(w.t, err)
	switch a.token {
	case "none":
	case "":
		r.Header.Set("Authorization", "Bearer "+w.tokens["root"])
	default:
		require.Contains(w.t, w.tokens, a.token)
		r.Header.Set("Authorization", "Bearer "+w.tokens[a.token])
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		if a.media != "" {
			r.Header.Set("Content-Type", a.media)
		}
	}
	for k, v := range a.header {
		r.Header.Set(k, v)
	}
	return r
}

func (w *world) do(a ask) answer {
	w.t.Helper()
	r := w.request(a)
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	out := answer{status: resp.StatusCode, header: resp.Header, body: body}
	if w.check != nil {
		w.check(r, out)
	}
	return out
}

// ok is do with a status that has to come back.
func (w *world) ok(status int, a ask) answer {
	w.t.Helper()
	got := w.do(a)
	require.Equal(w.t, status, got.status, "%s %s: %s", a.method, a.path, got.body)
	return got
}

// refused is do for a problem.
func (w *world) refused(status int, code string, a ask) Problem {
	w.t.Helper()
	got := w.ok(status, a)
	if a.method == http.MethodHead {
		require.Empty(w.t, got.body)
		return Problem{}
	}
	require.Equal(w.t, "application/problem+json", got.header.Get("Content-Type"))
	var p Problem
	require.NoError(w.t, json.Unmarshal(got.body, &p), "%s", got.body)
	require.Equal(w.t, code, p.Code, "%s", got.body)
	require.Equal(w.t, status, p.Status)
	require.Equal(w.t, http.StatusText(status), p.Title)
	require.NotEmpty(w.t, p.Id)
	return p
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

func (w *world) heads() map[string]store.Head {
	w.t.Helper()
	scopes, err := w.stored.Scopes(w.t.Context())
	require.NoError(w.t, err)
	out := map[string]store.Head{}
	for _, scope := range scopes {
		out[scope], err = w.stored.Head(w.t.Context(), scope)
		require.NoError(w.t, err)
	}
	return out
}

const shopFlag = "/v1/projects/shop/flags/checkout"
const inProduction = shopFlag + "/environments/production"
