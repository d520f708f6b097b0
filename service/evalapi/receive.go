package evalapi

import (
	"context"
	"io"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// maxNacks is how many refusals are logged for one stream.
const maxNacks = 10

// receive is the receiving half. It returns when the stream has to end; nil: the client left.
func (y *syncStream) receive() error {
	ctx := y.stream.Context()
	for m := new(pb.SyncRequest); ; {
		switch err := y.stream.RecvMsg(m); {
		case err == io.EOF: //nolint:errorlint // grpc returns it as it is
			return nil
		case err != nil:
			return err
		}
		if !y.pace.keep(ctx) {
			return nil
		}
		y.link.Seen()
		switch m := m.GetMessage().(type) {
		case *pb.SyncRequest_Hello:
			return errNoHello
		case *pb.SyncRequest_Ack:
			y.acknowledged(revisionOf(m.Ack.GetRevision()))
		case *pb.SyncRequest_Nack:
			y.refused(ctx, m.Nack)
		case *pb.SyncRequest_Bye:
			y.bye = true
			return nil
		default:
			// Of a later version of the protocol; or empty. Not to be held against the client.
		}
	}
}

// pace bounds how fast a client's messages are read. Who sends more, which no SDK does, finds his connection full.
type pace struct {
	began time.Time
	n     int
}

const paceMost = 1000 // messages in a second

// keep waits until the next message may be dealt with; false: the context ended first.
func (p *pace) keep(ctx context.Context) bool {
	if p.n++; p.n < paceMost {
		return true
	}
	wait := time.Until(p.began.Add(time.Second))
	p.n = 0
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	p.began = time.Now()
	return true
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
	y.nacked.Store(true)
	y.wake()
}

// clip bounds what a client has written into a log.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
