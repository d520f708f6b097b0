package evaluator

// serve is [serve.pick], told.
func (t *tracer) serve(x *serve, s *Serve, salt string) (*Outcome, *TraceServe) {
	out := &TraceServe{}
	o := x.out
	if o == nil {
		out.Distribution = &TraceDistribution{}
		o = t.distribution(x.distribution, s.Distribution, salt, out.Distribution)
	}
	if o != nil {
		out.Served = o.variant
	}
	return o, out
}

// distribution is [distribution.pick], told.
func (t *tracer) distribution(x *distribution, d *Distribution, salt string, out *TraceDistribution) *Outcome {
	out.Exposure = d.Exposure
	switch {
	case d.Exposure == 0:
		return x.unexposed
	case d.Exposure == Buckets && x.single != nil:
		out.Exposed, out.Range = true, &TraceRange{x.single.variant, 0, Buckets}
		return x.single
	}
	key := t.bucketKey(d, out)
	if key == "" {
		out.Keyless = true
		return x.keyless
	}
	if d.Exposure < Buckets {
		out.Expose = bucketTrace(salt, stageExpose, key)
		if out.Expose.Bucket >= uint32(d.Exposure) {
			return x.unexposed
		}
	}
	out.Exposed = true
	if x.single != nil {
		out.Range = &TraceRange{x.single.variant, 0, Buckets}
		return x.single
	}
	out.Assign = bucketTrace(salt, stageAssign, key)
	for _, r := range d.Ranges {
		if int(out.Assign.Bucket) >= r.From && int(out.Assign.Bucket) < r.To {
			out.Range = &TraceRange{r.Variant, r.From, r.To}
		}
	}
	return x.search(out.Assign.Bucket)
}

// bucketKey is the first key that an attribute yields, or empty.
func (t *tracer) bucketKey(d *Distribution, out *TraceDistribution) string {
	attributes := d.BucketBy
	if len(attributes) == 0 {
		attributes = []string{keyAttribute}
	}
	for _, text := range attributes {
		asked := TraceKey{Attribute: text}
		p, _ := parsePath(text) // it was parsed when the flag was compiled
		if found := p.find(t.c); found != nil {
			asked.Value = found.any()
			if asked.Key = found.text; found.kind == datumNumber {
				if text, ok := found.integerText(); ok {
					asked.Key = text
				}
			}
		}
		out.BucketBy = append(out.BucketBy, asked)
		if asked.Key != "" {
			return asked.Key
		}
	}
	return ""
}

func bucketTrace(salt, stage, key string) *TraceBucket {
	return &TraceBucket{salt + "/" + stage + "/" + key, bucketOf(hashKey(hashPrefix(salt, stage), key))}
}
