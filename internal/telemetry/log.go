package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"
)

// The attribute keys of log lines, besides time, level and msg. Each line has an
// event; the others stand where they are known.
const (
	KeyEvent      = "event"
	KeyUser       = "user"
	KeyRoom       = "room"
	KeyIP         = "ip"
	KeyRequestID  = "request_id"
	KeyConnection = "connection"
	KeyCode       = "code"
	KeyReason     = "reason"
	KeyError      = "error"
)

// LogOptions shape the log.
type LogOptions struct {
	// Format is "json" or "text"; anything else is taken as json.
	Format string
	// Level is the least that is written; a *slog.LevelVar can be changed later.
	Level slog.Leveler
	// Journal says that w goes to systemd's journal (see IsJournal). Text lines
	// then begin with their priority and have no time; JSON lines stay JSON.
	Journal bool
	// Limited are events that strangers can cause at will: of each at most
	// PerSecond lines a second are written, and then one that says how many
	// were left out. PerSecond 0 is no limit.
	Limited   []string
	PerSecond int
}

// NewLogger makes the log. Secrets are taken out of every line, whoever wrote
// it: values under keys that name secrets, and anything that looks like a JWT, a
// key, a code or a password hash, in messages, values and errors, at any depth.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	ho := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: redact}
	var h slog.Handler = slog.NewJSONHandler(w, ho)
	switch {
	case o.Format == "text" && o.Journal:
		ho.ReplaceAttr = timeless
		h = slog.NewTextHandler(prefixer{w}, ho)
	case o.Format == "text":
		h = slog.NewTextHandler(w, ho)
	}
	if o.PerSecond > 0 && len(o.Limited) > 0 {
		h = newLimiter(h, o.Limited, o.PerSecond)
	}
	return slog.New(h)
}

// Flush writes what the limiter of NewLogger still has to say about seconds that
// ended before now. Later lines do the same; Flush is for the time when there
// are none.
func Flush(l *slog.Logger, now time.Time) {
	if h, ok := l.Handler().(*limiter); ok {
		h.summarise(now)
	}
}

// maxForeignLine is the longest line taken over from other code, in bytes.
const maxForeignLine = 1024

// NewLineWriter takes lines of code that does not know slog, such as the
// standard log package and the HTTP server, and logs each as one record of the
// given event.
func NewLineWriter(l *slog.Logger, level slog.Level, event string) io.Writer {
	return &lineWriter{log: l.With(KeyEvent, event), level: level}
}

type lineWriter struct {
	log   *slog.Logger
	level slog.Level
}

// Write logs p as one line. It never fails, since its callers could not help it.
func (w *lineWriter) Write(p []byte) (int, error) {
	line := bytes.TrimSpace(p)
	// Scrubbed before it is cut, so that no cut turns a token into a piece
	// that is not recognised any more.
	text := scrub(string(line))
	if len(text) > maxForeignLine {
		text = text[:maxForeignLine] + "…"
	}
	if text != "" {
		w.log.Log(context.Background(), w.level, text)
	}
	return len(p), nil
}
