package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/dimmerhq/dimmer/service/store"
)

// job is a change that waits for the writer. Those that wait together are written together, with one sync to the disk for all, each with its own outcome.
type job struct {
	ctx   context.Context
	scope string
	size  int // bytes, roughly
	// do checks everything first and then writes. An error of its checks is a refused: nothing of the job was written, and the others go on.
	do   func(tx *bbolt.Tx, b *bbolt.Bucket) error
	done chan error // has room for one
}

// refused is an answer, where any other error of a job is a defect or a disk that fails.
type refused struct{ err error }

func (r refused) Error() string { return r.err.Error() }
func (r refused) Unwrap() error { return r.err }

// Bounds of what is written together.
const (
	batchJobs  = 128
	batchBytes = 32 << 20
)

// change runs a job and waits for it to be on the disk. do gets the scope's bucket, which is made when there is none.
func (s *Store) change(ctx context.Context, scope string, size int, do func(tx *bbolt.Tx, b *bbolt.Bucket) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	j := &job{ctx: ctx, scope: scope, size: size, do: do, done: make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return interrupted(ctx)
	case <-s.closing:
		return store.ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the fate of the change is unknown: %w", interrupted(ctx))
	}
}

// write is the goroutine that alone writes. Close waits for it.
func (s *Store) write() {
	defer close(s.ended)
	for {
		select {
		case <-s.closing:
			return
		case first := <-s.jobs:
			s.batch(s.collect(first))
		}
	}
}

// collect adds to the first job what else waits already.
func (s *Store) collect(first *job) []*job {
	batch := []*job{first}
	for size := first.size; len(batch) < batchJobs && size < batchBytes; {
		select {
		case j := <-s.jobs:
			batch = append(batch, j)
			size += j.size
		default:
			return batch
		}
	}
	return batch
}

// batch writes jobs together, and answers each.
func (s *Store) batch(jobs []*job) {
	outcomes, err := s.transact(jobs)
	if err != nil && len(jobs) > 1 && s.brokenBy() == nil {
		for _, j := range jobs { // one of them spoiled it for all; alone it fails alone
			s.batch([]*job{j})
		}
		return
	}
	for i, j := range jobs {
		switch {
		case err != nil:
			s.opts.Logger.Error("a change could not be written", "scope", j.scope, "cause", err)
			j.done <- fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		case outcomes[i] != nil:
			j.done <- outcomes[i]
		default:
			s.notify(j.scope)
			j.done <- nil
		}
	}
}

// transact runs jobs in one transaction and syncs it to the disk. The outcomes count only when there is no error.
func (s *Store) transact(jobs []*job) (outcomes []error, err error) {
	if err := s.brokenBy(); err != nil {
		return nil, err
	}
	defer s.guard(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	wrote := false
	for _, j := range jobs {
		outcome := s.perform(tx, j)
		var r refused
		if outcome != nil && !errors.As(outcome, &r) {
			return nil, outcome
		}
		if outcome != nil {
			outcome = r.err
		}
		wrote = wrote || outcome == nil
		outcomes = append(outcomes, outcome)
	}
	if !wrote {
		return outcomes, nil
	}
	if err := tx.Commit(); err != nil {
		s.failed(err)
		return nil, err
	}
	return outcomes, nil
}

func (s *Store) perform(tx *bbolt.Tx, j *job) error {
	if j.ctx.Err() != nil {
		return refused{interrupted(j.ctx)}
	}
	b, err := tx.Bucket(scopesBucket).CreateBucketIfNotExists([]byte(j.scope))
	if err != nil {
		return err
	}
	if b.Get(standKey) == nil {
		if err := putJSON(b, standKey, stand{}); err != nil {
			return err
		}
	}
	return j.do(tx, b)
}

// failed decides what a failed commit means. A full disk is found out before anything counts, and commits may succeed again. After any other failure what is on the disk is
// unknown (a sync that failed once may say that all is well the next time, having written nothing), so nothing more is written by this process.
func (s *Store) failed(err error) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = fmt.Errorf("the disk failed, and nothing is written to %s until a restart: %w", s.dir, err)
}

func (s *Store) brokenBy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// signal is closed at the next change of a scope.
func (s *Store) signal(scope string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.signals[scope]
	if c == nil {
		c = make(chan struct{})
		s.signals[scope] = c
	}
	return c
}

func (s *Store) notify(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.signals[scope]; c != nil {
		close(c)
		delete(s.signals, scope)
	}
}

// record is an idempotency record as it is stored.
type record struct {
	Request  store.Hash `json:"request"`
	Answer   []byte     `json:"answer"`
	Revision int64      `json:"revision"`
	Expires  int64      `json:"expires"` // Unix nanoseconds
}

// Commit implements [store.Store]. What it acknowledges is on the disk.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (store.Committed, error) {
	if err := s.ready(ctx); err != nil {
		return store.Committed{}, err
	}
	if err := txn.Check(); err != nil {
		return store.Committed{}, err
	}
	err := s.change(ctx, txn.Scope, txn.Entry.Size(), func(tx *bbolt.Tx, b *bbolt.Bucket) error {
		if err := s.admit(tx, b, &txn); err != nil {
			return err
		}
		return s.append(b, &txn)
	})
	if err != nil {
		return store.Committed{}, err
	}
	return store.Committed{Head: txn.Entry.Head(), Durability: store.Confirmed}, nil
}

// admit decides whether a transaction is committed.
func (s *Store) admit(tx *bbolt.Tx, b *bbolt.Bucket, txn *store.Txn) error {
	if txn.Idempotency != nil {
		_, found, err := s.recorded(b, txn.Idempotency.Key)
		if err != nil {
			return err
		}
		if found {
			return refused{store.ErrDuplicate}
		}
	}
	at, err := s.standOf(b)
	if err != nil {
		return err
	}
	if at.Head != txn.Base {
		return refused{store.ErrConflict}
	}
	if txn.Class == store.ClassNormal && s.used(tx) >= 0.9 {
		return refused{store.ErrFull}
	}
	return nil
}

// append writes a transaction that was admitted.
func (s *Store) append(b *bbolt.Bucket, txn *store.Txn) error {
	docs, err := b.CreateBucketIfNotExists(docsBucket)
	if err != nil {
		return err
	}
	for _, c := range txn.Entry.Changes {
		k := docKey(c.Key)
		if len(c.After) == 0 {
			err = docs.Delete(k)
		} else {
			err = put(docs, k, c.After)
		}
		if err != nil {
			return err
		}
	}
	log, err := b.CreateBucketIfNotExists(logBucket)
	if err != nil {
		return err
	}
	log.FillPercent = 1 // it only grows at its end
	if err := putJSON(log, revisionKey(txn.Entry.Revision), txn.Entry); err != nil {
		return err
	}
	if err := s.remember(b, txn); err != nil {
		return err
	}
	at, err := s.standOf(b)
	if err != nil {
		return err
	}
	at.Head = txn.Entry.Head()
	return putJSON(b, standKey, at)
}

// remember keeps a transaction's idempotency record, and forgets some that have expired.
func (s *Store) remember(b *bbolt.Bucket, txn *store.Txn) error {
	i := txn.Idempotency
	if i == nil {
		return nil
	}
	records, err := b.CreateBucketIfNotExists(idemBucket)
	if err != nil {
		return err
	}
	expiries, err := b.CreateBucketIfNotExists(expiryBucket)
	if err != nil {
		return err
	}
	if err := s.forget(records, expiries); err != nil {
		return err
	}
	expires := s.opts.Clock().Add(keptFor).UnixNano()
	if err := expiries.Put(append(revisionKey(expires), i.Key...), []byte{}); err != nil {
		return err
	}
	return putJSON(records, []byte(i.Key), record{Request: i.Request, Answer: i.Answer, Revision: txn.Entry.Revision, Expires: expires})
}

// forget deletes a few records that have expired: more than come in, so that they do not pile up.
func (s *Store) forget(records, expiries *bbolt.Bucket) error {
	now := s.opts.Clock().UnixNano()
	var due [][]byte
	c := expiries.Cursor()
	for k, _ := c.First(); k != nil && len(due) < 8 && int64(binary.BigEndian.Uint64(k)) <= now; k, _ = c.Next() {
		due = append(due, slices.Clone(k))
	}
	for _, k := range due {
		if err := expiries.Delete(k); err != nil {
			return err
		}
		if records.Get(k[8:]) == nil {
			continue
		}
		var r record
		if err := s.get(records, k[8:], &r); err != nil {
			return err
		}
		if r.Expires <= now { // else the key was used again since
			if err := records.Delete(k[8:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// recorded looks up a record that has not expired.
func (s *Store) recorded(b *bbolt.Bucket, key string) (record, bool, error) {
	var r record
	if b == nil || key == "" {
		return r, false, nil
	}
	records := b.Bucket(idemBucket)
	if records == nil || records.Get([]byte(key)) == nil {
		return r, false, nil
	}
	err := s.get(records, []byte(key), &r)
	return r, err == nil && r.Expires > s.opts.Clock().UnixNano(), err
}

// used is the share of the limit that the file's pages in use take.
func (s *Store) used(tx *bbolt.Tx) float64 {
	if s.opts.Limit <= 0 {
		return 0
	}
	stats := s.db.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(s.db.Info().PageSize)
	return min(1, max(0, float64(tx.Size()-free)/float64(s.opts.Limit)))
}
