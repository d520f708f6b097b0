package dimmer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// limits bound what a ruleset may hold, in bytes and documents. A node never sends more; a client that gets more keeps what it has.
type limits struct {
	count       int64 // of documents, each of which costs some 1 KiB however small it is; and of changes in a step, deletions included
	name        int64 // kind and key of a document
	document    int64 // one document but list shards
	shard       int64 // one list shard
	environment int64 // all documents but list shards
	list        int64 // all shards of one list
}

var defaultLimits = limits{count: 1 << 19, name: 1 << 10, document: 256 << 10, shard: 1 << 20, environment: 128 << 20, list: 64 << 20}

var errOverLimit = errors.New("the ruleset is over a limit")

// step collects what a node sends up to a Commit, and then makes the next snapshot of it, or says why it cannot.
//
// Sizes are kept as upper bounds: a put adds to them, a delete or a replacement takes nothing off. Only when a bound passes its limit are
// the true sizes counted, so a step costs in its own size.
type step struct {
	limits  limits
	full    bool // what is collected replaces everything
	changes []evaluator.Document

	base  sizes // of the snapshot that is held
	grown sizes // by changes
}

type sizes struct {
	count     int64
	documents int64
	lists     map[string]int64 // by "segment:side"
}

func (z *sizes) add(doc evaluator.Document) {
	z.count++
	if doc.Kind != evaluator.KindList {
		z.documents += int64(len(doc.JSON))
		return
	}
	if z.lists == nil {
		z.lists = map[string]int64{}
	}
	z.lists[listOf(doc.Key)] += int64(len(doc.JSON))
}

// listOf is the list that a shard, "segment:side:0a", belongs to.
func listOf(shard string) string {
	if i := strings.LastIndexByte(shard, ':'); i >= 0 {
		return shard[:i]
	}
	return shard
}

func sizesOf(s *evaluator.Snapshot) (z sizes) {
	for doc := range s.Documents() {
		z.add(doc)
	}
	return z
}

// begin forgets what was collected.
func (st *step) begin(full bool) {
	st.full, st.changes, st.grown = full, nil, sizes{}
}

// add collects a part of a step. The error wraps errOverLimit.
func (st *step) add(changes []*dimmerv1.Change) error {
	for _, c := range changes {
		doc := evaluator.Document{Kind: evaluator.Kind(c.GetKind()), Key: c.GetKey()}
		if !c.GetDeleted() {
			doc.JSON = c.GetJson()
			if doc.JSON == nil {
				doc.JSON = []byte{} // an empty document is damaged, not deleted
			}
		}
		limit := st.limits.document
		if doc.Kind == evaluator.KindList {
			limit = st.limits.shard
		}
		if n := int64(len(doc.JSON)); n > limit {
			return fmt.Errorf("%w: %s %q has %d bytes; at most %d", errOverLimit, doc.Kind, doc.Key, n, limit)
		}
		if n := int64(len(doc.Kind) + len(doc.Key)); n > st.limits.name {
			return fmt.Errorf("%w: kind and key of a document have %d bytes; at most %d", errOverLimit, n, st.limits.name)
		}
		st.grown.add(doc)
		if st.grown.count > st.limits.count {
			return fmt.Errorf("%w: a step has more than %d changes", errOverLimit, st.limits.count)
		}
		// Whatever is replaced at the Commit, this much has to be held until then.
		if st.grown.documents > st.limits.environment {
			return fmt.Errorf("%w: a step has more than %d bytes", errOverLimit, st.limits.environment)
		}
		if list := listOf(doc.Key); st.grown.lists[list] > st.limits.list {
			return fmt.Errorf("%w: list %s has more than %d bytes", errOverLimit, list, st.limits.list)
		}
		st.changes = append(st.changes, doc)
	}
	return nil
}

// errMismatch is answered with a Nack: the node then sends everything.
var errMismatch = errors.New("the step does not add up")

// commit makes the snapshot after the step; held is the one before it. Nothing has changed when it returns an error, which wraps errMismatch or
// errOverLimit.
func (st *step) commit(held *evaluator.Snapshot, c *dimmerv1.Commit) (*evaluator.Snapshot, []evaluator.Problem, error) {
	rev := revisionOf(c.GetRevision())
	if n := int64(len(st.changes)); n != c.GetCount() {
		return nil, nil, fmt.Errorf("%w: %d changes of %d arrived for %s", errMismatch, n, c.GetCount(), rev)
	}
	base, bound := held, st.base
	if st.full {
		base, bound = nil, sizes{}
	}
	next, problems := base.With(rev, st.changes)
	if digest := next.Digest(); string(digest[:]) != string(c.GetDigest()) {
		return nil, nil, fmt.Errorf("%w: the digest at %s is %s instead of %x", errMismatch, rev, digest, c.GetDigest())
	}
	bound = bound.plus(st.grown)
	if bound.over(st.limits) != nil {
		bound = sizesOf(next)
		if err := bound.over(st.limits); err != nil {
			return nil, nil, err
		}
	}
	st.base = bound
	return next, problems, nil
}

func (z sizes) plus(other sizes) sizes {
	sum := sizes{count: z.count + other.count, documents: z.documents + other.documents}
	if len(z.lists) == 0 {
		sum.lists = other.lists
		return sum
	}
	sum.lists = z.lists // owned by the step: nobody else reads it
	for list, n := range other.lists {
		sum.lists[list] += n
	}
	return sum
}

func (z sizes) over(l limits) error {
	if z.count > l.count {
		return fmt.Errorf("%w: the environment has %d documents; at most %d", errOverLimit, z.count, l.count)
	}
	if z.documents > l.environment {
		return fmt.Errorf("%w: the environment has %d bytes; at most %d", errOverLimit, z.documents, l.environment)
	}
	for list, n := range z.lists {
		if n > l.list {
			return fmt.Errorf("%w: list %s has %d bytes; at most %d", errOverLimit, list, n, l.list)
		}
	}
	return nil
}

func revisionOf(r *dimmerv1.Revision) Revision {
	return Revision{Epoch: r.GetEpoch(), Number: r.GetNumber()}
}

func revisionTo(r Revision) *dimmerv1.Revision {
	return &dimmerv1.Revision{Epoch: r.Epoch, Number: r.Number}
}
