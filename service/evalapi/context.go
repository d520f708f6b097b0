package evalapi

import (
	"encoding/json"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
)

// The limits of a context on the wire. Those of its values are the evaluator's, see docs/ruleset.md.
const (
	maxContext    = 64 << 10
	maxAttributes = 100
	maxInteger    = 1<<53 - 1
)

// contextOf builds a context. It refuses one that is over a limit: to evaluate a part of it would be a guess.
func contextOf(wire *pb.Context) (*evaluator.Context, error) {
	c := evaluator.NewContext(wire.GetTargetingKey())
	attributes := wire.GetAttributes()
	if len(attributes) > maxAttributes {
		return nil, feature.Invalid("context", "has %d attributes; at most %d", len(attributes), maxAttributes)
	}
	size := len(wire.GetTargetingKey())
	for _, a := range attributes {
		name := a.GetName()
		size += len(name)
		switch v := a.GetValue().(type) {
		case *pb.Attribute_StringValue:
			size += len(v.StringValue)
			c.String(name, v.StringValue)
		case *pb.Attribute_NumberValue:
			c.Float(name, v.NumberValue)
		case *pb.Attribute_IntegerValue:
			if v.IntegerValue > maxInteger || v.IntegerValue < -maxInteger {
				return nil, feature.Invalid("context", "an integer is beyond what a double holds exactly, 2^53-1")
			}
			c.Int(name, v.IntegerValue)
		case *pb.Attribute_BoolValue:
			c.Bool(name, v.BoolValue)
		case *pb.Attribute_StringsValue:
			for _, s := range v.StringsValue.GetValues() {
				size += len(s)
			}
			c.Strings(name, v.StringsValue.GetValues()...)
		case *pb.Attribute_JsonValue:
			size += len(v.JsonValue)
			c.Value(name, json.RawMessage(v.JsonValue))
		default:
			c.Value(name, nil)
		}
	}
	if size > maxContext {
		return nil, feature.Invalid("context", "has %d bytes; at most %d", size, maxContext)
	}
	if err := c.Err(); err != nil {
		return nil, feature.Invalid("", "%v", err)
	}
	return c, nil
}

func bitsOf(f float64) uint64 { return math.Float64bits(f) }

// openLength leaves room for the length of what follows, and closeLength writes it: most are below 128 and take the one byte that was left.
func openLength(out []byte) (_ []byte, start int) { return append(out, 0), len(out) + 1 }

func closeLength(out []byte, start int) []byte {
	n := len(out) - start
	if n < 1<<7 {
		out[start-1] = byte(n)
		return out
	}
	extra := protowire.SizeVarint(uint64(n)) - 1
	for range extra {
		out = append(out, 0)
	}
	copy(out[start+extra:], out[start:start+n])
	protowire.AppendVarint(out[:start-1], uint64(n))
	return out
}
