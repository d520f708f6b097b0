package dimmer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/dimmerhq/dimmer/evaluator"
)

const bootstrapText = `{"flags":{
 "on":{"type":"boolean","version":3,"salt":"abcdefghijkl","enabled":true,"off":"off","variants":[{"key":"on","value":true},{"key":"off","value":false}],"default":{"variant":"on"}},
 "text":{"type":"string","version":3,"salt":"abcdefghijkl","enabled":true,"off":"a","variants":[{"key":"a","value":"A"},{"key":"b","value":"B"}],"default":{"variant":"b"}},
 "number":{"type":"number","version":3,"salt":"abcdefghijkl","enabled":true,"off":"a","variants":[{"key":"a","value":1.5},{"key":"b","value":42}],"rules":[{"id":"half","when":{"attribute":"plan","op":"in","values":["half"]},"serve":{"variant":"a"}}],"default":{"variant":"b"}},
 "json":{"type":"json","version":3,"salt":"abcdefghijkl","enabled":true,"off":"a","variants":[{"key":"a","value":{"n":1}}],"default":{"variant":"a"}},
 "bad":{"type":"boolean"}
}}`

func offline(t testing.TB, ruleset string, options ...Option) *Client {
	t.Helper()
	c, err := New("", append([]Option{WithOffline(), WithBootstrap([]byte(ruleset)), WithLogger(nil)}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTypedCalls(t *testing.T) {
	ctx := t.Context()
	half := NewContext("u").String("plan", "half")
	for name, c := range map[string]interface {
		snapshot() Snapshot
	}{"client": offline(t, bootstrapText), "counting": offline(t, bootstrapText, WithCounting())} {
		t.Run(name, func(t *testing.T) {
			c := c.(*Client)
			require.True(t, c.Bool(ctx, "on", nil, false))
			require.Equal(t, "B", c.String(ctx, "text", nil, "x"))
			require.Equal(t, int64(42), c.Int(ctx, "number", nil, 7))
			require.Equal(t, 42.0, c.Float(ctx, "number", nil, 7))
			require.Equal(t, 1.5, c.Float(ctx, "number", half, 7))
			require.JSONEq(t, `{"n":1}`, string(c.JSON(ctx, "json", nil, nil)))

			require.Equal(t, int64(7), c.Int(ctx, "number", half, 7), "1.5 is no integer")
			require.Equal(t, ErrTypeMismatch, c.IntDetail(ctx, "number", half, 7).Error)
			require.Equal(t, Detail[int64]{Value: 7, Reason: ReasonError, Error: ErrTypeMismatch}, c.IntDetail(ctx, "number", half, 7))
			require.Equal(t, Detail[float64]{
				Value: 1.5, Variant: "a", Reason: ReasonTargetingMatch, Cause: CauseRule, Rule: "half", Version: 3,
			}, c.FloatDetail(ctx, "number", half, 7))
			require.Equal(t, Detail[bool]{Value: true, Variant: "on", Reason: ReasonStatic, Cause: CauseDefault, Version: 3}, c.BoolDetail(ctx, "on", nil, false))
			require.Equal(t, Detail[string]{Value: "f", Reason: ReasonError, Error: ErrFlagNotFound}, c.StringDetail(ctx, "none", nil, "f"))
			require.Equal(t, Detail[json.RawMessage]{Value: json.RawMessage("1"), Reason: ReasonError, Error: ErrParse}, c.JSONDetail(ctx, "bad", nil, json.RawMessage("1")))

			// Every kind of call on every other type of flag answers the fallback.
			require.True(t, c.Bool(ctx, "text", nil, true))
			require.Equal(t, "f", c.String(ctx, "on", nil, "f"))
			require.Equal(t, int64(7), c.Int(ctx, "json", nil, 7))
			require.Equal(t, 7.0, c.Float(ctx, "text", nil, 7))
			require.Nil(t, c.JSON(ctx, "text", nil, nil))
			require.Equal(t, ErrTypeMismatch, c.StringDetail(ctx, "on", nil, "f").Error)

			broken := NewContext("u").Value("x", make(chan int))
			require.Error(t, broken.Err())
			require.Equal(t, ErrInvalidContext, c.FloatDetail(ctx, "number", broken, 7).Error)
			require.Equal(t, 7.0, c.Float(ctx, "number", broken, 7))
		})
	}
}

func (c *Client) snapshot() Snapshot { return c.Snapshot() }

func TestJSONIsNotOverwrittenByAppending(t *testing.T) {
	c := offline(t, bootstrapText)
	_ = append(c.JSON(t.Context(), "json", nil, nil), "garbage"...)
	require.JSONEq(t, `{"n":1}`, string(c.JSON(t.Context(), "json", nil, nil)))
}

func TestDecode(t *testing.T) {
	c := offline(t, bootstrapText)
	type value struct{ N int }
	require.Equal(t, value{1}, Decode(t.Context(), c.Snapshot(), "json", nil, value{7}))
	require.Equal(t, value{7}, Decode(t.Context(), c.Snapshot(), "none", nil, value{7}))
	require.Equal(t, "f", Decode(t.Context(), c.Snapshot(), "json", nil, "f"), "an object is no string")
}

func TestAllIsOneSnapshot(t *testing.T) {
	c := offline(t, bootstrapText)
	s := c.Snapshot()
	require.NoError(t, c.Load([]byte(`{}`)))
	seen := map[string]string{}
	for flag, o := range s.All(t.Context(), nil) {
		seen[flag] = o.Variant()
	}
	require.Equal(t, map[string]string{"on": "on", "text": "b", "number": "b", "json": "a", "bad": ""}, seen)
	for range c.All(t.Context(), nil) {
		require.Fail(t, "there is no flag now")
	}
	n := 0
	for range s.All(t.Context(), nil) {
		n++
		break
	}
	require.Equal(t, 1, n, "a loop can be left")
}

func TestNilAndZero(t *testing.T) {
	var c *Client
	require.True(t, c.Bool(t.Context(), "a", nil, true))
	require.Equal(t, Detail[bool]{Value: true, Reason: ReasonError, Error: ErrProviderNotReady}, c.BoolDetail(t.Context(), "a", nil, true))
	for range c.All(t.Context(), nil) {
		require.Fail(t, "there is nothing")
	}
	require.Equal(t, StateClosed, c.Status().State)
	require.Nil(t, c.Counts())
	c.OnChange(func(Change) {})()
	c.OnStatus(func(Status) {})()
	require.Error(t, c.Load(nil))
	require.NoError(t, c.Close())
	require.Equal(t, "f", Snapshot{}.String(t.Context(), "a", nil, "f"))
}

func TestWrongConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		addr    string
		options []Option
		want    string
	}{
		"no endpoint":        {"", []Option{WithToken("t")}, "no endpoint"},
		"only commas":        {" , ", []Option{WithToken("t")}, "no endpoint"},
		"no port":            {"localhost", []Option{WithToken("t")}, "not HOST:PORT"},
		"no host":            {":9090", []Option{WithToken("t")}, "not HOST:PORT"},
		"one of several":     {"a:1,b", []Option{WithToken("t")}, `"b" is not HOST:PORT`},
		"no token":           {"a:1", nil, "no token"},
		"line break":         {"a:1", []Option{WithToken("dms_x\n")}, "line break"},
		"client token":       {"a:1", []Option{WithToken("dmc_secret")}, "a client token"},
		"admin token":        {"a:1", []Option{WithToken("dma_secret")}, "an admin token"},
		"instance":           {"a:1", []Option{WithToken("t"), WithInstance("näme")}, "WithInstance"},
		"long instance":      {"a:1", []Option{WithToken("t"), WithInstance(strings.Repeat("x", 129))}, "WithInstance"},
		"long application":   {"a:1", []Option{WithToken("t"), WithApplication(strings.Repeat("x", 129))}, "WithApplication"},
		"negative wait":      {"a:1", []Option{WithToken("t"), WithInitTimeout(-1)}, "WithInitTimeout"},
		"negative staleness": {"a:1", []Option{WithToken("t"), WithStaleAfter(-1)}, "WithStaleAfter"},
		"both":               {"a:1", []Option{WithToken("t"), WithInsecure(), WithTLS(&tls.Config{MinVersion: tls.VersionTLS13})}, "exclude each other"},
		"bootstrap":          {"", []Option{WithOffline(), WithBootstrap([]byte("{"))}, "bootstrap"},
		"bootstrap file":     {"", []Option{WithOffline(), WithBootstrapFS(fstest.MapFS{}, "flags.json")}, "bootstrap"},
		"whose cache":        {"", []Option{WithOffline(), WithCache(t.TempDir())}, "WithCache needs WithToken"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(test.addr, append(test.options, nil)...)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "secret")
			require.Nil(t, c)
		})
	}
}

func TestDefaultsOfOptions(t *testing.T) {
	cfg, err := newConfig("a:1", []Option{WithToken("t"), WithLogger(nil)})
	require.NoError(t, err)
	other, err := newConfig("a:1", []Option{WithToken("t")})
	require.NoError(t, err)
	require.NotEqual(t, cfg.instance, other.instance)
	require.True(t, printable(cfg.instance))
	require.LessOrEqual(t, len(cfg.instance), maxName)
	for endpoint, want := range map[string]string{
		"localhost:1": "insecure", "127.0.0.1:1": "insecure", "[::1]:1": "insecure", "example.com:1": "tls", "127.0.0.1.example.com:1": "tls", "10.0.0.1:1": "tls",
	} {
		require.Equal(t, want, cfg.credentials(endpoint).Info().SecurityProtocol, endpoint)
	}
	require.NoError(t, errors.Join(err))
}

func TestStartOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		files := fstest.MapFS{"flags.json": {Data: []byte(bootstrapText)}}
		c := n.client(t, "a:1", WithBootstrapFS(files, "flags.json"))
		require.True(t, c.on("on"))
		require.Equal(t, SourceBootstrap, c.Status().Source)
		conn := n.accept(t)
		require.Nil(t, conn.hello.GetAfter(), "a bootstrap is no revision")
		conn.full(snapshotOf(rev(1, 1), boolFlag("on", false)))
		conn.expectAck(rev(1, 1))
		require.False(t, c.on("on"))
		require.Equal(t, SourceStream, c.Status().Source)
	})
}

func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		require.ErrorContains(t, c.Load([]byte("{}")), "WithOffline")
		require.NoError(t, c.Close())
		c = offline(t, `{}`)
		var got []Change
		c.OnChange(func(change Change) { got = append(got, change) })
		require.NoError(t, c.Load([]byte(bootstrapText)))
		require.True(t, c.on("on"))
		synctest.Wait()
		require.Equal(t, []Change{{Revision: rev(0, 1), Flags: []string{"bad", "json", "number", "on", "text"}}}, got)
		require.Error(t, c.Load([]byte("[")))
		require.True(t, c.on("on"))
		time.Sleep(1000 * time.Hour)
		require.Equal(t, ReasonStatic, c.BoolDetail(t.Context(), "on", nil, false).Reason, "offline is never stale")
		require.NoError(t, c.Close())
		require.ErrorContains(t, c.Load([]byte("{}")), "closed")
	})
}

func TestOnChangeNamesWhatDepends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		var got []Change
		unsubscribe := c.OnChange(func(change Change) {
			require.Equal(t, change.Revision, c.Status().Revision, "it is in place")
			got = append(got, change)
		})
		segment := evaluator.Document{Kind: evaluator.KindSegment, Key: "beta", JSON: []byte(`{"key":"beta","version":1,"include":{"targetingKey":["u1"]}}`)}
		uses := evaluator.Document{Kind: evaluator.KindFlag, Key: "uses", JSON: []byte(`{"key":"uses","type":"boolean","version":3,"salt":"abcdefghijkl","enabled":true,"off":"off",
			"variants":[{"key":"on","value":true},{"key":"off","value":false}],"rules":[{"id":"r","when":{"segment":"beta"},"serve":{"variant":"on"}}],"default":{"variant":"off"}}`)}
		at := snapshotOf(rev(1, 1), boolFlag("a", true), boolFlag("b", true), segment, uses)
		conn := n.accept(t)
		conn.full(at)
		synctest.Wait()
		require.Equal(t, []Change{{rev(1, 1), []string{"a", "b", "uses"}}}, got)

		step := func(number int64, docs ...evaluator.Document) []Change {
			got = nil
			at, _ = at.With(rev(1, number), docs)
			conn.delta(at, docs...)
			synctest.Wait()
			return got
		}
		require.Equal(t, []Change{{rev(1, 2), []string{"uses"}}}, step(2, evaluator.Document{Kind: "segment", Key: "beta", JSON: []byte(`{"key":"beta","version":2}`)}))
		require.Equal(t, []Change{{rev(1, 3), []string{"b"}}}, step(3, killDoc("k1", "b")))
		require.Equal(t, []Change{{rev(1, 4), []string{"b"}}}, step(4, gone(killDoc("k1", "b"))))
		require.Equal(t, []Change{{rev(1, 5), []string{"a"}}}, step(5, gone(boolFlag("a", true))))

		// Everything sent again: only what differs counts.
		got = nil
		at, _ = at.With(rev(1, 6), []evaluator.Document{boolFlag("b", false)})
		conn.full(at)
		synctest.Wait()
		require.Equal(t, []Change{{rev(1, 6), []string{"b"}}}, got)
		unsubscribe()
		unsubscribe()
		require.Empty(t, step(7, boolFlag("b", true)))
	})
}

func TestSlowCallbacksHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		block := make(chan struct{})
		var got []Change
		c.OnChange(func(change Change) {
			got = append(got, change)
			<-block
		})
		conn := n.accept(t)
		at := snapshotOf(rev(1, 1), boolFlag("a", true))
		conn.full(at)
		conn.expectAck(rev(1, 1))
		synctest.Wait()
		for i := range int64(100) {
			doc := boolFlag(fmt.Sprint("f", i%3), i%2 == 0)
			at, _ = at.With(rev(1, 2+i), []evaluator.Document{doc})
			conn.delta(at, doc)
			conn.expectAck(rev(1, 2+i))
		}
		synctest.Wait() // subscribers are told after the Ack
		close(block)
		synctest.Wait()
		require.Equal(t, []Change{{rev(1, 1), []string{"a"}}, {rev(1, 101), []string{"f0", "f1", "f2"}}}, got, "merged")
	})
}

func TestOnStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		var got []State
		unsubscribe := c.OnStatus(func(s Status) { got = append(got, s.State) })
		conn := n.accept(t)
		held := snapshotOf(rev(1, 1), boolFlag("a", true))
		conn.full(held)
		synctest.Wait()
		for range 3 {
			time.Sleep(5 * time.Second)
			conn.heartbeat(held, 0)
		}
		conn.hangUp(nil)
		synctest.Wait()
		conn = n.accept(t)
		conn.intent(3)
		synctest.Wait()
		require.Equal(t, []State{StateLive, StateInterrupted, StateLive}, got, "heartbeats are no news")
		unsubscribe()
		conn.hangUp(nil)
		synctest.Wait()
		require.Len(t, got, 3)
	})
}

func TestCloseSaysBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		conn.expectAck(rev(1, 1))
		go func() {
			require.NotNil(t, conn.recv().GetBye())
			require.Nil(t, conn.recv(), "and closes its side")
			time.Sleep(300 * time.Millisecond)
			conn.hangUp(nil)
		}()
		began := time.Now()
		require.NoError(t, c.Close())
		require.Equal(t, 300*time.Millisecond, time.Since(began), "the node has taken it")
		require.NoError(t, c.Close())
		require.Equal(t, StateClosed, c.Status().State)
		require.True(t, c.on("a"), "evaluations go on")
		require.Error(t, conn.ctx.Err())
	})
}

func TestCloseIsBounded(t *testing.T) {
	for name, when := range map[string]func(*testing.T, *nodes){
		"node that does not hang up": func(t *testing.T, n *nodes) { n.accept(t) },
		"before the first message":   func(*testing.T, *nodes) {},
		"between two tries": func(_ *testing.T, n *nodes) {
			n.setDown("a:1", errors.New("down"))
			time.Sleep(time.Minute) // waits: in a bubble's time
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes()
				c := n.client(t, "a:1")
				when(t, n)
				began := time.Now()
				require.NoError(t, c.Close())
				require.LessOrEqual(t, time.Since(began), farewell)
			})
		})
	}
}

func TestCloseFromCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		var calls int
		c.OnChange(func(Change) {
			calls++
			require.NoError(t, c.Close())
			require.NoError(t, c.Close())
		})
		c.OnStatus(func(Status) {
			calls++
			require.NoError(t, c.Close())
		})
		conn := n.accept(t)
		conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Equal(t, 1, calls, "none begins after Close")
		require.Equal(t, StateClosed, c.Status().State)
	})
}

func TestManyCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes()
		c := n.client(t, "a:1")
		n.accept(t)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				require.NoError(t, c.Close())
				require.Equal(t, StateClosed, c.Status().State)
			})
		}
		all.Wait()
	})
}

// The two flags always change together: no multi-flag read may see one without the other.
func TestEvaluationsDuringChanges(t *testing.T) {
	n := newNodes()
	c := n.client(t, "a:1", WithCounting())
	conn := n.accept(t)
	at := snapshotOf(rev(1, 1), boolFlag("a", true), boolFlag("b", true))
	conn.full(at)
	conn.expectAck(rev(1, 1))
	var stop atomic.Bool
	var readers sync.WaitGroup
	var evaluations atomic.Int64
	who := NewContext("u").String("plan", "pro")
	for range 50 {
		readers.Go(func() {
			last := Revision{}
			for i := 0; !stop.Load(); i++ {
				s := c.Snapshot()
				a, b := s.Bool(t.Context(), "a", who, false), s.BoolDetail(t.Context(), "b", who, false)
				all := map[string]bool{}
				if i%8 == 0 {
					for flag, o := range c.All(t.Context(), who) {
						all[flag], _ = o.Bool()
					}
				}
				evaluations.Add(2)
				if a != b.Value || b.Error != "" || all["a"] != all["b"] || b.Revision.Compare(last) < 0 {
					t.Errorf("a is %v, b is %+v after %v, all are %v", a, b, last, all)
					return
				}
				last = b.Revision
				runtime.Gosched()
			}
		})
	}
	for i := range int64(1000) {
		docs := []evaluator.Document{boolFlag("a", i%2 == 0), boolFlag("b", i%2 == 0)}
		at, _ = at.With(rev(1, 2+i), docs)
		conn.delta(at, docs...)
		if i%100 == 99 {
			conn.expectAckUpTo(rev(1, 2+i))
		}
	}
	stop.Store(true)
	readers.Wait()
	require.Equal(t, at.Digest(), c.rules.Load().Digest())
	var counted uint64
	for _, count := range c.Counts() {
		require.Empty(t, count.Error)
		counted += count.N
	}
	require.EqualValues(t, evaluations.Load(), counted, "none is lost while outcomes come and go")
}

// expectAckUpTo reads acknowledgements, which may leave out all but the newest, until this one.
func (c *conn) expectAckUpTo(want Revision) {
	c.t.Helper()
	last := Revision{}
	for last != want {
		got := revisionOf(c.recv().GetAck().GetRevision())
		require.Positive(c.t, got.Compare(last))
		last = got
	}
}

func TestCounts(t *testing.T) {
	c := offline(t, bootstrapText, WithCounting())
	require.Empty(t, c.Counts())
	for range 3 {
		c.on("on")
	}
	c.String(t.Context(), "on", nil, "f")
	c.BoolDetail(t.Context(), "none", nil, false)
	c.BoolDetail(t.Context(), "nine", nil, false)
	c.on("bad")
	for range c.All(t.Context(), nil) {
	}
	require.Equal(t, []Count{
		{"bad", "", ErrParse, 1}, {"nine", "", ErrFlagNotFound, 1}, {"none", "", ErrFlagNotFound, 1},
		{"on", "", ErrTypeMismatch, 1}, {"on", "on", "", 3},
	}, c.Counts())
	require.Nil(t, offline(t, bootstrapText).Counts())
}

func TestCountsOfManyFlags(t *testing.T) {
	c := offline(t, `{}`, WithCounting())
	const flags = maxCountCells + 500
	for range 2 {
		for i := range flags {
			c.Bool(t.Context(), fmt.Sprint("flag-", i), nil, false)
		}
	}
	counts := c.Counts()
	require.Len(t, counts, maxCountCells)
	require.Equal(t, Count{N: 2 * (flags - maxCountCells + 1)}, counts[0], "what is beyond the limit is counted together")
	require.Equal(t, uint64(2), counts[1].N)
}

// TestCountingErrorsTakesNoLock: all flags that end in one error share an outcome, and must not be looked for in one place.
func TestCountingErrorsTakesNoLock(t *testing.T) {
	c := offline(t, bootstrapText, WithCounting())
	const flags = 2000
	name := func(i int) string { return fmt.Sprintf("no-such-flag-%04d", i) }
	for range 2 {
		for i := range flags {
			c.Bool(t.Context(), name(i), nil, false)
		}
	}
	table, none := c.counts.table.Load(), c.rules.Load().Outcome("none", nil)
	found := 0
	for i := range flags {
		for j, at := 0, table.start(name(i), none); j < maxCountProbes; j, at = j+1, at+1 {
			if slot := &table.slots[at&uint64(len(table.slots)-1)]; slot.outcome.Load() == none && slot.flag == name(i) {
				found++
				break
			}
		}
	}
	require.Greater(t, found, flags*98/100, "the others take the slow path each time")
	require.Len(t, c.Counts(), flags)
}

// Whoever takes address and token for each other finds no token in the error.
func TestATokenInsteadOfAnAddress(t *testing.T) {
	_, err := New("dms_verysecret", WithToken("127.0.0.1:9090"))
	require.ErrorContains(t, err, "is not HOST:PORT")
	require.NotContains(t, err.Error(), "verysecret")
}

// No option of gRPC sends a token in the clear to another machine.
func TestNoOptionSendsATokenInTheClear(t *testing.T) {
	for name, test := range map[string]struct {
		endpoint string
		config   config
		refused  bool
	}{
		"another machine":   {"192.0.2.1:9090", config{}, true},
		"loopback":          {"127.0.0.1:9090", config{}, false},
		"asked for":         {"192.0.2.1:9090", config{insecure: true}, false},
		"loopback with TLS": {"127.0.0.1:9090", config{tls: &tls.Config{MinVersion: tls.VersionTLS12}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.token = testToken
			test.config.dialOptions = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, hangUp, err := test.config.dialNode(ctx, test.endpoint)
			if hangUp != nil {
				hangUp()
			}
			require.Error(t, err)
			require.Equal(t, test.refused, strings.Contains(err.Error(), "transport level security"), "%v", err)
		})
	}
}
