package attack_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// harvest is one of everything that a gateway gives out, all of it good where it
// belongs.
type harvest struct {
	*gateway
	ada, bob, machine    pair
	spent                string // a refresh token that is spent for good
	deviceKey, resetCode string
	session, bobsSession string
}

func reap(t *testing.T) *harvest {
	t.Helper()
	const metrics = "canary-key-of-metrics=0123456789/" // which no account could be called
	file := process.WriteFile(t, "metrics-token", metrics)
	h := &harvest{gateway: start(t, cheap(unlimited("metrics_token_file="+file)...)...)}
	h.metrics = metrics
	h.hidden.hide("key", metrics)
	h.addUser("ada", "bob")
	first := h.login("ada")
	second := h.refreshed(first.refresh)
	h.ada, h.spent = h.refreshed(second.refresh), first.refresh
	h.bob = h.login("bob")
	h.deviceKey = h.addDevice("pump")
	h.machine = h.pairOf("the device", h.do("POST", "/auth/device", "", map[string]string{"device_key": h.deviceKey}))
	h.resetCode = h.member(h.do("POST", "/users/bob/password-reset", h.token("admin"), nil), "reset_token")
	h.session = h.member(h.do("GET", "/auth/me", h.ada.access, nil), "session")
	h.bobsSession = h.member(h.do("GET", "/auth/me", h.bob.access, nil), "session")
	return h
}

func (g *gateway) refreshed(refresh string) pair {
	g.t.Helper()
	return g.pairOf("refreshing", g.do("POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh}))
}

func (g *gateway) member(a answer, name string) string {
	g.t.Helper()
	s, _ := a.JSON()[name].(string)
	if s == "" {
		g.t.Fatalf("the answer %d has no %s", a.Status, name)
	}
	return s
}

// door is a place where something secret is asked for.
type door struct {
	name string
	ask  func(secret string) answer
}

func (h *harvest) doors() []door {
	post := func(path, member string, more ...string) func(string) answer {
		return func(secret string) answer {
			body := map[string]string{member: secret}
			for i := 0; i+1 < len(more); i += 2 {
				body[more[i]] = more[i+1]
			}
			return h.do("POST", path, "", body)
		}
	}
	get := func(path string, header, prefix string) func(string) answer {
		return func(secret string) answer { return h.do("GET", path, "", nil, header, prefix+secret) }
	}
	return []door{
		{"bearer", get("/auth/me", "Authorization", "Bearer ")},
		{"socket", func(secret string) answer { return h.shake("Sec-WebSocket-Protocol: bearer, " + secret + "\r\n") }},
		{"refresh", post("/auth/refresh", "refresh_token")},
		{"cookie", func(secret string) answer {
			return h.do("POST", "/auth/refresh", "", nil, "Cookie", "edgegw_refresh="+secret, "Origin", h.URL)
		}},
		{"device", post("/auth/device", "device_key")},
		{"reset", post("/auth/password-reset/confirm", "token", "new_password", password+"-2")},
		{"password", post("/auth/login", "password", "username", "ada")},
		{"metrics", get("/metrics", "Authorization", "Bearer ")},
		// Places where nothing is asked for.
		{"query", func(secret string) answer { return h.do("GET", "/auth/me?access_token="+secret, "", nil) }},
		{"socket query", func(secret string) answer {
			l := h.mustDial()
			a, err := l.ask(strings.Replace(h.upgrade(""), "/ws", "/ws?token="+secret, 1))
			if err != nil {
				h.t.Fatal(err)
			}
			return a
		}},
		{"basic", get("/auth/me", "Authorization", "Basic ")},
		{"bare", get("/auth/me", "Authorization", "")},
		{"token scheme", get("/auth/me", "Authorization", "Token ")},
		{"access cookie", get("/auth/me", "Cookie", "access_token=")},
		{"refresh cookie", get("/auth/me", "Cookie", "edgegw_refresh=")},
		{"proxy header", get("/auth/me", "Proxy-Authorization", "Bearer ")},
		{"forwarded header", get("/auth/me", "X-Forwarded-Access-Token", "")},
	}
}

func TestWrongKinds(t *testing.T) {
	t.Parallel()
	h, stranger := reap(t), reap(t)
	things := []struct {
		name, secret string
		home         []string
	}{
		{"access token", h.ada.access, []string{"bearer", "socket"}},
		{"access token of a device", h.machine.access, []string{"bearer", "socket"}},
		{"refresh token", h.ada.refresh, []string{"refresh", "cookie"}},
		{"refresh token of a device", h.machine.refresh, []string{"refresh", "cookie"}},
		{"device key", h.deviceKey, []string{"device"}},
		{"reset code", h.resetCode, []string{"reset"}},
		{"session id", h.session, nil},
		{"password", password, []string{"password"}},
		{"metrics token", h.metrics, []string{"metrics"}},
		{"signing secret", string(h.key), nil},
		{"name", "ada", nil},
		{"access token of another gateway", stranger.ada.access, nil},
		{"refresh token of another gateway", stranger.ada.refresh, nil},
		{"device key of another gateway", stranger.deviceKey, nil},
		{"reset code of another gateway", stranger.resetCode, nil},
		{"refresh token, cut short", h.ada.refresh[:len(h.ada.refresh)-1], nil},
		{"refresh token and more", h.ada.refresh + "A", nil},
		{"refresh token, changed", "B" + h.ada.refresh[1:], nil},
		{"device key, in capitals", strings.ToUpper(h.deviceKey), nil},
		{"nothing", "", nil},
	}
	tried, accepted := 0, 0
	for _, d := range h.doors() {
		for _, thing := range things {
			if slices.Contains(thing.home, d.name) {
				continue
			}
			tried++
			if a := d.ask(thing.secret); a.Status < 400 {
				accepted++
				t.Errorf("accepted: %s as %s: %d", thing.name, d.name, a.Status)
			} else if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest {
				t.Errorf("%s as %s: %d %s", thing.name, d.name, a.Status, a.Code())
			}
		}
	}
	t.Logf("wrong kinds of token: %d of %d accepted", accepted, tried)
	h.checkUnharmed(t)
}

// checkUnharmed sees that nothing was used up at a wrong door, and then that each
// is good once, where that is the rule.
func (h *harvest) checkUnharmed(t *testing.T) {
	t.Helper()
	home := map[string]func(string) answer{}
	for _, d := range h.doors() {
		home[d.name] = d.ask
	}
	want(t, "the access token at last", home["bearer"](h.ada.access), http.StatusOK)
	want(t, "its socket", home["socket"](h.ada.access), http.StatusSwitchingProtocols)
	want(t, "the device key at last", home["device"](h.deviceKey), http.StatusOK)
	want(t, "the metrics at last", home["metrics"](h.metrics), http.StatusOK)
	want(t, "the cookie at last", home["cookie"](h.machine.refresh), http.StatusOK)
	want(t, "the reset code at last", home["reset"](h.resetCode), http.StatusNoContent)
	want(t, "the reset code again", home["reset"](h.resetCode), http.StatusUnauthorized)
	want(t, "a session of before the reset", home["bearer"](h.bob.access), http.StatusUnauthorized)

	// Its direct predecessor is forgiven, a token from before that is not.
	if a := want(t, "a spent refresh token", home["refresh"](h.spent), http.StatusUnauthorized); a.Code() != "token_reused" {
		t.Errorf("a spent refresh token: %s", a.Code())
	}
	want(t, "the token of a session that ended", home["bearer"](h.ada.access), http.StatusUnauthorized)
	want(t, "its socket", home["socket"](h.ada.access), http.StatusUnauthorized)
	want(t, "its refresh token", home["refresh"](h.ada.refresh), http.StatusUnauthorized)
}

func TestTwoTokens(t *testing.T) {
	t.Parallel()
	h := reap(t)
	good, other := h.ada.access, h.bob.access
	type request struct {
		name, lines string
		socket      bool
	}
	var requests []request
	auth := func(token string) string { return "Authorization: Bearer " + token + "\r\n" }
	protocol := func(list string) string { return "Sec-WebSocket-Protocol: " + list + "\r\n" }
	for _, second := range []string{good, other, "x", h.ada.refresh} {
		requests = append(requests,
			request{"two headers", auth(good) + auth(second), false},
			request{"two headers, the other way", auth(second) + auth(good), false},
			request{"two schemes", auth(good) + "Authorization: Basic " + second + "\r\n", false},
			request{"a list in a header", auth(good + ", Bearer " + second), false},
			request{"two words in a header", auth(good + " " + second), false},
			request{"two headers of a socket", auth(good) + auth(second), true},
			request{"header and subprotocol", auth(good) + protocol("bearer, "+second), true},
			request{"subprotocol and header", protocol("bearer, "+good) + auth(second), true},
			request{"two subprotocols", protocol("bearer, " + good + ", " + second), true},
			request{"two lines of subprotocols", protocol("bearer, "+good) + protocol(second), true},
			request{"two pairs", protocol("bearer, "+good) + protocol("bearer, "+second), true},
			request{"the token first", protocol(good + ", bearer"), true},
			request{"another subprotocol first", protocol("chat, bearer, " + good), true},
			request{"bearer, and a header with another scheme", protocol("bearer, "+good) + "Authorization: Basic " + second + "\r\n", true},
		)
	}
	accepted := 0
	for _, r := range requests {
		a := answer{}
		if r.socket {
			a = h.shake(r.lines)
		} else {
			var err error
			if a, err = h.mustDial().ask("GET /auth/me HTTP/1.1\r\nHost: " + h.Addr + "\r\n" + r.lines + "\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		if a.Status == http.StatusOK || a.Status == http.StatusSwitchingProtocols {
			accepted++
			t.Errorf("accepted: %s", r.name)
		} else if a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", r.name, a.Status)
		}
	}
	t.Logf("two tokens at once: %d of %d accepted", accepted, len(requests))
}

// Tokens that are signed well, of sessions and accounts that are not.
func TestTokensOfThePast(t *testing.T) {
	t.Parallel()
	h := reap(t)
	tried, accepted := 0, 0
	refuse := func(what, token string) {
		t.Helper()
		for _, status := range []int{h.do("GET", "/auth/me", token, nil).Status, h.shake("Authorization: Bearer " + token + "\r\n").Status} {
			tried++
			if status < 400 {
				accepted++
				t.Errorf("accepted: %s", what)
			} else if status != http.StatusUnauthorized {
				t.Errorf("%s: %d", what, status)
			}
		}
	}
	renew := func(what, refresh string) {
		t.Helper()
		tried++
		if a := h.do("POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh}); a.Status < 400 {
			accepted++
			t.Errorf("accepted: refresh token of %s", what)
		}
	}
	exp := time.Now().Unix() + 3600
	for _, sid := range []string{h.bobsSession, strings.Repeat("A", 22), "x", strings.Repeat("s", 500), "", " ", `\u0000`} {
		refuse("sid "+sid, h.sign(fmt.Sprintf(`{"sub":"ada","exp":%d,"sid":"%s"}`, exp, sid)))
	}
	for _, sub := range []string{"nobody", "", "@cli", "@gateway", "*", "ada/../bob", `ada\u0000`, `аda`, "ada,bob", " ada", strings.Repeat("a", 129)} {
		refuse("sub "+sub, h.sign(fmt.Sprintf(`{"sub":"%s","exp":%d}`, sub, exp)))
	}

	minted := h.token("bob")
	h.disable("bob", true)
	refuse("a disabled account", minted)
	refuse("a disabled account's session", h.bob.access)
	renew("a disabled account", h.bob.refresh)
	h.disable("bob", false)
	want(t, "the account enabled again", h.do("GET", "/auth/me", minted, nil), http.StatusOK)
	refuse("a session from before it was disabled", h.bob.access)
	renew("a session from before it was disabled", h.bob.refresh)

	bob := h.login("bob")
	want(t, "logging out", h.do("POST", "/auth/logout", bob.access, nil), http.StatusNoContent)
	refuse("a session that was logged out", bob.access)
	renew("a session that was logged out", bob.refresh)

	one, two := h.login("bob"), h.login("bob")
	want(t, "a new password", h.do("POST", "/auth/password", one.access, map[string]string{"current_password": password, "new_password": password + "-3"}), http.StatusNoContent)
	refuse("another session after a new password", two.access)
	renew("another session after a new password", two.refresh)
	want(t, "one's own session", h.do("GET", "/auth/me", one.access, nil), http.StatusOK)

	want(t, "ending a session", h.do("DELETE", "/auth/sessions/"+h.session, h.token("ada"), nil), http.StatusNoContent)
	refuse("a session that was ended", h.ada.access)
	renew("a session that was ended", h.ada.refresh)

	want(t, "deleting", h.do("DELETE", "/users/bob", h.token("admin"), nil), http.StatusNoContent)
	want(t, "deleting", h.do("DELETE", "/devices/pump", h.token("admin"), nil), http.StatusNoContent)
	refuse("a deleted account", minted)
	refuse("a deleted account's session", one.access)
	renew("a deleted account", one.refresh)
	refuse("a deleted device", h.machine.access)
	renew("a deleted device", h.machine.refresh)
	want(t, "making bob again", h.do("POST", "/users", h.token("admin"), credentials("bob", password)), http.StatusConflict)
	t.Logf("tokens of ended sessions and accounts: %d of %d accepted", accepted, tried)

	stranger := gatewaytest.SignWith([]byte(strings.Repeat("not the secret. ", 3)), plainHeader, claims("admin", exp))
	refuse("a stranger's secret", stranger)
}
