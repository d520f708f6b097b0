package admin

import (
	"context"
	"math"
	"strings"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// ListSegments lists segments by key; query is part of a key, name or description, or empty.
func (s *Service) ListSegments(ctx context.Context, call Call, project, query string, page Page) (Paged[feature.Segment], error) {
	state, err := s.view(ctx, &call, project, policy.SegmentRead, "")
	if err != nil {
		return Paged[feature.Segment]{}, err
	}
	return paginate(state.List(collSegment), page, func(_ string, data []byte) (feature.Segment, bool, error) {
		g, err := feature.Decode[feature.Segment](data)
		return g, err == nil && (query == "" || containsFold(query, g.Key, g.Name, g.Description)), err
	})
}

// GetSegment returns a segment's definition.
func (s *Service) GetSegment(ctx context.Context, call Call, project, segment string) (feature.Segment, error) {
	state, err := s.view(ctx, &call, project, policy.SegmentRead, "")
	if err != nil {
		return feature.Segment{}, err
	}
	return read[feature.Segment](state, segmentKey(segment), "segment", segment)
}

// CreateSegment makes a segment, active in every environment.
func (s *Service) CreateSegment(ctx context.Context, call Call, project string, g feature.Segment) (feature.Segment, Written, error) {
	return s.segmentVerb(ctx, call, project, "segment.create", g.Key, func(d *Draft) (feature.Segment, error) { return d.CreateSegment(g) })
}

// PutSegment replaces a segment's definition, which touches every environment.
func (s *Service) PutSegment(ctx context.Context, call Call, project, segment string, g feature.Segment) (feature.Segment, Written, error) {
	return s.segmentVerb(ctx, call, project, "segment.update", segment, func(d *Draft) (feature.Segment, error) {
		return d.PutSegment(segment, call.IfMatch, g)
	})
}

// PatchSegment applies a merge patch to a segment's definition.
func (s *Service) PatchSegment(ctx context.Context, call Call, project, segment string, patch []byte) (feature.Segment, Written, error) {
	if err := feature.CheckPatch(patch, feature.Segment{}, feature.Limits{}); err != nil {
		return feature.Segment{}, Written{}, err
	}
	return s.segmentVerb(ctx, call, project, "segment.update", segment, func(d *Draft) (feature.Segment, error) {
		return d.PatchSegment(segment, call.IfMatch, patch)
	})
}

// DeleteSegment deletes a segment that nothing refers to, with its lists. Large lists take several commits, the first of which deletes the segment; repeating the call,
// with any If-Match, finishes what was interrupted.
func (s *Service) DeleteSegment(ctx context.Context, call Call, project, segment string) (Written, error) {
	if err := s.project(ctx, &call, project, policy.SegmentWrite, ""); err != nil {
		return Written{}, err
	}
	c := change{scope: project, verb: "segment.delete", target: "segment/" + segment}
	for first := true; ; first = false {
		more, w, err := write(ctx, s, &call, c, func(d *Draft) (bool, error) {
			return d.deleteSegment(segment, call.IfMatch, first, maxSweep)
		})
		if err != nil || !more || call.DryRun {
			return w, err
		}
		call.Idempotency = nil
	}
}

func (s *Service) segmentVerb(
	ctx context.Context, call Call, project, verb, segment string, fn func(*Draft) (feature.Segment, error),
) (feature.Segment, Written, error) {
	if err := s.project(ctx, &call, project, policy.SegmentWrite, ""); err != nil {
		return feature.Segment{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: verb, target: "segment/" + segment}, fn)
}

// CreateSegment is [Service.CreateSegment] in a draft.
func (d *Draft) CreateSegment(g feature.Segment) (feature.Segment, error) {
	if err := d.can(policy.SegmentWrite, ""); err != nil {
		return g, err
	}
	if g.Version != 0 || !g.CreatedAt.IsZero() || !g.UpdatedAt.IsZero() {
		d.invalid(feature.Invalid("", "version, createdAt and updatedAt are made by the server"))
	}
	if _, there := d.get(segmentKey(g.Key)); there {
		return g, feature.Exists("segment", g.Key)
	}
	if len(d.ids(listCollection(g.Key))) > 0 {
		return g, feature.Conflict("the deletion of a segment with the same key is not finished; delete it again")
	}
	g.CreatedAt = d.now
	return g, d.saveSegment(&g)
}

// PutSegment is [Service.PutSegment] in a draft.
func (d *Draft) PutSegment(segment, ifMatch string, g feature.Segment) (feature.Segment, error) {
	return d.updateSegment(segment, ifMatch, func(before feature.Segment) (feature.Segment, error) {
		if g.Version == 0 {
			g.Version = before.Version
		}
		if g.CreatedAt.IsZero() {
			g.CreatedAt = before.CreatedAt
		}
		if g.UpdatedAt.IsZero() {
			g.UpdatedAt = before.UpdatedAt
		}
		return g, nil
	})
}

// PatchSegment is [Service.PatchSegment] in a draft.
func (d *Draft) PatchSegment(segment, ifMatch string, patch []byte) (feature.Segment, error) {
	return d.updateSegment(segment, ifMatch, func(before feature.Segment) (feature.Segment, error) { return patched(before, patch) })
}

func (d *Draft) updateSegment(segment, ifMatch string, fn func(feature.Segment) (feature.Segment, error)) (feature.Segment, error) {
	before, err := d.segmentFor(segment, ifMatch)
	if err != nil {
		return before, err
	}
	after, err := fn(before)
	if err != nil {
		return before, err
	}
	if after.Key != before.Key || after.Version != before.Version || !after.CreatedAt.Equal(before.CreatedAt) || !after.UpdatedAt.Equal(before.UpdatedAt) {
		d.invalid(feature.Invalid("", "key, version, createdAt and updatedAt cannot be changed"))
	}
	if same(before, after) {
		return before, nil
	}
	return after, d.saveSegment(&after)
}

func (d *Draft) segmentFor(segment, ifMatch string) (feature.Segment, error) {
	if err := d.can(policy.SegmentWrite, ""); err != nil {
		return feature.Segment{}, err
	}
	g, err := load[feature.Segment](d, segmentKey(segment), "segment", segment)
	if err == nil {
		d.version = g.Version
		err = d.matches(ifMatch, g.Version, mustMatch)
	}
	return g, err
}

// saveSegment writes a definition with a new version and has it lowered in every environment.
func (d *Draft) saveSegment(g *feature.Segment) error {
	if err := g.Validate(); err != nil {
		d.invalid(err)
		return nil
	}
	g.Version, g.UpdatedAt = d.revision(), d.now
	d.version = g.Version
	for _, environment := range d.environments() {
		d.segments[segmentPlace{environment, g.Key}] = d.prefix
	}
	return d.authored(segmentKey(g.Key), g)
}

// DeleteSegment is [Service.DeleteSegment] in a draft, in one commit.
func (d *Draft) DeleteSegment(segment, ifMatch string) error {
	_, err := d.deleteSegment(segment, ifMatch, true, math.MaxInt)
	return err
}

// deleteSegment makes one step, of about limit bytes; more says that another is needed.
func (d *Draft) deleteSegment(segment, ifMatch string, first bool, limit int) (more bool, err error) {
	_, err = d.segmentFor(segment, ifMatch)
	switch feature.CodeOf(err) {
	case "":
		if !first {
			return false, feature.Conflict("the segment was made anew while it was being deleted")
		}
		if err := d.unreferenced("segment", segment); err != nil {
			return false, err
		}
		d.version = 0
		d.delete(segmentKey(segment))
		for _, environment := range d.environments() {
			d.segments[segmentPlace{environment, segment}] = d.prefix
		}
	case feature.CodeNotFound:
		if first && len(d.ids(listCollection(segment))) == 0 {
			return false, err
		}
	default:
		return false, err
	}
	return d.listLeftovers(segment, limit) >= limit, nil
}

// listLeftovers deletes documents of a segment's lists until they have limit bytes, and returns how many bytes they have. The authored ones go last: they tell whether
// something is left.
func (d *Draft) listLeftovers(segment string, limit int) int {
	size := 0
	sweep := func(collection, prefix string) {
		for _, id := range d.ids(collection) {
			if size >= limit {
				return
			}
			if strings.HasPrefix(id, prefix) {
				k := store.Key{Collection: collection, ID: id}
				data, _ := d.get(k)
				d.delete(k)
				size += len(data)
			}
		}
	}
	for _, environment := range d.environments() {
		sweep(store.RulesetCollection(environment), string(evaluator.KindList)+"/"+segment+":")
	}
	sweep(listCollection(segment), "")
	return size
}

// segmentEnvironment is what a segment has in an environment; nothing is stored for one that was never touched there.
func (d *Draft) segmentEnvironment(segment, environment string) (feature.SegmentEnvironment, error) {
	data, there := d.get(segmentEnvironmentKey(segment, environment))
	if !there {
		return feature.SegmentEnvironment{Active: true}, nil
	}
	return feature.Decode[feature.SegmentEnvironment](data)
}
