package evaluator

// serveOutcomes says how what is served is called: the reason and cause of a variant, the cause of a split, and what those get who are
// not exposed when there is no otherwise (nil: the next rule).
type serveOutcomes struct {
	reason    uint8
	cause     uint8
	unexposed *variant
}

func (k *flagCompiler) serve(s *Serve, rule string, as serveOutcomes) (out serve) {
	switch {
	case s.Variant != "" && s.Distribution != nil:
		k.problem("has both a variant and a distribution")
	case s.Distribution != nil:
		k.in("distribution")
		out.distribution = k.distribution(s.Distribution, rule, as)
		k.out()
	case s.Variant != "":
		k.in("variant")
		out.out = k.head.outcome(k.variant(s.Variant), as.reason, as.cause, rule)
		k.out()
	default:
		k.problem("has neither a variant nor a distribution")
	}
	return out
}

func (k *flagCompiler) distribution(d *Distribution, rule string, as serveOutcomes) *distribution {
	x := &distribution{exposure: uint32(d.Exposure)}
	if d.Exposure < 0 || d.Exposure > Buckets {
		k.problemIn("exposure", "must lie between 0 and %d", Buckets)
	}
	if len(k.salt) == saltLength {
		x.expose, x.assign = hashPrefix(k.salt, stageExpose), hashPrefix(k.salt, stageAssign)
	}
	k.in("bucketBy")
	if len(d.BucketBy) > maxBucketBy {
		k.problem("has %d entries; at most %d", len(d.BucketBy), maxBucketBy)
	}
	for i, text := range d.BucketBy {
		k.at(i)
		x.bucketBy = append(x.bucketBy, k.path(text))
		k.out()
	}
	if len(x.bucketBy) == 1 && x.bucketBy[0].isKey {
		x.bucketBy = nil
	}
	k.out()
	rest := as.unexposed
	if d.Otherwise != "" {
		k.in("otherwise")
		rest = k.variant(d.Otherwise)
		k.out()
	}
	if rest != nil {
		x.unexposed = k.head.outcome(rest, reasonSplit, causeUnexposed, rule)
		x.keyless = k.head.outcome(rest, reasonSplit, causeKeyless, rule)
	}
	k.in("ranges")
	k.ranges(x, d.Ranges, rule, as.cause)
	k.out()
	return x
}

func (k *flagCompiler) ranges(x *distribution, ranges []Range, rule string, cause uint8) {
	if n := len(ranges); n < 1 || n > MaxRanges {
		k.problem("has %d entries; there must be 1 to %d", n, MaxRanges)
		return
	}
	outcomes := map[string]*Outcome{}
	end := 0
	for i, r := range ranges {
		k.at(i)
		switch {
		case r.From != end:
			k.problemIn("from", "is %d; the last range ended at %d", r.From, end)
		case r.To <= r.From || r.To > Buckets:
			k.problemIn("to", "is %d; must be more than from and at most %d", r.To, Buckets)
		}
		end = r.To
		o := outcomes[r.Variant]
		if o == nil {
			k.in("variant")
			o = k.head.outcome(k.variant(r.Variant), reasonSplit, cause, rule)
			outcomes[r.Variant] = o
			k.out()
		}
		k.out()
		if last := len(x.pieces) - 1; last >= 0 && x.pieces[last].out == o {
			x.pieces[last].to = uint32(end)
		} else {
			x.pieces = append(x.pieces, piece{uint32(end), o})
		}
	}
	if end != Buckets {
		k.problem("end at %d; they must cover 0 to %d", end, Buckets)
	}
	if len(outcomes) == 1 {
		x.single, x.pieces = x.pieces[0].out, nil
	}
}
