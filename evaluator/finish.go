package evaluator

// finish works out what follows from the changes, and returns the snapshot with the problems that it has and the old one had not.
func (e *edit) finish(rev Revision) (*Snapshot, []Problem) {
	for key, l := range e.owned {
		if hash := hashString(key); l.count == 0 {
			e.sides.remove(hash, key)
		} else {
			e.sides.put(hash, key, l)
		}
	}
	e.finishEdges()
	e.spreadOut()
	problems := e.finishNodes()
	s := &Snapshot{revision: rev, digest: e.digest, kills: e.kills.table, sides: e.sides.table}
	for i := range e.nodes {
		s.nodes[i] = e.nodes[i].table
	}
	s.users[0], s.users[1] = e.users[0].table, e.users[1].table
	return s, problems
}

// finishEdges changes each set of users once, however many of them came and went.
func (e *edit) finishEdges() {
	for id, edges := range e.edges {
		if id.kind == KindList {
			continue // used by the segment of its name alone
		}
		t := e.users[tableOf(id.kind)]
		hash := hashString(id.key)
		var old users
		if u := t.get(hash, id.key); u != nil {
			old = *u
		}
		flags, segments := editTable(old.flags), editTable(old.segments)
		for i := range edges {
			set := flags
			if edges[i].kind == KindSegment {
				set = segments
			}
			if edges[i].added {
				set.put(edges[i].hash, edges[i].key, isPresent)
			} else {
				set.remove(edges[i].hash, edges[i].key)
			}
		}
		if flags.count+segments.count == 0 {
			t.remove(hash, id.key)
		} else {
			t.put(hash, id.key, &users{flags.table, segments.table})
		}
	}
}

// spreadOut has the status of everything found anew that reaches what has changed.
func (e *edit) spreadOut() {
	for len(e.spread) > 0 {
		id := e.spread[len(e.spread)-1]
		e.spread = e.spread[:len(e.spread)-1]
		u := e.users[tableOf(id.kind)].get(hashString(id.key), id.key)
		if u == nil {
			continue
		}
		for key := range u.flags.all() {
			e.renewNode(docID{KindFlag, key}, true)
			e.spreadFrom(docID{KindFlag, key})
		}
		for key := range u.segments.all() {
			e.renewNode(docID{KindSegment, key}, true)
			e.spreadFrom(docID{KindSegment, key})
		}
	}
}

func (e *edit) node(kind Kind, key string) *node {
	return e.nodes[tableOf(kind)].get(hashString(key), key)
}

// finishNodes makes the nodes anew that need it.
func (e *edit) finishNodes() (problems []Problem) {
	g := graph{
		vertices: make(map[docID]*vertex, len(e.renew)),
		lookup:   func(u *use) *node { return e.nodes[tableOf(u.kind)].get(u.hash, u.key) },
		side:     func(u *use) *listSide { return e.sides.get(u.hash, u.key) },
	}
	for id, withStatus := range e.renew {
		if n := e.node(id.kind, id.key); n != nil && withStatus {
			g.vertices[id] = &vertex{doc: n.doc}
		}
	}
	g.settle()
	for id := range e.renew {
		n := e.node(id.kind, id.key)
		if n == nil {
			continue
		}
		before := e.before.nodes[tableOf(id.kind)].get(n.doc.hash, n.doc.key)
		st := n.status
		if v := g.vertices[id]; v != nil {
			st = v.status
		}
		e.nodes[tableOf(id.kind)].put(n.doc.hash, n.doc.key, e.remake(n.doc, st, before))
		if !e.changed[id] {
			problems = append(problems, newFaults(n.doc, st.faults, before)...)
		}
	}
	for id := range e.changed {
		key := tableKey(id.kind, id.key)
		if n := e.nodes[tableOf(id.kind)].get(hashString(key), key); n != nil {
			problems = append(problems, n.problems()...)
		}
	}
	return sortProblems(problems)
}

// remake makes a node, or keeps the old one when it would be the same.
func (e *edit) remake(d *document, st status, before *node) *node {
	kills := 0
	if d.kind == KindFlag {
		if k := e.kills.get(d.hash, d.key); k != nil {
			kills = k.n
		}
	}
	var sides [2]*listSide
	if d.segment != nil {
		sides[sideIncludeIndex] = e.side(d, sideInclude, d.segment.include.list)
		sides[sideExcludeIndex] = e.side(d, sideExclude, d.segment.exclude.list)
	}
	if before != nil && before.doc == d && before.kills == kills && before.sides == sides && before.status.equal(&st) {
		return before
	}
	return newNode(d, st, kills, sides)
}

func (e *edit) side(d *document, side string, ref *listRef) *listSide {
	if ref == nil {
		return nil
	}
	key := sideKey(d.key, side)
	return e.sides.get(hashString(key), key)
}
