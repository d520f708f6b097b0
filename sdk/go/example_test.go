package dimmer_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/sdk/go/dimmertest"
)

var (
	ctx   = context.Background()
	token = os.Getenv("DIMMER_TOKEN")
)

// The flags of the examples that need no server.
const ruleset = `{"flags": {
  "new-checkout": {"type": "boolean", "version": 7, "salt": "k3j9x0a1b2c4", "enabled": true, "off": "off",
    "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    "rules": [{"id": "pros", "when": {"attribute": "plan", "op": "in", "values": ["pro"]}, "serve": {"variant": "on"}}],
    "default": {"variant": "off"}},
  "theme": {"type": "json", "version": 3, "salt": "k3j9x0a1b2c5", "enabled": true, "off": "plain",
    "variants": [{"key": "plain", "value": {"colour": "grey"}}], "default": {"variant": "plain"}}}}`

func exampleClient(options ...dimmer.Option) *dimmer.Client {
	client, err := dimmer.New("", append(options, dimmer.WithOffline(), dimmer.WithBootstrap([]byte(ruleset)))...)
	if err != nil {
		panic(err)
	}
	return client
}

func ExampleNew() {
	client, err := dimmer.New("flags.example.com:9090", dimmer.WithToken(token), dimmer.WithApplication("shop"))
	if err != nil {
		slog.Error("wrong configuration", "error", err) // never an unreachable server
		return
	}
	defer client.Close()

	user := dimmer.NewContext("user-17").String("plan", "pro")
	if client.Bool(ctx, "new-checkout", user, false) {
		fmt.Println("the new checkout")
	}
}

func ExampleNew_several() {
	client, err := dimmer.New("flags-1.example.com:9090,flags-2.example.com:9090",
		dimmer.WithToken(token),
		dimmer.WithCache("/var/cache/shop"),
	)
	if err != nil {
		return
	}
	defer client.Close()
}

func ExampleClient_Bool() {
	client := exampleClient()
	defer client.Close()
	for _, plan := range []string{"free", "pro"} {
		user := dimmer.NewContext("user-17").String("plan", plan)
		fmt.Println(plan, client.Bool(ctx, "new-checkout", user, false))
	}
	fmt.Println("no such flag:", client.Bool(ctx, "old-checkout", nil, true))
	// Output:
	// free false
	// pro true
	// no such flag: true
}

func ExampleClient_BoolDetail() {
	client := exampleClient()
	defer client.Close()
	user := dimmer.NewContext("user-17").String("plan", "pro")

	d := client.BoolDetail(ctx, "new-checkout", user, false)
	fmt.Println(d.Value, d.Variant, d.Reason, d.Cause, d.Rule, d.Version)

	d = client.BoolDetail(ctx, "theme", user, false)
	fmt.Println(d.Value, d.Reason, d.Error)
	// Output:
	// true on TARGETING_MATCH rule pros 7
	// false ERROR TYPE_MISMATCH
}

func ExampleDecode() {
	client := exampleClient()
	defer client.Close()
	type theme struct{ Colour string }
	fmt.Println(dimmer.Decode(ctx, client.Snapshot(), "theme", nil, theme{Colour: "white"}).Colour)
	// Output: grey
}

func ExampleClient_All() {
	client := exampleClient()
	defer client.Close()
	values := map[string]string{}
	for flag, outcome := range client.All(ctx, dimmer.NewContext("user-17")) {
		values[flag] = outcome.Value().String()
	}
	for _, flag := range slices.Sorted(maps.Keys(values)) {
		fmt.Println(flag, values[flag])
	}
	// Output:
	// new-checkout false
	// theme {"colour": "grey"}
}

func ExampleClient_Snapshot() {
	client := exampleClient()
	defer client.Close()
	// One state for a whole request, whatever arrives meanwhile.
	flags := client.Snapshot()
	user := dimmer.NewContext("user-17").String("plan", "pro")
	fmt.Println(flags.Bool(ctx, "new-checkout", user, false), string(flags.JSON(ctx, "theme", user, nil)))
	// Output: true {"colour": "grey"}
}

func ExampleClient_OnChange() {
	client := exampleClient()
	defer client.Close()
	changed := make(chan dimmer.Change)
	unsubscribe := client.OnChange(func(c dimmer.Change) { changed <- c })
	defer unsubscribe()

	if err := client.Load([]byte(`{}`)); err != nil {
		fmt.Println(err)
	}
	fmt.Println((<-changed).Flags)
	// Output: [new-checkout theme]
}

func ExampleClient_Counts() {
	client := exampleClient(dimmer.WithCounting())
	defer client.Close()
	for _, plan := range []string{"free", "pro", "pro"} {
		client.Bool(ctx, "new-checkout", dimmer.NewContext("user-17").String("plan", plan), false)
	}
	for _, c := range client.Counts() {
		fmt.Println(c.Flag, c.Variant, c.N)
	}
	// Output:
	// new-checkout off 1
	// new-checkout on 2
}

func ExampleClient_OnStatus() {
	client := exampleClient()
	defer client.Close()
	unsubscribe := client.OnStatus(func(s dimmer.Status) {
		slog.Info("flags", "state", s.State, "source", s.Source, "stale", s.Stale, "error", s.Err)
	})
	defer unsubscribe()
	fmt.Println(client.Status().State, client.Status().Source)
	// Output: offline bootstrap
}

// In a test, t is the test's.
func Example_test() {
	t := &exampleTB{}
	defer t.end()
	flags := dimmertest.New(t, dimmertest.Bool("new-checkout", true))
	shop := NewShop(flags.Client)
	fmt.Println(shop.Checkout("user-17"))

	flags.Set(dimmertest.Bool("new-checkout", false))
	fmt.Println(shop.Checkout("user-17"))
	// Output:
	// the new checkout
	// the old checkout
}

// Shop is an application.
type Shop struct{ flags *dimmer.Client }

// NewShop makes one.
func NewShop(flags *dimmer.Client) Shop { return Shop{flags} }

// Checkout is what a user sees.
func (s Shop) Checkout(user string) string {
	if s.flags.Bool(ctx, "new-checkout", dimmer.NewContext(user), false) {
		return "the new checkout"
	}
	return "the old checkout"
}

// exampleTB stands for a *testing.T.
type exampleTB struct{ cleanups []func() }

func (t *exampleTB) Helper()               {}
func (t *exampleTB) Cleanup(clean func())  { t.cleanups = append(t.cleanups, clean) }
func (t *exampleTB) Fatalf(string, ...any) {}

func (t *exampleTB) end() {
	for _, clean := range t.cleanups {
		clean()
	}
}
