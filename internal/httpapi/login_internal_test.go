package httpapi

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const goodLogin = `{"username":"ann","password":"right","room":"plant.1"}`

// cookieOf is the refresh cookie that an answer sets, or nil.
func cookieOf(t *testing.T, w *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	cookies := w.Result().Cookies()
	switch {
	case len(cookies) == 0:
		return nil
	case len(cookies) > 1 || cookies[0].Name != refreshCookie:
		t.Fatalf("the answer sets %v", cookies)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/auth" || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	return c
}

func answerOf(w *httptest.ResponseRecorder) map[string]any {
	var m map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &m)
	return m
}

func TestLoginAnswer(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	w := ask(a, "POST", "/auth/login", "", goodLogin)
	m := answerOf(w)
	want := map[string]any{
		"access_token": "access-2", "token_type": "Bearer", "expires_in": 900.0, "refresh_token": "refresh-2",
		"refresh_expires_in": 2592000.0, "username": "ann", "role": "member",
	}
	for name, value := range want {
		if m[name] != value {
			t.Errorf("%s is %v, want %v", name, m[name], value)
		}
	}
	if w.Code != 200 || len(m) != len(want) || cookieOf(t, w) != nil || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	p.wantCalls(t, "login", ": login ann plant.1")

	w = ask(a, "POST", "/auth/login", "", strings.Replace(goodLogin, "}", `,"cookie":true}`, 1))
	c := cookieOf(t, w)
	if c == nil || c.Value != "refresh-2" || c.MaxAge != 2592000 || c.Secure {
		t.Fatalf("the cookie is %v", c)
	}
	if m := answerOf(w); m["refresh_token"] != nil || m["refresh_expires_in"] != 2592000.0 || strings.Contains(w.Body.String(), "refresh-2") {
		t.Errorf("with a cookie the body is %s", w.Body)
	}
	if w = ask(a, "POST", "/auth/login", "", `{"username":"ann","password":"wrong","cookie":true}`); w.Code != 401 || cookieOf(t, w) != nil {
		t.Errorf("a refused login: %d %v", w.Code, w.Header())
	}
}

func TestDeviceLoginAnswer(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	if w := ask(a, "POST", "/auth/device", "", `{"device_key":"K","room":"plant.1"}`); w.Code != 200 || answerOf(w)["refresh_token"] != "refresh-2" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(a, "POST", "/auth/device", "", `{"device_key":"K","cookie":true}`); w.Code != 400 {
		t.Errorf("a device that wants a cookie: %d", w.Code)
	}
	p.wantCalls(t, "device", ": device K plant.1")
}

// The cookie may go over TLS alone when it came over TLS, and must go without
// where there is none.
func TestCookieIsSecureOverTLS(t *testing.T) {
	tests := []struct {
		name, peer, proto string
		tls, secure       bool
	}{
		{"ok plain", "192.0.2.7:1", "", false, false},
		{"ok TLS", "192.0.2.7:1", "", true, true},
		{"ok proxy", "10.0.0.1:1", "https", false, true},
		{"ok proxy, other case", "[::ffff:10.0.0.1]:1", "HTTPS", false, true},
		{"ok proxies in a row", "10.0.0.1:1", "https, http", false, true},
		{"ok proxy without TLS", "10.0.0.1:1", "http", false, false},
		{"ok proxies, the outer without TLS", "10.0.0.1:1", "http, https", false, false},
		{"bad proxy that is not trusted", "192.0.2.7:1", "https", false, false},
	}
	for _, test := range tests {
		a, _, _ := serve(&people{setUp: true})
		a.opts.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		r := httptest.NewRequest("POST", "/auth/login", strings.NewReader(`{"username":"ann","password":"right","cookie":true}`))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = test.peer
		if test.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if test.proto != "" {
			r.Header.Set("X-Forwarded-Proto", test.proto)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if c := cookieOf(t, w); c == nil || c.Secure != test.secure {
			t.Errorf("%s: the cookie is %v", test.name, c)
		}
	}
}

func TestRefresh(t *testing.T) {
	const (
		own    = "http://gw.local"
		listed = "https://dash.example.net"
		good   = refreshCookie + "=" + goodRefresh
		bad    = refreshCookie + "=spent"
		body   = `{"refresh_token":"refresh-1"}`
	)
	tests := []struct {
		name, body, cookie, origin string
		status                     int
		code                       string
		set                        string // "", "next" or "cleared"
	}{
		{"ok body", body, "", "", 200, "", ""},
		{"ok body from a listed origin", body, "", listed, 200, "", ""},
		{"ok body beside a cookie", body, bad, own, 200, "", ""},
		{"ok body beside a cookie of a foreign page", body, good, listed, 200, "", ""},
		{"ok cookie", "", good, own, 200, "", "next"},
		{"ok cookie and a body without members", "{}", good, own, 200, "", "next"},
		{"ok cookie beside others", "", "a=b; " + good + "; c=d", own, 200, "", "next"},
		{"bad nothing", "", "", "", 400, "invalid_request", ""},
		{"bad nothing in the body", "{}", "", "", 400, "invalid_request", ""},
		{"bad empty cookie", "", refreshCookie + "=", own, 400, "invalid_request", ""},
		{"bad token", `{"refresh_token":"spent"}`, "", "", 401, "token_reused", ""},
		{"bad empty token", `{"refresh_token":""}`, good, own, 401, "token_reused", ""},
		{"bad token beside a good cookie", `{"refresh_token":"spent"}`, good, own, 401, "token_reused", ""},
		{"bad null beside a good cookie", `{"refresh_token":null}`, good, own, 400, "invalid_request", ""},
		{"bad cookie", "", bad, own, 401, "token_reused", "cleared"},
		{"bad cookie without an origin", "", good, "", 403, "forbidden", ""},
		{"bad cookie from a listed origin", "", good, listed, 403, "forbidden", ""},
		{"bad cookie from another port", "", good, own + ":81", 403, "forbidden", ""},
		{"bad cookie from null", "", good, "null", 403, "forbidden", ""},
		{"bad cookie twice", "", good + "; " + bad, own, 400, "invalid_request", ""},
	}
	for _, test := range tests {
		p := &people{setUp: true}
		a, _, _ := serve(p)
		a.origins[listed] = true
		headers := []string{"Host", "gw.local"}
		if test.cookie != "" {
			headers = append(headers, "Cookie", test.cookie)
		}
		if test.origin != "" {
			headers = append(headers, "Origin", test.origin)
		}
		w := ask(a, "POST", "/auth/refresh", "", test.body, headers...)
		if w.Code != test.status || codeOf(w) != test.code {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
		set := ""
		if c := cookieOf(t, w); c != nil && c.Value == "refresh-2" && c.MaxAge > 0 {
			set = "next"
		} else if c != nil && c.Value == "" && c.MaxAge < 0 {
			set = "cleared"
		}
		if inBody := answerOf(w)["refresh_token"] != nil; set != test.set || inBody != (test.status == 200 && set == "") {
			t.Errorf("%s: the cookie is %q, and in the body: %t", test.name, set, inBody)
		}
		if (len(p.calls) == 1) != (test.status == 200) {
			t.Errorf("%s: did %q", test.name, p.calls)
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: browsers of other origins may send cookies", test.name)
		}
	}
}

// A cookie is kept when its refresh failed for another reason than itself.
func TestRefreshKeepsTheCookieOfAnotherDay(t *testing.T) {
	p := &people{setUp: true, fail: unknown("x")}
	a, _, _ := serve(p)
	w := ask(a, "POST", "/auth/refresh", "", "", "Host", "gw.local", "Origin", "http://gw.local", "Cookie", refreshCookie+"="+goodRefresh)
	if w.Code != 400 || cookieOf(t, w) != nil {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// What a device says of its clock is noted, once it is known who it is.
func TestSkew(t *testing.T) {
	for _, tt := range []struct {
		path, body, date, want string
	}{
		{"/auth/device", `{"device_key":"k"}`, time.Now().Add(-48 * time.Hour).UTC().Format(http.TimeFormat), "-48h0m0s"},
		{"/auth/refresh", `{"refresh_token":"` + goodRefresh + `"}`, time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat), "2h0m0s"},
		{"/auth/device", `{"device_key":"k"}`, "yesterday", ""},
		{"/auth/device", `{"device_key":"k"}`, "", ""},
	} {
		p := &people{setUp: true}
		a, _, _ := serve(p)
		w := ask(a, "POST", tt.path, "", tt.body, "Content-Type", "application/json", "Date", tt.date)
		noted := strings.Contains(strings.Join(p.calls, "\n"), " is "+tt.want+" ahead")
		if tt.want == "" {
			noted = !strings.Contains(strings.Join(p.calls, "\n"), " ahead")
		}
		if w.Code != 200 || !noted {
			t.Errorf("%s with %q: %d, %v", tt.path, tt.date, w.Code, p.calls)
		}
	}
}
