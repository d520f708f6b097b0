package receipt

import (
	"crypto/sha256"
	"encoding/binary"
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
	// announced is closed when this node's first report is stored, or cannot be; closing has it.
	announced chan struct{}
	closing   sync.Once
	changes   atomic.Int64 // grows with every change: a wait looks again only when it has

	mu           sync.Mutex
	environments map[string]*environment
	giveUp       *time.Timer // announces at the latest; from the first environment that is served on
	members      int64       // grows when instances come and go
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
	nameless  map[key]nameless     // lost ones of this node's previous life that its reports had no room to name
}

type nameless struct{ connected, seen time.Time }

// instance is one that is expected.
type instance struct {
	Instance
	key      key
	acked    store.Cursor // when it was lost
	links    []*Link      // its connections, the newest last; none: lost
	joined   int64        // the count of members when it came
	rostered bool         // the roster names it, or has no room for it
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
		e = &environment{instances: map[string]*instance{}, left: map[key]time.Time{}, nameless: map[key]nameless{}}
		p.environments[name] = e
	}
	return e
}

// link is the newest connection; nil: the instance is lost.
func (i *instance) link() *Link {
	if len(i.links) == 0 {
		return nil
	}
	return i.links[len(i.links)-1]
}

// run is one process of an instance, as far as it is known.
type run struct {
	process process
	acked   store.Cursor
}

// process tells the processes of one instance apart; two of them are taken for one with a chance of 2^-31. Zero: not known.
type process uint32

func processOf(text string) process {
	if text == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(text))
	return process(binary.BigEndian.Uint32(sum[:]) | 1)
}

// runs are the connected processes with the highest that each has acknowledged.
func (i *instance) runs() []run {
	var buf [2]run
	out := buf[:0]
	for _, l := range i.links {
		out = addRun(out, run{l.process, l.acked})
	}
	return out
}

func addRun(runs []run, r run) []run {
	for i := range runs {
		if r.process != 0 && runs[i].process == r.process {
			if r.acked.Compare(runs[i].acked) > 0 {
				runs[i].acked = r.acked
			}
			return runs
		}
	}
	return append(runs, r)
}

// lowest is what all of them have acknowledged.
func lowest(runs []run) store.Cursor {
	out := runs[0].acked
	for _, r := range runs[1:] {
		if r.acked.Compare(out) < 0 {
			out = r.acked
		}
	}
	return out
}

// effective is what an instance serves, all its processes.
func (e *environment) effective(i *instance) store.Cursor {
	switch len(i.links) {
	case 0:
		return e.serves(i.acked)
	case 1:
		return e.serves(i.links[0].acked)
	}
	return e.serves(lowest(i.runs()))
}

// serves is what a process serves that has acknowledged a revision: the node's revision when nothing has changed since.
func (e *environment) serves(acked store.Cursor) store.Cursor {
	if e.served && acked.Compare(e.since) >= 0 && acked.Compare(e.at) < 0 {
		return e.at
	}
	return acked
}

// rank orders instances by how urgently they have to be named: lost ones, those that are behind, the rest.
func (e *environment) rank(i *instance) int {
	switch {
	case len(i.links) == 0:
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
	if l := i.link(); l != nil {
		out.LastSeen = l.lastSeen()
	}
	out.stand(e.effective(i), e.at, len(i.links) > 0)
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
		if instances && len(i.links) > 0 && e.effective(i).Compare(at) < 0 {
			return true
		}
	}
	return false
}

// prune forgets what is too old, or too much.
func (e *environment) prune(now time.Time) {
	var lost []*instance
	for id, i := range e.instances {
		if len(i.links) > 0 {
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
	forget(e.left, func(at time.Time) bool { return now.Sub(at) > lostFor })
	forget(e.nameless, func(n nameless) bool { return now.Sub(n.seen) > lostFor })
}

// forget forgets what is too old, and then any: more than [maxRemembered] is no application.
func forget[V any](m map[key]V, old func(V) bool) {
	for k, v := range m {
		if old(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) <= maxRemembered {
			break
		}
		delete(m, k)
	}
}

// Link is one connection of an instance. Its methods may be called concurrently.
type Link struct {
	project     *project
	environment *environment
	instance    *instance
	process     process
	acked       store.Cursor // project.mu guards it
	seen        atomic.Int64 // Unix milliseconds
}

// Ack says that every evaluation that begins from now on in the process uses this revision. It never goes back.
func (l *Link) Ack(at store.Cursor) {
	l.Seen()
	p := l.project
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Compare(l.acked) > 0 {
		l.acked = at
		p.touch()
	}
}

// Seen says that the instance gave a sign of life.
func (l *Link) Seen() { l.seen.Store(l.project.service.opts.Clock().UnixMilli()) }

func (l *Link) lastSeen() time.Time { return time.UnixMilli(l.seen.Load()).UTC() }

// Close ends the connection. clean says that the process said goodbye: unless the instance has another connection it is not expected any more. It may be
// called more than once; the first call counts.
func (l *Link) Close(clean bool) {
	p, now := l.project, l.project.service.opts.Clock().UTC()
	p.mu.Lock()
	defer p.mu.Unlock()
	i := l.instance
	at := slices.Index(i.links, l)
	if at < 0 {
		return // it was closed
	}
	i.links = slices.Delete(i.links, at, at+1)
	if len(i.links) == 0 {
		i.acked, i.LastSeen = l.acked, now // it was there until now
		if clean {
			delete(l.environment.instances, i.ID)
			l.environment.left[i.key] = now
		}
	}
	p.members++
	p.touch()
}
