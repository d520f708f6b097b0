package admin

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// read decodes a document of a state; kind and name are for the error when it is not there.
func read[T any](state *store.State, k store.Key, kind, name string) (T, error) {
	data, there := state.Get(k)
	if !there {
		var none T
		return none, feature.NotFound(kind, name)
	}
	return feature.Decode[T](data)
}

// patched applies a merge patch to a document and decodes the result strictly, so that a patch can do no more than a whole document could.
func patched[T any](before T, patch []byte) (T, error) {
	var after T
	text, err := feature.Encode(before)
	if err != nil {
		return after, err
	}
	merged, err := feature.MergePatch(text, patch)
	if err != nil {
		return after, err
	}
	err = feature.DecodeStrict(merged, &after, feature.Limits{Bytes: 4 * feature.MaxDocument, Depth: 64})
	return after, err
}

// same compares two documents as they would be stored.
func same(a, b any) bool {
	x, errX := feature.Encode(a)
	y, errY := feature.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// paginate takes one page of the documents of a collection, in the order of ids. keep decides which count; it gets the raw document first, so that
// what is filtered out need not be decoded.
func paginate[T any](all iter.Seq2[string, []byte], page Page, keep func(id string, data []byte) (T, bool, error)) (Paged[T], error) {
	out := Paged[T]{Items: []T{}}
	limit, err := page.limit()
	if err != nil {
		return out, err
	}
	last := ""
	for id, data := range all {
		if page.Cursor != "" && id <= page.Cursor {
			continue
		}
		item, ok, err := keep(id, data)
		if err != nil {
			return out, err
		}
		if !ok {
			continue
		}
		if len(out.Items) == limit {
			out.Next = last
			return out, nil
		}
		out.Items, last = append(out.Items, item), id
	}
	return out, nil
}

// rulesetEnvironment is the environment of a ruleset document's key.
func rulesetEnvironment(k store.Key) (string, bool) {
	return strings.CutPrefix(k.Collection, store.RulesetCollection(""))
}

// containsFold says whether any of the texts holds part, whatever the case.
func containsFold(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), part) })
}
