package httpapi

import (
	"testing"
)

func TestLogout(t *testing.T) {
	const (
		own    = "http://gw.local"
		cookie = refreshCookie + "=" + goodRefresh
	)
	tests := []struct {
		name, token, cookie, origin, body string
		status                            int
		did                               string
		cleared                           bool
	}{
		{"ok bearer", memberToken, "", "", "", 204, "ann: logout " + string(session1), false},
		{"ok bearer and an empty object", memberToken, "", "", "{}", 204, "ann: logout " + string(session1), false},
		{"ok bearer beside a cookie", memberToken, cookie, "", "", 204, "ann: logout " + string(session1), true},
		{"ok cookie", "", cookie, own, "", 204, ": logout by refresh-1", true},
		{"ok cookie that is spent", "", refreshCookie + "=spent", own, "", 204, ": logout by spent", true},
		{"bad nothing", "", "", "", "", 401, "", false},
		{"bad empty cookie", "", refreshCookie + "=", own, "", 401, "", false},
		{"bad bearer beside a good cookie", "nonsense", cookie, own, "", 401, "", false},
		{"bad cookie without an origin", "", cookie, "", "", 403, "", false},
		{"bad cookie from another port", "", cookie, own + ":81", "", 403, "", false},
		{"bad member", memberToken, "", "", `{"all":true}`, 400, "", false},
		{"bad member beside a cookie", "", cookie, own, `{"all":true}`, 400, "", false},
	}
	for _, test := range tests {
		p := &people{setUp: true}
		a, _, _ := serve(p)
		headers := []string{"Host", "gw.local"}
		if test.cookie != "" {
			headers = append(headers, "Cookie", test.cookie)
		}
		if test.origin != "" {
			headers = append(headers, "Origin", test.origin)
		}
		w := ask(a, "POST", "/auth/logout", test.token, test.body, headers...)
		if w.Code != test.status {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
		c := cookieOf(t, w)
		if cleared := c != nil && c.Value == "" && c.MaxAge < 0; cleared != test.cleared || c != nil && !cleared {
			t.Errorf("%s: the cookie is %v", test.name, c)
		}
		var want []string
		if test.did != "" {
			want = []string{test.did}
		}
		p.wantCalls(t, test.name, want...)
	}
}

func TestSessions(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	const list = `{"sessions":[` +
		`{"id":"0123456789012345678901","created":1,"last_used":3,"ip":"192.0.2.1","current":true},` +
		`{"id":"abcdefghijklmnopqrst-_","created":1,"last_used":2,"ip":"192.0.2.2","current":false}]}` + "\n"
	if w := ask(a, "GET", "/auth/sessions", memberToken, ""); w.Code != 200 || w.Body.String() != list {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for id, status := range map[string]int{
		string(session2): 204, "abcdefghijklmnopqrst-": 404, string(session2) + "_": 404, "abcdefghijklmnopqrst%00_": 404, "abcdefghijklmnopqrst.=": 404,
	} {
		if w := ask(a, "DELETE", "/auth/sessions/"+id, memberToken, ""); w.Code != status {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	p.wantCalls(t, "delete", "ann: end "+string(session2))
}
