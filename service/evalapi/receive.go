package evalapi

import (
	"context"
	"io"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// maxNacks is how many refusals are logged for one stream.
const maxNacks = 10

// receive is the receiving half.
func (y *syncStream) receive(ctx context.Context) {
	defer close(y.ended)
	defer func() {
		if r := recover(); r != nil {
			y.err = y.panicked(pb.SyncService_Sync_FullMethodName, r)
		}
	}()
	y.err = y.receiveAll(ctx)
}

func (y *syncStream) receiveAll(ctx context.Context) error {
	for greeted := false; ; {
		m := new(pb.SyncRequest)
		switch err := y.stream.RecvMsg(m); {
		case err == io.EOF: //nolint:errorlint // grpc returns it as it is
			return nil
		case err != nil:
			return err
		}
		if hello := m.GetHello(); hello == nil != greeted {
			return errNoHello
		} else if hello != nil {
			greeted = true
			if !y.greet(ctx, hello) {
				return nil
			}
			continue
		}
		y.link.Seen()
		switch m := m.GetMessage().(type) {
		case *pb.SyncRequest_Ack:
			y.acknowledged(revisionOf(m.Ack.GetRevision()))
		case *pb.SyncRequest_Nack:
			y.refused(ctx, m.Nack)
		case *pb.SyncRequest_Bye:
			y.bye.Store(true)
			return nil
		default:
			// Of a later version of the protocol; or empty. Not to be held against the client.
		}
	}
}

func (y *syncStream) acknowledged(rev evaluator.Revision) {
	y.mu.Lock()
	known := rev.Compare(y.held) <= 0
	y.mu.Unlock()
	if known {
		y.link.Ack(cursorOf(rev))
	}
}

// refused takes a Nack: a step that could not be taken is answered with a FULL; a document that the client cannot evaluate is noted.
func (y *syncStream) refused(ctx context.Context, n *pb.Nack) {
	if y.nacks++; y.nacks <= maxNacks {
		y.opts.Logger.WarnContext(ctx, "evalapi: a client refused what it was sent", "project", y.feed.Project(), "environment", y.feed.Environment(),
			"revision", revisionOf(n.GetRevision()), "kind", clip(n.GetKind()), "key", clip(n.GetKey()), "reason", clip(n.GetReason()))
	}
	if n.GetKind() != "" {
		return
	}
	y.mu.Lock()
	whole := revisionOf(n.GetRevision()) == y.wholeAt
	y.mu.Unlock()
	if whole {
		y.feed.ForgetFull() // it may be damaged, so the next one is made anew
	}
	select {
	case y.nacked <- struct{}{}:
	default: // one is already asked for
	}
}

// clip bounds what a client has written into a log.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
