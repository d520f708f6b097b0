package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/adminapi"
	"github.com/dimmerhq/dimmer/service/auth"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/evalapi"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/receipt"
	"github.com/dimmerhq/dimmer/service/store"
)

// parts is everything that runs in one process.
type parts struct {
	server    *Server
	cfg       config.Config
	logger    *slog.Logger
	addresses Addresses
	listeners *listeners

	store    store.Store
	mirrors  *store.Mirrors
	followed followed
	system   chan struct{}
	repairs  repairs
	auth     *auth.Service
	admin    *admin.Service
	feeds    *feed.Set
	receipts *receipt.Service
	eval     *evalapi.Server // nil without the role
	metrics  *metrics

	rest, probes *http.Server
	tls          *tls.Config
	booted       atomic.Bool
	waiting      atomic.Pointer[error] // what keeps it from being booted
	refused      atomic.Bool           // the store lacks a project that is to be followed
	draining     chan struct{}         // closed when requests that never end by themselves have to
}

// assemble connects the parts; nothing runs yet.
func (s *Server) assemble(st store.Store, l *listeners, secure *tls.Config) (*parts, error) {
	p := &parts{
		server: s, cfg: s.cfg, logger: s.opts.Logger, listeners: l, addresses: l.addresses(), tls: secure,
		system: make(chan struct{}, 1), repairs: repairs{wake: make(chan struct{}, 1)}, draining: make(chan struct{}),
		metrics: newMetrics(s.opts.Version),
	}
	p.store = measuredStore{Store: st, m: p.metrics}
	p.receipts = receipt.New(receipt.Options{Store: p.store, Node: p.cfg.Node, Logger: p.logger})
	serves := feed.Options{Logger: p.logger}
	if p.cfg.Has(config.RoleEvaluation) {
		serves.Encoder, serves.Served, serves.Vanished = evalapi.Encoder, p.receipts.Served, p.receipts.Vanished
	}
	p.feeds = feed.NewSet(serves)
	p.mirrors = store.NewMirrors(p.store, store.MirrorsOptions{OnStep: p.step, OnEpoch: p.rewritten, OnDrop: p.dropped, Logger: p.logger})
	p.auth = auth.New(auth.Options{System: p.systemState, Uses: p.store, Logger: p.logger, Store: p.store, SessionLife: p.cfg.SessionLife, Sync: func(ctx context.Context) (*store.State, error) {
		m, err := p.mirror(ctx, store.System)
		if err != nil {
			return nil, err
		}
		return m.Sync(ctx)
	}})
	p.admin = admin.New(admin.Options{
		Store:    p.store,
		Mirrors:  func(ctx context.Context, scope string) (admin.Mirror, error) { return p.mirror(ctx, scope) },
		Mint:     mint,
		LastUsed: p.auth.LastUsed,
		Logger:   p.logger,
	})
	p.metrics.registry.MustRegister(scopeMetrics{p.followed.all})
	if p.cfg.Has(config.RoleEvaluation) {
		p.eval = p.newEval()
	}
	return p, p.newHTTP()
}

func mint(kind policy.Kind) (admin.Minted, error) {
	m, err := auth.Mint(kind)
	return admin.Minted{Text: m.Text, ID: m.ID, Hash: m.Hash}, err
}

func (p *parts) newEval() *evalapi.Server {
	opts := evalapi.Options{
		Feeds: p.feeds, Auth: p.auth, Receipts: p.receipts, Logger: p.logger, StoreAge: p.storeAge,
		Follow: func(ctx context.Context, project string) error {
			_, err := p.mirror(ctx, project)
			return err
		},
		ServerOptions: []grpc.ServerOption{grpc.ChainUnaryInterceptor(p.metrics.unary)},
	}
	if p.tls != nil {
		opts.Credentials = credentials.NewTLS(p.tls)
	}
	e := evalapi.New(opts)
	p.metrics.streams(e.Streams, e.Limited)
	return e
}

// step is called by every mirror, in order for each scope.
func (p *parts) step(scope string, st store.Step) {
	if scope != store.System {
		p.feeds.Step(scope, st)
		return
	}
	select {
	case p.system <- struct{}{}:
	default: // the one that looks has not looked yet
	}
}

// followed is the mirrors that run, by scope. All methods may be called concurrently.
type followed struct{ m sync.Map }

func (f *followed) get(scope string) (*store.Mirror, bool) {
	v, _ := f.m.Load(scope)
	m, ok := v.(*store.Mirror)
	return m, ok
}

func (f *followed) all() map[string]*store.Mirror {
	out := map[string]*store.Mirror{}
	for scope, m := range f.m.Range {
		out[scope.(string)] = m.(*store.Mirror) //nolint:forcetypeassert // nothing else is put in
	}
	return out
}

// mirror gives the running mirror of a scope, and remembers it.
func (p *parts) mirror(ctx context.Context, scope string) (*store.Mirror, error) {
	if m, ok := p.followed.get(scope); ok {
		return m, nil
	}
	m, err := p.mirrors.Get(ctx, scope)
	if err == nil {
		p.followed.m.Store(scope, m)
	}
	return m, err
}

func (p *parts) forget(scope string) {
	p.followed.m.Delete(scope)
	p.mirrors.Drop(scope)
}

// dropped comes after the last step of a scope: one that came later would bring the deleted project's feeds back.
func (p *parts) dropped(scope string) {
	p.feeds.Drop(scope)
	p.receipts.Drop(scope)
}

func (p *parts) systemState() *store.State {
	if m, ok := p.followed.get(store.System); ok {
		return m.State()
	}
	return nil
}

func (p *parts) storeAge(project string) time.Duration {
	if m, ok := p.followed.get(project); ok {
		return m.Age(time.Now())
	}
	return 0
}

// isReady is the state of health: a process is ready once everything was loaded, and until it is asked to end. A store that is away does not make
// it unready: it goes on answering from memory.
func (p *parts) isReady() error {
	select {
	case <-p.draining:
		return errors.New("the process is ending")
	default:
	}
	if !p.booted.Load() {
		if err := p.waiting.Load(); err != nil {
			return fmt.Errorf("the first load is not done: %w", *err)
		}
		return errors.New("the first load is not done")
	}
	return nil
}

// newHTTP makes the REST server and that for metrics and probes.
func (p *parts) newHTTP() error {
	pages, err := uiHandler()
	if err != nil {
		return err
	}
	proxies, err := p.cfg.Proxies()
	if err != nil {
		return err
	}
	opts := adminapi.Options{
		Address: adminapi.Proxied(proxies),
		Admin:   p.admin, Auth: p.auth, Receipts: p.receipts, Store: p.store, Ready: p.isReady,
		Version: p.server.opts.Version, Logger: p.logger, UI: pages,
	}
	if p.cfg.Has(config.RoleEvaluation) {
		opts.Feeds = p.feeds
	}
	api, err := adminapi.New(opts)
	if err != nil {
		return err
	}
	serving := api
	if !p.cfg.Has(config.RoleAdmin) {
		serving = onlyEvaluation(api)
	}
	errorLog := slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug) // what strangers send is no event
	p.rest = &http.Server{
		Handler: p.metrics.rest(p.endings(serving)), TLSConfig: p.tls, ErrorLog: errorLog,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	p.probes = &http.Server{Handler: p.metrics.handler(api), ErrorLog: errorLog, ReadHeaderTimeout: headerTimeout, IdleTimeout: time.Minute}
	return nil
}

const (
	headerTimeout = 5 * time.Second
	// bodyTimeout is how long a request with a body may take to be read and answered; a kill may wait 60 s for receipts.
	bodyTimeout = 75 * time.Second
)

// endings sees to it that requests end: those with a body in time, and streams of events when the process drains.
func (p *parts) endings(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if strings.HasSuffix(r.URL.Path, "/events") {
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				go func() { // ends with the request
					select {
					case <-p.draining:
						cancel()
					case <-ctx.Done():
					}
				}()
				r = r.WithContext(ctx)
			}
		default:
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported by HTTP/2 streams of old; the limits hold all the same
		}
		next.ServeHTTP(w, r)
	})
}

// onlyEvaluation is for a process without the admin role. It does not decide what is allowed, only what is here.
func onlyEvaluation(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz", path == "/readyz", path == "/openapi.yaml", path == "/v1/whoami", path == "/v1/evaluate", strings.HasPrefix(path, "/v1/evaluate/"):
			api.ServeHTTP(w, r)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"type":"about:blank","title":"Not here","status":404,"code":"not_found","detail":"this process does not play the role admin (--roles)"}`))
		}
	})
}
