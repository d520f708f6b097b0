package compile

import (
	"fmt"
	"iter"
	"strings"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// Ruleset is one environment's ruleset, compiled. It is immutable; a change makes another one at the cost of the change. The nil Ruleset is empty.
type Ruleset struct {
	snapshot *evaluator.Snapshot
	bytes    int64 // of all documents but list shards
}

// Change puts or deletes one document of a ruleset.
type Change struct {
	Kind   evaluator.Kind
	Key    string
	Before []byte // nil: it did not exist
	After  []byte // nil: it is deleted
}

// DocumentID is the id under which a ruleset document is stored; ParseID takes it apart.
func DocumentID(kind evaluator.Kind, key string) string { return string(kind) + "/" + key }

// ParseID is the inverse of [DocumentID].
func ParseID(id string) (evaluator.Kind, string) {
	kind, key, _ := strings.Cut(id, "/")
	return evaluator.Kind(kind), key
}

// Open compiles all documents of an environment, given as stored: id and JSON. What does not compile is quarantined, as it is where it is
// served: stored rulesets were compiled before they were stored, so this happens only when the evaluator has become stricter since.
func Open(revision evaluator.Revision, documents iter.Seq2[string, []byte]) *Ruleset {
	r := &Ruleset{}
	var docs []evaluator.Document
	for id, data := range documents {
		kind, key := ParseID(id)
		docs = append(docs, evaluator.Document{Kind: kind, Key: key, JSON: data})
		r.count(kind, data, +1)
	}
	r.snapshot, _ = evaluator.New(revision, docs)
	return r
}

func (r *Ruleset) count(kind evaluator.Kind, data []byte, sign int64) {
	if kind != evaluator.KindList {
		r.bytes += sign * int64(len(data))
	}
}

// Snapshot is what the evaluator made of the ruleset.
func (r *Ruleset) Snapshot() *evaluator.Snapshot {
	if r == nil {
		return nil
	}
	return r.snapshot
}

// Bytes is the size of the ruleset's documents, list shards not counted.
func (r *Ruleset) Bytes() int64 {
	if r == nil {
		return 0
	}
	return r.bytes
}

// With is the ruleset after the changes, and what the evaluator finds wrong with it: with the changed documents, and with those that depend on
// them. A ruleset with problems is complete but must not be stored.
func (r *Ruleset) With(revision evaluator.Revision, changes []Change) (*Ruleset, []evaluator.Problem) {
	next := &Ruleset{bytes: r.Bytes()}
	docs := make([]evaluator.Document, len(changes))
	for i, c := range changes {
		docs[i] = evaluator.Document{Kind: c.Kind, Key: c.Key, JSON: c.After}
		next.count(c.Kind, c.Before, -1)
		next.count(c.Kind, c.After, +1)
	}
	var problems []evaluator.Problem
	next.snapshot, problems = r.Snapshot().With(revision, docs)
	return next, problems
}

// CheckSize refuses a ruleset that grew beyond what consumers take.
func (r *Ruleset) CheckSize(before *Ruleset, environment string) error {
	if r.Bytes() > feature.MaxEnvironment && r.Bytes() > before.Bytes() {
		return &feature.Error{Code: feature.CodeTooLarge, Msg: fmt.Sprintf(
			"the ruleset of %s would have %d bytes; at most %d", environment, r.Bytes(), feature.MaxEnvironment)}
	}
	return nil
}
