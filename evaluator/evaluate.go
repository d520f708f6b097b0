package evaluator

// Outcome is the answer for a flag and a context. It is never nil, allocates nothing and takes no lock.
func (s *Snapshot) Outcome(flag string, c *Context) *Outcome {
	if s == nil {
		return outcomeNotFound
	}
	n := s.nodes[tableFlags].get(hashString(flag), flag)
	if n == nil {
		return outcomeNotFound
	}
	if n.plain != nil {
		return n.plain
	}
	if c == nil {
		c = emptyContext
	} else if c.err != nil {
		return outcomeContext
	}
	if n.split != nil && c.key.kind == datumText {
		return n.split.pickKey(c.key.text)
	}
	return n.flag.evaluate(s, c)
}

// outcomeOf is the answer of a flag that another document refers to.
func (s *Snapshot) outcomeOf(r *reference, c *Context) *Outcome {
	n := s.nodes[tableFlags].get(r.hash, r.key)
	switch {
	case n == nil:
		return outcomeNotFound // not reachable: what refers to it is quarantined
	case n.plain != nil:
		return n.plain
	}
	return n.flag.evaluate(s, c)
}

// inSegment says whether the context is in a segment that another document refers to.
func (s *Snapshot) inSegment(r *reference, c *Context) truth {
	n := s.nodes[tableSegments].get(r.hash, r.key)
	if n == nil || n.segment == nil {
		return broken // not reachable: what refers to it is quarantined
	}
	return n.contains(s, c)
}

// evaluate goes through the steps from the prerequisites on.
func (f *flag) evaluate(s *Snapshot, c *Context) *Outcome {
	for _, r := range f.prerequisites {
		if !r.accepts(s.outcomeOf(r, c)) {
			return f.failed
		}
	}
	for i := range f.rules {
		r := &f.rules[i]
		if r.when != nil {
			switch r.when.eval(s, c) {
			case no:
				continue
			case broken:
				return outcomeGeneral
			case yes:
			}
		}
		if o := r.serve.pick(c); o != nil {
			return o
		}
	}
	return f.fallback.pick(c)
}

// Evaluate is [Snapshot.Outcome], spread out.
func (s *Snapshot) Evaluate(flag string, c *Context) Result {
	return s.Outcome(flag, c).Result(s.Revision())
}

// EvaluateAll visits every flag with its answer, all from this one snapshot, in no particular order.
func (s *Snapshot) EvaluateAll(c *Context, visit func(key string, r Result)) {
	s.OutcomeAll(c, func(key string, o *Outcome) { visit(key, o.Result(s.Revision())) })
}

// OutcomeAll visits every flag with its answer, all from this one snapshot, in no particular order.
func (s *Snapshot) OutcomeAll(c *Context, visit func(key string, o *Outcome)) {
	s.OutcomesUntil(c, func(key string, o *Outcome) bool {
		visit(key, o)
		return true
	})
}

// OutcomesUntil is [Snapshot.OutcomeAll] until visit returns false; what is not visited is not evaluated.
func (s *Snapshot) OutcomesUntil(c *Context, visit func(key string, o *Outcome) bool) {
	if s == nil {
		return
	}
	if c == nil {
		c = emptyContext
	}
	for i := range s.nodes[tableFlags].shards {
		slots := s.nodes[tableFlags].shards[i].slots
		for j := range slots {
			slot := &slots[j]
			n := slot.value
			if n == nil {
				continue
			}
			o := n.plain
			switch {
			case o != nil:
			case c.err != nil:
				o = outcomeContext
			case n.split != nil && c.key.kind == datumText:
				o = n.split.pickKey(c.key.text)
			default:
				o = n.flag.evaluate(s, c)
			}
			if !visit(slot.key, o) {
				return
			}
		}
	}
}

// Bool is the answer of a boolean flag. When the result carries an error the caller's default is to be used.
func (s *Snapshot) Bool(flag string, c *Context) (bool, Result) {
	o := s.Outcome(flag, c)
	v, ok := o.Bool()
	return v, s.typed(o, ok)
}

// String is the answer of a string flag. When the result carries an error the caller's default is to be used.
func (s *Snapshot) String(flag string, c *Context) (string, Result) {
	o := s.Outcome(flag, c)
	v, ok := o.value.Text()
	return v, s.typed(o, ok)
}

// Float is the answer of a number flag. When the result carries an error the caller's default is to be used.
func (s *Snapshot) Float(flag string, c *Context) (float64, Result) {
	o := s.Outcome(flag, c)
	v, ok := o.value.Float()
	return v, s.typed(o, ok)
}

// Int is the answer of a number flag whose value is an integer. When the result carries an error the caller's default is to be used.
func (s *Snapshot) Int(flag string, c *Context) (int64, Result) {
	o := s.Outcome(flag, c)
	v, ok := o.value.Int()
	return v, s.typed(o, ok)
}

// JSON is the answer of a json flag. When the result carries an error the caller's default is to be used.
func (s *Snapshot) JSON(flag string, c *Context) (Value, Result) {
	o := s.Outcome(flag, c)
	if ok := o.value.Type() == TypeJSON; !ok {
		return Value{}, s.typed(o, ok)
	}
	return o.value, o.Result(s.Revision())
}

func (s *Snapshot) typed(o *Outcome, ok bool) Result {
	return o.Typed(ok).Result(s.Revision())
}

// Typed is the outcome of a typed call that found the value to fit or not: one that does not fit is a TYPE_MISMATCH.
func (o *Outcome) Typed(fits bool) *Outcome {
	if fits || o.err != 0 {
		return o
	}
	return outcomeMismatch
}
