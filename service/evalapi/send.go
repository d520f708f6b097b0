package evalapi

import (
	"math"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/feed"
	"github.com/dimmerhq/dimmer/service/policy"
)

// turn sends what there is to send. It is woken by crowds.
func (y *syncStream) turn() {
	y.turns.Lock()
	defer y.turns.Unlock()
	y.pending.Store(false) // first, so that whoever wakes from here on is heard
	defer func() {
		if r := recover(); r != nil {
			y.end(y.panicked(pb.SyncService_Sync_FullMethodName, r))
			y.leaving.Store(true)
		}
	}()
	if y.leaving.Load() {
		return
	}
	if err := y.send(); err != nil {
		y.end(err)
		y.leaving.Store(true)
	}
}

// send is one turn. An error ends the stream.
func (y *syncStream) send() error {
	if err := y.over(); err != nil {
		return err
	}
	due := y.due.Swap(false)
	if due {
		if err := y.opts.Auth.Check(y.caller()); err != nil {
			return err
		}
		y.beats++
	}
	if !y.begun {
		if err := y.begin(); err != nil || !y.begun {
			return err
		}
	}
	if y.repairs.due(y.nacked.Swap(false), time.Now()) {
		y.full = true
	}
	if due && time.Duration(y.beats+1)*checkEvery > heartbeat {
		return y.catchUpAndBeat()
	}
	return y.catchUp()
}

// over is why the stream has to end; nil: it need not.
func (y *syncStream) over() error {
	select {
	case <-y.draining:
		return y.goodbye()
	case <-y.feed.Gone():
		return feature.NotFound("environment", y.feed.Environment())
	default:
		return nil
	}
}

// begin finds out what the client needs first. A node that is behind the client says so, and looks again when it is woken.
func (y *syncStream) begin() error {
	client, n := y.held, y.feed.Current()
	if n.Revision().Compare(client) < 0 {
		if y.mode == nil {
			return y.intend(intentLagging)
		}
		if time.Duration(y.beats)*checkEvery >= heartbeat {
			y.beats = 0
			return y.writeBytes(heartbeatMessage(n.Revision(), n.Digest(), y.storeAge()))
		}
		return nil
	}
	y.begun = true
	known := len(y.digest) == len(evaluator.Digest{})
	if known {
		y.at, known = n.Locate(client, evaluator.Digest(y.digest))
	}
	y.digest = nil
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
func (y *syncStream) catchUp() error {
	for !y.leaving.Load() {
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
		if err := y.over(); err != nil {
			return err
		}
	}
	return nil
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
			if err := y.opts.Auth.Check(y.caller()); err != nil {
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
func (y *syncStream) catchUpAndBeat() error {
	for !y.leaving.Load() {
		if err := y.catchUp(); err != nil {
			return err
		}
		n := y.feed.Current()
		if step, kept := n.After(y.at); step == nil && kept {
			return y.beat(n)
		}
	}
	return nil
}

// beat tells a client that has everything of a node where that is.
func (y *syncStream) beat(n *feed.Node) error {
	if string(y.mode) == string(intentFull) {
		if err := y.intend(intentNone); err != nil {
			return err
		}
	}
	y.beats = 0
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

// write sends one message, which the codec knows: encoded or parts. A client that takes nothing for the time limit is cut; nothing but its own stream
// waits for it. (It then sees Canceled, whatever this end says: grpc answers a SendMsg that failed by itself.)
func (y *syncStream) write(m any) error {
	y.writing.Store(time.Now().UnixNano())
	err := y.stream.SendMsg(m)
	y.writing.Store(0)
	return err
}

func (y *syncStream) caller() policy.Principal { return *principal(y.stream.Context()) }

// repairs are the FULLs that a client asks for because it could not take a step. The first ones come at once; who asks on and on waits ever longer,
// since a FULL can have many megabytes.
type repairs struct {
	asked bool
	n     int
	next  time.Time // none comes before
}

const (
	freeRepairs = 3
	longRepair  = time.Minute
)

// due says whether the client gets a FULL now. It is asked at every turn.
func (r *repairs) due(nacked bool, now time.Time) bool {
	r.asked = r.asked || nacked
	if !r.asked || now.Before(r.next) {
		return false
	}
	r.asked = false
	if r.n++; r.n >= freeRepairs {
		r.next = now.Add(min(time.Second<<min(r.n-freeRepairs, 10), longRepair))
	}
	return true
}
