package dimmer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
)

// A cache file holds one snapshot's documents:
//
//	magic · header · documents · SHA-256 of all before
//
// The header binds the file to a token and carries revision, digest, the time at which the ruleset was last known to be the newest and the number of
// documents; a document is kind, key and JSON, each after its length as a varint. There are two generations: a file that is damaged, or
// was not yet in place when the process died, leaves the one before. Loading takes the newer of those that are whole.
const cacheMagic = "dimmer cache 1\n\x00"

type cacheHeader struct {
	Binding [16]byte // of the token
	Epoch   int64
	Number  int64
	Fresh   int64 // Unix milliseconds
	Digest  evaluator.Digest
	Count   int64
}

func (h *cacheHeader) revision() Revision { return Revision{Epoch: h.Epoch, Number: h.Number} }

var cacheHeaderSize = binary.Size(cacheHeader{})

const (
	maxCacheBytes = 1 << 30
	// How long to rest after a write: changes that arrive meanwhile are written as one, and a large ruleset does not keep the disk busy.
	cacheRest       = time.Second
	cacheRestFactor = 10
	// A newer time of freshness alone is worth a write at the close, from this much on.
	cacheFreshStep = 10 * time.Second
	cacheLeftovers = time.Hour // an older temporary file is that of a process which died
)

// cacheFile is where the ruleset of one token is kept. After load, one goroutine uses it.
type cacheFile struct {
	path    string // the newest generation; the one before has cacheOld appended
	binding [16]byte
	logger  *slog.Logger
	wake    chan struct{} // holds one
	written *evaluator.Snapshot
	fresh   time.Time // as written
	failing bool
}

const (
	cacheOld  = ".1"
	cacheLock = ".lock"
	// How long to wait for another process. One that is stopped while it writes must not stop the others.
	cacheLockWait = 2 * time.Second
	cacheLockPoll = 5 * time.Millisecond
)

// openCache is nil when no cache is wanted.
func (c *Client) openCache() *cacheFile {
	if c.config.cacheDir == "" {
		return nil
	}
	f := &cacheFile{binding: bindCache(c.config.token), logger: c.config.logger, wake: make(chan struct{}, 1)}
	f.path = filepath.Join(c.config.cacheDir, "dimmer-"+hex.EncodeToString(f.binding[:8])+".cache")
	return f
}

// bindCache is what a file says of the token whose environment it holds. A token's secret has 256 random bits, so this gives nothing away.
func bindCache(token string) (binding [16]byte) {
	sum := sha256.Sum256([]byte("dimmer cache\x00" + token))
	copy(binding[:], sum[:])
	return binding
}

// lock keeps other processes from putting generations in place. Files are whole without it, but of three processes that write at once two slower
// ones could push the newest ruleset out. Where it cannot be had, work goes on without.
func (f *cacheFile) lock() (unlock func()) {
	file, err := os.OpenFile(f.path+cacheLock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(cacheLockWait); !tryLock(file) && time.Now().Before(end); {
		time.Sleep(cacheLockPoll)
	}
	return func() { _ = file.Close() } // nothing was written to it
}

// load is the newest ruleset that was kept whole. That there is none is no error.
func (f *cacheFile) load() (rules *evaluator.Snapshot, fresh time.Time, ok bool) {
	defer f.lock()()
	for _, path := range []string{f.path, f.path + cacheOld} {
		s, at, err := f.read(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			f.logger.Warn("dimmer: a cache file is not used", "file", path, "error", err)
		case !ok || s.Revision().Compare(rules.Revision()) > 0:
			rules, fresh, ok = s, at, true
		}
	}
	f.written, f.fresh = rules, fresh
	return rules, fresh, ok
}

func (f *cacheFile) read(path string) (*evaluator.Snapshot, time.Time, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxCacheBytes {
		return nil, time.Time{}, fmt.Errorf("%d bytes, mode %s: not a cache file", info.Size(), info.Mode())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	return decodeCache(data, f.binding)
}

// decodeCache reads a file's bytes; the documents are copies, so that one of them does not keep the whole file in memory. What is damaged anywhere is an error as a whole.
func decodeCache(data []byte, binding [16]byte) (*evaluator.Snapshot, time.Time, error) {
	fail := func(format string, args ...any) (*evaluator.Snapshot, time.Time, error) {
		return nil, time.Time{}, fmt.Errorf(format, args...)
	}
	if len(data) < len(cacheMagic)+cacheHeaderSize+sha256.Size || !bytes.HasPrefix(data, []byte(cacheMagic)) {
		return fail("not a cache file")
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if actual := sha256.Sum256(body); !bytes.Equal(actual[:], sum) {
		return fail("damaged: the checksum is wrong")
	}
	var h cacheHeader
	if _, err := binary.Decode(body[len(cacheMagic):], binary.BigEndian, &h); err != nil {
		return fail("damaged: %w", err)
	}
	if h.Binding != binding {
		return fail("it belongs to another token")
	}
	if h.Epoch < 0 || h.Number < 0 || h.Count < 0 {
		return fail("damaged: %s with %d documents", h.revision(), h.Count)
	}
	rest := body[len(cacheMagic)+cacheHeaderSize:]
	docs := make([]evaluator.Document, 0, min(h.Count, int64(len(rest)/3)))
	for len(rest) > 0 {
		var parts [3][]byte
		for i := range parts {
			size, n := binary.Uvarint(rest)
			if n <= 0 || size > uint64(len(rest)-n) {
				return fail("damaged: document %d is cut off", len(docs))
			}
			parts[i], rest = rest[n:n+int(size):n+int(size)], rest[n+int(size):]
		}
		docs = append(docs, evaluator.Document{Kind: evaluator.Kind(parts[0]), Key: string(parts[1]), JSON: append(make([]byte, 0, len(parts[2])), parts[2]...)})
	}
	rules, _ := evaluator.New(h.revision(), docs)
	if int64(len(docs)) != h.Count || rules.Digest() != h.Digest {
		return fail("damaged: the digest of %d documents is wrong", len(docs))
	}
	return rules, time.UnixMilli(h.Fresh), nil
}

// encodeCache writes a snapshot in the form that decodeCache reads.
func encodeCache(w io.Writer, rules *evaluator.Snapshot, fresh time.Time, binding [16]byte) error {
	sum := sha256.New()
	out := cacheWriter{bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)}
	h := cacheHeader{
		Binding: binding, Epoch: rules.Revision().Epoch, Number: rules.Revision().Number,
		Fresh: fresh.UnixMilli(), Digest: rules.Digest(), Count: int64(rules.Len()),
	}
	_, _ = out.WriteString(cacheMagic) // bufio keeps the first error for Flush
	_ = binary.Write(out, binary.BigEndian, &h)
	for doc := range rules.Documents() {
		out.part([]byte(doc.Kind))
		out.part([]byte(doc.Key))
		out.part(doc.JSON)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

type cacheWriter struct{ *bufio.Writer }

func (w cacheWriter) part(data []byte) {
	var size [binary.MaxVarintLen64]byte
	_, _ = w.Write(size[:binary.PutUvarint(size[:], uint64(len(data)))])
	_, _ = w.Write(data)
}

// changed says that there is something to write. It never blocks.
func (f *cacheFile) changed() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run writes the client's ruleset after changes, and once more after the last one, when the stream has ended.
func (f *cacheFile) run(streamEnded <-chan struct{}, c *Client) {
	f.sweep()
	for {
		select {
		case <-streamEnded:
			f.write(c)
			return
		case <-f.wake:
		}
		began := time.Now()
		f.write(c)
		rest := time.NewTimer(max(cacheRest, cacheRestFactor*time.Since(began)))
		select {
		case <-streamEnded:
		case <-rest.C:
		}
		rest.Stop()
	}
}

// sweep removes what processes that died have left half written.
func (f *cacheFile) sweep() {
	leftovers, err := filepath.Glob(f.path + ".tmp-*")
	if err != nil {
		return
	}
	for _, path := range leftovers {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > cacheLeftovers {
			_ = os.Remove(path) // the next process tries again
		}
	}
}

func (f *cacheFile) write(c *Client) {
	status, rules := c.Status(), c.rules.Load()
	if status.Source != SourceStream || rules == f.written && status.Fresh.Sub(f.fresh) < cacheFreshStep {
		return
	}
	err := f.replace(rules, status.Fresh)
	if err != nil && !f.failing {
		c.config.logger.Warn("dimmer: the cache file cannot be written", "file", f.path, "error", err)
	}
	if f.failing = err != nil; !f.failing {
		f.written, f.fresh = rules, status.Fresh
	}
}

// replace puts a new generation in place, unless another process has put a newer one there.
func (f *cacheFile) replace(rules *evaluator.Snapshot, fresh time.Time) (err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer f.lock()()
	// Both: where there are no locks, the slower one of two processes that write at once may have put the newer ruleset second.
	if f.newerThan(f.path, rules.Revision()) || f.newerThan(f.path+cacheOld, rules.Revision()) {
		return nil
	}
	file, err := os.CreateTemp(dir, filepath.Base(f.path)+".tmp-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // the error at hand says more
		}
	}()
	err = errors.Join(encodeCache(file, rules, fresh, f.binding), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.path, f.path+cacheOld); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(file.Name(), f.path); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not all systems can; the file itself is synced
		d.Close()
	}
	return nil
}

// newerThan says whether a file holds a later revision. Only one that claims to is read as a whole.
func (f *cacheFile) newerThan(path string, rev Revision) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, len(cacheMagic)+cacheHeaderSize)
	var h cacheHeader
	if _, err := io.ReadFull(file, head); err != nil {
		return false
	}
	if _, err := binary.Decode(head[len(cacheMagic):], binary.BigEndian, &h); err != nil || h.revision().Compare(rev) <= 0 {
		return false
	}
	whole, _, err := f.read(path)
	return err == nil && whole.Revision().Compare(rev) > 0
}
