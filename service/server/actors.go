package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// actors are what runs as long as the process does. Each returns nil when its context ends, and an error only when the process cannot go on.
func (p *parts) actors() []func(context.Context) error {
	actors := []func(context.Context) error{p.mirrors.Run, p.receipts.Run, p.auth.Run, p.followProjects, p.repair, p.serveREST}
	if p.listeners.metrics != nil {
		actors = append(actors, p.serveProbes)
	}
	if p.eval != nil {
		actors = append(actors, func(context.Context) error { return unlessClosed(p.eval.Serve(p.listeners.grpc)) })
	}
	if p.cfg.Has(config.RoleController) {
		actors = append(actors, p.compact)
	}
	return actors
}

// serveREST ends with drain.
func (p *parts) serveREST(context.Context) error {
	var err error
	if p.tls != nil {
		err = p.rest.ServeTLS(p.listeners.http, "", "")
	} else {
		err = p.rest.Serve(p.listeners.http)
	}
	return unlessClosed(err)
}

// serveProbes ends last, so that the way to the end can be watched.
func (p *parts) serveProbes(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.probes.Close() })
	defer stop()
	return unlessClosed(p.probes.Serve(p.listeners.metrics))
}

// unlessClosed forgives a server that was drained, be it before it began to serve.
func unlessClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// drain turns away what is new, says goodbye to streams and lets requests finish, for as long as the configuration allows.
func (p *parts) drain(ctx context.Context) {
	close(p.draining) // from here on /readyz says no
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Drain)
	defer cancel()
	p.logger.Info("draining", "limit", p.cfg.Drain)
	var g errgroup.Group
	if p.eval != nil {
		g.Go(func() error { return p.eval.Drain(ctx) })
	}
	g.Go(func() error {
		err := p.rest.Shutdown(ctx)
		if err != nil {
			_ = p.rest.Close() // cut what is left
		}
		return err
	})
	if err := g.Wait(); err != nil {
		p.logger.Warn("some streams and requests did not end in time and were cut", "limit", p.cfg.Drain)
	}
}

// again is how long an actor waits before it tries once more.
const again = time.Second

// retry calls fn until it succeeds, the context ends (nil then: the process is ending) or the failure is none that time mends.
func (p *parts) retry(ctx context.Context, what string, fn func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := fn(attempt)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if !passing(err) {
			return err
		}
		if !p.booted.Load() {
			p.waiting.Store(&err)
		}
		p.logger.Warn(what+" has to wait", "error", err)
		if !pause(ctx, again) {
			return ctx.Err()
		}
	}
}

func passing(err error) bool {
	return feature.CodeOf(err) == feature.CodeUnavailable || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrEmptied) || errors.Is(err, context.DeadlineExceeded)
}

// pause waits, unless the context ends first: false.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// boot does what has to be done once before the process is ready.
func (p *parts) boot(ctx context.Context) error {
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"loading the system scope", func(ctx context.Context) error {
			_, err := p.mirror(ctx, store.System)
			return err
		}},
		{"resuming projects", func(ctx context.Context) error {
			if !p.cfg.Has(config.RoleAdmin) {
				return nil
			}
			return p.admin.ResumeProjects(ctx, admin.Call{Principal: owner, Reason: "resumed at start"})
		}},
		{"the first token", p.giveKeys},
		{"loading the projects", p.loadProjects},
		{"catching up", p.catchUp},
	}
	for _, step := range steps {
		if err := p.retry(ctx, step.what, step.do); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the process is ending
			}
			return err
		}
	}
	p.booted.Store(true)
	if p.eval != nil {
		p.eval.SetServing(true)
	}
	return nil
}

func (p *parts) giveKeys(ctx context.Context) error {
	if !p.cfg.Has(config.RoleAdmin) {
		return nil
	}
	b := bootstrap{admin: p.admin, auth: p.auth, addresses: p.addresses, scheme: "http"}
	if p.tls != nil {
		b.scheme = "https"
	}
	if p.cfg.Dev {
		dir, _ := p.cfg.LocalDir()
		return b.develop(ctx, dir)
	}
	return b.firstToken(ctx, p.cfg.NewAdminToken, p.server.showToken)
}

// loadProjects follows every active project and forgets those that are gone.
func (p *parts) loadProjects(ctx context.Context) error {
	followed := p.followed.all() // before the list is read: what is made meanwhile is not mistaken for gone
	active, known := []string{store.System}, map[string]bool{store.System: true}
	call, page := admin.Call{Principal: owner}, admin.Page{Limit: feature.MaxBulk}
	for {
		list, err := p.admin.ListProjects(ctx, call, page)
		if err != nil {
			return err
		}
		for _, project := range list.Items {
			known[project.Key] = project.State != feature.ProjectDeleting
			if project.State == feature.ProjectActive {
				active = append(active, project.Key)
			}
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
	}
	for scope := range followed {
		if !known[scope] {
			p.forget(scope)
		}
	}
	refused := false
	for _, scope := range active {
		_, err := p.mirror(ctx, scope)
		switch {
		case scope != store.System && errors.Is(err, store.ErrEmptied):
			refused = true // its mirror says so and goes on trying; the others do not wait for it
		case err != nil:
			return err
		}
	}
	p.refused.Store(refused)
	return nil
}

// catchUp waits until this process serves what the store has: the tokens and flags that it made itself a moment ago are the first that
// somebody asks it for.
func (p *parts) catchUp(ctx context.Context) error {
	for scope, m := range p.followed.all() {
		state, err := m.Sync(ctx)
		if err != nil {
			return err
		}
		want := evaluator.Revision{Epoch: state.Head().Epoch, Number: state.Head().Revision}
		for _, environment := range p.feeds.Environments(scope) {
			f, there := p.feeds.Environment(scope, environment)
			for there && f.Current().Revision().Compare(want) < 0 {
				if !pause(ctx, time.Millisecond) {
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

// followProjects looks again whenever the system scope has moved, and for projects that the store lacked.
func (p *parts) followProjects(ctx context.Context) error {
	for {
		wait := time.Hour
		if p.refused.Load() {
			wait = again
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.system:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
		if !p.booted.Load() {
			continue // boot looks itself
		}
		if err := p.retry(ctx, "following projects", p.loadProjects); err != nil && ctx.Err() == nil {
			p.logger.Error("the list of projects cannot be read", "error", err)
		}
	}
}

// repairs is what has to be compared after histories were rewritten. Mirrors add to it and must not wait.
type repairs struct {
	mu   sync.Mutex
	list []rewritten
	wake chan struct{}
}

type rewritten struct {
	scope         string
	before, after *store.State
}

func (p *parts) rewritten(scope string, before, after *store.State) {
	p.repairs.mu.Lock()
	p.repairs.list = append(p.repairs.list, rewritten{scope, before, after})
	p.repairs.mu.Unlock()
	select {
	case p.repairs.wake <- struct{}{}:
	default:
	}
}

// repair commits again the kills that this process knew and the store lost.
func (p *parts) repair(ctx context.Context) error {
	for {
		select {
		case <-p.repairs.wake:
		case <-ctx.Done():
			return nil
		}
		p.repairs.mu.Lock()
		list := p.repairs.list
		p.repairs.list = nil
		p.repairs.mu.Unlock()
		for _, r := range list {
			p.restoreKills(ctx, r)
		}
	}
}

func (p *parts) restoreKills(ctx context.Context, r rewritten) {
	before, after := r.before.Head(), r.after.Head()
	log := p.logger.With("scope", r.scope, "knownEpoch", before.Epoch, "knownRevision", before.Revision, "epoch", after.Epoch, "revision", after.Revision)
	log.Error("THE STORE'S HISTORY WAS REWRITTEN: it was restored, or failed over and lost commits. Changes that were acknowledged may be gone")
	if r.scope == store.System {
		return // it holds no kills
	}
	err := p.retry(ctx, "bringing back kills", func(ctx context.Context) error {
		n, err := p.admin.RestoreKills(ctx, admin.Call{Principal: controller, Reason: "the store had lost it"}, r.scope, r.before)
		if err == nil {
			log.Warn("kills that were missing are back", "kills", n)
			p.metrics.kills.Add(float64(n))
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		log.Error("kills could not be brought back", "error", err)
	}
}

// compactEvery is how often logs are held to their retention.
const compactEvery = time.Hour

func (p *parts) compact(ctx context.Context) error {
	for pause(ctx, compactEvery) {
		scopes, err := p.store.Scopes(ctx)
		for _, scope := range scopes {
			err = errors.Join(err, p.store.Compact(ctx, scope, store.DefaultRetention))
		}
		if err != nil && ctx.Err() == nil {
			p.logger.Warn("some logs could not be compacted", "error", err)
		}
	}
	return nil
}
