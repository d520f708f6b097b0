package dimmer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Change says which flags may answer otherwise than before.
type Change struct {
	Revision Revision
	Flags    []string // sorted, each once
}

// OnChange calls f after the ruleset changed, with the flags whose answers may have: those that were edited, killed or cleared, and those
// that depend on them through segments and prerequisites. The new ruleset is in place by then. Calls come one after the other; f
// may take its time, and changes that arrive meanwhile come as one. The function that it returns ends that; a call that has begun may
// still be running.
func (c *Client) OnChange(f func(Change)) (unsubscribe func()) {
	if c == nil || f == nil {
		return func() {}
	}
	return c.notifier.onChange.add(f)
}

// subscribers is a set of callbacks, read without a lock.
type subscribers[T any] struct {
	lock sync.Mutex // of writers
	list atomic.Pointer[[]*func(T)]
}

func (s *subscribers[T]) add(f func(T)) (remove func()) {
	entry := &f
	s.change(func(list []*func(T)) []*func(T) { return append(list, entry) })
	return func() {
		s.change(func(list []*func(T)) []*func(T) {
			return slices.DeleteFunc(list, func(other *func(T)) bool { return other == entry })
		})
	}
}

func (s *subscribers[T]) change(edit func([]*func(T)) []*func(T)) {
	s.lock.Lock()
	defer s.lock.Unlock()
	list := edit(slices.Clone(s.all()))
	s.list.Store(&list)
}

func (s *subscribers[T]) all() []*func(T) {
	if list := s.list.Load(); list != nil {
		return *list
	}
	return nil
}

// notifier runs the callbacks on a goroutine of its own, so that none of them can hold up the stream. What is not delivered yet is
// merged with what comes, so a slow callback costs no memory.
type notifier struct {
	onChange subscribers[Change]
	onStatus subscribers[Status]
	wake     chan struct{} // holds one
	done     chan struct{} // closed when run ends

	lock     sync.Mutex
	flags    map[string]struct{} // of the Change to deliver; nil: there is none
	revision Revision
	status   *Status // to deliver
	stopped  bool
	calling  bool // a callback is running, or about to
}

func newNotifier() *notifier {
	return &notifier{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (n *notifier) statusChanged(s Status) {
	n.lock.Lock()
	n.status = &s
	n.lock.Unlock()
	n.nudge()
}

func (n *notifier) rulesChanged(rev Revision, flags map[string]struct{}) {
	n.lock.Lock()
	if n.flags == nil {
		n.flags = map[string]struct{}{}
	}
	for flag := range flags {
		n.flags[flag] = struct{}{}
	}
	n.revision = rev
	n.lock.Unlock()
	n.nudge()
}

func (n *notifier) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends, and then what was noted before.
func (n *notifier) run(ctx context.Context) {
	defer close(n.done)
	for {
		select {
		case <-n.wake:
			n.deliver()
		case <-ctx.Done():
			n.deliver()
			return
		}
	}
}

func (n *notifier) deliver() {
	change, status, ok := n.take()
	if !ok {
		return
	}
	if change != nil {
		call(n, n.onChange.all(), *change)
	}
	if status != nil {
		call(n, n.onStatus.all(), *status)
	}
	n.lock.Lock()
	n.calling = false
	n.lock.Unlock()
}

// take fetches what is to be delivered; from then on, stop does not wait.
func (n *notifier) take() (change *Change, status *Status, ok bool) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.stopped || n.flags == nil && n.status == nil {
		return nil, nil, false
	}
	if n.flags != nil {
		change = &Change{Revision: n.revision, Flags: sortedKeys(n.flags)}
	}
	status, n.flags, n.status = n.status, nil, nil
	n.calling = true
	return change, status, true
}

func call[T any](n *notifier, callbacks []*func(T), value T) {
	for _, f := range callbacks {
		n.lock.Lock()
		stopped := n.stopped
		n.lock.Unlock()
		if stopped {
			return
		}
		(*f)(value)
	}
}

// stop lets no further callback begin. It waits for the goroutine unless a callback is running: that may be the one that closes the client.
func (n *notifier) stop() {
	n.lock.Lock()
	n.stopped = true
	calling := n.calling
	n.lock.Unlock()
	if !calling {
		<-n.done
	}
}

func sortedKeys(set map[string]struct{}) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// affected are the flags whose answers may differ between two snapshots that differ by changes.
func affected(before, after *evaluator.Snapshot, changes []evaluator.Document) map[string]struct{} {
	flags := map[string]struct{}{}
	for _, doc := range changes {
		for _, s := range [...]*evaluator.Snapshot{before, after} {
			for _, flag := range s.Dependents(doc.Kind, doc.Key) {
				flags[flag] = struct{}{}
			}
		}
	}
	return flags
}

// difference is what leads from one set of documents to another. It costs in the size of both.
func difference(before, after *evaluator.Snapshot) []evaluator.Document {
	type name struct {
		kind evaluator.Kind
		key  string
	}
	old := map[name]string{}
	for doc := range before.Documents() {
		old[name{doc.Kind, doc.Key}] = string(doc.JSON)
	}
	var changes []evaluator.Document
	for doc := range after.Documents() {
		id := name{doc.Kind, doc.Key}
		if text, there := old[id]; !there || text != string(doc.JSON) {
			changes = append(changes, doc)
		}
		delete(old, id)
	}
	for id := range old {
		changes = append(changes, evaluator.Document{Kind: id.kind, Key: id.key})
	}
	return changes
}
