package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/dimmerhq/dimmer/service/store"
)

// keyspace makes the keys of scopes: prefix:{scope}:what. The braces make Redis Cluster keep a scope on one server; the scope is encoded, so that no
// name that a person chose can close them, or be another scope's.
type keyspace struct{ prefix string }

func validPrefix(p string) bool {
	for i := range len(p) {
		c := p[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return len(p) > 0 && len(p) <= 32
}

func (k keyspace) key(scope, what string) string {
	return k.prefix + ":{" + encodeName(scope) + "}:" + what
}

func (k keyspace) head(scope string) string    { return k.key(scope, "head") }
func (k keyspace) docs(scope string) string    { return k.key(scope, "docs") }
func (k keyspace) log(scope string) string     { return k.key(scope, "log") }
func (k keyspace) idem(scope string) string    { return k.key(scope, "idem") }
func (k keyspace) idemEnd(scope string) string { return k.key(scope, "idem-end") }
func (k keyspace) here(scope string) string    { return k.key(scope, "here") }
func (k keyspace) hereEnd(scope string) string { return k.key(scope, "here-end") }

// adopted holds the operator's last word on an empty store.
func (k keyspace) adopted() string { return k.key(store.System, "adopted") }

// mark is written to be waited for: see await.
func (k keyspace) mark(scope string) string { return k.key(scope, "mark") }

// record is what the store remembers of itself: see life.go.
func (k keyspace) record() string { return k.key(store.System, "store") }

// heads matches the head of every scope.
func (k keyspace) heads() string { return k.prefix + ":{*}:head" }

// scope is the inverse of head.
func (k keyspace) scope(head string) (string, bool) {
	name, found := strings.CutPrefix(head, k.prefix+":{")
	if !found {
		return "", false
	}
	if name, found = strings.CutSuffix(name, "}:head"); !found {
		return "", false
	}
	return decodeName(name)
}

const upperHex = "0123456789ABCDEF"

// encodeName keeps letters, digits, _ . and -, and writes every other byte as %XX: one name, one key.
func encodeName(name string) string {
	var out strings.Builder
	for i := range len(name) {
		c := name[i]
		if plain(c) {
			out.WriteByte(c)
			continue
		}
		out.WriteByte('%')
		out.WriteByte(upperHex[c>>4])
		out.WriteByte(upperHex[c&15])
	}
	return out.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// decodeName accepts what encodeName makes, and nothing else.
func decodeName(text string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out.WriteByte(text[i])
			continue
		}
		if i+3 > len(text) {
			return "", false
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out.WriteByte(byte(c))
		i += 2
	}
	name := out.String()
	return name, encodeName(name) == text
}

// field is a document's key as a field of the hash: neither part can hold a NUL.
func field(k store.Key) string { return k.Collection + "\x00" + k.ID }

func splitField(f string) (store.Key, bool) {
	collection, id, found := strings.Cut(f, "\x00")
	return store.Key{Collection: collection, ID: id}, found && collection != "" && id != "" && !strings.Contains(id, "\x00")
}

// idemID is what an idempotency key, which may hold anything and be long, is called.
func idemID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// entryID is the id of an entry in the stream. The epoch is not part of it: a revision is found without knowing the epoch that it was made in.
func entryID(revision int64) string { return "0-" + strconv.FormatInt(revision, 10) }
