package dimmer

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

func (c *Client) on(flag string) bool {
	return c.Bool(nil, flag, NewContext("user-1"), false) //nolint:staticcheck // nobody looks at it, and nil must be safe
}

func TestFullThenDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		require.Equal(t, StateConnecting, c.Status().State)
		conn := n.accept(t)
		require.Equal(t, "go", conn.hello.GetSdk())
		require.Equal(t, Version, conn.hello.GetSdkVersion())
		require.Equal(t, "test", conn.hello.GetApplication())
		require.EqualValues(t, evaluator.Schema, conn.hello.GetSchema())
		require.NotEmpty(t, conn.hello.GetInstance())
		require.EqualValues(t, 1, conn.hello.GetProtocol(), "commits within changes")
		require.Len(t, conn.hello.GetProcess(), 16)
		require.Nil(t, conn.hello.GetAfter(), "it has nothing")
		require.Empty(t, conn.hello.GetDigest())

		one := snapshotOf(rev(1, 5), boolFlag("a", true), boolFlag("b", false))
		conn.full(one)
		conn.expectAck(rev(1, 5))
		require.True(t, c.on("a"))
		require.False(t, c.on("b"))
		st := c.Status()
		require.Equal(t, StateLive, st.State)
		require.Equal(t, SourceStream, st.Source)
		require.Equal(t, rev(1, 5), st.Revision)
		require.NoError(t, st.Err)

		two, _ := one.With(rev(1, 6), []evaluator.Document{boolFlag("b", true), gone(boolFlag("a", true))})
		conn.changes(boolFlag("b", true))
		conn.changes(gone(boolFlag("a", true)))
		synctest.Wait()
		require.False(t, c.on("b"), "nothing counts before the Commit")
		conn.commit(two, 2)
		conn.expectAck(rev(1, 6))
		require.True(t, c.on("b"))
		require.False(t, c.on("a"), "deleted")
		require.Equal(t, two.Digest(), c.rules.Load().Digest())

		three, _ := two.With(rev(1, 7), []evaluator.Document{killDoc("k1", "b")})
		conn.delta(three, killDoc("k1", "b"))
		conn.expectAck(rev(1, 7))
		require.False(t, c.on("b"))
		require.Equal(t, CauseKilled, c.BoolDetail(t.Context(), "b", nil, true).Cause)

		conn.hangUp(nil)
		require.Equal(t, conn.hello.GetProcess(), n.accept(t).hello.GetProcess(), "it is the same process still")
		other := newNodes()
		other.client(t, "a:1")
		require.NotEqual(t, conn.hello.GetProcess(), other.accept(t).hello.GetProcess())
	})
}

func TestFirstIsAppliedWithoutAnIntentAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		one := snapshotOf(rev(1, 1), boolFlag("a", false), boolFlag("b", true))
		conn.intent(dimmerv1.Intent_MODE_FULL)
		conn.changes(boolFlag("a", false), boolFlag("b", true))
		conn.commit(one, 2)
		conn.expectAck(rev(1, 1))
		// What follows a whole ruleset are changes, whether an Intent says so or not.
		two, _ := one.With(rev(1, 2), []evaluator.Document{boolFlag("a", true)})
		conn.delta(two, boolFlag("a", true))
		conn.expectAck(rev(1, 2))
		require.True(t, c.on("a"))
		require.True(t, c.on("b"))
	})
}

func TestEmptyIsNotUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		require.Equal(t, ErrProviderNotReady, c.BoolDetail(t.Context(), "a", nil, true).Error)
		require.False(t, c.Status().Ready())
		conn := n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_FULL)
		synctest.Wait()
		require.Equal(t, ErrProviderNotReady, c.BoolDetail(t.Context(), "a", nil, true).Error, "no Commit, no data")
		conn.hangUp(nil)
		conn = n.accept(t)
		synctest.Wait()
		require.Equal(t, ErrProviderNotReady, c.BoolDetail(t.Context(), "a", nil, true).Error, "a stream that ends is no data")
		conn.full(snapshotOf(rev(1, 1)))
		conn.expectAck(rev(1, 1))
		require.Equal(t, ErrFlagNotFound, c.BoolDetail(t.Context(), "a", nil, true).Error)
		require.True(t, c.Status().Ready())
	})
}

func TestDamagedStepsAreNotTaken(t *testing.T) {
	one := snapshotOf(rev(1, 5), boolFlag("a", true))
	two, _ := one.With(rev(1, 6), []evaluator.Document{boolFlag("b", true)})
	for name, send := range map[string]func(*conn){
		"other bytes":      func(c *conn) { c.delta(two, boolFlag("b", false)) },
		"a change missing": func(c *conn) { c.commit(two, 1) },
		"a change too many": func(c *conn) {
			c.changes(boolFlag("b", true), boolFlag("c", true))
			c.commit(two, 1)
		},
		"no digest": func(c *conn) {
			c.changes(boolFlag("b", true))
			c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Commit{Commit: &dimmerv1.Commit{Revision: revisionTo(rev(1, 6)), Count: 1}}})
		},
		"heartbeat with another digest": func(c *conn) {
			c.heartbeat(snapshotOf(rev(1, 5), boolFlag("a", false)), 0)
		},
		"an empty document is no deletion": func(c *conn) {
			empty, _ := one.With(rev(1, 6), []evaluator.Document{gone(boolFlag("a", true))})
			c.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Changes{Changes: &dimmerv1.Changes{
				Changes: []*dimmerv1.Change{{Kind: "flag", Key: "a"}},
			}}})
			c.commit(empty, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1")
				conn := n.accept(t)
				conn.full(one)
				conn.expectAck(rev(1, 5))
				send(conn)
				nack := conn.expectNack()
				require.Empty(t, nack.GetKind(), "it is about the step")
				require.NotEmpty(t, nack.GetReason())
				require.True(t, c.on("a"))
				require.Equal(t, rev(1, 5), c.Status().Revision)
				// What was on its way before the node saw the Nack counts for nothing.
				conn.delta(two, boolFlag("b", true))
				conn.intent(dimmerv1.Intent_MODE_DELTA)
				conn.delta(two, boolFlag("b", true))
				synctest.Wait()
				require.Equal(t, rev(1, 5), c.Status().Revision)
				require.False(t, c.on("b"))

				conn.full(two)
				conn.expectAck(rev(1, 6))
				require.True(t, c.on("b"))
				require.Equal(t, two.Digest(), c.rules.Load().Digest())
			})
		})
	}
}

func TestNodeThatCannotRepairIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1,b:2")
		first := n.accept(t)
		bad := snapshotOf(rev(1, 5), boolFlag("a", false))
		for range 2 {
			first.intent(dimmerv1.Intent_MODE_FULL)
			first.delta(bad, boolFlag("a", true))
			first.expectNack()
		}
		first.intent(dimmerv1.Intent_MODE_FULL)
		first.delta(bad, boolFlag("a", true))
		first.expectGone()
		second := n.accept(t)
		require.NotEqual(t, first.endpoint, second.endpoint)
		require.False(t, c.Status().Ready())
		second.full(snapshotOf(rev(1, 5), boolFlag("a", true)))
		second.expectAck(rev(1, 5))
		require.True(t, c.on("a"))
	})
}

func TestNeverBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		held := snapshotOf(rev(2, 9), boolFlag("a", true))
		old := snapshotOf(rev(2, 8), boolFlag("a", false))
		offers := map[string]func(*conn){
			"whole": func(c *conn) { c.full(old) },
			"delta": func(c *conn) {
				c.intent(dimmerv1.Intent_MODE_DELTA)
				c.delta(old, boolFlag("a", false))
			},
			"older epoch": func(c *conn) { c.full(snapshotOf(rev(1, 1000), boolFlag("a", false))) },
		}
		conn := n.accept(t)
		conn.full(held)
		conn.expectAck(rev(2, 9))
		for name, send := range offers {
			conn.hangUp(errors.New("killed"))
			conn = n.accept(t)
			digest := held.Digest()
			require.Equal(t, rev(2, 9), revisionOf(conn.hello.GetAfter()), name)
			require.Equal(t, digest[:], conn.hello.GetDigest(), name)
			send(conn)
			conn.expectGone()
			require.True(t, c.on("a"), name)
			require.Equal(t, rev(2, 9), c.Status().Revision, name)
			conn = n.accept(t)
		}
		// A new epoch is newer whatever its number.
		conn.full(snapshotOf(rev(3, 1), boolFlag("a", false)))
		conn.expectAck(rev(3, 1))
		require.False(t, c.on("a"))
	})
}

func TestLagging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1,b:2")
		held := snapshotOf(rev(1, 9), boolFlag("a", true))
		conn := n.accept(t)
		conn.full(held)
		conn.expectAck(rev(1, 9))
		conn.hangUp(nil)

		conn = n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_LAGGING)
		conn.heartbeat(snapshotOf(rev(1, 7)), 0)
		synctest.Wait()
		require.Equal(t, StateLagging, c.Status().State)
		require.Error(t, c.Status().Err)
		require.True(t, c.on("a"))
		// It has five seconds to catch up …
		time.Sleep(4 * time.Second)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(1, 9))
		synctest.Wait()
		require.Equal(t, StateLive, c.Status().State)
		for range 4 {
			time.Sleep(5 * time.Second)
			conn.heartbeat(held, 0)
		}
		require.NoError(t, conn.ctx.Err(), "then it is followed")
		conn.hangUp(nil)

		// … and is left when it does not.
		conn = n.accept(t)
		began := time.Now()
		conn.intent(dimmerv1.Intent_MODE_LAGGING)
		next := n.accept(t)
		require.NotEqual(t, conn.endpoint, next.endpoint)
		require.Equal(t, laggingLimit+2*time.Second, time.Since(began), "and the pause before the next")
		require.True(t, c.on("a"))
	})
}

func TestLaggingAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		held := snapshotOf(rev(1, 9), boolFlag("a", true))
		conn := n.accept(t)
		conn.full(held)
		conn.expectAck(rev(1, 9))
		conn.hangUp(nil)
		conn = n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_LAGGING)
		for range 5 {
			time.Sleep(5 * time.Second)
			conn.heartbeat(snapshotOf(rev(1, 7)), 0)
		}
		require.NoError(t, conn.ctx.Err(), "there is no other: it gets longer")
		next, _ := held.With(rev(1, 10), []evaluator.Document{boolFlag("a", false)})
		conn.intent(dimmerv1.Intent_MODE_DELTA)
		conn.delta(next, boolFlag("a", false))
		conn.expectAck(rev(1, 10))
		require.False(t, c.on("a"))
		require.Equal(t, StateLive, c.Status().State)
	})
}

// TestAllNodesBehind: a store that was put back to an older state, or one of another installation, must not be followed and must not go unnoticed.
func TestAllNodesBehind(t *testing.T) {
	for name, addr := range map[string]string{"one address": "a:1", "several": "a:1,b:2"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				var lines lockedBuffer
				c := n.client(t, addr, WithLogger(slog.New(slog.NewTextHandler(&lines, nil))))
				held := snapshotOf(rev(2, 9), boolFlag("a", true))
				conn := n.accept(t)
				conn.full(held)
				conn.expectAck(rev(2, 9))
				conn.heartbeat(held, 0)
				conn.hangUp(nil)
				synctest.Wait()
				var states []State
				c.OnStatus(func(s Status) {
					if len(states) == 0 || states[len(states)-1] != s.State {
						states = append(states, s.State)
					}
				})
				began, back := time.Now(), snapshotOf(rev(1, 500), boolFlag("a", false))
				seen := map[string]int{}
				for time.Since(began) < 10*time.Minute {
					conn = n.accept(t)
					seen[conn.endpoint]++
					require.Equal(t, rev(2, 9), revisionOf(conn.hello.GetAfter()))
					conn.intent(dimmerv1.Intent_MODE_LAGGING)
					for conn.ctx.Err() == nil {
						conn.heartbeat(back, 0)
						time.Sleep(5 * time.Second)
					}
				}
				require.Len(t, seen, len(strings.Split(addr, ",")))
				for endpoint, times := range seen {
					require.Greater(t, times, 12, "the same address may lead to another node: %s", endpoint)
				}
				synctest.Wait()
				require.Equal(t, []State{StateLagging, StateBehind}, states, "and nothing else, however often it tries")
				st := c.Status()
				require.True(t, st.Stale)
				require.ErrorIs(t, st.Err, errAllBehind)
				require.Equal(t, rev(2, 9), st.Revision)
				require.True(t, c.on("a"), "never back")
				require.Equal(t, ReasonStale, c.BoolDetail(t.Context(), "a", nil, false).Reason)
				require.Equal(t, 1, strings.Count(lines.String(), "behind"), "logged once:\n%s", lines.String())

				next, _ := held.With(rev(3, 1), []evaluator.Document{boolFlag("a", false)})
				conn = n.accept(t)
				conn.full(next)
				conn.expectAck(rev(3, 1))
				require.Equal(t, StateLive, c.Status().State)
				require.False(t, c.on("a"))
			})
		})
	}
}

type lockedBuffer struct {
	lock sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.String()
}

// TestFreshIsTheStoresWord: a node that answers although its store has been away for an hour makes nothing fresh.
func TestFreshIsTheStoresWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		held := snapshotOf(rev(1, 5), boolFlag("a", true))
		conn.full(held)
		conn.expectAck(rev(1, 5))
		synctest.Wait()
		require.False(t, c.Status().Stale, "until it is known better")
		conn.heartbeat(held, time.Hour)
		synctest.Wait()
		require.Equal(t, time.Hour, time.Since(c.Status().Fresh))
		require.True(t, c.Status().Stale)

		conn.hangUp(nil)
		conn = n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(1, 5))
		next, _ := held.With(rev(1, 6), []evaluator.Document{boolFlag("b", true)})
		conn.delta(next, boolFlag("b", true))
		conn.expectAck(rev(1, 6))
		synctest.Wait()
		require.True(t, c.Status().Stale, "neither an Intent nor a Commit says when the store was asked")
		require.Equal(t, StateLive, c.Status().State)
		conn.heartbeat(next, time.Second)
		synctest.Wait()
		require.False(t, c.Status().Stale)
		require.Equal(t, time.Second, time.Since(c.Status().Fresh))
		conn.heartbeat(next, time.Hour)
		synctest.Wait()
		require.Equal(t, time.Second, time.Since(c.Status().Fresh), "what was proven stays so")
	})
}

func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1,b:2", func(c *config) { c.random = func() float64 { return 0.5 } })
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		conn.expectAck(rev(1, 1))
		began := time.Now()
		conn.goodbye(3*time.Second, 4*time.Second)
		conn.expectGone()
		synctest.Wait()
		require.Zero(t, time.Since(began), "it leaves at once")
		require.Empty(t, conn.in, "without a Bye: the instance lives on")
		require.True(t, c.on("a"))
		require.Equal(t, StateInterrupted, c.Status().State)
		next := n.accept(t)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.NotEqual(t, conn.endpoint, next.endpoint)

		// No node can send a client away for longer than a minute.
		next.intent(dimmerv1.Intent_MODE_NONE)
		next.goodbye(1<<40, 1<<40)
		next.expectGone()
		began = time.Now()
		n.accept(t)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestSilenceIsDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		held := snapshotOf(rev(1, 1), boolFlag("a", true))
		conn.full(held)
		conn.expectAck(rev(1, 1))
		for range 10 {
			time.Sleep(14 * time.Second)
			conn.heartbeat(held, 0)
			synctest.Wait()
		}
		require.NoError(t, conn.ctx.Err())
		began := time.Now()
		conn.expectGone()
		require.Equal(t, linkSilence, time.Since(began))
		synctest.Wait()
		require.ErrorIs(t, c.Status().Err, errSilence)
		require.True(t, c.on("a"))

		next := n.accept(t)
		require.Equal(t, rev(1, 1), revisionOf(next.hello.GetAfter()))
		next.intent(dimmerv1.Intent_MODE_NONE)
		next.expectAck(rev(1, 1))
		synctest.Wait()
		require.Equal(t, StateLive, c.Status().State)
		require.Equal(t, conn.hello.GetInstance(), next.hello.GetInstance())

		// One that never says anything is dead as well.
		next.hangUp(nil)
		n.accept(t).expectGone()
	})
}

func TestRetries(t *testing.T) {
	almost := func() float64 { return 0.9999999 }
	near := func(t *testing.T, want, got []time.Duration) {
		t.Helper()
		require.Len(t, got, len(want))
		for i := range want {
			require.InDelta(t, want[i], got[i], float64(time.Millisecond), "wait %d", i)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		n.setDown("a:1", status.Error(codes.Unavailable, "refused"))
		c := n.client(t, "a:1", func(c *config) { c.random = almost })
		time.Sleep(60 * time.Second)
		_, waits := n.dials()
		near(t, []time.Duration{2e9, 4e9, 8e9, 10e9, 10e9, 10e9, 10e9}, waits)
		require.Equal(t, StateConnecting, c.Status().State)
		require.ErrorContains(t, c.Status().Err, "a:1")

		// A link that lived is a success, and the next wait is short.
		n.setDown("a:1", nil)
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		time.Sleep(healthyLink)
		began := time.Now()
		conn.hangUp(nil)
		n.accept(t)
		require.InDelta(t, firstRetry, time.Since(began), float64(time.Millisecond))
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		// At the start every node gets its chance at once.
		for _, endpoint := range []string{"a:1", "b:2", "c:3"} {
			n.setDown(endpoint, status.Error(codes.Unavailable, "refused"))
		}
		n.client(t, "a:1, b:2", WithEndpoints("c:3"), func(c *config) { c.random = func() float64 { return 0.5 } })
		time.Sleep(5 * time.Second)
		endpoints, waits := n.dials()
		require.Equal(t, []string{"b:2", "c:3", "a:1"}, endpoints[:3])
		require.Equal(t, []time.Duration{0, 0}, waits[:2])
		require.NotZero(t, waits[2])
	})
}

func TestRefusedTokenIsTriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		n.setDown("a:1", status.Error(codes.Unauthenticated, "no such token"))
		began := time.Now()
		c := n.client(t, "a:1", WithInitTimeout(5*time.Second), func(c *config) { c.random = func() float64 { return 0.5 } })
		require.Equal(t, 750*time.Millisecond, time.Since(began), "a second chance; more waiting would not help")
		synctest.Wait()
		require.Equal(t, StateRefused, c.Status().State)
		require.ErrorContains(t, c.Status().Err, "no such token")
		require.NotContains(t, c.Status().Err.Error(), testToken)
		time.Sleep(150 * time.Second)
		_, waits := n.dials()
		for i, seconds := range []float64{0.75, 1.5, 3, 6, 12, 24, 45, 45} {
			require.Equal(t, time.Duration(seconds*float64(time.Second)), waits[i], i)
		}
		require.Len(t, waits, 8)

		n.setDown("a:1", nil) // somebody made the token
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		conn.expectAck(rev(1, 1))
		require.Equal(t, StateLive, c.Status().State)

		// A token that is revoked: the answers stay.
		conn.hangUp(status.Error(codes.Unauthenticated, "revoked"))
		conn.expectGone()
		synctest.Wait()
		require.Equal(t, StateRefused, c.Status().State)
		require.True(t, c.on("a"))
	})
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		held := snapshotOf(rev(1, 5), boolFlag("a", true))
		conn.full(held)
		conn.expectAck(rev(1, 5))
		synctest.Wait() // subscribers are told after the Ack

		// The project moved on without this environment: the client takes the revision over.
		var changed int
		c.OnChange(func(Change) { changed++ })
		moved := snapshotOf(rev(1, 8), boolFlag("a", true))
		time.Sleep(5 * time.Second)
		conn.heartbeat(moved, 0)
		conn.expectAck(rev(1, 8))
		require.Equal(t, rev(1, 8), c.Status().Revision)
		require.Equal(t, rev(1, 8), c.BoolDetail(t.Context(), "a", nil, false).Revision)
		require.Zero(t, changed)

		// Freshness is that of the node's store.
		time.Sleep(5 * time.Second)
		conn.heartbeat(moved, 2*time.Second)
		synctest.Wait()
		require.Equal(t, 2*time.Second, time.Since(c.Status().Fresh))

		// One that is behind proves nothing.
		time.Sleep(5 * time.Second)
		conn.heartbeat(held, 0)
		synctest.Wait()
		require.Equal(t, 7*time.Second, time.Since(c.Status().Fresh))
		require.Equal(t, rev(1, 8), c.Status().Revision)

		conn.heartbeat(moved, 7*time.Second) // it was one of a kind

		// A node that speaks of what it does not send is left.
		for range maxBeats {
			require.NoError(t, conn.ctx.Err())
			time.Sleep(5 * time.Second)
			conn.heartbeat(snapshotOf(rev(1, 9), boolFlag("a", false)), 0)
			synctest.Wait()
		}
		conn.expectGone()
		require.ErrorIs(t, c.Status().Err, errDeaf)
	})
}

func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		held := snapshotOf(rev(1, 5), boolFlag("a", true))
		conn.full(held)
		conn.expectAck(rev(1, 5))
		n.setDown("a:1", errors.New("down"))
		conn.hangUp(nil)
		time.Sleep(59 * time.Second)
		require.Equal(t, ReasonStatic, c.BoolDetail(t.Context(), "a", nil, false).Reason)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d := c.BoolDetail(t.Context(), "a", nil, false)
		require.Equal(t, ReasonStale, d.Reason)
		require.Equal(t, CauseDefault, d.Cause)
		require.True(t, d.Value)
		require.True(t, c.Status().Stale)
		require.Equal(t, ReasonError, c.BoolDetail(t.Context(), "none", nil, false).Reason, "an error stays one")

		n.setDown("a:1", nil)
		conn = n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_NONE)
		conn.expectAck(rev(1, 5))
		conn.heartbeat(held, 0)
		synctest.Wait()
		require.Equal(t, ReasonStatic, c.BoolDetail(t.Context(), "a", nil, false).Reason)

		// A node whose store is away for too long does not keep it fresh.
		for range 16 {
			time.Sleep(5 * time.Second)
			conn.heartbeat(held, time.Hour)
		}
		synctest.Wait()
		require.Equal(t, StateLive, c.Status().State)
		require.Equal(t, ReasonStale, c.BoolDetail(t.Context(), "a", nil, false).Reason)
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", WithStaleAfter(0))
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 5), boolFlag("a", true)))
		conn.expectAck(rev(1, 5))
		n.setDown("a:1", errors.New("down"))
		conn.hangUp(nil)
		time.Sleep(24 * time.Hour)
		require.Equal(t, ReasonStatic, c.BoolDetail(t.Context(), "a", nil, false).Reason)
	})
}

func TestWhatIsNotTheProtocol(t *testing.T) {
	for name, test := range map[string]struct {
		say  func(*conn)
		ends bool
	}{
		"empty message":            {func(c *conn) { c.say(&dimmerv1.SyncResponse{}) }, false},
		"empty intent":             {func(c *conn) { c.intent(dimmerv1.Intent_MODE_UNSPECIFIED) }, true},
		"unknown intent":           {func(c *conn) { c.intent(77) }, true},
		"changes after lagging":    {func(c *conn) { c.intent(dimmerv1.Intent_MODE_LAGGING); c.changes(boolFlag("a", false)) }, true},
		"commit after lagging":     {func(c *conn) { c.intent(dimmerv1.Intent_MODE_LAGGING); c.commit(nil, 0) }, true},
		"negative revision":        {func(c *conn) { c.commit(snapshotOf(rev(-1, -1)), 0) }, true},
		"negative store age":       {func(c *conn) { c.heartbeat(snapshotOf(rev(1, 5), boolFlag("a", true)), -time.Hour) }, false},
		"document of unknown kind": {func(c *conn) { c.changes(evaluator.Document{Kind: "news", Key: "x", JSON: []byte("{}")}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1")
				conn := n.accept(t)
				conn.full(snapshotOf(rev(1, 5), boolFlag("a", true)))
				conn.expectAck(rev(1, 5))
				test.say(conn)
				synctest.Wait()
				require.Equal(t, test.ends, conn.ctx.Err() != nil)
				require.True(t, c.on("a"))
				require.Equal(t, rev(1, 5), c.Status().Revision)
			})
		})
	}
	t.Run("first", func(t *testing.T) {
		for name, say := range map[string]func(*conn){
			"changes": func(c *conn) { c.changes(boolFlag("a", true)) },
			"commit":  func(c *conn) { c.commit(snapshotOf(rev(1, 1)), 0) },
			"none":    func(c *conn) { c.intent(dimmerv1.Intent_MODE_NONE) },
			"lagging": func(c *conn) { c.intent(dimmerv1.Intent_MODE_LAGGING); c.heartbeat(nil, 0) },
			"nothing": func(c *conn) { c.full(nil) },
		} {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1")
				conn := n.accept(t)
				say(conn)
				conn.expectGone()
				require.False(t, c.Status().Ready(), name)
				require.Equal(t, ErrProviderNotReady, c.BoolDetail(t.Context(), "a", nil, false).Error, name)
			})
		}
	})
}

func TestLimits(t *testing.T) {
	small := func(c *config) {
		c.limits = limits{count: 6, name: 40, document: 1000, shard: 500, environment: 2000, list: 900}
	}
	big := func(key string, size int) evaluator.Document {
		doc := boolFlag(key, true)
		for len(doc.JSON) < size {
			doc.JSON = append(doc.JSON, ' ')
		}
		return doc
	}
	shard := func(number byte, size int) evaluator.Document {
		return evaluator.Document{Kind: evaluator.KindList, Key: "s:include:0" + string('0'+number), JSON: make([]byte, size)}
	}
	for name, docs := range map[string][]evaluator.Document{
		"document":    {big("x", 1001)},
		"environment": {big("x", 900), big("y", 900), big("z", 900)},
		"shard":       {shard(0, 501)},
		"documents":   {boolFlag("b", true), killDoc("c", "x"), killDoc("d", "x"), killDoc("e", "x"), killDoc("f", "x"), killDoc("g", "x")},
		"a key":       {killDoc(strings.Repeat("k", 40), "x")},
		"a kind":      {{Kind: evaluator.Kind(strings.Repeat("k", 40)), Key: "x", JSON: []byte("{}")}},
		"list":        {shard(0, 400), shard(1, 400), shard(2, 400)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1", small)
				conn := n.accept(t)
				one := snapshotOf(rev(1, 1), boolFlag("a", true))
				conn.full(one)
				conn.expectAck(rev(1, 1))
				// Step by step, so that only the sum is over the limit.
				at := one
				for i, doc := range docs {
					at, _ = at.With(rev(1, int64(i)+2), []evaluator.Document{doc})
					conn.delta(at, doc)
				}
				conn.expectGone()
				synctest.Wait()
				require.ErrorIs(t, c.Status().Err, errOverLimit)
				require.Less(t, c.Status().Revision.Number, at.Revision().Number)
				require.True(t, c.on("a"))
				began := time.Now()
				n.accept(t)
				require.GreaterOrEqual(t, time.Since(began), overWait, "the next try is no better")
			})
		})
	}
	// Deletions cost memory until the Commit, too.
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", small)
		conn := n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_FULL)
		for range 7 {
			conn.changes(gone(boolFlag("a", true)))
		}
		conn.expectGone()
		synctest.Wait()
		require.ErrorIs(t, c.Status().Err, errOverLimit)
	})
	// What is replaced again and again does not add up.
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1", small)
		conn := n.accept(t)
		at := snapshotOf(rev(1, 1), big("a", 900))
		conn.full(at)
		conn.expectAck(rev(1, 1))
		for i := range int64(20) {
			doc := big("a", 900+int(i))
			at, _ = at.With(rev(1, 2+i), []evaluator.Document{doc})
			conn.delta(at, doc)
			conn.expectAck(rev(1, 2+i))
		}
		require.True(t, c.on("a"))
	})
}

func TestQuarantinedDocumentsAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		bad := evaluator.Document{Kind: evaluator.KindFlag, Key: "bad", JSON: []byte(`{"key":"bad","type":"boolean"`)}
		conn.full(snapshotOf(rev(1, 5), boolFlag("a", true), bad))
		nack := conn.expectNack()
		require.Equal(t, "flag", nack.GetKind())
		require.Equal(t, "bad", nack.GetKey())
		require.NotEmpty(t, nack.GetReason())
		conn.expectAck(rev(1, 5))
		require.True(t, c.on("a"))
		require.Equal(t, ErrParse, c.BoolDetail(t.Context(), "bad", nil, true).Error)
		require.Len(t, c.Snapshot().Problems(), 1)
	})
}

func TestNewWaitsForTheFirstRuleset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		go func() {
			conn := n.accept(t)
			time.Sleep(3 * time.Second)
			conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		}()
		began := time.Now()
		c := n.client(t, "a:1", WithInitTimeout(defaultInitTimeout))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.True(t, c.on("a"))
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		began := time.Now()
		c := n.client(t, "a:1", WithInitTimeout(defaultInitTimeout))
		require.Equal(t, 5*time.Second, time.Since(began))
		require.False(t, c.on("a"))
		// It works as soon as there is something.
		n.accept(t).full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		synctest.Wait()
		require.True(t, c.on("a"))
	})
}

// A node that is alive and gets nowhere is left, whatever it is that does not come.
func TestNodesThatGetNowhere(t *testing.T) {
	held := snapshotOf(rev(1, 5), boolFlag("a", true))
	next := snapshotOf(rev(1, 6), boolFlag("a", true), boolFlag("b", true))
	for name, test := range map[string]struct {
		say  func(*conn)
		beat *evaluator.Snapshot
		stay bool
	}{
		"half a step":            {func(c *conn) { c.intent(dimmerv1.Intent_MODE_DELTA); c.changes(boolFlag("b", true)) }, next, false},
		"half a ruleset":         {func(c *conn) { c.intent(dimmerv1.Intent_MODE_FULL); c.changes(boolFlag("b", true)) }, next, false},
		"no intent":              {func(*conn) {}, held, false},
		"no intent, and behind":  {func(*conn) {}, snapshotOf(rev(1, 4)), false},
		"behind, without a word": {func(c *conn) { c.intent(dimmerv1.Intent_MODE_NONE) }, snapshotOf(rev(1, 4)), false},
		"nothing new":            {func(c *conn) { c.intent(dimmerv1.Intent_MODE_NONE) }, held, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1")
				first := n.accept(t)
				first.full(held)
				first.expectAck(rev(1, 5))
				first.hangUp(nil)
				conn := n.accept(t)
				test.say(conn)
				for range 6 {
					time.Sleep(5 * time.Second)
					conn.heartbeat(test.beat, 0)
				}
				synctest.Wait()
				require.Equal(t, test.stay, conn.ctx.Err() == nil)
				require.Equal(t, rev(1, 5), c.Snapshot().Revision())
			})
		})
	}
}

// A large step over a slow line is no standstill.
func TestASlowStepIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		n.client(t, "a:1")
		conn := n.accept(t)
		conn.intent(dimmerv1.Intent_MODE_FULL)
		var docs []evaluator.Document
		for i := range 10 {
			docs = append(docs, boolFlag(string(rune('a'+i)), true))
			conn.changes(docs[i])
			for range maxBeats - 1 {
				time.Sleep(5 * time.Second)
				conn.heartbeat(snapshotOf(rev(1, 1), docs...), 0)
			}
		}
		conn.commit(snapshotOf(rev(1, 1), docs...), len(docs))
		conn.expectAck(rev(1, 1))
	})
}

func TestGoodbyeToEachWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		n.client(t, "a:1")
		began := time.Now()
		for range 5 {
			n.accept(t).goodbye(0, 0)
		}
		n.accept(t)
		require.GreaterOrEqual(t, time.Since(began), 5*time.Second)
	})
}

func TestAnAbsurdStoreAgeIsNoFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		held := snapshotOf(rev(1, 5), boolFlag("a", true))
		conn.full(held)
		conn.expectAck(rev(1, 5))
		digest := held.Digest()
		for _, age := range []int64{1 << 62, 1<<63 - 1, 9_300_000_000_000} {
			conn.say(&dimmerv1.SyncResponse{Message: &dimmerv1.SyncResponse_Heartbeat{Heartbeat: &dimmerv1.Heartbeat{
				Revision: revisionTo(rev(1, 5)), Digest: digest[:], StoreAgeMs: age,
			}}})
			synctest.Wait()
			require.False(t, c.Status().Fresh.After(time.Now()), age)
		}
	})
}
