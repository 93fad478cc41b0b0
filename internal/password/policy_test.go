package password_test

import (
	"runtime"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

func TestPolicy(t *testing.T) {
	tests := []struct {
		name      string
		minLength int
		password  string
		account   string
		says      string // a word of the message that tells the reason
	}{
		{"ok fifteen", 0, "five green boat", "ada", ""},
		{"ok fifteen code points of four bytes", 0, "😀🚀🐙🌵🍉🎈🐢🦀🌋🧲🍄🪁🛶🎲🔭", "ada", ""},
		{"ok longest", 0, strings.Repeat("Straßenbahn und ", 15) + "sechzehn Zeichen", "ada", ""},
		{"ok spaces at the ends count", 0, "  green boats  ", "ada", ""},
		{"ok configured eight", 8, "grnboats", "ada", ""},
		{"ok holds the name", 0, "ada and a horse called Bob", "ada", ""},
		{"ok holds a common one", 0, "password of the boat", "ada", ""},
		{"ok a long piece again", 0, "green boats green boats", "ada", ""},
		{"ok one digit behind a row of letters and words", 0, "abcdef and then ghijkl 9", "ada", ""},
		{"ok no rule asks for digits", 0, "greenboatsgosouth", "ada", ""},

		{"bad fourteen", 0, "green boat sea", "ada", "15 characters"},
		{"bad empty", 0, "", "ada", "15 characters"},
		{"bad configured below eight", 3, "grnboat", "ada", "8 characters"},
		{"bad decomposed letters count once", 0, "gre\u0301en boat se\u0301a", "ada", "15 characters"},
		{"bad too many code points", 0, strings.Repeat("é", 257), "ada", "too long"},
		{"bad too many after NFKC", 0, strings.Repeat("\ufdfa", 20), "ada", "too long"},
		{"bad too many bytes", 0, strings.Repeat("a", 4<<10+1), "ada", "too long"},
		{"bad invalid UTF-8", 0, "abcdefghijklmno\xff", "ada", "UTF-8"},
		{"bad NUL", 0, "abcdefgh\x00ijklmno", "ada", "NUL"},

		{"bad common", 8, "password", "ada", "commonest"},
		{"bad common and long", 0, "polniypizdec0211", "ada", "commonest"},
		{"bad common in other case", 8, "TrustNo1", "ada", "commonest"},
		{"bad common in full width letters", 8, "ｐａｓｓｗｏｒｄ", "ada", "commonest"},
		{"bad common with the Kelvin sign", 8, "mar\u212a1234", "ada", "commonest"},
		{"bad own name", 0, "Pump-Station-North", "pump-station-north", "own name"},
		{"bad own name in full width letters", 0, "ｐump-station-north", "pump-station-north", "own name"},
		{"bad own name repeated", 0, "grace.hopperGrace.Hopper", "grace.hopper", "repeats"},
		{"bad site", 0, "North Pump Station", "ada", "name of the site"},
		{"bad site repeated", 0, "North Pump StationNorth Pump Station", "ada", "repeats"},

		{"bad one character", 0, strings.Repeat("a", 15), "ada", "repeats"},
		{"bad one emoji", 0, strings.Repeat("😀", 15), "ada", "repeats"},
		{"bad four characters", 0, "x9k2x9k2x9k2x9k2", "ada", "repeats"},
		{"bad four characters cut short", 0, "x9k2x9k2x9k2x9k", "ada", "repeats"},
		{"bad short word", 0, "edgegwEDGEGWedgegw", "ada", "repeats"},
		{"bad common word twice", 0, "steelersSteelers", "ada", "repeats"},
		{"bad common word three times, cut short", 0, "passwordpasswordpass", "ada", "repeats"},

		{"bad digits", 0, "123456789012345", "ada", "row"},
		{"bad digits back", 0, "543210987654321", "ada", "row"},
		{"bad letters", 0, "abcdefghijklmnop", "ada", "row"},
		{"bad letters and a digit", 0, "ABCDEFGHIJKLMNOP1", "ada", "row"},
		{"bad keys", 0, "qwertyuiopasdfghjkl", "ada", "row"},
		{"bad keys of a German keyboard", 0, "qwertzuiopasdfg", "ada", "row"},
		{"bad keys of a French keyboard", 0, "azertyuiopqsdfg", "ada", "row"},
		{"bad columns of keys", 0, "1qaz2wsx3edc4rfv5tgb", "ada", "row"},
		{"bad zigzag", 0, "1q2w3e4r5t6y7u8i9o", "ada", "row"},
		{"bad pieces of rows", 0, "1234qwerasdfzxcv1", "ada", "row"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := password.Policy{MinLength: tt.minLength, Site: "North Pump Station"}.Check(tt.password, tt.account)
			if strings.HasPrefix(tt.name, "ok ") {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			if gateway.CodeOf(err) != gateway.CodeWeakPassword || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Check: %v; want it to say %q", err, tt.says)
			}
		})
	}
}

// No message shows the password.
func TestPolicyDoesNotQuote(t *testing.T) {
	for _, pw := range []string{"canary-password-kitchen\x00", "Pump-Canary-North", "canarycanarycanary", "trustno1"} {
		if err := (password.Policy{MinLength: 8}).Check(pw, "pump-canary-north"); err == nil || strings.Contains(strings.ToLower(err.Error()), strings.ToLower(pw[:6])) {
			t.Errorf("%q: %v", pw, err)
		}
	}
}

func BenchmarkPolicy(b *testing.B) {
	for name, pw := range map[string]string{"common": "password", "good": "five green boats in a hurry", "worst": strings.Repeat("ab c", 63) + "x"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = password.Policy{MinLength: 8}.Check(pw, "ada")
			}
		})
	}
}

// A huge password is turned away before anything is done with it.
func TestHugePasswordCostsNothing(t *testing.T) {
	huge := strings.Repeat("e\u0301", 4<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := password.Policy{}.Check(huge, "ada")
	runtime.ReadMemStats(&after)
	if gateway.CodeOf(err) != gateway.CodeWeakPassword {
		t.Errorf("Check: %v", err)
	}
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<10 {
		t.Errorf("%d bytes were spent on it", spent)
	}
}
