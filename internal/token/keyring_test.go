package token_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/token"
)

func TestSecretFile(t *testing.T) {
	tests := []struct {
		name, content, says string
	}{
		{"ok 32 bytes", "0123456789abcdef0123456789abcdef", ""},
		{"ok binary", "\x00\xff\x01\x80 binary, binary and binary \r\n\n.", ""},
		{"bad empty", "", "head -c 48 /dev/urandom"},
		{"bad 31 bytes", "0123456789abcdef0123456789abcde", "at least 32"},
		{"bad 31 bytes and a newline", "0123456789abcdef0123456789abcde\n", "at least 32"},
		{"bad one byte repeated", strings.Repeat("a", 64), "repeats"},
		{"bad zeros", strings.Repeat("\x00", 64), "repeats"},
		{"bad two bytes repeated", strings.Repeat("ab", 32), "repeats"},
		{"bad too long", strings.Repeat("0123456789", 500), "longer than"},
		{"bad far too long", strings.Repeat("0123456789", 20_000), "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := token.LoadSecretFile(path)
			if (err == nil) != (tt.says == "") {
				t.Fatalf("LoadSecretFile: %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path)) {
				t.Errorf("the error names neither file nor remedy: %v", err)
			}
		})
	}
	if _, err := token.LoadSecretFile(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestSecretFileLosesOneNewline(t *testing.T) {
	a := newAuthority(t, token.Options{Ring: secretRing(t, secret+"\n\n")})
	if _, err := a.Verify(sign(plainHeader, minimal, secret+"\n")); err != nil {
		t.Errorf("one trailing newline is not the file's: %v", err)
	}
	if _, err := a.Verify(sign(plainHeader, minimal, secret)); err == nil {
		t.Error("two newlines were taken off")
	}
}

func TestKeysFile(t *testing.T) {
	padded := base64.StdEncoding.EncodeToString([]byte(secret + "+"))
	key := func(value string) string { return `{"active":"a","keys":{"a":` + value + `}}` }
	tests := []struct {
		name, content string
	}{
		{"ok padded", key(`"` + padded + `"`)},
		{"ok unpadded", key(`"` + strings.TrimRight(padded, "=") + `"`)},
		{"ok spaced", " {\n \"keys\": {\"a\": \"" + padded + "\"},\n \"active\": \"a\" }\n"},
		{"bad empty", ""},
		{"bad list", "[]"},
		{"bad trailing data", key(`"`+padded+`"`) + "x"},
		{"bad unknown member", `{"active":"a","keys":{"a":"` + padded + `"},"alg":"HS256"}`},
		{"bad doubled member", `{"active":"a","active":"a","keys":{"a":"` + padded + `"}}`},
		{"bad doubled kid", `{"active":"a","keys":{"a":"` + padded + `","a":"` + padded + `"}}`},
		{"bad doubled kid, escaped", `{"active":"a","keys":{"a":"` + padded + `","\u0061":"` + padded + `"}}`},
		{"bad no active", `{"keys":{"a":"` + padded + `"}}`},
		{"bad no keys", `{"active":"a"}`},
		{"bad empty keys", `{"active":"a","keys":{}}`},
		{"bad active unknown", `{"active":"b","keys":{"a":"` + padded + `"}}`},
		{"bad active empty", `{"active":"","keys":{"a":"` + padded + `"}}`},
		{"bad active number", `{"active":1,"keys":{"1":"` + padded + `"}}`},
		{"bad kid empty", `{"active":"","keys":{"":"` + padded + `"}}`},
		{"bad kid with a space", `{"active":"a b","keys":{"a b":"` + padded + `"}}`},
		{"bad kid too long", `{"active":"a","keys":{"a":"` + padded + `","` + strings.Repeat("k", 65) + `":"` + padded + `"}}`},
		{"bad keys list", `{"active":"a","keys":["` + padded + `"]}`},
		{"bad secret number", key("1")},
		{"bad secret null", key("null")},
		{"bad secret short", key(`"` + base64.StdEncoding.EncodeToString([]byte("short")) + `"`)},
		{"bad secret repeated", key(`"` + strings.Repeat("A", 64) + `"`)},
		{"bad secret not base64", key(`"` + strings.Repeat("secret! ", 8) + `"`)},
		{"bad secret too much padding", key(`"` + padded + `="`)},
		{"bad secret with a line break", key(`"` + padded[:20] + `\n` + padded[20:] + `"`)},
		{"bad secret in the URL alphabet", key(`"__` + padded[2:] + `"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := token.LoadKeysFile(path)
			if good := strings.HasPrefix(tt.name, "ok "); good != (err == nil) {
				t.Fatalf("LoadKeysFile: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), padded[:16]) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestKeysAreBounded(t *testing.T) {
	var list []string
	for i := range token.MaxKeys + 1 {
		list = append(list, `"`+string(rune('a'+i))+`":"`+base64.StdEncoding.EncodeToString([]byte(secret))+`"`)
	}
	if _, err := token.NewKeysRing([]byte(`{"active":"a","keys":{` + strings.Join(list[1:], ",") + `,` + list[0] + `}}`)); err == nil {
		t.Errorf("%d keys are accepted", len(list))
	}
}

func TestEnsureSecretFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "jwt.secret")
	created, err := token.EnsureSecretFile(path)
	if !created || err != nil {
		t.Fatalf("EnsureSecretFile = %v, %v", created, err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := base64.RawURLEncoding.DecodeString(string(first)); err != nil || len(b) != 48 {
		t.Errorf("the file holds %d bytes (%v), want 48 in base64url", len(b), err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	if created, err := token.EnsureSecretFile(path); created || err != nil {
		t.Errorf("the second time: %v, %v", created, err)
	}
	if again, _ := os.ReadFile(path); string(again) != string(first) {
		t.Error("the second time replaced the secret")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left, want the secret alone", len(left))
	}
	if _, err := token.LoadSecretFile(path); err != nil {
		t.Error(err)
	}
	if _, err := token.EnsureSecretFile(filepath.Join(dir, "missing", "jwt.secret")); err == nil {
		t.Error("a missing folder is no error")
	}
}

// Whoever comes second must get the secret of the first, never another.
func TestEnsureSecretFileRace(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "jwt.secret")
		var wg sync.WaitGroup
		secrets := make([]string, 8)
		for i := range secrets {
			wg.Go(func() {
				if _, err := token.EnsureSecretFile(path); err != nil {
					t.Error(err)
				}
				b, _ := os.ReadFile(path)
				secrets[i] = string(b)
			})
		}
		wg.Wait()
		for _, s := range secrets {
			if s != secrets[0] || s == "" {
				t.Fatalf("two processes hold different secrets")
			}
		}
	}
}

func TestExposed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o644: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		ring, err := token.LoadSecretFile(path)
		if err != nil || ring.Exposed() != want {
			t.Errorf("mode %v: Exposed = %v (%v), want %v", mode, !want, err, want)
		}
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := token.New(token.Options{Now: time.Now}); err == nil {
		t.Error("New without a ring is no error")
	}
	if _, err := token.New(token.Options{Ring: secretRing(t, secret)}); err == nil {
		t.Error("New without a clock is no error")
	}
}
