package redisstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// A scope that is imported is staged under keys of its own and moved into place in one step; what is abandoned expires.
const (
	stageKept = time.Hour
	stagePart = 1 << 20 // bytes
)

// Export implements [store.Store]. A compaction at the same time may make it fail with ErrCompacted; try again.
func (s *Store) Export(ctx context.Context, scope string, w io.Writer) error {
	state, err := s.Read(ctx, scope)
	if err != nil {
		return err
	}
	if state.Head().Revision == 0 {
		return fmt.Errorf("%w: %s", store.ErrMissing, scope)
	}
	st, err := s.look(ctx, scope)
	if err != nil {
		return err
	}
	return store.WriteScope(w, scope, state, st.checkpoint, s.backwards(ctx, scope, state.Head().Revision, st.checkpoint.Revision))
}

// Import implements [store.Store].
func (s *Store) Import(ctx context.Context, scope string, r io.Reader, raise bool) error {
	if err := s.begin(ctx, scope); err != nil {
		return err
	}
	in, err := store.ReadScope(r)
	if err != nil {
		return err
	}
	st, err := s.look(ctx, scope)
	if err != nil && (!errors.Is(err, store.ErrEmptied) || s.knows(scope).head.Revision > 0) {
		return err // a store that others miss something in may be given it back by a process that has nothing to lose here
	}
	if st.head.Revision > 0 {
		return fmt.Errorf("%w: %s", store.ErrExists, scope)
	}
	if err := s.present(ctx, scope); err != nil {
		return err
	}
	var raw [8]byte
	if _, err := io.ReadFull(s.opts.Random, raw[:]); err != nil {
		return fmt.Errorf("redisstore: no randomness: %w", err)
	}
	stage := stage{s: s, key: s.keys.key(scope, "import-"+hex.EncodeToString(raw[:]))}
	defer stage.clear(ctx)
	if err := stage.fill(ctx, in); err != nil {
		return err
	}
	return s.install(ctx, scope, in, stage, raise)
}

// install moves a stage into place, unless the scope has come into being meanwhile.
func (s *Store) install(ctx context.Context, scope string, in *store.ScopeReader, stage stage, raise bool) error {
	birth, err := s.bear(ctx, true)
	if err != nil {
		return err
	}
	head := in.State.Head().Imported(store.Head{}, raise)
	staged := 0
	if in.State.Len() > 0 {
		staged++
	}
	if head.Revision > in.Checkpoint.Revision {
		staged++
	}
	keys := []string{s.keys.head(scope), s.keys.docs(scope), s.keys.log(scope), stage.docs(), stage.log()}
	client, err := s.master(ctx, s.writer, keys[0])
	if err != nil {
		return s.fail(ctx, "import", err)
	}
	// Not through the client that tries again: the second time it would find its own scope.
	word, err := installScript.run(ctx, client, keys, head.Epoch, head.Revision, head.Hash.String(),
		in.Checkpoint.Epoch, in.Checkpoint.Revision, in.Checkpoint.Hash.String(), staged, birth).Text()
	if err != nil {
		s.lost(ctx)
		return s.fail(ctx, "import", err)
	}
	switch word {
	case "ok":
		s.await(ctx, "the import", scope)
		_, err := s.look(ctx, scope)
		return err
	case "exists":
		return fmt.Errorf("%w: %s", store.ErrExists, scope)
	}
	return fmt.Errorf("%w: import: it took longer than %v", store.ErrUnavailable, stageKept)
}

// stage is where an import is collected.
type stage struct {
	s   *Store
	key string
}

func (g stage) docs() string  { return g.key + "-docs" }
func (g stage) log() string   { return g.key + "-log" }
func (g stage) spool() string { return g.key + "-spool" }

// fill writes the documents, and the log, which comes newest first and is turned round by way of a list.
func (g stage) fill(ctx context.Context, in *store.ScopeReader) error {
	b := batch{g: g, key: g.docs()}
	for k, data := range in.State.All() {
		if err := b.add(ctx, len(data), func(p redis.Pipeliner) { p.HSet(ctx, g.docs(), field(k), data) }); err != nil {
			return err
		}
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	b.key = g.spool()
	for e, err := range in.Log() {
		if err != nil {
			return err
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("redisstore: encode an entry: %w", err)
		}
		if err := b.add(ctx, len(text), func(p redis.Pipeliner) { p.RPush(ctx, g.spool(), e.Revision, e.Hash.String(), text) }); err != nil {
			return err
		}
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	for {
		left, err := unspoolScript.run(ctx, g.s.writer, []string{g.spool(), g.log()}, entriesPart).Int64()
		if err == nil {
			err = g.s.writer.PExpire(ctx, g.log(), stageKept).Err()
		}
		if err != nil {
			return g.s.fail(ctx, "import", err)
		}
		if left == 0 {
			return nil
		}
	}
}

// clear removes what is left, even when the import was given up.
func (g stage) clear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.s.opts.Timeout)
	defer cancel()
	if err := g.s.writer.Unlink(ctx, g.docs(), g.log(), g.spool()).Err(); err != nil {
		g.s.opts.Logger.Debug("what was staged expires by itself", "err", err)
	}
}

// batch sends commands in parts that do not hold Redis up. Nothing is sent twice: a list would have it twice.
type batch struct {
	g    stage
	key  string
	pipe redis.Pipeliner
	size int
}

func (b *batch) add(ctx context.Context, size int, queue func(redis.Pipeliner)) error {
	if b.pipe == nil {
		b.pipe = b.g.s.writer.Pipeline()
	}
	queue(b.pipe)
	if b.size += size; b.size < stagePart && b.pipe.Len() < scanPart {
		return nil
	}
	return b.flush(ctx)
}

func (b *batch) flush(ctx context.Context) error {
	if b.pipe == nil {
		return nil
	}
	b.pipe.PExpire(ctx, b.key, stageKept)
	_, err := b.pipe.Exec(ctx)
	b.pipe, b.size = nil, 0
	return b.g.s.fail(ctx, "import", err)
}

// Drop implements [store.Store]. Of the scope remains an empty head, in the next epoch.
func (s *Store) Drop(ctx context.Context, scope string) error {
	if err := s.begin(ctx, scope); err != nil {
		return err
	}
	_, err := s.say(ctx, "drop", dropScript, []string{
		s.keys.head(scope), s.keys.docs(scope), s.keys.log(scope), s.keys.idem(scope), s.keys.idemEnd(scope), s.keys.here(scope), s.keys.hereEnd(scope),
	})
	if err != nil {
		return err
	}
	s.await(ctx, "the drop", scope)
	_, err = s.look(ctx, scope)
	return err
}
