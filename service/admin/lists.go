package admin

import (
	"context"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// shards is the number of shards of a list.
const shards = 256

// GetSegmentEnvironment returns a segment's activation and the sizes of its lists in an environment.
func (s *Service) GetSegmentEnvironment(ctx context.Context, call Call, project, segment, environment string) (feature.SegmentEnvironment, error) {
	none := feature.SegmentEnvironment{}
	state, err := s.view(ctx, &call, project, policy.SegmentRead, environment)
	if err != nil {
		return none, err
	}
	if err := s.segmentPlace(state, segment, environment); err != nil {
		return none, err
	}
	return s.newDraft(ctx, &call, project, state).segmentEnvironment(segment, environment)
}

func (s *Service) segmentPlace(state *store.State, segment, environment string) error {
	if _, there := state.Get(environmentKey(environment)); !there {
		return feature.NotFound("environment", environment)
	}
	if _, there := state.Get(segmentKey(segment)); !there {
		return feature.NotFound("segment", segment)
	}
	return nil
}

// PatchSegmentEnvironment applies a merge patch: activation, and the attribute of a list that has no keys.
func (s *Service) PatchSegmentEnvironment(
	ctx context.Context, call Call, project, segment, environment string, patch []byte,
) (feature.SegmentEnvironment, Written, error) {
	if err := feature.CheckPatch(patch, feature.SegmentEnvironment{}, feature.Limits{}); err != nil {
		return feature.SegmentEnvironment{}, Written{}, err
	}
	return s.listVerb(ctx, call, project, segment, environment, "segment.activation", func(d *Draft) (feature.SegmentEnvironment, error) {
		return d.PatchSegmentEnvironment(segment, environment, call.IfMatch, patch)
	})
}

// ListEdit adds keys to a list and removes keys from it; a key in both is removed. Both are sets: repeating an edit changes nothing.
type ListEdit struct {
	Attribute string   `json:"attribute,omitempty"` // of a list that has no keys yet; empty: targetingKey, or what it is
	Add       []string `json:"add,omitempty"`
	Remove    []string `json:"remove,omitempty"`
}

// EditList changes the keys of one of a segment's two lists in an environment. It needs no If-Match.
func (s *Service) EditList(
	ctx context.Context, call Call, project, segment, environment string, side feature.Side, e ListEdit,
) (feature.SegmentEnvironment, Written, error) {
	return s.listVerb(ctx, call, project, segment, environment, "segment.list", func(d *Draft) (feature.SegmentEnvironment, error) {
		return d.EditList(segment, environment, call.IfMatch, side, e)
	})
}

func (s *Service) listVerb(
	ctx context.Context, call Call, project, segment, environment, verb string, fn func(*Draft) (feature.SegmentEnvironment, error),
) (feature.SegmentEnvironment, Written, error) {
	if err := s.project(ctx, &call, project, policy.SegmentWrite, environment); err != nil {
		return feature.SegmentEnvironment{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: verb, target: "segment/" + segment + "@" + environment}, fn)
}

// ListKeys is one page of a list's keys, in the order of their shards, then sorted.
func (s *Service) ListKeys(ctx context.Context, call Call, project, segment, environment string, side feature.Side, page Page) (Paged[string], error) {
	out := Paged[string]{Items: []string{}}
	limit, err := page.limit()
	if err != nil {
		return out, err
	}
	state, list, err := s.list(ctx, &call, project, segment, environment, side)
	if err != nil || list == nil {
		return out, err
	}
	out.Total = int(list.Count)
	first := 0
	if page.Cursor != "" {
		first = compile.Shard(list.Salt, page.Cursor)
	}
	for shard := first; shard < shards; shard++ {
		data, there := state.Get(shardKey(segment, environment, side, shard))
		if !there {
			continue
		}
		content, err := feature.Decode[feature.ListShard](data)
		if err != nil {
			return out, err
		}
		for _, key := range content.Keys {
			if shard == first && page.Cursor != "" && key <= page.Cursor {
				continue
			}
			if len(out.Items) == limit {
				out.Next = out.Items[limit-1]
				return out, nil
			}
			out.Items = append(out.Items, key)
		}
	}
	return out, nil
}

// FindKey is the page of a list that has one key alone, or nothing when the list does not have it. It costs one shard, however long the list is.
func (s *Service) FindKey(ctx context.Context, call Call, project, segment, environment string, side feature.Side, key string) (Paged[string], error) {
	out := Paged[string]{Items: []string{}}
	state, list, err := s.list(ctx, &call, project, segment, environment, side)
	if err != nil || list == nil {
		return out, err
	}
	out.Total = int(list.Count)
	data, there := state.Get(shardKey(segment, environment, side, compile.Shard(list.Salt, key)))
	if !there {
		return out, nil
	}
	content, err := feature.Decode[feature.ListShard](data)
	if err != nil {
		return out, err
	}
	if _, found := slices.BinarySearch(content.Keys, key); found {
		out.Items = append(out.Items, key)
	}
	return out, nil
}

// list finds one of a segment's lists; nil: it has none on that side.
func (s *Service) list(ctx context.Context, call *Call, project, segment, environment string, side feature.Side) (*store.State, *feature.List, error) {
	if err := feature.CheckSide(side); err != nil {
		return nil, nil, err
	}
	state, err := s.view(ctx, call, project, policy.SegmentRead, environment)
	if err != nil {
		return nil, nil, err
	}
	if err := s.segmentPlace(state, segment, environment); err != nil {
		return nil, nil, err
	}
	e, err := s.newDraft(ctx, call, project, state).segmentEnvironment(segment, environment)
	if err != nil {
		return nil, nil, err
	}
	return state, *e.Of(side), nil
}

// PatchSegmentEnvironment is [Service.PatchSegmentEnvironment] in a draft.
func (d *Draft) PatchSegmentEnvironment(segment, environment, ifMatch string, patch []byte) (feature.SegmentEnvironment, error) {
	before, err := d.placeFor(segment, environment)
	if err != nil {
		return before, err
	}
	d.version = before.Version
	if err := d.matches(ifMatch, before.Version, mustMatch); err != nil {
		return before, err
	}
	after, err := patched(before, patch)
	if err != nil {
		return before, err
	}
	if after.Version != before.Version || !after.UpdatedAt.Equal(before.UpdatedAt) {
		d.invalid(feature.Invalid("", "version and updatedAt cannot be changed"))
	}
	for _, side := range []feature.Side{feature.Include, feature.Exclude} {
		d.invalid(sameList(side, *before.Of(side), *after.Of(side)))
	}
	if same(before, after) {
		return before, nil
	}
	return after, d.savePlace(segment, environment, &after)
}

// sameList refuses what an activation's patch cannot change.
func sameList(side feature.Side, before, after *feature.List) error {
	var was, is feature.List
	if before != nil {
		was = *before
	}
	if after != nil {
		is = *after
	}
	if was.Count == 0 {
		was.Attribute = is.Attribute
	}
	if was != is {
		return feature.Invalid(feature.Pointer(side), "a list's keys are changed by editing the list, and its attribute only while it has none")
	}
	return nil
}

func (d *Draft) placeFor(segment, environment string) (feature.SegmentEnvironment, error) {
	none := feature.SegmentEnvironment{}
	if err := d.can(policy.SegmentWrite, environment); err != nil {
		return none, err
	}
	if _, there := d.get(environmentKey(environment)); !there {
		return none, feature.NotFound("environment", environment)
	}
	if _, there := d.get(segmentKey(segment)); !there {
		return none, feature.NotFound("segment", segment)
	}
	return d.segmentEnvironment(segment, environment)
}

func (d *Draft) savePlace(segment, environment string, e *feature.SegmentEnvironment) error {
	e.Version, e.UpdatedAt = d.revision(), d.now
	d.version = e.Version
	d.segments[segmentPlace{environment, segment}] = d.prefix
	return d.authored(segmentEnvironmentKey(segment, environment), e)
}

// EditList is [Service.EditList] in a draft.
func (d *Draft) EditList(segment, environment, ifMatch string, side feature.Side, e ListEdit) (feature.SegmentEnvironment, error) {
	place, err := d.placeFor(segment, environment)
	if err != nil {
		return place, err
	}
	d.version = place.Version
	if err := d.matches(ifMatch, place.Version, mayMatch); err != nil {
		return place, err
	}
	if err := feature.Join(feature.CheckSide(side), feature.CheckListKeys("/add", e.Add), feature.CheckListKeys("/remove", e.Remove)); err != nil {
		d.invalid(err)
		return place, nil
	}
	list, err := d.listFor(*place.Of(side), e.Attribute)
	if err != nil {
		return place, err
	}
	*place.Of(side) = list
	changed := false
	type delta struct{ add, remove []string }
	touched := map[int]*delta{}
	in := func(key string) *delta {
		i := compile.Shard(list.Salt, key)
		if touched[i] == nil {
			touched[i] = &delta{}
		}
		return touched[i]
	}
	for _, k := range e.Add {
		in(k).add = append(in(k).add, k)
	}
	for _, k := range e.Remove {
		in(k).remove = append(in(k).remove, k)
	}
	for i, t := range touched {
		edited, err := d.editShard(shardPlace{segment, environment, side, i}, list, t.add, t.remove)
		if err != nil {
			return place, err
		}
		changed = changed || edited
	}
	if list.Bytes > feature.MaxList {
		return place, &feature.Error{Code: feature.CodeTooLarge, Path: d.prefix, Msg: "the list would have more than 64 MiB of keys"}
	}
	if !changed {
		return place, nil
	}
	return place, d.savePlace(segment, environment, &place)
}

// listFor is the list that an edit is for, a copy; a new one gets its salt.
func (d *Draft) listFor(list *feature.List, attribute string) (*feature.List, error) {
	out := feature.List{Attribute: attribute}
	if list != nil {
		out = *list
		switch {
		case attribute == "" || attribute == out.Attribute || attribute == "targetingKey" && out.Attribute == "":
		case out.Count == 0:
			out.Attribute = attribute
		default:
			return nil, feature.Conflict("the list holds keys of %q; only an empty list can be given another attribute", out.Attribute)
		}
	}
	var err error
	if out.Salt == "" {
		out.Salt, err = d.s.newSalt()
	}
	return &out, err
}

type shardPlace struct {
	segment, environment string
	side                 feature.Side
	shard                int
}

// editShard applies an edit to one shard, both to its authored document and to that of the ruleset.
func (d *Draft) editShard(p shardPlace, list *feature.List, add, remove []string) (changed bool, err error) {
	k := shardKey(p.segment, p.environment, p.side, p.shard)
	var content feature.ListShard
	if data, there := d.get(k); there {
		if content, err = feature.Decode[feature.ListShard](data); err != nil {
			return false, err
		}
	}
	keys := append(slices.Clone(content.Keys), add...)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	gone := map[string]bool{}
	for _, r := range remove {
		gone[r] = true
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return gone[key] })
	if slices.Equal(keys, content.Keys) {
		return false, nil
	}
	list.Count += int64(len(keys) - len(content.Keys))
	list.Bytes += size(keys) - size(content.Keys)
	served := rulesetKey(p.environment, evaluator.KindList, compile.ListKey(p.segment, p.side, p.shard))
	if len(keys) == 0 {
		d.delete(k)
		d.delete(served)
		return true, nil
	}
	if err := d.authored(k, feature.ListShard{Keys: keys}); err != nil {
		return false, err
	}
	data, err := feature.Encode(compile.ListShard(p.segment, p.side, p.shard, list.Salt, keys))
	if err == nil {
		d.put(served, data)
	}
	return true, err
}

func size(keys []string) int64 {
	n := int64(0)
	for _, k := range keys {
		n += int64(len(k))
	}
	return n
}
