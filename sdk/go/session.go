package dimmer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// session is one stream, from Hello to its end. What it holds is the client's; it alone changes it.
type session struct {
	*syncer
	out      *outbox
	mode     dimmerv1.Intent_Mode // of what is being received; unspecified: nothing may come
	resync   bool                 // a Nack was sent: nothing counts until everything comes
	nacks    int                  // for steps
	beats    int                  // heartbeats in a row that spoke of what did not come
	lagging  *time.Timer          // nil unless the node lags
	lagged   <-chan time.Time
	answered bool // the node has said how it stands to what the client holds
}

// received is what the receiving goroutine hands over.
type received struct {
	message *dimmerv1.SyncResponse
	err     error
}

func (s *syncer) session(closing context.Context, endpoint string) ending {
	// The link outlives closing by the time of a farewell, so it has a context of its own.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	keepOpen := context.AfterFunc(closing, cancel)
	timeout := time.AfterFunc(connectTimeout, cancel)
	l, hangUp, err := s.dial(ctx, endpoint)
	inTime := timeout.Stop()
	if err == nil {
		defer hangUp()
		err = l.Send(s.hello())
	}
	switch {
	case !keepOpen():
		return ending{}
	case !inTime:
		return ending{err: fmt.Errorf("no connection within %s", connectTimeout)}
	case err != nil:
		if l != nil { // Send says io.EOF; why, Recv knows
			if _, why := l.Recv(); why != nil {
				err = why
			}
		}
		return ending{err: linkError(err)}
	}

	x := &session{syncer: s, out: newOutbox()}
	in := make(chan received)
	var helpers sync.WaitGroup
	helpers.Go(func() { x.out.run(ctx, l) })
	helpers.Go(func() { receive(ctx, l, in) })
	end := x.loop(closing, in)
	if closing.Err() != nil {
		x.sayFarewell(in)
	}
	cancel()
	helpers.Wait()
	return end
}

func receive(ctx context.Context, l link, in chan<- received) {
	for {
		message, err := l.Recv()
		select {
		case in <- received{message, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// sayFarewell waits until the node has taken the Bye and hung up, for a bounded time.
func (x *session) sayFarewell(in <-chan received) {
	x.out.sayBye()
	timeout := time.NewTimer(farewell)
	defer timeout.Stop()
	for {
		select {
		case r := <-in:
			if r.err != nil {
				return
			}
		case <-timeout.C:
			return
		}
	}
}

// protocol is the version of the sync protocol that this client speaks: a Commit may come within Changes.
const protocol = 1

func (s *syncer) hello() *dimmerv1.SyncRequest {
	held := s.client.rules.Load()
	hello := &dimmerv1.Hello{
		Instance: s.config.instance, Application: s.config.application,
		Sdk: "go", SdkVersion: Version, Schema: evaluator.Schema,
		Protocol: protocol, Process: s.process,
	}
	if rev := held.Revision(); rev != (Revision{}) {
		digest := held.Digest()
		hello.After, hello.Digest = revisionTo(rev), digest[:]
	}
	return &dimmerv1.SyncRequest{Message: &dimmerv1.SyncRequest_Hello{Hello: hello}}
}

// loop takes what the node says until the session is over.
func (x *session) loop(closing context.Context, in <-chan received) ending {
	watchdog := time.NewTimer(linkSilence)
	defer watchdog.Stop()
	defer x.stopLagging()
	for {
		select {
		case <-closing.Done():
			return ending{}
		case <-watchdog.C:
			return ending{err: errSilence}
		case <-x.lagged:
			x.behind()
			return ending{err: errBehind}
		case r := <-in:
			if r.err != nil {
				return ending{err: linkError(r.err)}
			}
			if end := x.take(r.message); end != nil {
				return *end
			}
			watchdog.Reset(linkSilence)
		}
	}
}

// take handles one message; an ending that is not nil ends the session. A defect of ours in compiling a document must not take the
// application down with it: it ends the session, and the client keeps what it has.
func (x *session) take(message *dimmerv1.SyncResponse) (end *ending) {
	defer func() {
		if p := recover(); p != nil {
			end = &ending{err: fmt.Errorf("internal error: %v", p)}
		}
	}()
	var err error
	switch m := message.GetMessage().(type) {
	case *dimmerv1.SyncResponse_Intent:
		err = x.intent(m.Intent.GetMode())
	case *dimmerv1.SyncResponse_Changes:
		err = x.changes(m.Changes)
	case *dimmerv1.SyncResponse_Commit:
		err = x.commit(m.Commit)
	case *dimmerv1.SyncResponse_Heartbeat:
		err = x.heartbeat(m.Heartbeat)
	case *dimmerv1.SyncResponse_Goodbye:
		return x.goodbye(m.Goodbye)
	default:
		// A newer node may say what this client does not know.
	}
	if err != nil {
		return &ending{err: err}
	}
	return nil
}

func (x *session) intent(mode dimmerv1.Intent_Mode) error {
	x.mode = mode
	x.stopLagging()
	held := x.client.rules.Load().Revision()
	switch mode {
	case dimmerv1.Intent_MODE_FULL:
		x.resync = false
		x.step.begin(true)
	case dimmerv1.Intent_MODE_DELTA:
		x.step.begin(false)
	case dimmerv1.Intent_MODE_NONE:
		x.step.begin(false)
		if held == (Revision{}) {
			return fmt.Errorf("%w: it has nothing newer for a client that has nothing", errProtocol)
		}
		if !x.resync {
			x.live(time.Time{}) // how fresh that is says the heartbeat that follows at once
			x.out.acknowledge(held)
		}
	case dimmerv1.Intent_MODE_LAGGING:
		if held == (Revision{}) {
			return fmt.Errorf("%w: it is behind a client that has nothing", errProtocol)
		}
		x.reached, x.answered = true, true
		x.behind()
		x.client.markReady() // what is held is as new as it gets
		wait := laggingAlone
		if len(x.config.endpoints) > 1 {
			wait = laggingLimit
		}
		x.lagging = time.NewTimer(wait)
		x.lagged = x.lagging.C
	default:
		return fmt.Errorf("%w: it has the intent %d", errProtocol, mode)
	}
	return nil
}

func (x *session) stopLagging() {
	if x.lagging != nil {
		x.lagging.Stop()
		x.lagging, x.lagged = nil, nil
	}
}

// behind says that the node is behind what is held. One that has just started catches up within seconds; when for a while no node was met
// that is not behind, people have to hear of it: most likely a store was put back.
func (s *syncer) behind() {
	if s.behindSince.IsZero() {
		s.behindSince = time.Now()
	}
	state, err := StateLagging, errBehind
	if time.Since(s.behindSince) >= behindLimit {
		state, err = StateBehind, errAllBehind
	}
	before := s.client.Status().State
	s.client.setStatus(func(st *Status) { st.State, st.Err = state, err })
	if state == StateBehind && before != StateBehind {
		s.config.logger.Error("dimmer: "+errAllBehind.Error(), "held", s.client.rules.Load().Revision().String(), "node", s.nodeAt.String())
	}
}

func (x *session) expectsChanges() error {
	if x.mode == dimmerv1.Intent_MODE_UNSPECIFIED || x.mode == dimmerv1.Intent_MODE_LAGGING {
		return fmt.Errorf("%w: changes without an intent", errProtocol)
	}
	return nil
}

func (x *session) changes(c *dimmerv1.Changes) error {
	if err := x.expectsChanges(); err != nil || x.resync {
		return err
	}
	x.beats = 0 // the step goes on
	if err := x.step.add(c.GetChanges()); err != nil || c.GetCommit() == nil {
		return err
	}
	return x.commit(c.GetCommit())
}

func (x *session) commit(c *dimmerv1.Commit) error {
	if err := x.expectsChanges(); err != nil || x.resync {
		return err
	}
	held := x.client.rules.Load()
	rev := revisionOf(c.GetRevision())
	full := x.step.full
	if rev.Epoch < 1 || rev.Number < 0 {
		return fmt.Errorf("%w: it offers %s, which is no revision", errProtocol, rev) // nothing is not an empty ruleset
	}
	if rev.Compare(held.Revision()) < 0 {
		// Never back, whatever the node believes. It should have said that it lags.
		return fmt.Errorf("%w: it offers %s after %s", errBehind, rev, held.Revision())
	}
	next, problems, err := x.step.commit(held, c)
	changes := x.step.changes
	x.step.begin(false)
	if errors.Is(err, errMismatch) {
		return x.refuse(rev, err)
	}
	if err != nil {
		return err
	}
	if full {
		x.nacks = 0
	}
	if held == nil || next.Revision() != held.Revision() || next.Digest() != held.Digest() {
		x.client.swap(next, problems, SourceStream)
	}
	x.live(time.Time{})
	for _, p := range problems[:min(len(problems), maxNacks)] {
		x.out.refuse(&dimmerv1.Nack{Revision: revisionTo(rev), Kind: string(p.Kind), Key: p.Key, Reason: p.Error()})
	}
	x.out.acknowledge(rev)
	if full {
		changes = nil // what differs, not what was sent
	}
	x.client.tellChange(held, next, changes)
	x.onStep()
	return nil
}

// refuse asks the node for everything, because a step does not add up. A node that cannot do better at the second time is left.
func (x *session) refuse(rev Revision, why error) error {
	x.nacks++
	x.config.logger.Warn("dimmer: asks for the whole ruleset", "error", why)
	if x.nacks > 2 {
		return fmt.Errorf("%w, again: %w", errProtocol, why)
	}
	x.resync = true
	x.out.refuse(&dimmerv1.Nack{Revision: revisionTo(rev), Reason: why.Error()})
	return nil
}

// maxBeats is how many heartbeats in a row may come while what they should follow does not: the Intent, or the next part of a step.
const maxBeats = 3

// maxStoreAge bounds what a node says of its store, in milliseconds, so that no number of it lies in the future.
const maxStoreAge = int64(10 * 365 * 24 * time.Hour / time.Millisecond)

func (x *session) heartbeat(h *dimmerv1.Heartbeat) error {
	held := x.client.rules.Load()
	rev := revisionOf(h.GetRevision())
	fresh := time.Now().Add(-time.Duration(min(max(h.GetStoreAgeMs(), 0), maxStoreAge)) * time.Millisecond)
	digest := held.Digest()
	same := string(digest[:]) == string(h.GetDigest())
	switch order := rev.Compare(held.Revision()); {
	case order > 0 && same && x.answered && !x.resync:
		// The project moved on without a change to this environment: what is held is what that revision is.
		next, _ := held.With(rev, nil)
		x.client.swap(next, nil, SourceStream)
		x.live(fresh)
		x.out.acknowledge(rev)
		x.onStep()
		return nil
	case x.resync || order > 0 || !x.answered || order < 0 && x.mode != dimmerv1.Intent_MODE_LAGGING:
		// Something has to come first. If it never does, the link is worth nothing however alive it is.
		if x.beats++; x.beats >= maxBeats {
			return errDeaf
		}
		return nil
	case order < 0:
		x.nodeAt = rev
		return nil // proves nothing about what is held
	case !same:
		return x.refuse(rev, fmt.Errorf("%w: the digest at %s is %s, the node's is %x", errMismatch, rev, digest, h.GetDigest()))
	}
	x.live(fresh)
	return nil
}

// live says that what is held was the newest at the time fresh; zero: when, is not known yet. Only a heartbeat knows, because a node may have lost its store
// long ago. A client that knows no time at all takes the present one until then.
func (x *session) live(fresh time.Time) {
	x.reached, x.answered, x.beats = true, true, 0
	x.behindSince = time.Time{}
	held := x.client.rules.Load().Revision()
	x.client.setStatus(func(s *Status) {
		s.Revision = held
		if s.State != StateLagging || x.mode != dimmerv1.Intent_MODE_LAGGING {
			s.State, s.Err = StateLive, nil
		}
		s.Source = SourceStream // also when the cache file had it first
		switch {
		case !fresh.IsZero() && (x.assumed || fresh.After(s.Fresh)):
			s.Fresh, x.assumed = fresh, false
		case s.Fresh.IsZero():
			s.Fresh, x.assumed = time.Now(), true
		}
	})
	x.client.markReady()
}

func (x *session) goodbye(g *dimmerv1.Goodbye) *ending {
	wait := milliseconds(g.GetRetryAfterMs())
	spread := milliseconds(g.GetSpreadMs())
	wait += time.Duration(x.config.random() * float64(spread))
	return &ending{err: errGoodbye, asked: true, pause: min(wait, maxPause)}
}

// milliseconds is a duration that a node sent, within what it may ask for.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), int64(maxPause/time.Millisecond))) * time.Millisecond
}
