package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
)

// IsJournal reports whether w is the stream that systemd has connected to its
// journal. stream is the value of JOURNAL_STREAM, DEVICE:INODE; it goes on being
// set when the stream was redirected elsewhere, so that the two are compared, as
// systemd.exec(5) asks for.
func IsJournal(stream string, w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && fmt.Sprintf("%d:%d", st.Dev, st.Ino) == stream
}

// The priorities of syslog(3) that levels become.
const (
	priorityError = '3'
	priorityWarn  = '4'
	priorityInfo  = '6'
	priorityDebug = '7'
)

// prefixer puts the priority in front of each text line, as sd-daemon(3) has it:
// `journalctl -p warning` then finds what it should.
type prefixer struct{ w io.Writer }

// Write takes one line of a text handler that writes no time, so that the level
// stands in front.
func (p prefixer) Write(line []byte) (int, error) {
	priority := byte(priorityInfo)
	for _, l := range []struct {
		level    slog.Level
		priority byte
	}{{slog.LevelDebug, priorityDebug}, {slog.LevelWarn, priorityWarn}, {slog.LevelError, priorityError}} {
		if bytes.HasPrefix(line, []byte(slog.LevelKey+"="+l.level.String())) {
			priority = l.priority
		}
	}
	// In one write: the journal takes what comes in one for a line.
	if _, err := p.w.Write(append([]byte{'<', priority, '>'}, line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// timeless is redact for the journal, which has a time of its own.
func timeless(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return redact(groups, a)
}
