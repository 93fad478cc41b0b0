package app_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

// canary stands in everything that a test makes up and that must not be logged.
const canary = "canary-of-tests"

func TestStrictJSON(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	login := func(s string) string { return `{"username":"admin","password":"` + s + `"}` }
	fill := gateway.MaxBodyBytes - len(login(""))
	tests := []struct {
		name, path, body string
		status           int
		code             gateway.Code
	}{
		{"ok login", "/auth/login", login(gatewaytest.Password), 200, ""},
		{"ok login, white space around", "/auth/login", " \r\n\t" + login(gatewaytest.Password) + " \n", 200, ""},
		{"ok publish", "/rooms/a/messages", `{"data":1}`, 201, ""},
		{"ok publish null", "/rooms/a/messages", `{"data":null}`, 201, ""},
		{"ok publish with id", "/rooms/a/messages", `{"id":"i1","data":{"a":1,"a":2}}`, 201, ""},
		{"ok a body of the largest size", "/auth/login", login(strings.Repeat("x", fill)), 401, gateway.CodeInvalidCredentials},
		{"bad one byte more", "/auth/login", login(strings.Repeat("x", fill+1)), 413, gateway.CodeTooLarge},
		{"bad one byte more to publish", "/rooms/a/messages", `{"data":"` + strings.Repeat("x", gateway.MaxBodyBytes) + `"}`, 413, gateway.CodeTooLarge},
		{"bad empty", "/auth/login", "", 400, gateway.CodeInvalidRequest},
		{"bad cut short", "/auth/login", login(canary)[:30], 400, gateway.CodeInvalidRequest},
		{"bad array", "/auth/login", `["` + canary + `"]`, 400, gateway.CodeInvalidRequest},
		{"bad string", "/auth/login", `"` + canary + `"`, 400, gateway.CodeInvalidRequest},
		{"bad null", "/auth/login", `null`, 400, gateway.CodeInvalidRequest},
		{"bad unknown member", "/auth/login", `{"username":"admin","password":"` + canary + `","extra":1}`, 400, gateway.CodeInvalidRequest},
		{"bad wrong type", "/auth/login", `{"username":1,"password":"` + canary + `"}`, 400, gateway.CodeInvalidRequest},
		{"bad object for a string", "/auth/login", `{"username":{"a":1},"password":"` + canary + `"}`, 400, gateway.CodeInvalidRequest},
		{"bad null member", "/auth/login", `{"username":"admin","password":null}`, 400, gateway.CodeInvalidRequest},
		{"bad member twice", "/auth/login", `{"username":"admin","password":"` + canary + `","password":"` + gatewaytest.Password + `"}`, 400, gateway.CodeInvalidRequest},
		{"bad member twice, once escaped", "/auth/login", `{"username":"admin","password":"` + canary + `","p\u0061ssword":"x"}`, 400, gateway.CodeInvalidRequest},
		{"bad data behind it", "/auth/login", login(canary) + `{}`, 400, gateway.CodeInvalidRequest},
		{"bad NUL behind it", "/auth/login", login(canary) + "\x00", 400, gateway.CodeInvalidRequest},
		{"bad other case", "/auth/login", `{"Username":"admin","password":"` + canary + `"}`, 400, gateway.CodeInvalidRequest},
		{"bad UTF-8", "/auth/login", login(canary + "\xff"), 400, gateway.CodeInvalidRequest},
		{"bad byte order mark", "/auth/login", "\ufeff" + login(canary), 400, gateway.CodeInvalidRequest},
		{"bad deep", "/auth/login", `{"username":` + strings.Repeat("[", 30000), 400, gateway.CodeInvalidRequest},
		{"bad publish without data", "/rooms/a/messages", `{"id":"i2"}`, 400, gateway.CodeInvalidRequest},
		{"bad publish, data twice", "/rooms/a/messages", `{"data":1,"data":2}`, 400, gateway.CodeInvalidRequest},
		{"bad publish, deep data", "/rooms/a/messages", `{"data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, 400, gateway.CodeInvalidRequest},
		{"bad publish, empty id", "/rooms/a/messages", `{"data":1,"id":""}`, 400, gateway.CodeInvalidRequest},
		{"bad publish, long id", "/rooms/a/messages", `{"data":1,"id":"` + strings.Repeat("i", 65) + `"}`, 400, gateway.CodeInvalidRequest},
		{"bad publish, null id", "/rooms/a/messages", `{"data":1,"id":null}`, 400, gateway.CodeInvalidRequest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := g.Do("POST", test.path, admin, test.body)
			if a.Status != test.status || a.Code() != string(test.code) {
				t.Errorf("%d %s, want %d %s", a.Status, a.Body, test.status, test.code)
			}
			if bytes.Contains(a.Body, []byte(canary)) {
				t.Errorf("the answer repeats a secret: %s", a.Body)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	body := `{"username":"admin","password":"` + gatewaytest.Password + `"}`
	for contentType, status := range map[string]int{
		"application/json":                  200,
		"Application/JSON":                  200,
		"application/json; charset=utf-8":   200,
		`application/json;charset="UTF-8"`:  200,
		"application/json; charset=latin-1": 415,
		"application/json; charset":         415,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"application/jsonp":                 415,
		"":                                  415,
	} {
		a := g.Do("POST", "/auth/login", "", body, "Content-Type", "", "Content-Type", contentType)
		if a.Status != status || status == 415 && a.Code() != "unsupported_media_type" {
			t.Errorf("Content-Type %q: %d %s, want %d", contentType, a.Status, a.Code(), status)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	tests := []struct {
		name, method, path string
		status             int
		allow              string
	}{
		{"ok index", "GET", "/", 200, ""},
		{"ok health", "GET", "/health", 200, ""},
		{"ok live", "GET", "/livez", 200, ""},
		{"ok ready", "GET", "/readyz", 200, ""},
		{"ok metrics", "GET", "/metrics", 200, ""},
		{"ok rooms", "GET", "/rooms", 200, ""},
		{"ok unused room", "GET", "/rooms/unused", 200, ""},
		{"ok history of an unused room", "GET", "/rooms/unused/messages", 200, ""},
		{"ok HEAD", "HEAD", "/rooms/unused/messages", 200, ""},
		{"ok HEAD of health", "HEAD", "/health", 200, ""},
		{"bad HEAD of a POST route", "HEAD", "/auth/login", 405, "POST"},
		{"bad GET of login", "GET", "/auth/login", 405, "POST"},
		{"bad POST to me", "POST", "/auth/me", 405, "GET, HEAD"},
		{"bad DELETE of messages", "DELETE", "/rooms/a/messages", 405, "GET, HEAD, POST"},
		{"bad POST to the socket", "POST", "/ws", 405, "GET, HEAD"},
		{"bad OPTIONS that is no preflight", "OPTIONS", "/rooms", 405, "GET, HEAD"},
		{"bad method of one's own", "BREW", "/health", 405, "GET, HEAD"},
		{"bad path", "GET", "/nothing", 404, ""},
		{"bad method and path", "BREW", "/nothing", 404, ""},
		{"bad trailing slash", "GET", "/rooms/", 404, ""},
		{"bad double slash", "GET", "//rooms", 404, ""},
		{"bad dots", "GET", "/rooms/../health", 404, ""},
		{"bad path below", "GET", "/rooms/a/messages/1", 404, ""},
		{"bad case", "GET", "/Rooms", 404, ""},
		{"bad room id", "GET", "/rooms/.hidden", 400, ""},
		{"bad room id, escaped", "GET", "/rooms/a%00b", 400, ""},
		{"bad room id, pattern", "GET", "/rooms/*", 400, ""},
		{"bad room id, long", "GET", "/rooms/" + strings.Repeat("r", 129), 400, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := g.Do(test.method, test.path, admin, nil)
			if a.Status != test.status || a.Header.Get("Allow") != test.allow {
				t.Errorf("%d, Allow %q, want %d, %q: %s", a.Status, a.Header.Get("Allow"), test.status, test.allow, a.Body)
			}
			if test.method == "HEAD" && len(a.Body) > 0 {
				t.Errorf("HEAD has the body %q", a.Body)
			}
		})
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	good := g.Token("admin")
	reader := g.User("reader", "plant.*:r")
	tests := []struct {
		name, method, path string
		headers            []string
		status             int
		challenge          string
	}{
		{"ok", "GET", "/auth/me", []string{"Authorization", "Bearer " + good}, 200, ""},
		{"ok other case", "GET", "/auth/me", []string{"Authorization", "bEARER " + good}, 200, ""},
		{"bad none", "GET", "/auth/me", nil, 401, `Bearer realm="edgegw"`},
		{"bad scheme", "GET", "/auth/me", []string{"Authorization", "Basic " + good}, 401, `Bearer realm="edgegw", error="invalid_token", error_description="invalid_token"`},
		{"bad token", "GET", "/auth/me", []string{"Authorization", "Bearer " + canary}, 401, `Bearer realm="edgegw", error="invalid_token", error_description="invalid_token"`},
		{"bad two", "GET", "/auth/me", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}, 400, ""},
		{"bad in the query", "GET", "/auth/me?access_token=" + good, nil, 401, `Bearer realm="edgegw"`},
		{"bad rights to read", "GET", "/rooms/office/messages", []string{"Authorization", "Bearer " + reader}, 403, `Bearer realm="edgegw", error="insufficient_scope"`},
		{"bad rights to read, before the query", "GET", "/rooms/office/messages?limit=0", []string{"Authorization", "Bearer " + reader}, 403, `Bearer realm="edgegw", error="insufficient_scope"`},
		{"bad rights to read about", "GET", "/rooms/office", []string{"Authorization", "Bearer " + reader}, 403, `Bearer realm="edgegw", error="insufficient_scope"`},
		{"bad rights to write, before the body", "POST", "/rooms/plant.a/messages", []string{"Authorization", "Bearer " + reader}, 403, `Bearer realm="edgegw", error="insufficient_scope"`},
		{"bad token, before the body", "POST", "/rooms/a/messages", nil, 401, `Bearer realm="edgegw"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := g.Do(test.method, test.path, "", nil, test.headers...)
			if a.Status != test.status || a.Header.Get("WWW-Authenticate") != test.challenge {
				t.Errorf("%d, challenge %q, want %d, %q: %s", a.Status, a.Header.Get("WWW-Authenticate"), test.status, test.challenge, a.Body)
			}
		})
	}
	if got := g.Do("GET", "/rooms/plant.a", reader, nil); got.Status != 200 {
		t.Errorf("a room that the grant covers: %d %s", got.Status, got.Body)
	}
}

func TestIdentityOfToken(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.User("ann", "plant.*:rw", "office:r")
	me := g.Do("GET", "/auth/me", token, nil).JSON()
	if me["username"] != "ann" || me["kind"] != "user" || me["role"] != "member" || me["room"] != nil {
		t.Errorf("me is %v", me)
	}
	if n, _ := me["expires_in"].(float64); n < 3500 || n > 3600 {
		t.Errorf("expires_in is %v", me["expires_in"])
	}
	grants, _ := me["grants"].([]any)
	if len(grants) != 2 || grants[1].(map[string]any)["room"] != "office" || grants[1].(map[string]any)["rights"] != "r" {
		t.Errorf("grants are %v", grants)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const listed = "https://dash.example.net"
	g := gatewaytest.Start(t, "allowed_origins="+listed)
	host := strings.TrimPrefix(g.URL, "http://")
	token := g.Token("admin")
	tests := []struct {
		name, origin string
		ok, listed   bool
	}{
		{"ok listed", listed, true, true},
		{"ok same host", "http://" + host, true, false},
		{"bad other port", "http://127.0.0.1:1", false, false},
		{"bad no port", "http://127.0.0.1", false, false},
		{"bad other host", "http://evil.example.net", false, false},
		{"bad listed host as a prefix", listed + ".evil.example.net", false, false},
		{"bad listed host, other scheme", "http://dash.example.net", false, false},
		{"bad listed host, other port", listed + ":8443", false, false},
		{"bad null", "null", false, false},
		{"bad nonsense", "://", false, false},
		{"bad user in it", "http://x@" + host, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := map[bool]int{true: 200, false: 403}[test.ok]
			a := g.Do("GET", "/auth/me", token, nil, "Origin", test.origin)
			allowed := a.Header.Get("Access-Control-Allow-Origin")
			if a.Status != want || allowed != map[bool]string{true: test.origin}[test.listed] {
				t.Errorf("request: %d, allowed %q", a.Status, allowed)
			}
			if a.Header.Get("Vary") != "Origin" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("headers are %v", a.Header)
			}
			want = map[bool]int{true: 204, false: 403}[test.ok]
			a = g.Do("OPTIONS", "/rooms/a/messages", "", nil, "Origin", test.origin,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
			if a.Status != want {
				t.Errorf("preflight: %d %s", a.Status, a.Body)
			}
			if m := a.Header.Get("Access-Control-Allow-Methods"); test.ok != (m == "GET, HEAD, POST") {
				t.Errorf("preflight allows the methods %q", m)
			}
			s, answer := g.Handshake("", "Sec-WebSocket-Protocol: bearer, "+token, "Origin: "+test.origin)
			if (s != nil) != test.ok || !test.ok && answer.Status != 403 {
				t.Errorf("WebSocket: %d", answer.Status)
			}
		})
	}
	a := g.Do("GET", "/nothing", "", nil, "Origin", listed)
	if a.Status != 404 || a.Header.Get("Access-Control-Allow-Origin") != listed {
		t.Errorf("an error for a listed origin: %d %v", a.Status, a.Header)
	}
	if s, a := g.Handshake("", "Sec-WebSocket-Protocol: bearer, "+token, "Origin: "+listed, "Origin: http://evil.example.net"); s != nil || a.Status != 403 {
		t.Errorf("two origins: %d", a.Status)
	}
	if !strings.Contains(g.Log(), `"event":"ws_refused"`) {
		t.Error("handshakes refused for their origin are not logged")
	}
	if n := metric(t, g, `edgegw_ws_rejected_total{reason="forbidden"}`); n < 9 {
		t.Errorf("%v handshakes counted as refused for their origin", n)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	h := g.Do("GET", "/health", "", nil).JSON()
	if h["status"] != "ok" || h["version"] == "" || h["version"] == nil {
		t.Errorf("health is %v", h)
	}
	if _, ok := h["uptime"].(float64); !ok {
		t.Errorf("uptime is %v", h["uptime"])
	}
	if !slices.Contains([]any{"none", "floor", "synced"}, h["clock"]) {
		t.Errorf("clock is %v", h["clock"])
	}
	if checks, _ := h["checks"].(map[string]any); checks["store"] != "ok" || checks["disk"] != "ok" || checks["admin"] != "ok" {
		t.Errorf("checks are %v", h["checks"])
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if a := g.Do("GET", path, "", nil); a.Status != http.StatusOK || a.JSON()["status"] != "ok" {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}
