package app_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "", "plant.*:r")
	g.AddUser("gone", "")
	g.Disable("gone", true)
	type body = map[string]any
	right := gatewaytest.Password
	tests := []struct {
		name   string
		body   body
		status int
		code   gateway.Code
	}{
		{"ok", body{"username": "ann", "password": right}, 200, ""},
		{"ok name in another case", body{"username": "ANN", "password": right}, 200, ""},
		{"ok room", body{"username": "ann", "password": right, "room": "plant.a"}, 200, ""},
		{"ok admin in any room", body{"username": "admin", "password": right, "room": "office"}, 200, ""},
		{"bad password", body{"username": "ann", "password": canary}, 401, gateway.CodeInvalidCredentials},
		{"bad password, empty", body{"username": "ann", "password": ""}, 401, gateway.CodeInvalidCredentials},
		{"bad password, a space more", body{"username": "ann", "password": right + " "}, 401, gateway.CodeInvalidCredentials},
		{"bad password, very long", body{"username": "ann", "password": strings.Repeat(canary, 2000)}, 401, gateway.CodeInvalidCredentials},
		{"bad name", body{"username": "nobody", "password": right}, 401, gateway.CodeInvalidCredentials},
		{"bad name, disabled", body{"username": "gone", "password": right}, 401, gateway.CodeInvalidCredentials},
		{"bad name, out of shape", body{"username": canary + "!", "password": right}, 401, gateway.CodeInvalidCredentials},
		{"bad name, empty", body{"username": "", "password": right}, 401, gateway.CodeInvalidCredentials},
		{"bad name, missing", body{"password": right}, 400, gateway.CodeInvalidRequest},
		{"bad room, out of shape", body{"username": "ann", "password": right, "room": "../" + canary}, 400, gateway.CodeInvalidRequest},
		{"bad room without a grant", body{"username": "ann", "password": right, "room": "office"}, 403, gateway.CodeForbidden},
		{"bad room and password", body{"username": "ann", "password": canary, "room": "office"}, 401, gateway.CodeInvalidCredentials},
	}
	var refusals []string
	for _, test := range tests {
		a := g.Do("POST", "/auth/login", "", test.body)
		if a.Status != test.status || a.Code() != string(test.code) {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.Status, a.Body, test.status, test.code)
		}
		if a.Status == 401 {
			refusals = append(refusals, strings.ReplaceAll(string(a.Body), a.Header.Get("X-Request-ID"), "ID"))
		}
		if a.Status == 403 && a.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: a challenge for a request without a token", test.name)
		}
	}
	if len(slices.Compact(refusals)) != 1 {
		t.Errorf("the refusals differ: %q", refusals)
	}
}

func TestRefusedLoginsAreLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("gone", "")
	g.Disable("gone", true)
	for name, reason := range map[string]string{
		"admin": "wrong_password", "nobody": "unknown_account", "gone": "disabled_account", canary + "!": "malformed_name",
	} {
		id := g.Do("POST", "/auth/login", "", map[string]string{"username": name, "password": canary}).Header.Get("X-Request-ID")
		for line := range strings.Lines(g.Log()) {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) != nil || m["event"] != "login" || m["request_id"] != id {
				continue
			}
			if m["reason"] != reason || m["ip"] != "127.0.0.1" || m["code"] != "invalid_credentials" {
				t.Errorf("login of %s is logged as %s", name, line)
			}
			reason = ""
		}
		if reason != "" {
			t.Errorf("the refused login of %s is not logged", name)
		}
	}
}

func TestLoginAnswer(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "access_ttl=90s", "jwt_issuer=edge-1", "jwt_audience=site-1")
	a := g.Do("POST", "/auth/login", "", map[string]string{"username": "Admin", "password": gatewaytest.Password, "room": "office"})
	m := a.JSON()
	if m["token_type"] != "Bearer" || m["expires_in"] != 90.0 || m["username"] != "admin" || m["role"] != "admin" {
		t.Errorf("the answer is %v", m)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a token may be cached: %v", a.Header)
	}
	token, _ := m["access_token"].(string)
	me := g.Do("GET", "/auth/me", token, nil)
	if me.Status != 200 || me.JSON()["room"] != "office" {
		t.Errorf("me: %d %s", me.Status, me.Body)
	}
	s := g.Dial(token, "")
	if welcome, _ := s.Joined(); welcome["room"] != "office" {
		t.Errorf("the welcome names the room %v, the token office", welcome["room"])
	}
	if a := g.Do("GET", "/auth/me", g.Token("admin"), nil); a.Status != 401 {
		t.Errorf("a token without iss and aud: %d", a.Status)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "", "plant.*:rw")
	g.AddUser("off", "")
	g.Disable("off", true)
	now := time.Now().Unix()
	claims := func(more string, exp int64) string {
		e, _ := json.Marshal(exp)
		return `{"sub":"ann","exp":` + string(e) + more + `}`
	}
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	sign := func(header, claims string) string { return gatewaytest.SignWith(g.Secret(), header, claims) }
	good := g.Sign(claims("", now+60))
	parts := strings.Split(good, ".")
	// The last character of 32 bytes in base64 holds two bits that count for
	// nothing.
	last := good[len(good)-1]
	altered := good[:len(good)-1] + string(rune(last+1))
	tests := []struct {
		name, token string
		code        gateway.Code
	}{
		{"ok sub and exp", good, ""},
		{"ok sub in another case", g.Sign(`{"sub":"ANN","exp":9999999999}`), ""},
		{"ok without typ", sign(`{"alg":"HS256"}`, claims("", now+60)), ""},
		{"ok unknown claims", g.Sign(claims(`,"role":"admin","grants":["*:rw"]`, now+60)), ""},
		{"ok iat a little ahead", g.Sign(claims(`,"iat":`+num(now+20), now+60)), ""},
		{"bad expired", g.Sign(claims("", now-1)), gateway.CodeTokenExpired},
		{"bad expires now", g.Sign(claims("", now)), gateway.CodeTokenExpired},
		{"bad without exp", g.Sign(`{"sub":"ann"}`), gateway.CodeInvalidToken},
		{"bad without sub", g.Sign(`{"exp":9999999999}`), gateway.CodeInvalidToken},
		{"bad exp as text", g.Sign(`{"sub":"ann","exp":"9999999999"}`), gateway.CodeInvalidToken},
		{"bad iat far ahead", g.Sign(claims(`,"iat":`+num(now+3600), now+7200)), gateway.CodeInvalidToken},
		{"bad nbf ahead", g.Sign(claims(`,"nbf":`+num(now+600), now+7200)), gateway.CodeInvalidToken},
		{"bad room", g.Sign(claims(`,"room":"../x"`, now+60)), gateway.CodeInvalidToken},
		{"bad unknown account", g.Sign(`{"sub":"nobody","exp":9999999999}`), gateway.CodeInvalidToken},
		{"bad disabled account", g.Sign(`{"sub":"off","exp":9999999999}`), gateway.CodeInvalidToken},
		{"bad alg none", sign(`{"alg":"none"}`, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad alg none, no signature", strings.Join(strings.Split(sign(`{"alg":"none"}`, claims("", now+60)), ".")[:2], ".") + ".", gateway.CodeInvalidToken},
		{"bad alg HS512", sign(`{"alg":"HS512","typ":"JWT"}`, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad crit", sign(`{"alg":"HS256","crit":["x"]}`, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad own key", sign(`{"alg":"HS256","jwk":{}}`, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad unknown kid", sign(`{"alg":"HS256","kid":"k9"}`, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad key, empty", gatewaytest.SignWith(nil, hs256, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad key, another", gatewaytest.SignWith([]byte(strings.Repeat("0123456789", 4)), hs256, claims("", now+60)), gateway.CodeInvalidToken},
		{"bad signature, last bits", altered, gateway.CodeInvalidToken},
		{"bad signature, missing", parts[0] + "." + parts[1] + ".", gateway.CodeInvalidToken},
		{"bad claims swapped", parts[0] + "." + strings.Split(g.Sign(claims("", now+9999)), ".")[1] + "." + parts[2], gateway.CodeInvalidToken},
		{"bad padded", good + "=", gateway.CodeInvalidToken},
		{"bad four parts", good + ".e30", gateway.CodeInvalidToken},
		{"bad nonsense", canary, gateway.CodeInvalidToken},
		{"bad too long", g.Sign(claims(`,"x":"`+strings.Repeat("x", 4096)+`"`, now+60)), gateway.CodeInvalidToken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := map[bool]int{true: 200, false: 401}[test.code == ""]
			a := g.Do("GET", "/auth/me", test.token, nil)
			if a.Status != want || a.Code() != string(test.code) {
				t.Errorf("over HTTP: %d %s", a.Status, a.Body)
			}
			if test.code == "" && a.JSON()["role"] != "member" {
				t.Errorf("a claim gave rights: %s", a.Body)
			}
			for _, line := range []string{"Sec-WebSocket-Protocol: bearer, ", "Authorization: Bearer "} {
				s, a := g.Handshake("?room=plant.1", line+test.token)
				if (s != nil) != (test.code == "") || s == nil && (a.Status != 401 || a.Code() != string(test.code)) {
					t.Errorf("%s: %d %s", line, a.Status, a.Body)
				}
			}
		})
	}
}

func num(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestAccountEndsAfterTheTokenWasIssued(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	ann, bob := g.Login("ann"), g.Login("bob")
	admin := g.Admin()
	g.Disable("ann", true)
	if err := admin.DeleteUser(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{ann, bob} {
		if a := g.Do("GET", "/auth/me", token, nil); a.Status != 401 || a.Code() != "invalid_token" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if s, a := g.Handshake("", "Authorization: Bearer "+token); s != nil || a.Status != 401 {
			t.Errorf("handshake: %d", a.Status)
		}
	}
	g.Disable("ann", false)
	if a := g.Do("GET", "/auth/me", ann, nil); a.Status != 401 {
		t.Errorf("enabled again: %d; the session ended for good", a.Status)
	}
	if a := g.Do("GET", "/auth/me", g.Token("ann"), nil); a.Status != 200 {
		t.Errorf("enabled again, a token of another service: %d", a.Status)
	}
	for _, reason := range []string{"account_disabled", "account_gone"} {
		if !strings.Contains(g.Log(), `"reason":"`+reason+`"`) {
			t.Errorf("the log does not say %s", reason)
		}
	}
}

func TestSetupRequired(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "-admin_password_file")
	for _, path := range []string{"/auth/me", "/rooms", "/rooms/a", "/rooms/a/messages"} {
		if a := g.Do("GET", path, canary, nil); a.Status != 503 || a.Code() != "setup_required" {
			t.Errorf("%s: %d %s", path, a.Status, a.Code())
		}
	}
	if a := g.Do("POST", "/auth/login", "", map[string]string{"username": "admin", "password": canary}); a.Code() != "setup_required" {
		t.Errorf("login: %d %s", a.Status, a.Code())
	}
	if s, a := g.Handshake("", "Sec-WebSocket-Protocol: bearer, "+canary); s != nil || a.Code() != "setup_required" {
		t.Errorf("handshake: %d", a.Status)
	}
	if n := metric(t, g, `edgegw_ws_rejected_total{reason="setup_required"}`); n != 1 {
		t.Errorf("%v handshakes counted", n)
	}
	for path, status := range map[string]int{"/": 200, "/livez": 200, "/readyz": 200, "/metrics": 200, "/health": 200, "/nothing": 404} {
		if a := g.Do("GET", path, "", nil); a.Status != status {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
	if h := g.Do("GET", "/health", "", nil).JSON(); h["status"] != "degraded" || h["checks"].(map[string]any)["admin"] != "missing" {
		t.Errorf("health is %v", h)
	}
	g.AddUser("member", "")
	if a := g.Do("GET", "/rooms", g.Token("member"), nil); a.Code() != "setup_required" {
		t.Errorf("with a member only: %d %s", a.Status, a.Code())
	}
	g.AddUser("root", "admin")
	if token := g.Login("root"); g.Do("GET", "/rooms", token, nil).Status != 200 {
		t.Error("with an administrator the gateway still does not serve")
	}
}

// When many log in at once, few hashes run, some wait, and the rest are told to
// come back.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 80
	cost := []string{"argon2_memory_kib=19456", "argon2_time=2"}
	if testing.Short() { // under an emulator the cheapest hash is dear enough
		cost = nil
	}
	g := gatewaytest.Start(t, cost...)
	answers := make(chan gatewaytest.Answer, n)
	for range n {
		go func() {
			a, err := g.Try("POST", "/auth/login", "", map[string]string{"username": "admin", "password": gatewaytest.Password})
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	statuses := map[int]int{}
	for range n {
		a := <-answers
		statuses[a.Status]++
		if a.Status != 200 && a.Code() != "busy" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if statuses[200] < 17 || statuses[503] == 0 {
		t.Errorf("of %d logins at once: %v", n, statuses)
	}
	if ok, busy := metric(t, g, `edgegw_auth_logins_total{result="ok"}`), metric(t, g, `edgegw_auth_logins_total{result="busy"}`); int(ok) != statuses[200] || int(busy) != statuses[503] {
		t.Errorf("%v and %v counted of %v", ok, busy, statuses)
	}
}
