package admin

import (
	"context"
	"slices"
	"time"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// FlagFilter chooses flags; empty fields do not matter.
type FlagFilter struct {
	Key      string // the flag itself: at most one
	Query    string // part of the key, name or description, whatever the case
	Tag      string
	Type     string
	Kind     string
	Owner    string
	Archived bool // archived flags instead of the others
}

// FlagState is a flag with what it does in each environment that the caller may see.
type FlagState struct {
	Flag         feature.Flag        `json:"flag"`
	Environments map[string]Exposure `json:"environments"`
}

// Exposure sums up a flag's targeting in one environment.
type Exposure struct {
	// State is off, on (one variant to all), exposure (the default is a distribution), rules (there are rules), killed or archived: the first
	// of archived, killed, off, rules that is so.
	State    string          `json:"state"`
	Exposure feature.Percent `json:"exposure"` // of the default; a variant served to all is 100, and the off variant 0: nobody sees anything new
	Rules    int             `json:"rules"`
	Version  int64           `json:"version"`
	// KilledAt is when the oldest of its kills was made that are not cleared; nil when there are none.
	KilledAt *time.Time `json:"killedAt,omitempty"`
}

// ListFlags lists flags by key.
func (s *Service) ListFlags(ctx context.Context, call Call, project string, filter FlagFilter, page Page) (Paged[FlagState], error) {
	state, err := s.view(ctx, &call, project, policy.FlagRead, "")
	if err != nil {
		return Paged[FlagState]{}, err
	}
	var environments []string
	for key := range state.List(collEnvironment) {
		if only := call.Principal.Environment; only == "" || only == key {
			environments = append(environments, key)
		}
	}
	killed := map[string]map[string]time.Time{}
	for _, e := range environments {
		if killed[e], err = killedFlags(state, e); err != nil {
			return Paged[FlagState]{}, err
		}
	}
	return paginate(state.List(collFlag), page, func(key string, data []byte) (FlagState, bool, error) {
		f, err := feature.Decode[feature.Flag](data)
		if err != nil || !filter.matches(&f) {
			return FlagState{}, false, err
		}
		out := FlagState{Flag: f, Environments: map[string]Exposure{}}
		for _, e := range environments {
			data, there := state.Get(targetingKey(e, key))
			if !there {
				continue
			}
			t, err := feature.Decode[feature.Targeting](data)
			if err != nil {
				return out, false, err
			}
			out.Environments[e] = summary(&f, &t, killed[e][key])
		}
		return out, true, nil
	})
}

func (q FlagFilter) matches(f *feature.Flag) bool {
	return f.Archived == q.Archived &&
		(q.Key == "" || f.Key == q.Key) &&
		(q.Tag == "" || slices.Contains(f.Tags, q.Tag)) &&
		(q.Type == "" || f.Type == q.Type) &&
		(q.Kind == "" || f.Kind == q.Kind) &&
		(q.Owner == "" || f.Owner == q.Owner) &&
		(q.Query == "" || containsFold(q.Query, f.Key, f.Name, f.Description))
}

// summary is what a flag does. A zero killed: it is not.
func summary(f *feature.Flag, t *feature.Targeting, killed time.Time) Exposure {
	out := Exposure{Rules: len(t.Rules), Version: t.Version, Exposure: feature.All, State: "on"}
	if !killed.IsZero() {
		out.KilledAt = &killed
	}
	switch {
	case t.Default.Distribution != nil:
		out.Exposure, out.State = t.Default.Distribution.Exposure, "exposure"
	case t.Default.Variant == t.Off:
		out.Exposure = 0
	}
	switch {
	case f.Archived:
		out.State = "archived"
	case out.KilledAt != nil:
		out.State = "killed"
	case !t.Enabled:
		out.State = "off"
	case len(t.Rules) > 0:
		out.State = "rules"
	}
	return out
}

// killedFlags are the flags of an environment that have a kill which is not cleared, and when the oldest of these was made.
func killedFlags(state *store.State, environment string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for _, data := range state.List(killCollection(environment)) {
		k, err := feature.Decode[feature.Kill](data)
		if err != nil {
			return nil, err
		}
		if since, there := out[k.Flag]; k.Cleared == nil && (!there || k.At.Before(since)) {
			out[k.Flag] = k.At
		}
	}
	return out, nil
}
