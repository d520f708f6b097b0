package compile

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// Shard says in which of a list's 256 shards a key belongs: the first byte of its fingerprint.
func Shard(salt, key string) int { return int(evaluator.Fingerprint(salt, key)[0]) }

// ListKey is the ruleset's key of a list shard.
func ListKey(segment string, side feature.Side, shard int) string {
	return fmt.Sprintf("%s:%s:%02x", segment, side, shard)
}

// ListShard lowers one shard. Its document depends on its own keys alone, so that one added key sends one small change.
func ListShard(segment string, side feature.Side, shard int, salt string, keys []string) evaluator.List {
	prints := make([][16]byte, len(keys))
	for i, k := range keys {
		prints[i] = evaluator.Fingerprint(salt, k)
	}
	slices.SortFunc(prints, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	prints = slices.Compact(prints)
	raw := make([]byte, 0, 16*len(prints))
	for _, p := range prints {
		raw = append(raw, p[:]...)
	}
	return evaluator.List{
		Key: ListKey(segment, side, shard), Segment: segment, Side: string(side), Shard: shard,
		Fingerprints: base64.StdEncoding.EncodeToString(raw),
	}
}
