package admin

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
	"github.com/dimmerhq/dimmer/service/store"
)

// Draft is a transaction in the making on one project. Its methods are the verbs that write; any number of them make one commit, see
// [Service.Batch]. They see what those before them did. A Draft is used by one goroutine, and only while the function that it was given to runs;
// that function may run again on a newer state, so it must not keep anything.
//
// Problems with a document are collected and reported together when the function returns; other errors are returned at once, and end it.
type Draft struct {
	s       *Service
	ctx     context.Context
	call    *Call
	project string
	base    *store.State
	now     time.Time

	over     map[store.Key][]byte    // what was written, nil: deleted
	flags    map[flagPlace]string    // flags to lower, with the prefix of pointers into them
	segments map[segmentPlace]string // segments to lower
	trusted  map[flagPlace]bool      // flags whose only change takes exposure away: what is wrong with them was so before
	problems []error
	prefix   string
	raises   bool // something may expose more than before
	version  int64
	urgent   bool // a kill: nothing rides on it
	purging  bool // old tombstones were looked for
}

type flagPlace struct{ environment, flag string }
type segmentPlace struct{ environment, segment string }

func (s *Service) newDraft(ctx context.Context, call *Call, project string, base *store.State) *Draft {
	return &Draft{
		s: s, ctx: ctx, call: call, project: project, base: base, now: s.opts.Clock().UTC().Truncate(time.Millisecond),
		over: map[store.Key][]byte{}, flags: map[flagPlace]string{}, segments: map[segmentPlace]string{}, trusted: map[flagPlace]bool{},
	}
}

// In puts what the next verbs complain of below a JSON pointer, for a request that holds several documents.
func (d *Draft) In(pointer string) { d.prefix = pointer }

// revision is that of the commit, if it succeeds.
func (d *Draft) revision() int64 { return d.base.Head().Revision + 1 }

func (d *Draft) can(action policy.Action, environment string) error {
	return policy.Can(d.call.Principal, action, policy.Resource{Project: d.project, Environment: environment})
}

func (d *Draft) invalid(err error) {
	if err == nil {
		return
	}
	for _, e := range feature.Problems(err) {
		d.problems = append(d.problems, e.At(d.prefix))
	}
}

// get reads a document as it is in the draft.
func (d *Draft) get(k store.Key) ([]byte, bool) {
	if data, there := d.over[k]; there {
		return data, data != nil
	}
	return d.base.Get(k)
}

func (d *Draft) put(k store.Key, data []byte) { d.over[k] = data }
func (d *Draft) delete(k store.Key)           { d.over[k] = nil }

// ids lists the documents of a collection as they are in the draft, sorted.
func (d *Draft) ids(collection string) []string {
	var out []string
	for id := range d.base.List(collection) {
		if data, there := d.over[store.Key{Collection: collection, ID: id}]; !there || data != nil {
			out = append(out, id)
		}
	}
	added := false
	for k, data := range d.over {
		if k.Collection != collection || data == nil {
			continue
		}
		if _, there := d.base.Get(k); !there {
			out, added = append(out, k.ID), true
		}
	}
	if added {
		slices.Sort(out)
	}
	return out
}

func (d *Draft) environments() []string { return d.ids(collEnvironment) }

// load reads and decodes a document; kind and name are for the error when it is not there.
func load[T any](d *Draft, k store.Key, kind, name string) (T, error) {
	data, there := d.get(k)
	if !there {
		var none T
		return none, feature.NotFound(kind, name)
	}
	return feature.Decode[T](data)
}

// authored writes an authored document.
func (d *Draft) authored(k store.Key, v any) error {
	d.raises = true
	return d.write(k, v, feature.MaxDocument)
}

// lowered is authored for a change that only takes exposure away. It is taken of a document that is too large already, if that does not grow by more than a version's digits.
func (d *Draft) lowered(k store.Key, v any) error {
	const digits = 64
	before, _ := d.get(k)
	return d.write(k, v, max(feature.MaxDocument, len(before)+digits))
}

func (d *Draft) write(k store.Key, v any, most int) error {
	data, err := feature.Encode(v)
	if err != nil {
		return err
	}
	d.put(k, data)
	if len(data) > most {
		return &feature.Error{Code: feature.CodeTooLarge, Path: d.prefix, Msg: "the document would have " + strconv.Itoa(len(data)) + " bytes; at most " +
			strconv.Itoa(feature.MaxDocument)}
	}
	return nil
}

// matches checks the caller's If-Match against a document's version. required: a missing one is refused.
func (d *Draft) matches(ifMatch string, version int64, required ifMatchRule) error {
	switch {
	case ifMatch == "" && required == mustMatch:
		return &feature.Error{Code: feature.CodePreconditionRequired, Msg: "If-Match with the version that was read is required, so that nobody's change is lost"}
	case ifMatch == "" || ifMatch == "*":
		return nil
	case ifMatch != strconv.FormatInt(version, 10):
		return &feature.Error{Code: feature.CodePrecondition, Msg: "somebody was faster: the version is now " + strconv.FormatInt(version, 10)}
	}
	return nil
}

// ifMatchRule says whether a verb can do without If-Match.
type ifMatchRule bool

const (
	mustMatch ifMatchRule = true
	mayMatch  ifMatchRule = false
)

// changes are the draft's writes that make a difference, after all flags and segments that need it were lowered and compiled.
func (d *Draft) finish() ([]store.Change, map[string]*compile.Ruleset, error) {
	d.lower()
	rulesets := map[string]*compile.Ruleset{}
	if len(d.over) > 0 && !d.urgent {
		if err := d.purge(); err != nil {
			return nil, nil, err
		}
	}
	for _, environment := range d.touched() {
		r, err := d.compile(environment)
		if err != nil {
			return nil, nil, err
		}
		rulesets[environment] = r
	}
	if err := feature.Join(d.problems...); err != nil {
		return nil, nil, err
	}
	var out []store.Change
	for k, after := range d.over {
		before, there := d.base.Get(k)
		if there && after != nil && bytes.Equal(before, after) || !there && after == nil {
			continue
		}
		out = append(out, store.Change{Key: k, Before: before, After: after})
	}
	return out, rulesets, nil
}

// lower makes the ruleset documents of all flags and segments that were touched.
func (d *Draft) lower() {
	for place := range d.segments {
		d.invalid(d.lowerSegment(place))
	}
	for place := range d.flags {
		d.invalid(d.lowerFlag(place))
	}
}

func (d *Draft) lowerFlag(place flagPlace) error {
	k := rulesetKey(place.environment, evaluator.KindFlag, place.flag)
	flag, there := d.get(flagKey(place.flag))
	targeting, placed := d.get(targetingKey(place.environment, place.flag))
	if !there || !placed {
		d.delete(k)
		return nil
	}
	f, err := feature.Decode[feature.Flag](flag)
	if err != nil {
		return err
	}
	t, err := feature.Decode[feature.Targeting](targeting)
	if err != nil {
		return err
	}
	existing, _ := d.base.Get(k)
	data, err := compile.Stamp(existing, d.revision(), func(version int64) any { return compile.Flag(&f, &t, version) })
	if err == nil {
		d.put(k, data)
	}
	return err
}

func (d *Draft) lowerSegment(place segmentPlace) error {
	k := rulesetKey(place.environment, evaluator.KindSegment, place.segment)
	segment, there := d.get(segmentKey(place.segment))
	if !there {
		d.delete(k)
		return nil
	}
	sg, err := feature.Decode[feature.Segment](segment)
	if err != nil {
		return err
	}
	e, err := d.segmentEnvironment(place.segment, place.environment)
	if err != nil {
		return err
	}
	existing, _ := d.base.Get(k)
	data, err := compile.Stamp(existing, d.revision(), func(version int64) any { return compile.Segment(&sg, &e, version) })
	if err == nil {
		d.put(k, data)
	}
	return err
}

// touched lists the environments whose ruleset changes by more than a kill, which needs no compiling, sorted.
func (d *Draft) touched() []string {
	var out []string
	for k := range d.over {
		environment, ok := rulesetEnvironment(k)
		if kind, _ := compile.ParseID(k.ID); !ok || kind == evaluator.KindKill || slices.Contains(out, environment) {
			continue
		}
		if _, there := d.get(environmentKey(environment)); there { // else it is on its way out
			out = append(out, environment)
		}
	}
	slices.Sort(out)
	return out
}

// compile checks what an environment's ruleset becomes.
func (d *Draft) compile(environment string) (*compile.Ruleset, error) {
	var changes []compile.Change
	collection := store.RulesetCollection(environment)
	for k, after := range d.over {
		if k.Collection != collection {
			continue
		}
		before, _ := d.base.Get(k)
		if bytes.Equal(before, after) {
			continue
		}
		kind, key := compile.ParseID(k.ID)
		changes = append(changes, compile.Change{Kind: kind, Key: key, Before: before, After: after})
	}
	before := d.s.scope(d.project).ruleset(d.base, environment)
	if len(changes) == 0 {
		return before, nil
	}
	after, problems := before.With(evaluator.Revision{Epoch: d.base.Head().Epoch, Number: d.revision()}, changes)
	for _, p := range problems {
		if p.Kind == evaluator.KindFlag && d.trusted[flagPlace{environment, p.Key}] {
			continue
		}
		d.problems = append(d.problems, d.explain(environment, p))
	}
	return after, after.CheckSize(before, environment)
}

// explain says where in the request the cause of an evaluator's problem is, or else in which document.
func (d *Draft) explain(environment string, p evaluator.Problem) *feature.Error {
	prefix, ok := d.flags[flagPlace{environment, p.Key}]
	if p.Kind == evaluator.KindSegment {
		prefix, ok = d.segments[segmentPlace{environment, p.Key}]
	}
	if ok && (p.Kind == evaluator.KindFlag || p.Kind == evaluator.KindSegment) {
		return feature.Invalid(prefix+p.Path, "%s", p.Msg)
	}
	return feature.Invalid(d.prefix, "%s %s in %s would break: %s: %s", p.Kind, p.Key, environment, p.Path, p.Msg)
}
