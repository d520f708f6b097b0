package evaluator

import (
	"fmt"
	"slices"
)

func (s *status) equal(o *status) bool { return s.work == o.work && slices.Equal(s.faults, o.faults) }

// problems are all that a node has. Those that follow from other documents are spelled out only here: that takes the document apart again,
// to find where in it the references stand.
func (n *node) problems() []Problem {
	return append(slices.Clone(n.doc.problems), n.doc.spell(n.faults)...)
}

// newFaults are the problems of faults that a node had not before.
func newFaults(d *document, faults []fault, before *node) []Problem {
	if before == nil {
		return d.spell(faults)
	}
	fresh := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return slices.Contains(before.faults, f) })
	return d.spell(fresh)
}

// spell makes problems of faults.
func (d *document) spell(faults []fault) []Problem {
	if len(faults) == 0 {
		return nil
	}
	wanted := make(map[use]string, len(faults))
	for _, f := range faults {
		wanted[use{kind: f.kind, key: f.key}] = ""
	}
	doc := d.document()
	if d.kind == KindFlag {
		compileFlag(doc, wanted)
	} else {
		compileSegment(doc, wanted)
	}
	out := make([]Problem, 0, min(len(faults), maxProblems))
	for _, f := range faults {
		if len(out) == maxProblems {
			break
		}
		p := Problem{Kind: d.kind, Key: d.key, Path: shortened(wanted[use{kind: f.kind, key: f.key}])}
		switch f.reason {
		case faultMissing:
			p.Msg = fmt.Sprintf("there is no %s %q", f.kind, f.key)
		case faultCycle:
			p.Msg = fmt.Sprintf("%s %q leads back here: a cycle", f.kind, f.key)
		case faultQuarantined:
			p.Msg = fmt.Sprintf("%s %q is quarantined", f.kind, f.key)
		case faultWork:
			p.Msg = fmt.Sprintf("one evaluation can visit more than %d flags, segments, conditions and values that are compared one by one", maxWork)
		}
		p.Msg = shortened(p.Msg)
		out = append(out, p)
	}
	return out
}

func sortProblems(list []Problem) []Problem {
	slices.SortFunc(list, Problem.compare)
	return list
}
