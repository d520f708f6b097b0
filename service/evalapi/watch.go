package evalapi

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
)

// Watch implements the EvaluationService: all values of one context, then those that changed. Several changes that come while the client
// is busy become one message. It keeps a pointer for each flag of the client.
func (s evaluationService) Watch(req *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	ctx := stream.Context()
	f, err := s.feed(ctx)
	if err != nil {
		return err
	}
	c, err := contextOf(req.GetContext())
	if err != nil {
		return err
	}
	if err := checkFlags(req.GetFlags()...); err != nil {
		return err
	}
	defer s.streams.open()()
	w := &watcher{flags: req.GetFlags(), context: c, visible: clientOnly(ctx), stream: stream, known: map[string]*evaluator.Outcome{}}
	w.limit = time.AfterFunc(sendLimit, func() { cutter(ctx)(errSlow) })
	defer w.limit.Stop()
	w.limit.Stop()
	beat := time.NewTicker(checkEvery)
	defer beat.Stop()
	for beats := 0; ; {
		n := f.Current()
		if err := w.send(n.Snapshot()); err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
				return cause
			}
			return err
		}
		select {
		case <-n.Next():
		case <-beat.C:
			if err := s.opts.Auth.Check(*principal(ctx)); err != nil {
				return err
			}
			if beats++; time.Duration(beats)*checkEvery >= heartbeat {
				beats, w.beat = 0, true
			}
		case <-s.draining:
			return errDraining
		case <-f.Gone():
			return feature.NotFound("environment", f.Environment())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watcher is one Watch.
type watcher struct {
	flags   []string
	context *evaluator.Context
	visible bool
	stream  grpc.ServerStream
	limit   *time.Timer

	known map[string]*evaluator.Outcome // what the client has
	begun bool
	beat  bool // say something even when nothing changed
	last  *evaluator.Snapshot
}

// send sends what is different from what the client has, or a heartbeat when one is due, or nothing.
func (w *watcher) send(snapshot *evaluator.Snapshot) error {
	out := &pb.WatchResponse{Full: !w.begun}
	if snapshot != w.last {
		w.compare(snapshot, out)
		w.last = snapshot
	}
	if w.begun && len(out.Results) == 0 && len(out.Removed) == 0 {
		if !w.beat {
			return nil
		}
		out.Heartbeat = true
	}
	w.begun, w.beat = true, false
	rev := snapshot.Revision()
	out.Revision = &pb.Revision{Epoch: rev.Epoch, Number: rev.Number}
	w.limit.Reset(sendLimit)
	defer w.limit.Stop()
	return w.stream.SendMsg(out)
}

func (w *watcher) compare(snapshot *evaluator.Snapshot, out *pb.WatchResponse) {
	v := view{snapshot, w.visible}
	seen := 0
	v.each(w.flags, w.context, func(key string, o *evaluator.Outcome) {
		old, had := w.known[key]
		if had {
			seen++
		}
		if had && (old == o || same(old, o)) {
			return
		}
		w.known[key] = o
		out.Results = append(out.Results, result(key, o))
		if !had {
			seen++
		}
	})
	if seen == len(w.known) || len(w.flags) > 0 { // a flag that is named and not there has a result that says so
		return
	}
	for key := range w.known {
		if _, there := snapshot.Flag(key); !there || v.hidden(key) {
			delete(w.known, key)
			out.Removed = append(out.Removed, key)
		}
	}
}

// same says whether two outcomes look the same on the wire.
func same(a, b *evaluator.Outcome) bool {
	return a.Variant() == b.Variant() && a.Reason() == b.Reason() && a.Cause() == b.Cause() && a.Rule() == b.Rule() &&
		a.Version() == b.Version() && a.Error() == b.Error() && a.Value().Type() == b.Value().Type() && string(a.Value().JSON()) == string(b.Value().JSON())
}
