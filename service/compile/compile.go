// Package compile turns what people author into what is served: it lowers the authored documents of one environment to
// the documents of its ruleset, compiles those with the evaluator, and reports every problem at once, so that nothing
// that cannot be served is ever stored. It also says what a change would do before it is made.
//
// It is pure: documents come in and go out as values. It does not know how they are kept.
package compile

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// Flag lowers a flag and its targeting in one environment. It never fails: what [feature.Targeting.Validate] finds wrong is
// replaced by the off variant, so that the rest can be compiled and its problems be reported together with those.
//
// An archived flag serves its off variant and refers to nothing.
func Flag(f *feature.Flag, t *feature.Targeting, version int64) evaluator.Flag {
	out := evaluator.Flag{
		Key: f.Key, Type: f.Type, Version: version, Salt: f.Salt, ClientVisible: f.ClientVisible, Off: t.Off,
		Variants: make([]evaluator.Variant, len(f.Variants)),
	}
	for i, v := range f.Variants {
		out.Variants[i] = evaluator.Variant{Key: v.Key, Value: v.Value}
	}
	if f.Archived {
		out.Default = evaluator.Serve{Variant: t.Off}
		return out
	}
	out.Enabled = t.Enabled
	out.Prerequisites = t.Prerequisites
	for _, r := range t.Rules {
		out.Rules = append(out.Rules, evaluator.Rule{ID: r.ID, When: r.When, Serve: serve(r.Serve, t.Off)})
	}
	out.Default = serve(t.Default, t.Off)
	return out
}

func serve(s feature.Serve, off string) evaluator.Serve {
	d := s.Distribution
	switch {
	case s.Variant != "":
		return evaluator.Serve{Variant: s.Variant}
	case d == nil || len(d.Ranges) == 0:
		return evaluator.Serve{Variant: off}
	}
	return evaluator.Serve{Distribution: &evaluator.Distribution{
		BucketBy: d.BucketBy, Exposure: int(d.Exposure), Otherwise: d.Otherwise, Hash: d.Hash, Ranges: d.Ranges,
	}}
}

// Segment lowers a segment as it is in one environment.
func Segment(s *feature.Segment, e *feature.SegmentEnvironment, version int64) evaluator.Segment {
	out := evaluator.Segment{Key: s.Key, Version: version, When: s.When, Include: s.Include, Exclude: s.Exclude}
	if !e.Active {
		out.Active = new(false)
	}
	for _, side := range []feature.Side{feature.Include, feature.Exclude} {
		if l := *e.Of(side); l != nil && l.Count > 0 {
			out.Lists = append(out.Lists, evaluator.ListRef{Side: string(side), Attribute: attributeOr(l.Attribute), Salt: l.Salt})
		}
	}
	return out
}

func attributeOr(path string) string {
	if path == "" {
		return "targetingKey"
	}
	return path
}

// Kill lowers a kill.
func Kill(k *feature.Kill) evaluator.Kill {
	out := evaluator.Kill{ID: k.ID, Flag: k.Flag, At: k.At.UTC().Format(time.RFC3339Nano)}
	if k.Cleared != nil {
		out.ClearedAt = k.Cleared.At.UTC().Format(time.RFC3339Nano)
	}
	return out
}

// Stamp gives the bytes of a ruleset document that carries a version: those that exist when nothing but the version would
// differ, else new ones with the version revision. lower makes the document with a version.
func Stamp(existing []byte, revision int64, lower func(version int64) any) ([]byte, error) {
	if existing != nil {
		var old struct {
			Version int64 `json:"version"`
		}
		if json.Unmarshal(existing, &old) == nil {
			same, err := feature.Encode(lower(old.Version))
			if err != nil || bytes.Equal(same, existing) {
				return existing, err
			}
		}
	}
	return feature.Encode(lower(revision))
}
