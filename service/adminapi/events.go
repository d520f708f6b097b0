package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dimmerhq/dimmer/service/admin"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// writeTimeout: a stream that does not take what is written to it for so long is cut.
const writeTimeout = 10 * time.Second

// StreamEvents implements [StrictServerInterface]: a project's changes as server-sent events, for people and what they look at. The description tells which
// events there are.
func (s *server) StreamEvents(ctx context.Context, r StreamEventsRequestObject) (StreamEventsResponseObject, error) {
	after, err := eventID(r.Params.LastEventID)
	if err != nil {
		return nil, err
	}
	call := callOf(ctx, "")
	if r.Params.Environment != "" {
		if _, err := s.opts.Admin.GetEnvironment(ctx, call, r.Project, r.Params.Environment); err != nil {
			return nil, err
		}
	}
	return &eventStream{s: s, ctx: ctx, call: call, project: r.Project, filter: admin.LogFilter{Environment: r.Params.Environment}, after: after}, nil
}

// eventID reads an id that an event had; the empty one is now.
func eventID(id string) (store.Cursor, error) {
	if id == "" {
		return store.Cursor{}, nil
	}
	epoch, revision, found := strings.Cut(id, ".")
	e, errEpoch := strconv.ParseInt(epoch, 10, 64)
	n, errRevision := strconv.ParseInt(revision, 10, 64)
	if !found || errEpoch != nil || errRevision != nil || e < 1 || n < 1 {
		return store.Cursor{}, feature.Malformed("", "Last-Event-ID must be the id of an event, such as 1.42")
	}
	return store.Cursor{Epoch: e, Revision: n}, nil
}

// eventStream is the answer to StreamEvents. One goroutine waits for changes, the request's own one writes; it ends when the other has.
type eventStream struct {
	s       *server
	ctx     context.Context
	call    admin.Call
	project string
	filter  admin.LogFilter
	after   store.Cursor // what was sent, or passed over
	out     *streamWriter
	begun   bool // the answer has begun
	lost    bool // the client has missed something, and is to be told from where it goes on
}

type event struct {
	admin.Event
	err error
}

// VisitStreamEventsResponse writes until the client leaves, the token is revoked, the project goes, or the process drains.
func (e *eventStream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	who := e.call.Principal
	leave, err := e.s.streams.enter(who.ID + who.Session) // people who share a token do not share what their browsers may open
	if err != nil {
		return err
	}
	defer leave()
	e.out = e.s.newStreamWriter(w)
	for {
		again, err := e.follow()
		switch {
		case again:
		case !e.begun:
			return err
		default:
			return nil // a stream ends by ending
		}
	}
}

// begin starts the answer. The id comes before the first change, so that whoever loses the connection before that misses nothing.
func (e *eventStream) begin() error {
	e.begun = true
	h := e.out.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies would hold events back
	e.out.w.WriteHeader(http.StatusOK)
	return e.out.send("retry: 2000\nid: %s\n: hello\n\n", e.id())
}

func (e *eventStream) id() string { return fmt.Sprintf("%d.%d", e.after.Epoch, e.after.Revision) }

// follow sends what comes after e.after, until something ends it; again says that the position was lost and the stream goes on from now.
func (e *eventStream) follow() (again bool, err error) {
	ctx, stop := context.WithCancel(e.ctx)
	events := make(chan event)
	go e.read(ctx, e.after, events)
	defer func() { // the reader closes the channel when it is done
		stop()
		for range events {
			continue // drained, so that it can end
		}
	}()
	alive := time.NewTicker(e.s.opts.Heartbeat)
	defer alive.Stop()
	check := time.NewTicker(e.s.opts.Check)
	defer check.Stop()
	for {
		select {
		case ev, open := <-events:
			switch {
			case !open:
				return false, nil
			case errors.Is(ev.err, store.ErrCompacted), errors.Is(ev.err, store.ErrEpoch):
				e.after, e.lost = store.Cursor{}, true
				return true, nil
			case ev.err != nil && !e.begun:
				return false, ev.err
			case ev.err != nil:
				return false, e.out.send(": the stream ends here; go on after the last id\n\n")
			}
			err = e.send(ev.Event)
		case <-alive.C:
			err = e.alive()
		case <-check.C:
			err = e.s.opts.Auth.Check(e.call.Principal)
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if err != nil {
			return false, err
		}
	}
}

// read passes events on until ctx ends or one of them is an error, then closes the channel.
func (e *eventStream) read(ctx context.Context, after store.Cursor, events chan<- event) {
	defer close(events)
	for ev, err := range e.s.opts.Admin.Events(ctx, e.call, e.project, e.filter, after) {
		select {
		case events <- event{ev, err}:
		case <-ctx.Done():
			return
		}
	}
}

// send tells the client of an event, or only notes how far the stream has come.
func (e *eventStream) send(ev admin.Event) error {
	if !ev.System {
		e.after = ev.At
	}
	if !e.begun {
		if err := e.begin(); err != nil {
			return err
		}
	}
	if e.lost {
		e.lost = false
		if err := e.out.send("event: reset\nid: %s\ndata: {}\n\n", e.id()); err != nil {
			return err
		}
	}
	if ev.Meta.Verb == "" {
		return nil
	}
	data, err := feature.Encode(changeEvent(ev, e.s.opts.Admin.ActorNames(e.ctx)))
	if err != nil {
		return err
	}
	if ev.System {
		return e.out.send("event: change\ndata: %s\n\n", data)
	}
	return e.out.send("event: change\nid: %s\ndata: %s\n\n", e.id(), data)
}

// alive says that the connection is, how old what it tells may be, and how far it has come.
func (e *eventStream) alive() error {
	if !e.begun {
		return nil
	}
	age, err := e.s.opts.Admin.StoreAge(e.ctx, e.project)
	if err != nil {
		return err
	}
	data, err := feature.Encode(AliveEvent{StoreAgeMs: age.Milliseconds()})
	if err != nil {
		return err
	}
	return e.out.send("event: alive\nid: %s\ndata: %s\n\n", e.id(), data)
}

// streamWriter writes to a client that may have stopped reading.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (s *server) newStreamWriter(w http.ResponseWriter) *streamWriter {
	return &streamWriter{w: w, control: http.NewResponseController(w), timeout: s.writeTimeout}
}

// Write implements [io.Writer], each time with a new deadline. Not every ResponseWriter has deadlines; tests' recorders do without.
func (s *streamWriter) Write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	return s.w.Write(p)
}

// send writes and flushes.
func (s *streamWriter) send(format string, args ...any) error {
	if _, err := fmt.Fprintf(s, format, args...); err != nil {
		return err
	}
	return s.control.Flush()
}
