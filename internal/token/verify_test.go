package token_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

// minimal is what a service with the shared secret has to say.
const minimal = `{"sub":"ada","exp":1900000000}`

func TestVerifyHeader(t *testing.T) {
	tests := []struct {
		name, header, secret string
		want                 token.Reason
	}{
		{"ok typ and alg", plainHeader, secret, ""},
		{"ok alg alone", `{"alg":"HS256"}`, secret, ""},
		{"ok spaced", " {\n\"typ\" : \"jwt\" ,\t\"alg\":\"HS256\" } ", secret, ""},
		{"ok escaped", `{"\u0061lg":"HS\u003256"}`, secret, ""},
		{"ok old kid", `{"alg":"HS256","kid":"old"}`, secret, ""},
		{"ok new kid", `{"alg":"HS256","kid":"new"}`, otherSecret, ""},
		{"bad none", `{"alg":"none"}`, secret, token.ReasonAlgorithm},
		{"bad HS512 named, HS256 made", `{"alg":"HS512"}`, secret, token.ReasonAlgorithm},
		{"bad lower case alg", `{"alg":"hs256"}`, secret, token.ReasonAlgorithm},
		{"bad RS256", `{"alg":"RS256"}`, secret, token.ReasonAlgorithm},
		{"bad empty alg", `{"alg":""}`, secret, token.ReasonAlgorithm},
		{"bad no alg", `{"typ":"JWT"}`, secret, token.ReasonAlgorithm},
		{"bad name of alg in upper case", `{"ALG":"HS256"}`, secret, token.ReasonHeader},
		{"bad alg null", `{"alg":null}`, secret, token.ReasonHeader},
		{"bad alg list", `{"alg":["HS256"]}`, secret, token.ReasonHeader},
		{"bad alg twice", `{"alg":"HS256","alg":"HS256"}`, secret, token.ReasonHeader},
		{"bad alg twice, once escaped", `{"alg":"none","\u0061lg":"HS256"}`, secret, token.ReasonHeader},
		{"bad typ", `{"alg":"HS256","typ":"JWE"}`, secret, token.ReasonHeader},
		{"bad crit", `{"alg":"HS256","crit":["exp"]}`, secret, token.ReasonHeader},
		{"bad unknown member", `{"alg":"HS256","x":"y"}`, secret, token.ReasonHeader},
		{"bad jwk", `{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, secret, token.ReasonHeader},
		{"bad cty", `{"alg":"HS256","cty":"JWT"}`, secret, token.ReasonHeader},
		{"bad unknown kid", `{"alg":"HS256","kid":"nobody"}`, secret, token.ReasonUnknownKey},
		{"bad unknown kid, empty key", `{"alg":"HS256","kid":"nobody"}`, "", token.ReasonUnknownKey},
		{"bad empty kid", `{"alg":"HS256","kid":""}`, secret, token.ReasonUnknownKey},
		{"bad kid number", `{"alg":"HS256","kid":1}`, secret, token.ReasonHeader},
		{"bad kid null", `{"alg":"HS256","kid":null}`, secret, token.ReasonHeader},
		{"bad kid of another key", `{"alg":"HS256","kid":"new"}`, secret, token.ReasonSignature},
		{"bad empty key", plainHeader, "", token.ReasonSignature},
		{"bad foreign key", plainHeader, secret + "x", token.ReasonSignature},
		{"bad header list", `["HS256"]`, secret, token.ReasonHeader},
		{"bad header null", `null`, secret, token.ReasonHeader},
		{"bad header empty", ``, secret, token.ReasonHeader},
		{"bad header cut", `{"alg":"HS256"`, secret, token.ReasonHeader},
		{"bad header with more behind", `{"alg":"HS256"}{}`, secret, token.ReasonHeader},
		{"bad header not UTF-8", "{\"alg\":\"HS256\",\"kid\":\"\xff\"}", secret, token.ReasonHeader},
	}
	a := newAuthority(t, token.Options{Ring: keysRing(t)})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, a, sign(tt.header, minimal, tt.secret), tt.want)
		})
	}
}

// check verifies raw and holds the outcome against the wanted reason; "" stands
// for an accepted token.
func check(t *testing.T, a *token.Authority, raw string, want token.Reason) {
	t.Helper()
	claims, err := a.Verify(raw)
	if got := token.ReasonOf(err); got != want || (err == nil) != (want == "") {
		t.Fatalf("Verify: reason %q (%v), want %q", got, err, want)
	}
	if want == "" {
		return
	}
	code := gateway.CodeInvalidToken
	if want == token.ReasonExpired {
		code = gateway.CodeTokenExpired
	}
	if gateway.CodeOf(err) != code || claims != (token.Claims{}) {
		t.Errorf("code %q, claims %+v, want %q and none", gateway.CodeOf(err), claims, code)
	}
	for _, segment := range strings.Split(raw, ".") {
		if len(segment) > 8 && (strings.Contains(err.Error(), segment) || strings.Contains(gateway.AsError(err).Message, segment)) {
			t.Errorf("the error quotes the token: %v", err)
		}
	}
}

func TestVerifyClaims(t *testing.T) {
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	with := func(format string, args ...any) string {
		return fmt.Sprintf(`{"sub":"ada","exp":1900000000,`+format+`}`, args...)
	}
	tests := []struct {
		name, payload string
		want          token.Reason
	}{
		{"ok minimal", minimal, ""},
		{"ok sub folded", `{"sub":"Ada","exp":1900000000}`, ""},
		{"ok escaped name", `{"\u0073ub":"\u0061da","exp":1900000000}`, ""},
		{"ok unknown claims", with(`"email":"a@b","nested":{"a":[1,{"b":"}"}],"c":"\\\""},"https:\/\/x":null`), ""},
		{"ok iat 30 s ahead", with(`"iat":%d`, at(30*time.Second)), ""},
		{"ok nbf 30 s ahead", with(`"nbf":%d`, at(30*time.Second)), ""},
		{"ok one second left", fmt.Sprintf(`{"sub":"ada","exp":%d}`, at(time.Second)), ""},
		{"ok room", with(`"room":"plant.7"`), ""},
		{"ok iss and aud that nobody asked for", with(`"iss":"x","aud":["y","z"]`), ""},
		{"bad no exp", `{"sub":"ada"}`, token.ReasonClaims},
		{"bad exp in upper case", `{"sub":"ada","EXP":1900000000}`, token.ReasonClaims},
		{"bad exp just now", fmt.Sprintf(`{"sub":"ada","exp":%d}`, at(0)), token.ReasonExpired},
		{"bad exp long ago", `{"sub":"ada","exp":0}`, token.ReasonExpired},
		{"bad exp string", `{"sub":"ada","exp":"1900000000"}`, token.ReasonClaims},
		{"bad exp null", `{"sub":"ada","exp":null}`, token.ReasonClaims},
		{"bad exp true", `{"sub":"ada","exp":true}`, token.ReasonClaims},
		{"bad exp NaN", `{"sub":"ada","exp":NaN}`, token.ReasonClaims},
		{"bad exp negative", `{"sub":"ada","exp":-1}`, token.ReasonClaims},
		{"bad exp minus zero", `{"sub":"ada","exp":-0}`, token.ReasonClaims},
		{"ok fractions of seconds", `{"sub":"ada","exp":1900000000.25,"iat":1.5}`, ""},
		{"bad exp just now, and a fraction", fmt.Sprintf(`{"sub":"ada","exp":%d.999}`, at(0)), token.ReasonExpired},
		{"bad exp with a dot and nothing", `{"sub":"ada","exp":1900000000.}`, token.ReasonClaims},
		{"bad exp with two dots", `{"sub":"ada","exp":1900000000.1.2}`, token.ReasonClaims},
		{"bad exp fraction with exponent", `{"sub":"ada","exp":1900000000.1e1}`, token.ReasonClaims},
		{"bad exp exponent", `{"sub":"ada","exp":19e8}`, token.ReasonClaims},
		{"bad exp in milliseconds", `{"sub":"ada","exp":1900000000000}`, token.ReasonClaims},
		{"bad exp beyond 63 bits", `{"sub":"ada","exp":9223372036854775808}`, token.ReasonClaims},
		{"bad exp huge", `{"sub":"ada","exp":1e400}`, token.ReasonClaims},
		{"bad exp twice", `{"sub":"ada","exp":1,"exp":1900000000}`, token.ReasonClaims},
		{"bad exp twice, once escaped", `{"sub":"ada","exp":1,"\u0065xp":1900000000}`, token.ReasonClaims},
		{"bad unknown claim twice", with(`"x":1,"x":1`), token.ReasonClaims},
		{"bad no sub", `{"exp":1900000000}`, token.ReasonClaims},
		{"bad sub empty", `{"sub":"","exp":1900000000}`, token.ReasonClaims},
		{"bad sub number", `{"sub":7,"exp":1900000000}`, token.ReasonClaims},
		{"bad sub null", `{"sub":null,"exp":1900000000}`, token.ReasonClaims},
		{"bad sub with a space", `{"sub":"a b","exp":1900000000}`, token.ReasonClaims},
		{"bad sub too long", `{"sub":"` + strings.Repeat("a", 129) + `","exp":1900000000}`, token.ReasonClaims},
		{"bad iat 31 s ahead", with(`"iat":%d`, at(32*time.Second)), token.ReasonNotYetValid},
		{"bad iat a year ahead", with(`"iat":%d`, at(365*24*time.Hour)), token.ReasonNotYetValid},
		{"bad iat string", with(`"iat":"1"`), token.ReasonClaims},
		{"bad nbf 31 s ahead", with(`"nbf":%d`, at(32*time.Second)), token.ReasonNotYetValid},
		{"bad nbf negative", with(`"nbf":-5`), token.ReasonClaims},
		{"bad room empty", with(`"room":""`), token.ReasonClaims},
		{"bad room number", with(`"room":5`), token.ReasonClaims},
		{"bad room null", with(`"room":null`), token.ReasonClaims},
		{"bad room out of shape", with(`"room":"a/b"`), token.ReasonClaims},
		{"bad sid empty", with(`"sid":""`), token.ReasonClaims},
		{"bad sid number", with(`"sid":1`), token.ReasonClaims},
		{"bad sid too long", with(`"sid":"%s"`, strings.Repeat("s", 129)), token.ReasonClaims},
		{"bad jti list", with(`"jti":["x"]`), token.ReasonClaims},
		{"bad iss number", with(`"iss":1`), token.ReasonClaims},
		{"bad aud number", with(`"aud":1`), token.ReasonClaims},
		{"bad aud list of numbers", with(`"aud":["x",1]`), token.ReasonClaims},
		{"bad payload list", `["sub","ada"]`, token.ReasonClaims},
		{"bad payload null", `null`, token.ReasonClaims},
		{"bad payload empty", ``, token.ReasonClaims},
		{"bad payload with more behind", minimal + minimal, token.ReasonClaims},
		{"bad payload not UTF-8", "{\"sub\":\"ada\",\"exp\":1900000000,\"x\":\"\xff\"}", token.ReasonClaims},
		{"bad payload of many members", with("%s", manyMembers(64)), token.ReasonClaims},
		{"bad payload deep", `{"sub":"ada","exp":1900000000,"x":` + strings.Repeat("[", 2900) + `}`, token.ReasonClaims},
	}
	a := newAuthority(t, token.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, a, sign(plainHeader, tt.payload, secret), tt.want)
		})
	}
}

func manyMembers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"m%d":0`, i)
	}
	return strings.Join(list, ",")
}

func TestVerifyIssuerAndAudience(t *testing.T) {
	tests := []struct {
		name, claims string
		want         token.Reason
	}{
		{"ok both", `"iss":"gw","aud":"site"`, ""},
		{"ok one of several", `"iss":"gw","aud":["x","site"]`, ""},
		{"bad no iss", `"aud":"site"`, token.ReasonIssuer},
		{"bad other iss", `"iss":"GW","aud":"site"`, token.ReasonIssuer},
		{"bad no aud", `"iss":"gw"`, token.ReasonAudience},
		{"bad other aud", `"iss":"gw","aud":"sit"`, token.ReasonAudience},
		{"bad empty aud", `"iss":"gw","aud":[]`, token.ReasonAudience},
	}
	a := newAuthority(t, token.Options{Issuer: "gw", Audience: "site"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, a, sign(plainHeader, `{"sub":"ada","exp":1900000000,`+tt.claims+`}`, secret), tt.want)
			expired := sign(plainHeader, `{"sub":"ada","exp":1,`+tt.claims+`}`, secret)
			want := tt.want
			if want == "" {
				want = token.ReasonExpired
			}
			check(t, a, expired, want)
		})
	}
}

func TestVerifyForm(t *testing.T) {
	good := sign(plainHeader, minimal, secret)
	segments := strings.Split(good, ".")
	// The last character of a 43-character segment carries two spare bits.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := good[len(good)-1]
	altered := good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, last)^1])
	// A payload that fills the token to exactly n bytes.
	sized := func(n int) string {
		for pad := n / 2; pad < n; pad++ {
			if raw := sign(plainHeader, minimal+strings.Repeat(" ", pad), secret); len(raw) >= n {
				return raw
			}
		}
		return ""
	}
	tests := []struct {
		name, raw string
		want      token.Reason
	}{
		{"ok", good, ""},
		{"ok longest", sized(4096), ""},
		{"bad too long", sized(4097), token.ReasonTooLong},
		{"bad a megabyte", strings.Repeat("A", 1<<20), token.ReasonTooLong},
		{"bad empty", "", token.ReasonMalformed},
		{"bad dots", "..", token.ReasonHeader},
		{"bad two segments", segments[0] + "." + segments[1], token.ReasonMalformed},
		{"bad four segments", good + ".", token.ReasonMalformed},
		{"bad spare bits of the last character", altered, token.ReasonMalformed},
		{"bad padding", good + "=", token.ReasonMalformed},
		{"bad no signature", segments[0] + "." + segments[1] + ".", token.ReasonSignature},
		{"bad short signature", good[:len(good)-3], token.ReasonSignature},
		{"bad trailing newline", good + "\n", token.ReasonMalformed},
		{"bad newline inside", good[:len(good)-9] + "\r\n" + good[len(good)-9:], token.ReasonMalformed},
		{"bad leading space", " " + good, token.ReasonMalformed},
		{"bad NUL behind", good + "\x00", token.ReasonMalformed},
		{"bad standard alphabet", strings.Replace(sign(plainHeader, `{"sub":"ada","exp":1900000000,"x":"???>>>"}`, secret), "_", "/", 1), token.ReasonMalformed},
		{"bad swapped segments", segments[1] + "." + segments[0] + "." + segments[2], token.ReasonHeader},
		{"bad JSON serialisation", `{"payload":"` + segments[1] + `","protected":"` + segments[0] + `","signature":"` + segments[2] + `"}`, token.ReasonMalformed},
	}
	a := newAuthority(t, token.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, a, tt.raw, tt.want) })
	}
}

// Tokens that are rightly signed, but by another algorithm than the key's.
func TestVerifyKeepsToTheKeysAlgorithm(t *testing.T) {
	a := newAuthority(t, token.Options{})
	b64 := base64.RawURLEncoding.EncodeToString

	signed := b64([]byte(`{"alg":"HS512"}`)) + "." + b64([]byte(minimal))
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(signed))
	check(t, a, signed+"."+b64(mac.Sum(nil)), token.ReasonAlgorithm)

	signed = b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(minimal))
	check(t, a, signed+".", token.ReasonAlgorithm)

	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "ada", "exp": 1900000000}).SignedString(crypto.Signer(priv))
	if err != nil {
		t.Fatal(err)
	}
	check(t, a, rs, token.ReasonAlgorithm)
}

func TestExpiredTokenNamesItsSubject(t *testing.T) {
	_, err := newAuthority(t, token.Options{}).Verify(sign(plainHeader, `{"sub":"Ada","exp":1}`, secret))
	var r *token.RejectedError
	if !asRejected(err, &r) || r.Subject != "ada" {
		t.Errorf("rejected %+v, want the subject ada for the log", r)
	}
	_, err = newAuthority(t, token.Options{}).Verify(sign(plainHeader, `{"sub":"ada","exp":1}`, otherSecret))
	if !asRejected(err, &r) || r.Subject != "" {
		t.Errorf("rejected %+v, want no subject from a token that nobody signed", r)
	}
}
