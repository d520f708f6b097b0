package admin

import (
	"context"
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

// ListLog lists what was changed in a project, newest first, with the authored documents that changed.
func (s *Service) ListLog(ctx context.Context, call Call, project string, filter LogFilter, page Page) (Paged[store.Entry], error) {
	out := Paged[store.Entry]{Items: []store.Entry{}}
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
	for scanned := 0; scanned < maxScan; {
		entries, err := s.opts.Store.Log(ctx, project, before, 100)
		if err != nil {
			if len(out.Items) > 0 {
				return out, nil
			}
			return out, fromStore(err)
		}
		for _, e := range entries {
			scanned, before = scanned+1, e.Revision
			if !filter.matches(&e) || !visible(&e, call.Principal) {
				continue
			}
			e.Changes = shownChanges(e.Changes, call.Principal)
			if out.Items = append(out.Items, e); len(out.Items) == limit {
				out.Next = next(before)
				return out, nil
			}
		}
		if len(entries) < 100 {
			return out, nil
		}
	}
	out.Next = next(before)
	return out, nil
}

// next is the cursor after an entry; there is nothing before the first revision.
func next(revision int64) string {
	if revision <= 1 {
		return ""
	}
	return strconv.FormatInt(revision, 10)
}

// Matches says whether an entry is one of those that the filter chooses.
func (q LogFilter) Matches(e *store.Entry) bool { return q.matches(e) }

func (q LogFilter) matches(e *store.Entry) bool {
	if q.Actor != "" && e.Meta.Actor != q.Actor {
		return false
	}
	if q.Flag == "" && q.Environment == "" {
		return true
	}
	for _, c := range e.Changes {
		flag, environment := placeOf(c)
		if (q.Flag == "" || flag == q.Flag) && (q.Environment == "" || environment == q.Environment) {
			return true
		}
	}
	return false
}

// visible says whether a caller bound to an environment may see an entry: something in it has to be of that environment or of the whole project.
func visible(e *store.Entry, p policy.Principal) bool {
	return p.Environment == "" || slices.ContainsFunc(e.Changes, func(c store.Change) bool { return reaches(c, p) })
}

func reaches(c store.Change, p policy.Principal) bool {
	_, environment := placeOf(c)
	return p.Environment == "" || environment == "" || environment == p.Environment
}

// placeOf names the flag and the environment that a change is about, as far as its key and content tell.
func placeOf(c store.Change) (flag, environment string) {
	collection, rest, _ := strings.Cut(c.Key.Collection, "/")
	switch collection {
	case collFlag:
		return c.Key.ID, ""
	case collEnvironment:
		return "", c.Key.ID
	case "targeting":
		return c.Key.ID, rest
	case "segmentlist":
		environment, _, _ := strings.Cut(c.Key.ID, "/")
		return "", environment
	case noteKey.Collection:
		n, _ := feature.Decode[note](c.After)
		return n.place()
	case "ruleset":
		if kind, key := compile.ParseID(c.Key.ID); kind == "flag" {
			return key, rest
		}
		return "", rest
	case "kill":
		text := c.After
		if text == nil {
			text = c.Before
		}
		k, _ := feature.Decode[feature.Kill](text)
		return k.Flag, rest
	}
	return "", ""
}

// shownChanges leaves out what only follows from the rest (ruleset documents and list shards), and other environments than the caller's.
func shownChanges(changes []store.Change, p policy.Principal) []store.Change {
	out := make([]store.Change, 0, len(changes))
	for _, c := range changes {
		if authored(c.Key) && reaches(c, p) {
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
	if err == nil && !visible(&e, call.Principal) {
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
	for before := head + 1; before > revision+1; {
		entries, err := s.opts.Store.Log(ctx, project, before, min(200, int(before-revision-1)))
		if err != nil {
			return nil, fromStore(err)
		}
		if len(entries) == 0 {
			return nil, fromStore(store.ErrCompacted)
		}
		for _, e := range entries {
			if e.Revision != before-1 {
				return nil, fromStore(store.ErrCompacted)
			}
			before = e.Revision
			for _, c := range e.Changes {
				past.over[c.Key] = c.Before
			}
		}
	}
	return past, nil
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
