package evaluator_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dimmerhq/dimmer/evaluator"
)

const shop = `{
  "flags": {
    "new-checkout": {
      "type": "boolean", "version": 7, "salt": "k3j9x0a1b2c4", "enabled": true, "off": "off",
      "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
      "rules": [{"id": "beta", "when": {"segment": "beta"}, "serve": {"variant": "on"}}],
      "default": {"distribution": {"exposure": 25000, "ranges": [{"variant": "on", "from": 0, "to": 100000}]}}
    },
    "page-size": {
      "type": "number", "version": 3, "salt": "p4g3s1z3p4g3", "enabled": true, "off": "small",
      "variants": [{"key": "small", "value": 20}, {"key": "large", "value": 100}],
      "rules": [{"id": "pro", "when": {"attribute": "plan", "op": "in", "values": ["pro"]}, "serve": {"variant": "large"}}],
      "default": {"variant": "small"}
    }
  },
  "segments": {
    "beta": {"include": {"targetingKey": ["user-17"]}, "when": {"attribute": "email", "op": "endsWith", "values": ["@example.com"]}}
  }
}`

func shopSnapshot() *evaluator.Snapshot {
	docs, err := evaluator.ParseRuleset([]byte(shop))
	if err != nil {
		panic(err)
	}
	s, _ := evaluator.New(evaluator.Revision{Epoch: 1, Number: 7}, docs)
	return s
}

func Example() {
	s := shopSnapshot()
	user := evaluator.NewContext("user-17").String("plan", "pro")
	on, _ := s.Bool("new-checkout", user)
	size, _ := s.Int("page-size", user)
	fmt.Println(on, size)
	// Output: true 100
}

func ExampleNewContext() {
	c := evaluator.NewContext("user-17").String("plan", "pro").Int("age", 42).Strings("groups", "staff", "beta")
	text, _ := json.Marshal(c)
	fmt.Println(string(text))
	// Output: {"targetingKey":"user-17","plan":"pro","age":42,"groups":["staff","beta"]}
}

func ExampleParseContext() {
	c, err := evaluator.ParseContext([]byte(`{"targetingKey": 17, "company": {"id": 7}}`))
	fmt.Println(c.Key(), maps.Collect(c.Attributes()), err)
	_, err = evaluator.ParseContext([]byte(`{"targetingKey": true}`))
	fmt.Println(err)
	// Output:
	// 17 map[company:map[id:7]] <nil>
	// context: targetingKey: must be a string or an integer
}

func ExampleContextFromMap() {
	c, err := evaluator.ContextFromMap(map[string]any{"targetingKey": "user-17", "plan": "pro"})
	fmt.Println(c.Key(), err)
	// Output: user-17 <nil>
}

func ExampleCompile() {
	_, problems := evaluator.Compile(evaluator.Ruleset{Flags: map[string]evaluator.Flag{
		"banner": {
			Type: evaluator.TypeString, Salt: "b4nn3rb4nn3r", Enabled: true, Off: "none",
			Variants: []evaluator.Variant{{Key: "none", Value: json.RawMessage(`""`)}},
			Default:  evaluator.Serve{Variant: "sale"},
		},
	}})
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output: flag "banner" /default/variant: the flag has no variant "sale"
}

func ExampleSnapshot_With() {
	s := shopSnapshot()
	killed, problems := s.With(evaluator.Revision{Epoch: 1, Number: 8}, []evaluator.Document{
		{Kind: evaluator.KindKill, Key: "01J", JSON: []byte(`{"flag": "new-checkout"}`)},
		{Kind: evaluator.KindSegment, Key: "beta"}, // a nil JSON deletes
	})
	user := evaluator.NewContext("user-17")
	fmt.Println(s.Evaluate("new-checkout", user).Cause, killed.Evaluate("new-checkout", user).Cause)
	fmt.Println(problems)
	// Output:
	// rule killed
	// [flag "new-checkout" /rules/0/when/segment: there is no segment "beta"]
}

func ExampleSnapshot_Outcome() {
	o := shopSnapshot().Outcome("new-checkout", evaluator.NewContext("user-17"))
	on, ok := o.Bool()
	fmt.Println(on, ok, o.Reason(), o.Rule(), o.Version())
	// Output: true true TARGETING_MATCH beta 7
}

func ExampleSnapshot_Evaluate() {
	s := shopSnapshot()
	r := s.Evaluate("new-checkout", evaluator.NewContext("user-2"))
	fmt.Println(r.Value, r.Variant, r.Reason, r.Cause, r.Revision)
	r = s.Evaluate("no-such-flag", nil)
	fmt.Println(r.Value.IsZero(), r.Reason, r.Error)
	// Output:
	// false off SPLIT unexposed 1.7
	// true ERROR FLAG_NOT_FOUND
}

func ExampleSnapshot_EvaluateAll() {
	all := map[string]string{}
	shopSnapshot().EvaluateAll(evaluator.NewContext("user-17"), func(key string, r evaluator.Result) { all[key] = r.Variant })
	fmt.Println(all)
	// Output: map[new-checkout:on page-size:small]
}

func ExampleSnapshot_EvaluateTrace() {
	_, trace := shopSnapshot().EvaluateTrace("new-checkout", evaluator.NewContext("user-3").String("email", "u@example.org"))
	text, _ := json.MarshalIndent(trace, "", "  ")
	fmt.Println(string(text))
	// Output:
	// {
	//   "flag": "new-checkout",
	//   "rules": [
	//     {
	//       "id": "beta",
	//       "state": "false",
	//       "when": {
	//         "state": "false",
	//         "segment": {
	//           "key": "beta",
	//           "why": "when",
	//           "when": {
	//             "state": "false",
	//             "clause": {
	//               "attribute": "email",
	//               "op": "endsWith",
	//               "values": [
	//                 "@example.com"
	//               ],
	//               "candidates": [
	//                 {
	//                   "value": "u@example.org",
	//                   "usable": true,
	//                   "match": false
	//                 }
	//               ],
	//               "why": "noMatch"
	//             }
	//           }
	//         }
	//       }
	//     }
	//   ],
	//   "default": {
	//     "served": "off",
	//     "distribution": {
	//       "bucketBy": [
	//         {
	//           "attribute": "targetingKey",
	//           "value": "user-3",
	//           "key": "user-3"
	//         }
	//       ],
	//       "exposure": 25000,
	//       "expose": {
	//         "input": "k3j9x0a1b2c4/expose/user-3",
	//         "bucket": 56392
	//       },
	//       "exposed": false
	//     }
	//   },
	//   "result": {
	//     "value": false,
	//     "variant": "off",
	//     "reason": "SPLIT",
	//     "cause": "unexposed",
	//     "version": 7
	//   }
	// }
}

func ExampleSnapshot_Dependents() {
	fmt.Println(shopSnapshot().Dependents(evaluator.KindSegment, "beta"))
	// Output: [new-checkout]
}

func ExampleSnapshot_Flags() {
	for key, f := range shopSnapshot().Flags() {
		fmt.Println(key, f.Type, f.Version, f.Killed)
	}
	// Output:
	// new-checkout boolean 7 false
	// page-size number 3 false
}

func ExampleSnapshot_Documents() {
	s := shopSnapshot()
	same, _ := evaluator.New(s.Revision(), slices.Collect(s.Documents()))
	fmt.Println(s.Len(), same.Digest() == s.Digest())
	// Output: 3 true
}

func ExampleFingerprint() {
	f := evaluator.Fingerprint("a1b2c3d4e5f6", "user-17")
	fmt.Printf("shard %02x of %x\n", f[0], f)
	// Output: shard 61 of 61f62218095eea35a3b767b68c012aa6
}
