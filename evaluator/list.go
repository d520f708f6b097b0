package evaluator

import (
	"bytes"
	"slices"
)

// noShard is the shard of a document that does not repeat it.
const noShard = -1

// compileList reads a list shard into c.
func compileList(doc Document, c *document) {
	d := newDecoder(doc)
	l := d.decodeList()
	segment, side, shard, ok := splitListKey(doc.Key)
	if !ok {
		d.problem("the key must be <segment>:include:<shard> or <segment>:exclude:<shard>, with the shard as two hexadecimal digits")
	}
	switch {
	case l.Segment != "" && l.Segment != segment:
		d.problemIn("segment", "is not the key's segment")
	case l.Side != "" && l.Side != side:
		d.problemIn("side", "is not the key's side")
	case l.Shard != noShard && l.Shard != shard:
		d.problemIn("shard", "is not the key's shard")
	}
	prints, problem := newFingerprints(l.Fingerprints)
	if problem == "" && !prints.allBegin(byte(shard)) {
		problem = "has one that does not begin with the shard's byte"
	}
	if problem != "" {
		d.problemIn("fingerprints", "%s", problem)
	}
	if c.problems = d.problems; len(c.problems) > 0 {
		return
	}
	c.shard = prints
	c.text = splitText(doc.JSON, l.Fingerprints)
}

// splitText keeps what stands around the fingerprints, when that is enough to make the text again.
func splitText(json []byte, fingerprints string) text {
	at := bytes.Index(json, []byte(fingerprints))
	if fingerprints == "" || at < 0 {
		return text{json: json}
	}
	return text{json: bytes.Clone(json[:at]), joined: true, after: bytes.Clone(json[at+len(fingerprints):])}
}

// allBegin says whether every fingerprint begins with a byte. They are sorted, so the first and the last tell.
func (f *fingerprints) allBegin(b byte) bool {
	if f.zero && !f.plain && b != 0 {
		return false
	}
	isMember := func(p mark) bool { return f.plain || p != (mark{}) }
	first := slices.IndexFunc(f.slots, isMember)
	if first < 0 {
		return true
	}
	last := len(f.slots) - 1
	for !isMember(f.slots[last]) {
		last--
	}
	return byte(f.slots[first].hi>>56) == b && byte(f.slots[last].hi>>56) == b
}
