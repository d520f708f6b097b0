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

// StreamEvents implements [StrictServerInterface]: a project's changes as server-sent events, for people and what they look at.
//
// An event "change" is a log entry, without the documents' contents; its id is epoch.revision, which Last-Event-ID takes. An event "reset" says
// that the log does not reach back to where the stream was to go on: whoever reads it loads everything anew, and goes on from its id.
func (s *server) StreamEvents(ctx context.Context, r StreamEventsRequestObject) (StreamEventsResponseObject, error) {
	after, err := eventID(r.Params.LastEventID)
	if err != nil {
		return nil, err
	}
	call := callOf(ctx, "")
	if _, err := s.opts.Admin.GetProject(ctx, call, r.Project); err != nil {
		return nil, err
	}
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

// eventStream is the answer to StreamEvents. One goroutine reads the log, the request's own one writes; it ends when the reader has.
type eventStream struct {
	s       *server
	ctx     context.Context
	call    admin.Call
	project string
	filter  admin.LogFilter
	after   store.Cursor
}

type event struct {
	entry store.Entry
	err   error
}

// VisitStreamEventsResponse writes until the client leaves, the token is revoked, the process drains, or the store fails.
func (e *eventStream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	who := e.call.Principal
	leave, err := e.s.streams.enter(who.ID + who.Session) // people who share a token do not share what their browsers may open
	if err != nil {
		return err
	}
	defer leave()
	// A client that gives no position goes on from here: it must not miss what happens while it loads.
	if e.after == (store.Cursor{}) {
		head, err := e.s.opts.Store.Head(e.ctx, e.project)
		if err != nil {
			return feature.Unavailable(err, "the store does not answer")
		}
		e.after = head.Cursor()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies would hold events back
	w.WriteHeader(http.StatusOK)
	out := e.s.newStreamWriter(w)
	// The id comes before the first change, so that whoever loses the connection before that misses nothing either.
	if err := out.send("retry: 2000\nid: %d.%d\n: hello\n\n", e.after.Epoch, e.after.Revision); err != nil {
		return nil // the client is gone, and there is nobody to tell
	}
	for {
		again, err := e.follow(out)
		if err != nil || !again {
			return nil // as above: a stream ends by ending
		}
	}
}

// follow sends what comes after e.after, until something ends it; again says that the position was reset and the stream goes on.
func (e *eventStream) follow(out *streamWriter) (again bool, err error) {
	ctx, stop := context.WithCancel(e.ctx)
	events := make(chan event)
	go e.read(ctx, events)
	defer func() { // the reader closes the channel when it is done
		stop()
		for range events {
			continue // drained, so that it can end
		}
	}()
	heartbeat := time.NewTicker(e.s.opts.Heartbeat)
	defer heartbeat.Stop()
	check := time.NewTicker(e.s.opts.Check)
	defer check.Stop()
	for {
		select {
		case ev, open := <-events:
			if !open {
				return false, nil
			}
			if errors.Is(ev.err, store.ErrCompacted) || errors.Is(ev.err, store.ErrEpoch) {
				return e.reset(out)
			}
			if ev.err != nil {
				return false, out.send(": the stream ends here; go on after the last id\n\n")
			}
			err = e.send(out, ev.entry)
		case <-heartbeat.C:
			err = out.send(": heartbeat\n\n")
		case <-check.C:
			err = e.s.opts.Auth.Check(e.call.Principal)
		case <-ctx.Done():
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// read passes entries on until ctx ends or one of them is an error, then closes the channel.
func (e *eventStream) read(ctx context.Context, events chan<- event) {
	defer close(events)
	for entry, err := range e.s.opts.Admin.Events(ctx, e.call, e.project, e.after) {
		select {
		case events <- event{entry, err}:
		case <-ctx.Done():
			return
		}
	}
}

func (e *eventStream) send(out *streamWriter, entry store.Entry) error {
	if !e.filter.Matches(&entry) {
		return nil
	}
	line := logEntry(entry, true)
	for i := range line.Changes {
		line.Changes[i].Before, line.Changes[i].After = nil, nil
	}
	data, err := feature.Encode(line)
	if err != nil {
		return err
	}
	return out.send("event: change\nid: %d.%d\ndata: %s\n\n", entry.Epoch, entry.Revision, data)
}

// reset goes on from where the log stands now.
func (e *eventStream) reset(out *streamWriter) (bool, error) {
	head, err := e.s.opts.Store.Head(e.ctx, e.project)
	if err != nil {
		return false, err
	}
	e.after = head.Cursor()
	return true, out.send("event: reset\nid: %d.%d\ndata: {}\n\n", head.Epoch, head.Revision)
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
