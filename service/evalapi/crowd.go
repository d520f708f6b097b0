package evalapi

import (
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/feed"
)

// A stream's handler receives. What is to be sent, a turn sends: a goroutine that lives only while there is something to do. It begins when the stream
// is woken, and never more than one is at work on a stream. An idle stream so has no goroutine for sending, no timer and no ticker, which together were a
// third of its memory; and a change wakes nobody who would have to look first what has happened. A turn whose client takes nothing holds up
// itself alone.
//
// What wakes streams are crowds, one for each feed that has streams, with a goroutine each.
type crowds struct {
	server *Server

	mu       sync.Mutex
	known    map[*feed.Feed]*crowd
	greeting map[*syncStream]bool // no Hello was said yet
}

// crowd is the streams of one feed. It ends when the last one leaves.
type crowd struct {
	server *Server
	feed   *feed.Feed
	empty  chan struct{} // closed at the end

	mu      sync.Mutex
	streams []*syncStream
	joined  int
}

// buckets is how many parts a crowd's streams are divided into, so that not all heartbeats come at once.
const buckets = 8

// join makes a stream one of its crowd, and has its first turn begin. leave must be called once, by the handler, after which nobody wakes the stream.
func (c *crowds) join(y *syncStream) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cr := c.known[y.feed]
	if cr == nil {
		cr = &crowd{server: c.server, feed: y.feed, empty: make(chan struct{})}
		c.known[y.feed] = cr
		c.server.workers.Go(cr.run)
	}
	cr.mu.Lock()
	y.bucket, y.place = cr.joined%buckets, len(cr.streams)
	cr.joined++
	cr.streams = append(cr.streams, y)
	cr.mu.Unlock()
	y.wake()
	return func() { c.leave(cr, y) }
}

func (c *crowds) leave(cr *crowd, y *syncStream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cr.mu.Lock()
	defer cr.mu.Unlock()
	last := len(cr.streams) - 1
	cr.streams[y.place] = cr.streams[last]
	cr.streams[y.place].place = y.place
	cr.streams[last] = nil
	cr.streams = cr.streams[:last]
	if last == 0 {
		delete(c.known, cr.feed)
		close(cr.empty)
	}
}

// greet notes that a stream waits for its Hello, so that it is not waited for when the node goes down. done must be called once.
func (c *crowds) greet(y *syncStream) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.server.draining:
		y.end(errDraining)
	default:
	}
	c.greeting[y] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.greeting, y)
	}
}

// drain ends the streams that have not said Hello; draining is closed.
func (c *crowds) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for y := range c.greeting {
		y.end(errDraining)
	}
}

func (c *crowd) run() {
	tick := time.NewTicker(checkEvery / buckets)
	defer tick.Stop()
	draining, gone := c.server.draining, c.feed.Gone()
	var woken <-chan struct{} // the newest node's whose streams were woken
	for bucket := 0; ; {
		next := c.feed.Current().Next()
		if next != woken {
			woken = next
			c.wake()
		}
		select {
		case <-next:
		case <-tick.C:
			c.beat(bucket % buckets)
			bucket++
		case <-draining:
			draining = nil // all turns see it
			c.wake()
		case <-gone:
			gone = nil
			c.wake()
		case <-c.empty:
			return
		}
	}
}

func (c *crowd) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, y := range c.streams {
		y.wake()
	}
}

// beat wakes the streams that are due, and cuts those whose client takes nothing.
func (c *crowd) beat(bucket int) {
	now, slow := time.Now().UnixNano(), error(errSlow)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, y := range c.streams {
		if y.bucket != bucket {
			continue
		}
		if since := y.writing.Load(); since != 0 && now-since >= int64(sendLimit) {
			y.reason.CompareAndSwap(nil, &slow)
			y.cut(errSlow)
		}
		y.due.Store(true)
		y.wake()
	}
}

// wake has a turn look at the stream, after all that was before. Its crowd and its handler wake it, as long as it is in the crowd.
func (y *syncStream) wake() {
	if !y.pending.Swap(true) {
		y.working.Go(y.turn)
	}
}
