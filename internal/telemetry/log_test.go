package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/telemetry"
)

// The canaries: no log line may hold a piece of one.
const (
	jwt    = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJleHAiOjF9.c2lnbmF0dXJlLWNhbmFyeS1jYW5hcnktY2FuYXJ5LTAx"
	spaced = "eyAiYWxnIjoibm9uZSJ9.eyJzdWIiOiJjYW5hcnkifQ."
	alien  = "QUJDREVGR0g.canaryPayload.c2lnbmF0dXJlLWNhbmFyeS1jYW5hcnktY2FuYXJ5LTAxMjM"
	phc    = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdC1jYW5hcnk$aGFzaC1jYW5hcnk"
	bcrypt = "$2a$10$canaryN9qo8uLOickgx2ZMRZoMye"
	legacy = "sha256$canarysalt$9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	plain  = "canary-correct-horse"
)

var pieces = []string{"eyJ", "eyA", "canary", "Y2FuYXJ5", "argon2", "9f86d081"}

func logLine(t *testing.T, o telemetry.LogOptions, say func(l *slog.Logger)) string {
	t.Helper()
	var b bytes.Buffer
	say(telemetry.NewLogger(&b, o))
	return b.String()
}

type unprintable struct{}

func (*unprintable) Error() string { panic("nobody wrote me down") }

type secretive struct{}

func (secretive) LogValue() slog.Value { return slog.StringValue("bearer " + jwt) }

func TestRedaction(t *testing.T) {
	type profile struct {
		Name     string
		Password string `json:"password"`
		Note     *string
	}
	note := "see " + phc
	tests := []struct {
		name string
		say  func(l *slog.Logger)
	}{
		{"bad token in the message", func(l *slog.Logger) { l.Info("refused " + jwt + ", again") }},
		{"bad token in a value", func(l *slog.Logger) { l.Info("x", "detail", "got "+jwt) }},
		{"bad unsigned token", func(l *slog.Logger) { l.Info("x", "detail", spaced) }},
		{"bad token with another header", func(l *slog.Logger) { l.Info("x", "detail", "("+alien+")") }},
		{"bad token cut short", func(l *slog.Logger) { l.Info("x", "detail", jwt[:60]) }},
		{"bad token in a URL", func(l *slog.Logger) { l.Info("x", "url", "ws://h/ws?access_token="+jwt+"&room=a") }},
		{"bad token in the protocol header", func(l *slog.Logger) { l.Info("x", "header", "bearer,"+jwt) }},
		{"bad token in an error", func(l *slog.Logger) { l.Info("x", "error", fmt.Errorf("parse: %w", errors.New(jwt))) }},
		{"bad token in a list", func(l *slog.Logger) { l.Info("x", "list", []string{"a", jwt}) }},
		{"bad token in a map", func(l *slog.Logger) { l.Info("x", "map", map[string][]string{"Sec": {jwt}}) }},
		{"bad token as a map's key", func(l *slog.Logger) { l.Info("x", "map", map[string]int{jwt: 1}) }},
		{"bad token from a LogValuer", func(l *slog.Logger) { l.Info("x", "lazy", secretive{}) }},
		{"bad token in a group", func(l *slog.Logger) { l.Info("x", slog.Group("a", slog.Group("b", "c", jwt))) }},
		{"bad token in an open group", func(l *slog.Logger) { l.WithGroup("a").With("b", jwt).Info("x") }},
		{"bad bytes", func(l *slog.Logger) { l.Info("x", "raw", []byte(plain)) }},
		{"bad password hash", func(l *slog.Logger) { l.Error("stored "+phc, "also", bcrypt, "and", legacy) }},
		{"bad key password", func(l *slog.Logger) { l.Info("x", "password", plain) }},
		{"bad key new_password", func(l *slog.Logger) { l.With("new_password", plain).Info("x") }},
		{"bad key Authorization", func(l *slog.Logger) { l.Info("x", "Authorization", "Bearer "+plain) }},
		{"bad key access_token", func(l *slog.Logger) { l.Info("x", "access_token", plain) }},
		{"bad key device_key", func(l *slog.Logger) { l.Info("x", "device_key", plain) }},
		{"bad key jwt-secret", func(l *slog.Logger) { l.Info("x", "jwt-secret", []string{plain}) }},
		{"bad key of a group", func(l *slog.Logger) { l.Info("x", slog.Group("secret", "a", plain)) }},
		{"bad key inside a struct", func(l *slog.Logger) { l.Info("x", "body", profile{"bob", plain, &note}) }},
		{"bad key inside nested maps", func(l *slog.Logger) {
			l.Info("x", "body", map[string]any{"a": []any{map[string]any{"refresh_token": plain}}})
		}},
		{"bad value that cannot be printed", func(l *slog.Logger) { l.Info("x", "error", (*unprintable)(nil)) }},
		{"bad value that has no JSON", func(l *slog.Logger) { l.Info("x", "body", struct{ C chan int }{}) }},
	}
	for _, tt := range tests {
		for _, format := range []string{"json", "text"} {
			t.Run(tt.name+" "+format, func(t *testing.T) {
				got := logLine(t, telemetry.LogOptions{Format: format}, tt.say)
				if strings.Count(got, "\n") != 1 || !strings.Contains(got, "[") {
					t.Errorf("want one line that says what is left out, got %q", got)
				}
				for _, p := range pieces {
					if strings.Contains(got, p) {
						t.Errorf("%q is in the log: %s", p, got)
					}
				}
			})
		}
	}
}

func TestHarmlessStays(t *testing.T) {
	room := "site-1.building-2.temperature-sensor-0123456789"
	body := map[string]any{"n": int64(12345678901234567)}
	got := logLine(t, telemetry.LogOptions{Format: "json"}, func(l *slog.Logger) {
		l.Info("costs $5 and $6. Done.", telemetry.KeyEvent, "token_refused", telemetry.KeyRoom, room, telemetry.KeyUser, "bob@example.com",
			telemetry.KeyIP, netip.MustParseAddr("192.168.1.20"), telemetry.KeyReason, "expired", telemetry.KeyCode, 4001,
			"jwt_secret_file", "/run/credentials/edgegw/jwt", "monkey", "banana", "took", 3*time.Second, "body", body)
	})
	var line map[string]any
	if err := json.Unmarshal([]byte(got), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"msg": "costs $5 and $6. Done.", "level": "INFO", "event": "token_refused", "room": room, "user": "bob@example.com",
		"ip": "192.168.1.20", "reason": "expired", "code": 4001.0, "jwt_secret_file": "/run/credentials/edgegw/jwt", "monkey": "banana",
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, line["time"].(string)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(got, `"body":{"n":12345678901234567}`) {
		t.Errorf("a number was rounded: %s", got)
	}
	if body["n"] != int64(12345678901234567) {
		t.Error("the caller's map was changed")
	}
}

func TestLevelAndText(t *testing.T) {
	got := logLine(t, telemetry.LogOptions{Format: "text", Level: slog.LevelWarn}, func(l *slog.Logger) {
		l.Info("hidden")
		l.Warn("shown", "room", "lobby")
	})
	if strings.Contains(got, "hidden") || !strings.Contains(got, `level=WARN msg=shown room=lobby`) {
		t.Errorf("got %q", got)
	}
}

// at logs one line of an event at a given time.
func at(l *slog.Logger, when time.Time, event string) {
	r := slog.NewRecord(when, slog.LevelWarn, "refused", 0)
	r.AddAttrs(slog.String("event", event))
	_ = l.Handler().Handle(context.Background(), r)
}

func TestLimit(t *testing.T) {
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	o := telemetry.LogOptions{Format: "json", Limited: []string{"token_refused", "login_failed"}, PerSecond: 3}
	tests := []struct {
		name    string
		say     func(l *slog.Logger)
		lines   int
		summary []string
	}{
		{"ok below the limit", func(l *slog.Logger) {
			for range 3 {
				at(l, start, "token_refused")
			}
		}, 3, nil},
		{"ok other events are not limited", func(l *slog.Logger) {
			for range 50 {
				at(l, start, "started")
			}
		}, 50, nil},
		{"ok each event has its own limit", func(l *slog.Logger) {
			for range 3 {
				at(l, start, "token_refused")
				at(l, start, "login_failed")
			}
		}, 6, nil},
		{"bad flood, summary with the next line of the event", func(l *slog.Logger) {
			for range 100 {
				at(l, start, "token_refused")
			}
			at(l, start.Add(time.Second), "token_refused")
		}, 5, []string{`"event":"token_refused","left_out":97`}},
		{"bad flood, summary with another line", func(l *slog.Logger) {
			for range 10 {
				at(l, start, "token_refused")
			}
			at(l, start.Add(time.Second), "stopped")
			at(l, start.Add(time.Second), "stopped")
		}, 6, []string{`"left_out":7`}},
		{"bad flood, summary by Flush", func(l *slog.Logger) {
			for range 10 {
				at(l, start, "token_refused")
			}
			telemetry.Flush(l, start.Add(999*time.Millisecond))
			at(l, start.Add(999*time.Millisecond), "token_refused")
			telemetry.Flush(l, start.Add(time.Second))
			telemetry.Flush(l, start.Add(2*time.Second))
		}, 4, []string{`"left_out":8`}},
		{"bad flood over two seconds", func(l *slog.Logger) {
			for i := range 2 {
				for range 10 {
					at(l, start.Add(time.Duration(i)*time.Second), "token_refused")
				}
			}
			telemetry.Flush(l, start.Add(time.Minute))
		}, 8, []string{`"left_out":7`, `"left_out":7`}},
		{"bad clock set back", func(l *slog.Logger) {
			for range 5 {
				at(l, start, "token_refused")
			}
			at(l, start.Add(-time.Hour), "token_refused")
		}, 5, []string{`"left_out":2`}},
		{"bad flood through derived loggers", func(l *slog.Logger) {
			a, b := l.With("event", "login_failed"), l.With("ip", "::1").WithGroup("g")
			for range 5 {
				_ = a.Handler().Handle(context.Background(), slog.NewRecord(start, slog.LevelInfo, "refused", 0))
				at(b, start, "login_failed")
			}
			telemetry.Flush(l, start.Add(time.Minute))
		}, 4, []string{`"left_out":7`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := logLine(t, o, tt.say)
			if n := strings.Count(got, "\n"); n != tt.lines {
				t.Errorf("%d lines, want %d:\n%s", n, tt.lines, got)
			}
			if n := strings.Count(got, "left_out"); n != len(tt.summary) {
				t.Errorf("%d summaries, want %d:\n%s", n, len(tt.summary), got)
			}
			for _, s := range tt.summary {
				if !strings.Contains(got, s) {
					t.Errorf("no summary %s in:\n%s", s, got)
				}
			}
		})
	}
}

// TestLimitCountsAll has many goroutines flood: what is written and what is
// summarised add up to what was logged.
func TestLimitCountsAll(t *testing.T) {
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	l := telemetry.NewLogger(&b, telemetry.LogOptions{Limited: []string{"e"}, PerSecond: 2})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				at(l, start.Add(time.Duration(i)*10*time.Millisecond), "e")
			}
		})
	}
	wg.Wait()
	telemetry.Flush(l, start.Add(time.Hour))
	total := 0
	for line := range strings.Lines(b.String()) {
		var r struct {
			Left int `json:"left_out"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		total += max(1, r.Left)
	}
	if total != 4000 {
		t.Errorf("%d of 4000 lines accounted for", total)
	}
}

func TestLineWriter(t *testing.T) {
	var b bytes.Buffer
	l := telemetry.NewLogger(&b, telemetry.LogOptions{Format: "json"})
	std := log.New(telemetry.NewLineWriter(l, slog.LevelWarn, "http_server"), "", 0)
	std.Println("http: TLS handshake error\nfrom " + strings.Repeat("x", 980) + " " + jwt + " " + strings.Repeat("y", 5000))
	std.Println("  ")
	got := b.String()
	if strings.Count(got, "\n") != 1 || len(got) > 1300 {
		t.Fatalf("want one short line, got %d bytes: %.200q", len(got), got)
	}
	if !strings.Contains(got, `"level":"WARN"`) || !strings.Contains(got, `"event":"http_server"`) ||
		!strings.Contains(got, `"msg":"http: TLS handshake error\nfrom xxx`) || strings.Contains(got, "eyJ") {
		t.Errorf("got %q", got)
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("a ", " b")
	f.Add("x.", ".y")
	f.Add("$", "=")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := logLine(t, telemetry.LogOptions{}, func(l *slog.Logger) { l.Info(before + jwt + " " + phc + after) })
		if strings.Contains(got, jwt[40:]) || strings.Contains(got, phc[20:]) {
			t.Errorf("the secret shows: %q", got)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %q", got)
		}
	})
}

// BenchmarkLine is what a line costs that strangers can cause.
func BenchmarkLine(b *testing.B) {
	l := telemetry.NewLogger(io.Discard, telemetry.LogOptions{Format: "json"})
	b.ReportAllocs()
	for b.Loop() {
		l.Info("a connection was refused because its token has expired, which the client can mend", "event", "ws_refused", "user", "sensor-7f3b4a51",
			"room", "site-1.building-2.temperature-sensor-0123456789", "ip", "192.168.1.20", "request_id", "00f1e2d3c4b5a697", "reason", "token_expired")
	}
}
