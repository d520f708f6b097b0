package admin

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// LogFilter chooses entries; empty fields do not matter.
type LogFilter struct {
	Flag        string
	Environment string
	Actor       string
}

// maxScan bounds how many entries one call of ListLog looks at; a page may then be short, with a Next.
const maxScan = 5000

// ListLog lists what was changed in a project, newest first.
func (s *Service) ListLog(ctx context.Context, call Call, project string, filter LogFilter, page Page) (Paged[Event], error) {
	out := Paged[Event]{Items: []Event{}}
	limit, err := page.limit()
	if err != nil {
		return out, err
	}
	if err := s.project(ctx, &call, project, policy.LogRead, filter.Environment); err != nil {
		return out, err
	}
	before := int64(0)
	if page.Cursor != "" {
		if before, err = strconv.ParseInt(page.Cursor, 10, 64); err != nil || before < 1 {
			return out, feature.Invalid("", "the cursor is not one that was given out")
		}
	}
	scanned := 0
	for e, err := range s.backwards(ctx, project, before) {
		switch {
		case errors.Is(err, store.ErrCompacted) && scanned > 0: // the end of what is kept
			return out, nil
		case err != nil:
			return out, fromStore(err)
		case scanned == maxScan || len(out.Items) == limit:
			out.Next = next(before)
			return out, nil
		}
		scanned, before = scanned+1, e.Revision
		if shown, ok := newEvent(&e, e.Epoch).shown(filter, call.Principal); ok {
			out.Items = append(out.Items, shown)
		}
	}
	return out, nil
}

// Bounds of what is read of a log at once: entries have up to 32 MiB, most of them a thousandth of one.
const (
	firstRead = 4
	mostRead  = 100
	readBytes = 4 << 20
)

// backwards yields a scope's entries below a revision (0: from the newest), newest first, until there are no more. It never asks for more than it has seen the
// store's entries leave room for.
func (s *Service) backwards(ctx context.Context, scope string, before int64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for part := firstRead; before != 1; {
			entries, err := s.opts.Store.Log(ctx, scope, before, part)
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			if len(entries) == 0 {
				return
			}
			bytes := 0
			for i := range entries {
				before, bytes = entries[i].Revision, bytes+entries[i].Size()
				if !yield(entries[i], nil) {
					return
				}
				entries[i] = store.Entry{} // not needed any more, while the rest is looked at
			}
			part = max(1, min(2*part, mostRead, readBytes*len(entries)/(bytes+1)))
		}
	}
}

// next is the cursor after an entry; there is nothing before the first revision.
func next(revision int64) string {
	if revision <= 1 {
		return ""
	}
	return strconv.FormatInt(revision, 10)
}

// choose says whether an entry of an actor, about some places, is one of those that the filter chooses.
func (q LogFilter) choose(actor string, places []place) bool {
	if q.Actor != "" && actor != q.Actor {
		return false
	}
	return q.Flag == "" && q.Environment == "" || slices.ContainsFunc(places, func(p place) bool {
		return (q.Flag == "" || p.flag == q.Flag) && (q.Environment == "" || p.environment == q.Environment)
	})
}

// within says whether a caller bound to an environment may see an entry: something in it has to be of that environment or of the whole project.
func within(places []place, p policy.Principal) bool {
	return p.Environment == "" || slices.ContainsFunc(places, func(at place) bool {
		return at.environment == "" || at.environment == p.Environment
	})
}

// shownChanges leaves out what only follows from the rest (ruleset documents and list shards), and other environments than the caller's.
func shownChanges(changes []store.Change, p policy.Principal) []store.Change {
	out := make([]store.Change, 0, len(changes))
	for _, c := range changes {
		if authored(c.Key) && within([]place{placeOf(c)}, p) {
			out = append(out, c)
		}
	}
	return out
}

// authored says whether people write a document: it is neither of a ruleset, nor a list's shard, nor a note.
func authored(k store.Key) bool {
	if _, served := rulesetEnvironment(k); served || k == noteKey {
		return false
	}
	return !strings.HasPrefix(k.Collection, "segmentlist/") || !strings.Contains(k.ID, "/")
}

// GetLogEntry returns the change that made a revision.
func (s *Service) GetLogEntry(ctx context.Context, call Call, project string, revision int64) (store.Entry, error) {
	if err := s.project(ctx, &call, project, policy.LogRead, ""); err != nil {
		return store.Entry{}, err
	}
	e, err := s.entry(ctx, project, revision)
	if err == nil && !within(placesOf(e.Changes), call.Principal) {
		err = feature.NotFound("revision", strconv.FormatInt(revision, 10))
	}
	if err != nil {
		return store.Entry{}, err
	}
	e.Changes = shownChanges(e.Changes, call.Principal)
	return e, nil
}

func (s *Service) entry(ctx context.Context, project string, revision int64) (store.Entry, error) {
	missing := feature.NotFound("revision", strconv.FormatInt(revision, 10))
	if revision < 1 {
		return store.Entry{}, missing
	}
	entries, err := s.opts.Store.Log(ctx, project, revision+1, 1)
	if err != nil {
		return store.Entry{}, fromStore(err)
	}
	if len(entries) == 0 || entries[0].Revision != revision {
		return store.Entry{}, missing
	}
	return entries[0], nil
}

// Past is a project as it was at a revision: what was undone since, over the state it was reckoned back from.
type Past struct {
	Revision int64
	state    *store.State
	over     map[store.Key][]byte
}

// At reckons a project's documents back to a revision, at the cost of the entries since.
func (s *Service) At(ctx context.Context, call Call, project string, revision int64) (*Past, error) {
	if err := s.project(ctx, &call, project, policy.LogRead, ""); err != nil {
		return nil, err
	}
	state, err := s.sync(ctx, project)
	if err != nil {
		return nil, err
	}
	return s.at(ctx, project, state, revision)
}

func (s *Service) at(ctx context.Context, project string, state *store.State, revision int64) (*Past, error) {
	head := state.Head().Revision
	if revision < 1 || revision > head {
		return nil, feature.NotFound("revision", strconv.FormatInt(revision, 10))
	}
	past := &Past{Revision: revision, state: state, over: map[store.Key][]byte{}}
	if head == revision {
		return past, nil
	}
	at := head
	for e, err := range s.backwards(ctx, project, head+1) {
		if err == nil && e.Revision != at {
			err = store.ErrCompacted
		}
		if err != nil {
			return nil, fromStore(err)
		}
		for _, c := range e.Changes {
			past.over[c.Key] = c.Before
		}
		if at--; at == revision {
			return past, nil
		}
	}
	return nil, fromStore(store.ErrCompacted)
}

// Get returns a document as it was.
func (p *Past) Get(k store.Key) ([]byte, bool) {
	if data, there := p.over[k]; there {
		return data, data != nil
	}
	return p.state.Get(k)
}

// Ruleset compiles an environment's ruleset as it was, to evaluate it again.
func (p *Past) Ruleset(environment string) *compile.Ruleset {
	collection := store.RulesetCollection(environment)
	return compile.Open(revisionOf(p.state.Head().Epoch, p.Revision), func(yield func(string, []byte) bool) {
		for id := range p.ids(collection) {
			if data, there := p.Get(store.Key{Collection: collection, ID: id}); there && !yield(id, data) {
				return
			}
		}
	})
}

// ids lists the documents of a collection that were there then or are there now.
func (p *Past) ids(collection string) map[string]bool {
	out := map[string]bool{}
	for id := range p.state.List(collection) {
		out[id] = true
	}
	for k := range p.over {
		if k.Collection == collection {
			out[k.ID] = true
		}
	}
	return out
}
