package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/feature"
)

// may is the whole table of rights, written a second time and by hand: for each action who may do it within his project and
// environment. A change of policy is a change here as well, where it is seen.
var may = map[Action]string{
	ProjectRead:      "viewer operator editor admin",
	ProjectWrite:     "admin",
	EnvironmentRead:  "viewer operator editor admin",
	EnvironmentWrite: "admin",
	FlagRead:         "viewer operator editor admin",
	FlagWrite:        "editor admin",
	SegmentRead:      "viewer operator editor admin",
	SegmentWrite:     "editor admin",
	TargetingRead:    "viewer operator editor admin",
	TargetingWrite:   "editor admin",
	TargetingRamp:    "operator editor admin controller",
	KillCreate:       "operator editor admin controller kill",
	KillRead:         "viewer operator editor admin kill",
	KillClear:        "editor admin",
	TokenRead:        "admin",
	TokenWrite:       "admin",
	LogRead:          "viewer operator editor admin",
	LogRestore:       "editor admin",
	InstanceRead:     "viewer operator editor admin",
	EventRead:        "viewer operator editor admin",
	Evaluate:         "viewer operator editor admin server",
	EvaluateTrace:    "viewer operator editor admin server",
	EvaluateClient:   "viewer operator editor admin server client",
	Sync:             "admin server",
	StoreManage:      "admin",
	SignIn:           "viewer operator editor admin",
	Whoami:           "viewer operator editor admin server client kill",
}

func principals() map[string]Principal {
	all := map[string]Principal{"controller": {Kind: KindController}, "nobody": {}, "stranger": {Kind: "stranger"}, "roleless": {Kind: KindAdmin}, "god": {Kind: KindAdmin, Role: "god"}}
	for _, r := range Roles {
		all[string(r)] = Principal{Kind: KindAdmin, Role: r}
	}
	for _, k := range []Kind{KindServer, KindClient, KindKill} {
		all[string(k)] = Principal{Kind: k, Role: RoleAdmin} // a role that only admin tokens have changes nothing
	}
	return all
}

func TestTable(t *testing.T) {
	require.Len(t, may, len(Actions()), "every action stands in the table above")
	resource := Resource{Project: "shop", Environment: "production"}
	for _, a := range Actions() {
		require.Contains(t, may, a)
		for name, p := range principals() {
			allowed := slices.Contains(strings.Fields(may[a]), name)
			for _, bound := range []Principal{{}, {Project: "shop"}, {Project: "shop", Environment: "production"}} {
				p.Project, p.Environment = bound.Project, bound.Environment
				err := Can(p, a, resource)
				if allowed {
					require.NoError(t, err, "%s %s", name, a)
				} else {
					require.Equal(t, feature.CodeDenied, feature.CodeOf(err), "%s %s", name, a)
				}
			}
		}
	}
}

func TestUnknownAction(t *testing.T) {
	require.Equal(t, feature.CodeDenied, feature.CodeOf(Can(Principal{Kind: KindAdmin, Role: RoleAdmin}, "flag.admire", Resource{})))
}

// What lies outside a principal's project or environment does not exist for it, whatever its rights.
func TestBounds(t *testing.T) {
	for _, a := range Actions() {
		for name, p := range principals() {
			p.Project, p.Environment = "shop", "staging"
			require.Equal(t, feature.CodeNotFound, feature.CodeOf(Can(p, a, Resource{Project: "bank", Environment: "staging"})), "%s %s", name, a)
			require.Equal(t, feature.CodeNotFound, feature.CodeOf(Can(p, a, Resource{Project: "bank"})), "%s %s", name, a)
			require.Equal(t, feature.CodeNotFound, feature.CodeOf(Can(p, a, Resource{Project: "shop", Environment: "production"})), "%s %s", name, a)
		}
	}
}

// A principal of one project does nothing to the installation, and one of a single environment nothing to the whole project; but both read what they
// need to find their way.
func TestBeyond(t *testing.T) {
	admin := Principal{Kind: KindAdmin, Role: RoleAdmin, Project: "shop"}
	for _, a := range Actions() {
		err := Can(admin, a, Resource{})
		if a == ProjectRead || a == SignIn || a == Whoami {
			require.NoError(t, err, a)
		} else {
			require.Equal(t, feature.CodeDenied, feature.CodeOf(err), a)
		}
	}
	admin.Environment = "production"
	reads := []Action{ProjectRead, EnvironmentRead, FlagRead, SegmentRead, EventRead, LogRead, InstanceRead, KillRead, SignIn, Whoami}
	for _, a := range Actions() {
		err := Can(admin, a, Resource{Project: "shop"})
		if slices.Contains(reads, a) {
			require.NoError(t, err, a)
		} else {
			require.Equal(t, feature.CodeDenied, feature.CodeOf(err), a)
		}
	}
}

// Clearing is stricter than killing: nobody can clear who cannot also kill, and some can kill who cannot clear.
func TestClearIsStricter(t *testing.T) {
	stricter := false
	for name, p := range principals() {
		kill, clears := Can(p, KillCreate, Resource{Project: "shop"}), Can(p, KillClear, Resource{Project: "shop"})
		if clears == nil {
			require.NoError(t, kill, name)
		}
		stricter = stricter || kill == nil && clears != nil
	}
	require.True(t, stricter)
}
