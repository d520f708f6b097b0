package admin

import (
	"strings"

	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Event is a commit as those see it who look on: who changed what, without what it was and what it became.
type Event struct {
	At      store.Cursor // in its log; where a stream goes on after it, unless it is of the system's log
	System  bool         // it is of the system's log
	Meta    store.Meta
	Hash    store.Hash
	Changes []Touched // what people write, and the caller may see, sorted by document; empty: see [Service.Events]

	places []place // of all that was written, rulesets included
}

// Touched is a document that a commit wrote.
type Touched struct {
	Document    string // "targeting/production/new-checkout"
	Kind        Kind
	Key         string // of the project, environment, flag (also of its targeting or kill) or segment; a token's id
	Environment string // of a targeting, kill, list or token that has one
	Action      Action

	project string // of a document in the system scope
}

// Kind says what a document is.
type Kind string

// The kinds.
const (
	KindProject            Kind = "project"
	KindEnvironment        Kind = "environment"
	KindFlag               Kind = "flag"
	KindTargeting          Kind = "targeting"
	KindKill               Kind = "kill"
	KindSegment            Kind = "segment"
	KindSegmentEnvironment Kind = "segmentEnvironment"
	KindToken              Kind = "token"
)

// Action says what became of a document.
type Action string

// The actions. Revoking a token and clearing a kill are updates.
const (
	Created Action = "created"
	Updated Action = "updated"
	Deleted Action = "deleted"
)

// Touch says what a change of a document is about; false for documents that nobody writes, which only follow from others.
func Touch(c store.Change) (Touched, bool) {
	t := Touched{Document: c.Key.Collection + "/" + c.Key.ID, Key: c.Key.ID, Action: Updated}
	text := c.After
	switch {
	case c.Before == nil:
		t.Action = Created
	case c.After == nil:
		t.Action, text = Deleted, c.Before
	}
	collection, rest, _ := strings.Cut(c.Key.Collection, "/")
	switch collection {
	case collEnvironment, collFlag, collSegment:
		t.Kind = Kind(collection)
	case collProject:
		t.Kind, t.project = KindProject, c.Key.ID
	case "targeting":
		t.Kind, t.Environment = KindTargeting, rest
	case "kill":
		k, _ := feature.Decode[feature.Kill](text)
		t.Kind, t.Key, t.Environment = KindKill, k.Flag, rest
	case "segmentlist":
		if strings.Contains(c.Key.ID, "/") { // a shard
			return t, false
		}
		t.Kind, t.Key, t.Environment = KindSegmentEnvironment, rest, c.Key.ID
	case collToken:
		k, _ := feature.Decode[feature.Token](text)
		t.Kind, t.Environment, t.project = KindToken, k.Environment, k.Project
	default:
		return t, false
	}
	return t, true
}

// place is the flag and the environment that a change is about; either may be empty.
type place struct{ flag, environment string }

// placesOf lists the places that an entry is about, each once.
func placesOf(changes []store.Change) []place {
	var out []place
	seen := map[place]bool{}
	for _, c := range changes {
		if p := placeOf(c); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// placeOf names the flag and the environment that a change is about, as far as its key and content tell.
func placeOf(c store.Change) place {
	collection, rest, _ := strings.Cut(c.Key.Collection, "/")
	switch collection {
	case collFlag:
		return place{flag: c.Key.ID}
	case collEnvironment:
		return place{environment: c.Key.ID}
	case "targeting":
		return place{c.Key.ID, rest}
	case "segmentlist":
		environment, _, _ := strings.Cut(c.Key.ID, "/")
		return place{environment: environment}
	case noteKey.Collection:
		n, _ := feature.Decode[note](c.After)
		return n.place()
	case "ruleset":
		if kind, key := compile.ParseID(c.Key.ID); kind == "flag" {
			return place{key, rest}
		}
		return place{environment: rest}
	case "kill":
		text := c.After
		if text == nil {
			text = c.Before
		}
		k, _ := feature.Decode[feature.Kill](text)
		return place{k.Flag, rest}
	}
	return place{}
}

// newEvent is what is kept of an entry for those who look on.
func newEvent(e *store.Entry, epoch int64) *Event {
	out := &Event{At: store.Cursor{Epoch: epoch, Revision: e.Revision}, Meta: e.Meta, Hash: e.Hash, places: placesOf(e.Changes)}
	for _, c := range e.Changes {
		if t, shown := Touch(c); shown {
			out.Changes = append(out.Changes, t)
		}
	}
	return out
}

// size is about how many bytes an event takes in memory.
func (e *Event) size() int {
	n := 400 + len(e.Meta.Reason) + len(e.Meta.Target) + 64*len(e.places)
	for _, c := range e.Changes {
		n += 150 + len(c.Document)
	}
	return n
}

// shown is the event as a caller sees it; false: it is nothing to him.
func (e *Event) shown(filter LogFilter, p policy.Principal) (Event, bool) {
	if !filter.choose(e.Meta.Actor, e.places) || !within(e.places, p) {
		return Event{}, false
	}
	out := *e
	if p.Environment != "" {
		out.Changes = nil
		for _, c := range e.Changes {
			if c.environment() == "" || c.environment() == p.Environment {
				out.Changes = append(out.Changes, c)
			}
		}
	}
	return out, true
}

// environment is that which the document is of, or is.
func (t *Touched) environment() string {
	if t.Kind == KindEnvironment {
		return t.Key
	}
	return t.Environment
}

// ofProject is the part of an event of the system scope that is about a project and that a caller may see: its own document, and tokens.
func (e *Event) ofProject(project string, filter LogFilter, p policy.Principal) (Event, bool) {
	out := Event{At: e.At, System: true, Meta: e.Meta, Hash: e.Hash}
	for _, c := range e.Changes {
		if c.project != project || filter.Environment != "" && c.Environment != "" && c.Environment != filter.Environment {
			continue
		}
		action := policy.ProjectRead
		if c.Kind == KindToken {
			action = policy.TokenRead
		}
		if policy.Can(p, action, policy.Resource{Project: project, Environment: c.Environment}) == nil {
			out.Changes = append(out.Changes, c)
		}
	}
	return out, len(out.Changes) > 0
}
