package attack_test

import (
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

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forged signs a header and a payload in every way but the right one.
func forged(header, payload string, key, public []byte) []attempt {
	body := segment(header) + "." + segment(payload)
	var list []attempt
	add := func(how, signature string) {
		list = append(list, attempt{fmt.Sprintf("%.60s, %s", header, how), body + "." + signature})
	}
	mac := func(how string, h func() hash.Hash, key []byte) {
		m := hmac.New(h, key)
		m.Write([]byte(body))
		add(how, segment(string(m.Sum(nil))))
	}
	mac("HMAC-SHA384", sha512.New384, key)
	mac("HMAC-SHA512", sha512.New, key)
	mac("the empty key", sha256.New, nil)
	mac("a public key as the secret", sha256.New, public)
	mac("the key in base64", sha256.New, []byte(base64.StdEncoding.EncodeToString(key)))
	digest := sha256.Sum256(append([]byte(body), key...))
	add("a hash and no HMAC", segment(string(digest[:])))
	add("no signature", "")
	add("zeros", segment(string(make([]byte, sha256.Size))))
	return list
}

// foreign are tokens that are signed rightly, with keys of the attacker's own.
func foreign(t *testing.T, payload string, kids ...string) (list []attempt, public []byte) {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	signers := []struct {
		method jwt.SigningMethod
		key    any
	}{
		{jwt.SigningMethodRS256, rsaKey}, {jwt.SigningMethodRS512, rsaKey}, {jwt.SigningMethodPS256, rsaKey},
		{jwt.SigningMethodES256, curve}, {jwt.SigningMethodEdDSA, edwards}, {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType},
		{jwt.SigningMethodHS256, []byte(strings.Repeat("k", 40))}, {jwt.SigningMethodHS512, []byte(strings.Repeat("k", 40))},
	}
	for _, s := range signers {
		for _, kid := range append(kids, "") {
			header := fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, s.method.Alg())
			if kid != "" {
				header = fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":%q}`, s.method.Alg(), kid)
			}
			body := segment(header) + "." + segment(payload)
			signature, err := s.method.Sign(body, s.key)
			if err != nil {
				t.Fatal(err)
			}
			what := s.method.Alg() + " of a stranger, kid " + kid
			list = append(list, attempt{what, body + "." + segment(string(signature))},
				attempt{what + ", under the header that is wanted", segment(plainHeader) + "." + segment(payload) + "." + segment(string(signature))})
		}
	}
	return list, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// algorithms are headers in which the algorithm is not what it should be, or
// something else asks for rules of its own.
func algorithms() []string {
	headers := []string{
		`{}`, `{"typ":"JWT"}`, `null`, `"HS256"`, `[]`, ``, `{"alg":["HS256"]}`, `{"alg":null}`, `{"alg":256}`, `{"alg":{"alg":"HS256"}}`, `{"ALG":"HS256"}`,
		`{"alg":"HS256","alg":"none"}`, `{"alg":"none","alg":"HS256"}`, `{"alg":"HS256","\u0061lg":"HS256"}`,
		`{"alg":"HS256","crit":["exp"]}`, `{"alg":"HS256","b64":false,"crit":["b64"]}`, `{"alg":"HS256","zip":"DEF"}`, `{"alg":"HS256","cty":"JWT"}`, `{"alg":"HS256","typ":"JWE"}`,
		`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, `{"alg":"HS256","jku":"http://127.0.0.1/k"}`, `{"alg":"HS256","x5u":"http://127.0.0.1/k"}`, `{"alg":"HS256","x5c":["AA"]}`,
		plainHeader + `{}`, plainHeader + "\x00", "\ufeff" + plainHeader,
	}
	for _, alg := range []string{
		"", "none", "None", "NONE", "nOnE", `none\u0000`, `\u006eone`, "hs256", "HS256 ", `HS256\u0000`, `\uff28S256`, "HS256,none",
		"HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "EdDSA", "SHA256", "dir", "A256GCMKW", "*",
	} {
		headers = append(headers, `{"alg":"`+alg+`"}`, `{"alg":"`+alg+`","typ":"JWT"}`)
	}
	return headers
}

// In every gateway the good key signs some of the attempts: what is wrong with
// those is the header alone.
func TestAlgorithmTricks(t *testing.T) {
	g := start(t)
	payload := claims("admin", time.Now().Unix()+3600)
	attempts, public := foreign(t, payload, "nobody")
	attempts = append(attempts, forged(plainHeader, payload, g.key, public)...)
	for _, header := range algorithms() {
		attempts = append(attempts, forged(header, payload, g.key, public)...)
		attempts = append(attempts, attempt{header + ", signed with the key", gatewaytest.SignWith(g.key, header, payload)})
	}
	s := &siege{g: g, good: g.token("admin")}
	s.lay(t, attempts, 60)
	s.report(t, "algorithm tricks")
}

func kids() []string {
	var list []string
	for _, kid := range []string{
		"", " ", "nobody", "OLD", "old ", `old\u0000`, `\u043eld`, "old,new", "o", "oldnew", "active", "keys", "*", "%", "0", "null", "undefined",
		"/dev/null", "../../../../dev/null", "file:///dev/null", "./old", "jwt-secret", "/etc/hostname", "http://127.0.0.1/k",
		"' OR '1'='1", "x' UNION SELECT 'k", `\" OR 1=1 --`, "$(id)", "`id`", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "%s%n", "__proto__", "constructor",
		strings.Repeat("k", 65), strings.Repeat("k", 2000), strings.Repeat("k", 8000), strings.Repeat("k", 64<<10), strings.Repeat(`\u0000`, 300),
	} {
		list = append(list, `"`+kid+`"`)
	}
	return append(list, "1", "0", "-1", "null", "true", "[]", `["old"]`, "{}", `{"old":1}`, "old")
}

// wrongKIDs sign with every key under every name that does not belong to it.
func wrongKIDs(payload string, keys ...[]byte) []attempt {
	var list []attempt
	keys = append(keys, nil, []byte{0}, make([]byte, 32), []byte("nobody"), []byte("null"))
	for i, key := range keys {
		for _, kid := range kids() {
			list = append(list, attempt{fmt.Sprintf("kid %.40s, key %d", kid, i), gatewaytest.SignWith(key, `{"alg":"HS256","kid":`+kid+`}`, payload)})
		}
		for _, header := range []string{
			`{"alg":"HS256","kid":"nobody","kid":"old"}`, `{"alg":"HS256","kid":"old","kid":"nobody"}`,
			`{"alg":"HS256","kid":"old","\u006bid":"old"}`, `{"alg":"HS256","KID":"old"}`,
		} {
			list = append(list, attempt{fmt.Sprintf("%s, key %d", header, i), gatewaytest.SignWith(key, header, payload)})
		}
	}
	return list
}

func TestKIDTricks(t *testing.T) {
	payload := claims("admin", time.Now().Unix()+3600)
	sum := &siege{}
	try := func(g *gateway, attempts []attempt) {
		s := &siege{g: g, good: g.token("admin")}
		s.lay(t, attempts, 40)
		sum.tried, sum.accepted = sum.tried+s.tried, sum.accepted+s.accepted
		sum.sockets, sum.socketsAccepted = sum.sockets+s.sockets, sum.socketsAccepted+s.socketsAccepted
	}

	// With a secret file no kid is right.
	g := start(t)
	attempts := wrongKIDs(payload, g.key)
	strangers, _ := foreign(t, payload, "old", "../jwt-secret")
	try(g, append(attempts, strangers...))

	// With a ring each key has one.
	older, newer := []byte(strings.Repeat("older-0123456789", 3)), []byte(strings.Repeat("newer-9876543210", 3))
	base := base64.StdEncoding.EncodeToString
	ring := fmt.Sprintf(`{"active":"new","keys":{"old":%q,"new":%q}}`, base(older), base(newer))
	g = start(t, "jwt_keys_file="+process.WriteFile(t, "keys.json", ring))
	g.header, g.key = `{"alg":"HS256","typ":"JWT","kid":"new"}`, newer
	for _, key := range [][]byte{older, newer} {
		g.hidden.hide("key", string(key))
		g.hidden.hide("key", base(key))
	}
	attempts = wrongKIDs(payload, older, newer)
	strangers, _ = foreign(t, payload, "old", "new")
	attempts = append(attempts, strangers...)
	attempts = append(attempts,
		attempt{"new signed by old", gatewaytest.SignWith(older, `{"alg":"HS256","kid":"new"}`, payload)},
		attempt{"old signed by new", gatewaytest.SignWith(newer, `{"alg":"HS256","kid":"old"}`, payload)},
		attempt{"the secret that would be in a file", gatewaytest.SignWith([]byte(strings.Repeat("\x00", 32)), plainHeader, payload)})
	try(g, attempts)
	for _, good := range []string{
		gatewaytest.SignWith(older, `{"alg":"HS256","kid":"old"}`, payload), gatewaytest.SignWith(newer, `{"alg":"HS256","\u006bid":"ne\u0077"}`, payload),
		gatewaytest.SignWith(older, plainHeader, payload),
	} {
		if got := g.do("GET", "/auth/me", good, nil); got.Status != 200 {
			t.Errorf("the tricks are built wrong: a good token of the ring got %d", got.Status)
		}
	}
	sum.report(t, "kid tricks")
}
