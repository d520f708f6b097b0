package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
)

// A scope travels between stores, and to backups, as lines of JSON:
//
//	{"dimmer":"scope","version":1,"scope":…,"head":…,"checkpoint":…,"documents":n}
//	{"c":collection,"i":id,"d":base64}            n times, by key: the documents at the head
//	entries, newest first                         as many as there are revisions between checkpoint and head
//	{"end":"scope","sha256":…}                    over all bytes before this line
//
// Newest first, so that neither side holds a log in memory: each entry is checked against the documents by undoing it. A stream ends with its last line and nothing
// is read beyond it, so that streams can stand one after another.

// maxLine bounds a line: an entry of MaxTransaction as base64, and what JSON adds.
const maxLine = MaxTransaction/3*4 + 8<<20

// lineBuffer is the size of reader that ReadScope makes. Given a bufio.Reader of at least this size it reads through that.
const lineBuffer = 64 << 10

type scopeHeader struct {
	Dimmer     string `json:"dimmer"`
	Version    int    `json:"version"`
	Scope      string `json:"scope"`
	Head       Head   `json:"head"`
	Checkpoint Head   `json:"checkpoint"`
	Documents  int    `json:"documents"`
}

type scopeDocument struct {
	Collection string `json:"c"`
	ID         string `json:"i"`
	Document   []byte `json:"d"`
}

type scopeTrailer struct {
	End    string `json:"end"`
	SHA256 Hash   `json:"sha256"`
}

// WriteScope writes the stream of a scope: the state at its head, and the entries after checkpoint, newest first. It fails when they do not fit together.
func WriteScope(w io.Writer, scope string, state *State, checkpoint Head, newestFirst iter.Seq2[Entry, error]) error {
	out := &lineWriter{w: bufio.NewWriterSize(w, lineBuffer), sum: sha256.New()}
	err := out.line(scopeHeader{Dimmer: "scope", Version: 1, Scope: scope, Head: state.head, Checkpoint: checkpoint, Documents: state.len})
	if err != nil {
		return err
	}
	for k, data := range state.All() {
		if err := out.line(scopeDocument{k.Collection, k.ID, data}); err != nil {
			return err
		}
	}
	back := rewind{state: state, checkpoint: checkpoint}
	for e, err := range newestFirst {
		if err != nil {
			return fmt.Errorf("export %s: %w", scope, err)
		}
		if err := back.to(e); err != nil {
			return fmt.Errorf("export %s: %w", scope, err)
		}
		if err := out.line(e); err != nil {
			return err
		}
	}
	if err := back.finish(); err != nil {
		return fmt.Errorf("export %s: %w", scope, err)
	}
	if err := out.line(scopeTrailer{End: "scope", SHA256: Hash(out.sum.Sum(nil))}); err != nil {
		return err
	}
	return out.w.Flush()
}

// rewind checks a log, newest first, against the state that it made.
type rewind struct {
	state      *State // before the entries seen so far
	checkpoint Head
	count      int64
}

func (r *rewind) to(e Entry) error {
	if err := e.Verify(); err != nil {
		return err
	}
	if r.state.head.Revision <= r.checkpoint.Revision {
		return fmt.Errorf("%w: there are more entries than revisions after the checkpoint", ErrGap)
	}
	// The epoch before is not known until the entry before is: at most this one's.
	before, err := r.state.undo(e, Head{Epoch: e.Epoch, Revision: e.Revision - 1, Hash: e.Prev})
	if err != nil {
		return err
	}
	r.state = before
	r.count++
	return nil
}

func (r *rewind) finish() error {
	at := r.state.head
	if at.Revision != r.checkpoint.Revision || at.Hash != r.checkpoint.Hash || at.Epoch < r.checkpoint.Epoch {
		return fmt.Errorf("%w: the log ends at revision %d, and the checkpoint is %d", ErrGap, at.Revision, r.checkpoint.Revision)
	}
	if at.Revision == 0 && (r.state.len > 0 || at.Hash != Hash{}) {
		return fmt.Errorf("%w: documents remain before the first entry", ErrGap)
	}
	return nil
}

type lineWriter struct {
	w   *bufio.Writer
	sum hash.Hash
}

func (l *lineWriter) line(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: encode: %w", err)
	}
	data = append(data, '\n')
	l.sum.Write(data)
	_, err = l.w.Write(data)
	return err
}

// ErrStream says that what was read is not a complete and unaltered stream of this version.
var ErrStream = errors.New("store: not a complete stream of a scope")

// ScopeReader reads the stream of one scope. Use it once, from one goroutine.
type ScopeReader struct {
	Scope      string // as it was called where it comes from
	State      *State // the documents, at the head
	Checkpoint Head   // where the log begins

	in *lineReader
}

// ReadScope reads a stream up to its log. What it returns is to be believed only after Log has been read to its end without an error.
// Given a [bufio.Reader] of at least 64 KiB it reads not a byte more than the stream has.
func ReadScope(r io.Reader) (*ScopeReader, error) {
	in := &lineReader{r: bufio.NewReaderSize(r, lineBuffer), sum: sha256.New()}
	var h scopeHeader
	if err := in.line(&h); err != nil {
		return nil, err
	}
	if h.Dimmer != "scope" || h.Version != 1 {
		return nil, fmt.Errorf("%w: it begins %q, version %d, where this program reads scope, version 1", ErrStream, h.Dimmer, h.Version)
	}
	if err := CheckScope(h.Scope); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStream, err)
	}
	if h.Head.Epoch < 1 || h.Head.Revision < 1 || h.Checkpoint.Revision < 0 || h.Checkpoint.Epoch < 0 || h.Checkpoint.Cursor().Compare(h.Head.Cursor()) > 0 ||
		h.Checkpoint.Revision > h.Head.Revision || h.Documents < 0 {
		return nil, fmt.Errorf("%w: its head or checkpoint is impossible", ErrStream)
	}
	if h.Checkpoint.Revision == h.Head.Revision && h.Checkpoint.Hash != h.Head.Hash {
		return nil, fmt.Errorf("%w: its head is not its checkpoint", ErrStream)
	}
	var last Key
	var failed error
	docs := func(yield func(Key, []byte) bool) {
		for range h.Documents {
			var d scopeDocument
			if failed = in.line(&d); failed != nil {
				return
			}
			k := Key{d.Collection, d.ID}
			if err := k.check(); err != nil || len(d.Document) == 0 || last.Compare(k) >= 0 {
				failed = fmt.Errorf("%w: its documents are not in order at %s", ErrStream, k)
				return
			}
			if last = k; !yield(k, d.Document) {
				return
			}
		}
	}
	state := NewState(h.Head, docs)
	if failed != nil {
		return nil, failed
	}
	return &ScopeReader{Scope: h.Scope, State: state, Checkpoint: h.Checkpoint, in: in}, nil
}

// Log yields the entries, newest first, each verified against its hash and the documents. It ends after an error; without one, the stream was complete.
func (s *ScopeReader) Log() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		back := rewind{state: s.State, checkpoint: s.Checkpoint}
		for range s.State.head.Revision - s.Checkpoint.Revision {
			var e Entry
			err := s.in.line(&e)
			if err == nil {
				err = wrapStream(back.to(e))
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := s.finish(&back); err != nil {
			yield(Entry{}, err)
		}
	}
}

func (s *ScopeReader) finish(back *rewind) error {
	if err := back.finish(); err != nil {
		return wrapStream(err)
	}
	want := Hash(s.in.sum.Sum(nil))
	var t scopeTrailer
	if err := s.in.line(&t); err != nil {
		return err
	}
	if t.End != "scope" || t.SHA256 != want {
		return fmt.Errorf("%w: its last line does not prove it", ErrStream)
	}
	return nil
}

func wrapStream(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStream, err)
}

type lineReader struct {
	r   *bufio.Reader
	sum hash.Hash
	n   int // lines read
}

// line decodes the next line, strictly: exactly what line of lineWriter writes for a value of the type, byte for byte.
func (l *lineReader) line(v any) error {
	l.n++
	var text []byte
	for {
		part, err := l.r.ReadSlice('\n')
		text = append(text, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%w: line %d: %w", ErrStream, l.n, err)
		}
		if len(text) > maxLine {
			return fmt.Errorf("%w: line %d is longer than any that is written", ErrStream, l.n)
		}
	}
	l.sum.Write(text)
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrStream, l.n, err)
	}
	canonical, err := json.Marshal(v)
	if err != nil || !bytes.Equal(canonical, text[:len(text)-1]) {
		return fmt.Errorf("%w: line %d is not as this program writes it", ErrStream, l.n)
	}
	return nil
}
