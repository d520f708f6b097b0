package feed

import (
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
)

// The bounds of the ring: the steps that are kept for streams that are behind.
const (
	maxSteps     = 1024
	maxStepBytes = 4 << 20 // of encoded steps; the newest step is kept whatever its size
)

// Encoder makes the messages that streams send as they are. The bytes that it returns are shared by all streams and never changed.
// Its method may be called concurrently.
type Encoder interface {
	// Changes encodes a part of a step. A document without JSON was deleted. The last part of a step, and no other, has its end; it may be empty
	// otherwise.
	Changes(docs []evaluator.Document, end *End) []byte
}

// End is where a step leads.
type End struct {
	Revision evaluator.Revision
	Count    int // of changes in the step
	Digest   evaluator.Digest
}

// Node is an environment's ruleset at a revision, and the way that led there. It is immutable. Whoever holds on to a node holds on to its
// ring, so a stream takes a [Step] from it and lets it go before it sends.
type Node struct {
	feed     *Feed
	snapshot *evaluator.Snapshot
	next     chan struct{} // shared with the quiet nodes that follow
	steps    []*Step       // oldest first; the slice is never written to again
	bytes    int           // of all steps
	floor    position      // where the oldest step starts from
}

// Step leads from one state of the ruleset to the next.
type Step struct {
	position
	messages [][]byte
	bytes    int
}

// position is a state of the ruleset: the revision that made it, and what it holds.
type position struct {
	revision evaluator.Revision
	digest   evaluator.Digest
}

// Revision is the one that a client is at after the step.
func (s *Step) Revision() evaluator.Revision { return s.revision }

// Digest is that of the ruleset after the step.
func (s *Step) Digest() evaluator.Digest { return s.digest }

// Messages are the step's changes, encoded, in the order in which they have to be sent; the last one has its end. They are shared and must not be changed.
func (s *Step) Messages() [][]byte { return s.messages }

func firstNode(f *Feed, s *evaluator.Snapshot) *Node {
	return &Node{feed: f, snapshot: s, next: make(chan struct{}), floor: position{s.Revision(), s.Digest()}}
}

// quiet is the node after an entry that did not touch the environment.
func (n *Node) quiet(s *evaluator.Snapshot) *Node {
	next := *n
	next.snapshot = s
	return &next
}

// after is the node after a change.
func (n *Node) after(s *evaluator.Snapshot, docs []evaluator.Document) *Node {
	step := &Step{position: position{s.Revision(), s.Digest()}}
	step.messages = encode(n.feed.encoder, docs, step.position)
	for _, m := range step.messages {
		step.bytes += len(m)
	}
	next := &Node{feed: n.feed, snapshot: s, next: make(chan struct{}), floor: n.floor, bytes: n.bytes + step.bytes}
	first := 0
	for first < len(n.steps) && (next.bytes > maxStepBytes || len(n.steps)-first >= maxSteps) {
		next.floor = n.steps[first].position
		next.bytes -= n.steps[first].bytes
		first++
	}
	// Always a copy: a slice that shared its array with older nodes would keep their steps alive.
	next.steps = slices.Concat(n.steps[first:], []*Step{step})
	return next
}

// Snapshot is the ruleset, to evaluate with.
func (n *Node) Snapshot() *evaluator.Snapshot { return n.snapshot }

// Revision is the project's revision up to which this is the environment's ruleset.
func (n *Node) Revision() evaluator.Revision { return n.snapshot.Revision() }

// Since is the revision that made the ruleset what it is: the last one that changed it, or that of the first load.
func (n *Node) Since() evaluator.Revision { return n.newest().revision }

// Digest identifies the ruleset.
func (n *Node) Digest() evaluator.Digest { return n.snapshot.Digest() }

// Next is closed when there is a node with another ruleset.
func (n *Node) Next() <-chan struct{} { return n.next }

func (n *Node) newest() position {
	if len(n.steps) == 0 {
		return n.floor
	}
	return n.steps[len(n.steps)-1].position
}

// After is the step that a client takes next that is in the state of this feed at rev: one that this feed was at, see [Node.Locate]. It is nil when
// there is nothing newer. false: the step is not kept any more, so the client needs a [Full].
func (n *Node) After(rev evaluator.Revision) (*Step, bool) {
	if rev.Compare(n.floor.revision) < 0 {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(n.steps, rev, func(s *Step, rev evaluator.Revision) int {
		if s.revision.Compare(rev) <= 0 {
			return -1
		}
		return 1
	})
	if i == len(n.steps) {
		return nil, true
	}
	return n.steps[i], true
}

// Locate finds where a client may go on that says what it holds: the revision to ask [Node.After] with. The digest decides, because the same revision may
// hold something else on a client that saw another history. Every step from there on is beyond what the client has seen, so it never
// goes back. false: it needs a [Full].
func (n *Node) Locate(rev evaluator.Revision, digest evaluator.Digest) (evaluator.Revision, bool) {
	for i := len(n.steps); i >= 0; i-- {
		at := n.floor
		if i > 0 {
			at = n.steps[i-1].position
		}
		if i < len(n.steps) && n.steps[i].revision.Compare(rev) <= 0 {
			return evaluator.Revision{}, false
		}
		if at.digest == digest {
			return at.revision, true
		}
	}
	return evaluator.Revision{}, false
}
