package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A backup is the streams of scopes, one after another, between a line that says what it is and one that proves that it is all there:
//
//	{"dimmer":"backup","version":1,"at":…}
//	the stream of each scope, System last
//	{"end":"backup","scopes":[names in the order above]}
//
// System is last, so that projects are not seen before they are complete.

type backupHeader struct {
	Dimmer  string    `json:"dimmer"`
	Version int       `json:"version"`
	At      time.Time `json:"at"`
}

type backupTrailer struct {
	End    string   `json:"end"`
	Scopes []string `json:"scopes"`
}

// Backup writes all scopes of a store. Each is consistent in itself; commits go on meanwhile, and what is committed to a scope after its turn is not in it. A scope
// that is dropped before its turn is left out.
func Backup(ctx context.Context, s Store, w io.Writer, at time.Time) error {
	out := &lineWriter{w: bufio.NewWriterSize(w, lineBuffer), sum: sha256.New()}
	if err := out.line(backupHeader{Dimmer: "backup", Version: 1, At: at.UTC().Truncate(time.Second)}); err != nil {
		return err
	}
	trailer := backupTrailer{End: "backup", Scopes: []string{}}
	scopes, err := ordered(ctx, s)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	for _, scope := range scopes {
		err := s.Export(ctx, scope, out.w)
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("back up %s: %w", scope, err)
		}
		trailer.Scopes = append(trailer.Scopes, scope)
	}
	if err := out.line(trailer); err != nil {
		return err
	}
	return out.w.Flush()
}

// ordered lists a store's scopes, System last.
func ordered(ctx context.Context, s Store) ([]string, error) {
	scopes, err := s.Scopes(ctx)
	if i := slices.Index(scopes, System); i >= 0 {
		scopes = append(slices.Delete(slices.Clone(scopes), i, i+1), System)
	}
	return scopes, err
}

// Restore imports all scopes of a backup, in epochs after theirs, and returns their names. When one cannot be imported (ErrExists: it is there) or the backup turns out
// to be incomplete (ErrStream), those that were imported are dropped again.
func Restore(ctx context.Context, s Store, r io.Reader) (scopes []string, err error) {
	in := &lineReader{r: bufio.NewReaderSize(r, lineBuffer), sum: sha256.New()}
	var h backupHeader
	if err := in.line(&h); err != nil {
		return nil, err
	}
	if h.Dimmer != "backup" || h.Version != 1 {
		return nil, fmt.Errorf("%w: it begins %q, version %d, where this program reads backup, version 1", ErrStream, h.Dimmer, h.Version)
	}
	done := []string{}
	defer func() {
		if err != nil {
			err = errors.Join(err, dropAll(ctx, s, done))
		}
	}()
	for {
		scope, more, err := in.peekScope()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if err := s.Import(ctx, scope, in.r, true); err != nil {
			return nil, fmt.Errorf("restore %s: %w", scope, err)
		}
		done = append(done, scope)
	}
	var t backupTrailer
	if err := in.line(&t); err != nil {
		return nil, err
	}
	if t.End != "backup" || !slices.Equal(t.Scopes, done) {
		return nil, fmt.Errorf("%w: its last line does not list the scopes that are in it", ErrStream)
	}
	if _, err := in.r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: there is something after its last line", ErrStream)
	}
	// Processes that miss what was here before may follow what is here now: whoever restores a backup has said so. Not before all of it is here.
	if err := s.Adopt(ctx); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return done, nil
}

// peekScope looks at the next line without reading it: the scope whose stream begins there, or false when none does.
func (l *lineReader) peekScope() (scope string, more bool, err error) {
	text, err := l.r.Peek(16 << 10) // a header is shorter
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, fmt.Errorf("%w: %w", ErrStream, err)
	}
	line, _, found := bytes.Cut(text, []byte("\n"))
	var h scopeHeader
	more = found && json.Unmarshal(line, &h) == nil && h.Dimmer == "scope"
	return h.Scope, more, nil
}

// dropAll takes back what was imported; the first context may have ended, and it is to be taken back all the same.
func dropAll(ctx context.Context, s Store, scopes []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin)
	defer cancel()
	var errs []error
	for _, scope := range scopes {
		if err := s.Drop(ctx, scope); err != nil {
			errs = append(errs, fmt.Errorf("take back %s: %w", scope, err))
		}
	}
	return errors.Join(errs...)
}

// Copy brings all scopes of one store into another, with their epochs, revisions, hashes and logs, as when an installation moves between the local store and Redis. Nobody
// may write to the source meanwhile: that is checked at the end. It returns the names of the scopes; after an error the target is as it was.
//
// Idempotency records and presence are not copied: they are of requests and processes that have ended.
func Copy(ctx context.Context, from, to Store) (scopes []string, err error) {
	if scopes, err = ordered(ctx, from); err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	there, err := to.Scopes(ctx)
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	for _, scope := range scopes {
		if slices.Contains(there, scope) {
			return nil, fmt.Errorf("copy: %w: %s", ErrExists, scope)
		}
	}
	var done []string
	defer func() {
		if err != nil {
			scopes, err = nil, errors.Join(err, dropAll(ctx, to, done))
		}
	}()
	for _, scope := range scopes {
		if err := copyScope(ctx, from, to, scope); err != nil {
			return nil, fmt.Errorf("copy %s: %w", scope, err)
		}
		done = append(done, scope)
	}
	for _, scope := range scopes {
		before, err := from.Head(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("copy %s: %w", scope, err)
		}
		after, err := to.Head(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("copy %s: %w", scope, err)
		}
		if before.Revision != after.Revision || before.Hash != after.Hash || after.Epoch < before.Epoch {
			return nil, fmt.Errorf("copy %s: %w: it was at revision %d when it was copied and is at %d; stop what writes to it", scope, ErrConflict, after.Revision, before.Revision)
		}
	}
	if err := to.Adopt(ctx); err != nil { // as in Restore
		return nil, fmt.Errorf("copy: %w", err)
	}
	return scopes, nil
}

func copyScope(ctx context.Context, from, to Store, scope string) error {
	r, w := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		err := from.Export(ctx, scope, w)
		w.CloseWithError(err) // nil: the end
		exported <- err
	}()
	err := to.Import(ctx, scope, r, false)
	r.CloseWithError(io.ErrClosedPipe) // whatever Import has left unread
	exportErr := <-exported
	if err != nil && exportErr != nil && !errors.Is(exportErr, io.ErrClosedPipe) {
		return exportErr // the cause of the other
	}
	return err
}
