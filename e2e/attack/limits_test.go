package attack_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tryPasswords logs in n times in a row with names made of the format and the
// attempt's number, with the wrong password, and returns the last answer. All but
// the last have to get 401.
func (g *gateway) tryPasswords(n int, format string, headers ...string) (last answer) {
	g.t.Helper()
	for i := range n {
		name := format
		if format[len(format)-1] == '-' {
			name += strconv.Itoa(i)
		}
		last = g.do("POST", "/auth/login", "", credentials(name, "canary-password-wrong"), headers...)
		if i < n-1 && last.Status != http.StatusUnauthorized {
			g.t.Fatalf("attempt %d on %s: %d %s", i+1, format, last.Status, last.Code())
		}
	}
	return last
}

// exhaust tries passwords until that is refused, and fails the test unless n
// were looked at. On a slow machine these may have become more meanwhile, one
// every refill.
func (g *gateway) exhaust(format string, n int, refill time.Duration) (last answer) {
	g.t.Helper()
	began := time.Now()
	for looked := 0; ; looked++ {
		name := format
		if strings.HasSuffix(format, "-") {
			name += strconv.Itoa(looked)
		}
		last = g.do("POST", "/auth/login", "", credentials(name, "canary-password-wrong"))
		most := n + int(time.Since(began)/refill)
		if last.Status != http.StatusUnauthorized || looked > most {
			if looked < n || looked > most {
				g.t.Errorf("%d attempts on %s were looked at, want %d", looked, format, n)
			}
			return last
		}
	}
}

// limited fails the test unless the answer is a refusal for now with the code,
// and a time to wait up to most.
func limited(t *testing.T, what string, a answer, code string, most time.Duration) {
	t.Helper()
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if a.Status != http.StatusTooManyRequests || a.Code() != code || err != nil || wait < 1 || wait > int(most/time.Second) {
		t.Errorf("%s: %d %s, Retry-After %q; want 429 %s and at most %v", what, a.Status, a.Code(), a.Header.Get("Retry-After"), code, most)
	}
}

// The limits of the defaults, from addresses of this machine's own.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	g := start(t, cheap()...)
	g.addUser("ada", "bob")
	key := g.addDevice("pump")
	session := g.login("bob")

	one := g.from("127.0.0.2")
	limited(t, "the 21st attempt from one address", one.exhaust("name-", 20, 3*time.Second), "rate_limited", 3*time.Second)
	limited(t, "the right password from there", one.do("POST", "/auth/login", "", credentials("ada", password)), "rate_limited", 3*time.Second)
	for _, r := range []route{
		{"POST", "/auth/password-reset", "", map[string]any{"username": "ada"}, nil},
		{"POST", "/auth/password-reset/confirm", "", map[string]any{"token": "x", "new_password": password}, nil},
		{"POST", "/auth/password", session.access, map[string]any{"current_password": "x", "new_password": password + "-2"}, nil},
	} {
		limited(t, r.path+" from there", one.do(r.method, r.path, r.token, r.good), "rate_limited", 3*time.Second)
	}
	want(t, "another address", g.do("POST", "/auth/login", "", credentials("ada", password)), http.StatusOK)
	want(t, "a device from there", one.do("POST", "/auth/device", "", map[string]string{"device_key": key}), http.StatusOK)
	want(t, "a refresh from there", one.do("POST", "/auth/refresh", "", map[string]string{"refresh_token": session.refresh}), http.StatusOK)
	want(t, "a bearer from there", one.do("GET", "/auth/me", session.access, nil), http.StatusOK)

	// A name has fewer attempts, whatever address they come from, and whether
	// there is such a name or not.
	answers := map[string]answer{}
	for i, name := range []string{"ada", "nobody", "no name", "pump", "ADA"} {
		there := g.from(fmt.Sprintf("127.0.1.%d", i+1))
		n := 10
		switch name {
		case "ada":
			n = 9 // she has logged in once
		case "ADA":
			n = 0 // that is ada
		}
		answers[name] = there.exhaust(name, n, 6*time.Second)
		limited(t, "one attempt too many on "+name, answers[name], "rate_limited", 6*time.Second)
		limited(t, "one more on "+name+" from elsewhere", g.from("127.0.2.1").do("POST", "/auth/login", "", credentials(name, password)), "rate_limited", 6*time.Second)
		if d := difference(answers["ada"], answers[name]); d != "" {
			t.Errorf("a limited ada and a limited %s differ in %s", name, d)
		}
	}
	want(t, "another name from there", g.from("127.0.1.1").do("POST", "/auth/login", "", credentials("bob", password)), http.StatusOK)

	// A bucket fills again: after the time that was said there is one attempt.
	a := one.exhaust("bob", 0, 3*time.Second)
	limited(t, "just before", a, "rate_limited", 3*time.Second)
	wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	time.Sleep(time.Duration(wait) * time.Second)
	want(t, "after the wait", one.do("POST", "/auth/login", "", credentials("bob", "canary-password-wrong")), http.StatusUnauthorized)
	limited(t, "right after that", one.do("POST", "/auth/login", "", credentials("bob", "canary-password-wrong")), "rate_limited", 3*time.Second)
	t.Logf("default limits: 20 of 21 attempts of an address and 10 of 11 on a name were looked at, one more after %d s", wait)
}

// After ten failures in a row a name is locked, also for the right password and
// also when there is none.
func TestLock(t *testing.T) {
	t.Parallel()
	g := start(t, cheap("login_rate_per_ip=0", "login_rate_per_account=0")...)
	g.addUser("ada", "bob")
	key := g.addDevice("pump")
	session := g.login("ada")
	live := g.mustDial()
	want(t, "a socket", must(live.ask(g.upgrade("Authorization: Bearer "+session.access+"\r\n"))), http.StatusSwitchingProtocols)
	answers := map[string]answer{}
	for _, name := range []string{"ada", "nobody", "no name", "pump"} {
		answers[name] = g.tryPasswords(11, name)
		limited(t, "the 11th attempt on "+name, answers[name], "account_locked", 15*time.Minute)
		if d := difference(answers["ada"], answers[name]); d != "" {
			t.Errorf("a locked ada and a locked %s differ in %s", name, d)
		}
	}
	limited(t, "the right password", g.do("POST", "/auth/login", "", credentials("ada", password)), "account_locked", 15*time.Minute)
	limited(t, "the right password in capitals", g.do("POST", "/auth/login", "", credentials("ADA", password)), "account_locked", 15*time.Minute)
	limited(t, "the right password for a new one", g.do("POST", "/auth/password", session.access, map[string]string{"current_password": password, "new_password": password + "-2"}), "account_locked", 15*time.Minute)
	want(t, "her token", g.do("GET", "/auth/me", session.access, nil), http.StatusOK)
	want(t, "her refresh token", g.do("POST", "/auth/refresh", "", map[string]string{"refresh_token": session.refresh}), http.StatusOK)
	want(t, "the device", g.do("POST", "/auth/device", "", map[string]string{"device_key": key}), http.StatusOK)
	_ = live.SetReadDeadline(time.Now().Add(patience))
	if b, err := live.r.ReadByte(); err != nil || b != 0x81 {
		t.Errorf("her socket sends %#x, %v; want its welcome", b, err)
	}

	// Success and an administrator forget the failures; the others stay locked.
	g.tryPasswords(10, "bob")
	limited(t, "bob", g.do("POST", "/auth/login", "", credentials("bob", password)), "account_locked", 15*time.Minute)
	want(t, "unlocking", g.do("POST", "/users/bob/unlock", g.token("admin"), nil), http.StatusNoContent)
	g.tryPasswords(9, "bob")
	g.login("bob")
	g.tryPasswords(9, "bob")
	g.login("bob")
	limited(t, "ada meanwhile", g.do("POST", "/auth/login", "", credentials("ada", password)), "account_locked", 15*time.Minute)
	g.command("", "user", "unlock", "ada")
	g.login("ada")
	locks := 0
	for _, e := range g.audit() {
		if e.Event == "account_locked" {
			locks++
		}
	}
	if locks != 5 {
		t.Errorf("%d locks in the audit, want 5", locks)
	}
	t.Logf("lock: 10 of 11 attempts were looked at, %d locks audited, 0 sessions touched", locks)
}

func must(a answer, err error) answer {
	if err != nil {
		return answer{Body: []byte(err.Error())}
	}
	return a
}

// Attempts that run side by side are no way around the lock.
func TestLockSideBySide(t *testing.T) {
	t.Parallel()
	g := start(t, cheap("login_rate_per_ip=0", "login_rate_per_account=0", "lockout_duration=2s")...)
	g.addUser("ada")
	type result struct {
		a   answer
		err error
	}
	results := make(chan result, 40)
	for range cap(results) {
		go func() {
			a, err := g.try("POST", "/auth/login", "", credentials("ada", "canary-password-wrong"))
			results <- result{a, err}
		}()
	}
	looked, locked, busy := 0, 0, 0
	for range cap(results) {
		r := <-results
		switch {
		case r.err != nil:
			t.Error(r.err)
		case r.a.Status == http.StatusUnauthorized:
			looked++
		case r.a.Code() == "account_locked":
			locked++
		case r.a.Code() == "busy":
			busy++
		default:
			t.Errorf("%d %s", r.a.Status, r.a.Code())
		}
	}
	if looked > 10 {
		t.Errorf("%d passwords were looked at before the lock", looked)
	}
	for range 12 { // what was left of the ten, if the queue was full
		if a := g.do("POST", "/auth/login", "", credentials("ada", "canary-password-wrong")); a.Code() == "account_locked" {
			break
		}
	}
	limited(t, "the right password", g.do("POST", "/auth/login", "", credentials("ada", password)), "account_locked", 2*time.Second)
	time.Sleep(2 * time.Second)
	g.login("ada")
	t.Logf("40 attempts side by side: %d looked at, %d locked out, %d busy", looked, locked, busy)
}

// Where a client comes from is what its connection says, unless a trusted proxy
// says more; and of that only what it wrote itself counts.
func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	const header = "X-Forwarded-For"
	open := start(t, cheap("lockout_threshold=0", "login_rate_per_account=0")...)
	for i := range 20 {
		spoof := fmt.Sprintf("203.0.113.%d", i)
		open.tryPasswords(2, "spoof-"+strconv.Itoa(i)+"-", header, spoof, "X-Real-IP", spoof, "Forwarded", "for="+spoof)
		if i == 9 {
			break // the address has had its twenty
		}
	}
	limited(t, "the 21st of a client with many addresses", open.do("POST", "/auth/login", "", credentials("spoof", "x"), header, "203.0.113.99"), "rate_limited", 3*time.Second)
	open.onlyFrom(t, "spoof-", "127.0.0.1")

	g := start(t, cheap("lockout_threshold=0", "login_rate_per_account=0", "trusted_proxies=127.0.0.1,192.0.2.0/24")...)
	for _, c := range []struct {
		name, ip string
		hops     []string
	}{
		{"plain-", "203.0.113.7", []string{"203.0.113.7"}},
		{"spoofed-", "203.0.113.8", []string{"198.51.100.1, 203.0.113.8"}},
		{"proxies-", "203.0.113.9", []string{"198.51.100.1, 203.0.113.9, 192.0.2.1,192.0.2.2"}},
		{"lines-", "203.0.113.10", []string{"198.51.100.1", "203.0.113.10"}},
		{"six-", "2001:db8::1", []string{"198.51.100.1, 2001:db8::1"}},
		{"mapped-", "203.0.113.11", []string{"::ffff:203.0.113.11"}},
		{"garbage-", "203.0.113.12", []string{"nonsense, 203.0.113.12"}},
		{"last-", "127.0.0.1", []string{"203.0.113.13, nonsense"}},
		{"script-", "127.0.0.1", []string{"<script>"}},
		{"none-", "127.0.0.1", []string{""}},
		{"proxy-", "192.0.2.5", []string{"192.0.2.5"}},
	} {
		var headers []string
		for _, h := range c.hops {
			headers = append(headers, header, h)
		}
		g.tryPasswords(3, c.name, headers...)
		g.onlyFrom(t, c.name, c.ip)
	}
	for i := range 17 { // three have come already
		g.tryPasswords(2, fmt.Sprintf("burst-%d-", i), header, fmt.Sprintf("10.1.1.%d, 203.0.113.7", i))
		if i == 7 {
			break
		}
	}
	g.tryPasswords(2, "burst-x-", header, "10.1.1.1, 203.0.113.7")
	limited(t, "the 22nd of a client that writes many addresses before its own", g.do("POST", "/auth/login", "", credentials("burst", "x"), header, "10.9.9.9, 203.0.113.7"), "rate_limited", 3*time.Second)
	for i := range 10 {
		g.tryPasswords(2, fmt.Sprintf("net-%d-", i), header, fmt.Sprintf("2001:db8:0:1:%x::%x", i, i+1))
	}
	limited(t, "the 21st of an IPv6 network", g.do("POST", "/auth/login", "", credentials("net", "x"), header, "2001:db8:0:1:ffff::1"), "rate_limited", 3*time.Second)
	want(t, "another IPv6 network", g.do("POST", "/auth/login", "", credentials("net", "x"), header, "2001:db8:0:2::1"), http.StatusUnauthorized)
	want(t, "the right password from elsewhere", g.do("POST", "/auth/login", "", credentials("admin", password), header, "203.0.113.200"), http.StatusOK)
	t.Log("forwarded addresses: 0 of 11 ways to write them changed an address in the audit or emptied another's bucket")
}

// onlyFrom fails the test unless the audit has failed logins of the names that
// begin so, and all of them from the address.
func (g *gateway) onlyFrom(t *testing.T, prefix, ip string) {
	t.Helper()
	n := 0
	for _, e := range g.audit() {
		if len(e.Subject) > len(prefix) && e.Subject[:len(prefix)] == prefix {
			n++
			if e.IP != ip {
				t.Errorf("%s came from %s, want %s", e.Subject, e.IP, ip)
			}
		}
	}
	if n == 0 {
		t.Errorf("the audit has nothing on %s", prefix)
	}
}
