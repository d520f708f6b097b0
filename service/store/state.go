package store

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
)

// State is an immutable set of documents at a head. The zero value is that of a scope without a commit. It is also the reference model: a
// store's documents are always what folding Apply over its log gives.
//
// Inside it is a treap: a binary search tree by key that is at the same time a heap by a hash of the key. A tree's shape is
// therefore given by its keys alone, whatever the order in which they came. Apply copies the paths to what changes, O(log n) for each change, and shares the rest,
// so that two states can be compared at the cost of what differs.
//
// Documents are shared with every other state and must not be written to. All methods may be called concurrently.
type State struct {
	head Head
	root *node
	len  int
}

// node is never changed once it is part of a State.
type node struct {
	key         Key
	data        []byte
	priority    uint64
	left, right *node
}

// seed makes the shape of trees unpredictable to those who choose keys. One for the process: states can be compared.
var seed = maphash.MakeSeed()

func priority(k Key) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(k.Collection)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(k.ID)
	return h.Sum64()
}

// above is the heap's order. It is total: no two keys are equal in it.
func (n *node) above(o *node) bool {
	return n.priority > o.priority || n.priority == o.priority && n.key.Compare(o.key) < 0
}

// NewState makes a state of documents in any order; of several for a key the last one counts. It costs O(n) when they come sorted. It takes the documents over.
func NewState(head Head, docs iter.Seq2[Key, []byte]) *State {
	var nodes []*node // each on its own, or one that lives would keep all others' documents
	sorted := true
	for k, data := range docs {
		if len(data) == 0 {
			continue
		}
		sorted = sorted && (len(nodes) == 0 || nodes[len(nodes)-1].key.Compare(k) < 0)
		nodes = append(nodes, &node{key: k, data: data, priority: priority(k)})
	}
	if !sorted {
		slices.Reverse(nodes) // the stable sort then has the last one of a key first, which CompactFunc keeps
		slices.SortStableFunc(nodes, func(a, b *node) int { return a.key.Compare(b.key) })
		nodes = slices.CompactFunc(nodes, func(a, b *node) bool { return a.key == b.key })
	}
	return &State{head: head, root: build(nodes), len: len(nodes)}
}

// build makes a tree of sorted nodes: spine is the path of right children from the root, and each node is put where its priority belongs on it.
func build(nodes []*node) *node {
	var spine []*node
	for _, n := range nodes {
		for len(spine) > 0 && n.above(spine[len(spine)-1]) {
			n.left = spine[len(spine)-1]
			spine = spine[:len(spine)-1]
		}
		if len(spine) > 0 {
			spine[len(spine)-1].right = n
		}
		spine = append(spine, n)
	}
	if len(spine) == 0 {
		return nil
	}
	return spine[0]
}

// Head is where the scope stood.
func (s *State) Head() Head { return s.head }

// Len is the number of documents.
func (s *State) Len() int { return s.len }

// Get returns a document.
func (s *State) Get(k Key) ([]byte, bool) {
	for n := s.root; n != nil; {
		switch c := k.Compare(n.key); {
		case c == 0:
			return n.data, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil, false
}

// All yields every document by key, ascending.
func (s *State) All() iter.Seq2[Key, []byte] {
	return func(yield func(Key, []byte) bool) { s.root.walk(yield) }
}

func (n *node) walk(yield func(Key, []byte) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.data) && n.right.walk(yield)
}

// List yields the documents of a collection by id, ascending.
func (s *State) List(collection string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if collection != "" {
			s.root.list(collection, yield)
		}
	}
}

func (n *node) list(collection string, yield func(string, []byte) bool) bool {
	n = n.within(collection)
	return n == nil || n.left.list(collection, yield) && yield(n.key.ID, n.data) && n.right.list(collection, yield)
}

// within descends to the top node of a collection's part of the tree; nil when there is none. The empty collection is all.
func (n *node) within(collection string) *node {
	for n != nil && collection != "" && n.key.Collection != collection {
		if n.key.Collection < collection {
			n = n.right
		} else {
			n = n.left
		}
	}
	return n
}

// Apply returns the state after an entry. It refuses an entry that is not the next one ([ErrGap]), whose hash is wrong, or whose Before is not what is there.
func (s *State) Apply(e Entry) (*State, error) {
	if err := e.follows(s.head); err != nil {
		return nil, err
	}
	if err := e.Verify(); err != nil {
		return nil, err
	}
	next := &State{head: e.Head(), root: s.root, len: s.len}
	for _, c := range e.Changes {
		if err := next.set(c.Key, c.Before, c.After); err != nil {
			return nil, fmt.Errorf("store: entry %d: %w", e.Revision, err)
		}
	}
	return next, nil
}

// undo returns the state before the entry that made the head, at the head given.
func (s *State) undo(e Entry, before Head) (*State, error) {
	if e.Revision != s.head.Revision || e.Hash != s.head.Hash || e.Epoch > s.head.Epoch {
		return nil, fmt.Errorf("%w: entry (%d, %d) did not make the head (%d, %d)", ErrGap, e.Epoch, e.Revision, s.head.Epoch, s.head.Revision)
	}
	prev := &State{head: before, root: s.root, len: s.len}
	for _, c := range e.Changes {
		if err := prev.set(c.Key, c.After, c.Before); err != nil {
			return nil, fmt.Errorf("store: entry %d, backwards: %w", e.Revision, err)
		}
	}
	return prev, nil
}

// set changes one document of a state that nobody else has yet.
func (s *State) set(k Key, from, to []byte) error {
	if found, _ := s.Get(k); !bytes.Equal(found, from) {
		return fmt.Errorf("%s is not what the change was made for", k)
	}
	if len(to) == 0 {
		s.root = s.root.without(k)
	} else {
		s.root = s.root.with(&node{key: k, data: to, priority: priority(k)})
	}
	switch {
	case len(from) == 0:
		s.len++
	case len(to) == 0:
		s.len--
	}
	return nil
}

// with returns the tree with a node put, in place of the one with its key. It takes the node over.
func (n *node) with(in *node) *node {
	if n == nil {
		return in
	}
	c := in.key.Compare(n.key)
	if c == 0 {
		in.left, in.right = n.left, n.right
		return in
	}
	if in.above(n) { // then its key is not below n: a node there with the same key had the same priority
		in.left, in.right = n.split(in.key)
		return in
	}
	m := *n
	if c < 0 {
		m.left = n.left.with(in)
	} else {
		m.right = n.right.with(in)
	}
	return &m
}

// without returns the tree without a key that is in it.
func (n *node) without(k Key) *node {
	c := k.Compare(n.key)
	if c == 0 {
		return join(n.left, n.right)
	}
	m := *n
	if c < 0 {
		m.left = n.left.without(k)
	} else {
		m.right = n.right.without(k)
	}
	return &m
}

// split returns what is below a key and what is above it; a node with the key itself is left out.
func (n *node) split(k Key) (below, above *node) {
	if n == nil {
		return nil, nil
	}
	c := k.Compare(n.key)
	if c == 0 {
		return n.left, n.right
	}
	m := *n
	if c < 0 {
		below, m.left = n.left.split(k)
		return below, &m
	}
	m.right, above = n.right.split(k)
	return &m, above
}

// join makes one tree of two; all keys of a are below those of b.
func join(a, b *node) *node {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	if a.above(b) {
		m := *a
		m.right = join(a.right, b)
		return &m
	}
	m := *b
	m.left = join(a, b.left)
	return &m
}

// Diff lists what differs between two states in a collection ("": in all), by key: Before as it is in from, After as it is in to. Parts that the states share cost
// nothing, so comparing a state with its ancestor costs in the size of what changed between them.
func Diff(from, to *State, collection string) []Change {
	d := differ{collection: collection}
	d.compare(from.root, to.root)
	return d.out
}

type differ struct {
	collection string
	out        []Change
}

func (d *differ) compare(a, b *node) {
	a, b = a.within(d.collection), b.within(d.collection)
	switch {
	case a == b: // the same nodes, or none
	case b == nil || a != nil && a.key != b.key && a.above(b): // then a's key is not in b, of which it would be the top
		below, above := b.split(a.key)
		d.compare(a.left, below)
		d.out = append(d.out, Change{Key: a.key, Before: a.data})
		d.compare(a.right, above)
	case a == nil || a.key != b.key:
		below, above := a.split(b.key)
		d.compare(below, b.left)
		d.out = append(d.out, Change{Key: b.key, After: b.data})
		d.compare(above, b.right)
	default:
		d.compare(a.left, b.left)
		if !same(a.data, b.data) {
			d.out = append(d.out, Change{Key: a.key, Before: a.data, After: b.data})
		}
		d.compare(a.right, b.right)
	}
}

// same compares documents, without looking at the bytes of those that two states share.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || bytes.Equal(a, b))
}
