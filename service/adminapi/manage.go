package adminapi

import (
	"context"
	"net/http"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// GetStore implements [StrictServerInterface].
func (s *server) GetStore(ctx context.Context, _ GetStoreRequestObject) (GetStoreResponseObject, error) {
	report, err := s.opts.Store.Check(ctx)
	if err != nil {
		return nil, feature.Unavailable(err, "the store does not answer")
	}
	return GetStore200JSONResponse(report), nil
}

// AdoptStore implements [StrictServerInterface].
func (s *server) AdoptStore(ctx context.Context, r AdoptStoreRequestObject) (AdoptStoreResponseObject, error) {
	call := callOf(ctx, r.Body.Reason)
	if err := feature.CheckReason(call.Reason); err != nil {
		return nil, err
	}
	if err := s.opts.Store.Adopt(ctx); err != nil {
		return nil, feature.Unavailable(err, "the store does not answer")
	}
	// There is no log to write this into: that the log is gone is why somebody adopts.
	s.opts.Logger.Warn("an emptied store was adopted", "actor", call.Principal.ID, "address", call.Principal.Address, "reason", call.Reason)
	return AdoptStore204Response{}, nil
}

// Backup implements [StrictServerInterface].
func (s *server) Backup(ctx context.Context, _ BackupRequestObject) (BackupResponseObject, error) {
	return &backup{s: s, ctx: ctx}, nil
}

// backupComplete is the trailer that a whole backup ends with. Without it the stream broke off, whatever its length.
const backupComplete = "Dimmer-Complete"

// backup is the answer to Backup, straight from the store.
type backup struct {
	s   *server
	ctx context.Context
}

// VisitBackupResponse writes the stream. An error after the first byte breaks the connection off, see answerError.
func (b *backup) VisitBackupResponse(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="dimmer-`+b.s.opts.Clock().UTC().Format("20060102T150405Z")+`.backup"`)
	h.Set("Trailer", backupComplete)
	if err := store.Backup(b.ctx, b.s.opts.Store, b.s.newStreamWriter(w), b.s.opts.Clock()); err != nil {
		h.Del("Trailer")
		h.Del("Content-Disposition")
		return feature.Unavailable(err, "the store does not answer, and the backup is not whole")
	}
	h.Set(backupComplete, "true")
	return nil
}
