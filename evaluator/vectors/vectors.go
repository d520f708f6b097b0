// Package vectors holds the test vectors that every evaluator has to pass, in whatever language: JSON files, described in README.md
// beside them, and what Go tests need to run them. The files come from generate/, an implementation of docs/ruleset.md that
// shares nothing with package evaluator, so that a misreading has to happen twice before it goes unnoticed.
package vectors

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Files are hashing.json, clauses.json and flags.json.
//
//go:embed hashing.json clauses.json flags.json
var Files embed.FS

// format is the version of the files that this package reads.
const format = 1

// Cohort is a case of hashing.json: the key of a context, and its hash and bucket in both stages. A nil Key says that the context yields
// none; the hashes and buckets are then nil as well.
type Cohort struct {
	Name     string   `json:"name"`
	Salt     string   `json:"salt"`
	BucketBy []string `json:"bucketBy"`
	Input
	TargetingKeyHex string  `json:"targetingKeyHex"` // instead of a context: the bytes of a targeting key, perhaps ill-formed
	Key             *string `json:"key"`
	ExposeHash      *uint32 `json:"exposeHash"`
	Expose          *int    `json:"expose"`
	AssignHash      *uint32 `json:"assignHash"`
	Assign          *int    `json:"assign"`
}

// Fingerprint is a case of hashing.json: a key of a list segment.
type Fingerprint struct {
	Name        string `json:"name"`
	Salt        string `json:"salt"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"` // 32 hex digits
	Shard       int    `json:"shard"`
}

// Clause is a case of clauses.json: Want is "true", "false" or "quarantined".
type Clause struct {
	Name   string          `json:"name"`
	Clause json.RawMessage `json:"clause"`
	Input
	Want string `json:"want"`
}

// Case is a case of flags.json: a ruleset, a context, and the answers. Quarantined are the keys of all flags that must be, sorted.
type Case struct {
	Name    string          `json:"name"`
	Ruleset json.RawMessage `json:"ruleset"`
	Input
	Evaluations []Evaluation `json:"evaluations"`
	Quarantined []string     `json:"quarantined"`
}

// Evaluation asks for one flag: As is empty, "boolean", "string", "number", "integer" or "json".
type Evaluation struct {
	Flag string `json:"flag"`
	As   string `json:"as"`
	Want Want   `json:"want"`
}

// Want is a whole answer; with an Error, Value is null.
type Want struct {
	Value   json.RawMessage     `json:"value"`
	Variant string              `json:"variant"`
	Reason  evaluator.Reason    `json:"reason"`
	Cause   evaluator.Cause     `json:"cause"`
	Rule    string              `json:"rule"`
	Version int64               `json:"version"`
	Error   evaluator.ErrorCode `json:"error"`
}

// Input is a context: as JSON, or as the text of JSON where how something is spelled matters, or it is not well-formed.
type Input struct {
	Data json.RawMessage `json:"context"`
	Text *string         `json:"contextText"`
}

// JSON is the text of the context.
func (i Input) JSON() []byte {
	if i.Text != nil {
		return []byte(*i.Text)
	}
	return i.Data
}

// Context parses the context. The error is that of an invalid context.
func (i Input) Context() (*evaluator.Context, error) { return evaluator.ParseContext(i.JSON()) }

// Context is the cohort's, also when it is given as bytes.
func (c Cohort) Context() (*evaluator.Context, error) {
	if c.TargetingKeyHex == "" {
		return c.Input.Context()
	}
	key, err := hex.DecodeString(c.TargetingKeyHex)
	if err != nil {
		return nil, err
	}
	ctx := evaluator.NewContext(string(key))
	return ctx, ctx.Err()
}

// Snapshot compiles the case's ruleset.
func (c Case) Snapshot() (*evaluator.Snapshot, error) {
	docs, err := evaluator.ParseRuleset(c.Ruleset)
	if err != nil {
		return nil, err
	}
	s, _ := evaluator.New(evaluator.Revision{}, docs) // the problems show as Quarantined
	return s, nil
}

// Hashing reads hashing.json.
func Hashing() ([]Cohort, []Fingerprint, error) {
	var f struct {
		Cohorts      []Cohort      `json:"cohorts"`
		Fingerprints []Fingerprint `json:"fingerprints"`
	}
	err := load("hashing.json", &f)
	return f.Cohorts, f.Fingerprints, err
}

// Clauses reads clauses.json.
func Clauses() ([]Clause, error) {
	var f struct {
		Cases []Clause `json:"cases"`
	}
	err := load("clauses.json", &f)
	return f.Cases, err
}

// Flags reads flags.json.
func Flags() ([]Case, error) {
	var f struct {
		Cases []Case `json:"cases"`
	}
	err := load("flags.json", &f)
	return f.Cases, err
}

func load(name string, into any) error {
	data, err := Files.ReadFile(name)
	if err != nil {
		return err
	}
	var head struct {
		Format int `json:"format"`
	}
	err = errors.Join(json.Unmarshal(data, &head), json.Unmarshal(data, into))
	if err == nil && head.Format != format {
		err = fmt.Errorf("format %d; this package reads %d", head.Format, format)
	}
	if err != nil {
		return fmt.Errorf("vectors: %s: %w", name, err)
	}
	return nil
}
