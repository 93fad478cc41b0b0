package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"edgegw/internal/gateway"
)

const (
	// RefreshKeyBytes is the length of the key that refresh tokens are sealed
	// with.
	RefreshKeyBytes = 32

	// maxRefreshBytes is the longest refresh token that is looked at; the
	// longest that is made has 247 characters.
	maxRefreshBytes = 512
	refreshVersion  = 1
	// refreshHead is what stands before the account's name: version, session
	// and counter.
	refreshHead = 1 + sessionBytes + 8
	// refreshDomain keeps a MAC that another part of the gateway may make
	// with the same key, over bytes that look alike, from counting as one.
	refreshDomain = "edgegw refresh token\x00"
)

// Refresh is what a refresh token says. Whether its session lives, and whether
// its counter is the one to be used next, is for the caller to look up.
type Refresh struct {
	Account gateway.AccountName
	Session gateway.SessionID
	// Counter is 1 in a session's first token and grows by one with each
	// refresh.
	Counter uint64
}

// Sealer makes refresh tokens and tells them from forgeries. To everyone else
// they are opaque text:
//
//	base64url(version 1 | session, 16 bytes | counter, 8 bytes big-endian | name | HMAC-SHA256)
//
// A Refresh has exactly one token and a token exactly one spelling. So nothing
// secret needs to be kept of a session, and a client that lost the answer to its
// refresh can be given the very same token again. It is safe for concurrent use.
type Sealer struct{ key []byte }

// NewSealer returns a Sealer. The key has RefreshKeyBytes bytes that nothing else
// is signed with.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != RefreshKeyBytes {
		return nil, errors.New("token.NewSealer: a refresh key has 32 bytes")
	}
	return &Sealer{key: append([]byte(nil), key...)}, nil
}

// Seal returns the token of r, or "" when the account or the session in it is out
// of shape, so that Open could not give it back.
func (s *Sealer) Seal(r Refresh) string {
	session, ok := decode(string(r.Session))
	if !ok || len(session) != sessionBytes || !isAccountName(string(r.Account)) {
		return ""
	}
	b := make([]byte, 0, refreshHead+len(r.Account)+sha256.Size)
	b = append(b, refreshVersion)
	b = append(b, session...)
	b = binary.BigEndian.AppendUint64(b, r.Counter)
	b = append(b, r.Account...)
	return segments.EncodeToString(append(b, s.mac(b)...))
}

// Open returns what a token says that Seal made with the same key. It gives any
// other CodeInvalidToken with one of ReasonTooLong, ReasonMalformed,
// ReasonSignature and ReasonClaims.
func (s *Sealer) Open(raw string) (Refresh, error) {
	if len(raw) > maxRefreshBytes {
		return Refresh{}, Reject(ReasonTooLong, "", "the refresh token is longer than any that is made here; log in again")
	}
	b, ok := decode(raw)
	end := len(b) - sha256.Size
	if !ok || end <= refreshHead || b[0] != refreshVersion {
		return Refresh{}, Reject(ReasonMalformed, "", "this is not a refresh token; log in again")
	}
	if !hmac.Equal(s.mac(b[:end]), b[end:]) {
		return Refresh{}, Reject(ReasonSignature, "", "the refresh token is not one of this gateway; log in again")
	}
	name := string(b[refreshHead:end])
	if !isAccountName(name) {
		return Refresh{}, Reject(ReasonClaims, "", "the refresh token names no account; log in again")
	}
	return Refresh{
		Account: gateway.AccountName(name),
		Session: gateway.SessionID(segments.EncodeToString(b[1 : 1+sessionBytes])),
		Counter: binary.BigEndian.Uint64(b[1+sessionBytes : refreshHead]),
	}, nil
}

func (s *Sealer) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(refreshDomain))
	h.Write(b)
	return h.Sum(nil)
}

// isAccountName reports whether s is an account's name as it is kept, already
// folded.
func isAccountName(s string) bool {
	name, err := gateway.ParseAccountName(s)
	return err == nil && string(name) == s
}
