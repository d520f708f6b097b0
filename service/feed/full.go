package feed

import (
	"sync"

	"github.com/dimmerhq/dimmer/evaluator"
)

// MaxMessage is up to where messages of changes are filled, in bytes of documents: at most 1 MiB with their framing. A single document that is
// larger goes alone.
const MaxMessage = 1<<20 - 4<<10

// framing is what a change takes beyond its kind, key and JSON, at most.
const framing = 32

// Full is a whole ruleset, encoded.
type Full struct {
	position
	messages [][]byte
	bytes    int
}

// Revision is the one that a client is at after taking it.
func (f *Full) Revision() evaluator.Revision { return f.revision }

// Digest is that of the ruleset.
func (f *Full) Digest() evaluator.Digest { return f.digest }

// Messages are the documents, encoded, in the order in which they have to be sent; the last one has the end. They are shared and must not be changed.
func (f *Full) Messages() [][]byte { return f.messages }

// fullSlot encodes a node's ruleset at most once, when the first stream asks.
type fullSlot struct {
	at   evaluator.Revision
	once sync.Once
	node *Node // nil once encoded
	full *Full
}

func (s *fullSlot) get() *Full {
	s.once.Do(func() {
		n := s.node
		docs := make([]evaluator.Document, 0, n.snapshot.Len())
		for d := range n.snapshot.Documents() {
			docs = append(docs, d)
		}
		f := &Full{position: position{n.Revision(), n.Digest()}}
		f.messages = encode(n.feed.encoder, docs, f.position)
		for _, m := range f.messages {
			f.bytes += len(m)
		}
		s.full, s.node = f, nil
	})
	return s.full
}

// Full is the node's ruleset for a client that is at rev, which must not be beyond the node. It is encoded when the first stream asks, then shared
// until the next change, so that a thousand streams that connect at once cost one encoding.
func (n *Node) Full(rev evaluator.Revision) *Full {
	for {
		slot := n.feed.full.Load()
		if slot != nil && slot.at.Compare(rev) >= 0 && n.holds(slot) {
			return slot.get()
		}
		fresh := &fullSlot{node: n, at: n.Revision()}
		if n.feed.full.CompareAndSwap(slot, fresh) {
			return fresh.get()
		}
	}
}

// holds says whether the slot's ruleset is this node's. An older one would do as well in the end, since the steps from there on follow it; but until
// they have come, a process that starts would serve what was before the last kill.
func (n *Node) holds(slot *fullSlot) bool {
	return slot.at.Compare(n.Since()) >= 0
}

// ForgetFull makes the next stream that needs a full have it encoded anew: somebody found it damaged. Of one ruleset that is believed a few times, since it
// costs as much as the ruleset is large.
func (f *Feed) ForgetFull() {
	f.doubts.Lock()
	defer f.doubts.Unlock()
	if since := f.Current().Since(); since != f.doubted {
		f.doubted, f.doubtful = since, 0
	}
	if f.doubtful++; f.doubtful <= maxDoubts {
		f.full.Store(nil)
	}
}

const maxDoubts = 3

// dropOldFull gives up an encoding that is too old to be sent, so that it is not kept for nothing.
func (f *Feed) dropOldFull() {
	if slot := f.full.Load(); slot != nil && !f.Current().holds(slot) {
		f.full.CompareAndSwap(slot, nil)
	}
}

// encode makes the messages of a step: documents in parts, the last with the end.
func encode(e Encoder, docs []evaluator.Document, to position) [][]byte {
	if e == nil {
		return nil
	}
	var out [][]byte
	start, size := 0, 0
	for i, d := range docs {
		n := len(d.Kind) + len(d.Key) + len(d.JSON) + framing
		if i > start && size+n > MaxMessage {
			out = append(out, e.Changes(docs[start:i], nil))
			start, size = i, 0
		}
		size += n
	}
	return append(out, e.Changes(docs[start:], &End{to.revision, len(docs), to.digest}))
}
