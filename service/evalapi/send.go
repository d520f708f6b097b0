package evalapi

import (
	"context"
	"math"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
)

// send is the sending half. It returns when the stream has to end.
func (y *syncStream) send(ctx context.Context, digest []byte) error {
	y.limit = time.AfterFunc(sendLimit, func() { y.cut(errSlow) })
	defer y.limit.Stop()
	y.limit.Stop()
	beat := time.NewTicker(checkEvery)
	defer beat.Stop()
	if err := y.begin(ctx, digest, beat.C); err != nil {
		return err
	}
	for beats := 1; ; {
		if err := y.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-y.feed.Current().Next():
		case <-y.nacked:
			y.full = true
		case <-beat.C:
			if err := y.opts.Auth.Check(*principal(ctx)); err != nil {
				return err
			}
			if beats++; time.Duration(beats)*checkEvery > heartbeat {
				beats = 1
				if err := y.catchUpAndBeat(ctx); err != nil {
					return err
				}
			}
		case <-y.draining:
			return y.goodbye()
		case <-y.feed.Gone():
			return feature.NotFound("environment", y.feed.Environment())
		case <-y.ended:
			return y.left()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin finds out what the client needs first. A node that is behind the client says so and waits until it is not.
func (y *syncStream) begin(ctx context.Context, digest []byte, beat <-chan time.Time) error {
	client := y.held
	for beats := 0; y.feed.Current().Revision().Compare(client) < 0; {
		if beats++; beats == 1 {
			if err := y.intend(intentLagging); err != nil {
				return err
			}
		}
		// Entries that do not touch the environment wake nobody, so each beat looks, too.
		select {
		case <-y.feed.Current().Next():
			continue
		case <-beat:
		case <-y.draining:
			return y.goodbye()
		case <-y.feed.Gone():
			return feature.NotFound("environment", y.feed.Environment())
		case <-y.ended:
			return y.left()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := y.opts.Auth.Check(*principal(ctx)); err != nil {
			return err
		}
		if time.Duration(beats)*checkEvery >= heartbeat {
			beats = 1
			n := y.feed.Current()
			if err := y.writeBytes(heartbeatMessage(n.Revision(), n.Digest(), y.storeAge())); err != nil {
				return err
			}
		}
	}
	n := y.feed.Current()
	known := len(digest) == len(evaluator.Digest{})
	if known {
		y.at, known = n.Locate(client, evaluator.Digest(digest))
	}
	switch step, kept := n.After(y.at); {
	case !known || !kept:
		y.full, y.at = true, client
		return nil
	case step != nil:
		y.link.Ack(cursorOf(y.at))
		return y.intend(intentDelta)
	}
	if err := y.intend(intentNone); err != nil {
		return err
	}
	if err := y.beat(n); err != nil {
		return err
	}
	y.link.Ack(cursorOf(y.at))
	return nil
}

// catchUp sends what the client does not have yet, until there is nothing.
func (y *syncStream) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-y.draining:
			return y.goodbye()
		case <-y.ended:
			return y.left()
		default:
		}
		step, kept := y.feed.Current().After(y.at)
		switch {
		case y.full || !kept:
			if err := y.sendFull(); err != nil {
				return err
			}
		case step == nil:
			return nil
		default:
			if string(y.mode) == string(intentFull) {
				if err := y.intend(intentDelta); err != nil {
					return err
				}
			}
			if err := y.take(step.Messages(), step.Revision()); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

func (y *syncStream) sendFull() error {
	y.full = false
	full := y.feed.Current().Full(y.at)
	y.mu.Lock()
	y.wholeAt = full.Revision()
	y.mu.Unlock()
	if err := y.intend(intentFull); err != nil {
		return err
	}
	return y.take(full.Messages(), full.Revision())
}

// take sends a step, which brings the client to a revision. It keeps nothing of the node that the step came from.
func (y *syncStream) take(messages [][]byte, to evaluator.Revision) error {
	for i, m := range messages {
		// A client that takes one message every few seconds keeps a FULL of many from ever coming back to the loop that looks otherwise.
		if now := time.Now(); now.Sub(y.asked) >= checkEvery {
			y.asked = now
			if err := y.opts.Auth.Check(*principal(y.stream.Context())); err != nil {
				return err
			}
		}
		if i < len(messages)-1 {
			if err := y.write((*encoded)(&m)); err != nil {
				return err
			}
		}
	}
	y.sent(to) // before the Commit, so that the acknowledgement cannot overtake it
	last := messages[len(messages)-1]
	if y.protocol >= protocolJoined {
		return y.write((*encoded)(&last))
	}
	changes, commit := apart(last)
	if changes != nil {
		if err := y.write(changes); err != nil {
			return err
		}
	}
	return y.write((*encoded)(&commit))
}

// protocolJoined is the first version of the protocol whose clients take a Commit within Changes.
const protocolJoined = 1

func (y *syncStream) sent(rev evaluator.Revision) {
	y.at = rev
	y.mu.Lock()
	defer y.mu.Unlock()
	y.held = rev
}

// catchUpAndBeat sends a heartbeat of a revision that the client has got everything of.
func (y *syncStream) catchUpAndBeat(ctx context.Context) error {
	for {
		if err := y.catchUp(ctx); err != nil {
			return err
		}
		n := y.feed.Current()
		if step, kept := n.After(y.at); step == nil && kept {
			return y.beat(n)
		}
	}
}

// beat tells a client that has everything of a node where that is.
func (y *syncStream) beat(n *feed.Node) error {
	if string(y.mode) == string(intentFull) {
		if err := y.intend(intentNone); err != nil {
			return err
		}
	}
	y.sent(n.Revision())
	return y.writeBytes(heartbeatMessage(n.Revision(), n.Digest(), y.storeAge()))
}

func (y *syncStream) storeAge() int64 {
	return min(y.opts.StoreAge(y.feed.Project()).Milliseconds(), math.MaxInt32)
}

// goodbye asks the client to leave. The share that it waits grows with how many have to.
func (y *syncStream) goodbye() error {
	const perSecond = 1000 // reconnects that another node takes easily
	spread := 1000 * (1 + y.streams.n.Load()/perSecond)
	if err := y.writeBytes(goodbyeMessage(0, spread)); err != nil {
		return err
	}
	return errDraining
}

func (y *syncStream) intend(mode []byte) error {
	y.mode = mode
	return y.writeBytes(mode)
}

func (y *syncStream) writeBytes(m []byte) error { return y.write((*encoded)(&m)) }

// write sends one message, which the codec knows: encoded or parts. A client that takes nothing for the time limit is cut; nothing but its own stream waits for it. (It then sees
// Canceled, whatever this end says: grpc answers a SendMsg that failed by itself.)
func (y *syncStream) write(m any) error {
	y.limit.Reset(sendLimit)
	err := y.stream.SendMsg(m)
	y.limit.Stop()
	return err
}

// left is what a stream ends with whose client has left: always an error, so that sending stops.
func (y *syncStream) left() error {
	if y.err == nil {
		return errLeft
	}
	return y.err
}
