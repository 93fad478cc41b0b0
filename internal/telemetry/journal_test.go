package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/telemetry"
)

// sayAll writes a line of each level.
func sayAll(l *slog.Logger) {
	l.Debug("d", "event", "x")
	l.Info("two\nlines", "time", "noon")
	l.Warn("w", slog.Group("g", slog.String("time", "late"), slog.String("token", plain)))
	l.Error("e")
}

func TestJournalLines(t *testing.T) {
	o := telemetry.LogOptions{Format: "text", Level: slog.LevelDebug, Journal: true}
	want := "<7>level=DEBUG msg=d event=x\n" + `<6>level=INFO msg="two\nlines"` + "\n" +
		"<4>level=WARN msg=w g.time=late g.token=[redacted]\n" + "<3>level=ERROR msg=e\n"
	if got := logLine(t, o, sayAll); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	o.Format = "json"
	for line := range strings.Lines(logLine(t, o, sayAll)) {
		if !strings.HasPrefix(line, `{"time":"`) {
			t.Errorf("JSON lines have to stay as they are: %s", line)
		}
	}
	o.Format, o.Journal = "text", false
	if got := logLine(t, o, sayAll); !strings.HasPrefix(got, "time=") {
		t.Errorf("elsewhere a line begins with its time: %s", got)
	}
}

// TestJournalSummary: the line about lines that were left out has a priority, too.
func TestJournalSummary(t *testing.T) {
	var b bytes.Buffer
	l := telemetry.NewLogger(&b, telemetry.LogOptions{Format: "text", Journal: true, Level: slog.LevelInfo, Limited: []string{"login"}, PerSecond: 1})
	for range 3 {
		l.Warn("refused", "event", "login")
	}
	telemetry.Flush(l, time.Now().Add(time.Minute))
	if got := b.String(); strings.Count(got, "\n") != strings.Count(got, "<4>level=WARN") || !strings.Contains(got, "left_out=2") {
		t.Errorf("got %s", got)
	}
}

func TestJournalReportsTheWriter(t *testing.T) {
	l := telemetry.NewLogger(failing{errors.New("full")}, telemetry.LogOptions{Format: "text", Journal: true, Level: slog.LevelInfo})
	if err := l.Handler().Handle(t.Context(), slog.Record{Message: "x"}); err == nil {
		t.Error("the writer's error got lost")
	}
}

func TestLevelCanChange(t *testing.T) {
	var level slog.LevelVar
	var b bytes.Buffer
	l := telemetry.NewLogger(&b, telemetry.LogOptions{Format: "text", Level: &level})
	l.Debug("before")
	level.Set(slog.LevelDebug)
	l.Debug("behind")
	if got := b.String(); strings.Contains(got, "before") || !strings.Contains(got, "behind") {
		t.Errorf("got %s", got)
	}
}

func TestIsJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	right := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for stream, want := range map[string]bool{
		right: true, "": false, right + "0": false, fmt.Sprintf("%d:%d", st.Ino, st.Dev): false, "journal": false,
	} {
		if got := telemetry.IsJournal(stream, f); got != want {
			t.Errorf("%q: %v, want %v", stream, got, want)
		}
	}
	if telemetry.IsJournal(right, &bytes.Buffer{}) {
		t.Error("a buffer is no stream")
	}
}
