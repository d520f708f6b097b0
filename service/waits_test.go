package service_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestNoFixedWaits: a test that sleeps and then looks is slow where the machine is fast and wrong where it is slow. A
// sleep is part of a loop that polls until a deadline, or inside synctest's bubble, where it costs nothing; or its line
// says why, in a comment that begins "waits:".
func TestNoFixedWaits(t *testing.T) {
	problems, err := fixedWaits(os.DirFS(".."))
	require.NoError(t, err)
	require.Empty(t, problems, "poll with a deadline, or use testing/synctest:\n%s", strings.Join(problems, "\n"))
}

func fixedWaits(root fs.FS) ([]string, error) {
	problems := []string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(path.Base(name), ".") || path.Base(name) == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		problems = append(problems, sleeps(fset, file)...)
		return nil
	})
	return problems, err
}

// sleeps returns the places of a file where a sleep is neither in a loop, nor in a bubble, nor explained.
func sleeps(fset *token.FileSet, file *ast.File) []string {
	explained := map[int]bool{} // by line
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "// waits:") {
				explained[fset.Position(comment.Pos()).Line] = true
			}
		}
	}
	var problems []string
	var stack []ast.Node
	ast.Inspect(file, func(node ast.Node) bool {
		if node == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, node)
		if called(node) != "time.Sleep" || slices.ContainsFunc(stack, patient) {
			return true
		}
		if at := fset.Position(node.Pos()); !explained[at.Line] {
			problems = append(problems, fmt.Sprintf("%s: a fixed wait", at))
		}
		return true
	})
	return problems
}

// patient tells whether a sleep below this node is not a fixed wait.
func patient(node ast.Node) bool {
	switch node.(type) {
	case *ast.ForStmt, *ast.RangeStmt:
		return true
	}
	return called(node) == "synctest.Test"
}

// called is "package.Function" of a call, or empty.
func called(node ast.Node) string {
	call, ok := node.(*ast.CallExpr)
	if !ok {
		return ""
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + selector.Sel.Name
}

func TestFixedWaitsAreSeen(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		seen bool
	}{
		"before an assertion": {"time.Sleep(1)\ncheck()", true},
		"in a goroutine":      {"go func() { time.Sleep(1) }()", true},
		"polling":             {"for !done() {\n\ttime.Sleep(1)\n}", false},
		"bubble":              {"synctest.Test(t, func(t *testing.T) { time.Sleep(1) })", false},
		"explained":           {"time.Sleep(1) // waits: nothing may arrive in this time", false},
		"explained elsewhere": {"time.Sleep(1)\n// waits: no", true},
	} {
		t.Run(name, func(t *testing.T) {
			text := "package p\nfunc f() {\n" + test.body + "\n}\n"
			problems, err := fixedWaits(fstest.MapFS{"a/a_test.go": {Data: []byte(text)}, "a/a.go": {Data: []byte(text)}})
			require.NoError(t, err)
			if test.seen {
				require.Len(t, problems, 1)
				require.Contains(t, problems[0], "a/a_test.go:3:")
			} else {
				require.Empty(t, problems)
			}
		})
	}
}
