package evaluator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Schema is the document schema that this package reads. A document with a higher one is quarantined.
const Schema = 1

// Buckets is the length of the hash line; exposures, weights and ranges count in it, so one bucket is 0.001 %.
const Buckets = 100_000

// Kind says what a document describes.
type Kind string

// The kinds of document.
const (
	KindFlag    Kind = "flag"    // key: the flag's key
	KindSegment Kind = "segment" // key: the segment's key
	KindKill    Kind = "kill"    // key: the kill's id
	KindList    Kind = "list"    // key: <segment>:<side>:<shard in two hex digits>
)

// Document is one document of a ruleset, as stored and as sent. In a change, a nil JSON says that it was deleted.
// The bytes are shared, never copied: nobody may change them.
type Document struct {
	Kind Kind
	Key  string
	JSON []byte
}

// Ruleset is all documents of one environment as plain data, for tests and tools that write one by hand. It decodes as a whole
// or not at all; to read a ruleset whose flags may be damaged use [ParseRuleset].
type Ruleset struct {
	Flags    map[string]Flag    `json:"flags,omitempty"`
	Segments map[string]Segment `json:"segments,omitempty"`
	Kills    map[string]Kill    `json:"kills,omitempty"`
	Lists    map[string]List    `json:"lists,omitempty"`
}

// Flag is a flag in one environment.
type Flag struct {
	Key           string         `json:"key"`
	Schema        int            `json:"schema,omitempty"` // 0: 1
	Type          string         `json:"type"`             // boolean, string, number, json
	Version       int64          `json:"version"`          // the environment's revision at which it last changed
	Salt          string         `json:"salt"`             // 12 characters of [a-z0-9]
	ClientVisible bool           `json:"clientVisible,omitempty"`
	Variants      []Variant      `json:"variants"` // 1…100
	Enabled       bool           `json:"enabled"`
	Off           string         `json:"off"` // a variant's key
	Prerequisites []Prerequisite `json:"prerequisites,omitempty"`
	Rules         []Rule         `json:"rules,omitempty"` // at most 200
	Default       Serve          `json:"default"`
}

// Variant is one of the values that a flag can have.
type Variant struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Prerequisite holds when the named flag resolves to one of the variants.
type Prerequisite struct {
	Flag     string   `json:"flag"`
	Variants []string `json:"variants"`
}

// Rule serves something to the contexts for which When is true; nil is always true.
type Rule struct {
	ID    string     `json:"id"`
	When  *Condition `json:"when,omitempty"`
	Serve Serve      `json:"serve"`
}

// Serve is a variant's key or a distribution, exactly one of them.
type Serve struct {
	Variant      string        `json:"variant,omitempty"`
	Distribution *Distribution `json:"distribution,omitempty"`
}

// Distribution is a weighted split of the share of the hash line that is exposed.
type Distribution struct {
	BucketBy  []string `json:"bucketBy,omitempty"`  // attribute paths, the first that yields a key counts; empty: targetingKey
	Exposure  int      `json:"exposure"`            // 0…[Buckets]
	Otherwise string   `json:"otherwise,omitempty"` // the variant of those who are not exposed
	Hash      string   `json:"hash,omitempty"`      // "" or "h1"
	Ranges    []Range  `json:"ranges"`              // cover 0…[Buckets] without gap or overlap, sorted
}

// Range gives the buckets From ≤ b < To to a variant. Seq and Prev are the memory of [Reallocate]; evaluation ignores them.
type Range struct {
	Variant string `json:"variant"`
	From    int    `json:"from"`
	To      int    `json:"to"`
	Seq     int64  `json:"seq,omitempty"`  // when the variant got it: higher is later
	Prev    string `json:"prev,omitempty"` // the variant that had it before
}

// Condition has exactly one of the forms: All, Any, Not, Segment, Flag with Variants, or Attribute with Op and its options.
// An All or Any that is empty but not nil is that form, with no members.
type Condition struct {
	All []Condition `json:"all,omitzero"`
	Any []Condition `json:"any,omitzero"`
	Not *Condition  `json:"not,omitempty"`

	Segment string `json:"segment,omitempty"`

	Flag     string   `json:"flag,omitempty"`
	Variants []string `json:"variants,omitzero"`

	Attribute  string            `json:"attribute,omitempty"` // a path
	Op         string            `json:"op,omitempty"`
	Values     []json.RawMessage `json:"values,omitzero"`
	IgnoreCase bool              `json:"ignoreCase,omitempty"`
	Negate     bool              `json:"negate,omitempty"`
}

// Segment is a named set of contexts.
type Segment struct {
	Key     string              `json:"key"`
	Schema  int                 `json:"schema,omitempty"` // 0: 1
	Version int64               `json:"version"`
	Active  *bool               `json:"active,omitempty"` // nil: true
	When    *Condition          `json:"when,omitempty"`
	Include map[string][]string `json:"include,omitempty"` // attribute path → keys
	Exclude map[string][]string `json:"exclude,omitempty"`
	Lists   []ListRef           `json:"lists,omitempty"` // at most one a side
}

// ListRef says that a segment has a list, whose shards are documents of kind [KindList].
type ListRef struct {
	Side      string `json:"side"`      // include, exclude
	Attribute string `json:"attribute"` // the path of what is looked up
	Salt      string `json:"salt"`
}

// List is one of the 256 shards of a segment's list.
type List struct {
	Key          string `json:"key"` // <segment>:<side>:<shard in two hex digits>
	Schema       int    `json:"schema,omitempty"`
	Segment      string `json:"segment"`
	Side         string `json:"side"`
	Shard        int    `json:"shard"`        // the first byte of its fingerprints
	Fingerprints string `json:"fingerprints"` // base64 of the [Fingerprint]s, sorted, each once
}

// Kill is the fact that somebody killed a flag. The flag is killed until every kill that names it is cleared.
type Kill struct {
	ID        string `json:"id"`
	Schema    int    `json:"schema,omitempty"`
	Flag      string `json:"flag"`
	At        string `json:"at,omitempty"`        // RFC 3339
	ClearedAt string `json:"clearedAt,omitempty"` // RFC 3339; empty: in force
}

// Documents encodes each member as a document, sorted by kind and key.
func (r Ruleset) Documents() ([]Document, error) {
	var docs []Document
	for _, add := range []func() error{
		func() error { return encodeAll(&docs, KindFlag, r.Flags) },
		func() error { return encodeAll(&docs, KindKill, r.Kills) },
		func() error { return encodeAll(&docs, KindList, r.Lists) },
		func() error { return encodeAll(&docs, KindSegment, r.Segments) },
	} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func encodeAll[V any](docs *[]Document, kind Kind, members map[string]V) error {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		data, err := json.Marshal(members[key])
		if err != nil {
			return fmt.Errorf("%s %q: %w", kind, key, err)
		}
		*docs = append(*docs, Document{Kind: kind, Key: key, JSON: data})
	}
	return nil
}
