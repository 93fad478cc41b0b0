package client

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestBackoff looks at how the waits are spread: evenly, above 0 and up to a
// ceiling that doubles.
func TestBackoff(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	const rounds = 4000
	for n, ceiling := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000} {
		ceiling *= time.Millisecond
		var tenths [10]int
		for range rounds {
			b := backoff{tries: n, random: random}
			d := b.next()
			if d < backoffLeast || d > ceiling || b.tries != n+1 {
				t.Fatalf("try %d: %v, then %d tries", n, d, b.tries)
			}
			tenths[min(9, 10*d/ceiling)]++
		}
		for i, got := range tenths { // 400 each, and a standard deviation of 19
			if got < 300 || got > 500 {
				t.Errorf("try %d: %d of %d waits are in tenth %d: %v", n, got, rounds, i+1, tenths)
			}
		}
	}
	b := backoff{tries: 1 << 30, random: random}
	if d := b.next(); d < backoffLeast || d > backoffMost {
		t.Errorf("after very many tries: %v", d)
	}
	if d := b.told(0); d <= 0 {
		t.Errorf("told to wait 0: %v", d)
	}
	if d := b.told(time.Minute); d != time.Minute {
		t.Errorf("told to wait a minute: %v", d)
	}
	if b.reset(); b.tries != 0 {
		t.Error("reset did nothing")
	}
	if d := spread(failing{}, time.Second); d != time.Second {
		t.Errorf("without randomness: %v", d)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errTimeout }

func TestWaitAfter(t *testing.T) {
	c := &Client{opts: Options{Random: rand.NewChaCha8([32]byte{2})}}
	c.backoff.random = c.opts.Random
	if d := c.waitAfter(&CloseError{Code: 1012, RetryAfter: 7 * time.Second}); d != 7*time.Second {
		t.Errorf("retry_after_ms=7000: %v", d)
	}
	seen := map[time.Duration]bool{}
	for range 50 {
		d := c.waitAfter(&Error{Status: 503, RetryAfter: 3 * time.Second})
		if d < 3*time.Second || d > 4*time.Second {
			t.Fatalf("Retry-After: 3: %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 40 {
		t.Errorf("all of those who are told the same come back in %d moments", len(seen))
	}
	if d := c.waitAfter(&CloseError{Code: 4002}); d > backoffMost || d <= 0 {
		t.Errorf("with nothing said: %v", d)
	}
}
