package evaluator

import "slices"

// document is one document as compiled. It is immutable and depends on nothing but the document, so it is shared by all snapshots that have
// the document; what follows from other documents is in [node].
type document struct {
	kind   Kind
	key    string
	hash   uint64 // of key
	text   text
	digest Digest

	problems []Problem // with what the document itself holds; a document that has any has no uses
	uses     []use
	nodes    uint32 // conditions in it

	flag    *flag // nil: not a flag, or one that has problems
	head    head  // of a flag
	segment *segment
	kills   string // of a kill: the flag that it kills; empty when it does not
	shard   *fingerprints
}

// text is a document's JSON. Of a list shard only what stands around its fingerprints is kept, because they are the most of it, and the shard
// has them already.
type text struct {
	json   []byte // all of it, or what stands before the fingerprints
	joined bool
	after  []byte
}

func (d *document) json() []byte {
	if !d.text.joined {
		return d.text.json
	}
	fingerprints := d.shard.text()
	return slices.Concat(d.text.json, []byte(fingerprints), d.text.after)
}

func (d *document) document() Document { return Document{Kind: d.kind, Key: d.key, JSON: d.json()} }

// node is a document in a snapshot: the document, and what other documents make of it. It is immutable.
type node struct {
	plain   *Outcome      // of a flag: the answer when no context needs to be looked at
	split   *distribution // of a flag that has nothing but a split by targeting key: a shorter way to the same answer
	flag    *flag         // of a flag without a plain answer
	segment *segment
	sides   [2]*listSide // of a segment, by [segment].lists
	doc     *document
	kills   int // of a flag: how many are in force
	status
}

// status is what a node's references make of it.
type status struct {
	faults []fault // by use
	work   uint32  // of a flag or segment: the most nodes that one evaluation of it visits; more than maxWork: maxWork + 1
}

// fault is a reason for quarantine that lies in another document, or in all that a flag refers to.
type fault struct {
	kind   Kind
	key    string
	reason faultReason
}

type faultReason uint8

const (
	faultMissing     faultReason = iota + 1 // it is not there
	faultCycle                              // it leads back
	faultQuarantined                        // a segment or list that is quarantined
	faultWork                               // kind and key are empty
)

func (n *node) quarantined() bool { return len(n.doc.problems) > 0 || len(n.faults) > 0 }

// newNode puts a document into a snapshot.
func newNode(d *document, s status, kills int, sides [2]*listSide) *node {
	n := &node{doc: d, kills: kills, status: s, sides: sides, segment: d.segment}
	if d.kind != KindFlag {
		return n
	}
	h := &d.head
	switch {
	case !h.sound:
		n.plain = outcomeParse
	case kills > 0:
		n.plain = h.outcome(&h.off, reasonDisabled, causeKilled, "")
	case !h.enabled:
		n.plain = h.outcome(&h.off, reasonDisabled, causeOff, "")
	case n.quarantined():
		n.plain = outcomeParse
	default:
		n.plain = h.plain
	}
	if n.plain == nil {
		n.flag = d.flag
		if x := d.flag.fallback.distribution; x != nil && len(d.flag.prerequisites)+len(d.flag.rules)+len(x.bucketBy) == 0 {
			n.split = x
		}
	}
	return n
}

// listSide is one side's list of a segment.
type listSide struct {
	shards [256]*fingerprints
	bad    int  // shards that cannot be read
	count  int  // shards, the bad ones among them
	wasBad bool // while it is edited: it had bad ones before
}

func (l *listSide) has(hi, lo uint64) bool {
	shard := l.shards[hi>>56]
	return shard != nil && shard.has(mark{hi, lo})
}

// compileDocument compiles one document.
func compileDocument(doc Document) *document {
	c := &document{kind: doc.Kind, key: doc.Key, hash: hashString(doc.Key), digest: documentDigest(doc), text: text{json: doc.JSON}}
	switch doc.Kind {
	case KindFlag:
		k := compileFlag(doc, nil)
		c.head, c.problems, c.uses, c.nodes = k.head, k.problems, k.uses, k.nodes
		if len(k.problems) == 0 {
			c.flag = &k.flag
		}
	case KindSegment:
		k := compileSegment(doc, nil)
		c.problems, c.uses, c.nodes = k.problems, k.uses, k.nodes
		if len(k.problems) == 0 {
			c.segment = &k.segment
		}
	case KindKill:
		c.kills, c.problems = compileKill(doc)
	case KindList:
		compileList(doc, c)
	default:
		c.problems = []Problem{{Kind: doc.Kind, Key: doc.Key, Msg: "is of a kind that this evaluator does not know"}}
	}
	if len(c.problems) > 0 {
		c.uses, c.nodes = nil, 0
	}
	return c
}

// compileKill returns the flag that the kill kills, empty when it is cleared. One that has problems is never cleared.
func compileKill(doc Document) (flag string, problems []Problem) {
	d := newDecoder(doc)
	k := d.decodeKill()
	if k.ClearedAt != "" && len(d.problems) == 0 {
		return "", nil
	}
	return k.Flag, d.problems
}

// sameInterface says that whatever refers to a document cannot tell the difference.
func (d *document) sameInterface(other *document) bool {
	return d.nodes == other.nodes && (len(d.problems) > 0) == (len(other.problems) > 0) &&
		slices.EqualFunc(d.uses, other.uses, func(a, b use) bool { return a == b })
}
