package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

const (
	secret      = "an old secret, made of 32 bytes or more"
	otherSecret = "another secret, made of 32 bytes or more"
)

// now is the time of every test; a fraction keeps rounding honest.
var now = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

func secretRing(t testing.TB, s string) *token.KeyRing {
	t.Helper()
	ring, err := token.NewSecretRing([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// keysRing has the keys old (secret) and new (otherSecret); new signs.
func keysRing(t testing.TB) *token.KeyRing {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	ring, err := token.NewKeysRing([]byte(`{"active":"new","keys":{"old":"` + b64([]byte(secret)) + `","new":"` + b64([]byte(otherSecret)) + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newAuthority(t testing.TB, o token.Options) *token.Authority {
	t.Helper()
	if o.Ring == nil {
		o.Ring = secretRing(t, secret)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	a, err := token.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a token as another service would, from any header and payload.
func sign(header, payload, secret string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// parts decodes the header and the payload of a token.
func parts(t *testing.T, raw string) (header, payload map[string]any) {
	t.Helper()
	segments := strings.Split(raw, ".")
	for i, into := range []*map[string]any{&header, &payload} {
		b, err := base64.RawURLEncoding.DecodeString(segments[i])
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
	}
	return header, payload
}

func TestIssueThenVerify(t *testing.T) {
	for name, o := range map[string]token.Options{
		"secret file": {}, "keys file": {Ring: keysRing(t)}, "issuer and audience": {Issuer: "https://gw", Audience: "site"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, o)
			in := token.Claims{Subject: "ada", Room: "plant.7", Session: "s1", ID: "t1"}
			raw, err := a.Issue(in, 15*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Verify(raw)
			if err != nil {
				t.Fatal(err)
			}
			want := in
			want.IssuedAt, want.ExpiresAt = now.Truncate(time.Second), now.Truncate(time.Second).Add(15*time.Minute)
			if !got.IssuedAt.Equal(want.IssuedAt) || !got.ExpiresAt.Equal(want.ExpiresAt) {
				t.Errorf("times %v to %v, want %v to %v", got.IssuedAt, got.ExpiresAt, want.IssuedAt, want.ExpiresAt)
			}
			got.IssuedAt, got.ExpiresAt = want.IssuedAt, want.ExpiresAt
			if got != want {
				t.Errorf("Verify = %+v, want %+v", got, want)
			}
		})
	}
}

func TestIssuedMembers(t *testing.T) {
	plain, err := newAuthority(t, token.Options{}).Issue(token.Claims{Subject: "ada"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	header, payload := parts(t, plain)
	if len(header) != 2 || header["alg"] != "HS256" || header["typ"] != "JWT" {
		t.Errorf("header %v, want alg HS256 and typ JWT", header)
	}
	jti, _ := payload["jti"].(string)
	if len(payload) != 4 || payload["sub"] != "ada" || payload["iat"] == nil || payload["exp"] == nil || len(jti) != 22 {
		t.Errorf("payload %v, want sub, iat, exp and a jti of 128 random bits", payload)
	}
	full, err := newAuthority(t, token.Options{Ring: keysRing(t), Issuer: "me", Audience: "us"}).
		Issue(token.Claims{Subject: "ada", Room: "r", Session: "s"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	header, payload = parts(t, full)
	if len(header) != 3 || header["kid"] != "new" {
		t.Errorf("header %v, want kid new", header)
	}
	if len(payload) != 8 || payload["iss"] != "me" || payload["aud"] != "us" || payload["room"] != "r" || payload["sid"] != "s" {
		t.Errorf("payload %v", payload)
	}
	if payload["jti"] == jti {
		t.Error("two tokens share a jti")
	}
}

func TestIssueRefuses(t *testing.T) {
	a := newAuthority(t, token.Options{Issuer: strings.Repeat("x", 4096)})
	if _, err := a.Issue(token.Claims{Subject: "ada"}, time.Minute); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("a token over the limit: %v", err)
	}
	if _, err := newAuthority(t, token.Options{}).Issue(token.Claims{}, time.Minute); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("a token without subject: %v", err)
	}
}

func TestRotationLogsNobodyOut(t *testing.T) {
	a := newAuthority(t, token.Options{})
	old, err := a.Issue(token.Claims{Subject: "ada"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	a.SetRing(keysRing(t))
	fresh, err := a.Issue(token.Claims{Subject: "ada"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"from the time of the secret file": old,
		"signed by the new key":            fresh,
		"of a service that sets no kid":    sign(`{"alg":"HS256"}`, `{"sub":"ada","exp":1900000000}`, otherSecret),
		"named by the old key's kid":       sign(`{"alg":"HS256","kid":"old"}`, `{"sub":"ada","exp":1900000000}`, secret),
	} {
		if _, err := a.Verify(raw); err != nil {
			t.Errorf("a token %s is refused: %v", name, err)
		}
	}
	if _, err := a.Verify(sign(`{"alg":"HS256","kid":"old"}`, `{"sub":"ada","exp":1900000000}`, otherSecret)); token.ReasonOf(err) != token.ReasonSignature {
		t.Errorf("a token signed with another key than its kid names: %v", err)
	}
	a.SetRing(secretRing(t, otherSecret+"!"))
	for name, raw := range map[string]string{"without kid": old, "with kid": fresh} {
		if _, err := a.Verify(raw); gateway.CodeOf(err) != gateway.CodeInvalidToken {
			t.Errorf("a token %s whose key is gone: %v", name, err)
		}
	}
}

func TestReasonsAreClosed(t *testing.T) {
	seen := map[token.Reason]bool{}
	for _, r := range token.Reasons {
		if seen[r] || r == "" {
			t.Errorf("reason %q is empty or listed twice", r)
		}
		seen[r] = true
		want := gateway.CodeInvalidToken
		if r == token.ReasonExpired {
			want = gateway.CodeTokenExpired
		}
		if err := token.Reject(r, "ada", "no"); token.ReasonOf(err) != r || gateway.CodeOf(err) != want {
			t.Errorf("Reject(%q): reason %q, code %q", r, token.ReasonOf(err), gateway.CodeOf(err))
		}
	}
	if r := token.ReasonOf(gateway.Errorf(gateway.CodeBusy, "busy")); r != "" {
		t.Errorf("another error has the reason %q", r)
	}
}

func BenchmarkVerify(b *testing.B) {
	a := newAuthority(b, token.Options{Ring: keysRing(b)})
	raw, err := a.Issue(token.Claims{Subject: "ada", Room: "plant.7", Session: "0123456789abcdef"}, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	a := newAuthority(b, token.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Issue(token.Claims{Subject: "ada"}, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}
