package evaluator

import "slices"

// The tables of a snapshot, by kind of document.
const (
	tableFlags = iota
	tableSegments
	tableKills
	tableLists
	tableOthers // of kinds that this evaluator does not know: kept, so that the digest is the sender's
	tableCount
)

func tableOf(kind Kind) int {
	switch kind {
	case KindFlag:
		return tableFlags
	case KindSegment:
		return tableSegments
	case KindKill:
		return tableKills
	case KindList:
		return tableLists
	}
	return tableOthers
}

// tableKey is the key in the table of a kind.
func tableKey(kind Kind, key string) string {
	if tableOf(kind) == tableOthers {
		return string(kind) + "\x00" + key
	}
	return key
}

// users are the flags and segments that refer to one flag or segment.
type users struct{ flags, segments table[present] }

type present struct{}

var isPresent = &present{}

// killCount is how many kills of one flag are in force.
type killCount struct{ n int }

// edit makes a snapshot out of another one. It is used once, by one goroutine.
type edit struct {
	before *Snapshot
	digest Digest

	nodes  [tableCount]*tableEdit[node]
	kills  *tableEdit[killCount]
	sides  *tableEdit[listSide]
	users  [2]*tableEdit[users] // of flags, of segments
	edges  map[docID][]edge     // by what is referred to: how its users change
	owned  map[string]*listSide // the sides that are this edit's own
	renew  map[docID]bool       // flags and segments whose node is to be made anew; true: their status as well
	spread []docID              // flags and segments whose users' status is to be found anew
	seen   map[docID]bool       // in spread already

	changed map[docID]bool
}

type edge struct {
	kind  Kind
	key   string
	hash  uint64
	added bool
}

func newEdit(s *Snapshot) *edit {
	e := &edit{before: s, digest: s.digest, renew: map[docID]bool{}, changed: map[docID]bool{}, seen: map[docID]bool{}, edges: map[docID][]edge{}}
	for i := range e.nodes {
		e.nodes[i] = editTable(s.nodes[i])
	}
	e.kills, e.sides = editTable(s.kills), editTable(s.sides)
	e.users[0], e.users[1] = editTable(s.users[0]), editTable(s.users[1])
	return e
}

// apply takes all changes in, and leaves what follows from them to finish.
func (e *edit) apply(changes []Document) {
	for i := range changes {
		e.changed[docID{changes[i].Kind, changes[i].Key}] = true
	}
	taken := make(map[docID]bool, len(e.changed))
	for i := len(changes) - 1; i >= 0; i-- {
		id := docID{changes[i].Kind, changes[i].Key}
		if !taken[id] {
			taken[id] = true
			e.change(changes[i])
		}
	}
}

func (e *edit) change(doc Document) {
	t := e.nodes[tableOf(doc.Kind)]
	key := tableKey(doc.Kind, doc.Key)
	hash := hashString(key)
	var old, now *document
	if n := t.get(hash, key); n != nil {
		old = n.doc
	}
	if doc.JSON == nil {
		if old == nil {
			return
		}
		t.remove(hash, key)
	} else {
		now = compileDocument(doc)
		e.digest = e.digest.add(now.digest)
	}
	if old != nil {
		e.digest = e.digest.sub(old.digest)
	}
	switch doc.Kind {
	case KindFlag, KindSegment:
		e.changeVertex(docID{doc.Kind, doc.Key}, old, now)
		return
	case KindKill:
		e.changeKill(old, now)
	case KindList:
		e.changeList(old, now)
	}
	if now != nil {
		t.put(hash, key, newNode(now, status{}, 0, [2]*listSide{}))
	}
}

func (e *edit) changeVertex(id docID, old, now *document) {
	var st status
	if old != nil && now != nil && old.sameInterface(now) {
		st = e.node(id.kind, id.key).status
		e.renewNode(id, false)
	} else {
		e.spreadFrom(id)
		e.renewNode(id, true)
	}
	if now != nil {
		// The node is not finished, but its document and, unless that is to be found anew, its status are right.
		e.nodes[tableOf(id.kind)].put(now.hash, now.key, &node{doc: now, status: st})
	}
	var before, after []use
	if old != nil {
		before = old.uses
	}
	if now != nil {
		after = now.uses
	}
	e.moveEdges(id, before, after)
}

func (e *edit) moveEdges(id docID, before, after []use) {
	if slices.Equal(before, after) {
		return
	}
	hash := hashString(id.key)
	for _, u := range before {
		e.edges[docID{u.kind, u.key}] = append(e.edges[docID{u.kind, u.key}], edge{id.kind, id.key, hash, false})
	}
	for _, u := range after { // after the removals, so that what is in both stays
		e.edges[docID{u.kind, u.key}] = append(e.edges[docID{u.kind, u.key}], edge{id.kind, id.key, hash, true})
	}
}

// renewNode has a flag's or segment's node made anew; with its status when asked.
func (e *edit) renewNode(id docID, withStatus bool) { e.renew[id] = e.renew[id] || withStatus }

func (e *edit) spreadFrom(id docID) {
	if !e.seen[id] {
		e.seen[id] = true
		e.spread = append(e.spread, id)
	}
}

func (e *edit) changeKill(old, now *document) {
	count := func(flag string, by int) {
		if flag == "" {
			return
		}
		hash := hashString(flag)
		n := by
		if k := e.kills.get(hash, flag); k != nil {
			n += k.n
		}
		if n == 0 {
			e.kills.remove(hash, flag)
		} else {
			e.kills.put(hash, flag, &killCount{n})
		}
		e.renewNode(docID{KindFlag, flag}, false)
	}
	if old != nil {
		count(old.kills, -1)
	}
	if now != nil {
		count(now.kills, +1)
	}
}

func (e *edit) changeList(old, now *document) {
	doc := old
	if now != nil {
		doc = now
	}
	segment, side, shard, ok := splitListKey(doc.key)
	if !ok {
		return
	}
	key := sideKey(segment, side)
	hash := hashString(key)
	l := e.ownSide(hash, key)
	if old != nil {
		l.count--
		if old.shard == nil {
			l.bad--
		}
		l.shards[shard] = nil
	}
	if now != nil {
		l.count++
		if now.shard == nil {
			l.bad++
		}
		l.shards[shard] = now.shard
	}
	e.renewNode(docID{KindSegment, segment}, false)
	if l.bad > 0 != l.wasBad {
		e.renewNode(docID{KindSegment, segment}, true)
		e.spreadFrom(docID{KindSegment, segment})
	}
}

// ownSide is a side that may be changed.
func (e *edit) ownSide(hash uint64, key string) *listSide {
	if l := e.owned[key]; l != nil {
		return l
	}
	l := &listSide{}
	if old := e.sides.get(hash, key); old != nil {
		*l = *old
	}
	l.wasBad = l.bad > 0
	if e.owned == nil {
		e.owned = map[string]*listSide{}
	}
	e.owned[key] = l
	return l
}
