package evaluator

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is why a document is quarantined.
type Problem struct {
	Kind Kind
	Key  string
	Path string // JSON pointer in the document; empty: the document as a whole
	Msg  string
	Err  error // the cause, when there is one
}

func (p Problem) Error() string {
	return fmt.Sprintf("%s %q %s: %s", p.Kind, p.Key, cmp.Or(p.Path, "/"), p.Msg)
}

func (p Problem) Unwrap() error { return p.Err }

func (p Problem) compare(q Problem) int {
	return cmp.Or(cmp.Compare(p.Kind, q.Kind), cmp.Compare(p.Key, q.Key), cmp.Compare(p.Path, q.Path), cmp.Compare(p.Msg, q.Msg))
}

// What is remembered of one document is bounded: a name of 200 KiB may stand in the path of each problem below it.
const (
	maxProblems     = 100
	maxProblemBytes = 1 << 10 // of a path, and of a message
)

// shortened is text, cut when it is too long for a problem.
func shortened(text string) string {
	if len(text) <= maxProblemBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxProblemBytes], "") + "…"
}

// place collects the problems of one document and knows where in it the work is. Steps are pushed and popped on the way; a pointer
// is only spelled out when there is something to say.
type place struct {
	kind     Kind
	key      string
	steps    []step
	problems []Problem
	bad      []string // the members at the top that have problems, also ones that are not remembered
}

// step is a member's name, or with an empty name an element's index.
type step struct {
	name  string
	index int
}

func (p *place) in(name string) { p.steps = append(p.steps, step{name: name}) }
func (p *place) at(index int)   { p.steps = append(p.steps, step{index: index}) }
func (p *place) out()           { p.steps = p.steps[:len(p.steps)-1] }

func (p *place) problem(format string, args ...any) {
	p.problemErr(nil, format, args...)
}

func (p *place) problemErr(err error, format string, args ...any) {
	if len(p.steps) > 0 && !slices.Contains(p.bad, p.steps[0].name) {
		p.bad = append(p.bad, p.steps[0].name)
	}
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, Problem{Kind: p.kind, Key: p.key, Path: shortened(p.pointer()), Msg: shortened(fmt.Sprintf(format, args...)), Err: err})
	}
}

// hasProblem says whether a problem lies at or below one of the document's members.
func (p *place) hasProblem(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(p.bad, name) })
}

// problemIn is problem for a member of where the work is.
func (p *place) problemIn(name, format string, args ...any) {
	p.in(name)
	p.problem(format, args...)
	p.out()
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (p *place) pointer() string {
	var b strings.Builder
	for _, s := range p.steps {
		b.WriteByte('/')
		if s.name == "" {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(pointerEscape.Replace(s.name))
		}
	}
	return b.String()
}
