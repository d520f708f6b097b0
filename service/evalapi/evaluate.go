package evalapi

import (
	"context"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/policy"
)

type evaluationService struct {
	pb.UnimplementedEvaluationServiceServer
	*Server
}

// Evaluate implements the EvaluationService.
func (s evaluationService) Evaluate(ctx context.Context, req *pb.EvaluateRequest) (*pb.EvaluateResponse, error) {
	v, c, err := s.view(ctx, req.GetContext())
	if err != nil {
		return nil, err
	}
	if err := checkFlags(req.GetFlag()); err != nil {
		return nil, err
	}
	rev := v.snapshot.Revision()
	return &pb.EvaluateResponse{
		Result:   result(req.GetFlag(), v.outcome(req.GetFlag(), c)),
		Revision: &pb.Revision{Epoch: rev.Epoch, Number: rev.Number},
	}, nil
}

// EvaluateAll implements the EvaluationService. The answer is written in its wire form: a thousand results as protobuf's own types cost more than
// evaluating them does. An empty message carries it, whose unknown fields are sent as they are.
func (s evaluationService) EvaluateAll(ctx context.Context, req *pb.EvaluateAllRequest) (*pb.EvaluateAllResponse, error) {
	v, c, err := s.view(ctx, req.GetContext())
	if err != nil {
		return nil, err
	}
	if err := checkFlags(req.GetFlags()...); err != nil {
		return nil, err
	}
	out := make([]byte, 0, 128+96*v.size(req.GetFlags()))
	v.each(req.GetFlags(), c, func(key string, o *evaluator.Outcome) { out = appendResult(out, fieldAllResults, key, o) })
	out = appendRevision(out, fieldAllRevision, v.snapshot.Revision())
	resp := &pb.EvaluateAllResponse{}
	resp.ProtoReflect().SetUnknown(out)
	return resp, nil
}

// view is one snapshot as a caller may see it.
type view struct {
	snapshot *evaluator.Snapshot
	visible  bool // only flags that clients may see
}

func (s *Server) view(ctx context.Context, wire *pb.Context) (view, *evaluator.Context, error) {
	f, err := s.feed(ctx)
	if err != nil {
		return view{}, nil, err
	}
	c, err := contextOf(wire)
	if err != nil {
		return view{}, nil, err
	}
	return view{f.Current().Snapshot(), clientOnly(ctx)}, c, nil
}

// clientOnly says whether the caller sees only what clients may see.
func clientOnly(ctx context.Context) bool {
	return principal(ctx).Kind == policy.KindClient
}

// empty answers for every flag that it is not there.
var empty *evaluator.Snapshot

// outcome is the answer for a flag. One that the caller may not see is answered exactly as one that does not exist.
func (v view) outcome(flag string, c *evaluator.Context) *evaluator.Outcome {
	if v.hidden(flag) {
		return empty.Outcome(flag, c)
	}
	return v.snapshot.Outcome(flag, c)
}

// hidden says whether the caller may not see a flag.
func (v view) hidden(flag string) bool {
	if !v.visible {
		return false
	}
	info, there := v.snapshot.Flag(flag)
	return !there || !info.ClientVisible
}

// each visits the flags that are named, or all that the caller may see.
func (v view) each(flags []string, c *evaluator.Context, visit func(key string, o *evaluator.Outcome)) {
	if len(flags) == 0 {
		v.snapshot.OutcomeAll(c, func(key string, o *evaluator.Outcome) {
			if !v.hidden(key) {
				visit(key, o)
			}
		})
		return
	}
	for _, flag := range flags {
		visit(flag, v.outcome(flag, c))
	}
}

// size is about how many results there will be.
func (v view) size(flags []string) int {
	if len(flags) > 0 {
		return len(flags)
	}
	return v.snapshot.Len()
}

func checkFlags(flags ...string) error {
	if len(flags) > feature.MaxBulk {
		return feature.Invalid("flags", "at most %d can be named, not %d", feature.MaxBulk, len(flags))
	}
	for _, flag := range flags {
		if len(flag) > maxFlagKey {
			return feature.Invalid("flag", "a key has at most %d bytes, not %d", maxFlagKey, len(flag))
		}
	}
	return nil
}

// maxFlagKey is the length of a key, in bytes. No longer one exists.
const maxFlagKey = 128

// result is an outcome as a message.
func result(flag string, o *evaluator.Outcome) *pb.Result {
	out := &pb.Result{
		Flag: flag, Variant: o.Variant(), Reason: string(o.Reason()), Cause: string(o.Cause()), Rule: o.Rule(),
		Version: o.Version(), Error: string(o.Error()),
	}
	switch v := o.Value(); v.Type() {
	case evaluator.TypeBoolean:
		b, _ := v.Bool()
		out.Value = &pb.Result_BoolValue{BoolValue: b}
	case evaluator.TypeString:
		text, _ := v.Text()
		out.Value = &pb.Result_StringValue{StringValue: text}
	case evaluator.TypeNumber:
		number, _ := v.Float()
		out.Value = &pb.Result_NumberValue{NumberValue: number}
	case evaluator.TypeJSON:
		out.Value = &pb.Result_JsonValue{JsonValue: v.JSON()}
	}
	return out
}

// Field numbers of evaluation.proto.
const (
	fieldAllResults  = 1
	fieldAllRevision = 2

	fieldResultFlag    = 1
	fieldResultBool    = 2
	fieldResultString  = 3
	fieldResultNumber  = 4
	fieldResultJSON    = 5
	fieldResultVariant = 6
	fieldResultReason  = 7
	fieldResultCause   = 8
	fieldResultRule    = 9
	fieldResultVersion = 10
	fieldResultError   = 11
)

// appendResult appends what [result] makes, as a field of a message. All its tags are one byte.
func appendResult(out []byte, field protowire.Number, flag string, o *evaluator.Outcome) []byte {
	out = protowire.AppendTag(out, field, protowire.BytesType)
	out, start := openLength(out)
	out = appendText(out, fieldResultFlag, flag)
	switch v := o.Value(); v.Type() {
	case evaluator.TypeBoolean:
		b, _ := v.Bool()
		out = protowire.AppendVarint(protowire.AppendTag(out, fieldResultBool, protowire.VarintType), protowire.EncodeBool(b))
	case evaluator.TypeString:
		text, _ := v.Text()
		out = protowire.AppendString(protowire.AppendTag(out, fieldResultString, protowire.BytesType), text)
	case evaluator.TypeNumber:
		number, _ := v.Float()
		out = protowire.AppendFixed64(protowire.AppendTag(out, fieldResultNumber, protowire.Fixed64Type), bitsOf(number))
	case evaluator.TypeJSON:
		out = protowire.AppendBytes(protowire.AppendTag(out, fieldResultJSON, protowire.BytesType), v.JSON())
	}
	out = appendText(out, fieldResultVariant, o.Variant())
	out = appendText(out, fieldResultReason, string(o.Reason()))
	out = appendText(out, fieldResultCause, string(o.Cause()))
	out = appendText(out, fieldResultRule, o.Rule())
	out = appendInt(out, fieldResultVersion, o.Version())
	out = appendText(out, fieldResultError, string(o.Error()))
	return closeLength(out, start)
}
