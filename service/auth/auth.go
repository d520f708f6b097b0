// Package auth tells who is calling: a token's text becomes a policy.Principal. It answers from memory, so that a kill token
// is good while the store is down, and it never keeps, logs or returns a token's text.
//
// It decides nothing about rights; that is package policy's.
package auth

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// collection is where tokens are in the system scope, by id.
const collection = "token"

// Options are what a Service is made of.
type Options struct {
	// System is the newest known state of the system scope; nil until it was loaded for the first time. It is called for every
	// authentication, and has to be cheap.
	System func() *store.State
	Clock  func() time.Time // nil: time.Now
	// Store keeps sessions, and Sync brings System to where the store stands. Without them there are no sessions.
	Store Committer
	Sync  func(context.Context) (*store.State, error)
	// SessionLife is how long a session lasts, if its token does; zero: 24 h. It is not prolonged by use: a shift, and not a vacation.
	SessionLife time.Duration
	// Uses keeps when tokens were used, also after this process; nil: that is known in memory alone.
	Uses   Uses
	Logger *slog.Logger // nil: discards
}

// Committer is what sessions need of a store.
type Committer interface {
	Commit(ctx context.Context, txn store.Txn) (store.Committed, error)
}

// Service authenticates. All methods may be called concurrently.
type Service struct {
	opts Options
	// known holds tokens that were asked for, decoded, by id. An entry is good as long as the state still holds the very bytes that it
	// was decoded from; it goes when the token does, so it never outgrows the state.
	known sync.Map // string → *entry
}

type entry struct {
	text      []byte // the document
	token     feature.Token
	hash      [32]byte
	usable    bool // it has a hash; one without is nobody's
	principal policy.Principal
	used      atomic.Int64 // Unix milliseconds; 0: not since this process knows it
}

// touch notes that the token was used. Only ever forward, and at most once a second: it is one cache line that all requests with the token share.
func (e *entry) touch(now time.Time) {
	if at, last := now.UnixMilli(), e.used.Load(); at-last >= 1000 {
		e.used.CompareAndSwap(last, at)
	}
}

// New makes a Service. It starts nothing; [Service.Run] writes down when tokens are used.
func New(opts Options) *Service {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.SessionLife == 0 {
		opts.SessionLife = sessionLife
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{opts: opts}
}

// errUnknown is the one answer to every token that is well formed and not good: it tells nobody which ids exist.
var errUnknown = feature.Unauthenticated("the token is not known, or not valid any more")

// Authenticate finds out whose token it is. address is the peer's, for the audit. Errors: unauthenticated, with a hint when the text is
// damaged; unavailable before the first load.
func (s *Service) Authenticate(text, address string) (policy.Principal, error) {
	if text == "" {
		return policy.Principal{}, feature.Unauthenticated("a token is required")
	}
	t, err := parse(text)
	if err != nil {
		return policy.Principal{}, feature.Unauthenticated("%v", err)
	}
	e, err := s.look(t.id)
	if err != nil {
		return policy.Principal{}, err
	}
	now := s.opts.Clock()
	if e == nil || !e.usable || subtle.ConstantTimeCompare(e.hash[:], t.hash[:]) != 1 || policy.Kind(e.token.Kind) != t.kind || !e.token.Live(now) {
		return policy.Principal{}, errUnknown
	}
	e.touch(now)
	p := e.principal
	p.Address = address
	return p, nil
}

// Check says whether the token behind a principal, and its session if it came with one, is still good: nil, or unauthenticated. Open streams ask it every two seconds or less, so that a
// revocation reaches them. A principal that no token stands behind (the controller) is always good.
func (s *Service) Check(p policy.Principal) error {
	id, ok := strings.CutPrefix(p.ID, "token:")
	if !ok {
		return nil
	}
	e, err := s.look(id)
	if err != nil {
		return err
	}
	if e == nil || !e.token.Live(s.opts.Clock()) {
		return errUnknown
	}
	if p.Session == "" {
		return nil
	}
	in, err := s.standIn(collSession, p.Session)
	if err == nil && in == nil {
		err = errNoSession
	}
	return err
}

// Used is when each token was last used, as far as this process saw it.
func (s *Service) Used() map[string]time.Time {
	out := map[string]time.Time{}
	s.known.Range(func(id, e any) bool {
		if ms := e.(*entry).used.Load(); ms != 0 {
			out[id.(string)] = time.UnixMilli(ms).UTC()
		}
		return true
	})
	return out
}

// look finds a token in the newest state; nil: there is none.
func (s *Service) look(id string) (*entry, error) {
	state := s.opts.System()
	if state == nil {
		return nil, feature.Unavailable(nil, "tokens are not loaded yet")
	}
	text, there := state.Get(store.Key{Collection: collection, ID: id})
	old, cached := s.known.Load(id)
	switch {
	case !there:
		if cached {
			s.known.Delete(id)
		}
		return nil, nil
	case cached && sameBytes(old.(*entry).text, text):
		return old.(*entry), nil
	}
	token, err := feature.Decode[feature.Token](text)
	if err != nil {
		return nil, err
	}
	e := &entry{text: text, token: token, principal: principal(token)}
	if hash, err := hex.DecodeString(token.SecretHash); err == nil && len(hash) == len(e.hash) {
		e.hash, e.usable = [32]byte(hash), true
	}
	if cached {
		e.used.Store(old.(*entry).used.Load())
	}
	s.known.Store(id, e)
	return e, nil
}

// sameBytes compares documents; states share them, so that most are the same memory.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || bytes.Equal(a, b))
}

func principal(t feature.Token) policy.Principal {
	return policy.Principal{
		ID: "token:" + t.ID, Name: t.Name, Kind: policy.Kind(t.Kind), Project: t.Project, Environment: t.Environment, Role: policy.Role(t.Role), Expires: t.Expires,
	}
}
