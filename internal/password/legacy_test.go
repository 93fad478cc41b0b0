package password_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// reference is "password" with the salt "somesalt", from the reference
// implementation of Argon2.
const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func sum(s string) string {
	d := sha256.Sum256([]byte(s))
	return hex.EncodeToString(d[:])
}

func TestAdopt(t *testing.T) {
	good := sum("salt+password")
	tests := []struct {
		name, hash, says string
	}{
		{"ok argon2id", reference, ""},
		{"ok digits", good, ""},
		{"ok upper case digits", strings.ToUpper(good), ""},
		{"ok salt before", "sha256$NaCl$" + good, ""},
		{"ok salt after", "sha256s$NaCl$" + good, ""},
		{"ok salt with a dollar sign", "sha256$a$b$" + good, ""},
		{"ok salt with spaces", "sha256$ a b $" + good, ""},
		{"ok longest salt", "sha256$" + strings.Repeat("a", 64) + "$" + good, ""},
		{"bad empty", "", "neither argon2id"},
		{"bad bcrypt", "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "neither argon2id"},
		{"bad 63 digits", good[1:], "neither argon2id"},
		{"bad 65 digits", good + "0", "neither argon2id"},
		{"bad 66 digits", good + "00", "neither argon2id"},
		{"bad SHA-1", good[:40], "neither argon2id"},
		{"bad letters", strings.Repeat("g", 64), "neither argon2id"},
		{"bad space before", " " + good, "neither argon2id"},
		{"bad space behind", good + " ", "neither argon2id"},
		{"bad line break", good + "\n", "neither argon2id"},
		{"bad other scheme", "sha512$NaCl$" + good, "neither argon2id"},
		{"bad upper case scheme", "SHA256$NaCl$" + good, "neither argon2id"},
		{"bad digits behind the salt", "sha256$NaCl$" + good[1:], "neither argon2id"},
		{"bad no salt member", "sha256$" + good, "sha256$SALT$HEX"},
		{"bad no salt member, after", "sha256s$" + good, "sha256s$SALT$HEX"},
		{"bad empty salt", "sha256$$" + good, "salt is empty"},
		{"bad long salt", "sha256$" + strings.Repeat("a", 65) + "$" + good, "at most 64"},
		{"bad NUL in the salt", "sha256$a\x00$" + good, "control characters"},
		{"bad salt not UTF-8", "sha256$a\xff$" + good, "control characters"},
		{"bad empty password", sum(""), "empty password"},
		{"bad empty password, salted", "sha256$NaCl$" + sum("NaCl"), "empty password"},
		{"bad empty password, salted after", "sha256s$NaCl$" + sum("NaCl"), "empty password"},
		{"bad argon2i", strings.Replace(reference, "argon2id", "argon2i", 1), "$argon2id$v=19$"},
		{"bad argon2id beyond the limits", strings.Replace(reference, "65536", "65537", 1), "argon2 memory of 65537 KiB"},
		{"bad argon2id not canonical", strings.Replace(reference, "65536", "065536", 1), "canonical"},
		{"bad wrapped already", "$edgegw-legacy$sha256$$" + reference, "neither argon2id"},
		{"bad too long", strings.Repeat("0", 257), "257 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := password.Adopt(tt.hash)
			if strings.HasPrefix(tt.name, "ok ") {
				if err != nil || i.Legacy() != !strings.HasPrefix(tt.hash, "$") {
					t.Errorf("Adopt: legacy %v, %v", i.Legacy(), err)
				}
				if shown := fmt.Sprintf("%v %+v %#v %s", i, i, i, i); strings.Contains(shown, tt.hash[20:30]) || strings.Contains(shown, "0x") {
					t.Errorf("printed, it shows %s", shown)
				}
				return
			}
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("Adopt: %v; want it to say %q", err, tt.says)
			}
			if strings.Contains(err.Error(), good[30:40]) || strings.Contains(err.Error(), "CTFh") || strings.Contains(err.Error(), "NaCl") {
				t.Errorf("the error quotes the hash: %v", err)
			}
		})
	}
}

func mustWrap(t testing.TB, h *password.Hasher, hash string) string {
	t.Helper()
	i, err := password.Adopt(hash)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.Wrap(context.Background(), i)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestWrapAndVerify(t *testing.T) {
	const (
		composed   = "Grüße aus Zoës Küche"
		decomposed = "Gru\u0308ße aus Zoe\u0308s Ku\u0308che"
	)
	tests := []struct {
		name, hash, password string
	}{
		{"ok digits", sum("correct horse"), "correct horse"},
		{"ok upper case digits", strings.ToUpper(sum("correct horse")), "correct horse"},
		{"ok salt before", "sha256$NaCl$" + sum("NaClcorrect horse"), "correct horse"},
		{"ok salt after", "sha256s$NaCl$" + sum("correct horseNaCl"), "correct horse"},
		{"ok salt with a dollar sign", "sha256$a$b$" + sum("a$bcorrect horse"), "correct horse"},
		{"ok raw bytes", sum(decomposed), decomposed},
		{"ok NFKC", sum(composed), decomposed},
		{"ok short, as old systems allowed", sum("abc"), "abc"},
		{"bad raw bytes are not guessed", sum(decomposed), composed},
		{"bad other password", sum("correct horse"), "Correct horse"},
		{"bad salt on the other side", "sha256$NaCl$" + sum("correct horseNaCl"), "correct horse"},
		{"bad salt on the other side, after", "sha256s$NaCl$" + sum("NaClcorrect horse"), "correct horse"},
		{"bad empty", sum("correct horse"), ""},
		{"bad unfit", sum("abc\x00"), "abc\x00"},
		{"bad the digest itself", sum("correct horse"), sum("correct horse")},
	}
	h := newHasher(t, password.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stored := mustWrap(t, h, tt.hash)
			if !password.IsLegacy(stored) || len(stored) > password.MaxPHCBytes || strings.Contains(strings.ToLower(stored), strings.ToLower(tt.hash[len(tt.hash)-64:])) {
				t.Errorf("stored as %q", stored)
			}
			ok, rehash, err := h.Verify(context.Background(), tt.password, stored)
			if want := strings.HasPrefix(tt.name, "ok "); err != nil || ok != want || rehash != want {
				t.Errorf("Verify = %v, %v, %v", ok, rehash, err)
			}
		})
	}
}

func TestWrapTakesArgon2idAsItIs(t *testing.T) {
	h := newHasher(t, password.Options{Observe: func(time.Duration) { t.Error("Argon2id was run for it") }})
	if stored := mustWrap(t, h, reference); stored != reference || password.IsLegacy(stored) {
		t.Errorf("stored as %q", stored)
	}
	if _, err := h.Wrap(context.Background(), password.Imported{}); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("nothing imported: %v", err)
	}
}

// Nobody can tell by the time which form an account's hash has, or that there is
// no account: the runs depend on the password alone.
func TestRunsDependOnThePasswordAlone(t *testing.T) {
	ctx := context.Background()
	runs := 0
	h := newHasher(t, password.Options{Observe: func(time.Duration) { runs++ }})
	plain, wrapped, salted := mustHash(t, h, "correct horse"), mustWrap(t, h, sum("correct horse")), mustWrap(t, h, "sha256s$NaCl$"+sum("correct horseNaCl"))
	tests := []struct {
		name, password string
		want           int
	}{
		{"ok NFKC", "wrong", 1},
		{"ok NFKC with accents", "Grüße", 1},
		{"ok not NFKC", "Gru\u0308ße", 2},
		{"ok full width", "ｗｒｏｎｇ", 2},
		{"ok empty", "", 1},
		{"ok not UTF-8", "\xff", 1},
		{"ok NUL", "a\x00", 1},
		{"ok not NFKC with NUL", "u\u0308\x00", 1},
		{"ok too many bytes", strings.Repeat("a", 5000), 1},
		{"ok too many characters", strings.Repeat("a", 257), 1},
		{"ok too many characters after NFKC", strings.Repeat("\ufdfa", 20), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for form, stored := range map[string]string{"plain": plain, "wrapped": wrapped, "salted": salted, "none": ""} {
				runs = 0
				if stored == "" {
					if err := h.VerifyDummy(ctx, tt.password); err != nil {
						t.Fatal(err)
					}
				} else if ok, _, err := h.Verify(ctx, tt.password, stored); ok || err != nil {
					t.Fatalf("%s: %v, %v", form, ok, err)
				}
				if runs != tt.want {
					t.Errorf("%s: %d runs, want %d", form, runs, tt.want)
				}
			}
		})
	}
}

// An import waits for its turn where a login would be sent away, and takes no
// place in the queue.
func TestWrapIsPatient(t *testing.T) {
	g := newGate()
	h := newHasher(t, password.Options{Queue: 1, Observe: g.observe})
	i, err := password.Adopt(sum("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	logins, wraps := make(chan error, 2), make(chan error, 3)
	go func() { logins <- h.VerifyDummy(context.Background(), "x") }()
	<-g.entered

	ctx, cancel := context.WithCancel(context.Background())
	for _, ctx := range []context.Context{context.Background(), context.Background(), ctx} {
		go func() {
			stored, err := h.Wrap(ctx, i)
			if err == nil && !password.IsLegacy(stored) {
				err = errors.New("not wrapped")
			}
			wraps <- err
		}()
	}
	go func() { logins <- h.VerifyDummy(context.Background(), "x") }()
	waitFor(t, "a login in the queue", func() bool { return h.Waiting() == 1 })
	if err := h.VerifyDummy(context.Background(), "x"); gateway.CodeOf(err) != gateway.CodeBusy {
		t.Errorf("with a full queue: %v", err)
	}
	time.Sleep(20 * time.Millisecond) // time for an impatient import to give up
	cancel()
	if err := <-wraps; !errors.Is(err, context.Canceled) || gateway.CodeOf(err) != gateway.CodeBusy {
		t.Errorf("the import that was given up: %v", err)
	}
	close(g.leave)
	for _, done := range []chan error{logins, logins, wraps, wraps} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Wrap(ctx, i); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}
