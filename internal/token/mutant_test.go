package token_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

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

func TestNoMutantIsAccepted(t *testing.T) {
	a := newAuthority(t, token.Options{Ring: keysRing(t)})
	issue := func(c token.Claims) string {
		raw, err := a.Issue(c, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	// Three lengths, so that each segment ends with 0, 2 and 4 spare bits.
	valid := map[string]bool{}
	var list []string
	for _, sub := range []string{"ada", "adam", "adams"} {
		raw := issue(token.Claims{Subject: "x", ID: sub, Room: "lobby"})
		valid[raw] = true
		list = append(list, raw)
	}
	const mutants = 100_000
	r := rand.New(rand.NewPCG(1, 2))
	accepted, same := 0, 0
	for n := range mutants {
		m := mutate(r, list[n%3], list[(n+1)%3])
		if valid[m] {
			same++
			continue
		}
		if _, err := a.Verify(m); err == nil {
			accepted++
			t.Errorf("accepted: %q", m)
		} else if token.ReasonOf(err) == "" {
			t.Fatalf("refused without a reason: %v", err)
		}
		if accepted > 5 {
			t.FailNow()
		}
	}
	t.Logf("%d mutants, %d of them like a valid token, %d accepted", mutants, same, accepted)
	if same > mutants/10 {
		t.Errorf("%d of %d mutants changed nothing", same, mutants)
	}
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
