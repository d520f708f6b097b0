package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// corrupt: what Redis holds is not what was committed. It is a defect or somebody else's write, and no retry helps.
func corrupt(err error) error {
	return &feature.Error{Code: feature.CodeInternal, Msg: "the store holds something that was not committed", Err: err}
}

// fail gives an error of the client its place among the store's errors. The answer's text names what kind of failure it was and never quotes Redis; the cause
// is not wrapped, because a time limit of ours is not the caller's.
func (s *Store) fail(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil, errors.Is(err, redis.ErrClosed):
		return store.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, what, ctx.Err())
	}
	kind := kindOf(err)
	if kind == "OOM" {
		return fmt.Errorf("%w: %s", store.ErrFull, what)
	}
	s.opts.Logger.Debug("redis failed", "doing", what, "kind", kind, "err", err)
	return fmt.Errorf("%w: %s: %s", store.ErrUnavailable, what, kind)
}

// kindOf names a failure: the code with which Redis begins an error, or what became of the connection.
func kindOf(err error) string {
	if e, ok := errors.AsType[redis.Error](err); ok {
		code, _, _ := strings.Cut(scriptError(e.Error()), " ")
		for i := range len(code) {
			if c := code[i]; (c < 'A' || c > 'Z') && c != '-' {
				return "error"
			}
		}
		return strings.TrimPrefix(code, "-")
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection lost"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "no connection"
	}
	return "connection failed"
}

// scriptError is what failed in a script. Redis 7 says that itself; 6.2 says ERR Error running script (call to f_…): @user_script:8: @user_script: 8: -OOM command …
func scriptError(text string) string {
	if !strings.HasPrefix(text, "ERR Error running script") {
		return text
	}
	const mark = "@user_script: "
	at := strings.LastIndex(text, mark)
	if at < 0 {
		return text
	}
	_, inner, found := strings.Cut(text[at+len(mark):], ": ")
	if !found {
		return text
	}
	return strings.TrimPrefix(inner, "-")
}

// notExecuted tells whether an error proves that nothing of a command was done, so that it can be sent again.
func notExecuted(err error) bool {
	switch kindOf(err) {
	case "LOADING", "READONLY", "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "BUSY", "no connection":
		return true
	}
	return false
}

// askedFor is the address that a server asks to turn to for a key that is on its way there; empty for any other error.
func askedFor(err error) string {
	if kindOf(err) != "ASK" {
		return ""
	}
	_, addr, _ := strings.Cut(strings.TrimPrefix(err.Error(), "ASK "), " ")
	return addr
}

// quiet sends what the client library logs nowhere: this package reports what concerns anyone.
func quiet() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
