// Package store is the contract between Dimmer and the place where its data lives.
//
// A store holds scopes. A scope is a set of documents and the log of commits that made them: the documents at
// revision r are the fold of commits 1…r, and the log is a hash chain. There is one scope for each project and one,
// [System], for projects and tokens. Documents are opaque bytes here; what they mean is the business of package
// feature (authored documents) and package evaluator (ruleset documents).
//
// The package holds the contract, the pure reference model [State] that every backend is tested against, and
// [Mirror], the local replica that the rest of a process reads from. It must not know any backend.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// System is the scope of everything above projects.
const System = "_system"

// Key names a document within a scope. A collection is a path such as "flag" or "targeting/production"; an id is any
// non-empty string without NUL. Order is by collection, then id, bytewise.
type Key struct {
	Collection string `json:"c"`
	ID         string `json:"i"`
}

// RulesetCollection is the collection of an environment's ruleset documents. Nodes read these and nothing else.
func RulesetCollection(environment string) string { return "ruleset/" + environment }

// RulesetKey is the key of one ruleset document; kind is the evaluator's (flag, segment, kill, list).
func RulesetKey(environment, kind, key string) Key {
	return Key{Collection: RulesetCollection(environment), ID: kind + "/" + key}
}

// Hash is a SHA-256 sum. It travels as lower-case hex.
type Hash [32]byte

// Head is where a scope stands. The zero Head is that of a scope without a commit.
type Head struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"`
	Hash     Hash  `json:"hash"`
}

// Cursor is a position in a scope's history: the entry last seen. It is ordered by epoch, then revision, and means
// nothing in another scope or store.
type Cursor struct {
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"`
}

// Change puts or deletes one document. Before is what the document was at the transaction's base (nil: it did not
// exist), so that the log can be read backwards; After is what it becomes (nil: it is deleted).
type Change struct {
	Key    Key    `json:"k"`
	Before []byte `json:"b,omitempty"`
	After  []byte `json:"a,omitempty"`
}

// Meta says who did what, and why. It is part of the hashed entry.
type Meta struct {
	At      time.Time `json:"at"`     // UTC, truncated to milliseconds by Seal
	Actor   string    `json:"actor"`  // "token:01J…", "user:…", "controller", "node:…"
	Verb    string    `json:"verb"`   // "flag.create", "targeting.ramp", "kill", …
	Target  string    `json:"target"` // "flag/new-checkout", "flag/new-checkout@production"
	Reason  string    `json:"reason,omitempty"`
	Address string    `json:"address,omitempty"` // the peer's address, for the audit
}

// Entry is one commit as the log keeps it. Hash = SHA-256(Prev ‖ canonical encoding of all other fields).
type Entry struct {
	Epoch    int64    `json:"epoch"`
	Revision int64    `json:"revision"`
	Meta     Meta     `json:"meta"`
	Changes  []Change `json:"changes"` // sorted by key, one per key, never empty
	Prev     Hash     `json:"prev"`
	Hash     Hash     `json:"hash"`
}

// Cursor is the position of the entry.
func (e Entry) Cursor() Cursor { return Cursor{Epoch: e.Epoch, Revision: e.Revision} }

// Class decides what still commits when the store is nearly full (from 90 % of its memory): only ClassLowering and ClassKill.
// Kills also go before everything else that waits in a process's commit queue.
type Class uint8

// The classes, least urgent first.
const (
	ClassNormal   Class = iota
	ClassLowering       // lowers exposure, clears, deletes
	ClassKill
)

// Idempotency makes a commit repeatable. Key is scoped by the caller (token, method, path); it is kept for 24 hours.
type Idempotency struct {
	Key     string
	Request Hash   // of the request's body
	Answer  []byte // what a repetition is answered; opaque, at most 256 KiB
}

// Record is what the store remembers of an idempotent commit.
type Record struct {
	Request  Hash
	Answer   []byte
	Revision int64
}

// Txn is a commit that is to be: it succeeds only while the scope's head is still Base. The caller validated against the state at
// Base, and Seal computed the entry with its hash from it, so that a store compares and writes, and computes nothing.
type Txn struct {
	Scope       string
	Base        Head
	Entry       Entry // from Seal
	Class       Class
	Idempotency *Idempotency
}

// Durability says what an acknowledged commit would survive.
type Durability string

// Confirmed survives the loss of one node or of the primary; Unconfirmed is stored, but may be lost with the primary, and the caller says so.
const (
	Confirmed   Durability = "confirmed"
	Unconfirmed Durability = "unconfirmed"
)

// Committed is the answer to a commit.
type Committed struct {
	Head       Head
	Durability Durability
}

// Errors of a store. All others wrap ErrUnavailable or are defects.
var (
	// ErrConflict: the head is not Base any more; nothing was written. Read (or wait for the mirror), validate again, retry.
	ErrConflict = errors.New("store: head moved")
	// ErrDuplicate: the idempotency key is taken; nothing was written. Look it up with Recorded and answer from the record.
	ErrDuplicate = errors.New("store: idempotency key already used")
	// ErrCompacted: the log does not reach back to the cursor. Take a full Read.
	ErrCompacted = errors.New("store: cursor is before the log's checkpoint")
	// ErrEpoch: the cursor is of another epoch, or beyond the head. Take a full Read.
	ErrEpoch = errors.New("store: cursor is of another epoch")
	// ErrEmptied: there was data, and now there is none, or that of another store. Refused until an operator says adopt. Keep serving what is known.
	ErrEmptied = errors.New("store: it lacks data that were known, and is refused until they are back or an operator says adopt")
	// ErrFull: nearly out of memory; only lowering and kills commit.
	ErrFull = errors.New("store: nearly full; only changes that lower exposure are accepted")
	// ErrTooLarge: the transaction is above what a store takes at once (32 MiB).
	ErrTooLarge = errors.New("store: transaction too large")
	// ErrMissing: Export found no commit in the scope.
	ErrMissing = errors.New("store: there is no such scope")
	// ErrExists: Import found the scope taken.
	ErrExists = errors.New("store: scope exists")
	// ErrLocked: another process has the local store's directory open.
	ErrLocked = errors.New("store: the directory is open in another process")
	// ErrUnavailable: the store does not answer, or a commit's fate is unknown (a timeout). Retry with the same idempotency key.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")
)

// Store is implemented by localstore and redisstore, and by nothing else: it is the one interface that its provider's side declares.
// All methods may be called concurrently; all end soon after their context, with an error that wraps the context's.
type Store interface {
	// Scopes lists the scopes that have a commit, sorted.
	Scopes(ctx context.Context) ([]string, error)
	// Head is cheap. A scope without a commit has the zero head; one that was dropped has kept nothing but an epoch, above all that it had.
	Head(ctx context.Context, scope string) (Head, error)
	// Read returns all documents and the head they belong to, in one consistent cut.
	Read(ctx context.Context, scope string) (*State, error)
	// Commit appends the entry and applies its changes, atomically and durably, or does nothing. Errors: ErrConflict,
	// ErrDuplicate, ErrFull, ErrTooLarge, ErrEmptied, ErrUnavailable (fate unknown).
	Commit(ctx context.Context, txn Txn) (Committed, error)
	// Recorded looks up an idempotency key.
	Recorded(ctx context.Context, scope, key string) (Record, bool, error)
	// Watch yields every entry after the cursor, in order, without a gap, as it is committed by anyone, for ever. It ends after
	// yielding one error: ErrCompacted or ErrEpoch (take a full read), ErrUnavailable (try again from the last entry), or the context's. The zero
	// cursor is the beginning, in whatever epoch; any other has to be of the head's ([WatchFrom]), also while the watch goes on.
	Watch(ctx context.Context, scope string, after Cursor) iter.Seq2[Entry, error]
	// Log returns up to limit entries with a revision below before (0: from the newest), newest first. It returns fewer, and at least one, once they
	// have [LogBytes]: entries differ a thousandfold in size, so that a number alone bounds no memory. There are no more only when it returns none.
	// ErrCompacted when there were some and none of them is kept any more.
	Log(ctx context.Context, scope string, before int64, limit int) ([]Entry, error)
	// Reconcile tells the store what this process knows of the scope at its start (the zero head: nothing) and after a reconnect, and gets the
	// head that now holds. When the store was restored or failed over to something that is not a continuation of known, its epoch is raised
	// first, so that nobody takes a rewritten history for the old one ([Reconciled]).
	Reconcile(ctx context.Context, scope string, known Head) (Head, error)
	// Compact drops log entries beyond the retention, behind a checkpoint. Entries older than both bounds go; it never drops the newest.
	Compact(ctx context.Context, scope string, keep Retention) error

	// PutPresence writes a value that expires by itself; it makes no revision. Presence reads all live values of a scope.
	PutPresence(ctx context.Context, scope, id string, value []byte, expiry time.Duration) error
	Presence(ctx context.Context, scope string) (map[string][]byte, error)
	DeletePresence(ctx context.Context, scope, id string) error

	// Export writes a scope (checkpoint, log since then) as a stream; Import reads one into a scope that does not exist (else ErrExists), revisions
	// and hashes kept; raise adds one to the epoch, as restoring a backup must. The stream is that of [WriteScope]; one that is broken
	// (ErrStream) imports nothing. The scope may have another name than it had. Import, Drop and Adopt wait as a commit does; what is unconfirmed then is said
	// in the log and by Check.
	Export(ctx context.Context, scope string, w io.Writer) error
	Import(ctx context.Context, scope string, r io.Reader, raise bool) error
	// Drop deletes a scope with its log, idempotency keys and presence. Its head becomes Head.Dropped.
	Drop(ctx context.Context, scope string) error
	// Adopt accepts what the store holds now, where there was something else. It has nothing to do where nothing is missing.
	Adopt(ctx context.Context) error
	// Check reports whether the store can serve, and what an operator should know (no append-only file, few replicas, memory).
	Check(ctx context.Context) (Report, error)
	Close() error
}

// LogBytes is after how many bytes of entries, about, [Store.Log] stops; the entry that passes it is the last.
const LogBytes = 8 << 20

// Retention bounds the log: entries older than Age, beyond the newest Entries, are dropped behind a checkpoint.
type Retention struct {
	Age     time.Duration
	Entries int
}

// DefaultRetention is 90 days or 100,000 entries.
var DefaultRetention = Retention{Age: 90 * 24 * time.Hour, Entries: 100_000}

// Report is a store's state of health.
type Report struct {
	Backend  string   `json:"backend"` // "local", "redis", "redis+sentinel", "redis+cluster"
	Replicas int      `json:"replicas"`
	Used     float64  `json:"used"` // share of memory or quota, 0 when unlimited
	Warnings []string `json:"warnings,omitempty"`
}
