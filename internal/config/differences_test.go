package config_test

import (
	"strings"
	"testing"

	"edgegw/internal/config"
)

func TestDifferences(t *testing.T) {
	base := "site = 'x'\nreset_webhook = 'https://relay/one'\nallowed_origins = ['https://a']\n[[rooms]]\nmatch = 'a*'\n"
	before := load(t, config.Sources{File: write(t, base)})
	tests := []struct{ name, old, new, want string }{
		{"ok nothing", "", "", ""},
		{"ok a text", "'x'", "'y'", "site"},
		{"ok what is not shown", "relay/one", "relay/two", "reset_webhook"},
		{"ok a list", "['https://a']", "['https://a', 'https://b']", "allowed_origins"},
		{"ok a default", "site =", "message_rate = 5\nsite =", "message_rate"},
		{"ok two and in order", "site = 'x'", "log_level = 'warn'\nlisten = ':1'", "site listen log_level"},
		{"ok a room's setting", "'a*'\n", "'a*'\nmax_messages = 5\n", "rooms"},
		{"ok a room more", "[[rooms]]", "[[rooms]]\nmatch = 'b'\n[[rooms]]", "rooms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := load(t, config.Sources{File: write(t, strings.Replace(base, tt.old, tt.new, 1))})
			if got := strings.Join(before.Differences(after), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := strings.Join(after.Differences(before), " "); got != tt.want {
				t.Errorf("the other way round %q, want %q", got, tt.want)
			}
		})
	}
	fromFlags := load(t, config.Sources{File: write(t, base), Flags: map[string]string{"site": "x"}})
	if got := before.Differences(fromFlags); len(got) > 0 {
		t.Errorf("the same value from elsewhere makes a difference: %v", got)
	}
}
