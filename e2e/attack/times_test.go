package attack_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// moment waits for a second to begin, and returns it.
func moment() int64 {
	now := time.Now()
	next := now.Truncate(time.Second).Add(time.Second)
	time.Sleep(next.Sub(now))
	return next.Unix()
}

// timed is a token whose times are d seconds from a moment.
type timed struct {
	claim string
	d     int64
	good  bool
}

// Times at one second around each limit. A round counts when it is over before
// its second is.
func TestTimeClaims(t *testing.T) {
	t.Parallel()
	g := start(t)
	var table []timed
	for _, d := range []int64{-3600, -30, -1, 0} {
		table = append(table, timed{"exp", d, false})
	}
	for _, d := range []int64{1, 2, 3600} {
		table = append(table, timed{"exp", d, true})
	}
	for _, claim := range []string{"iat", "nbf"} {
		for _, d := range []int64{-3600, 0, 29, 30} {
			table = append(table, timed{claim, d, true})
		}
		for _, d := range []int64{31, 32, 3600, 365 * 86400} {
			table = append(table, timed{claim, d, false})
		}
	}
	for range 10 {
		bad, wrong, late := 0, []string(nil), false
		at := moment()
		for _, c := range table {
			text := claims("admin", at+c.d)
			if c.claim != "exp" {
				text = fmt.Sprintf(`{"sub":"admin","exp":%d,%q:%d}`, at+3600, c.claim, at+c.d)
			}
			token := g.sign(text)
			for place, status := range map[string]int{
				"HTTP": g.do("GET", "/auth/me", token, nil).Status, "WebSocket": g.shake("Sec-WebSocket-Protocol: bearer, " + token + "\r\n").Status,
			} {
				if (status < 400) != c.good {
					wrong = append(wrong, fmt.Sprintf("%s %+d over %s: %d", c.claim, c.d, place, status))
				}
				if !c.good {
					bad++
				}
			}
		}
		if late = time.Now().Unix() != at; late {
			continue
		}
		for _, w := range wrong {
			t.Error(w)
		}
		t.Logf("time claims at one second: %d of %d decided wrongly, %d of them to be refused", len(wrong), 2*len(table), bad)
		return
	}
	t.Error("the machine is too busy: a round takes more than a second")
}

// A token and a session end when their time comes, and not before.
func TestTimesPassing(t *testing.T) {
	t.Parallel()
	g := start(t, cheap("access_ttl=1s", "refresh_ttl=2s")...)
	at := moment()
	two := g.sign(claims("admin", at+2))
	if a := g.do("GET", "/auth/me", two, nil); a.Status != http.StatusOK && time.Now().Unix() < at+2 {
		t.Errorf("two seconds before its end: %d", a.Status)
	}
	first := g.login("admin")
	loggedIn := time.Now()
	time.Sleep(time.Until(time.Unix(at+2, 0)))
	tried, accepted := 0, 0
	ended := func(what string, a answer, code string) {
		t.Helper()
		tried++
		if a.Status < 400 {
			accepted++
		}
		if a.Status != http.StatusUnauthorized || a.Code() != code {
			t.Errorf("%s: %d %s", what, a.Status, a.Code())
		}
	}
	ended("in the second of its end", g.do("GET", "/auth/me", two, nil), "token_expired")
	ended("in the second of its end, at the socket", g.shake("Authorization: Bearer "+two+"\r\n"), "token_expired")
	time.Sleep(time.Until(loggedIn.Add(1100 * time.Millisecond)))
	ended("an access token of one second", g.do("GET", "/auth/me", first.access, nil), "token_expired")
	second := g.login("admin")
	third := g.refreshed(second.refresh)
	time.Sleep(2100 * time.Millisecond)
	ended("a refresh token of two seconds", g.do("POST", "/auth/refresh", "", map[string]string{"refresh_token": third.refresh}), "token_expired")
	t.Logf("tokens whose time has come: %d of %d accepted", accepted, tried)
}
