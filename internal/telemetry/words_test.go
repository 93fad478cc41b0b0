package telemetry_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"edgegw/internal/telemetry"
)

// Secrets that nothing marks as such.
const (
	deviceKey = "q7Zr3dKx0VnB5tYw8LmC-1hJf_sGa6EuPo2iNvQyT4k"
	refresh   = "AQtzZW5zb3ItMDAxMYkw9f3aTq7Zr3dKx0VnBAAAAAAAAAAHt5Yw8LmC1hJfsGa6EuPo2iNvQyT4kXr0Zb9cWd"
	digest    = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
)

// logged gives a value as it comes out of the log, and the message it went with.
func logged(t *testing.T, text string) (msg, value string) {
	t.Helper()
	got := logLine(t, telemetry.LogOptions{Format: "json"}, func(l *slog.Logger) { l.Info(text, "detail", text) })
	var line struct{ Msg, Detail string }
	if err := json.Unmarshal([]byte(got), &line); err != nil {
		t.Fatal(err)
	}
	return line.Msg, line.Detail
}

func TestBareSecrets(t *testing.T) {
	const gone = telemetry.Redacted
	tests := []struct{ name, text, want string }{
		{"bad key alone", deviceKey, gone},
		{"bad key in a sentence", "refused " + deviceKey + ". Again.", "refused " + gone + ". Again."},
		{"bad key at the end of a sentence", "refused " + deviceKey + ".", "refused " + gone + "."},
		{"bad key in quotes", `parse "` + deviceKey + `"`, `parse "` + gone + `"`},
		{"bad key in a query", "GET /auth?key=" + deviceKey + "&room=a", "GET /auth?key=" + gone + "&room=a"},
		{"bad code in a fragment", "http://gateway/#" + deviceKey, "http://gateway/#" + gone},
		{"bad key in JSON", `{"k":"` + deviceKey + `"}`, `{"k":"` + gone + `"}`},
		{"bad keys on several lines", deviceKey + "\n" + deviceKey, gone + "\n" + gone},
		{"bad two keys", "a " + deviceKey + "," + deviceKey + " b", "a " + gone + "," + gone + " b"},
		{"bad refresh token", "spent " + refresh + " came back", "spent " + gone + " came back"},
		{"bad raw SHA-256", "line 5: " + digest, "line 5: " + gone},
		{"bad raw SHA-256 in capitals", "line 5: " + strings.ToUpper(digest), "line 5: " + gone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if msg, value := logged(t, tt.text); msg != tt.want || value != tt.want {
				t.Errorf("got %q and %q, want %q", msg, value, tt.want)
			}
		})
	}
}

// TestNamesStay: what people, and the programs of people, call things.
func TestNamesStay(t *testing.T) {
	for _, text := range []string{
		"session 9HqfYx2LwT0cVbR5nKdZsA of sensor-0011 ended, request 00f1e2d3c4b5a697",
		"sensor-1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11",
		"Sensor-1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11-north",
		"1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11_1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b12",
		"Building-12-North-Wing-Temperature-Sensor-0123456789-A",
		"site1-building2-floor3-room4-sensor5-channel6-temperature",
		"EDGEGW_MAX_CONNECTIONS_PER_ACCOUNT_AND_A_LONG_ENVIRONMENT_VARIABLE",
		"--------------------------------------------------------------",
		"commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
		"open /var/lib/docker/overlay2/" + digest + "/merged: no such file or directory",
		"open /srv/" + deviceKey + ".db: permission denied",
		"https://gateway.example/static/" + deviceKey + ", loaded",
		"https://" + deviceKey + ".example.com",
		"edgegw/internal/wsedge.(*Conn).ReadLoopThatHasQuiteALongNameForAFunctionOfThisHouse(0xc000123400)",
	} {
		if msg, value := logged(t, text); msg != text || value != text {
			t.Errorf("got %q and %q, want %q", msg, value, text)
		}
	}
}

// TestKeysOfAttributes are those that log lines of accounts have.
func TestKeysOfAttributes(t *testing.T) {
	const value = "0123456789abcdef"
	for _, key := range []string{"session", "device", "kid", "event", "actor", "subject", "count", "result", "legacy_hashes", "host", "status", "tries"} {
		if got := logLine(t, telemetry.LogOptions{}, func(l *slog.Logger) { l.Info("x", key, value) }); !strings.Contains(got, value) {
			t.Errorf("%s is taken for a secret: %s", key, got)
		}
	}
	for _, key := range []string{"reset_token", "refresh_token", "device_key", "refresh", "key", "password_hash", "cookie"} {
		if got := logLine(t, telemetry.LogOptions{}, func(l *slog.Logger) { l.Info("x", key, deviceKey) }); strings.Contains(got, deviceKey) {
			t.Errorf("%s shows: %s", key, got)
		}
	}
}

// TestDrawnWords draws secrets of every kind. Four in a million of the shortest
// look like names, so that of this many one may come through.
func TestDrawnWords(t *testing.T) {
	missed := 0
	for i := range 20_000 {
		raw := make([]byte, 32+i%40)
		rand.Read(raw)
		word := base64.RawURLEncoding.EncodeToString(raw)
		if i%10 == 0 {
			word = hex.EncodeToString(raw)
		}
		if _, value := logged(t, word); value != telemetry.Redacted {
			t.Logf("missed: %s", word)
			missed++
		}
	}
	if missed > 1 {
		t.Errorf("%d of 20000 secrets came through", missed)
	}
}

// TestWordsInErrors: errors wrap what was sent.
func TestWordsInErrors(t *testing.T) {
	got := logLine(t, telemetry.LogOptions{}, func(l *slog.Logger) {
		l.Info("x", "error", errors.New("no such device: "+deviceKey), "list", []string{refresh}, slog.Group("a", "b", digest))
	})
	for _, secret := range []string{deviceKey, refresh, digest} {
		if strings.Contains(got, secret) {
			t.Errorf("%s shows: %s", secret, got)
		}
	}
}

// FuzzWords puts a key between any two texts that do not touch it.
func FuzzWords(f *testing.F) {
	f.Add("", "")
	f.Add("a/", "/b")
	f.Add(strings.Repeat("x", 42), strings.Repeat("-", 43))
	f.Add(deviceKey+"/", "."+deviceKey)
	f.Fuzz(func(t *testing.T, before, after string) {
		_, got := logged(t, before+" "+deviceKey+" "+after)
		_, first := logged(t, before+" ")
		_, second := logged(t, " "+after)
		if !strings.Contains(got, " "+telemetry.Redacted+" ") {
			t.Errorf("the key shows: %q", got)
		}
		// JWTs and hashes apart, what is around it comes out as it does alone.
		if !strings.ContainsAny(before+after, "$.") && got != first+telemetry.Redacted+second {
			t.Errorf("got %q, want %q and %q around it", got, first, second)
		}
	})
}
