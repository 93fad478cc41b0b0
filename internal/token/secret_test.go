package token_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func TestNewSecretAndSessionID(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		secret, id := token.NewSecret(), string(token.NewSessionID())
		if b, err := base64.RawURLEncoding.Strict().DecodeString(secret); err != nil || len(b) != 32 || !token.ValidSecret(secret) {
			t.Fatalf("secret %q is not 32 bytes of base64url", secret)
		}
		if b, err := base64.RawURLEncoding.Strict().DecodeString(id); err != nil || len(b) != 16 || !token.ValidSessionID(id) {
			t.Fatalf("session id %q is not 16 bytes of base64url", id)
		}
		if seen[secret] || seen[id] {
			t.Fatal("a secret was given twice")
		}
		seen[secret], seen[id] = true, true
	}
}

func TestShapesOfSecrets(t *testing.T) {
	for name, text := range map[string]string{
		"bad empty": "", "bad one short": "M", "bad one long": "A", "bad stray bits": "x", "bad padding": "=",
		"bad standard alphabet": "+", "bad space": " ", "bad line break": "\n", "bad NUL": "\x00", "bad not ASCII": "é",
		"ok": "",
	} {
		for n, valid := range map[int]func(string) bool{43: token.ValidSecret, 22: token.ValidSessionID} {
			given := strings.Repeat("A", n)
			switch name {
			case "ok":
			case "bad empty":
				given = ""
			case "bad one short":
				given = given[:n-1]
			case "bad one long", "bad padding":
				given += text
			default:
				given = given[:n-len(text)] + text
			}
			if got, want := valid(given), strings.HasPrefix(name, "ok"); got != want {
				t.Errorf("%s: %q of %d characters is valid: %v", name, given, n, got)
			}
		}
	}
	if token.ValidSecret(strings.Repeat("A", 41)+"\r\n") || token.ValidSessionID(strings.Repeat("A", 20)+"\r\n") {
		t.Error("line breaks are skipped")
	}
	if token.ValidSecret(strings.Repeat("A", 1<<20)) {
		t.Error("a megabyte is a secret")
	}
}

func TestKeyHash(t *testing.T) {
	key := strings.Repeat("A", 43)
	var want gateway.KeyHash = token.HashSecret(key)
	text := hex.EncodeToString(want[:])
	if sha256.Sum256([]byte(key)) != want {
		t.Error("HashSecret is not the SHA-256 of the text")
	}
	for name, given := range map[string]string{
		"ok": text, "ok upper case": strings.ToUpper(text),
		"bad empty": "", "bad short": text[:62], "bad odd": text[:63], "bad long": text + "00", "bad newline": text[:63] + "\n",
		"bad letter": text[:63] + "g", "bad prefix": "0x" + text[:62], "bad the key itself": key, "bad a megabyte": strings.Repeat("0", 1<<20),
	} {
		got, err := token.ParseKeyHash(given)
		if ok := strings.HasPrefix(name, "ok"); ok != (err == nil) || ok != (got == want) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		if err != nil && (gateway.CodeOf(err) != gateway.CodeInvalidRequest || !strings.Contains(err.Error(), "printf %s KEY")) {
			t.Errorf("%s: %q, %v", name, gateway.CodeOf(err), err)
		}
		if err != nil && got != (gateway.KeyHash{}) {
			t.Errorf("%s: half a hash is given back", name)
		}
	}
}
