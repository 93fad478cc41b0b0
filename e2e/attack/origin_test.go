package attack_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// listed is the one origin that may call from elsewhere.
const listed = "https://dash.example.net"

// caller is a page that calls: its Origin lines, and the host that it believes to
// call, "" for the gateway's address.
type caller struct {
	name, host string
	origins    []string
	own, may   bool
}

func callers(addr string) []caller {
	host, port, _ := net.SplitHostPort(addr)
	at := func(origin string) string { return strings.NewReplacer("HOST", host, "PORT", port).Replace(origin) }
	var list []caller
	add := func(name, host string, own, may bool, origins ...string) {
		for i := range origins {
			origins[i] = at(origins[i])
		}
		list = append(list, caller{name, at(host), origins, own, may})
	}
	add("ok own", "", true, true, "http://HOST:PORT")
	add("ok own, in capitals", "", true, true, "HTTP://HOST:PORT")
	add("ok own behind a proxy with TLS", "gw.example.net", true, true, "https://gw.example.net")
	add("ok own, host in capitals", "GW.Example.Net:PORT", true, true, "http://gw.example.net:PORT")
	add("ok own, standard port named", "gw.example.net:80", true, true, "http://gw.example.net")
	add("ok own, IPv6", "[::1]:PORT", true, true, "http://[::1]:PORT")
	add("ok own, IPv6 and standard port", "[2001:db8::1]", true, true, "http://[2001:db8::1]")
	add("ok listed", "", false, true, listed)
	add("ok listed, in capitals", "", false, true, "HTTPS://Dash.Example.Net")

	add("bad port", "", false, false, "http://HOST:1")
	add("bad port that begins alike", "", false, false, "http://HOST:PORT0")
	add("bad no port", "", false, false, "http://HOST")
	add("bad standard port of another scheme", "gw.example.net:80", false, false, "https://gw.example.net")
	add("bad port of IPv6", "[::1]:PORT", false, false, "http://[::1]:1")
	add("bad IPv6", "[::1]:PORT", false, false, "http://[::2]:PORT")
	add("bad IPv6 for IPv4", "", false, false, "http://[::1]:PORT")
	add("bad IPv6 that holds the IPv4", "", false, false, "http://[::ffff:HOST]:PORT")
	for _, origin := range []string{
		"null", "NULL", "", " ", "file://", "file:///", "about:blank", "data:", "javascript:", "*", "http://", "https://", "//HOST:PORT", "HOST:PORT", "HOST", "http:HOST:PORT", "http:/HOST:PORT",
		"ws://HOST:PORT", "wss://HOST:PORT", "ftp://HOST:PORT", "chrome-extension://HOST:PORT", "httpx://HOST:PORT", "http+unix://HOST:PORT",
		"http://evil-HOST:PORT", "http://HOST.evil.example:PORT", "http://HOST:PORT.evil.example", "http://evil.example/HOST:PORT", "http://evil.example?HOST:PORT", "http://evil.example#HOST:PORT",
		"http://HOST:PORT@evil.example", "http://evil.example@HOST:PORT", "http://HOST:PORT/", "http://HOST:PORT/x", "http://HOST:PORT?x", "http://HOST:PORT#x", "http://HOST:PORT ,http://evil.example",
		"http://HOST:PORT http://evil.example", "http://evil.example http://HOST:PORT", "http://HOST:PORT, http://HOST:PORT", "http://HOST.:PORT", "http://localhost:PORT", "http://127.1:PORT", "http://2130706433:PORT", "http://0x7f.0.0.1:PORT",
		"http://0177.0.0.1:PORT", "http://%31%32%37.0.0.1:PORT", "http://HOST%00:PORT", "http://HOST:PORT%2eevil.example", "http://\u0661\u0662\u0667.0.0.1:PORT", "http://HOST:\uff11", "http://HOST\\@evil.example:PORT", "http://evil.example\\@HOST:PORT",
		"http://dash.example.net", "https://dash.example.net:444", "https://dash.example.net.evil.example", "https://evil-dash.example.net", "https://evil.dash.example.net", "https://dash.example.net.", "https://dash.example.net/", "https://dash.example.net@evil.example",
		"https://dash-example.net", "https://dash.example.ne", "https://d\u0430sh.example.net", "https://example.net", "wss://dash.example.net", "https://dash.example.net https://evil.example", "http://[HOST]:PORT", "http://HOST:+PORT", "http://HOST: PORT",
	} {
		add("bad "+origin, "", false, false, origin)
	}
	add("bad two lines", "", false, false, "http://HOST:PORT", "http://evil.example")
	add("bad two lines, the other way", "", false, false, "http://evil.example", "http://HOST:PORT")
	add("bad two lines alike", "", false, false, "http://HOST:PORT", "http://HOST:PORT")
	add("bad two lines, one listed", "", false, false, listed, "null")
	add("bad empty line first", "", false, false, "", listed)
	return list
}

// request puts the caller's lines into a request.
func (c caller) request(g *gateway, line, more string) string {
	host := c.host
	if host == "" {
		host = g.Addr
	}
	for _, o := range c.origins {
		more += "Origin: " + o + "\r\n"
	}
	return line + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n"
}

// checkCORS compares what an answer lets pages of other origins do with what the
// caller may.
func (c caller) checkCORS(t *testing.T, what string, a answer) {
	t.Helper()
	allowed := a.Header.Values("Access-Control-Allow-Origin")
	switch {
	case c.may && !c.own && !slices.Equal(allowed, c.origins):
		t.Errorf("%s: %s: Access-Control-Allow-Origin %q, want its origin", c.name, what, allowed)
	case (!c.may || c.own) && len(allowed) > 0:
		t.Errorf("%s: %s: Access-Control-Allow-Origin %q, want none", c.name, what, allowed)
	}
	if v := a.Header.Values("Access-Control-Allow-Credentials"); len(v) > 0 {
		t.Errorf("%s: %s: Access-Control-Allow-Credentials %q", c.name, what, v)
	}
	if !slices.Contains(a.Header.Values("Vary"), "Origin") {
		t.Errorf("%s: %s: Vary %q lacks Origin", c.name, what, a.Header.Values("Vary"))
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	g := start(t, "allowed_origins="+listed)
	token := g.token("admin")
	auth := "Authorization: Bearer " + token + "\r\n"
	tried, accepted := 0, 0
	for _, c := range callers(g.Addr) {
		for what, r := range map[string]struct {
			request string
			good    int
		}{
			"read":      {c.request(g, "GET /auth/me", auth), http.StatusOK},
			"write":     {c.request(g, "POST /auth/logout", auth+"Content-Length: 0\r\n"), http.StatusNoContent},
			"no path":   {c.request(g, "GET /nothing", auth), http.StatusNotFound},
			"refused":   {c.request(g, "GET /auth/me", ""), http.StatusUnauthorized},
			"preflight": {c.request(g, "OPTIONS /auth/login", "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"), http.StatusNoContent},
			"socket": {c.request(g, "GET /ws", auth+"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
				http.StatusSwitchingProtocols},
		} {
			l, err := g.dial()
			if err != nil {
				t.Fatal(err)
			}
			a, err := l.ask(r.request)
			_ = l.Close()
			if err != nil {
				t.Fatalf("%s: %s: %v", c.name, what, err)
			}
			good := http.StatusForbidden
			if c.may {
				good = r.good
			} else {
				tried++
				if a.Status != good {
					accepted++
				}
			}
			if a.Status != good {
				t.Errorf("%s: %s: %d, want %d", c.name, what, a.Status, good)
			}
			if what != "socket" || a.Status != http.StatusSwitchingProtocols {
				c.checkCORS(t, what, a)
			}
			if v := a.Header.Get("Access-Control-Allow-Methods"); (v != "") != (what == "preflight" && c.may) {
				t.Errorf("%s: %s: Access-Control-Allow-Methods %q", c.name, what, v)
			}
		}
	}
	t.Logf("foreign origins: %d of %d accepted", accepted, tried)
}

// The cookie works from the gateway's own pages only, and for nothing else.
func TestRefreshCookie(t *testing.T) {
	t.Parallel()
	g := start(t, cheap("allowed_origins="+listed)...)
	body := map[string]any{"username": "admin", "password": password, "cookie": true}
	a := want(t, "a login with cookie", g.do("POST", "/auth/login", "", body, "Origin", g.URL), http.StatusOK)
	if _, given := a.JSON()["refresh_token"]; given {
		t.Error("the refresh token is in the body as well")
	}
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Path != "/auth" || cookies[0].Domain != "" {
		t.Fatalf("%d cookies, or not as they should be", len(cookies))
	}
	value := cookies[0].Value
	g.hidden.hide("refresh_token", value)
	accepted, tried := 0, 0
	for _, c := range callers(g.Addr) {
		if c.own {
			continue
		}
		for _, path := range []string{"/auth/refresh", "/auth/logout"} {
			tried++
			l := g.mustDial()
			a, err := l.ask(c.request(g, "POST "+path, "Cookie: edgegw_refresh="+value+"\r\nContent-Length: 0\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			if a.Status < 400 {
				accepted++
			}
			if a.Status != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s: %s with the cookie: %d", c.name, path, a.Status)
			}
		}
	}
	tried++
	if a := g.do("POST", "/auth/refresh", "", nil, "Cookie", "edgegw_refresh="+value); a.Status != http.StatusForbidden {
		accepted++
		t.Errorf("without an origin: %d", a.Status)
	}
	want(t, "two cookies", g.do("POST", "/auth/refresh", "", nil, "Cookie", "edgegw_refresh="+value+"; edgegw_refresh=x", "Origin", g.URL), http.StatusBadRequest)
	want(t, "the cookie from its own page", g.do("POST", "/auth/refresh", "", nil, "Cookie", "edgegw_refresh="+value, "Origin", g.URL), http.StatusOK)
	t.Logf("refresh cookies from foreign pages: %d of %d accepted", accepted, tried)
}
