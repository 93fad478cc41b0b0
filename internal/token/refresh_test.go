package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

const refreshKey = "0123456789abcdef0123456789ABCDEF"

// session is a SessionID whose bytes are 0 to 15.
const session gateway.SessionID = "AAECAwQFBgcICQoLDA0ODw"

func newSealer(t testing.TB, key string) *token.Sealer {
	t.Helper()
	s, err := token.NewSealer([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// body is what a refresh token holds in front of its MAC.
func body(version byte, session string, counter uint64, name string) []byte {
	b := append([]byte{version}, session...)
	return append(binary.BigEndian.AppendUint64(b, counter), name...)
}

// seal makes a refresh token from any body, as whoever has the key could.
func seal(body []byte, domain, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(domain))
	mac.Write(body)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(bytes.Clone(body)))
}

const (
	refreshDomain = "edgegw refresh token\x00"
	sixteen       = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
)

func TestSealThenOpen(t *testing.T) {
	s := newSealer(t, refreshKey)
	seen := map[string]bool{}
	for _, r := range []token.Refresh{
		{Account: "ada", Session: session, Counter: 1},
		{Account: "ada", Session: session, Counter: 2},
		{Account: "adb", Session: session, Counter: 1},
		{Account: "ada", Session: "_____________________w", Counter: 1},
		{Account: "a", Session: session, Counter: math.MaxUint64},
		{Account: gateway.AccountName(strings.Repeat("a", gateway.MaxAccountNameBytes)), Session: token.NewSessionID(), Counter: 1 << 40},
		{Account: "0.line_7@plant+b-c", Session: token.NewSessionID(), Counter: 0},
	} {
		raw := s.Seal(r)
		if got, err := s.Open(raw); err != nil || got != r {
			t.Errorf("Open(Seal(%+v)) = %+v, %v", r, got, err)
		}
		if s.Seal(r) != raw {
			t.Errorf("sealing %+v again gives another token", r)
		}
		if seen[raw] || len(raw) > 247 {
			t.Errorf("the token of %+v is another's, or has %d characters", r, len(raw))
		}
		seen[raw] = true
	}
}

// A token that is out must still be good after an update.
func TestRefreshFormatIsKept(t *testing.T) {
	const want = "AQABAgMEBQYHCAkKCwwNDg8AAAAAAAAAB2FkYbi0_5n2EQrOIKiVuTKH_k6Tmu1DNNKwRLhDd4qotOXP"
	r := token.Refresh{Account: "ada", Session: session, Counter: 7}
	if got := newSealer(t, refreshKey).Seal(r); got != want {
		t.Errorf("Seal = %s, want %s", got, want)
	}
	if got := seal(body(1, sixteen, 7, "ada"), refreshDomain, refreshKey); got != want {
		t.Errorf("by hand %s, want %s", got, want)
	}
}

func TestSealRefusesWhatCannotBeOpened(t *testing.T) {
	s := newSealer(t, refreshKey)
	for name, r := range map[string]token.Refresh{
		"no account":          {Session: session},
		"account not folded":  {Account: "Ada", Session: session},
		"account too long":    {Account: gateway.AccountName(strings.Repeat("a", 129)), Session: session},
		"no session":          {Account: "ada"},
		"session too short":   {Account: "ada", Session: session[:20]},
		"session too long":    {Account: "ada", Session: session + "AA"},
		"session stray bits":  {Account: "ada", Session: session[:21] + "x"},
		"session, line break": {Account: "ada", Session: session + "\n"},
	} {
		if raw := s.Seal(r); raw != "" {
			t.Errorf("%s: sealed as %q", name, raw)
		}
	}
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := token.NewSealer(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is accepted", n)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := newSealer(t, refreshKey)
	good := body(1, sixteen, 7, "ada")
	raw := seal(good, refreshDomain, refreshKey)
	// One byte more in the name gives the last character stray bits.
	loose := seal(body(1, sixteen, 7, "adam"), refreshDomain, refreshKey)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, loose[len(loose)-1])
	tests := []struct {
		name, raw string
		want      token.Reason
	}{
		{"ok", raw, ""},
		{"ok loose", loose, ""},
		{"ok longest name", seal(body(1, sixteen, 7, strings.Repeat("a", 128)), refreshDomain, refreshKey), ""},
		{"bad name one longer", seal(body(1, sixteen, 7, strings.Repeat("a", 129)), refreshDomain, refreshKey), token.ReasonClaims},
		{"bad name not folded", seal(body(1, sixteen, 7, "Ada"), refreshDomain, refreshKey), token.ReasonClaims},
		{"bad name with NUL", seal(body(1, sixteen, 7, "ada\x00"), refreshDomain, refreshKey), token.ReasonClaims},
		{"bad name empty", seal(body(1, sixteen, 7, ""), refreshDomain, refreshKey), token.ReasonMalformed},
		{"bad version 0", seal(body(0, sixteen, 7, "ada"), refreshDomain, refreshKey), token.ReasonMalformed},
		{"bad version 2", seal(body(2, sixteen, 7, "ada"), refreshDomain, refreshKey), token.ReasonMalformed},
		{"bad other key", seal(good, refreshDomain, strings.ToUpper(refreshKey)), token.ReasonSignature},
		{"bad empty key", seal(good, refreshDomain, ""), token.ReasonSignature},
		{"bad no domain", seal(good, "", refreshKey), token.ReasonSignature},
		{"bad other domain", seal(good, "edgegw reset code\x00", refreshKey), token.ReasonSignature},
		{"bad no MAC", base64.RawURLEncoding.EncodeToString(good), token.ReasonMalformed},
		{"bad MAC of zeros", base64.RawURLEncoding.EncodeToString(append(bytes.Clone(good), make([]byte, 32)...)), token.ReasonSignature},
		{"bad MAC cut", loose[:len(loose)-2], token.ReasonSignature},
		{"bad MAC cut to nothing of the name", raw[:len(raw)-4], token.ReasonMalformed},
		{"bad MAC and more", raw + "AAAA", token.ReasonSignature},
		{"bad empty", "", token.ReasonMalformed},
		{"bad 512 bytes", strings.Repeat("A", 512), token.ReasonMalformed},
		{"bad 513 bytes", strings.Repeat("A", 513), token.ReasonTooLong},
		{"bad a megabyte", strings.Repeat("A", 1<<20), token.ReasonTooLong},
		{"bad good one, made over-long", raw + strings.Repeat("\n", 512), token.ReasonTooLong},
		{"bad stray bits", loose[:len(loose)-1] + string(alphabet[last^1]), token.ReasonMalformed},
		{"bad padding", loose + "=", token.ReasonMalformed},
		{"bad line break behind", raw + "\n", token.ReasonMalformed},
		{"bad line break inside", raw[:9] + "\r\n" + raw[9:], token.ReasonMalformed},
		{"bad space in front", " " + raw, token.ReasonMalformed},
		{"bad NUL behind", raw + "\x00", token.ReasonMalformed},
		{"bad percent escape", strings.Replace(raw, "A", "%41", 1), token.ReasonMalformed},
		{"bad two of them", raw + "." + raw, token.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Open(tt.raw)
			if r := token.ReasonOf(err); r != tt.want || (err == nil) != (tt.want == "") {
				t.Fatalf("Open: reason %q (%v), want %q", r, err, tt.want)
			}
			if err == nil {
				return
			}
			if gateway.CodeOf(err) != gateway.CodeInvalidToken || got != (token.Refresh{}) {
				t.Errorf("code %q and %+v, want invalid_token and nothing", gateway.CodeOf(err), got)
			}
			if m := gateway.AsError(err).Message; len(tt.raw) > 8 && strings.Contains(m+err.Error(), tt.raw[:8]) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
}

// The two kinds of token must not stand in for each other, also when someone gave
// both the same key.
func TestWrongKindsOfToken(t *testing.T) {
	ring := secretRing(t, refreshKey)
	a := newAuthority(t, token.Options{Ring: ring})
	s := newSealer(t, refreshKey)
	access, err := a.Issue(token.Claims{Subject: "ada", Session: string(session)}, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	refresh := s.Seal(token.Refresh{Account: "ada", Session: session, Counter: 1})
	if _, err := a.Verify(access); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(refresh); err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	segments := strings.Split(access, ".")
	foreign := []string{
		"", "ada", "correct horse battery staple", token.NewSecret(), string(token.NewSessionID()), string(session),
		"v4.local." + b64(make([]byte, 64)), "v4.public." + b64(make([]byte, 96)),
		"Bearer " + access, "bearer, " + access, "Bearer " + refresh, `{"refresh_token":"` + refresh + `"}`,
		b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA",
		access + "." + refresh, refresh + "." + access, b64([]byte(access)), b64([]byte(refresh)),
	}
	asAccess := append([]string{
		refresh, refresh + "..", "." + refresh + ".", segments[0] + "." + refresh, segments[0] + "." + refresh + "." + segments[2],
		segments[0] + "." + segments[1] + "." + refresh,
		// A header and a payload, signed by the refresh tokens' rule.
		segments[0] + "." + segments[1] + "." + lastMAC(seal([]byte(segments[0]+"."+segments[1]), refreshDomain, refreshKey)),
	}, foreign...)
	asRefresh := append([]string{
		access, segments[0], segments[1], segments[2], segments[0] + segments[1] + segments[2],
		// A body, signed by the access tokens' rule: over its text.
		b64(append(body(1, sixteen, 1, "ada"), rawMAC(b64(body(1, sixteen, 1, "ada")), refreshKey)...)),
	}, foreign...)
	accepted := 0
	for _, raw := range asAccess {
		if _, err := a.Verify(raw); err == nil || token.ReasonOf(err) == "" {
			accepted++
			t.Errorf("as an access token: %q: %v", raw, err)
		}
	}
	for _, raw := range asRefresh {
		if _, err := s.Open(raw); err == nil || token.ReasonOf(err) == "" {
			accepted++
			t.Errorf("as a refresh token: %q: %v", raw, err)
		}
	}
	t.Logf("wrong kinds of token: %d of %d accepted", accepted, len(asAccess)+len(asRefresh))
}

func rawMAC(text, key string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// lastMAC is the MAC of a token that seal made, in base64url.
func lastMAC(raw string) string {
	b, _ := base64.RawURLEncoding.DecodeString(raw)
	return base64.RawURLEncoding.EncodeToString(b[len(b)-32:])
}

// Whatever is thrown at Open, it does not panic, it gives a reason, and what it
// accepts has no other spelling. Signed inputs are bodies that get a good MAC, so
// that what lies behind it is reached.
func FuzzOpen(f *testing.F) {
	f.Add(body(1, sixteen, 7, "ada"), true)
	f.Add(body(1, sixteen, math.MaxUint64, "Ada"), true)
	f.Add(body(2, sixteen, 1, ""), true)
	f.Add([]byte(seal(body(1, sixteen, 7, "ada"), refreshDomain, refreshKey)), false)
	f.Add([]byte("\n=AA"), false)
	f.Fuzz(func(t *testing.T, in []byte, signed bool) {
		raw := string(in)
		if signed {
			raw = seal(in, refreshDomain, refreshKey)
		}
		s := newSealer(t, refreshKey)
		r, err := s.Open(raw)
		if (err == nil) != (token.ReasonOf(err) == "") {
			t.Fatalf("refused without a reason: %v", err)
		}
		if err == nil && s.Seal(r) != raw {
			t.Errorf("accepted %q, which is sealed as %q", raw, s.Seal(r))
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	s := newSealer(b, refreshKey)
	raw := s.Seal(token.Refresh{Account: "ada", Session: session, Counter: 7})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open(raw); err != nil {
			b.Fatal(err)
		}
	}
}
