package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
	"time"
	"unicode"

	"edgegw/internal/gateway"
)

// SetupCodeLife is how long a setup code may be used, once.
const SetupCodeLife = 15 * time.Minute

const (
	// setupAlphabet is without B8, I1L, O0, S5, Z2, G (for 6) and U (for V), which
	// people take for one another. Eight of its 23 make 36 bits: with the tries
	// that are allowed, one stranger in 10^9 guesses a code before it runs out.
	setupAlphabet  = "ACDEFHJKMNPQRTVWXY34679"
	setupCodeChars = 8
	// At most setupTries wrong codes in any setupWindow, for the whole gateway:
	// strangers have many addresses, and the owner needs one try.
	setupTries  = 5
	setupWindow = time.Minute
)

// setupCode is the code with which whoever can read the gateway's console becomes
// its owner. Only its hash is kept, in memory. All times are times since boot: on
// a board without a battery the calendar jumps by years minutes after the first
// start, and would take the code along.
type setupCode struct {
	mu sync.Mutex
	// ends is when the code of now runs out; 0 is that there is none.
	ends     time.Duration
	now, old [sha256.Size]byte
	// wrong is when the latest wrong codes came, the oldest first.
	wrong []time.Duration
}

// newSetupCode draws a code. Bytes at the end of the range are drawn again, so
// that each character is as likely as the others.
func newSetupCode() string {
	const fair = 256 / len(setupAlphabet) * len(setupAlphabet)
	code := make([]byte, 0, setupCodeChars)
	for len(code) < setupCodeChars {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		if int(b[0]) < fair {
			code = append(code, setupAlphabet[int(b[0])%len(setupAlphabet)])
		}
	}
	return string(code)
}

// foldSetupCode takes a code as people type it: in small letters, with spaces and
// dashes.
func foldSetupCode(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, s)
}

// replace puts a new code in the place of the one of now.
func (c *setupCode) replace(code string, at time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.old = c.now
	c.now, c.ends = sha256.Sum256([]byte(code)), at+SetupCodeLife
}

// left is how long the code may still be used, 0 when there is none.
func (c *setupCode) left(at time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.ends-at)
}

const whereSetupCode = "the newest one is on the gateway's console and in its journal (journalctl -u edgegw); `edgegw setup --new-code` on the gateway prints another"

// try returns nil for the code of now, CodeRateLimited after too many wrong ones,
// for the right one too, and CodeInvalidCredentials. Right codes are not counted:
// a password may have to be chosen again behind them.
func (c *setupCode) try(given string, at time.Duration) error {
	// Hashed first: the comparison then tells nothing of the length either.
	sum := sha256.Sum256([]byte(foldSetupCode(given)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) == setupTries {
		if wait := c.wrong[0] + setupWindow - at; wait > 0 {
			err := gateway.Errorf(gateway.CodeRateLimited, "too many wrong setup codes; wait for the time in Retry-After")
			err.RetryAfter = wait
			return err
		}
	}
	right := subtle.ConstantTimeCompare(sum[:], c.now[:]) == 1
	if right && at < c.ends {
		return nil
	}
	if len(c.wrong) == setupTries {
		c.wrong = c.wrong[:copy(c.wrong, c.wrong[1:])]
	}
	c.wrong = append(c.wrong, at)
	if right || subtle.ConstantTimeCompare(sum[:], c.old[:]) == 1 {
		return &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "this setup code is no longer valid; " + whereSetupCode, Err: causeOldCode}
	}
	return &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "the setup code is wrong; " + whereSetupCode, Err: causeCode}
}
