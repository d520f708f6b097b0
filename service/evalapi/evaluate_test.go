package evalapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/store"
)

func visible(f evaluator.Flag) evaluator.Flag {
	f.ClientVisible = true
	return f
}

// typedFlag serves value to those whose plan is pro.
func typedFlag(key, typ, value, other string) evaluator.Flag {
	f := boolFlag(key, true, 3)
	f.Type = typ
	f.Variants = []evaluator.Variant{{Key: "on", Value: []byte(value)}, {Key: "off", Value: []byte(other)}}
	f.Rules = []evaluator.Rule{{ID: "r1", When: &evaluator.Condition{Attribute: "plan", Op: "in", Values: rawStrings("pro")}, Serve: evaluator.Serve{Variant: "on"}}}
	f.Default = evaluator.Serve{Variant: "off"}
	return f
}

func evaluations(w *world) {
	w.commit(environmentDoc("prod"),
		flagDoc("prod", visible(typedFlag("bool", "boolean", "true", "false"))),
		flagDoc("prod", visible(typedFlag("text", "string", `"yes"`, `""`))),
		flagDoc("prod", typedFlag("number", "number", "3.5", "0")),
		flagDoc("prod", typedFlag("json", "json", `{"a":[1,2]}`, `[]`)),
		put{store.RulesetCollection("prod"), "flag/broken", `{"key":"broken"}`},
	)

}

func pro() *pb.Context {
	return &pb.Context{TargetingKey: "u1", Attributes: []*pb.Attribute{{Name: "plan", Value: &pb.Attribute_StringValue{StringValue: "pro"}}}}
}

func TestEvaluate(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	evaluations(w)
	api := pb.NewEvaluationServiceClient(w.conn("server"))
	ctx := deadline(t, time.Minute)
	for flag, want := range map[string]*pb.Result{
		"bool":   {Value: &pb.Result_BoolValue{BoolValue: true}},
		"text":   {Value: &pb.Result_StringValue{StringValue: "yes"}},
		"number": {Value: &pb.Result_NumberValue{NumberValue: 3.5}},
		"json":   {Value: &pb.Result_JsonValue{JsonValue: []byte(`{"a":[1,2]}`)}},
	} {
		got, err := api.Evaluate(ctx, &pb.EvaluateRequest{Flag: flag, Context: pro()})
		require.NoError(t, err)
		want.Flag, want.Variant, want.Reason, want.Cause, want.Rule, want.Version = flag, "on", "TARGETING_MATCH", "rule", "r1", 3
		require.Empty(t, diff(want, got.GetResult()))
		require.Empty(t, diff(&pb.Revision{Epoch: 1, Number: 1}, got.GetRevision()))

		got, err = api.Evaluate(ctx, &pb.EvaluateRequest{Flag: flag})
		require.NoError(t, err)
		require.Equal(t, "off", got.GetResult().GetVariant())
		require.NotNil(t, got.GetResult().GetValue(), "zero values are values")
	}
	for flag, code := range map[string]string{"nothing": "FLAG_NOT_FOUND", "": "FLAG_NOT_FOUND", "broken": "PARSE_ERROR"} {
		got, err := api.Evaluate(ctx, &pb.EvaluateRequest{Flag: flag, Context: pro()})
		require.NoError(t, err)
		require.Empty(t, diff(&pb.Result{Flag: flag, Reason: "ERROR", Error: code}, got.GetResult()))
	}
}

func diff(a, b proto.Message) string {
	if proto.Equal(a, b) {
		return ""
	}
	return fmt.Sprintf("%v\n%v", a, b)
}

// TestEvaluateAllIsEvaluate: the hand-written encoding says what the generated one does, for any flags.
func TestEvaluateAllIsEvaluate(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	evaluations(w)
	api := pb.NewEvaluationServiceClient(w.conn("server"))
	ctx := deadline(t, time.Minute)
	long := strings.Repeat("y", 20_000) // lengths of one, two and three bytes
	w.commit(flagDoc("prod", typedFlag("long", "string", `"`+long+`"`, `"`+long[:200]+`"`)))
	for _, flags := range [][]string{nil, {"bool", "nothing", "bool"}, {"long"}} {
		for _, c := range []*pb.Context{nil, pro()} {
			all, err := api.EvaluateAll(ctx, &pb.EvaluateAllRequest{Context: c, Flags: flags})
			require.NoError(t, err)
			require.Empty(t, all.ProtoReflect().GetUnknown())
			require.Empty(t, diff(&pb.Revision{Epoch: 1, Number: 2}, all.GetRevision()))
			want := 6
			if flags != nil {
				want = len(flags)
			}
			require.Len(t, all.GetResults(), want)
			for i, got := range all.GetResults() {
				if flags != nil {
					require.Equal(t, flags[i], got.GetFlag())
				}
				one, err := api.Evaluate(ctx, &pb.EvaluateRequest{Flag: got.GetFlag(), Context: c})
				require.NoError(t, err)
				require.Empty(t, diff(one.GetResult(), got))
			}
		}
	}
}

// TestHiddenFlags: for a client token a flag that it may not see is exactly like one that does not exist, whichever way it asks.
func TestHiddenFlags(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	evaluations(w)
	api := pb.NewEvaluationServiceClient(w.conn("client"))
	ctx := deadline(t, time.Minute)
	for _, flag := range []string{"number", "json", "broken", "nothing"} {
		got, err := api.Evaluate(ctx, &pb.EvaluateRequest{Flag: flag, Context: pro()})
		require.NoError(t, err)
		require.Empty(t, diff(&pb.Result{Flag: flag, Reason: "ERROR", Error: "FLAG_NOT_FOUND"}, got.GetResult()))
	}
	all, err := api.EvaluateAll(ctx, &pb.EvaluateAllRequest{Context: pro()})
	require.NoError(t, err)
	require.Len(t, all.GetResults(), 2)
	watch, err := api.Watch(ctx, &pb.WatchRequest{Context: pro()})
	require.NoError(t, err)
	first, err := watch.Recv()
	require.NoError(t, err)
	require.Len(t, first.GetResults(), 2)
	w.commit(flagDoc("prod", typedFlag("number", "number", "4", "0"))) // hidden: nobody hears of it
	w.commit(flagDoc("prod", typedFlag("bool", "boolean", "true", "false")))
	next, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, []string{"bool"}, next.GetRemoved(), "a flag that becomes hidden is gone")
	require.Empty(t, next.GetResults())
}

func TestWatch(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	evaluations(w)
	ctx, cancel := context.WithCancel(deadline(t, time.Minute))
	watch, err := pb.NewEvaluationServiceClient(w.conn("server")).Watch(ctx, &pb.WatchRequest{Context: pro()})
	require.NoError(t, err)
	m, err := watch.Recv()
	require.NoError(t, err)
	require.True(t, m.GetFull())
	require.Len(t, m.GetResults(), 5)

	w.commit(flagDoc("prod", typedFlag("text", "string", `"no"`, `""`)), put{store.RulesetCollection("prod"), "flag/json", ""})
	m, err = watch.Recv()
	require.NoError(t, err)
	require.False(t, m.GetFull())
	require.Len(t, m.GetResults(), 1)
	require.Equal(t, "no", m.GetResults()[0].GetStringValue())
	require.Equal(t, []string{"json"}, m.GetRemoved())
	require.EqualValues(t, 2, m.GetRevision().GetNumber())

	m, err = watch.Recv()
	require.NoError(t, err)
	require.True(t, m.GetHeartbeat())
	require.Empty(t, m.GetResults())
	cancel()
	for err == nil {
		_, err = watch.Recv()
	}
	require.Equal(t, codes.Canceled, status.Code(err))

	named, err := pb.NewEvaluationServiceClient(w.conn("server")).Watch(deadline(t, time.Minute), &pb.WatchRequest{Context: pro(), Flags: []string{"later", "bool"}})
	require.NoError(t, err)
	m, err = named.Recv()
	require.NoError(t, err)
	require.Len(t, m.GetResults(), 2)
	require.Equal(t, "FLAG_NOT_FOUND", m.GetResults()[0].GetError())
	w.commit(flagDoc("prod", boolFlag("later", true, 3)))
	m, err = named.Recv()
	require.NoError(t, err)
	require.True(t, m.GetResults()[0].GetBoolValue())
}

func TestRequestLimits(t *testing.T) {
	w := newWorld(t, worldOptions{memory: true})
	evaluations(w)
	api := pb.NewEvaluationServiceClient(w.conn("server"))
	attributes := func(n int, value string) (out []*pb.Attribute) {
		for i := range n {
			out = append(out, &pb.Attribute{Name: fmt.Sprint("a", i), Value: &pb.Attribute_StringValue{StringValue: value}})
		}
		return out
	}
	one := func(a *pb.Attribute) *pb.Context {
		a.Name = "a"
		return &pb.Context{Attributes: []*pb.Attribute{a}}
	}
	asJSON := func(s string) *pb.Context {
		return one(&pb.Attribute{Value: &pb.Attribute_JsonValue{JsonValue: []byte(s)}})
	}
	k := strings.Repeat("x", 1<<10)
	for name, test := range map[string]struct {
		context *pb.Context
		flags   []string
		want    codes.Code
	}{
		"100 attributes":         {&pb.Context{Attributes: attributes(100, "x")}, nil, codes.OK},
		"101 attributes":         {&pb.Context{Attributes: attributes(101, "x")}, nil, codes.InvalidArgument},
		"string of 1 KiB":        {&pb.Context{Attributes: attributes(1, k)}, nil, codes.OK},
		"string above 1 KiB":     {&pb.Context{Attributes: attributes(1, k+"x")}, nil, codes.InvalidArgument},
		"key of 1 KiB":           {&pb.Context{TargetingKey: k}, nil, codes.OK},
		"key above 1 KiB":        {&pb.Context{TargetingKey: k + "x"}, nil, codes.InvalidArgument},
		"list with a long one":   {one(&pb.Attribute{Value: &pb.Attribute_StringsValue{StringsValue: &pb.StringList{Values: []string{k + "x"}}}}), nil, codes.InvalidArgument},
		"above 64 KiB":           {&pb.Context{Attributes: attributes(70, k)}, nil, codes.InvalidArgument},
		"above 256 KiB":          {asJSON(`"` + strings.Repeat("x", 256<<10) + `"`), nil, codes.ResourceExhausted},
		"15 deep":                {asJSON(strings.Repeat("[", 15) + strings.Repeat("]", 15)), nil, codes.OK},
		"16 deep":                {asJSON(strings.Repeat("[", 16) + strings.Repeat("]", 16)), nil, codes.InvalidArgument},
		"not JSON":               {asJSON("{"), nil, codes.InvalidArgument},
		"no value":               {one(&pb.Attribute{}), nil, codes.OK},
		"not a number":           {one(&pb.Attribute{Value: &pb.Attribute_NumberValue{NumberValue: math.NaN()}}), nil, codes.OK},
		"exact integer":          {one(&pb.Attribute{Value: &pb.Attribute_IntegerValue{IntegerValue: 1<<53 - 1}}), nil, codes.OK},
		"integer too large":      {one(&pb.Attribute{Value: &pb.Attribute_IntegerValue{IntegerValue: 1 << 53}}), nil, codes.InvalidArgument},
		"integer too small":      {one(&pb.Attribute{Value: &pb.Attribute_IntegerValue{IntegerValue: math.MinInt64}}), nil, codes.InvalidArgument},
		"boolean":                {one(&pb.Attribute{Value: &pb.Attribute_BoolValue{BoolValue: true}}), nil, codes.OK},
		"name above 256 bytes":   {&pb.Context{Attributes: []*pb.Attribute{{Name: k, Value: &pb.Attribute_BoolValue{}}}}, nil, codes.InvalidArgument},
		"1,000 flags":            {nil, make([]string, 1000), codes.OK},
		"1,001 flags":            {nil, make([]string, 1001), codes.InvalidArgument},
		"key of 128":             {nil, []string{k[:128]}, codes.OK},
		"key above 128":          {nil, []string{k[:129]}, codes.InvalidArgument},
		"targetingKey is a bool": {&pb.Context{Attributes: []*pb.Attribute{{Name: "targetingKey", Value: &pb.Attribute_BoolValue{}}}}, nil, codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := deadline(t, time.Minute)
			_, err := api.EvaluateAll(ctx, &pb.EvaluateAllRequest{Context: test.context, Flags: test.flags})
			require.Equal(t, test.want, status.Code(err), "%v", err)
			if len(test.flags) < 2 {
				flag := ""
				if len(test.flags) == 1 {
					flag = test.flags[0]
				}
				_, err = api.Evaluate(ctx, &pb.EvaluateRequest{Context: test.context, Flag: flag})
				require.Equal(t, test.want, status.Code(err), "%v", err)
			}
			watching, stop := context.WithCancel(ctx)
			defer stop()
			watch, err := api.Watch(watching, &pb.WatchRequest{Context: test.context, Flags: test.flags})
			if err == nil {
				_, err = watch.Recv()
			}
			require.Equal(t, test.want, status.Code(err), "%v", err)
		})
	}
}

// TestMessages: what is written by hand is read by protobuf as it was meant, and written by it in the same bytes.
func TestMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var docs []evaluator.Document
		want := &pb.Changes{}
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			d := evaluator.Document{
				Kind: evaluator.Kind(rapid.SampledFrom([]string{"flag", "kill", ""}).Draw(t, "kind")),
				Key:  rapid.StringN(0, 200, 300).Draw(t, "key"),
			}
			if rapid.Bool().Draw(t, "put") {
				d.JSON = []byte(strings.Repeat("j", rapid.IntRange(1, 40_000).Draw(t, "size")))
			}
			docs = append(docs, d)
			want.Changes = append(want.Changes, &pb.Change{Kind: string(d.Kind), Key: d.Key, Json: d.JSON, Deleted: d.JSON == nil})
		}
		number := rapid.Int64Min(0)
		rev := evaluator.Revision{Epoch: number.Draw(t, "epoch"), Number: number.Draw(t, "number")}
		wire := &pb.Revision{Epoch: rev.Epoch, Number: rev.Number}
		digest := evaluator.Digest(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
		count := rapid.IntRange(0, 1<<30).Draw(t, "count")
		age := rapid.Int64Range(0, 1<<40).Draw(t, "age")
		commit := &pb.Commit{Revision: wire, Count: int64(count), Digest: digest[:]}
		joined := Encoder.Changes(docs, &feed.End{Revision: rev, Count: count, Digest: digest})
		changes, alone := apart(joined)
		require.Equal(t, len(docs) == 0, changes == nil)
		if changes == nil {
			changes = parts{{fieldResponseChanges<<3 | 2, 0}}
		}
		for _, m := range []struct {
			got  []byte
			want *pb.SyncResponse
		}{
			{Encoder.Changes(docs, nil), &pb.SyncResponse{Message: &pb.SyncResponse_Changes{Changes: want}}},
			{joined, &pb.SyncResponse{Message: &pb.SyncResponse_Changes{Changes: &pb.Changes{Changes: want.GetChanges(), Commit: commit}}}},
			{slices.Concat(changes...), &pb.SyncResponse{Message: &pb.SyncResponse_Changes{Changes: want}}},
			{alone, &pb.SyncResponse{Message: &pb.SyncResponse_Commit{Commit: commit}}},
			{heartbeatMessage(rev, digest, age), &pb.SyncResponse{Message: &pb.SyncResponse_Heartbeat{Heartbeat: &pb.Heartbeat{Revision: wire, Digest: digest[:], StoreAgeMs: age}}}},
			{goodbyeMessage(age, 5), &pb.SyncResponse{Message: &pb.SyncResponse_Goodbye{Goodbye: &pb.Goodbye{RetryAfterMs: age, SpreadMs: 5}}}},
			{intentLagging, &pb.SyncResponse{Message: &pb.SyncResponse_Intent{Intent: &pb.Intent{Mode: pb.Intent_MODE_LAGGING}}}},
			{intentFull, &pb.SyncResponse{Message: &pb.SyncResponse_Intent{Intent: &pb.Intent{Mode: pb.Intent_MODE_FULL}}}},
			{intentDelta, &pb.SyncResponse{Message: &pb.SyncResponse_Intent{Intent: &pb.Intent{Mode: pb.Intent_MODE_DELTA}}}},
			{intentNone, &pb.SyncResponse{Message: &pb.SyncResponse_Intent{Intent: &pb.Intent{Mode: pb.Intent_MODE_NONE}}}},
		} {
			bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.want)
			require.NoError(t, err)
			require.Equal(t, bytes, m.got)
		}
	})
}

// FuzzHello: whatever a client says first is taken or refused with a status that is its own fault.
func FuzzHello(f *testing.F) {
	seed, _ := proto.Marshal(&pb.Hello{Instance: "x", Digest: make([]byte, 16), After: &pb.Revision{Epoch: 1, Number: 1}})
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &pb.Hello{}
		if proto.Unmarshal(data, h) != nil {
			return
		}
		if err := checkHello(h); err != nil {
			require.Equal(t, codes.InvalidArgument, status.Code((&Server{}).answer("m", err)))
			return
		}
		require.LessOrEqual(t, len(h.GetInstance()), maxInstance)
		require.True(t, printable(h.GetInstance()+h.GetSdk()+h.GetSdkVersion()+h.GetApplication()))
	})
}

// FuzzContext: a context is taken, or refused; taken ones can be evaluated.
func FuzzContext(f *testing.F) {
	seed, _ := proto.Marshal(pro())
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		wire := &pb.Context{}
		if proto.Unmarshal(data, wire) != nil {
			return
		}
		c, err := contextOf(wire)
		if err != nil {
			require.Equal(t, codes.InvalidArgument, status.Code((&Server{}).answer("m", err)))
			return
		}
		require.NoError(t, c.Err())
		empty.Outcome("x", c)
	})
}

func rawStrings(values ...string) (out []json.RawMessage) {
	for _, v := range values {
		out = append(out, json.RawMessage(`"`+v+`"`))
	}
	return out
}
