package password_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

var cheap = password.Params{MemoryKiB: password.MinMemoryKiB, Time: 1, Threads: 1}

func newHasher(t testing.TB, o password.Options) *password.Hasher {
	t.Helper()
	if o.Params == (password.Params{}) {
		o.Params = cheap
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	o.Now = time.Now
	h, err := password.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t testing.TB, h *password.Hasher, pw string) string {
	t.Helper()
	stored, err := h.Hash(context.Background(), pw)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestNewRefusesOptions(t *testing.T) {
	tests := []struct {
		name   string
		params password.Params
		slots  int
	}{
		{"ok development profile", password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, 1},
		{"ok production profile", password.Params{MemoryKiB: 19456, Time: 2, Threads: 1}, 1},
		{"bad memory", password.Params{MemoryKiB: 1024, Time: 2, Threads: 1}, 1},
		{"bad time", password.Params{MemoryKiB: 8192, Time: 0, Threads: 1}, 1},
		{"bad threads", password.Params{MemoryKiB: 8192, Time: 1, Threads: 5}, 1},
		{"bad concurrency", cheap, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := password.New(password.Options{Params: tt.params, Concurrency: tt.slots, Now: time.Now})
			if good := strings.HasPrefix(tt.name, "ok "); good != (err == nil) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestHashAndVerify(t *testing.T) {
	h := newHasher(t, password.Options{})
	const pw = "  Grüße, Zoë e\u0301 😀 "
	stored := mustHash(t, h, pw)
	if again := mustHash(t, h, pw); again == stored {
		t.Error("the same password hashed twice gives the same string: the salt is not random")
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=7168,t=1,p=1$") {
		t.Errorf("stored as %q", stored)
	}
	tests := []struct {
		name, password string
	}{
		{"ok same", pw},
		{"ok other spelling of the letters", "  Gru\u0308ße, Zoë é 😀 "},
		{"bad trimmed", strings.TrimSpace(pw)},
		{"bad other case", strings.ToLower(pw)},
		{"bad longer", pw + "x"},
		{"bad empty", ""},
		{"bad invalid UTF-8", pw + "\xff"},
		{"bad NUL behind", pw + "\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, rehash, err := h.Verify(context.Background(), tt.password, stored)
			if err != nil || rehash || ok != strings.HasPrefix(tt.name, "ok ") {
				t.Errorf("Verify = %v, %v, %v", ok, rehash, err)
			}
		})
	}
}

func TestVerifyKnowsTheReferenceImplementation(t *testing.T) {
	h := newHasher(t, password.Options{})
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, _, err := h.Verify(context.Background(), "password", stored); !ok || err != nil {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

func TestHashRefusesWhatCanNeverMatch(t *testing.T) {
	h := newHasher(t, password.Options{})
	for name, pw := range map[string]string{
		"invalid UTF-8": "abc\xff", "NUL": "abc\x00", "code points": strings.Repeat("é", 257), "bytes": strings.Repeat("a", 4<<10+1),
	} {
		if _, err := h.Hash(context.Background(), pw); gateway.CodeOf(err) != gateway.CodeWeakPassword {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An unfit password is hashed as the empty one; it must not match that either.
func TestUnfitPasswordIsNotTheEmptyOne(t *testing.T) {
	h := newHasher(t, password.Options{})
	if ok, _, err := h.Verify(context.Background(), "\xff", mustHash(t, h, "")); ok || err != nil {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

// A password that can never match must not be told from one that merely does not.
func TestUnfitPasswordsAndDummiesCostAHash(t *testing.T) {
	var hashes int
	h := newHasher(t, password.Options{Observe: func(time.Duration) { hashes++ }})
	stored := mustHash(t, h, "a good long password")
	for name, pw := range map[string]string{"unfit": "\xff", "too long": strings.Repeat("a", 5000), "fit": "wrong"} {
		before := hashes
		if ok, _, err := h.Verify(context.Background(), pw, stored); ok || err != nil || hashes != before+1 {
			t.Errorf("%s: ok %v, error %v, %d hashes", name, ok, err, hashes-before)
		}
		if err := h.VerifyDummy(context.Background(), pw); err != nil || hashes != before+2 {
			t.Errorf("%s, dummy: error %v, %d hashes", name, err, hashes-before-1)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name         string
		stored, mine password.Params
		want         bool
	}{
		{"same", cheap, cheap, false},
		{"less memory", password.Params{MemoryKiB: 7168, Time: 2, Threads: 1}, password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, true},
		{"fewer passes", password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, password.Params{MemoryKiB: 8192, Time: 2, Threads: 1}, true},
		{"stronger", password.Params{MemoryKiB: 8192, Time: 2, Threads: 1}, cheap, false},
		{"more memory for a pass", password.Params{MemoryKiB: 16384, Time: 1, Threads: 1}, password.Params{MemoryKiB: 8192, Time: 2, Threads: 1}, false},
		{"other threads", password.Params{MemoryKiB: 7168, Time: 1, Threads: 2}, cheap, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stored := mustHash(t, newHasher(t, password.Options{Params: tt.stored}), "pw")
			h := newHasher(t, password.Options{Params: tt.mine})
			if ok, got, err := h.Verify(ctx, "pw", stored); !ok || got != tt.want || err != nil {
				t.Errorf("Verify = %v, %v, %v; want rehash %v", ok, got, err, tt.want)
			}
			if ok, got, _ := h.Verify(ctx, "wrong", stored); ok || got {
				t.Errorf("a wrong password gives %v, rehash %v", ok, got)
			}
		})
	}
}

// An empty password lets nobody in, whatever is stored.
func TestEmptyPasswordNeverMatches(t *testing.T) {
	h := newHasher(t, password.Options{})
	if ok, rehash, err := h.Verify(context.Background(), "", mustHash(t, h, "")); ok || rehash || err != nil {
		t.Errorf("Verify = %v, %v, %v", ok, rehash, err)
	}
}

func BenchmarkHash(b *testing.B) {
	for name, p := range map[string]password.Params{
		"development": {MemoryKiB: 8192, Time: 1, Threads: 1}, "production": {MemoryKiB: 19456, Time: 2, Threads: 1},
	} {
		b.Run(name, func(b *testing.B) {
			h := newHasher(b, password.Options{Params: p})
			for b.Loop() {
				mustHash(b, h, "correct horse battery staple")
			}
		})
	}
}
