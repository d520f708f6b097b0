package evalapi

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feed"
)

// encoded is a message that is already in its wire form. It is sent as it is, so that what is the same for all streams is encoded once; the
// transport copies it only into its write buffer.
type encoded []byte

// codec is protobuf's, which also takes encoded.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal implements encoding.CodecV2. A SliceBuffer is never freed nor written to, so sharing the bytes is safe.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *encoded:
		return mem.BufferSlice{mem.SliceBuffer(*m)}, nil
	case parts:
		out := make(mem.BufferSlice, len(m))
		for i, part := range m {
			out[i] = mem.SliceBuffer(part)
		}
		return out, nil
	}
	return c.CodecV2.Marshal(v)
}

// Encoder makes the messages of sync streams; the feed that this edge serves needs it. They are written by hand, field by field
// as in sync.proto, since protobuf's own types would need every document twice.
var Encoder feed.Encoder = encoder{}

type encoder struct{}

// Field numbers of sync.proto.
const (
	fieldResponseIntent    = 1
	fieldResponseChanges   = 2
	fieldResponseCommit    = 3
	fieldResponseHeartbeat = 4
	fieldResponseGoodbye   = 5

	fieldIntentMode = 1

	fieldChangesChange = 1
	fieldChangesCommit = 2
	fieldChangeKind    = 1
	fieldChangeKey     = 2
	fieldChangeJSON    = 3
	fieldChangeDeleted = 4

	fieldCommitRevision = 1
	fieldCommitCount    = 2
	fieldCommitDigest   = 3

	fieldHeartbeatRevision = 1
	fieldHeartbeatDigest   = 2
	fieldHeartbeatStoreAge = 3

	fieldGoodbyeRetryAfter = 1
	fieldGoodbyeSpread     = 2

	fieldRevisionEpoch  = 1
	fieldRevisionNumber = 2
)

// Changes implements feed.Encoder.
func (encoder) Changes(docs []evaluator.Document, end *feed.End) []byte {
	inner := 0
	for i := range docs {
		inner += protowire.SizeTag(fieldChangesChange) + protowire.SizeBytes(changeSize(&docs[i]))
	}
	var buf [96]byte
	commit := buf[:0]
	if end != nil {
		commit = appendRevision(commit, fieldCommitRevision, end.Revision)
		commit = appendInt(commit, fieldCommitCount, int64(end.Count))
		commit = appendBytes(commit, fieldCommitDigest, end.Digest[:])
		inner += protowire.SizeTag(fieldChangesCommit) + protowire.SizeBytes(len(commit))
	}
	out := make([]byte, 0, protowire.SizeTag(fieldResponseChanges)+protowire.SizeBytes(inner))
	out = protowire.AppendTag(out, fieldResponseChanges, protowire.BytesType)
	out = protowire.AppendVarint(out, uint64(inner))
	for i := range docs {
		d := &docs[i]
		out = protowire.AppendTag(out, fieldChangesChange, protowire.BytesType)
		out = protowire.AppendVarint(out, uint64(changeSize(d)))
		out = appendText(out, fieldChangeKind, string(d.Kind))
		out = appendText(out, fieldChangeKey, d.Key)
		out = appendBytes(out, fieldChangeJSON, d.JSON)
		if d.JSON == nil {
			out = protowire.AppendTag(out, fieldChangeDeleted, protowire.VarintType)
			out = protowire.AppendVarint(out, 1)
		}
	}
	return appendBytes(out, fieldChangesCommit, commit)
}

// parts are one message in pieces, for which nothing has to be copied.
type parts [][]byte

// apart makes two messages of the last one of a step, for a client that takes the Commit as a message of its own. The first is nil when there is
// nothing in it.
func apart(last []byte) (changes parts, commit []byte) {
	_, _, tag := protowire.ConsumeTag(last)
	inner, _ := protowire.ConsumeBytes(last[tag:])
	at := 0
	for at < len(inner) {
		field, kind, n := protowire.ConsumeTag(inner[at:])
		if field == fieldChangesCommit {
			at += n
			break
		}
		at += n + protowire.ConsumeFieldValue(field, kind, inner[at+n:])
	}
	commit = append(protowire.AppendTag(make([]byte, 0, 1+len(inner)-at), fieldResponseCommit, protowire.BytesType), inner[at:]...)
	docs := inner[:at-protowire.SizeTag(fieldChangesCommit)]
	if len(docs) == 0 {
		return nil, commit
	}
	head := protowire.AppendTag(make([]byte, 0, 8), fieldResponseChanges, protowire.BytesType)
	return parts{protowire.AppendVarint(head, uint64(len(docs))), docs}, commit
}

func changeSize(d *evaluator.Document) int {
	n := 0
	for _, length := range [...]int{len(d.Kind), len(d.Key), len(d.JSON)} {
		if length > 0 {
			n += 1 + protowire.SizeBytes(length)
		}
	}
	if d.JSON == nil {
		n += 2
	}
	return n
}

// Intent modes of sync.proto.
const (
	modeFull    = 1
	modeDelta   = 2
	modeNone    = 3
	modeLagging = 4
)

// The intents, encoded.
var (
	intentFull    = intent(modeFull)
	intentDelta   = intent(modeDelta)
	intentNone    = intent(modeNone)
	intentLagging = intent(modeLagging)
)

func intent(mode int64) []byte {
	return response(fieldResponseIntent, appendInt(nil, fieldIntentMode, mode))
}

func heartbeatMessage(rev evaluator.Revision, digest evaluator.Digest, storeAge int64) []byte {
	var buf [96]byte
	inner := appendRevision(buf[:0], fieldHeartbeatRevision, rev)
	inner = appendBytes(inner, fieldHeartbeatDigest, digest[:])
	inner = appendInt(inner, fieldHeartbeatStoreAge, storeAge)
	return response(fieldResponseHeartbeat, inner)
}

func goodbyeMessage(retryAfter, spread int64) []byte {
	inner := appendInt(nil, fieldGoodbyeRetryAfter, retryAfter)
	return response(fieldResponseGoodbye, appendInt(inner, fieldGoodbyeSpread, spread))
}

func response(field protowire.Number, inner []byte) []byte {
	out := make([]byte, 0, len(inner)+4)
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), inner)
}

func appendRevision(out []byte, field protowire.Number, rev evaluator.Revision) []byte {
	var buf [24]byte
	inner := appendInt(buf[:0], fieldRevisionEpoch, rev.Epoch)
	inner = appendInt(inner, fieldRevisionNumber, rev.Number)
	out = protowire.AppendTag(out, field, protowire.BytesType)
	return protowire.AppendBytes(out, inner)
}

// The rest appends one field, or nothing when it is zero, as proto3 has it.

func appendInt(out []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return out
	}
	return protowire.AppendVarint(protowire.AppendTag(out, field, protowire.VarintType), uint64(v))
}

func appendText(out []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return out
	}
	return protowire.AppendString(protowire.AppendTag(out, field, protowire.BytesType), v)
}

func appendBytes(out []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return out
	}
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), v)
}
