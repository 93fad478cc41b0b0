package password

import (
	"strings"
	"testing"
)

// reference is from the test suite of the reference implementation: "password"
// with the salt "somesalt".
const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestParsePHC(t *testing.T) {
	const salt, hash = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	with := func(params string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + hash }
	tests := []struct {
		name, in string
	}{
		{"ok reference", reference},
		{"ok least", with("m=7168,t=1,p=1")},
		{"ok most", with("m=65536,t=10,p=4")},
		{"bad empty", ""},
		{"bad memory too small", with("m=7167,t=2,p=1")},
		{"bad memory too large", with("m=65537,t=2,p=1")},
		{"bad memory huge", with("m=4294967295,t=2,p=1")},
		{"bad memory beyond 32 bits", with("m=4294974464,t=2,p=1")},
		{"bad time zero", with("m=8192,t=0,p=1")},
		{"bad time too large", with("m=8192,t=11,p=1")},
		{"bad threads zero", with("m=8192,t=2,p=0")},
		{"bad threads too many", with("m=8192,t=2,p=5")},
		{"bad threads beyond 8 bits", with("m=8192,t=2,p=257")},
		{"bad leading zero", with("m=08192,t=2,p=1")},
		{"bad plus sign", with("m=+8192,t=2,p=1")},
		{"bad minus sign", with("m=8192,t=-2,p=1")},
		{"bad space", with("m=8192, t=2,p=1")},
		{"bad order", with("t=2,m=8192,p=1")},
		{"bad missing parameter", with("m=8192,t=2")},
		{"bad extra parameter", with("m=8192,t=2,p=1,keyid=x")},
		{"bad doubled parameter", with("m=8192,m=8192,p=1")},
		{"bad empty parameter", with("m=8192,t=,p=1")},
		{"bad argon2i", strings.Replace(reference, "argon2id", "argon2i", 1)},
		{"bad upper case", strings.Replace(reference, "argon2id", "Argon2id", 1)},
		{"bad version", strings.Replace(reference, "v=19", "v=16", 1)},
		{"bad no version", strings.Replace(reference, "$v=19", "", 1)},
		{"bad no hash", strings.TrimSuffix(reference, "$"+hash)},
		{"bad extra field", reference + "$"},
		{"bad short salt", strings.Replace(reference, salt, "c29tZXNhbA", 1)},
		{"bad long salt", strings.Replace(reference, salt, strings.Repeat("A", 87), 1)},
		{"bad short hash", strings.Replace(reference, hash, strings.Repeat("A", 20), 1)},
		{"bad long hash", strings.Replace(reference, hash, strings.Repeat("A", 87), 1)},
		{"bad padded salt", strings.Replace(reference, salt, salt+"=", 1)},
		{"bad trailing bits in the hash", strings.TrimSuffix(reference, "c") + "d"},
		{"bad URL alphabet", strings.Replace(reference, "CTFh", "CT_h", 1)},
		{"bad line break in the salt", strings.Replace(reference, salt, "c29t\nZXNhbHQ", 1)},
		{"bad trailing line break", reference + "\n"},
		{"bad too long", with("m=8192,t=2,p=1" + strings.Repeat(" ", MaxPHCBytes))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := parsePHC(tt.in)
			if good := strings.HasPrefix(tt.name, "ok "); good != (err == nil) {
				t.Fatalf("parsePHC(%q): %v", tt.in, err)
			}
			if err == nil && h.String() != tt.in {
				t.Errorf("parsePHC(%q) is written back as %q", tt.in, h)
			}
		})
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(reference)
	f.Add(strings.Replace(reference, "m=65536", "m=065536", 1))
	f.Add("$argon2id$v=19$m=7168,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Errorf("%q is accepted and written back as %q", s, h)
		}
		if err := h.params.Check(); err != nil {
			t.Errorf("%q is accepted: %v", s, err)
		}
		if len(s) > MaxPHCBytes || len(h.salt) < minSaltBytes || len(h.hash) < minHashBytes {
			t.Errorf("%q is accepted beyond the limits", s)
		}
	})
}
