package httpapi

import (
	"errors"
	"net/http"
	"time"

	"edgegw/internal/gateway"
)

// archivePatience is how long a client may take nothing of its archive: another
// backup waits for it.
const archivePatience = 30 * time.Second

// getBackup streams an archive. Once it has begun, an error can only be told by
// cutting the connection; the archive then lacks its end, and nothing takes it.
func (a *API) getBackup(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Disposition", `attachment; filename="`+a.opts.ArchiveName()+`"`)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/x-tar")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	err := a.opts.Archive(r.Context(), out)
	_ = out.control.SetWriteDeadline(time.Time{}) // the connection may go on
	if err != nil && !out.begun {
		w.Header().Del("Content-Disposition")
		return err
	}
	if err != nil {
		a.opts.Logger.Warn("a backup was cut off", "event", "backup_failed", "request_id", gateway.OriginOf(r.Context()).RequestID, "reason", err.Error())
		panic(http.ErrAbortHandler)
	}
	return nil
}

// patientWriter gives each write its time, instead of all of them together.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	p.begun = true
	if err := p.control.SetWriteDeadline(time.Now().Add(archivePatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// FlushError sends what was written.
func (p *patientWriter) FlushError() error { return p.control.Flush() }
