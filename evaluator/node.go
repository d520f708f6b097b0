package evaluator

// node is a document in a snapshot.
type node struct {
	hash uint64
	key  string
}

func (s *Snapshot) inSegment(*reference, *Context) truth { panic("not written yet") }

func (s *Snapshot) outcomeOf(*reference, *Context) *Outcome { panic("not written yet") }
