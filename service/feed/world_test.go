package feed

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/store"
)

const scope = "shop"

// world is a project's history, told to a Set step by step.
type world struct {
	t       require.TestingT
	set     *Set
	encoder *plain
	state   *store.State
	served  []string // calls of Served
	notes   int
}

func newWorld(t require.TestingT) *world {
	w := &world{t: t, encoder: &plain{}, state: &store.State{}}
	w.set = NewSet(Options{Encoder: w.encoder, Served: func(project, environment string, at, since store.Cursor) {
		w.served = append(w.served, fmt.Sprintf("%s/%s %d.%d since %d.%d", project, environment, at.Epoch, at.Revision, since.Epoch, since.Revision))
	}})
	return w
}

// change is what a test wants a document to be; an empty text deletes it.
type change struct{ collection, id, text string }

func doc(environment, id, text string) change {
	return change{store.RulesetCollection(environment), id, text}
}

func environment(key string) change { return change{collEnvironment, key, "{}"} }

func gone(key string) change { return change{collEnvironment, key, ""} }

// entry makes the next entry of the log.
func (w *world) entry(changes ...change) store.Entry {
	var list []store.Change
	for _, c := range changes {
		k := store.Key{Collection: c.collection, ID: c.id}
		before, _ := w.state.Get(k)
		var after []byte
		if c.text != "" {
			after = []byte(c.text)
		}
		if before == nil && after == nil {
			continue
		}
		list = append(list, store.Change{Key: k, Before: before, After: after})
	}
	if len(list) == 0 {
		w.notes++
		list = []store.Change{{Key: store.Key{Collection: "note", ID: fmt.Sprint(w.notes)}, After: []byte("x")}}
	}
	e, err := store.Seal(w.state.Head(), store.Meta{At: time.Unix(0, 0), Actor: "test", Verb: "test"}, list)
	require.NoError(w.t, err)
	return e
}

// commit makes an entry and tells the set.
func (w *world) commit(changes ...change) {
	e := w.entry(changes...)
	next, err := w.state.Apply(e)
	require.NoError(w.t, err)
	w.state = next
	w.set.Step(scope, store.Step{State: next, Entry: &e})
}

// reload tells the set of a state without an entry, in another epoch when there is one.
func (w *world) reload(head store.Head, docs map[store.Key][]byte) {
	w.state = store.NewState(head, maps.All(docs))
	w.set.Step(scope, store.Step{State: w.state})
}

func (w *world) docs() map[store.Key][]byte { return maps.Collect(w.state.All()) }

func (w *world) feed(environment string) *Feed {
	f, ok := w.set.Environment(scope, environment)
	require.True(w.t, ok, environment)
	return f
}

// texts are an environment's documents as the store has them.
func (w *world) texts(environment string) map[string]string {
	out := map[string]string{}
	for id, data := range w.state.List(store.RulesetCollection(environment)) {
		out[id] = string(data)
	}
	return out
}

// plain encodes to JSON that a follower understands, and counts.
type plain struct{ documents atomic.Int64 }

type message struct {
	Changes []evaluator.Document
	End     *End
}

func (p *plain) Changes(docs []evaluator.Document, end *End) []byte {
	p.documents.Add(int64(len(docs)))
	data, _ := json.Marshal(message{docs, end})
	return data
}

// follower is a client as dumb as can be.
type follower struct {
	revision evaluator.Revision
	docs     map[string]string
	fulls    int
	deltas   int
}

func newFollower() *follower { return &follower{docs: map[string]string{}} }

// reconnect begins as a stream does.
func (f *follower) reconnect(n *Node, at *evaluator.Revision) (needsFull bool) {
	pos, ok := n.Locate(f.revision, f.digest())
	*at = pos
	return !ok
}

// follow takes all that there is.
func (f *follower) follow(t require.TestingT, feed *Feed) {
	var at evaluator.Revision
	full := f.reconnect(feed.Current(), &at)
	if full {
		at = f.revision
	}
	for {
		n := feed.Current()
		step, kept := n.After(at)
		switch {
		case full || !kept:
			whole := n.Full(at)
			f.take(t, whole.Messages(), true)
			at, full = whole.Revision(), false
		case step == nil:
			f.revision = n.Revision() // as a heartbeat says
			return
		default:
			f.take(t, step.Messages(), false)
			at = step.Revision()
		}
	}
}

func (f *follower) take(t require.TestingT, messages [][]byte, full bool) {
	next, count := maps.Clone(f.docs), 0
	if f.deltas++; full {
		next = map[string]string{}
		f.fulls++
		f.deltas--
	}
	for i, m := range messages {
		var msg message
		require.NoError(t, json.Unmarshal(m, &msg))
		for _, d := range msg.Changes {
			count++
			if d.JSON == nil {
				delete(next, string(d.Kind)+"/"+d.Key)
			} else {
				next[string(d.Kind)+"/"+d.Key] = string(d.JSON)
			}
		}
		require.Equal(t, i == len(messages)-1, msg.End != nil)
		if msg.End == nil {
			continue
		}
		require.Equal(t, msg.End.Count, count)
		require.GreaterOrEqual(t, msg.End.Revision.Compare(f.revision), 0, "went back from %v to %v", f.revision, msg.End.Revision)
		f.docs, f.revision = next, msg.End.Revision
		require.Equal(t, msg.End.Digest, f.digest())
	}
}

func (f *follower) digest() (d evaluator.Digest) {
	for id, text := range f.docs {
		d = d.Add(document(id, []byte(text)))
	}
	return d
}

func killText(id, flag string, n int) string {
	return fmt.Sprintf(`{"id":%q,"flag":%q,"at":"2026-01-01T00:00:%02dZ"}`, id, flag, n%60)
}

func rev(epoch, number int64) evaluator.Revision {
	return evaluator.Revision{Epoch: epoch, Number: number}
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
