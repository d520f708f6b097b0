// Package admin holds one exported method for each thing that can be done to a Dimmer installation: authorise, validate, one
// transaction. Edges (REST, CLI, the rollout controller, flags as code) decode a request, call one method, and encode.
//
// It knows no transport and no backend. It never writes a ruleset that the evaluator would not compile.
package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Mirror is what admin needs of a scope's local replica; [store.Mirror] is one. Its methods may be called concurrently.
type Mirror interface {
	// State is the newest state that this process knows; never nil.
	State() *store.State
	// Newest is State, and a channel that is closed as soon as there is a newer one.
	Newest() (state *store.State, newer <-chan struct{})
	// Age is how long ago the store last answered for the scope.
	Age(now time.Time) time.Duration
	// Sync asks the store where the scope stands and waits until State is there.
	Sync(ctx context.Context) (*store.State, error)
}

// Minted is a new token's text, shown once, with what is kept of it.
type Minted struct {
	Text string
	ID   string
	Hash [32]byte
}

// Options are what a Service is made of. Store and Mirrors are required.
type Options struct {
	Store store.Store
	// Mirrors gives the running mirror of a scope, and starts it when there is none yet. It returns an unavailable error
	// while the first load is not done. It is called often and concurrently, and has to be cheap.
	Mirrors func(ctx context.Context, scope string) (Mirror, error)
	Mint    func(kind policy.Kind) (Minted, error) // makes tokens; nil: token verbs fail
	// LastUsed says when tokens were last used, by id, as far as that is known also when there is an error. nil: nobody knows.
	LastUsed func(ctx context.Context) (map[string]time.Time, error)
	Clock    func() time.Time // nil: time.Now
	Random   io.Reader        // nil: crypto/rand
	Logger   *slog.Logger     // nil: discards
	// CommitTimeout bounds one attempt to commit, so that a store that hangs does not hold up the kills behind it. Zero: 5 s.
	CommitTimeout time.Duration
}

// Service does what is asked of it. All methods may be called concurrently.
type Service struct {
	opts Options

	mu     sync.Mutex
	scopes map[string]*scope
}

// New makes a Service. It starts nothing.
func New(opts Options) *Service {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.CommitTimeout == 0 {
		opts.CommitTimeout = 5 * time.Second
	}
	return &Service{opts: opts, scopes: map[string]*scope{}}
}

// Call says who calls, and how. The zero values of all but Principal are good for reads.
type Call struct {
	Principal policy.Principal
	// IfMatch is the version that the change was made from, as text and without quotes; "*" matches any. Replacing, patching and deleting
	// an authored document requires it; other verbs check it when it is given.
	IfMatch string
	Reason  string
	// Idempotency makes the call repeatable for 24 hours. nil: the call gets a key of its own, so that the service itself can repeat it
	// when the store's answer is lost.
	Idempotency *Idempotency
	// DryRun does everything but the commit.
	DryRun bool
}

// Idempotency names a request. Key has to be scoped by the caller (token, method, path); Request is the hash of the request's body: the same key
// with another one is refused as invalid.
type Idempotency struct {
	Key     string
	Request store.Hash
}

// Written tells what became of a change.
type Written struct {
	Revision   int64
	Epoch      int64
	Durability store.Durability
	Version    int64 // of the document that was changed; its new ETag. 0 when there is none (a delete, a kill).
	Replayed   bool  // the answer to an earlier call with the same idempotency key
	Unchanged  bool  // everything was already so; nothing was written, and Revision is the head
}

// Page asks for a part of a list. The zero Page is the first 100 items.
type Page struct {
	Cursor string // Next of the page before
	Limit  int    // 1…1000; 0: 100
}

func (p Page) limit() (int, error) {
	switch {
	case p.Limit == 0:
		return 100, nil
	case p.Limit < 0 || p.Limit > feature.MaxBulk:
		return 0, feature.Invalid("", "limit must lie between 1 and %d", feature.MaxBulk)
	}
	return p.Limit, nil
}

// Paged is one page of a list. Next is empty on the last one.
type Paged[T any] struct {
	Items []T
	Next  string
	Total int // of all pages, where it is cheap to tell; else 0
}

// newID makes an identifier that sorts by time: 10 characters of milliseconds, 16 of randomness, as a ULID.
func (s *Service) newID() (string, error) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var raw [16]byte
	if _, err := io.ReadFull(s.opts.Random, raw[:]); err != nil {
		return "", feature.Internal(err, "no randomness")
	}
	var out [26]byte
	ms := uint64(s.opts.Clock().UnixMilli())
	for i := 9; i >= 0; i-- {
		out[i] = alphabet[ms&31]
		ms >>= 5
	}
	for i, b := range raw {
		out[10+i] = alphabet[b&31]
	}
	return string(out[:]), nil
}

// newSalt makes a salt of 12 characters of [a-z0-9], each equally likely.
func (s *Service) newSalt() (string, error) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, 0, 12)
	for len(out) < 12 {
		var raw [16]byte
		if _, err := io.ReadFull(s.opts.Random, raw[:]); err != nil {
			return "", feature.Internal(err, "no randomness")
		}
		for _, b := range raw {
			if b < 252 && len(out) < 12 { // 252 is the largest multiple of 36 in a byte
				out = append(out, alphabet[b%36])
			}
		}
	}
	return string(out), nil
}

// fromStore gives a store's error its code.
func fromStore(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*feature.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, store.ErrFull):
		return &feature.Error{Code: feature.CodeFull, Msg: "the store is nearly full; only kills, clears and lower exposures are taken", Err: err}
	case errors.Is(err, store.ErrTooLarge):
		return &feature.Error{Code: feature.CodeTooLarge, Msg: "the change is too large to be made at once", Err: err}
	case errors.Is(err, store.ErrCompacted):
		return &feature.Error{Code: feature.CodeNotFound, Msg: "the log does not reach back so far", Err: err}
	case errors.Is(err, store.ErrEmptied):
		return feature.Unavailable(err, "the store lacks data that were known, and is refused until they are back, or an operator says dimmer adopt")
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrEpoch), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return feature.Unavailable(err, "the store does not answer; what became of the change is not known, and it can be repeated with the same Idempotency-Key")
	}
	return feature.Internal(err, "the store failed")
}
