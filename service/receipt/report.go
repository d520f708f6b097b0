package receipt

import (
	"cmp"
	"context"
	"encoding/binary"
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
	lastPrefix   = "last/"
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
	names             // what outlives it: good for the names
	ghost             // the same of a node that is gone: all that was there is lost, unless it is elsewhere
)

// reported is one environment of a report.
type reported struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"` // served
	// Groups are the connected instances by what they acknowledged.
	Groups []group `json:"groups,omitempty"`
	// Lost are those that were lost, with when they had connected, and Left those that said goodbye, with when they did: a goodbye ends the
	// connections that are older than it, and none that came after it.
	Lost stamped `json:"lost,omitempty"`
	Left stamped `json:"left,omitempty"`
	// Named are some of the connected and lost ones.
	Named []Instance `json:"named,omitempty"`
}

type group struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"`
	Keys     keys  `json:"keys"`
	// Processes are those of the keys, in the same order, four bytes each, zero where one is not known. An instance has a key for each of its processes.
	Processes []byte `json:"processes,omitempty"`
}

// process is the one of the key at a place; zero: not known, as with all in the report of an older node.
func (g *group) process(n int) process {
	if len(g.Processes) != 4*g.Keys.len() {
		return 0
	}
	return process(binary.BigEndian.Uint32(g.Processes[4*n:]))
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

// stamped are keys, each with a time in Unix milliseconds, big endian.
type stamped []byte

const stampedSize = len(key{}) + 8

func (s stamped) add(k key, at time.Time) stamped {
	return binary.BigEndian.AppendUint64(append(s, k[:]...), uint64(at.UnixMilli()))
}

func (s stamped) all(yield func(key, time.Time) bool) {
	for ; len(s) >= stampedSize; s = s[stampedSize:] {
		if !yield(key(s[:len(key{})]), time.UnixMilli(int64(binary.BigEndian.Uint64(s[len(key{}):stampedSize])))) {
			return
		}
	}
}

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
		return !i.rostered || len(i.links) == 0 || e.rank(i) == 1 && now.Sub(e.changed) > tardy
	}
}

func (e *environment) report(choose func(*environment, *instance) bool) *reported {
	r := &reported{Epoch: e.at.Epoch, Revision: e.at.Revision}
	groups := map[store.Cursor]*group{}
	var named [3][]*instance // by rank
	for _, i := range e.instances {
		rank := e.rank(i)
		if len(i.links) == 0 {
			r.Lost = r.Lost.add(i.key, i.ConnectedAt)
		}
		for _, run := range i.runs() {
			at := e.serves(run.acked)
			g := groups[at]
			if g == nil {
				g = &group{Epoch: at.Epoch, Revision: at.Revision}
				groups[at] = g
			}
			g.Keys, g.Processes = append(g.Keys, i.key[:]...), binary.BigEndian.AppendUint32(g.Processes, uint32(run.process))
		}
		if len(named[rank]) < maxNamed && choose(e, i) {
			named[rank] = append(named[rank], i)
		}
	}
	for _, g := range groups {
		r.Groups = append(r.Groups, *g)
	}
	for k, n := range e.nameless {
		r.Lost = r.Lost.add(k, n.connected)
	}
	for k, at := range e.left {
		r.Left = r.Left.add(k, at)
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

func (p *project) announce() { p.closing.Do(func() { close(p.announced) }) }

// serves says whether the report tells of an environment that the node serves.
func (r *report) serves() bool {
	for _, e := range r.Environments {
		if e.cursor() != (store.Cursor{}) {
			return true
		}
	}
	return false
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
	last      int64     // the count of members that was last left behind
	failing   bool
}

func (w *writer) write(ctx context.Context) {
	err := w.inherit(ctx)
	now := w.service.opts.Clock().UTC()
	w.mu.Lock()
	members := w.project.members // before the reports: who comes in between is in the next ones, too
	w.mu.Unlock()
	live := w.report(now, news(now))
	if w.inherited && members != w.last { // first: who is told of is not forgotten when this node dies at once
		if e := w.put(ctx, lastPrefix, rosterExpiry, live); e != nil {
			err = errors.Join(err, e)
		} else {
			w.last = members
		}
	}
	told := w.put(ctx, nodePrefix, expiry, live)
	if told == nil && live.serves() {
		w.announce()
	}
	err = errors.Join(err, told)
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
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, prefix := range []string{lastPrefix, rosterPrefix} {
		if r := decode(values[prefix+w.service.opts.Node]); r != nil {
			w.adopt(r)
		}
	}
	w.members++
	w.touch()
	return nil
}

// adopt takes over, as lost, whom an earlier life's report tells of. mu is held.
func (p *project) adopt(r *report) {
	for name, old := range r.Environments {
		e := p.environment(name)
		for k, at := range old.Left.all {
			if at.After(e.left[k]) {
				e.left[k] = at
			}
		}
		here := map[key]bool{}
		for _, i := range e.instances {
			here[i.key] = true
		}
		for _, i := range old.Named {
			k := keyOf(i.ID)
			if here[k] || e.left[k].After(i.ConnectedAt) {
				continue
			}
			if i.State != Lost {
				i.LastSeen = r.At
			}
			i.State = Lost
			e.instances[i.ID] = &instance{Instance: i, key: k, acked: i.acknowledged()}
			delete(e.nameless, k)
			here[k] = true
		}
		remember := func(k key, connected time.Time) {
			if _, known := e.nameless[k]; !known && !here[k] && !e.left[k].After(connected) {
				e.nameless[k] = nameless{connected, r.At}
			}
		}
		for _, g := range old.Groups {
			for k := range g.Keys.all {
				remember(k, r.At)
			}
		}
		for k, connected := range old.Lost.all {
			remember(k, connected)
		}
	}
}

// leave says that this node is gone, and leaves behind who was there.
func (w *writer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	err := w.inherit(ctx)
	if err == nil {
		err = w.put(ctx, rosterPrefix, rosterExpiry, w.report(w.service.opts.Clock().UTC(), everyone))
	}
	for _, prefix := range []string{lastPrefix, nodePrefix} {
		if err == nil || prefix == nodePrefix {
			err = errors.Join(err, w.service.opts.Store.DeletePresence(ctx, w.name, prefix+w.service.opts.Node))
		}
	}
	w.said(err)
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
	began   time.Time // before the store was asked
	reports []*report // live ones first
	err     error
	raw     map[string]cached
}

type cached struct {
	text   string
	report *report
}

// look returns the other nodes' reports, at most as old as lookRemote, and read after a time: what was read before a commit does not know of a node that
// came before it. With an error it returns those of the last look.
func (p *project) look(ctx context.Context, after time.Time) ([]*report, error) {
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o := &p.others
	now := p.service.opts.Clock()
	if !o.began.IsZero() && now.Sub(o.began) < lookRemote && !o.began.Before(after) && o.err == nil {
		return o.reports, nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	values, err := p.service.opts.Store.Presence(ctx, p.name)
	if o.err = err; err != nil {
		return o.reports, err
	}
	o.began = now
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
	if node, ok = strings.CutPrefix(id, lastPrefix); ok {
		return names, node, true
	}
	node, ok = strings.CutPrefix(id, rosterPrefix)
	return names, node, ok
}
