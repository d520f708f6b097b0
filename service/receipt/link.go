package receipt

import (
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dimmerhq/dimmer/service/store"
)

// project is one project on this node. mu guards all that it holds and is never held across I/O.
type project struct {
	name    string
	service *Service
	dirty   chan struct{} // something is to be published
	changes atomic.Int64  // grows with every change: a wait looks again only when it has

	mu           sync.Mutex
	environments map[string]*environment
	members      int64 // grows when instances come and go
	dropped      bool

	looking chan struct{} // holds a token while somebody reads or writes others
	others  others
}

type environment struct {
	at, since store.Cursor
	served    bool
	changed   time.Time            // when since changed last
	instances map[string]*instance // connected and lost ones, by id
	left      map[key]time.Time    // said goodbye, and when
}

// instance is one that is expected.
type instance struct {
	Instance
	key      key
	acked    store.Cursor
	link     *Link // nil: lost
	joined   int64 // the count of members when it came
	rostered bool  // the roster names it, or has no room for it
}

// key stands for an instance's id where there are too many to be named. The chance of two among a million being equal is 10^-8.
type key [8]byte

func keyOf(id string) key {
	sum := sha256.Sum256([]byte(id))
	return key(sum[:8])
}

// touch says that there is something to publish. mu is held.
func (p *project) touch() {
	p.changes.Add(1)
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

func (p *project) environment(name string) *environment {
	e := p.environments[name]
	if e == nil {
		e = &environment{instances: map[string]*instance{}, left: map[key]time.Time{}}
		p.environments[name] = e
	}
	return e
}

// effective is what an instance serves: the node's revision when nothing has changed since what it acknowledged.
func (e *environment) effective(i *instance) store.Cursor {
	if e.served && i.acked.Compare(e.since) >= 0 && i.acked.Compare(e.at) < 0 {
		return e.at
	}
	return i.acked
}

// rank orders instances by how urgently they have to be named: lost ones, those that are behind, the rest.
func (e *environment) rank(i *instance) int {
	switch {
	case i.link == nil:
		return 0
	case e.effective(i).Compare(e.at) < 0:
		return 1
	}
	return 2
}

// describe is the instance as it stands now.
func (e *environment) describe(i *instance) Instance {
	out := i.Instance
	out.State = Lost
	if i.link != nil {
		out.LastSeen = i.link.lastSeen()
	}
	out.stand(e.effective(i), e.at, i.link != nil)
	return out
}

// stand says how an instance that acknowledged something stands to what its node serves.
func (i *Instance) stand(acked, at store.Cursor, connected bool) {
	i.Epoch, i.Revision, i.Lag = acked.Epoch, acked.Revision, 0
	if acked.Compare(at) < 0 {
		i.Lag = at.Revision
		if acked.Epoch == at.Epoch {
			i.Lag -= acked.Revision
		}
	}
	switch {
	case !connected:
		i.State = Lost
	case i.Lag != 0 || acked.Compare(at) < 0:
		i.State = Behind
	default:
		i.State = Connected
	}
}

// pending says whether an instance that is connected here has not acknowledged a revision, or the node does not serve it yet.
func (p *project) pending(environment string, at store.Cursor, instances bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.environments[environment]
	if e == nil {
		return false
	}
	if e.served && e.at.Compare(at) < 0 {
		return true
	}
	for _, i := range e.instances {
		if instances && i.link != nil && e.effective(i).Compare(at) < 0 {
			return true
		}
	}
	return false
}

// prune forgets what is too old, or too much.
func (e *environment) prune(now time.Time) {
	var lost []*instance
	for id, i := range e.instances {
		if i.link != nil {
			continue
		}
		if now.Sub(i.LastSeen) > lostFor {
			delete(e.instances, id)
			continue
		}
		lost = append(lost, i)
	}
	if len(lost) > maxRemembered {
		slices.SortFunc(lost, func(a, b *instance) int { return b.LastSeen.Compare(a.LastSeen) })
		for _, i := range lost[maxRemembered:] {
			delete(e.instances, i.ID)
		}
	}
	for k, at := range e.left {
		if now.Sub(at) > lostFor {
			delete(e.left, k)
		}
	}
	for k := range e.left { // in any order: this many is no application
		if len(e.left) <= maxRemembered {
			break
		}
		delete(e.left, k)
	}
}

// Link is one connection of an instance. Its methods may be called concurrently.
type Link struct {
	project     *project
	environment *environment
	instance    *instance
	seen        atomic.Int64 // Unix milliseconds
}

// Ack says that every evaluation that begins from now on in the instance uses this revision. It never goes back.
func (l *Link) Ack(at store.Cursor) {
	l.Seen()
	p := l.project
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.instance.link == l && at.Compare(l.instance.acked) > 0 {
		l.instance.acked = at
		p.touch()
	}
}

// Seen says that the instance gave a sign of life.
func (l *Link) Seen() { l.seen.Store(l.project.service.opts.Clock().UnixMilli()) }

func (l *Link) lastSeen() time.Time { return time.UnixMilli(l.seen.Load()).UTC() }

// Close ends the connection. clean says that the instance said goodbye, so that it is not expected any more. It may be called more than once;
// the first call counts.
func (l *Link) Close(clean bool) {
	p, now := l.project, l.project.service.opts.Clock().UTC()
	p.mu.Lock()
	defer p.mu.Unlock()
	i := l.instance
	if i.link != l {
		return // it has come back since, or was closed
	}
	i.link = nil
	i.LastSeen = now // it was there until now
	if clean {
		delete(l.environment.instances, i.ID)
		l.environment.left[i.key] = now
	}
	p.members++
	p.touch()
}
