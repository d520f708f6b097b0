// Package feature holds what people author: projects, environments, flags, their targeting, segments, kills and tokens,
// with the rules that say when such a document is valid, and the one error type of the service.
//
// It is pure: no I/O, no clock, no goroutine. It does not know how a document becomes a ruleset (package compile) nor where
// it is kept (package store). All values are plain data; nothing here is safe to change while another goroutine reads it.
package feature

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on authored documents. The ruleset that they lower to has limits of its own, which package compile checks.
const (
	MaxDocument     = 256 << 10 // bytes of one authored document, and of one admin request
	MaxDepth        = 16        // nesting of JSON in an admin request
	MaxRules        = 200       // of one targeting
	MaxVariants     = 100       // of one flag
	MaxRegexp       = 256       // bytes of one pattern
	MaxBucketBy     = 8         // attributes of one distribution
	MaxRanges       = 1000      // of one distribution
	MaxEnvironments = 100       // of one project
	MaxTags         = 50        // of one flag
	MaxBulk         = 1000      // keys, items or contexts in one bulk request
	MaxEnvironment  = 128 << 20 // bytes of an environment's ruleset, list shards not counted
	MaxList         = 64 << 20  // bytes of one segment's list in one environment
	maxName         = 256       // bytes
	maxText         = 4096      // bytes of a description or a reason
	maxProblems     = 100       // reported at once
)

// CheckKey says whether a key of a project, environment, flag, segment or tag is well formed:
// ^[a-z0-9][a-z0-9._-]{0,127}$. The error has no path; callers set it.
func CheckKey(key string) error {
	if !plain(key, false, "._-") {
		return Invalid("", "key %s must be 1 to 128 characters of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit", quote(key))
	}
	return nil
}

// checkVariantKey allows upper case as well, since application code of other vendors' flags compares variant keys.
func checkVariantKey(key string) error {
	if !plain(key, true, "._-") {
		return Invalid("", "variant key %s must be 1 to 128 letters, digits, '.', '_' and '-', and begin with a letter or digit", quote(key))
	}
	return nil
}

// DefaultRule is the name under which a targeting's default goes wherever a rule id is asked for, so no rule may have it.
const DefaultRule = "default"

// CheckRuleID says whether a rule's id is well formed. ':' is allowed for rules that a rollout owns ("rollout:checkout").
func CheckRuleID(id string) error {
	switch {
	case id == DefaultRule:
		return Invalid("", "%q is the name of the default and cannot be a rule's id", id)
	case !plain(id, true, "._-:"):
		return Invalid("", "rule id %s must be 1 to 128 letters, digits, '.', '_', '-' and ':', and begin with a letter or digit", quote(id))
	}
	return nil
}

func plain(s string, upper bool, punctuation string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', upper && c >= 'A' && c <= 'Z':
		case i > 0 && strings.IndexByte(punctuation, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// quote shows a piece of input in a message without letting it grow.
func quote(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// checkLine adds a problem when a one-line text (a name, an owner) is too long or not a line.
func (p *problems) checkLine(path, s string) {
	if len(s) > maxName {
		p.add(path, "is %d bytes long; at most %d", len(s), maxName)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		p.add(path, "must be one line of text without control characters")
	}
}

// checkText is checkLine for several lines.
func (p *problems) checkText(path, s string) {
	if len(s) > maxText {
		p.add(path, "is %d bytes long; at most %d", len(s), maxText)
	}
	bad := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		p.add(path, "must be text without control characters")
	}
}

// CheckReason says whether the reason given for a change is acceptable; it may be empty.
func CheckReason(reason string) error {
	var p problems
	p.checkText("/reason", reason)
	return p.err()
}

// Encode writes a document as it is stored and compared: compact JSON, members in the order of the type, '<', '>' and '&' as
// they are. The same value always gives the same bytes.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, Internal(err, "encode %T", v)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// Decode reads a document that Encode wrote. It is lenient about unknown members, so that an older node can read what a
// newer one stored; requests go through [DecodeStrict].
func Decode[T any](data []byte) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return v, Internal(err, "decode stored %T", v)
	}
	return v, nil
}
