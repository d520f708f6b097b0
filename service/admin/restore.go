package admin

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// RestoreFilter says what is brought back. Neither: what the revision itself changed. Flag: the flag with its targeting in every environment. Environment:
// the targeting and lists of one environment. Both: one targeting.
type RestoreFilter struct {
	Flag        string
	Environment string
}

// Restored names what a restore changed: authored documents, as "collection/id".
type Restored struct {
	Documents []string `json:"documents"`
}

// Restore brings documents back to what they were at a revision, byte for byte but for their version, salts and hash lines included, as a new commit.
// Kills are never touched, and environments neither made nor deleted. The result has to be valid today like any other change.
func (s *Service) Restore(ctx context.Context, call Call, project string, revision int64, filter RestoreFilter) (Restored, Written, error) {
	if err := s.project(ctx, &call, project, policy.LogRestore, filter.Environment); err != nil {
		return Restored{}, Written{}, err
	}
	target := fmt.Sprintf("revision/%d", revision)
	if filter.Flag != "" {
		target += "/flag/" + filter.Flag
	}
	if filter.Environment != "" {
		target += "@" + filter.Environment
	}
	past, changed, err := s.past(ctx, project, revision, filter)
	if err != nil {
		return Restored{}, Written{}, err
	}
	return write(ctx, s, &call, change{scope: project, verb: "restore", target: target}, func(d *Draft) (Restored, error) {
		return d.restore(past, changed, filter)
	})
}

// past reads from the log what a restore needs, and for one without a filter the documents that the revision changed. It does so before the commit
// queue: the whole log may have to be read, and kills must not wait for that. What was at a revision stays true whatever is committed meanwhile.
func (s *Service) past(ctx context.Context, project string, revision int64, filter RestoreFilter) (*Past, []store.Key, error) {
	state, err := s.sync(ctx, project)
	if err != nil {
		return nil, nil, err
	}
	past, err := s.at(ctx, project, state, revision)
	if err != nil || filter != (RestoreFilter{}) {
		return past, nil, err
	}
	e, err := s.entry(ctx, project, revision)
	changed := make([]store.Key, len(e.Changes))
	for i, c := range e.Changes {
		changed[i] = c.Key
	}
	return past, changed, err
}

func (d *Draft) restore(past *Past, changed []store.Key, filter RestoreFilter) (Restored, error) {
	out := Restored{Documents: []string{}}
	if err := d.can(policy.LogRestore, filter.Environment); err != nil {
		return out, err
	}
	if d.base.Head().Epoch != past.state.Head().Epoch {
		return out, feature.Conflict("the history was rewritten in this moment; look at it again")
	}
	keys, err := d.restorable(past, changed, filter)
	if err != nil {
		return out, err
	}
	for _, k := range keys {
		then, _ := past.Get(k)
		now, _ := d.get(k)
		if bytes.Equal(then, now) {
			continue
		}
		changed, err := d.restoreDocument(k, then)
		if err != nil {
			return out, err
		}
		if changed && authored(k) {
			out.Documents = append(out.Documents, k.Collection+"/"+k.ID)
		}
	}
	return out, d.settle(keys)
}

// restorable lists the documents that a filter means, definitions before what depends on them.
func (d *Draft) restorable(past *Past, changed []store.Key, filter RestoreFilter) ([]store.Key, error) {
	var out []store.Key
	add := func(k store.Key) {
		if kind, _, _ := strings.Cut(k.Collection, "/"); slices.Contains([]string{collFlag, collSegment, "targeting", "segmentlist"}, kind) {
			out = append(out, k)
		}
	}
	switch {
	case filter == RestoreFilter{}:
		for _, k := range changed {
			add(k)
		}
		if len(out) == 0 {
			return nil, feature.Conflict("revision %d changed nothing that a restore brings back", past.Revision)
		}
	case filter.Flag != "" && filter.Environment != "":
		add(targetingKey(filter.Environment, filter.Flag))
	case filter.Flag != "":
		add(flagKey(filter.Flag))
		for _, environment := range d.environments() {
			add(targetingKey(environment, filter.Flag))
		}
	default:
		if _, there := d.get(environmentKey(filter.Environment)); !there {
			return nil, feature.NotFound("environment", filter.Environment)
		}
		collection := targetingCollection(filter.Environment)
		for id := range past.ids(collection) {
			if _, there := d.get(flagKey(id)); there { // those of flags that were deleted since come back with the flag
				add(store.Key{Collection: collection, ID: id})
			}
		}
		for _, segment := range d.ids(collSegment) {
			ids := past.ids(listCollection(segment))
			for _, id := range d.ids(listCollection(segment)) {
				ids[id] = true // also those made since the past was read
			}
			for id := range ids {
				if id == filter.Environment || strings.HasPrefix(id, filter.Environment+"/") {
					add(store.Key{Collection: listCollection(segment), ID: id})
				}
			}
		}
	}
	if filter.Flag != "" {
		if _, there := past.Get(flagKey(filter.Flag)); !there {
			return nil, feature.NotFound("flag at that revision", filter.Flag)
		}
	}
	slices.SortFunc(out, func(a, b store.Key) int { return strings.Compare(a.Collection+"\x00"+a.ID, b.Collection+"\x00"+b.ID) })
	return out, nil
}

// restoreDocument writes one document as it was, with a new version where it has one.
func (d *Draft) restoreDocument(k store.Key, then []byte) (bool, error) {
	kind, place, _ := strings.Cut(k.Collection, "/")
	if then == nil {
		return d.unmake(k, kind)
	}
	switch kind {
	case collFlag:
		return restoreAs(d, k, then, func(f *feature.Flag, now *feature.Flag) {
			f.Version, f.UpdatedAt = now.Version, now.UpdatedAt
		}, func(f *feature.Flag) { f.Version, f.UpdatedAt = d.revision(), d.now })
	case collSegment:
		return restoreAs(d, k, then, func(g *feature.Segment, now *feature.Segment) {
			g.Version, g.UpdatedAt = now.Version, now.UpdatedAt
		}, func(g *feature.Segment) { g.Version, g.UpdatedAt = d.revision(), d.now })
	case "targeting":
		if _, there := d.get(environmentKey(place)); !there {
			return false, nil
		}
		return restoreAs(d, k, then, func(t *feature.Targeting, now *feature.Targeting) {
			t.Version, t.UpdatedAt = now.Version, now.UpdatedAt
		}, func(t *feature.Targeting) { t.Version, t.UpdatedAt = d.revision(), d.now })
	}
	environment, rest, shard := strings.Cut(k.ID, "/")
	if _, there := d.get(environmentKey(environment)); !there {
		return false, nil
	}
	if shard {
		return true, d.restoreShard(k, place, environment, rest, then)
	}
	return restoreAs(d, k, then, func(e *feature.SegmentEnvironment, now *feature.SegmentEnvironment) {
		e.Version, e.UpdatedAt = now.Version, now.UpdatedAt
	}, func(e *feature.SegmentEnvironment) { e.Version, e.UpdatedAt = d.revision(), d.now })
}

// restoreAs writes a document as it was unless it differs from what is there in its version alone.
func restoreAs[T any](d *Draft, k store.Key, then []byte, level func(then, now *T), stamp func(*T)) (bool, error) {
	v, err := feature.Decode[T](then)
	if err != nil {
		return false, err
	}
	if data, there := d.get(k); there {
		now, err := feature.Decode[T](data)
		if err != nil {
			return false, err
		}
		if level(&v, &now); same(&v, &now) {
			return false, nil
		}
	}
	stamp(&v)
	return true, d.authored(k, &v)
}

// unmake deletes what was not there yet at the revision. Flags and segments are deleted only as people may delete them.
func (d *Draft) unmake(k store.Key, kind string) (bool, error) {
	switch kind {
	case collFlag:
		return true, feature.Conflict("flag %q was made at or after that revision; archive and delete it instead", k.ID)
	case collSegment:
		return true, feature.Conflict("segment %q was made at or after that revision; delete it instead", k.ID)
	case "targeting":
		return false, nil
	}
	if environment, rest, shard := strings.Cut(k.ID, "/"); shard {
		side, number, _ := strings.Cut(rest, "/")
		_, segment, _ := strings.Cut(k.Collection, "/")
		d.delete(rulesetKey(environment, evaluator.KindList, segment+":"+side+":"+number))
	}
	d.delete(k)
	d.raises = true
	return true, nil
}

func (d *Draft) restoreShard(k store.Key, segment, environment, rest string, then []byte) error {
	side, number, _ := strings.Cut(rest, "/")
	e, err := d.segmentEnvironment(segment, environment)
	if err != nil {
		return err
	}
	list := *e.Of(feature.Side(side))
	content, err := feature.Decode[feature.ListShard](then)
	if err != nil || list == nil {
		return err
	}
	var shard int
	if _, err := fmt.Sscanf(number, "%02x", &shard); err != nil {
		return feature.Internal(err, "a list's shard has the id %q", k.ID)
	}
	d.put(k, then)
	d.raises = true
	data, err := feature.Encode(compile.ListShard(segment, feature.Side(side), shard, list.Salt, content.Keys))
	if err == nil {
		d.put(rulesetKey(environment, evaluator.KindList, compile.ListKey(segment, feature.Side(side), shard)), data)
	}
	return err
}

// settle validates what was restored together with what was not, and has it lowered.
func (d *Draft) settle(keys []store.Key) error {
	flags, lists := map[string]bool{}, map[segmentPlace]bool{}
	for _, k := range keys {
		switch kind, place, _ := strings.Cut(k.Collection, "/"); kind {
		case collFlag, "targeting":
			flags[k.ID] = true
		case collSegment:
			for _, environment := range d.environments() {
				d.segments[segmentPlace{environment, k.ID}] = d.prefix
			}
		case "segmentlist":
			environment, _, _ := strings.Cut(k.ID, "/")
			d.segments[segmentPlace{environment, place}] = d.prefix
			lists[segmentPlace{environment, place}] = true
		}
	}
	for place := range lists {
		if err := d.recount(place); err != nil {
			return err
		}
	}
	for key := range flags {
		f, err := load[feature.Flag](d, flagKey(key), "flag", key)
		if feature.CodeOf(err) == feature.CodeNotFound {
			return feature.Conflict("flag %q has been deleted since; restore the flag, not its targeting alone", key)
		}
		if err != nil {
			return err
		}
		for _, environment := range d.environments() {
			t, err := load[feature.Targeting](d, targetingKey(environment, key), "flag", key)
			if feature.CodeOf(err) == feature.CodeNotFound {
				if err := d.newTargeting(&f, environment, ""); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			for _, p := range feature.Problems(t.Validate(&f)) {
				d.invalid(feature.Invalid("", "flag %s in %s: %s: %s", key, environment, p.Path, p.Msg))
			}
			d.flags[flagPlace{environment, key}] = d.prefix
		}
	}
	return nil
}

// recount makes the settings of lists agree with their shards again, of which a restore of one edit brings back but some: a list that counts as empty
// is not served.
func (d *Draft) recount(place segmentPlace) error {
	if _, there := d.get(segmentKey(place.segment)); !there {
		return nil
	}
	k := segmentEnvironmentKey(place.segment, place.environment)
	e, err := d.segmentEnvironment(place.segment, place.environment)
	if err != nil {
		return err
	}
	var now feature.SegmentEnvironment
	if data, there := d.base.Get(k); there {
		if now, err = feature.Decode[feature.SegmentEnvironment](data); err != nil {
			return err
		}
	}
	before := e
	for _, side := range []feature.Side{feature.Include, feature.Exclude} {
		list := *now.Of(side)
		if then := *e.Of(side); then != nil {
			list = then
		}
		if list == nil {
			continue
		}
		counted := *list
		counted.Count, counted.Bytes = 0, 0
		for shard := range shards {
			key := shardKey(place.segment, place.environment, side, shard)
			data, there := d.get(key)
			if !there {
				continue
			}
			if _, restored := d.over[key]; !restored && (*now.Of(side) == nil || (*now.Of(side)).Salt != counted.Salt) {
				return feature.Conflict("the %s list of segment %q was made anew since; restore the whole environment", side, place.segment)
			}
			content, err := feature.Decode[feature.ListShard](data)
			if err != nil {
				return err
			}
			counted.Count += int64(len(content.Keys))
			counted.Bytes += size(content.Keys)
		}
		if counted.Count > 0 || *e.Of(side) != nil {
			*e.Of(side) = &counted
		}
	}
	if same(before, e) {
		return nil
	}
	e.Version, e.UpdatedAt = d.revision(), d.now
	return d.authored(k, &e)
}
