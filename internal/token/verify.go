package token

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"edgegw/internal/gateway"
)

// segments is base64url without padding that also refuses stray trailing bits,
// so that a token has one spelling (RFC 7515 section 2).
var segments = base64.RawURLEncoding.Strict()

// Verify returns the claims of a token that is good here and now. Any other gets
// CodeTokenExpired, when everything but its time is good, or CodeInvalidToken;
// ReasonOf tells more.
func (a *Authority) Verify(raw string) (Claims, error) {
	if len(raw) > gateway.MaxTokenBytes {
		return Claims{}, Reject(ReasonTooLong, "", "the token is longer than 4096 bytes")
	}
	now := a.now()
	payload, err := a.checkSignature(raw, now)
	if err != nil {
		return Claims{}, err
	}
	s, err := parseClaims(payload)
	if err != nil {
		return Claims{}, Reject(ReasonClaims, "", "the token's claims are not valid: "+err.Error())
	}
	if err := a.checkClaims(&s, now); err != nil {
		return Claims{}, err
	}
	return s.Claims, nil
}

// checkSignature returns the payload of a token that one of our keys has signed.
// Until then nothing but the small header is parsed.
func (a *Authority) checkSignature(raw string, now time.Time) ([]byte, error) {
	header64, rest, _ := strings.Cut(raw, ".")
	payload64, signature64, ok := strings.Cut(rest, ".")
	header, ok1 := decode(header64)
	payload, ok2 := decode(payload64)
	signature, ok3 := decode(signature64)
	if !ok || !ok1 || !ok2 || !ok3 {
		return nil, Reject(ReasonMalformed, "", "the token is not a JSON Web Token in compact form")
	}
	h, err := parseHeader(header)
	if err != nil {
		return nil, Reject(ReasonHeader, "", "the token's header is not valid: "+err.Error())
	}
	signed := raw[:len(header64)+1+len(payload64)]
	tried := false
	for _, k := range a.ring.Load().candidates(h.kid, h.hasKID) {
		if k.ended(now) {
			continue
		}
		tried = true
		if h.alg != k.method.Alg() {
			return nil, Reject(ReasonAlgorithm, "", "the token's alg is not "+k.method.Alg())
		}
		if k.method.Verify(signed, signature, k.secret) == nil {
			return payload, nil
		}
	}
	if !tried {
		return nil, Reject(ReasonUnknownKey, "", "the token is signed with an unknown key; log in again")
	}
	return nil, Reject(ReasonSignature, "", "the token's signature is not valid; log in again")
}

// checkClaims holds the claims against the configuration and the clock. The
// expiry comes last: "expired" then means that a fresh token would be good.
func (a *Authority) checkClaims(s *statement, now time.Time) error {
	ahead := func(t time.Time) bool { return t.After(now.Add(AheadLeeway)) }
	switch {
	case a.issuer != "" && s.issuer != a.issuer:
		return Reject(ReasonIssuer, s.Subject, "the token's iss is not the one expected here")
	case a.audience != "" && !slices.Contains(s.audience, a.audience):
		return Reject(ReasonAudience, s.Subject, "the token's aud is not the one expected here")
	case ahead(s.IssuedAt) || ahead(s.notBefore):
		return Reject(ReasonNotYetValid, s.Subject, "the token is not valid yet; check the clock of its issuer")
	case !now.Before(s.ExpiresAt):
		return Reject(ReasonExpired, s.Subject, "the token has expired; get a new one")
	}
	return nil
}

type header struct {
	alg, kid string
	hasKID   bool
}

// parseHeader reads the header of a token that nobody has vouched for yet. A
// member beyond alg, typ and kid could ask for rules that are not followed here
// (crit, b64, zip) or bring its own key (jwk, jku, x5c), so none is ignored.
func parseHeader(b []byte) (header, error) {
	var h header
	err := members(b, func(name, value []byte) error {
		s, ok := text(value)
		if !ok {
			return errors.New("a member is not a string")
		}
		switch string(name) {
		case "alg":
			h.alg = s
		case "kid":
			h.kid, h.hasKID = s, true
		case "typ":
			// A media type, so its case is free (RFC 7515 section 4.1.9).
			if !strings.EqualFold(s, "JWT") {
				return errors.New("typ is not JWT")
			}
		default:
			return errors.New("only alg, typ and kid are allowed")
		}
		return nil
	})
	return h, err
}
