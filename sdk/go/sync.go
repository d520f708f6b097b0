package dimmer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// When to give up a node, and when to try the next.
const (
	connectTimeout = 10 * time.Second
	linkSilence    = 15 * time.Second // a node that says nothing for this long is dead; it owes a heartbeat each 5 s
	laggingLimit   = 5 * time.Second  // how long to stay with a lagging node when there are others
	laggingAlone   = 30 * time.Second // and when there are not; one address may stand for many nodes
	behindLimit    = time.Minute      // how long to know only nodes that are behind, until people have to hear of it
	farewell       = time.Second      // how long Close waits for the node to hang up

	firstRetry   = 2 * time.Second
	longRetry    = 10 * time.Second
	firstRefused = time.Second      // soon at first: a token may be used before its node has heard of it
	longRefused  = time.Minute      // rarely in the end: the token, not the node, is what has to change
	overWait     = 30 * time.Second // and up to twice as long, after a ruleset that is over a limit
	maxPause     = time.Minute      // the longest that a node may ask for
	healthyLink  = 10 * time.Second // a link that lived this long was a success
)

// syncer keeps the client's ruleset in step with a node's. One goroutine runs it.
type syncer struct {
	client   *Client
	config   *config
	dial     dialer
	process  []byte // random; tells this process from others of the same instance name
	onStep   func() // a new ruleset is in place
	endpoint int
	failures int  // in a row
	refusals int  // of the token, in a row
	reached  bool // some node has ever answered
	assumed  bool // the status' Fresh was taken from the clock, for want of better

	behindSince time.Time // since when all nodes that answered are behind; zero: they are not
	nodeAt      Revision  // where the last of them was, as far as it said
	step        step
}

func newSyncer(c *Client) *syncer {
	s := &syncer{client: c, config: c.config, dial: c.config.dial, process: make([]byte, 16), onStep: func() {}}
	_, _ = rand.Read(s.process) // it never fails
	if s.dial == nil {
		s.dial = c.config.dialNode
	}
	s.endpoint = int(s.config.random() * float64(len(s.config.endpoints)))
	s.step = step{limits: s.config.limits, base: sizesOf(c.rules.Load())}
	return s
}

// ending says why a session is over. The zero ending is a close.
type ending struct {
	err   error
	pause time.Duration // how long the node asked to wait
	asked bool          // it said Goodbye
}

// run holds one session after the other until ctx ends.
func (s *syncer) run(ctx context.Context) {
	for {
		began := time.Now()
		endpoint := s.config.endpoints[s.endpoint]
		s.client.setStatus(func(st *Status) { st.Endpoint = endpoint })
		end := s.session(ctx, endpoint)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= healthyLink {
			s.failures = 0
		}
		pause := s.pause(end)
		s.report(endpoint, end, pause)
		s.endpoint = (s.endpoint + 1) % len(s.config.endpoints)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// pause is how long to wait before the next session, counting this one's failure.
func (s *syncer) pause(end ending) time.Duration {
	s.failures++
	jitter := func(limit time.Duration) time.Duration { return time.Duration(s.config.random() * float64(limit)) }
	if !refused(end.err) {
		s.refusals = 0
	}
	switch {
	case end.asked && s.failures == 1:
		return end.pause
	case refused(end.err):
		s.refusals++
		limit := min(firstRefused<<min(s.refusals-1, 10), longRefused)
		return limit/2 + jitter(limit/2)
	case errors.Is(end.err, errOverLimit):
		return overWait + jitter(overWait)
	case !end.asked && !s.reached && s.failures < len(s.config.endpoints):
		return 0 // at the start every node gets its chance before New gives up
	}
	// Full jitter, and at the first failure too: all clients of a node fail at the same time.
	limit := firstRetry
	for range min(s.failures-1, 8) {
		limit = min(2*limit, longRetry)
	}
	// A node that says Goodbye to each who comes is one that fails.
	return max(end.pause, jitter(limit))
}

func refused(err error) bool {
	code := status.Code(err)
	return code == codes.Unauthenticated || code == codes.PermissionDenied
}

// report logs the end of a session and shows it in the status.
func (s *syncer) report(endpoint string, end ending, pause time.Duration) {
	log := s.config.logger.With("endpoint", endpoint, "retry", pause.Round(time.Millisecond))
	switch {
	case end.asked:
		log.Info("dimmer: the node goes down")
	case refused(end.err):
		log.Error("dimmer: the node refuses the token", "error", end.err)
		if s.refusals > 1 { // the node may not have known the token yet; now, waiting does not help
			s.client.markReady()
		}
	case errors.Is(end.err, errBehind):
		log.Debug("dimmer: leaves a node that is behind", "error", end.err)
	case s.failures == 1 || s.failures%10 == 0:
		log.Warn("dimmer: no connection", "error", end.err, "failures", s.failures)
	default:
		log.Debug("dimmer: no connection", "error", end.err, "failures", s.failures)
	}
	s.client.setStatus(func(st *Status) {
		if errors.Is(end.err, errBehind) && st.State == StateBehind {
			return // the next node has to say something else first
		}
		st.Err = fmt.Errorf("%s: %w", endpoint, end.err)
		switch {
		case errors.Is(end.err, errBehind) && st.State == StateLagging:
		case refused(end.err):
			st.State = StateRefused
		case s.reached:
			st.State = StateInterrupted
		default:
			st.State = StateConnecting
		}
	})
}

var (
	errSilence = errors.New("the node has said nothing for 15 s")
	errHungUp  = errors.New("the node has closed the stream")
	errGoodbye = errors.New("the node goes down")
	errBehind  = errors.New("the node is behind what this instance holds")
	// errAllBehind is what Status says after a minute of nothing but errBehind.
	errAllBehind = errors.New("every node is behind what this instance holds: has a store been put back? The instance keeps what it has")
	errProtocol  = errors.New("the node does not follow the protocol")
	errDeaf      = errors.New("the node announces revisions and does not send them")
)

// linkError makes an error of gRPC readable, and leaves its code.
func linkError(err error) error {
	if errors.Is(err, io.EOF) {
		return errHungUp
	}
	return err
}
