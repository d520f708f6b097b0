package admin

import (
	"fmt"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/compile"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// Collections of authored documents. In a project's scope: environment, flag, targeting/<environment>, segment, segmentlist/<segment>,
// kill/<environment>, and ruleset/<environment> for what they become. In the system scope: project, token.
const (
	collProject     = "project"
	collToken       = "token"
	collEnvironment = "environment"
	collFlag        = "flag"
	collSegment     = "segment"
)

func projectKey(key string) store.Key     { return store.Key{Collection: collProject, ID: key} }
func tokenKey(id string) store.Key        { return store.Key{Collection: collToken, ID: id} }
func environmentKey(key string) store.Key { return store.Key{Collection: collEnvironment, ID: key} }
func flagKey(key string) store.Key        { return store.Key{Collection: collFlag, ID: key} }
func segmentKey(key string) store.Key     { return store.Key{Collection: collSegment, ID: key} }

func targetingCollection(environment string) string { return "targeting/" + environment }

func targetingKey(environment, flag string) store.Key {
	return store.Key{Collection: targetingCollection(environment), ID: flag}
}

func killCollection(environment string) string { return "kill/" + environment }

func killKey(environment, id string) store.Key {
	return store.Key{Collection: killCollection(environment), ID: id}
}

func listCollection(segment string) string { return "segmentlist/" + segment }

// segmentEnvironmentKey is where a segment's activation and list settings of one environment are; its shards are beside it.
func segmentEnvironmentKey(segment, environment string) store.Key {
	return store.Key{Collection: listCollection(segment), ID: environment}
}

func shardKey(segment, environment string, side feature.Side, shard int) store.Key {
	return store.Key{Collection: listCollection(segment), ID: fmt.Sprintf("%s/%s/%02x", environment, side, shard)}
}

func rulesetKey(environment string, kind evaluator.Kind, key string) store.Key {
	return store.Key{Collection: store.RulesetCollection(environment), ID: compile.DocumentID(kind, key)}
}

// at names a flag in an environment, as log entries do.
func at(flag, environment string) string { return "flag/" + flag + "@" + environment }
