package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// A session is a browser's stand-in for a token: a random text in a cookie, kept in the system scope by its hash alone, so that neither a
// browser nor a copy of the store holds anything that signs in. Every node answers for it from memory, as for tokens; it is good while it is
// in the store, has not expired, and its token is live. A sign-in code is the same for one use: redeeming deletes it in the commit that makes
// the session, so that of two who redeem one code one gets a session.
const (
	collSession = "session"
	collCode    = "signin"
)

const (
	sessionLife = 24 * time.Hour
	// CodeLife is how long a sign-in code waits for its one use.
	CodeLife = 10 * time.Minute
	// maxPerToken bounds a token's sessions, and its codes; the one that ends first makes room.
	maxPerToken = 20
	// maxPruned bounds how many that have expired are deleted by the way, in a commit that is made anyhow.
	maxPruned = 100
	// maxTries bounds how often a commit is tried when others are faster each time.
	maxTries = 20
)

// standIn is what is stored of a session and of a code.
type standIn struct {
	Token   string    `json:"token"` // its id
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Until   time.Time `json:"until,omitzero"` // of a code that a session asked for: when that session ends, and with it what the code is traded for
}

// Session is a new session. Text is for the cookie, and is not kept.
type Session struct {
	Text      string
	Principal policy.Principal // its Expires is the session's
}

var (
	errNoSession = feature.Unauthenticated("the session has ended: sign in again")
	errNoCode    = feature.Unauthenticated("the sign-in link was used already, or is older than 10 minutes")
)

// SignIn makes a session for a token. Errors: unauthenticated, denied for a token that is not for people, unavailable while the store
// is away: a session that other nodes cannot know of is none.
func (s *Service) SignIn(ctx context.Context, text, address string) (Session, error) {
	p, err := s.Authenticate(text, address)
	if err != nil {
		return Session{}, err
	}
	if err := maySignIn(p); err != nil {
		return Session{}, err
	}
	fresh := newText()
	err = s.commit(ctx, p, "session.start", func(d *draft) error {
		return d.add(collSession, fresh, p, s.opts.SessionLife)
	})
	if err != nil {
		return Session{}, err
	}
	p, err = s.Resume(ctx, fresh, address)
	return Session{Text: fresh, Principal: p}, err
}

// Code makes a text that signs in once, for a principal that a token or a session stands behind. What a session's code is traded for ends when that
// session would: else whoever has a session could go on for ever, and its life would be no bound.
func (s *Service) Code(ctx context.Context, p policy.Principal) (string, time.Time, error) {
	if err := maySignIn(p); err != nil {
		return "", time.Time{}, err
	}
	fresh := newText()
	var expires time.Time
	err := s.commit(ctx, p, "session.code", func(d *draft) error {
		expires = d.now.Add(CodeLife)
		return d.add(collCode, fresh, p, CodeLife)
	})
	return fresh, expires, err
}

// Redeem makes a session for a code, which is used up by that.
func (s *Service) Redeem(ctx context.Context, code, address string) (Session, error) {
	if !wellFormed(code) {
		return Session{}, errNoCode
	}
	if _, err := s.sync(ctx); err != nil { // it may have been made by another node a moment ago
		return Session{}, err
	}
	p, _, err := s.standing(collCode, code)
	if err != nil {
		return Session{}, err
	}
	if p == nil {
		return Session{}, errNoCode
	}
	p.Address = address
	fresh := newText()
	err = s.commit(ctx, *p, "session.start", func(d *draft) error {
		if !d.remove(collCode, hashed(code)) {
			return errNoCode
		}
		return d.add(collSession, fresh, *p, s.opts.SessionLife)
	})
	if err != nil {
		return Session{}, err
	}
	who, err := s.Resume(ctx, fresh, address)
	return Session{Text: fresh, Principal: who}, err
}

// Resume finds out whose session it is, from memory. The principal is its token's, and expires with whichever of the two ends first.
// An unknown session is looked for in the store once, since another node may have made it a moment ago, unless ctx says that this was
// asked too often ([FromMemory]). Errors: unauthenticated, unavailable before the first load.
func (s *Service) Resume(ctx context.Context, text, address string) (policy.Principal, error) {
	if !wellFormed(text) {
		return policy.Principal{}, errNoSession
	}
	p, e, err := s.standing(collSession, text)
	if err == nil && p == nil && ctx.Value(memoryKey{}) == nil {
		if _, err := s.sync(ctx); err == nil { // while the store is away, what is not known is not good
			p, e, err = s.standing(collSession, text)
			if err != nil {
				return policy.Principal{}, err
			}
		}
	}
	if err != nil {
		return policy.Principal{}, err
	}
	if p == nil {
		return policy.Principal{}, errNoSession
	}
	e.touch(s.opts.Clock())
	p.Address = address
	return *p, nil
}

type memoryKey struct{}

// FromMemory is a context in which [Service.Resume] does not ask the store.
func FromMemory(ctx context.Context) context.Context {
	return context.WithValue(ctx, memoryKey{}, true)
}

// SignOut ends the principal's session for good, on all nodes as they hear of it. A principal without one has nothing to end.
func (s *Service) SignOut(ctx context.Context, p policy.Principal) error {
	if p.Session == "" {
		return nil
	}
	return s.commit(ctx, p, "session.end", func(d *draft) error {
		d.remove(collSession, p.Session)
		return nil
	})
}

// maySignIn lets in the tokens that people have. An SDK's or a kill token would see an empty screen, and a browser is no place for it.
func maySignIn(p policy.Principal) error {
	if err := policy.Can(p, policy.SignIn, policy.Resource{}); err != nil {
		return feature.Denied("a %s token cannot sign in; the UI takes an admin token of any role", p.Kind)
	}
	return nil
}

// standing is the principal that a session or code stands for; nil: it is not good.
func (s *Service) standing(collection, text string) (*policy.Principal, *entry, error) {
	id := hashed(text)
	in, err := s.standIn(collection, id)
	if err != nil || in == nil {
		return nil, nil, err
	}
	e, err := s.look(in.Token)
	if err != nil || e == nil || !e.token.Live(s.opts.Clock()) {
		return nil, nil, err
	}
	p, ends := e.principal, in.Expires
	if collection == collCode {
		ends = in.Until
	}
	if p.Expires.IsZero() || !ends.IsZero() && ends.Before(p.Expires) {
		p.Expires = ends
	}
	if collection == collSession {
		p.Session = id
	}
	return &p, e, nil
}

// standIn reads a session or code that has not expired; nil: there is none.
func (s *Service) standIn(collection, id string) (*standIn, error) {
	state := s.opts.System()
	if state == nil {
		return nil, feature.Unavailable(nil, "sessions are not loaded yet")
	}
	data, there := state.Get(store.Key{Collection: collection, ID: id})
	if !there {
		return nil, nil //nolint:nilnil // none is an answer
	}
	in, err := feature.Decode[standIn](data)
	if err != nil {
		return nil, err
	}
	if !s.opts.Clock().Before(in.Expires) {
		return nil, nil //nolint:nilnil // as above
	}
	return &in, nil
}

// newText is 256 bits of the system's randomness.
func newText() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails; it ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// wellFormed says whether newText could have made it, so that what strangers send is not even hashed.
func wellFormed(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == 32
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// draft collects the changes of one commit.
type draft struct {
	state   *store.State
	now     time.Time
	changes map[store.Key][]byte // nil: deleted
}

// add puts a stand-in for the principal's token, makes room for it, and drops some of what has expired.
func (d *draft) add(collection, text string, p policy.Principal, life time.Duration) error {
	in := standIn{Token: strings.TrimPrefix(p.ID, "token:"), Created: d.now, Expires: d.now.Add(life)}
	switch {
	case collection == collCode && p.Session != "":
		in.Until = p.Expires
	case collection == collSession && !p.Expires.IsZero() && p.Expires.Before(in.Expires):
		in.Expires = p.Expires
	}
	data, err := feature.Encode(in)
	if err != nil {
		return err
	}
	own, first, pruned := 0, "", 0
	var firstEnds time.Time
	for id, old := range d.state.List(collection) {
		known, err := feature.Decode[standIn](old)
		if err != nil {
			return err
		}
		switch {
		case !d.now.Before(known.Expires):
			if pruned++; pruned <= maxPruned {
				d.remove(collection, id)
			}
		case known.Token == in.Token:
			if own++; first == "" || known.Expires.Before(firstEnds) {
				first, firstEnds = id, known.Expires
			}
		}
	}
	if own >= maxPerToken {
		d.remove(collection, first)
	}
	d.changes[store.Key{Collection: collection, ID: hashed(text)}] = data
	return nil
}

// remove deletes a document, and says whether it was there.
func (d *draft) remove(collection, id string) bool {
	k := store.Key{Collection: collection, ID: id}
	_, there := d.state.Get(k)
	if there {
		d.changes[k] = nil
	}
	return there
}

// commit makes one change of the system scope, again whenever another one came before it, and returns when this process knows of it.
func (s *Service) commit(ctx context.Context, p policy.Principal, verb string, fn func(*draft) error) error {
	for range maxTries {
		state, err := s.sync(ctx)
		if err != nil {
			return err
		}
		d := &draft{state: state, now: s.opts.Clock().UTC().Truncate(time.Second), changes: map[store.Key][]byte{}}
		if err := fn(d); err != nil {
			return err
		}
		err = s.try(ctx, d, p, verb)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return feature.Unavailable(err, "the store does not answer, and without it nobody signs in or out")
		}
		_, err = s.sync(ctx)
		return err
	}
	return feature.Unavailable(store.ErrConflict, "others were faster each time; try again")
}

func (s *Service) try(ctx context.Context, d *draft, p policy.Principal, verb string) error {
	if len(d.changes) == 0 {
		return nil
	}
	changes := make([]store.Change, 0, len(d.changes))
	for k, after := range d.changes {
		before, _ := d.state.Get(k)
		changes = append(changes, store.Change{Key: k, Before: before, After: after})
	}
	meta := store.Meta{At: d.now, Actor: p.ID, Verb: verb, Target: "token/" + strings.TrimPrefix(p.ID, "token:"), Address: p.Address}
	entry, err := store.Seal(d.state.Head(), meta, changes)
	if err != nil {
		return err
	}
	// A session is small and their number is bounded: when the store is nearly full, whoever is to kill can still sign in.
	_, err = s.opts.Store.Commit(ctx, store.Txn{Scope: store.System, Base: d.state.Head(), Entry: entry, Class: store.ClassLowering})
	return err
}

// sync is the system scope as the store has it now.
func (s *Service) sync(ctx context.Context) (*store.State, error) {
	if s.opts.Store == nil || s.opts.Sync == nil {
		return nil, feature.Unavailable(nil, "sessions are not kept here")
	}
	state, err := s.opts.Sync(ctx)
	if err != nil {
		return nil, feature.Unavailable(err, "the store does not answer, and without it nobody signs in or out")
	}
	return state, nil
}
