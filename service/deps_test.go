// Package service_test holds the rule that keeps the architecture what it is: who may import whom.
package service_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const module = "github.com/dimmerhq/dimmer"

// policy is the import table. A line names a package and, after the arrow, everything that it may import beyond the
// standard library: packages of this module, and libraries by the short names of the list below. Within the table a
// package may only import what stands above it. An import that is not listed here fails the build: to add one is a
// decision, made in this file, where it is seen in review.
//
//   - "pure" before a package: no I/O, clock, randomness, logging or goroutine; all come in as arguments.
//   - "tests" before a package: imported by test files only.
//   - "*" stands for every package of this module above the line; the composition root and commands use it.
const policy = `
pure evaluator                    → murmur3
     evaluator/vectors            → evaluator
     proto/dimmer/v1              → protobuf grpc

# What people author, and what is computed from it.
pure service/feature              → evaluator
pure service/compile              → service/feature evaluator jsonschema
pure service/policy               → service/feature
pure service/limit                → time-rate
pure service/stats                →
pure service/rollout              → service/feature service/stats

# State.
     service/store                → service/feature
tests service/store/redistest     → testify
tests service/store/storetest     → service/store service/feature testify rapid porcupine
     service/store/redisstore     → service/store service/feature go-redis
     service/store/localstore     → service/store service/feature bbolt
     service/feed                 → service/store service/feature evaluator

# Work.
     service/receipt              → service/store service/feature
     service/auth                 → service/policy service/store service/feature
     service/admin                → service/feature service/store service/policy service/compile service/receipt evaluator

# Edges: decode, call one function, encode. None imports another.
     service/adminapi             → service/admin service/feature service/feed service/auth service/policy service/store service/receipt service/limit evaluator echo oapi-runtime
     service/evalapi              → service/feed service/receipt service/auth service/policy service/feature service/store service/limit evaluator proto/dimmer/v1 protobuf grpc genproto

# The process.
     admin-ui                     →
     service/config               → service/feature kong yaml
     service/server               → * grpc protobuf echo prometheus errgroup
tests service/server/bench        → grpc protobuf echo

# What applications import: never anything of service/.
     sdk/go                       → evaluator proto/dimmer/v1 protobuf grpc
     sdk/go/dimmertest            → sdk/go evaluator
     sdk/go/examples/shop         → sdk/go

     cmd/dimmer                   → * kong yaml errgroup
     deploy                       →
     .ci/gotest                   →
`

// libraries names the modules that the table may use; a short name covers the packages below its path.
const libraries = `
bbolt         go.etcd.io/bbolt
echo          github.com/labstack/echo/v4
errgroup      golang.org/x/sync/errgroup
go-redis      github.com/redis/go-redis/v9
genproto      google.golang.org/genproto/googleapis/rpc
goleak        go.uber.org/goleak
grpc          google.golang.org/grpc
jsonschema    github.com/santhosh-tekuri/jsonschema/v6
kong          github.com/alecthomas/kong
murmur3       github.com/spaolacci/murmur3
oapi-runtime  github.com/oapi-codegen/runtime
porcupine     github.com/anishathalye/porcupine
prometheus    github.com/prometheus/client_golang/prometheus
protobuf      google.golang.org/protobuf
rapid         pgregory.net/rapid
semver        github.com/Masterminds/semver/v3
testify       github.com/stretchr/testify
testscript    github.com/rogpeppe/go-internal
time-rate     golang.org/x/time/rate
yaml          go.yaml.in/yaml/v4
`

// forTests are the libraries that test files of every package may import beyond the table. Test files may also import
// any package of this module: a test may look at the whole from any side, and nothing of it reaches a user's build.
const forTests = `
github.com/Masterminds/semver/v3
github.com/anishathalye/porcupine
github.com/rogpeppe/go-internal
github.com/santhosh-tekuri/jsonschema/v6
github.com/stretchr/testify
go.uber.org/goleak
go.yaml.in/yaml/v4
pgregory.net/rapid
`

// impure are the standard packages that a pure package may not import.
const impure = `
crypto/rand io/ioutil log log/slog math/rand math/rand/v2 net net/http net/rpc os os/exec os/signal runtime/debug
syscall testing time/tzdata
`

// clock are the functions of package time that read or wait for the clock; its types and arithmetic are plain values.
const clock = `Now Since Until Sleep After AfterFunc Tick NewTimer NewTicker`

func TestImports(t *testing.T) {
	table, err := parseTable(policy, libraries, forTests)
	require.NoError(t, err)
	problems, err := table.check(os.DirFS(".."))
	require.NoError(t, err)
	require.Empty(t, problems, "the import table in service/deps_test.go says otherwise:\n%s", strings.Join(problems, "\n"))
}

// table is the parsed policy. Packages are named by their path within the module.
type table struct {
	rules    map[string]rule
	libs     map[string]string // short name → import path
	forTests []string          // import paths
}

type rule struct {
	pure, tests bool
	may         map[string]bool // packages of this module
	libs        []string        // import paths
}

func parseTable(policy, libraries, forTests string) (*table, error) {
	t := &table{rules: map[string]rule{}, libs: map[string]string{}, forTests: strings.Fields(forTests)}
	for line := range strings.Lines(libraries) {
		if words := strings.Fields(line); len(words) == 2 {
			t.libs[words[0]] = words[1]
		}
	}
	for line := range strings.Lines(policy) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		left, right, found := strings.Cut(line, "→")
		words := strings.Fields(left)
		if !found || len(words) == 0 || len(words) > 2 {
			return nil, fmt.Errorf("not a line of the table: %s", line)
		}
		name := words[len(words)-1]
		if _, again := t.rules[name]; again {
			return nil, fmt.Errorf("%s is listed twice", name)
		}
		r, err := t.parseRule(name, strings.Fields(right))
		if err != nil {
			return nil, err
		}
		r.pure, r.tests = words[0] == "pure", words[0] == "tests"
		if len(words) == 2 && !r.pure && !r.tests {
			return nil, fmt.Errorf("%s: unknown mark %q", name, words[0])
		}
		t.rules[name] = r
	}
	return t, nil
}

// parseRule reads what a package may import. All that it names stands above it, so the table cannot hold a cycle.
func (t *table) parseRule(name string, words []string) (rule, error) {
	r := rule{may: map[string]bool{}}
	for _, word := range words {
		above, known := t.rules[word]
		lib, isLib := t.libs[word]
		switch {
		case word == "*":
			for other, o := range t.rules {
				r.may[other] = !o.tests
			}
		case known && above.tests:
			return r, fmt.Errorf("%s: %s is for tests", name, word)
		case known && strings.HasPrefix(name, "sdk/") && strings.HasPrefix(word, "service/"):
			return r, fmt.Errorf("%s: nothing in sdk/ imports service/", name)
		case known:
			r.may[word] = true
		case isLib:
			r.libs = append(r.libs, lib)
		default:
			return r, fmt.Errorf("%s: %s is neither a package above this line nor a library", name, word)
		}
	}
	return r, nil
}

// check reads all Go files below root, those of other systems and build tags too, and returns what the table forbids.
func (t *table) check(root fs.FS) ([]string, error) {
	problems := []string{}
	found := map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := path.Base(name)
			hidden := strings.HasPrefix(base, ".") && name != "." && name != ".ci"
			if hidden || base == "testdata" || base == "node_modules" || base == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found[path.Dir(name)] = true
		more, err := t.checkFile(name, text)
		problems = append(problems, more...)
		return err
	})
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		if _, listed := t.rules[pkg]; !listed && pkg != "service" {
			problems = append(problems, pkg+": this package is not in the table")
		}
	}
	return problems, err
}

func (t *table) checkFile(name string, text []byte) ([]string, error) {
	r, listed := t.rules[path.Dir(name)]
	if !listed {
		return nil, nil // reported once, by package
	}
	isTest := strings.HasSuffix(name, "_test.go")
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if why := t.refuse(r, target, isTest); why != "" {
			problems = append(problems, fmt.Sprintf("%s: %s", fset.Position(spec.Pos()), why))
		}
	}
	if r.pure && !isTest {
		problems = append(problems, impurities(fset, file)...)
	}
	return problems, nil
}

// refuse says why a file of a package with rule r may not import target; empty if it may.
func (t *table) refuse(r rule, target string, isTest bool) string {
	inside, isOurs := strings.CutPrefix(target, module+"/")
	switch {
	case isOurs && isTest:
		return ""
	case isOurs && t.rules[inside].tests && !r.tests:
		return inside + " is for test files"
	case isOurs && r.may[inside]:
		return ""
	case isOurs:
		return "may not import " + inside
	case !strings.Contains(strings.Split(target, "/")[0], "."):
		if r.pure && !isTest && slices.Contains(strings.Fields(impure), target) {
			return "is pure and may not import " + target
		}
		return ""
	}
	allowed := r.libs
	if isTest {
		allowed = append(slices.Clone(allowed), t.forTests...)
	}
	for _, lib := range allowed {
		if target == lib || strings.HasPrefix(target, lib+"/") {
			return ""
		}
	}
	return "may not import " + target
}

// impurities finds what imports alone do not show: reading the clock, and starting goroutines.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var problems []string
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.GoStmt:
			problems = append(problems, fmt.Sprintf("%s: is pure and may not start a goroutine", fset.Position(n.Pos())))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(strings.Fields(clock), n.Sel.Name) {
				problems = append(problems, fmt.Sprintf("%s: is pure and may not call time.%s", fset.Position(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return problems
}

// TestCheckerSeesViolations proves the checker on made-up trees: a rule that nothing can break protects nothing.
func TestCheckerSeesViolations(t *testing.T) {
	table, err := parseTable(`
pure evaluator        → murmur3
     service/store    → evaluator
tests service/suite   → service/store testify
     service/feed     → service/store
     service/server   → * grpc
`, "murmur3 github.com/spaolacci/murmur3\ntestify github.com/stretchr/testify\ngrpc google.golang.org/grpc\n", "github.com/stretchr/testify")
	require.NoError(t, err)

	tests := []struct {
		name, file, text string
		want             string // empty: allowed
	}{
		{name: "standard library", file: "service/feed/a.go", text: `import "net/http"`},
		{name: "listed package", file: "service/feed/a.go", text: `import _ "github.com/dimmerhq/dimmer/service/store"`},
		{name: "package further down", file: "service/store/a.go", text: `import _ "github.com/dimmerhq/dimmer/service/feed"`,
			want: "service/store/a.go:2:8: may not import service/feed"},
		{name: "not listed though above", file: "service/feed/a.go", text: `import _ "github.com/dimmerhq/dimmer/evaluator"`,
			want: "service/feed/a.go:2:8: may not import evaluator"},
		{name: "unlisted library", file: "service/feed/a.go", text: `import _ "google.golang.org/grpc"`,
			want: "service/feed/a.go:2:8: may not import google.golang.org/grpc"},
		{name: "package below a listed library", file: "service/server/a.go", text: `import _ "google.golang.org/grpc/health"`},
		{name: "library whose name only begins alike", file: "service/server/a.go", text: `import _ "google.golang.org/grpcx"`,
			want: "service/server/a.go:2:8: may not import google.golang.org/grpcx"},
		{name: "star is every package above", file: "service/server/a.go", text: `import _ "github.com/dimmerhq/dimmer/service/feed"`},
		{name: "star leaves out test packages", file: "service/server/a.go", text: `import _ "github.com/dimmerhq/dimmer/service/suite"`,
			want: "service/server/a.go:2:8: service/suite is for test files"},
		{name: "other systems' files count", file: "service/feed/a_windows.go", text: `import _ "google.golang.org/grpc"`,
			want: "service/feed/a_windows.go:2:8: may not import google.golang.org/grpc"},
		{name: "test file with a test library", file: "service/feed/a_test.go", text: `import _ "github.com/stretchr/testify/require"`},
		{name: "test library outside tests", file: "service/feed/a.go", text: `import _ "github.com/stretchr/testify/require"`,
			want: "service/feed/a.go:2:8: may not import github.com/stretchr/testify/require"},
		{name: "test file with another package of the module", file: "service/store/a_test.go", text: `import _ "github.com/dimmerhq/dimmer/service/feed"`},
		{name: "test file with an unlisted library", file: "service/store/a_test.go", text: `import _ "google.golang.org/grpc"`,
			want: "service/store/a_test.go:2:8: may not import google.golang.org/grpc"},
		{name: "package that nobody listed", file: "service/util/a.go", text: ``, want: "service/util: this package is not in the table"},
		{name: "pure: impure import", file: "evaluator/a.go", text: `import "os"`, want: "evaluator/a.go:2:8: is pure and may not import os"},
		{name: "pure: its tests may", file: "evaluator/a_test.go", text: `import "os"`},
		{name: "pure: time as a value", file: "evaluator/a.go", text: "import \"time\"\nvar d = time.Second"},
		{name: "pure: the clock", file: "evaluator/a.go", text: "import \"time\"\nvar now = time.Now()",
			want: "evaluator/a.go:3:11: is pure and may not call time.Now"},
		{name: "pure: goroutine", file: "evaluator/a.go", text: "func f() { go f() }", want: "evaluator/a.go:2:12: is pure and may not start a goroutine"},
		{name: "folders that are not ours", file: "node_modules/x/a.go", text: `import "left/pad"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			problems, err := table.check(fstest.MapFS{test.file: {Data: []byte("package p\n" + test.text)}})
			require.NoError(t, err)
			if test.want == "" {
				require.Empty(t, problems)
			} else {
				require.Equal(t, []string{test.want}, problems)
			}
		})
	}
}

func TestTableRefusesItsOwnMistakes(t *testing.T) {
	for name, test := range map[string]struct{ policy, want string }{
		"arrow that points down":       {"service/a → service/b\nservice/b →", "neither a package above"},
		"sdk on service":               {"service/a →\nsdk/go → service/a", "nothing in sdk/ imports service/"},
		"test package in production":   {"tests service/a →\nservice/b → service/a", "is for tests"},
		"package twice":                {"service/a →\nservice/a →", "listed twice"},
		"no arrow":                     {"service/a", "not a line of the table"},
		"mark that nobody understands": {"puer service/a →", `unknown mark "puer"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseTable(test.policy, "", "")
			require.ErrorContains(t, err, test.want)
		})
	}
}
