package dimmer

import (
	"time"
)

// State says how the client stands to its nodes.
type State string

// The states.
const (
	StateConnecting  State = "connecting"  // has not reached a node yet
	StateLive        State = "live"        // follows a node
	StateLagging     State = "lagging"     // follows a node that is itself behind what the client holds
	StateBehind      State = "behind"      // has met only such nodes for a minute; their store has probably gone back, and people have to look
	StateInterrupted State = "interrupted" // has lost its node and looks for one
	StateRefused     State = "refused"     // the token is not accepted; tried again now and then
	StateOffline     State = "offline"     // was told to connect to nothing
	StateClosed      State = "closed"
)

// Source says where the ruleset came from.
type Source string

// The sources.
const (
	SourceNone      Source = "none" // every answer is the fallback
	SourceStream    Source = "stream"
	SourceCache     Source = "cache"
	SourceBootstrap Source = "bootstrap"
	SourceLoad      Source = "load" // [Client.Load]
)

// Status is how a client is doing.
type Status struct {
	State    State
	Source   Source
	Revision Revision
	Fresh    time.Time // when the ruleset was last known to be the newest; zero: never
	Stale    bool      // Fresh is longer ago than [WithStaleAfter] allows
	Endpoint string    // the node that is followed, or was tried last
	Err      error     // why the client is not live; nil when it is
}

// Ready says whether there is a ruleset to answer from.
func (s Status) Ready() bool { return s.Source != SourceNone }

// notable says whether people who subscribed would want to hear of the step from s to t. Revisions have their own callback, a heartbeat is no
// news, and neither is the next of many nodes that cannot be reached.
func (s Status) notable(t Status) bool {
	return s.State != t.State || s.Source != t.Source || s.Stale != t.Stale ||
		t.State == StateLive && s.Endpoint != t.Endpoint
}

// Status is the client's present status. It takes a lock: it is not for the hot path.
func (c *Client) Status() Status {
	if c == nil {
		return Status{State: StateClosed, Source: SourceNone}
	}
	c.statusLock.Lock()
	defer c.statusLock.Unlock()
	return c.status
}

// OnStatus calls f after state, source or staleness changed, or another node is followed. Calls come one after the other; f may take its
// time, and then sees the newest status only. The function that it returns ends that; a call that has begun may still be running.
func (c *Client) OnStatus(f func(Status)) (unsubscribe func()) {
	if c == nil || f == nil {
		return func() {}
	}
	return c.notifier.onStatus.add(f)
}

// setStatus changes the status and tells subscribers.
func (c *Client) setStatus(change func(*Status)) {
	c.statusLock.Lock()
	defer c.statusLock.Unlock()
	before := c.status
	if before.State == StateClosed {
		return
	}
	change(&c.status)
	c.checkStale()
	if before.notable(c.status) {
		c.notifier.statusChanged(c.status)
	}
}

// checkStale compares the status' freshness with the clock, and sets the timer for when that has to be done again. The caller holds
// statusLock.
func (c *Client) checkStale() {
	if c.config.staleAfter == 0 || c.config.offline || c.status.Source == SourceNone {
		return
	}
	left := c.config.staleAfter - time.Since(c.status.Fresh)
	c.status.Stale = left <= 0
	c.stale.Store(c.status.Stale)
	switch {
	case c.status.State == StateClosed || c.status.Stale:
		c.staleTimer.Stop()
	default:
		c.staleTimer.Reset(left)
	}
}
