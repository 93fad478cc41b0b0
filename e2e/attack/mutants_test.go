package attack_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// alphabet is that of base64url, and what else one may try in its place.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.%~ \xc3\xa9\xff"

// mutate changes a token in one of many ways. Others is another good token, to
// be crossed with.
func mutate(r *rand.Rand, token, other string) string {
	b := []byte(token)
	at, to := r.IntN(len(b)), r.IntN(len(b))
	at, to = min(at, to), max(at, to)
	parts, strange := strings.Split(token, "."), strings.Split(other, ".")
	switch r.IntN(14) {
	case 0: // another character
		b[at] = alphabet[r.IntN(len(alphabet))]
	case 1: // another bit
		b[at] ^= 1 << r.IntN(7)
	case 2: // one more character
		b = slices.Insert(b, at, alphabet[r.IntN(len(alphabet))])
	case 3: // one less
		b = slices.Delete(b, at, at+1)
	case 4: // two swapped
		b[at], b[to] = b[to], b[at]
	case 5: // a piece gone
		b = slices.Delete(b, at, to)
	case 6: // a piece twice
		b = slices.Insert(b, to, b[at:to]...)
	case 7: // a piece of another
		if to < len(other) {
			copy(b[at:to], other[at:to])
		}
	case 8: // a segment of another
		i := r.IntN(len(parts))
		parts[i] = strange[i]
		b = []byte(strings.Join(parts, "."))
	case 9: // the segments in another order, or one twice
		b = []byte(parts[r.IntN(3)] + "." + parts[r.IntN(3)] + "." + parts[r.IntN(3)])
	case 10: // another spelling of the last character, whose low bits are spare
		b[len(b)-1] = alphabet[(strings.IndexByte(alphabet, b[len(b)-1])+1+r.IntN(3))%64]
	case 11: // another case
		b = []byte(token[:at] + strings.ToUpper(token[at:to]) + strings.ToLower(token[to:]))
	case 12: // something behind or before
		tail := []string{"=", "==", ".", ".e30", "%00", "A", "AAAA", ",", ";"}[r.IntN(9)]
		if b = append(b, tail...); r.IntN(2) == 0 {
			b = []byte(tail + token)
		}
	case 13: // other claims under the same signature
		payload := `{"sub":"admin","exp":` + strconv.Itoa(2_000_000_000+r.IntN(1<<30)) + `}`
		b = []byte(parts[0] + "." + segment(payload) + "." + parts[2])
	}
	return string(b)
}

func TestTokenMutants(t *testing.T) {
	g := start(t)
	first := g.login("admin").access
	g.addUser("ada")
	good := []string{first, g.token("admin"), g.token("ada"), g.sign(`{"sub":"ada","exp":4000000000,"nbf":1,"room":"hall"}`)}
	const workers = 4
	each := scaled(100_000, 4_000) / workers
	s := &siege{g: g, good: good[1]}
	began := time.Now()
	var (
		mu   sync.Mutex
		some []attempt
		wg   sync.WaitGroup
	)
	for worker := range workers {
		wg.Go(func() {
			r, mutants := seeded(uint64(worker)), make([]attempt, 0, each)
			for tries := 0; len(mutants) < each && tries < 4*each; tries++ {
				m := mutate(r, good[r.IntN(len(good))], good[r.IntN(len(good))])
				if sendable(m) && !slices.Contains(good, m) {
					mutants = append(mutants, attempt{"mutant " + strconv.Itoa(len(mutants)) + " of " + strconv.Itoa(worker), m})
				}
			}
			accepted, err := s.storm(t, mutants)
			mu.Lock()
			defer mu.Unlock()
			s.tried, s.accepted = s.tried+len(mutants), s.accepted+accepted
			some = append(some, mutants[:len(mutants)/20]...)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.tried < workers*each {
		t.Errorf("only %d mutants could be made", s.tried)
	}
	s.handshakes(t, some, scaled(200, 20))
	s.report(t, "token mutants")
	t.Logf("token mutants took %v", time.Since(began).Round(time.Millisecond))
}
