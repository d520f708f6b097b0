package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

func TestParse(t *testing.T) {
	for url, want := range map[string]target{
		"redis://localhost":                                   {backend: backendSingle, addrs: []string{"localhost:6379"}},
		"redis://:p%40ss@10.0.0.1:7000/3":                     {backend: backendSingle, addrs: []string{"10.0.0.1:7000"}, password: "p@ss", db: 3},
		"rediss://user:p@[::1]:7000":                          {backend: backendSingle, tls: true, addrs: []string{"[::1]:7000"}, username: "user", password: "p"},
		"redis://[::1]":                                       {backend: backendSingle, addrs: []string{"[::1]:6379"}},
		"redis+sentinel://a,b:1,c/2?master=m":                 {backend: backendSentinel, addrs: []string{"a:26379", "b:1", "c:26379"}, db: 2, master: "m"},
		"redis+sentinel://u:p@a?master=m":                     {backend: backendSentinel, addrs: []string{"a:26379"}, username: "u", password: "p", master: "m"},
		"rediss+cluster://a,b":                                {backend: backendCluster, tls: true, addrs: []string{"a:6379", "b:6379"}},
		"redis+cluster://a:7000/":                             {backend: backendCluster, addrs: []string{"a:7000"}},
		"redis://user:with:colon@h":                           {backend: backendSingle, addrs: []string{"h:6379"}, username: "user", password: "with:colon"},
		"redis+cluster://s3cret-is-no-password-but-a-user@a ": {},
	} {
		t.Run(url, func(t *testing.T) {
			got, err := parse(url)
			if want.backend == "" {
				require.Error(t, err)
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	for _, url := range []string{
		"", "localhost:6379", "http://:s3cret@h", "redis://", "redis://:s3cret@", "redis://:s3cret@a,b", "redis://:s3cret@h/x", "redis://:s3cret@h/0?db=1",
		"redis://:s3cret@h:0", "redis://:s3cret@h:99999", "redis://:s3%zzcret@h", "redis+sentinel://:s3cret@h", "redis+sentinel://:s3cret@h?master=",
		"redis+cluster://:s3cret@h/1", "redis+cluster://:s3cret@h?master=m", "redis+sentinel://:s3cret@h?master=m;x", "redis://:s3cret@h/-1", "redis://:s3cret@h\r\n",
		"redis+unix:///s3cret", "redis://:s3cret@a:b:c", "redis://:s3cret@h/0?%zz",
	} {
		t.Run("refused "+url, func(t *testing.T) {
			_, err := parse(url)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cret", "a password is never in an error")
			_, err = Open(t.Context(), url, Options{})
			require.Error(t, err)
			require.NotErrorIs(t, err, store.ErrUnavailable)
		})
	}
	for _, prefix := range []string{"a:b", "{a}", "A", "*", strings.Repeat("a", 33)} {
		_, err := Open(t.Context(), "redis://127.0.0.1:1", Options{Prefix: prefix})
		require.ErrorContains(t, err, "cannot begin keys")
	}
	_, err := Open(t.Context(), "redis://:s3cret@127.0.0.1:1", Options{})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), "s3cret")
}

// TestKeys: a name has one key, a key one name, and no name gets out of its braces.
func TestKeys(t *testing.T) {
	k := keyspace{prefix: "dimmer"}
	require.Equal(t, "dimmer:{_system}:head", k.head(store.System))
	require.Equal(t, "dimmer:{a%20%7Db%25%C3%BC}:docs", k.docs("a }b%ü"))
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		head := k.head(name)
		require.Equal(t, 1, strings.Count(head, "{"))
		require.Equal(t, 1, strings.Count(head, "}"))
		got, ok := k.scope(head)
		require.True(t, ok)
		require.Equal(t, name, got)
		// What is no head of ours is no scope.
		text := rapid.StringMatching(`dimmer:\{[a-z%0-9A-F]{0,8}\}:head`).Draw(t, "key")
		if got, ok := k.scope(text); ok {
			require.Equal(t, text, k.head(got))
		}
		key := store.Key{Collection: rapid.StringMatching(`[^\x00]{1,5}`).Draw(t, "collection"), ID: rapid.StringMatching(`[^\x00]{1,5}`).Draw(t, "id")}
		back, ok := splitField(field(key))
		require.True(t, ok)
		require.Equal(t, key, back)
	})
	for _, f := range []string{"", "a", "a\x00", "\x00a", "a\x00b\x00c"} {
		_, ok := splitField(f)
		require.False(t, ok, "%q", f)
	}
}

func TestReplicasInInfo(t *testing.T) {
	for name, test := range map[string]struct {
		info   string
		online int
		silent bool
	}{
		"none":           {"role:master\r\nconnected_slaves:0\r\n", 0, false},
		"two":            {"slave0:ip=1,port=2,state=online,offset=3,lag=0\r\nslave1:ip=1,port=2,state=online,offset=3,lag=1\r\n", 2, false},
		"one is filled":  {"slave0:ip=1,port=2,state=wait_bgsave,offset=0,lag=0\r\nslave1:ip=1,port=2,state=online,offset=3,lag=1\r\n", 1, false},
		"one is silent":  {"slave0:ip=1,port=2,state=online,offset=3,lag=40\r\n", 1, true},
		"a strange lag":  {"slave0:ip=1,port=2,state=online,offset=3,lag=x\r\n", 1, true},
		"another's line": {"slave_repl_offset:7\r\nslaves_state=online\r\n", 0, false},
		"nothing":        {"", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			online, silent := replicas(test.info)
			require.Equal(t, test.online, online)
			require.Equal(t, test.silent, silent)
		})
	}
}

type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

func TestErrors(t *testing.T) {
	s := &Store{}
	s.opts, _ = Options{}.complete(backendSingle)
	s.ctx, s.stop = context.WithCancel(t.Context())
	defer s.stop()
	for name, test := range map[string]struct {
		err  error
		text string // after "store: unavailable: commit: "
		safe bool   // nothing was done
	}{
		"loading":               {redisError("LOADING Redis is loading the dataset in memory"), "LOADING", true},
		"read only":             {redisError("READONLY You can't write against a read only replica."), "READONLY", true},
		"moved":                 {redisError("MOVED 1 10.0.0.1:6379"), "MOVED", true},
		"cluster down":          {redisError("CLUSTERDOWN The cluster is down"), "CLUSTERDOWN", true},
		"a script's error":      {redisError("ERR secret-key user_script:1: Script attempted"), "ERR", false},
		"a strange error":       {redisError("secret-key text"), "error", false},
		"lost":                  {fmt.Errorf("read: %w", io.EOF), "connection lost", false},
		"no dial":               {&net.OpError{Op: "dial", Err: errors.New("secret-key")}, "no connection", true},
		"our time limit":        {context.DeadlineExceeded, "no answer in time", false},
		"something else":        {errors.New("secret-key"), "connection failed", false},
		"a replica of 6.2":      {redisError("ERR Error running script (call to f_3f0b): @user_script:21: @user_script: 21: -READONLY You can't write against a read only replica. "), "READONLY", true},
		"a full disk, 6.2":      {redisError("ERR Error running script (call to f_3f0b): @user_script:21: @user_script: 21: -MISCONF Errors writing to the AOF file: No space left on device "), "MISCONF", false},
		"a script's error, 6.2": {redisError("ERR Error running script (call to f_3f0b): @user_script:21: @user_script: 21: ERR The ID specified in XADD is equal or smaller secret-key"), "ERR", false},
		"a strange script, 6.2": {redisError("ERR Error running script (call to f_3f0b): secret-key"), "ERR", false},
		"wrong credentials":     {redisError("WRONGPASS secret-key"), "WRONGPASS", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.fail(t.Context(), "commit", test.err)
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.EqualError(t, err, "store: unavailable: commit: "+test.text)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, test.safe, notExecuted(test.err))
		})
	}
	require.NoError(t, s.fail(t.Context(), "commit", nil))
	require.ErrorIs(t, s.fail(t.Context(), "commit", redisError("OOM command not allowed when used memory > 'maxmemory'.")), store.ErrFull)
	require.ErrorIs(t, s.fail(t.Context(), "commit", redisError("ERR Error running script (call to f_3f0b): @user_script:21: @user_script: 21: -OOM command not allowed when used memory > 'maxmemory'. ")), store.ErrFull)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.fail(ctx, "commit", io.EOF)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.fail(t.Context(), "commit", redis.ErrClosed), store.ErrClosed)
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{"7.0.15": true, "6.2.0": true, "6.0.16": false, "5.0.7": false, "10.1": true, "": false, "x.y": false, "255.255.255": true} {
		require.Equal(t, want, recent(version), version)
	}
}

func TestUsed(t *testing.T) {
	require.InDelta(t, 0.5, used(map[string]string{"maxmemory": "100", "used_memory": "60", "mem_not_counted_for_evict": "10"}), 1e-9)
	require.Zero(t, used(map[string]string{"maxmemory": "0", "used_memory": "60"}))
	require.Zero(t, used(nil))
}

// FuzzDecode: whatever Redis holds, decoding it ends in what was committed or in an error.
func FuzzDecode(f *testing.F) {
	e, err := store.Seal(store.Head{}, store.Meta{Actor: "a"}, []store.Change{{Key: store.Key{Collection: "c", ID: "i"}, After: []byte("{}")}})
	require.NoError(f, err)
	args, err := (&Store{}).commitArgs(store.Txn{Entry: e}, "")
	require.NoError(f, err)
	f.Add("0-1", e.Hash.String(), args[5].([]byte), string(encodeRecord(store.Record{Revision: 1, Answer: []byte("x")})), "1", "c\x00i")
	f.Add("0-x", "", []byte("{}"), "", "-1", "")
	f.Fuzz(func(t *testing.T, id, hash string, entry []byte, record, number, text string) {
		if e, err := decodeEntry(id, map[string]any{"h": hash, "e": string(entry)}); err == nil {
			require.NoError(t, e.Verify())
			require.Equal(t, id, entryID(e.Revision))
			require.Equal(t, hash, e.Hash.String())
		}
		if r, err := decodeRecord(record); err == nil {
			require.Equal(t, record, string(encodeRecord(r)))
		} else {
			require.Equal(t, feature.CodeInternal, feature.CodeOf(err))
		}
		if st, err := parseStatus([]any{number, number, hash, text, nil, nil, nil, text}); err == nil {
			require.GreaterOrEqual(t, st.head.Revision, int64(0))
			require.GreaterOrEqual(t, st.head.Epoch, int64(0))
			require.False(t, st.absent)
		}
		if k, ok := splitField(text); ok {
			require.Equal(t, text, field(k))
		}
		_, _ = parse(text)
		_, _ = replicas(text)
		if scope, ok := (keyspace{prefix: "p"}).scope(text); ok {
			require.Equal(t, text, (keyspace{prefix: "p"}).head(scope))
		}
	})
}
