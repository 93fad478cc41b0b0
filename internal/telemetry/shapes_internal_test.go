package telemetry

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	jwtExpression = regexp.MustCompile(
		`[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{43,}=*|e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_.=-]+`)
	hashExpression = regexp.MustCompile(
		`\$argon2[^\s"']*|\$(?:2[abxy]?|scrypt|pbkdf2[a-z0-9-]*|[156y])\$[^\s"']+|sha256s?\$[^\s"']+`)
)

// What is found by hand is what the expressions find.
func TestShapes(t *testing.T) {
	pieces := []string{
		"eyJ", "eyA", "ewo", "ew0", "e", "ey", ".", "..", "=", "==", " ", "\t", `"`, "'", "$", "$$", "é", "\xff", "-", "_",
		"abc", "abcdefg", "abcdefgh", strings.Repeat("x", 42), strings.Repeat("y", 43), "argon2", "argon2id", "2", "2a", "2z", "scrypt",
		"pbkdf2", "pbkdf2-sha512", "pbkdf2_", "1", "5", "6", "7", "y", "sha256", "sha256s", "sha256$", "sha256s$", "s", "m=1,t=2", "\n", "\v",
	}
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces"), "")
		if got, want := replaceShapes(s, jwtIn), jwtExpression.ReplaceAllLiteralString(s, Redacted); got != want {
			t.Fatalf("of %q the tokens' shape leaves %q, the expression %q", s, got, want)
		}
		if got, want := replaceShapes(s, hashIn), hashExpression.ReplaceAllLiteralString(s, Redacted); got != want {
			t.Fatalf("of %q the hashes' shape leaves %q, the expression %q", s, got, want)
		}
	})
}
