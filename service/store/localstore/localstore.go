// Package localstore keeps the store's scopes in one file on the local disk (bbolt): the default when there is no Redis. What it has acknowledged is on the disk,
// and survives kill -9 and the loss of power. One process has a directory at a time. It knows nothing of what the documents mean.
//
// In the directory:
//
//	dimmer.db       everything
//	dimmer.id       says that there was data, so that a dimmer.db that is gone is noticed (store.ErrEmptied)
//	archive/        log entries beyond the retention, as lines of JSON
package localstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// Options are all optional.
type Options struct {
	// Limit in bytes that the data may take on the disk; from 90 % of it only lowering and kills commit. Zero: none.
	Limit  int64
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: discards
}

const (
	fileName    = "dimmer.db"
	markName    = "dimmer.id"
	archiveName = "archive"
	lockWait    = 300 * time.Millisecond // a predecessor may be on its way out
	keptFor     = 24 * time.Hour         // idempotency records
)

// The buckets: root holds what is said of the whole file; scopes holds a bucket for each scope, with its head and these.
var (
	rootBucket   = []byte("dimmer")
	scopesBucket = []byte("scopes")
	docsBucket   = []byte("docs")    // collection NUL id → document
	logBucket    = []byte("log")     // revision, 8 bytes big-endian → entry as JSON
	idemBucket   = []byte("idem")    // idempotency key → record as JSON
	lastBucket   = []byte("lasting") // id of a presence → lasting as JSON
	expiryBucket = []byte("expires") // time in nanoseconds, 8 bytes big-endian, then the idempotency key → nothing

	formatKey  = []byte("format")
	emptiedKey = []byte("emptied")
	standKey   = []byte("stand")
)

// format is the number of the file's layout.
const format = "1"

// stand is where a scope stands; it is stored as JSON.
type stand struct {
	Head       store.Head `json:"head"`
	Checkpoint store.Head `json:"checkpoint"` // the head before the first entry that is kept
}

// Store is a directory that is open. All methods may be called concurrently.
type Store struct {
	db   *bbolt.DB
	dir  string
	opts Options

	jobs    chan *job
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when the writer has ended
	close   func() error

	mu       sync.Mutex
	emptied  bool
	broken   error                          // a write whose fate the disk does not tell; nothing is written after it
	signals  map[string]chan struct{}       // by scope, closed when it has changed
	presence map[string]map[string]presence // by scope, id
	compact  chan struct{}                  // has room for one: one compaction at a time
}

var _ store.Store = (*Store)(nil)

// Exists reports whether the folder holds a store, or held one; Open would make it otherwise.
func Exists(dir string) bool {
	for _, name := range []string{fileName, markName} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Open opens a directory, and makes it when it is not there. Errors: [store.ErrLocked] when another process has it open; a feature.Error that names the file when
// it is damaged or of a later version.
func Open(dir string, opts Options) (*Store, error) {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the local store: %w", err)
	}
	s := &Store{
		dir: dir, opts: opts, jobs: make(chan *job), closing: make(chan struct{}), ended: make(chan struct{}),
		signals: map[string]chan struct{}{}, presence: map[string]map[string]presence{}, compact: make(chan struct{}, 1),
	}
	if err := s.openFile(); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.close = sync.OnceValue(s.shut)
	go s.write()
	return s, nil
}

func (s *Store) openFile() (err error) {
	path := filepath.Join(s.dir, fileName)
	defer s.guard(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file that was cut is read beyond its end
	s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s; stop that process, or choose another directory", store.ErrLocked, s.dir)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return s.corrupt(err)
	case err != nil:
		return fmt.Errorf("open the local store %s: %w", path, err)
	}
	return nil
}

// prepare checks the file, and makes what a new one needs.
func (s *Store) prepare() (err error) {
	defer s.guard(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	mark := filepath.Join(s.dir, markName)
	_, statErr := os.Stat(mark)
	if statErr != nil && !errors.Is(statErr, os.ErrNotExist) {
		return fmt.Errorf("open the local store: %w", statErr)
	}
	if err := s.checkSize(); err != nil {
		return err
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error {
		root := tx.Bucket(rootBucket)
		if root == nil {
			if root, err = tx.CreateBucket(rootBucket); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(scopesBucket); err != nil {
				return err
			}
			if statErr == nil {
				if err := root.Put(emptiedKey, []byte("1")); err != nil {
					return err
				}
			}
			return root.Put(formatKey, []byte(format))
		}
		if got := root.Get(formatKey); string(got) != format {
			return &feature.Error{Code: feature.CodeInternal,
				Msg: fmt.Sprintf("the data in %s are of version %q; this program reads version %s", s.dir, got, format)}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.db.View(func(tx *bbolt.Tx) error {
		s.emptied = tx.Bucket(rootBucket).Get(emptiedKey) != nil
		return nil
	}); err != nil {
		return err
	}
	if statErr != nil {
		text := "There are Dimmer's data in dimmer.db beside this file. Without that file the store is refused until it is back, or until: dimmer adopt --store local:DIR\n"
		return writeFile(mark, func(f *os.File) error { _, err := f.WriteString(text); return err })
	}
	return syncDir(s.dir)
}

// checkSize finds a file that was cut short: reading beyond its end would kill the process.
func (s *Store) checkSize() error {
	info, err := os.Stat(s.db.Path())
	if err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return s.corrupt(fmt.Errorf("it has %d bytes, of %d", info.Size(), tx.Size()))
		}
		return nil
	})
}

// corrupt is the error of a file that is damaged. It is nothing that a retry mends.
func (s *Store) corrupt(cause error) error {
	return &feature.Error{Code: feature.CodeInternal,
		Msg: fmt.Sprintf("the store's file %s is damaged; restore a backup", filepath.Join(s.dir, fileName)), Err: cause}
}

// guard turns a panic of bbolt, which is how it answers pages that are damaged, and a fault in its mapped memory, into an error. It is deferred around each transaction.
func (s *Store) guard(err *error) {
	if p := recover(); p != nil {
		*err = s.corrupt(fmt.Errorf("%v", p))
		s.opts.Logger.Error("the store's file is damaged", "cause", p, "stack", string(debug.Stack()))
	}
}

// ready says why a call cannot be served.
func (s *Store) ready(ctx context.Context) error {
	select {
	case <-s.closing:
		return store.ErrClosed
	default:
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.emptied {
		return fmt.Errorf("%w: %s; with the server stopped, put %s back or restore a backup, or begin anew with: dimmer adopt --store local:%s",
			store.ErrEmptied, s.lack(), fileName, s.dir)
	}
	return nil
}

func (s *Store) lack() string {
	return fmt.Sprintf("there were data in %s, and %s is gone", s.dir, fileName)
}

func interrupted(ctx context.Context) error {
	return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
}

// view runs a read transaction. It has to be short: one that is open keeps the file from growing, and with it every commit.
func (s *Store) view(ctx context.Context, fn func(tx *bbolt.Tx) error) (err error) {
	if err := s.ready(ctx); err != nil {
		return err
	}
	defer s.guard(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err = s.db.View(fn)
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// scopeOf is the bucket of a scope; nil when there was never anything in it.
func scopeOf(tx *bbolt.Tx, scope string) *bbolt.Bucket {
	return tx.Bucket(scopesBucket).Bucket([]byte(scope))
}

// standOf reads where a scope stands.
func (s *Store) standOf(b *bbolt.Bucket) (stand, error) {
	var at stand
	if b == nil {
		return at, nil
	}
	return at, s.get(b, standKey, &at)
}

// Each value is stored after four bytes, the CRC-32C of its key and itself: what is read is what was written, or an error.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

func put(b *bbolt.Bucket, key, value []byte) error {
	sealed := make([]byte, 4, 4+len(value))
	binary.BigEndian.PutUint32(sealed, sum(key, value))
	return b.Put(key, append(sealed, value...))
}

func putJSON(b *bbolt.Bucket, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return put(b, key, data)
}

// open takes a stored value apart. It points into the file: it is good until the transaction ends.
func (s *Store) open(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 || sum(key, sealed[4:]) != binary.BigEndian.Uint32(sealed) {
		return nil, s.corrupt(fmt.Errorf("the checksum of %q", key))
	}
	return sealed[4:], nil
}

// get decodes a value that has to be there.
func (s *Store) get(b *bbolt.Bucket, key []byte, into any) error {
	data, err := s.open(key, b.Get(key))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return s.corrupt(fmt.Errorf("%q: %w", key, err))
	}
	return nil
}

func revisionKey(revision int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(revision)) }

func docKey(k store.Key) []byte { return []byte(k.Collection + "\x00" + k.ID) }

// Close waits for the commit that is being written, and closes the file. Everything that waits gets ErrClosed.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.closing)
	<-s.ended
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the local store: %w", err)
	}
	return nil
}

// writeFile makes a file that is complete and on the disk, or not there.
func writeFile(path string, fill func(*os.File) error) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir puts a directory's entries on the disk: a file that was synced can still be lost with its name.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
