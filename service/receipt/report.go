package receipt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

const (
	nodePrefix   = "node/"
	rosterPrefix = "roster/"
)

// report is what a node tells the others about a project.
type report struct {
	Node         string               `json:"node"`
	At           time.Time            `json:"at"`
	Environments map[string]*reported `json:"environments"`
	of           kind
}

// kind says what a report is good for.
type kind uint8

const (
	live  kind = iota // what a node that is there says now
	names             // its roster: good for the names
	ghost             // the roster of a node that is gone: all that was there is lost, unless it is elsewhere
)

// reported is one environment of a report.
type reported struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"` // served
	// Groups are the connected instances by what they acknowledged.
	Groups []group `json:"groups,omitempty"`
	// Lost and Left are the keys of those that were lost and of those that said goodbye.
	Lost keys `json:"lost,omitempty"`
	Left keys `json:"left,omitempty"`
	// Named are some of the connected and lost ones.
	Named []Instance `json:"named,omitempty"`
}

type group struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"`
	Keys     keys  `json:"keys"`
}

// keys are keys one after the other; JSON has them in base64.
type keys []byte

func (k keys) all(yield func(key) bool) {
	for ; len(k) >= len(key{}); k = k[len(key{}):] {
		if !yield(key(k[:len(key{})])) {
			return
		}
	}
}

func (k keys) len() int { return len(k) / len(key{}) }

// report is what there is to tell now. choose says which instances it names, as far as there is room; lost ones go first.
func (p *project) report(now time.Time, choose func(*environment, *instance) bool) *report {
	out := &report{Node: p.service.opts.Node, At: now, Environments: map[string]*reported{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, e := range p.environments {
		e.prune(now)
		out.Environments[name] = e.report(choose)
	}
	return out
}

// everyone is for the roster, and for this node's own look at itself.
func everyone(*environment, *instance) bool { return true }

// news chooses for the live report who is not in the roster yet, and whose standing is worth knowing by name.
func news(now time.Time) func(e *environment, i *instance) bool {
	return func(e *environment, i *instance) bool {
		return !i.rostered || i.link == nil || e.rank(i) == 1 && now.Sub(e.changed) > tardy
	}
}

func (e *environment) report(choose func(*environment, *instance) bool) *reported {
	r := &reported{Epoch: e.at.Epoch, Revision: e.at.Revision}
	groups := map[store.Cursor]keys{}
	var named [3][]*instance // by rank
	for _, i := range e.instances {
		rank := e.rank(i)
		if i.link == nil {
			r.Lost = append(r.Lost, i.key[:]...)
		} else {
			at := e.effective(i)
			groups[at] = append(groups[at], i.key[:]...)
		}
		if len(named[rank]) < maxNamed && choose(e, i) {
			named[rank] = append(named[rank], i)
		}
	}
	for at, k := range groups {
		r.Groups = append(r.Groups, group{Epoch: at.Epoch, Revision: at.Revision, Keys: k})
	}
	for k := range e.left {
		r.Left = append(r.Left, k[:]...)
	}
	for _, list := range named {
		for _, i := range list[:min(len(list), maxNamed-len(r.Named))] {
			r.Named = append(r.Named, e.describe(i))
		}
	}
	return r
}

// publish is the goroutine of a project: it writes reports until ctx ends or the project is dropped.
func (p *project) publish(ctx context.Context) {
	w := &writer{project: p}
	idle := time.NewTicker(publishIdle)
	defer idle.Stop()
	for {
		if p.isDropped() {
			return
		}
		w.write(ctx)
		coalesce := time.NewTimer(publishEvery)
		select {
		case <-coalesce.C:
		case <-ctx.Done():
			coalesce.Stop()
			w.leave(ctx)
			return
		}
		select {
		case <-p.dirty:
		case <-idle.C:
		case <-ctx.Done():
			w.leave(ctx)
			return
		}
	}
}

func (p *project) isDropped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// writer is what publish remembers.
type writer struct {
	*project
	inherited bool      // the roster of this node's previous life was read
	roster    time.Time // when it was last written
	members   int64     // as of then
	failing   bool
}

func (w *writer) write(ctx context.Context) {
	err := w.inherit(ctx)
	now := w.service.opts.Clock().UTC()
	err = errors.Join(err, w.put(ctx, nodePrefix, expiry, w.report(now, news(now))))
	w.mu.Lock()
	members := w.project.members
	w.mu.Unlock()
	age := now.Sub(w.roster)
	if w.inherited && (age >= rosterEvery && members != w.members || age >= lostFor/2) {
		if e := w.put(ctx, rosterPrefix, rosterExpiry, w.report(now, everyone)); e != nil {
			err = errors.Join(err, e)
		} else {
			w.roster, w.members = now, members
			w.rostered(members)
		}
	}
	w.said(err)
}

// rostered marks who is in a roster that was written as of a count of members.
func (w *writer) rostered(members int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.environments {
		for _, i := range e.instances {
			i.rostered = i.joined <= members
		}
	}
}

func (w *writer) put(ctx context.Context, prefix string, expiry time.Duration, r *report) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	return w.service.opts.Store.PutPresence(ctx, w.name, prefix+w.service.opts.Node, value, expiry)
}

// inherit takes over, as lost, the instances of this node's previous life, before its roster is written over.
func (w *writer) inherit(ctx context.Context) error {
	if w.inherited {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	values, err := w.service.opts.Store.Presence(ctx, w.name)
	if err != nil {
		return err
	}
	w.inherited = true
	r := decode(values[rosterPrefix+w.service.opts.Node])
	if r == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, old := range r.Environments {
		e := w.environment(name)
		for _, i := range old.Named {
			if e.instances[i.ID] == nil {
				if i.State != Lost {
					i.LastSeen = r.At
				}
				i.State = Lost
				e.instances[i.ID] = &instance{Instance: i, key: keyOf(i.ID), acked: i.acknowledged()}
			}
		}
	}
	w.touch()
	return nil
}

// leave says that this node is gone, and leaves behind who was there.
func (w *writer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	err := w.inherit(ctx)
	if err == nil {
		err = w.put(ctx, rosterPrefix, rosterExpiry, w.report(w.service.opts.Clock().UTC(), everyone))
	}
	w.said(errors.Join(err, w.service.opts.Store.DeletePresence(ctx, w.name, nodePrefix+w.service.opts.Node)))
}

// said logs an outage once.
func (w *writer) said(err error) {
	if err != nil && !w.failing {
		w.service.opts.Logger.Warn("receipt: cannot tell the other nodes", "project", w.name, "error", err)
	}
	w.failing = err != nil
}

// decode reads a report; nil: there is none, or it is of a version that this one does not understand.
func decode(value []byte) *report {
	r := &report{}
	if len(value) == 0 || json.Unmarshal(value, r) != nil {
		return nil
	}
	maps.DeleteFunc(r.Environments, func(_ string, e *reported) bool { return e == nil })
	return r
}

// others is what the other nodes told last. Several waits share one look.
type others struct {
	at      time.Time
	reports []*report // live ones first
	err     error
	raw     map[string]cached
}

type cached struct {
	text   string
	report *report
}

// look returns the other nodes' reports, at most as old as lookRemote. With an error it returns those of the last look.
func (p *project) look(ctx context.Context) ([]*report, error) {
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o := &p.others
	if now := p.service.opts.Clock(); !o.at.IsZero() && now.Sub(o.at) < lookRemote && o.err == nil {
		return o.reports, nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	values, err := p.service.opts.Store.Presence(ctx, p.name)
	if o.err = err; err != nil {
		return o.reports, err
	}
	o.at = p.service.opts.Clock()
	o.take(values, p.service.opts.Node)
	return o.reports, nil
}

// take decodes what is new in a look.
func (o *others) take(values map[string][]byte, self string) {
	raw := make(map[string]cached, len(values))
	o.reports = nil
	for id, value := range values {
		of, node, ok := parseID(id)
		if !ok || node == self {
			continue
		}
		if _, there := values[nodePrefix+node]; of == names && !there {
			of = ghost
		}
		c := o.raw[id]
		if c.text != string(value) || c.report != nil && c.report.of != of {
			c = cached{string(value), decode(value)}
			if c.report != nil {
				c.report.of = of
			}
		}
		raw[id] = c
		if c.report != nil {
			o.reports = append(o.reports, c.report)
		}
	}
	slices.SortFunc(o.reports, func(a, b *report) int { return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.Node, b.Node)) })
	o.raw = raw
}

func parseID(id string) (of kind, node string, ok bool) {
	if node, ok = strings.CutPrefix(id, nodePrefix); ok {
		return live, node, true
	}
	node, ok = strings.CutPrefix(id, rosterPrefix)
	return names, node, ok
}
