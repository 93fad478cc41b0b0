package token_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func asRejected(err error, r **token.RejectedError) bool { return errors.As(err, r) }

// mutate changes a token in one of many small ways. other is a second valid
// token to take segments from.
func mutate(r *rand.Rand, raw, other string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := []byte(raw)
	i := r.IntN(len(b))
	switch r.IntN(9) {
	case 0: // flip a bit
		b[i] ^= 1 << r.IntN(8)
	case 1: // another character of the alphabet
		b[i] = alphabet[r.IntN(len(alphabet))]
	case 2: // the last character of a segment, where spare bits are
		ends := []int{strings.IndexByte(raw, '.') - 1, strings.LastIndexByte(raw, '.') - 1, len(raw) - 1}
		b[ends[r.IntN(3)]] = alphabet[r.IntN(len(alphabet))]
	case 3: // drop a character
		b = append(b[:i], b[i+1:]...)
	case 4: // slip one in
		const strays = "\n\r\t =.A%\x00"
		b = append(b[:i], append([]byte{strays[r.IntN(len(strays))]}, b[i:]...)...)
	case 5: // cut
		b = b[:i]
	case 6: // swap two characters
		j := r.IntN(len(b))
		b[i], b[j] = b[j], b[i]
	case 7: // segments of two tokens, in any order
		pool := append(strings.Split(raw, "."), strings.Split(other, ".")...)
		r.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		return strings.Join(pool[:2+r.IntN(3)], ".")
	case 8: // twice over
		return raw + []string{"", ".", "=", "=="}[r.IntN(4)] + raw[:r.IntN(len(raw))]
	}
	return string(b)
}

// singles yields every string that one small change makes of a token, and the
// token itself where the change does nothing: each byte replaced by each other,
// deleted, escaped; each byte put in at each place; each two swapped; each cut at
// either end; another case; padding.
func singles(raw string, yield func(string)) {
	n := len(raw)
	for i := range n {
		for c := range 256 {
			yield(raw[:i] + string([]byte{byte(c)}) + raw[i+1:])
			yield(raw[:i] + string([]byte{byte(c)}) + raw[i:])
		}
		yield(raw[:i] + raw[i+1:])
		yield(fmt.Sprintf("%s%%%02x%s", raw[:i], raw[i], raw[i+1:]))
		yield(raw[:i])
		yield(raw[i:])
		for j := i + 1; j < n; j++ {
			yield(raw[:i] + raw[j:j+1] + raw[i+1:j] + raw[i:i+1] + raw[j+1:])
		}
	}
	for c := range 256 {
		yield(raw + string([]byte{byte(c)}))
	}
	for _, s := range []string{strings.ToUpper(raw), strings.ToLower(raw), raw + "==", raw + "===", raw + raw, raw + "." + raw, raw + ".", "." + raw} {
		yield(s)
	}
}

// mutants counts what a check accepts of strings that are like good tokens.
type mutants struct {
	*testing.T
	check             func(string) error
	n, same, accepted int
}

func (m *mutants) try(mutant string, good ...string) {
	if slices.Contains(good, mutant) {
		m.same++
		return
	}
	m.n++
	switch err := m.check(mutant); {
	case err == nil:
		m.accepted++
		m.Errorf("accepted: %q", mutant)
	case token.ReasonOf(err) == "":
		m.Fatalf("refused without a reason: %v", err)
	}
	if m.accepted > 5 {
		m.FailNow()
	}
}

func (m *mutants) report(what string, least int) {
	m.Logf("%s: %d of %d mutants accepted", what, m.accepted, m.n)
	if !testing.Short() && m.n < least || m.same > m.n/10 {
		m.Errorf("only %d mutants, and %d that changed nothing", m.n, m.same)
	}
}

// every is how many mutants are tried: one of so many.
func every() int {
	if testing.Short() { // an emulator does not check HMACs any better, only slower
		return 37
	}
	return 1
}

func TestNoMutantIsAccepted(t *testing.T) {
	a := newAuthority(t, token.Options{Ring: keysRing(t)})
	// Three lengths, so that each segment ends with 0, 2 and 4 spare bits.
	var list []string
	for _, id := range []string{"ada", "adam", "adams"} {
		raw, err := a.Issue(token.Claims{Subject: "x", ID: id, Room: "lobby"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, raw)
	}
	m := &mutants{T: t, check: func(raw string) error { _, err := a.Verify(raw); return err }}
	at := 0
	singles(list[0], func(mutant string) {
		if at++; at%every() == 0 {
			m.try(mutant, list[0])
		}
	})
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 40_000 / every() {
		m.try(mutate(r, list[n%3], list[(n+1)%3]), list...)
	}
	m.report("access tokens", 100_000)
}

func TestNoMutantOfARefreshTokenIsAccepted(t *testing.T) {
	s := newSealer(t, refreshKey)
	m := &mutants{T: t, check: func(raw string) error { _, err := s.Open(raw); return err }}
	// Three lengths here, too.
	at := 0
	for _, name := range []gateway.AccountName{"ada", "adam", "adams"} {
		good := s.Seal(token.Refresh{Account: name, Session: session, Counter: 7})
		if _, err := s.Open(good); err != nil {
			t.Fatal(err)
		}
		singles(good, func(mutant string) {
			if at++; at%every() == 0 {
				m.try(mutant, good)
			}
		})
	}
	m.report("refresh tokens", 100_000)
}

// strictest is golang-jwt's own parser with everything on that can be.
func strictest(raw string) error {
	p := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(0))
	_, err := p.Parse(raw, func(t *jwt.Token) (any, error) {
		if kid, ok := t.Header["kid"]; ok && kid == "new" {
			return []byte(otherSecret), nil
		}
		return jwt.VerificationKeySet{Keys: []jwt.VerificationKey{[]byte(secret), []byte(otherSecret)}}, nil
	})
	// Its one leeway is for exp too; iat and nbf have theirs here.
	if errors.Is(err, jwt.ErrTokenNotValidYet) {
		return nil
	}
	return err
}

// Whatever is thrown at Verify, it does not panic, it gives a reason, and what it
// accepts golang-jwt accepts as well. Even inputs are headers and payloads that
// get a good signature, so that the claims are reached.
func FuzzVerify(f *testing.F) {
	f.Add(plainHeader, minimal, true)
	f.Add(`{"alg":"HS256","kid":"new"}`, `{"sub":"ada","exp":1900000000,"nbf":1,"aud":["a"],"room":"r"}`, true)
	f.Add(`{"alg":"none"}`, `{"sub":"ada","exp":19e8,"x":{"y":[1,"}"]}}`, true)
	f.Add(sign(plainHeader, minimal, secret), "", false)
	f.Fuzz(func(t *testing.T, header, payload string, signed bool) {
		a := newAuthority(t, token.Options{Ring: keysRing(t)})
		raw := header
		if signed {
			raw = sign(header, payload, secret)
		}
		claims, err := a.Verify(raw)
		if (err == nil) != (token.ReasonOf(err) == "") {
			t.Fatalf("refused without a reason: %v", err)
		}
		if err != nil {
			return
		}
		if claims.Subject == "" || !claims.ExpiresAt.After(now) {
			t.Errorf("accepted with claims %+v", claims)
		}
		if err := strictest(raw); err != nil {
			t.Errorf("accepted here, refused by golang-jwt: %v", err)
		}
		if !signed && raw != sign(plainHeader, minimal, secret) {
			t.Errorf("accepted %q, which nobody signed", raw)
		}
	})
}
