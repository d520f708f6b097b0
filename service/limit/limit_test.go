package limit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var start = time.Unix(1_700_000_000, 0)

func TestTake(t *testing.T) {
	b := New[string](Rate{PerSecond: 2, Burst: 3})
	for range 3 {
		require.Zero(t, b.Take("a", start))
	}
	require.Equal(t, time.Second/2, b.Take("a", start))
	require.Equal(t, time.Second/2, b.Take("a", start), "who is refused is not charged")
	require.Zero(t, b.Take("b", start), "nobody uses up another's")
	require.Zero(t, b.Take("a", start.Add(time.Second/2)))
	require.NotZero(t, b.Take("a", start.Add(time.Second/2)))

	require.Zero(t, New[string](Rate{PerSecond: -1}).Take("a", start))
	require.Equal(t, Rate{1, 2}, Rate{}.Or(Rate{1, 2}))
	require.Equal(t, Rate{3, 4}, Rate{3, 4}.Or(Rate{1, 2}))
	require.Equal(t, Rate{3, 6}, Rate{1, 2}.Times(3))
}

// TestTakeLikeALedger compares with counting by hand: within any stretch of time nobody gets more than the burst and what has flowed in since, and who
// waits as long as he is told gets what he waited for.
func TestTakeLikeALedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: float64(rapid.IntRange(1, 50).Draw(t, "per second")), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
		b := New[string](r)
		now, level, last := start, float64(r.Burst), start
		for range 100 {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "ms")) * time.Millisecond)
			level = min(float64(r.Burst), level+r.PerSecond*now.Sub(last).Seconds())
			last = now
			wait := b.Take("x", now)
			if level > 1.001 && wait != 0 || level < 0.999 && wait == 0 {
				t.Fatalf("the ledger has %v, the bucket says %v", level, wait)
			}
			if wait == 0 {
				level--
				continue
			}
			wait += time.Microsecond // it is rounded
			now = now.Add(wait)
			if again := b.Take("x", now); again != 0 {
				t.Fatalf("after %v it has to wait for another %v", wait, again)
			}
			level, last = level+r.PerSecond*wait.Seconds()-1, now
		}
	})
}

func TestCallersAreForgotten(t *testing.T) {
	b, now := New[string](Rate{PerSecond: 1, Burst: 2}), start
	for i := range 3 * MaxCallers {
		require.Zero(t, b.Take(fmt.Sprint(i), now))
	}
	require.LessOrEqual(t, b.Callers(), MaxCallers)
	now = now.Add(time.Minute)
	for range 2 {
		require.Zero(t, b.Take("busy", now))
	}
	require.NotZero(t, b.Take("busy", now))
	require.LessOrEqual(t, b.Callers(), 2, "idle ones went first")
}

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":                  "192.0.2.1",
		"192.0.2.1:443":              "192.0.2.1",
		"::ffff:192.0.2.1":           "192.0.2.1",
		"[::ffff:192.0.2.1]:1":       "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":       "2001:db8:1:2::/64",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":        "2001:db8:1:2::/64",
		"fe80::1%eth0":               "fe80::/64",
		"::1":                        "::/64",
		"bufconn":                    "bufconn",
		"":                           "",
	} {
		require.Equal(t, want, Address(address), address)
	}
	require.Zero(t, Prefix(netip.Addr{}))
}
