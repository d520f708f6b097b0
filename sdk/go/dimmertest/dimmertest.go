// Package dimmertest gives tests a real [dimmer.Client] whose flags the test sets. Its one job: no server, no network and no
// waiting; the answers come from the same evaluator as in production, and a change is in place when Set returns.
//
//	flags := dimmertest.New(t, dimmertest.Bool("new-checkout", true))
//	shop := NewShop(flags.Client)
//	…
//	flags.Set(dimmertest.Bool("new-checkout", false))
//
// A flag that was not set answers with the caller's fallback, as one that does not exist.
package dimmertest

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmer "github.com/dimmerhq/dimmer/sdk/go"
)

// TB is what the package needs of a test: *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Client is a client whose flags can be set. Pass its Client field to the code under test.
type Client struct {
	*dimmer.Client

	tb       TB
	lock     sync.Mutex
	flags    map[string]json.RawMessage
	segments map[string]json.RawMessage
	kills    map[string]json.RawMessage
	lists    map[string]json.RawMessage
}

// Flag sets something in a ruleset: one flag, or with [Ruleset] anything.
type Flag func(*Client) error

// New is a client with these flags; it is closed at the end of the test. It counts evaluations, see [dimmer.Client.Counts].
func New(tb TB, flags ...Flag) *Client {
	tb.Helper()
	client, err := dimmer.New("", dimmer.WithOffline(), dimmer.WithCounting())
	if err != nil {
		tb.Fatalf("dimmertest: %v", err)
	}
	tb.Cleanup(func() { client.Close() })
	c := &Client{
		Client: client, tb: tb, flags: map[string]json.RawMessage{}, segments: map[string]json.RawMessage{},
		kills: map[string]json.RawMessage{}, lists: map[string]json.RawMessage{},
	}
	c.Set(flags...)
	return c
}

// Set changes these flags and leaves the others. All become visible at once, to evaluations that begin after Set returns; callbacks of
// OnChange run soon after. A mistake ends the test.
func (c *Client) Set(flags ...Flag) {
	c.tb.Helper()
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, flag := range flags {
		if err := flag(c); err != nil {
			c.tb.Fatalf("dimmertest: %v", err)
		}
	}
	ruleset, err := json.Marshal(map[string]any{"flags": c.flags, "segments": c.segments, "kills": c.kills, "lists": c.lists})
	if err != nil {
		c.tb.Fatalf("dimmertest: %v", err)
	}
	if docs, err := evaluator.ParseRuleset(ruleset); err == nil {
		if _, problems := evaluator.New(evaluator.Revision{}, docs); len(problems) > 0 {
			c.tb.Fatalf("dimmertest: %v", problems[0])
		}
	}
	if err := c.Load(ruleset); err != nil {
		c.tb.Fatalf("dimmertest: %v", err)
	}
}

// Bool is a boolean flag that everybody gets this value of.
func Bool(key string, value bool) Flag { return plain(key, evaluator.TypeBoolean, value) }

// String is a string flag that everybody gets this value of.
func String(key, value string) Flag { return plain(key, evaluator.TypeString, value) }

// Int is a number flag that everybody gets this value of.
func Int(key string, value int64) Flag { return plain(key, evaluator.TypeNumber, value) }

// Float is a number flag that everybody gets this value of.
func Float(key string, value float64) Flag { return plain(key, evaluator.TypeNumber, value) }

// JSON is a json flag that everybody gets this value of, as encoding/json writes it.
func JSON(key string, value any) Flag { return plain(key, evaluator.TypeJSON, value) }

// Killed kills a flag, which must be set: it serves its off variant, whatever its rules say. A flag of [Bool] then serves false; the other
// flags of this package have one variant only, which is their off variant too.
func Killed(key string) Flag {
	return func(c *Client) error {
		return put(c.kills, "killed:"+key, evaluator.Kill{ID: "killed:" + key, Flag: key})
	}
}

// Absent removes a flag and lifts what [Killed] did to it.
func Absent(key string) Flag {
	return func(c *Client) error {
		delete(c.flags, key)
		delete(c.kills, "killed:"+key)
		return nil
	}
}

// Ruleset adds the flags, segments, kills and lists of a ruleset in JSON, as docs/ruleset.md describes it: with rules, splits and all.
func Ruleset(text string) Flag {
	return func(c *Client) error {
		docs, err := evaluator.ParseRuleset([]byte(text))
		if err != nil {
			return err
		}
		for _, doc := range docs {
			switch doc.Kind {
			case evaluator.KindFlag:
				c.flags[doc.Key] = doc.JSON
			case evaluator.KindSegment:
				c.segments[doc.Key] = doc.JSON
			case evaluator.KindKill:
				c.kills[doc.Key] = doc.JSON
			case evaluator.KindList:
				c.lists[doc.Key] = doc.JSON
			}
		}
		return nil
	}
}

// Merge is several of them as one, for the flags that a package's tests share.
func Merge(flags ...Flag) Flag {
	return func(c *Client) error {
		for _, flag := range flags {
			if err := flag(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func plain(key, typ string, value any) Flag {
	return func(c *Client) error {
		data, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("flag %q: %w", key, err)
		}
		flag := evaluator.Flag{
			Key: key, Type: typ, Version: 1, Salt: "dimmertest00", Enabled: true, Off: "value",
			Variants: []evaluator.Variant{{Key: "value", Value: data}},
			Default:  evaluator.Serve{Variant: "value"},
		}
		if typ == evaluator.TypeBoolean {
			flag.Variants = []evaluator.Variant{{Key: "on", Value: json.RawMessage("true")}, {Key: "off", Value: json.RawMessage("false")}}
			flag.Off = "off"
			flag.Default.Variant = map[bool]string{true: "on", false: "off"}[value == true]
		}
		return put(c.flags, key, flag)
	}
}

func put(members map[string]json.RawMessage, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	members[key] = data
	return nil
}
