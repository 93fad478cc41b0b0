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
	}{
		{"ok fifteen", 0, "abcdefghijklmno", "ada"},
		{"ok fifteen code points of four bytes", 0, strings.Repeat("😀", 15), "ada"},
		{"ok longest", 0, strings.Repeat("é", 256), "ada"},
		{"ok spaces at the ends count", 0, "  abcdefghijk  ", "ada"},
		{"ok configured eight", 8, "abcdefgh", "ada"},
		{"ok holds the name", 0, "ada and a horse called Bob", "ada"},
		{"bad fourteen", 0, "abcdefghijklmn", "ada"},
		{"bad empty", 0, "", "ada"},
		{"bad configured below eight", 3, "abcdefg", "ada"},
		{"bad decomposed letters count once", 0, strings.Repeat("e\u0301", 14), "ada"},
		{"bad too many code points", 0, strings.Repeat("é", 257), "ada"},
		{"bad too many after NFKC", 0, strings.Repeat("\ufdfa", 20), "ada"},
		{"bad too many bytes", 0, strings.Repeat("a", 4<<10+1), "ada"},
		{"bad invalid UTF-8", 0, "abcdefghijklmno\xff", "ada"},
		{"bad NUL", 0, "abcdefgh\x00ijklmno", "ada"},
		{"bad own name", 0, "Pump-Station-North", "pump-station-north"},
		{"bad own name in full width letters", 0, "ｐump-station-north", "pump-station-north"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := password.Policy{MinLength: tt.minLength}.Check(tt.password, tt.account)
			want := gateway.CodeWeakPassword
			if strings.HasPrefix(tt.name, "ok ") {
				want = ""
			}
			if got := gateway.CodeOf(err); got != want {
				t.Errorf("Check: code %q, want %q (%v)", got, want, err)
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
