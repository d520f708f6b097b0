package evalapi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
)

// sluggish is the stream of a client that takes each message after a while.
type sluggish struct {
	grpc.ServerStream
	ctx  context.Context
	sent int
}

func (s *sluggish) Context() context.Context { return s.ctx }

func (s *sluggish) SendMsg(any) error {
	time.Sleep(sendLimit - time.Second) // waits: time in the bubble, which costs nothing
	s.sent++
	return nil
}

// TestRevokedWhileSending: a client that reads slowly does not get the rest of a large ruleset after its token was revoked.
func TestRevokedWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newKeys()
		p, err := auth.Authenticate("server", "")
		require.NoError(t, err)
		slow := &sluggish{ctx: context.WithValue(t.Context(), principalKey{}, &p)}
		y := &syncStream{Server: &Server{opts: Options{Auth: auth}}, stream: slow, protocol: protocolJoined}
		go func() {
			time.Sleep(30 * time.Second)
			auth.revoke("server")
		}()
		err = y.take(make([][]byte, 128), evaluator.Revision{Epoch: 1, Number: 1})
		require.Equal(t, feature.CodeUnauthenticated, feature.CodeOf(err))
		require.Equal(t, 4, slow.sent, "what was on its way")
	})
}
