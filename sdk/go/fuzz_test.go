package dimmer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// FuzzNode says anything at all to a client, as messages each after its length (2 bytes). Whatever it is, the client goes on answering, never goes back,
// and closes.
func FuzzNode(f *testing.F) {
	recorded := newConn(f.Context(), "a:1")
	one := snapshotOf(rev(1, 5), boolFlag("a", true))
	recorded.full(one)
	two, _ := one.With(rev(1, 6), []evaluator.Document{boolFlag("b", true)})
	recorded.delta(two, boolFlag("b", true))
	recorded.heartbeat(two, time.Second)
	recorded.intent(dimmerv1.Intent_MODE_LAGGING)
	recorded.goodbye(time.Second, time.Second)
	var seed []byte
	for len(recorded.out) > 0 {
		data, err := proto.Marshal((<-recorded.out).message)
		require.NoError(f, err)
		seed = append(binary.BigEndian.AppendUint16(seed, uint16(len(data))), data...)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newNodes()
			c := n.client(t, "a:1,b:2")
			conn := n.accept(t)
			last := Revision{}
			for len(data) >= 2 {
				size := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
				m := &dimmerv1.SyncResponse{}
				if proto.Unmarshal(data[2:2+size], m) == nil {
					if conn.ctx.Err() != nil {
						conn = n.accept(t)
					}
					conn.say(m)
					synctest.Wait()
				}
				data = data[2+size:]
				now := c.Status().Revision
				require.GreaterOrEqual(t, now.Compare(last), 0)
				last = now
				c.on("a")
			}
			require.NoError(t, c.Close())
		})
	})
}

// A node does what nodes do, and everything that can go wrong, in any order. Afterwards a healthy one brings the client to the newest state, byte for
// byte, and at no time was it at anything but a state that existed, nor at an older one than before.
func TestAnyNodeThenAHealthyOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctestRapid(t, func(t *testing.T, n *nodes) {
			c := n.client(t, "a:1,b:2")
			history := map[Revision]evaluator.Digest{{}: {}}
			at := snapshotOf(rev(1, 1), boolFlag("f0", true))
			history[at.Revision()] = at.Digest()
			conn := n.accept(t)
			held, last := (*evaluator.Snapshot)(nil), Revision{}
			meet := func() {
				if conn.ctx.Err() != nil {
					conn = n.accept(t)
					held = c.rules.Load()
				}
			}
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				meet()
				switch rapid.SampledFrom([]string{"change", "epoch", "full", "delta", "damaged", "old", "cut", "hang up", "goodbye", "lag", "beat", "wait"}).Draw(rt, "step") {
				case "change":
					doc := boolFlag(fmt.Sprint("f", rapid.IntRange(0, 3).Draw(rt, "flag")), rapid.Bool().Draw(rt, "value"))
					r := at.Revision()
					at, _ = at.With(rev(r.Epoch, r.Number+1), []evaluator.Document{doc})
				case "epoch":
					at, _ = at.With(rev(at.Revision().Epoch+1, 1), nil)
				case "full":
					conn.full(at)
					held = at
				case "delta":
					conn.intent(dimmerv1.Intent_MODE_DELTA)
					conn.delta(at, difference(held, at)...)
					held = at
				case "damaged":
					conn.intent(dimmerv1.Intent_MODE_DELTA)
					conn.delta(at, boolFlag("never", true))
				case "old":
					conn.full(snapshotOf(rev(at.Revision().Epoch, 0), boolFlag("never", true)))
				case "cut":
					conn.changes(boolFlag("never", true))
					conn.hangUp(nil)
				case "hang up":
					conn.hangUp(errors.New("killed"))
				case "goodbye":
					conn.goodbye(time.Second, 0)
				case "lag":
					conn.intent(dimmerv1.Intent_MODE_LAGGING)
				case "beat":
					conn.heartbeat(at, 0)
				case "wait":
					time.Sleep(time.Second)
				}
				history[at.Revision()] = at.Digest()
				history[rev(at.Revision().Epoch, 0)] = snapshotOf(rev(at.Revision().Epoch, 0), boolFlag("never", true)).Digest()
				synctest.Wait()
				now := c.rules.Load()
				require.GreaterOrEqual(rt, now.Revision().Compare(last), 0)
				require.Equal(rt, history[now.Revision()], now.Digest())
				last = now.Revision()
			}
			meet()
			conn.hangUp(nil)
			synctest.Wait()
			n.accept(t).full(at)
			synctest.Wait()
			require.Equal(rt, at.Digest(), c.rules.Load().Digest())
			require.Equal(rt, at.Revision(), c.rules.Load().Revision())
			require.NoError(rt, c.Close())
		})
	})
}

// synctestRapid runs one case of a property in a bubble. rapid ends a case by a panic, which is carried out of the bubble.
func synctestRapid(t *testing.T, f func(t *testing.T, n *nodes)) {
	var failed any
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		defer func() { failed = recover() }()
		f(t, n)
	})
	if failed != nil {
		panic(failed)
	}
}
