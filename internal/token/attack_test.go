package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// attack counts what is accepted of what must not be.
type attack struct {
	*testing.T
	a           *token.Authority
	n, accepted int
}

func (x *attack) try(what, raw string) {
	x.Helper()
	x.n++
	claims, err := x.a.Verify(raw)
	if err == nil {
		x.accepted++
		x.Errorf("accepted: %s", what)
	}
	if err != nil && token.ReasonOf(err) == "" || claims != (token.Claims{}) {
		x.Errorf("%s: refused with %v and claims %+v", what, err, claims)
	}
}

func (x *attack) report(what string) {
	x.Logf("%s: %d of %d accepted", what, x.accepted, x.n)
}

func keyed(h func() hash.Hash, key, signed string) string {
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// signatures are what an attacker may put behind a header and a payload: the
// right key in every wrong way, wrong keys in the right way, and none at all.
// The first is the right one.
func signatures(signed, key string, publicPEM []byte) []string {
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	return []string{
		keyed(sha256.New, key, signed), keyed(sha512.New384, key, signed), keyed(sha512.New, key, signed), keyed(sha512.New512_256, key, signed),
		keyed(sha256.New, "", signed), keyed(sha256.New, string(publicPEM), signed), keyed(sha256.New, "HS256", signed),
		keyed(sha256.New, base64.StdEncoding.EncodeToString([]byte(key)), signed),
		base64.RawURLEncoding.EncodeToString([]byte(key)), zero, zero[:4], "",
	}
}

// foreignKeys make tokens rightly signed with keys of the attacker's own.
func foreignKeys(t *testing.T) (tokens map[string]string, publicPEM []byte) {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	p256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err3 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err4 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, err5 := ed25519.GenerateKey(rand.Reader)
	der, err6 := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tokens = map[string]string{}
	for method, key := range map[jwt.SigningMethod]crypto.PrivateKey{
		jwt.SigningMethodRS256: rsaKey, jwt.SigningMethodRS384: rsaKey, jwt.SigningMethodRS512: rsaKey,
		jwt.SigningMethodPS256: rsaKey, jwt.SigningMethodPS384: rsaKey, jwt.SigningMethodPS512: rsaKey,
		jwt.SigningMethodES256: p256, jwt.SigningMethodES384: p384, jwt.SigningMethodES512: p521, jwt.SigningMethodEdDSA: ed,
	} {
		for _, kid := range []any{nil, "old", "new", "nobody"} {
			tok := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "ada", "exp": 1900000000})
			if kid != nil {
				tok.Header["kid"] = kid
			}
			raw, err := tok.SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			tokens[fmt.Sprint(method.Alg(), " with kid ", kid)] = raw
		}
	}
	return tokens, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestAlgorithmTricks(t *testing.T) {
	x := &attack{T: t, a: newAuthority(t, token.Options{Ring: keysRing(t)})}
	b64 := base64.RawURLEncoding.EncodeToString
	foreign, publicPEM := foreignKeys(t)
	for name, raw := range foreign {
		x.try(name, raw)
		// The same signature under the header that is wanted.
		segments := strings.Split(raw, ".")
		x.try(name+", called HS256", b64([]byte(plainHeader))+"."+segments[1]+"."+segments[2])
	}
	values := []string{`["HS256"]`, `[]`, `{}`, `{"alg":"HS256"}`, `null`, `true`, `256`, `0`, `"HS256`, `HS256`}
	for _, alg := range []string{
		"", "none", "None", "NONE", "nOnE", "none ", " none", `none\u0000`, `n\u006fne`, `\u006eone`, "hs256", "Hs256", "HS256 ", " HS256",
		`HS256\u0000`, `HS256\n`, `\uff28S256`, "HS256,none", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512",
		"EdDSA", "HS", "HS2565", "SHA256", "HMAC", "dir", "A256KW", "A256GCMKW", "RSA-OAEP", "RSA1_5", "PBES2-HS256+A128KW", "ECDH-ES", "null", "undefined", "*",
	} {
		values = append(values, `"`+alg+`"`)
	}
	headers := []string{
		`{}`, `{"typ":"JWT"}`, `{"ALG":"HS256"}`, `{"Alg":"HS256"}`, `{"alg ":"HS256"}`, `{"al\u0000g":"HS256"}`, `{"\uff41lg":"HS256"}`, `"HS256"`, `["alg","HS256"]`, `null`, ``,
		`{"alg":"HS256","alg":"none"}`, `{"alg":"none","alg":"HS256"}`, `{"alg":"HS256","alg":"HS256"}`, `{"alg":"HS256","\u0061lg":"none"}`,
		`{"\u0061lg":"none","alg":"HS256"}`, `{"a\u006cg":"HS256","al\u0067":"HS256"}`, `{"alg":"HS256","typ":"JWT","typ":"JWT"}`,
		`{"alg":"HS256","crit":["exp"]}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","b64":false}`, `{"alg":"HS256","b64":false,"crit":["b64"]}`, `{"alg":"HS256","zip":"DEF"}`,
		`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, `{"alg":"HS256","jku":"https://a.example/k"}`, `{"alg":"HS256","x5u":"https://a.example/k"}`, `{"alg":"HS256","x5c":["AAAA"]}`,
		`{"alg":"HS256","cty":"JWT"}`, `{"alg":"HS256","enc":"A256GCM"}`, `{"alg":"HS256","typ":"JWE"}`, `{"alg":"HS256","typ":null}`, `{"alg":"HS256"}{"alg":"none"}`, `{"alg":"HS256",}`, `{'alg':'HS256'}`,
		"\ufeff" + plainHeader, plainHeader + "\x00", plainHeader + "//",
	}
	for _, value := range values {
		headers = append(headers, `{"alg":`+value+`}`, `{"typ":"JWT","alg":`+value+`,"kid":"old"}`)
	}
	// Over the right header, all but the right signature.
	right := b64([]byte(plainHeader)) + "." + b64([]byte(minimal))
	for i, signature := range signatures(right, secret, publicPEM) {
		if raw := right + "." + signature; i > 0 {
			x.try(fmt.Sprintf("%s with signature %d", plainHeader, i), raw)
		} else if _, err := x.a.Verify(raw); err != nil {
			t.Fatalf("the tricks are built wrong: the right token is refused: %v", err)
		}
	}
	for _, header := range headers {
		signed := b64([]byte(header)) + "." + b64([]byte(minimal))
		for i, signature := range signatures(signed, secret, publicPEM) {
			x.try(fmt.Sprintf("%s with signature %d", header, i), signed+"."+signature)
		}
	}
	x.report("algorithm tricks")
}

func TestKIDTricks(t *testing.T) {
	ring := keysRing(t)
	retired := ring.Until(map[string]time.Time{"old": now})
	x := &attack{T: t}
	kids := []string{`1`, `0`, `-1`, `1.5`, `null`, `true`, `false`, `[]`, `["old"]`, `["old","new"]`, `{}`, `{"old":1}`, `old`}
	for _, kid := range []string{
		"", " ", "nobody", "OLD", "Old", "old ", " old", `old\u0000`, `old\n`, `\u043eld`, "old,new", "old;new", "old/new", "old|new", "o", "oldnew", "first", "k-aaaaaaaa", "active", "keys", "*", "%", "?", "o%6cd", "0", "null", "undefined", "NaN",
		"/dev/null", "../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "file:///dev/null", "..\\\\..\\\\nul", "./old", "old/../old", "/etc/passwd", "jwt-secret", "http://127.0.0.1/k",
		"' OR '1'='1", "old' --", "nobody' UNION SELECT 'k", `\" OR 1=1 --`, "1; DROP TABLE keys", "$(id)", "`id`", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "%s%n", "__proto__", "constructor", "toString",
		strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 2000), strings.Repeat("k", 64<<10), strings.Repeat("old", 22_000), strings.Repeat(`\u0000`, 300),
	} {
		kids = append(kids, `"`+kid+`"`)
	}
	keys := []string{secret, otherSecret, "", "\x00", strings.Repeat("\x00", 32), strings.Repeat("\x00", 64), "2\n", "k", "nobody", "null", "undefined"}
	for name, r := range map[string]*token.KeyRing{"ring": ring, "retired": retired, "secret file": secretRing(t, secret)} {
		x.a = newAuthority(t, token.Options{Ring: r})
		for _, kid := range kids {
			for _, key := range keys {
				x.try(fmt.Sprintf("%s: kid %.80s signed with %q", name, kid, key), sign(`{"alg":"HS256","kid":`+kid+`}`, minimal, key))
			}
		}
		// Twice, so that one reader checks the one and another the other.
		for _, header := range []string{`{"alg":"HS256","kid":"nobody","kid":"old"}`, `{"alg":"HS256","kid":"old","kid":"nobody"}`, `{"alg":"HS256","kid":"old","\u006bid":"old"}`, `{"alg":"HS256","KID":"old"}`} {
			x.try(name+": "+header, sign(header, minimal, secret))
		}
		// One key's name over another's signature.
		x.try(name+": new signed by old", sign(`{"alg":"HS256","kid":"new"}`, minimal, secret))
		x.try(name+": old signed by new", sign(`{"alg":"HS256","kid":"old"}`, minimal, otherSecret))
		for _, key := range keys[2:] {
			x.try(fmt.Sprintf("%s: no kid, signed with %q", name, key), sign(plainHeader, minimal, key))
		}
	}
	// A key that has come to an end, named, named with an escape, unnamed.
	x.a = newAuthority(t, token.Options{Ring: retired})
	old := []string{`{"alg":"HS256","kid":"old"}`, `{"alg":"HS256","kid":"\u006fld"}`, `{"alg":"HS256"}`}
	for _, header := range old {
		x.try("a retired key: "+header, sign(header, minimal, secret))
	}
	x.report("kid tricks")

	living := newAuthority(t, token.Options{Ring: ring})
	for _, header := range old {
		if _, err := living.Verify(sign(header, minimal, secret)); err != nil {
			t.Errorf("the tricks are built wrong: before its end the key is refused: %v", err)
		}
	}
}

// Times at one second around each limit, and at one nanosecond of the clock.
func TestTimeClaims(t *testing.T) {
	whole := now.Truncate(time.Second)
	clock := whole
	a := newAuthority(t, token.Options{Now: func() time.Time { return clock }})
	var good, bad, accepted, refused int
	try := func(payload string, want token.Reason) {
		t.Helper()
		_, err := a.Verify(sign(plainHeader, payload, secret))
		if want == "" {
			good++
		} else {
			bad++
		}
		if token.ReasonOf(err) != want || (err == nil) != (want == "") {
			if err == nil {
				accepted++
			} else if want == "" {
				refused++
			}
			t.Errorf("%s at %v: %v, want %q", payload, clock, err, want)
		}
		code := map[token.Reason]gateway.Code{"": "", token.ReasonExpired: gateway.CodeTokenExpired}
		if wantCode, ok := code[want]; ok && gateway.CodeOf(err) != wantCode {
			t.Errorf("%s: code %q, want %q", payload, gateway.CodeOf(err), wantCode)
		}
	}
	exp := func(d int) string { return fmt.Sprintf(`{"sub":"ada","exp":%d}`, whole.Unix()+int64(d)) }
	ahead := func(claim string, d int) string {
		return fmt.Sprintf(`{"sub":"ada","exp":%d,%q:%d}`, whole.Unix()+3600, claim, whole.Unix()+int64(d))
	}
	for _, d := range []int{-3600, -31, -30, -1, 0} {
		try(exp(d), token.ReasonExpired)
	}
	for _, d := range []int{1, 2, 30, 3600} {
		try(exp(d), "")
	}
	for _, claim := range []string{"iat", "nbf"} {
		for _, d := range []int{-3600, -1, 0, 1, 29, 30} {
			try(ahead(claim, d), "")
		}
		for _, d := range []int{31, 32, 3600, 365 * 86400} {
			try(ahead(claim, d), token.ReasonNotYetValid)
		}
	}
	// Both limits: an expired token from the future is not "expired".
	try(fmt.Sprintf(`{"sub":"ada","exp":1,"iat":%d}`, whole.Unix()+31), token.ReasonNotYetValid)

	clock = whole.Add(time.Second - 1)
	try(exp(1), "")
	try(ahead("iat", 31), token.ReasonNotYetValid)
	clock = whole.Add(time.Second)
	try(exp(1), token.ReasonExpired)
	try(ahead("iat", 31), "")
	try(ahead("nbf", 31), "")

	clock = whole
	for _, value := range []string{
		"-1", "-0", "-1900000000", "-0.5", "1e10", "19e8", "1.9e9", "1E9", "1900000000e0", "1900000000.", ".5", "+1900000000", "01900000000", "0x713fb300", "1_900_000_000",
		"253402300800", "1900000000000", "9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744075609551616", "1e400", "-1e400", "1" + strings.Repeat("0", 300), "1900000000." + strings.Repeat("9", 100) + "e1",
		`"1900000000"`, `"never"`, `""`, `"2030-03-17T17:46:40Z"`, `null`, `true`, `false`, `[]`, `[1900000000]`, `{}`, `{"exp":1900000000}`, "NaN", "Infinity", "-Infinity",
	} {
		try(`{"sub":"ada","exp":`+value+`}`, token.ReasonClaims)
		for _, claim := range []string{"iat", "nbf"} {
			try(fmt.Sprintf(`{"sub":"ada","exp":1900000000,%q:%s}`, claim, value), token.ReasonClaims)
		}
	}
	try(`{"sub":"ada","exp":253402300799}`, "")
	try(fmt.Sprintf(`{"sub":"ada","exp":%d.999999999}`, whole.Unix()), token.ReasonExpired)
	try(fmt.Sprintf(`{"sub":"ada","exp":%d.000000001}`, whole.Unix()+1), "")
	try(`{"sub":"ada","exp":0}`, token.ReasonExpired)
	for _, payload := range []string{`{"sub":"ada"}`, `{"sub":"ada","Exp":1900000000}`, `{"sub":"ada","exp":1,"exp":1900000000}`, `{"sub":"ada","exp":1900000000,"\u0065xp":1}`, `{"sub":"ada","exp":1900000000,"nbf":1,"nbf":1900000000}`} {
		try(payload, token.ReasonClaims)
	}
	t.Logf("time claims: %d of %d accepted that must not be, %d of %d refused that must not be", accepted, bad, refused, good)
}
