package evaluator

// serve is [serve.pick], told if there is room.
func (t *tracer) serve(x *serve, s *Serve, salt string) (*Outcome, *TraceServe) {
	if !t.take(traceServeBytes) {
		return x.pick(t.c), nil
	}
	out := &TraceServe{}
	o := x.out
	if o == nil {
		if !t.take(traceDistributionBytes) {
			return x.pick(t.c), nil
		}
		out.Distribution = &TraceDistribution{}
		o = t.distribution(x.distribution, s.Distribution, salt, out.Distribution)
	}
	if o == nil {
		return nil, out
	}
	if !t.take(nameBytes(o.variant)) {
		return o, nil
	}
	out.Served = shortened(o.variant)
	return o, out
}

// distribution is [distribution.pick], told.
func (t *tracer) distribution(x *distribution, d *Distribution, salt string, out *TraceDistribution) *Outcome {
	out.Exposure = d.Exposure
	switch {
	case d.Exposure == 0:
		return x.unexposed
	case d.Exposure == Buckets && x.single != nil:
		out.Exposed, out.Range = true, t.rangeOf(x.single.variant, 0, Buckets, out)
		return x.single
	}
	key := t.bucketKey(d, out)
	if key == "" {
		out.Keyless = true
		return x.keyless
	}
	if d.Exposure < Buckets {
		out.Expose = t.bucket(salt, stageExpose, key, out)
		if out.Expose.Bucket >= uint32(d.Exposure) {
			return x.unexposed
		}
	}
	out.Exposed = true
	if x.single != nil {
		out.Range = t.rangeOf(x.single.variant, 0, Buckets, out)
		return x.single
	}
	out.Assign = t.bucket(salt, stageAssign, key, out)
	for _, r := range d.Ranges {
		if int(out.Assign.Bucket) >= r.From && int(out.Assign.Bucket) < r.To {
			out.Range = t.rangeOf(r.Variant, r.From, r.To, out)
		}
	}
	return x.search(out.Assign.Bucket)
}

func (t *tracer) rangeOf(variant string, from, to int, out *TraceDistribution) *TraceRange {
	if !t.take(nameBytes(variant)) {
		out.Truncated = true
		return nil
	}
	return &TraceRange{shortened(variant), from, to}
}

// bucketKey is the first key that an attribute yields, or empty.
func (t *tracer) bucketKey(d *Distribution, out *TraceDistribution) (key string) {
	attributes := d.BucketBy
	if len(attributes) == 0 {
		attributes = []string{keyAttribute}
	}
	for _, text := range attributes {
		p, _ := parsePath(text) // it was parsed when the flag was compiled
		found := p.find(t.c)
		if found != nil {
			if key = found.text; found.kind == datumNumber {
				key = ""
				if n, ok := found.integerText(); ok {
					key = n
				}
			}
		}
		t.bucketBy(text, found, key, out)
		if key != "" {
			return key
		}
	}
	return ""
}

// bucketBy tells an attribute that was asked for a key.
func (t *tracer) bucketBy(attribute string, found *datum, key string, out *TraceDistribution) {
	if !t.take(traceKeyBytes + nameBytes(attribute, key)) {
		out.Truncated = true
		return
	}
	asked := TraceKey{Attribute: shortened(attribute), Key: key}
	if found != nil {
		if t.takeValue(found.valueBytes(maxTraceValue)) {
			asked.Value = found.any()
		} else {
			asked.Truncated = true
		}
	}
	out.BucketBy = append(out.BucketBy, asked)
}

func (t *tracer) bucket(salt, stage, key string, out *TraceDistribution) *TraceBucket {
	b := &TraceBucket{Bucket: bucketOf(hashKey(hashPrefix(salt, stage), key))}
	if input := salt + "/" + stage + "/" + key; t.take(textBytes(input)) {
		b.Input = input
	} else {
		b.Truncated, out.Truncated = true, true
	}
	return b
}
