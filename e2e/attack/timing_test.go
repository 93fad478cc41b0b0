package attack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// contender is one kind of name, with the requests that try it and how long each
// of them took.
type contender struct {
	what, request string
	seldom        bool // tried in every other round only
	first         *answer
	took          []time.Duration
}

// race sends the request of every contender n times, one at a time over one
// connection. The order is drawn anew for each round: whatever the gateway does
// every so many requests then meets all of them alike.
func race(t *testing.T, g *gateway, l *line, seed uint64, contenders []*contender, n int) {
	t.Helper()
	r := seeded(seed)
	for round := range n {
		for _, i := range r.Perm(len(contenders)) {
			c := contenders[i]
			if c.seldom && round%2 == 1 {
				continue
			}
			began := time.Now()
			a, err := l.ask(c.request)
			if err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			c.took = append(c.took, time.Since(began))
			if c.first == nil {
				c.first = &a
			}
			if d := difference(*c.first, a); d != "" {
				t.Fatalf("%s: its answers differ in %s", c.what, d)
			}
		}
	}
}

// passing is what differs between two answers to one question.
var passing = regexp.MustCompile(`"request_id":"[^"]*"`)

// difference names what tells two answers apart, or returns "".
func difference(a, b answer) string {
	clean := func(h http.Header) string {
		h = h.Clone()
		h.Del("Date")
		h.Del("X-Request-ID")
		if h.Get("Retry-After") != "" {
			h.Set("Retry-After", "given")
		}
		return fmt.Sprint(h)
	}
	switch {
	case a.Status != b.Status:
		return fmt.Sprintf("status: %d and %d", a.Status, b.Status)
	case clean(a.Header) != clean(b.Header):
		return fmt.Sprintf("headers: %s and %s", clean(a.Header), clean(b.Header))
	case !bytes.Equal(passing.ReplaceAll(a.Body, nil), passing.ReplaceAll(b.Body, nil)):
		return fmt.Sprintf("body: %s and %s", a.Body, b.Body)
	}
	return ""
}

// quantile is the value below which the share q of the samples lies.
func quantile(samples []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(q*float64(len(sorted)-1))]
}

// gap is how far the quantiles of the contenders lie apart.
func gap(contenders []*contender, q float64) (least, most time.Duration, gap float64) {
	for i, c := range contenders {
		d := quantile(c.took, q)
		if i == 0 || d < least {
			least = d
		}
		most = max(most, d)
	}
	return least, most, float64(most-least) / float64(least)
}

// noise is how far the quantiles of two halves of one contender's own samples lie
// apart, at most: what a gap may come to by chance.
func noise(contenders []*contender, q float64) (most float64) {
	for _, c := range contenders {
		var halves [2][]time.Duration
		for i, d := range c.took {
			halves[i%2] = append(halves[i%2], d)
		}
		a, b := quantile(halves[0], q), quantile(halves[1], q)
		most = max(most, float64(max(a, b)-min(a, b))/float64(min(a, b)))
	}
	return most
}

// judge lets the contenders race until their medians lie no further apart than
// allowed, and gives up after three times. Other work on the machine delays some
// answers: the lower quartile may speak for the median, when few were not
// delayed, and a gap within the noise is none. What takes longer does so in all
// of that.
func judge(t *testing.T, what string, g *gateway, contenders []*contender, n int, allowed float64, slack time.Duration) {
	t.Helper()
	l := g.mustDial()
	ceiling := 0.5 // of what is called noise
	if !testing.Short() {
		ceiling = max(0.10, 2*allowed)
	}
	for i := range 3 {
		rounds := n
		if i > 0 {
			rounds = n/2 + 1
		}
		race(t, g, l, uint64(i), contenders, rounds)
		line := fmt.Sprintf("%s, %d each:", what, len(contenders[0].took))
		for _, c := range contenders {
			line += fmt.Sprintf(" %s %v;", c.what, quantile(c.took, 0.5).Round(time.Microsecond))
		}
		equal := false
		for _, q := range []float64{0.5, 0.25} {
			least, most, gap := gap(contenders, q)
			chance := noise(contenders, q)
			line += fmt.Sprintf(" gap of the %.0f %% quantiles %.2f %%, noise %.2f %%;", 100*q, 100*gap, 100*chance)
			equal = equal || gap <= max(allowed, min(1.5*chance, ceiling)) || most-least <= slack
		}
		t.Log(line)
		if equal {
			break
		}
		if i == 2 {
			t.Errorf("%s: the time of an answer tells what kind of name it is", what)
		}
	}
	for _, c := range contenders[1:] {
		if d := difference(*contenders[0].first, *c.first); d != "" {
			t.Errorf("%s: %s and %s differ in %s", what, contenders[0].what, c.what, d)
		}
	}
}

func loginBody(name, password string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
}

// names are one of every kind that cannot log in with the password that is
// tried, whatever it is.
func (g *gateway) names() []string {
	g.t.Helper()
	g.addUser("known", "disabled")
	g.disable("disabled", true)
	g.addDevice("device1")
	sum := sha256.Sum256([]byte("pepper" + password))
	g.hidden.hide("hash", hex.EncodeToString(sum[:]))
	g.command("name,role,hash\nlegacy,,sha256$pepper$"+hex.EncodeToString(sum[:])+"\n", "user", "import", "-")
	return []string{"known", "unknown", "disabled", "legacy", "device1", "no%20name"}
}

func (g *gateway) contenders(password string) []*contender {
	g.t.Helper()
	var list []*contender
	for i, name := range g.names() {
		list = append(list, &contender{what: name, seldom: i > 3, request: g.post("/auth/login", loginBody(name, password))})
	}
	return list
}

func TestTimeOfNames(t *testing.T) {
	t.Parallel()
	g := start(t, cheap(unlimited()...)...)
	judge(t, "logins", g, g.contenders("canary-password-wrong"), scaled(1000, 60), 0.02, 0)
}

// A name that is locked is so whether it exists or not.
func TestTimeOfLockedNames(t *testing.T) {
	t.Parallel()
	g := start(t, cheap("login_rate_per_ip=0", "login_rate_per_account=0", "lockout_threshold=1")...)
	g.addUser("known")
	var contenders []*contender
	for _, name := range []string{"known", "unknown"} {
		contenders = append(contenders, &contender{what: "locked " + name, request: g.post("/auth/login", loginBody(name, "canary-password-wrong"))})
		want(t, "the failure that locks", g.do("POST", "/auth/login", "", credentials(name, "canary-password-wrong")), http.StatusUnauthorized)
		want(t, "a locked name", g.do("POST", "/auth/login", "", credentials(name, "canary-password-wrong")), http.StatusTooManyRequests)
	}
	contenders = append(contenders, &contender{what: "locked, right password", seldom: true, request: g.post("/auth/login", loginBody("known", password))})
	judge(t, "logins", g, contenders, scaled(1000, 60), 0.02, 0)
}

// Passwords of other forms cost another time, and the same for every name: what
// could differ is the number of hashes.
func TestTimeOfPasswords(t *testing.T) {
	t.Parallel()
	g := start(t, cheap(unlimited()...)...)
	names := g.contenders("")
	for what, form := range map[string]string{
		"not in NFKC": "canary-password-\u212bngstr\u00f6m", "too long": "canary-password-" + strings.Repeat("x", 4<<10), "empty": "",
	} {
		for _, c := range names {
			c.request, c.first, c.took = g.post("/auth/login", loginBody(strings.Fields(c.what)[0], form)), nil, nil
		}
		judge(t, "logins with a password "+what, g, names, scaled(40, 16), 0.25, 0)
	}
}

// Asking for a new password is answered before anything is looked up. What
// follows behind the answer must not show in the next one either.
func TestTimeOfResets(t *testing.T) {
	g := start(t, cheap(unlimited()...)...)
	var contenders []*contender
	for _, name := range g.names() {
		contenders = append(contenders, &contender{what: name, request: g.post("/auth/password-reset", fmt.Sprintf(`{"username":%q}`, name))})
	}
	judge(t, "resets", g, contenders, scaled(1000, 100), 0.10, 100*time.Microsecond)
}
