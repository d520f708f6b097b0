package evaluator

import (
	"cmp"
	"fmt"
	"iter"
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
	panic("not written yet")
}

// Problems are all that the snapshot has, sorted by kind and key.
func (s *Snapshot) Problems() []Problem { panic("not written yet") }

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
func (s *Snapshot) Documents() iter.Seq[Document] { panic("not written yet") }

// Len is the number of documents.
func (s *Snapshot) Len() int { panic("not written yet") }

// FlagInfo is what lists of flags need to know.
type FlagInfo struct {
	Type          string // empty when the document cannot be read
	Version       int64
	ClientVisible bool
	Killed        bool
	Quarantined   bool
}

// Flags are all flags, sorted by key.
func (s *Snapshot) Flags() iter.Seq2[string, FlagInfo] { panic("not written yet") }

// Dependents are the flags whose answers can change when this document does, itself included when it is a flag, sorted.
// References are followed: flag → segment → list, flag → flag, flag → segment → flag.
func (s *Snapshot) Dependents(kind Kind, key string) []string { panic("not written yet") }
