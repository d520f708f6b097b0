package evaluator

// vertex is a flag or segment whose status is being found.
type vertex struct {
	doc *document

	index, low int // of Tarjan's algorithm; index 0: not visited
	component  int // 0: not finished
	next       int // the use to follow next
	cyclic     bool
	status     status
}

// docID is how a document is named.
type docID struct {
	kind Kind
	key  string
}

// graph finds the status of flags and segments. It knows the ones that may have changed; what these refer to besides them is as it was.
type graph struct {
	vertices map[docID]*vertex
	lookup   func(u *use) *node // of flags and segments that are no vertices
	side     func(u *use) *listSide

	count, components int
	open              []*vertex // visited, component not finished
}

// settle finds all. It is Tarjan's algorithm, with a stack of its own: a chain of references may be as long as the ruleset.
func (g *graph) settle() {
	for _, v := range g.vertices {
		if v.index == 0 {
			g.visit(v)
		}
	}
}

func (g *graph) enter(v *vertex) {
	g.count++
	v.index, v.low = g.count, g.count
	g.open = append(g.open, v)
}

func (g *graph) visit(root *vertex) {
	g.enter(root)
	path := []*vertex{root}
	for len(path) > 0 {
		v := path[len(path)-1]
		if v.next == len(v.doc.uses) {
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1]
				up.low = min(up.low, v.low)
			}
			if v.low == v.index {
				g.close(v)
			}
			continue
		}
		w := g.target(&v.doc.uses[v.next])
		v.next++
		switch {
		case w == nil || w.component != 0:
		case w.index == 0:
			g.enter(w)
			path = append(path, w)
		default:
			v.low = min(v.low, w.index)
			v.cyclic = v.cyclic || v == w
		}
	}
}

func (g *graph) target(u *use) *vertex { return g.vertices[docID{u.kind, u.key}] }

// close finishes the component whose root is v. Whatever it refers to is finished already.
func (g *graph) close(v *vertex) {
	g.components++
	from := len(g.open) - 1
	for g.open[from] != v {
		from--
	}
	component := g.open[from:]
	g.open = g.open[:from]
	for _, w := range component {
		w.component = g.components
		w.cyclic = w.cyclic || len(component) > 1
	}
	for _, w := range component {
		w.status = g.statusOf(w)
	}
}

// statusOf is a vertex's status when those of all others that it refers to are known.
func (g *graph) statusOf(v *vertex) (s status) {
	work := 1 + uint64(v.doc.nodes)
	for i := range v.doc.uses {
		u := &v.doc.uses[i]
		reason, cost := g.follow(v, u)
		if reason != 0 {
			s.faults = append(s.faults, fault{u.kind, u.key, reason})
		}
		work = min(work+uint64(u.times)*cost, maxWork+1)
	}
	if v.doc.kind == KindFlag && len(s.faults) == 0 && work > maxWork {
		s.faults = []fault{{reason: faultWork}}
	}
	s.work = uint32(work)
	if v.doc.kind == KindFlag && (len(s.faults) > 0 || len(v.doc.problems) > 0) {
		s.work = 1
	}
	return s
}

// follow says what is wrong with a reference, and how much work it is to follow it once.
func (g *graph) follow(v *vertex, u *use) (reason faultReason, work uint64) {
	if u.kind == KindList {
		if side := g.side(u); side != nil && side.bad > 0 {
			return faultQuarantined, 0
		}
		return 0, 0
	}
	w := g.target(u)
	if w == nil {
		n := g.lookup(u)
		switch {
		case n == nil:
			return faultMissing, 0
		case u.kind == KindSegment && n.quarantined():
			return faultQuarantined, 0
		}
		return 0, uint64(n.work)
	}
	switch {
	case w.component == v.component && v.cyclic:
		return faultCycle, 0
	case u.kind == KindSegment && (len(w.doc.problems) > 0 || len(w.status.faults) > 0):
		return faultQuarantined, 0
	}
	return 0, uint64(w.status.work)
}
