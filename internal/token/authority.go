package token

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"edgegw/internal/gateway"
)

// AheadLeeway is how far iat and nbf may be ahead of the gateway's clock. exp has
// no leeway.
const AheadLeeway = 30 * time.Second

// Options configure an Authority.
type Options struct {
	// Ring holds the keys.
	Ring *KeyRing
	// Issuer and Audience, if given, are set in new tokens and required of
	// all.
	Issuer, Audience string
	// Now gives the gateway's time.
	Now func() time.Time
}

// Authority issues and verifies tokens. It is safe for concurrent use.
type Authority struct {
	issuer, audience string
	now              func() time.Time
	ring             atomic.Pointer[KeyRing]
}

// New returns an Authority. Ring and Now are required.
func New(o Options) (*Authority, error) {
	if o.Ring == nil || o.Now == nil {
		return nil, errors.New("token.New: Ring and Now are required")
	}
	a := &Authority{issuer: o.Issuer, audience: o.Audience, now: o.Now}
	a.ring.Store(o.Ring)
	return a, nil
}

// SetRing replaces the keys at once. Tokens whose key is not in the new ring are
// refused from then on.
func (a *Authority) SetRing(r *KeyRing) { a.ring.Store(r) }

// Issue signs a token with the active key. IssuedAt and ExpiresAt follow from the
// clock and ttl, whole seconds rounded down, so that no token outlives ttl; a
// random ID is made unless one is given. It returns CodeInternal when the result
// would be refused for its length or its missing subject.
func (a *Authority) Issue(c Claims, ttl time.Duration) (string, error) {
	k := a.ring.Load().active
	now := a.now()
	claims := jwt.MapClaims{
		"sub": string(c.Subject), "iat": now.Unix(), "exp": now.Add(ttl).Unix(), "jti": c.ID,
	}
	if c.ID == "" {
		claims["jti"] = randomText(idBytes)
	}
	for name, value := range map[string]string{
		"room": string(c.Room), "sid": c.Session, "iss": a.issuer, "aud": a.audience,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	t := jwt.NewWithClaims(k.method, claims)
	if k.id != "" {
		t.Header["kid"] = k.id
	}
	raw, err := t.SignedString(k.secret)
	switch {
	case err != nil:
		return "", gateway.Wrap("token.Issue", err)
	case c.Subject == "" || len(raw) > gateway.MaxTokenBytes:
		return "", gateway.Wrap("token.Issue", errors.New("a token without subject or over the length limit"))
	}
	return raw, nil
}
