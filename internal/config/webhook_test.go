package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/config"
)

// TestWebhookIsHidden: the path and the query of a webhook are often its only
// secret, so that nothing that prints a configuration may print them.
func TestWebhookIsHidden(t *testing.T) {
	tests := []struct {
		name, url, shown string
		hidden           bool
	}{
		{"ok none", "", `""`, false},
		{"ok only a host", "http://relay:9000", `"http://relay:9000"`, false},
		{"ok only a host and a slash", "https://relay/", `"https://relay/"`, false},
		{"ok IPv6", "http://[::1]:9000/canary", `"http://[::1]:9000/…"`, true},
		{"ok path", "https://hooks.example.com/services/T0/canary", `"https://hooks.example.com/…"`, true},
		{"ok query", "https://a?canary=1", `"https://a/…"`, true},
		{"ok odd letters", `https://a/"canary\`, `"https://a/…"`, true},
		{"ok name in another alphabet", "https://bücher.example/canary", `"https://bücher.example/…"`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, config.Sources{File: write(t, "site = 'x'\nreset_webhook = '"+tt.url+"'\n")})
			if c.ResetWebhook != tt.url {
				t.Fatalf("got %q, want all of it", c.ResetWebhook)
			}
			i := slices.IndexFunc(c.Settings(), func(s config.Setting) bool { return s.Name == "reset_webhook" })
			if s := c.Settings()[i]; s.Value != tt.shown || s.Hidden != tt.hidden {
				t.Errorf("shown as %s (hidden: %v), want %s", s.Value, s.Hidden, tt.shown)
			}
			var b strings.Builder
			if err := c.Write(&b); err != nil {
				t.Fatal(err)
			}
			if all := b.String() + fmt.Sprintf("%+v", c.Settings()); strings.Contains(all, "canary") {
				t.Errorf("the secret shows: %s", all)
			}
			if got := strings.Contains(b.String(), "\n#reset_webhook = "+tt.shown+" # file "); got != tt.hidden {
				t.Errorf("is a comment: %v, want %v:\n%s", got, tt.hidden, b.String())
			}
			var given strings.Builder
			if err := c.WriteGiven(&given); err != nil {
				t.Fatal(err)
			}
			if got := load(t, config.Sources{File: write(t, given.String())}); got.ResetWebhook != tt.url {
				t.Error("what a backup takes along is not all of it")
			}
			again := load(t, config.Sources{File: write(t, b.String())})
			if tt.hidden && again.ResetWebhook != "" {
				t.Errorf("its own output loads as %q", again.ResetWebhook)
			}
		})
	}
}
