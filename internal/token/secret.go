package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"edgegw/internal/gateway"
)

const (
	secretBytes  = 32
	sessionBytes = 16
)

// NewSecret returns 256 random bits as 43 characters of base64url: a device key,
// or a code for a password reset. At rest it is kept as HashSecret of it.
func NewSecret() string { return randomText(secretBytes) }

// ValidSecret reports whether text has the shape of what NewSecret returns.
// Anything else is refused before a store is asked for it.
func ValidSecret(text string) bool { return validText(text, secretBytes) }

// HashSecret returns the SHA-256 of a secret as text. Secrets have 256 random
// bits, so that nothing slower is needed.
func HashSecret(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// ParseKeyHash reads the hash of a device key that was made elsewhere: 64 hex
// digits in either case. It returns CodeInvalidRequest for anything else.
func ParseKeyHash(s string) (gateway.KeyHash, error) {
	var hash gateway.KeyHash
	if len(s) == hex.EncodedLen(len(hash)) {
		if _, err := hex.Decode(hash[:], []byte(s)); err == nil {
			return hash, nil
		}
	}
	return gateway.KeyHash{}, gateway.Errorf(gateway.CodeInvalidRequest,
		"a key hash is the SHA-256 of the device key as text, in 64 hex digits; make one with: printf %%s KEY | sha256sum")
}

// NewSessionID returns a fresh name for a session.
func NewSessionID() gateway.SessionID { return gateway.SessionID(randomText(sessionBytes)) }

// ValidSessionID reports whether text has the shape of what NewSessionID returns.
func ValidSessionID(text string) bool { return validText(text, sessionBytes) }

func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return segments.EncodeToString(b)
}

func validText(text string, n int) bool {
	if len(text) != segments.EncodedLen(n) {
		return false
	}
	_, ok := decode(text)
	return ok
}

// decode reads base64url that has one spelling only: no padding, no stray
// trailing bits, and none of the line breaks that Go's decoder skips.
func decode(text string) ([]byte, bool) {
	b, err := segments.DecodeString(text)
	return b, err == nil && segments.EncodedLen(len(b)) == len(text)
}
