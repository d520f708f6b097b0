package evaluator

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Revision orders the states of an environment: first by epoch, then by number.
type Revision struct {
	Epoch  int64 `json:"epoch"`
	Number int64 `json:"number"`
}

// Compare is −1 when r is before other, 0 when they are equal, +1 when it is after.
func (r Revision) Compare(other Revision) int {
	return cmp.Or(cmp.Compare(r.Epoch, other.Epoch), cmp.Compare(r.Number, other.Number))
}

func (r Revision) String() string { return fmt.Sprintf("%d.%d", r.Epoch, r.Number) }

// Snapshot is a compiled ruleset. It is immutable and safe for concurrent use. A nil Snapshot is empty and usable.
type Snapshot struct {
	revision Revision
	digest   Digest

	nodes [tableCount]table[node]
	kills table[killCount] // by flag, whether it is there or not
	sides table[listSide]  // by [sideKey]
	users [2]table[users]  // of flags, of segments, whether they are there or not
}

// Compile compiles a ruleset written as plain data; its revision is zero.
func Compile(r Ruleset) (*Snapshot, []Problem) {
	docs, err := r.Documents()
	s, problems := New(Revision{}, docs)
	if err != nil {
		problems = append(problems, Problem{Msg: err.Error(), Err: err})
	}
	return s, problems
}

// New compiles documents. When a kind and key comes twice the last counts; a nil JSON deletes.
func New(rev Revision, docs []Document) (*Snapshot, []Problem) {
	return (*Snapshot)(nil).With(rev, docs)
}

// With is the snapshot after changes; s itself does not change. It costs in the size of the changes and of what depends on them,
// not of the ruleset. The problems are those of the changed documents, and those that other documents did not have in s.
func (s *Snapshot) With(rev Revision, changes []Document) (*Snapshot, []Problem) {
	if s == nil {
		s = &Snapshot{}
	}
	e := newEdit(s)
	e.apply(changes)
	return e.finish(rev)
}

// Problems are all that the snapshot has, sorted by kind and key. It looks through all documents.
func (s *Snapshot) Problems() []Problem {
	var all []Problem
	for n := range s.all() {
		all = append(all, n.problems()...)
	}
	return sortProblems(all)
}

// Revision is the one that the snapshot was made with.
func (s *Snapshot) Revision() Revision {
	if s == nil {
		return Revision{}
	}
	return s.revision
}

// Digest identifies the set of all documents. It is kept up to date by [Snapshot.With], so asking costs nothing.
func (s *Snapshot) Digest() Digest {
	if s == nil {
		return Digest{}
	}
	return s.digest
}

// Documents are all documents as received, byte for byte, in no particular order.
func (s *Snapshot) Documents() iter.Seq[Document] {
	return func(yield func(Document) bool) {
		for n := range s.all() {
			if !yield(n.doc.document()) {
				return
			}
		}
	}
}

// Document is one document as received; false when it is not there.
func (s *Snapshot) Document(kind Kind, key string) (Document, bool) {
	if s == nil {
		return Document{}, false
	}
	at := tableKey(kind, key)
	n := s.nodes[tableOf(kind)].get(hashString(at), at)
	if n == nil {
		return Document{}, false
	}
	return n.doc.document(), true
}

func (s *Snapshot) all() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		if s == nil {
			return
		}
		for i := range s.nodes {
			for _, n := range s.nodes[i].all() {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// Len is the number of documents.
func (s *Snapshot) Len() int {
	if s == nil {
		return 0
	}
	n := 0
	for i := range s.nodes {
		n += s.nodes[i].count
	}
	return n
}

// FlagInfo is what lists of flags need to know.
type FlagInfo struct {
	Type          string // empty when the document cannot be read
	Version       int64
	ClientVisible bool
	Killed        bool
	Quarantined   bool
}

// Flags are all flags, sorted by key.
func (s *Snapshot) Flags() iter.Seq2[string, FlagInfo] {
	return func(yield func(string, FlagInfo) bool) {
		if s == nil {
			return
		}
		flags := &s.nodes[tableFlags]
		nodes := make([]*node, 0, flags.count)
		for _, n := range flags.all() {
			nodes = append(nodes, n)
		}
		slices.SortFunc(nodes, func(a, b *node) int { return cmp.Compare(a.doc.key, b.doc.key) })
		for _, n := range nodes {
			if !yield(n.doc.key, n.info()) {
				return
			}
		}
	}
}

// Flag is what is known of one flag; false when it is not there.
func (s *Snapshot) Flag(key string) (FlagInfo, bool) {
	if s == nil {
		return FlagInfo{}, false
	}
	n := s.nodes[tableFlags].get(hashString(key), key)
	if n == nil {
		return FlagInfo{}, false
	}
	return n.info(), true
}

func (n *node) info() FlagInfo {
	h := &n.doc.head
	return FlagInfo{Type: h.typ, Version: h.version, ClientVisible: h.clientVisible, Killed: n.kills > 0, Quarantined: n.quarantined()}
}

// Dependents are the flags whose answers can change when this document does, itself included when it is a flag, sorted.
// References are followed: flag → segment → list, flag → flag, flag → segment → flag.
func (s *Snapshot) Dependents(kind Kind, key string) []string {
	if s == nil {
		s = &Snapshot{}
	}
	var todo []docID
	switch kind {
	case KindFlag, KindSegment:
		todo = []docID{{kind, key}}
	case KindKill:
		if n := s.nodes[tableKills].get(hashString(key), key); n != nil && n.doc.kills != "" {
			todo = []docID{{KindFlag, n.doc.kills}}
		}
	case KindList:
		if segment, side, _, ok := splitListKey(key); ok && s.usesList(segment, side) {
			todo = []docID{{KindSegment, segment}}
		}
	}
	seen := map[docID]bool{}
	var flags []string
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if id.kind == KindFlag {
			flags = append(flags, id.key)
		}
		todo = s.appendUsers(todo, id)
	}
	slices.Sort(flags)
	return flags
}

// usesList says whether a segment has a list on a side.
func (s *Snapshot) usesList(segment, side string) bool {
	n := s.nodes[tableSegments].get(hashString(segment), segment)
	if n == nil {
		return false
	}
	return slices.ContainsFunc(n.doc.uses, func(u use) bool { return u.kind == KindList && u.key == sideKey(segment, side) })
}

// appendUsers appends what refers to a flag or segment.
func (s *Snapshot) appendUsers(to []docID, id docID) []docID {
	u := s.users[tableOf(id.kind)].get(hashString(id.key), id.key)
	if u == nil {
		return to
	}
	for key := range u.flags.all() {
		to = append(to, docID{KindFlag, key})
	}
	for key := range u.segments.all() {
		to = append(to, docID{KindSegment, key})
	}
	return to
}
