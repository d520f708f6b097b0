package admin

import (
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// A write that finds everything as it should be has still two things to see to. Its idempotency key has to be kept, or a late repetition would
// act, and undo what was changed in between. And what it found has to be as durable as the answer says: it may be the work of a commit that nobody
// has confirmed. Both take a commit, so there is one whose only change is a note. A call with a key of the client's always makes it; one without makes it when
// this process does not know how durable the newest change is, which is once at most for each change.

// noteKey is where the note is. It is no document of anybody's: nothing reads it but this file, and logs do not show it.
var noteKey = store.Key{Collection: "unchanged", ID: "last"}

// note is what is left by a write that changed nothing.
type note struct {
	Revision int64  `json:"revision"` // its own; where the head has another, something was changed since
	Since    int64  `json:"since"`    // the newest revision that changed anything else
	Target   string `json:"target"`   // what the write was about, as in the log
}

// place is that which the write was about, as far as its target names one.
func (n note) place() (p place) {
	what, environment, _ := strings.Cut(n.Target, "@")
	if kind, key, _ := strings.Cut(what, "/"); kind == collFlag {
		p.flag = key
	}
	p.environment = environment
	return p
}

// askAgain is how long an unconfirmed answer is taken for the truth: after that the replicas may have come back.
const askAgain = time.Minute

// noteFor is the change that a write commits which changes nothing.
func noteFor(state *store.State, target string) (store.Change, error) {
	before, _ := state.Get(noteKey)
	after, err := feature.Encode(note{Revision: state.Head().Revision + 1, Since: lastChange(state), Target: target})
	return store.Change{Key: noteKey, Before: before, After: after}, err
}

// lastChange is the newest revision of a state that was more than a note.
func lastChange(state *store.State) int64 {
	head := state.Head().Revision
	data, there := state.Get(noteKey)
	if !there {
		return head
	}
	n, err := feature.Decode[note](data)
	if err != nil || n.Revision != head {
		return head
	}
	return n.Since
}

// unchanged gives a draft that changes nothing the note to commit; done: there is no need of one, and w is the answer.
func (a *attempt) unchanged(state *store.State, m *made) (w Written, done bool, err error) {
	if a.own {
		if durability, known := a.scope.vouch(state, a.s.opts.Clock()); known {
			head := state.Head()
			return Written{Revision: head.Revision, Epoch: head.Epoch, Durability: durability, Version: m.draft.version, Unchanged: true}, true, nil
		}
	}
	c, err := noteFor(state, a.change.target)
	m.changes, m.unchanged = []store.Change{c}, true
	return Written{}, false, err
}

// vouching is what a process knows of the durability of a scope's commits. A commit that is confirmed vouches for all before it in its epoch: replicas
// take them in order.
type vouching struct {
	confirmed store.Cursor // the newest commit that was
	asked     store.Cursor // the newest commit that was not
	at        time.Time    // when
}

// acknowledged takes note of a commit's durability.
func (sc *scope) acknowledged(c store.Committed, now time.Time) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	switch at := c.Head.Cursor(); {
	case c.Durability != store.Confirmed:
		sc.vouching.asked, sc.vouching.at = at, now
	case at.Compare(sc.vouching.confirmed) > 0:
		sc.vouching.confirmed = at
	}
}

// vouch says how durable all of a state's changes are; false: it is not known here.
func (sc *scope) vouch(state *store.State, now time.Time) (store.Durability, bool) {
	return sc.vouchFor(store.Cursor{Epoch: state.Head().Epoch, Revision: lastChange(state)}, now)
}

func (sc *scope) vouchFor(at store.Cursor, now time.Time) (store.Durability, bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	v := &sc.vouching
	switch {
	case v.confirmed.Epoch == at.Epoch && v.confirmed.Revision >= at.Revision:
		return store.Confirmed, true
	case v.asked.Epoch == at.Epoch && v.asked.Revision >= at.Revision && now.Sub(v.at) < askAgain:
		return store.Unconfirmed, true
	}
	return store.Unconfirmed, false
}
