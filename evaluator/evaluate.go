package evaluator

// Outcome is the answer for a flag and a context. It is never nil, allocates nothing and takes no lock.
func (s *Snapshot) Outcome(flag string, c *Context) *Outcome { panic("not written yet") }

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
	panic("not written yet")
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
