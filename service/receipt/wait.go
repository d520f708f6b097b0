package receipt

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// Wait returns when every node, and with WantInstances every expected instance, serves the environment at a revision or beyond it; or when ctx ends, and
// then the receipt says what is missing and the error is nil. WantNone returns what is known at once. While the store does not answer the
// other nodes cannot be asked, so nothing is complete.
func (s *Service) Wait(ctx context.Context, project, environment string, at store.Cursor, want Want) (Receipt, error) {
	p := s.project(project)
	tick := time.NewTicker(lookLocal)
	defer tick.Stop()
	var reports []*report
	var err error
	var looked time.Time
	began := s.opts.Clock()
	seen := int64(-1) // the changes that were looked at
	for {
		changes, ended := p.changes.Load(), ctx.Err() != nil
		if now := s.opts.Clock(); !ended && (looked.IsZero() || now.Sub(looked) >= lookRemote) {
			reports, err = p.look(ctx, began)
			looked, seen = now, -1
		}
		final := ended || want == WantNone
		if final || changes != seen && !p.pending(environment, at, want == WantInstances) {
			r := s.receipt(p, environment, reports, at)
			r.Complete = err == nil && r.Nodes.Done == r.Nodes.Total && (want != WantInstances || r.Instances.Done == r.Instances.Total)
			if final || r.Complete {
				return r, nil
			}
		}
		seen = changes
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// List lists the instances and nodes of a project, in one environment or, when it is empty, in all.
func (s *Service) List(ctx context.Context, project, environment string) (List, error) {
	p := s.project(project)
	others, err := p.look(ctx, time.Time{})
	if err != nil {
		return List{}, err
	}
	now := s.opts.Clock()
	reports := append([]*report{p.report(now.UTC(), everyone)}, others...)
	out := List{}
	environments := map[string]bool{}
	for _, r := range reports {
		for name := range r.Environments {
			if environment == "" || environment == name {
				environments[name] = true
			}
		}
		if r.of == live {
			out.Nodes = append(out.Nodes, r.node(environment))
		}
	}
	slices.SortFunc(out.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, name := range slices.Sorted(maps.Keys(environments)) {
		for _, e := range merge(reports, name, now) {
			if e.named == nil {
				out.Truncated = true
				continue
			}
			out.Instances = append(out.Instances, *e.named)
		}
	}
	slices.SortFunc(out.Instances, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// node sums a report up.
func (r *report) node(environment string) Node {
	out := Node{Name: r.Node, LastSeen: r.At}
	first := true
	for name, e := range r.Environments {
		if environment != "" && environment != name {
			continue
		}
		for _, g := range e.Groups {
			out.Instances += g.Keys.len()
		}
		if e.cursor() == (store.Cursor{}) {
			continue // it has an instance there that came before the environment, or stayed after it
		}
		if first || e.cursor().Compare(store.Cursor{Epoch: out.Epoch, Revision: out.Revision}) < 0 {
			out.Epoch, out.Revision, first = e.Epoch, e.Revision, false
		}
	}
	return out
}

func (e *reported) cursor() store.Cursor {
	return store.Cursor{Epoch: e.Epoch, Revision: e.Revision}
}

// receipt counts where a revision has arrived.
func (s *Service) receipt(p *project, environment string, others []*report, at store.Cursor) Receipt {
	now := s.opts.Clock()
	reports := append([]*report{p.report(now.UTC(), everyone)}, others...)
	var out Receipt
	for _, r := range reports {
		e := r.Environments[environment]
		if e == nil || r.of != live || e.cursor() == (store.Cursor{}) {
			continue
		}
		out.Nodes.Total++
		if e.cursor().Compare(at) >= 0 {
			out.Nodes.Done++
		}
	}
	for _, e := range merge(reports, environment, now) {
		out.Instances.Total++
		switch {
		case e.connected && e.acked.Compare(at) >= 0:
			out.Instances.Done++
		case e.named != nil:
			out.Missing = append(out.Missing, *e.named)
		}
	}
	slices.SortFunc(out.Missing, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	out.Missing = out.Missing[:min(len(out.Missing), maxMissing)]
	return out
}

// expected is one instance as all reports together have it.
type expected struct {
	connected bool
	runs      []run        // its processes that are connected somewhere
	acked     store.Cursor // by all of them
	at        store.Cursor // what the node serves where the lowest is
	since     time.Time    // its newest connection that is known of began then, or before
	named     *Instance    // nil: no report names it
}

// merge makes one picture of all reports, live ones first: each expected instance of an environment once.
func merge(reports []*report, environment string, now time.Time) map[key]*expected {
	out := map[key]*expected{}
	get := func(k key, since time.Time) *expected {
		e := out[k]
		if e == nil {
			e = &expected{}
			out[k] = e
		}
		if since.After(e.since) {
			e.since = since
		}
		return e
	}
	for _, r := range reports {
		e := r.Environments[environment]
		if e == nil || r.of == names || r.of == ghost && now.Sub(r.At) > lostFor {
			continue
		}
		for _, g := range e.Groups {
			n := 0
			for k := range g.Keys.all {
				x := get(k, r.At)
				if r.of == live {
					x.connect(run{g.process(n), store.Cursor{Epoch: g.Epoch, Revision: g.Revision}}, e.cursor())
				}
				n++
			}
		}
		for k, since := range e.Lost.all {
			get(k, since)
		}
	}
	for _, r := range reports {
		if e := r.Environments[environment]; e != nil {
			for k, at := range e.Left.all {
				if x := out[k]; x != nil && !x.connected && !at.Before(x.since) {
					delete(out, k)
				}
			}
		}
	}
	for _, r := range reports {
		if e := r.Environments[environment]; e != nil {
			e.name(out, r, now)
		}
	}
	return out
}

func (x *expected) connect(r run, at store.Cursor) {
	before := x.acked
	x.runs = addRun(x.runs, r)
	if x.acked = lowest(x.runs); !x.connected || x.acked != before {
		x.at = at
	}
	x.connected = true
}

// name gives the instances of a picture their names. What they are called is the same in all reports; how they stand, the picture says.
func (e *reported) name(out map[key]*expected, r *report, now time.Time) {
	for _, i := range e.Named {
		k := keyOf(i.ID)
		x := out[k]
		switch {
		case x == nil:
			continue
		case r.of == ghost && i.State != Lost:
			i.LastSeen = r.At // it was connected when the node was last heard of
		case i.State == Lost && x.connected:
			continue // of the node that it left
		}
		if !x.connected && now.Sub(i.LastSeen) > lostFor {
			if x.named == nil {
				delete(out, k) // of a roster that nobody prunes any more
			}
			continue
		}
		if x.named == nil || r.of != names && i.LastSeen.After(x.named.LastSeen) {
			i.stand(either(x.connected, x.acked, i.acknowledged()), either(x.connected, x.at, e.cursor()), x.connected)
			x.named = &i
		}
	}
}

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
