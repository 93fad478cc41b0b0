package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"edgegw/internal/gateway"
)

// Authentication, then rights, then the path, then the body: whoever may not
// come in learns nothing of the rest.
func TestOrderOfChecks(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	routes := append(a.adminRoutes(), route{path: "/rooms/{id}", methods: do{"PUT": nil, "DELETE": nil}})
	for _, rt := range routes {
		for method := range rt.methods {
			path := strings.NewReplacer("{name}", ".nobody", "{id}", ".nobody").Replace(rt.path)
			for token, status := range map[string]int{"": 401, "nonsense": 401, memberToken: 403} {
				w := ask(a, method, path+"?nonsense=1", token, `{"nonsense":1}`)
				if w.Code != status {
					t.Errorf("%s %s as %q: %d %s", method, path, token, w.Code, w.Body)
				}
				challenge := w.Header().Get("WWW-Authenticate")
				if scope := strings.Contains(challenge, "insufficient_scope"); challenge == "" || scope != (status == 403) {
					t.Errorf("%s %s as %q: the challenge is %q", method, path, token, challenge)
				}
			}
			if path == rt.path {
				continue
			}
			status, what := http.StatusNotFound, "there is no"
			if rt.path == "/rooms/{id}" { // a room need not be there
				status, what = http.StatusBadRequest, "a room id has"
			}
			if w := ask(a, method, path, adminToken, `{"nonsense":1}`); w.Code != status || !strings.Contains(w.Body.String(), what) {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	for _, path := range []string{"/auth/password", "/auth/logout"} {
		if w := ask(a, "POST", path, "nonsense", `{"nonsense":1}`, "Content-Type", "text/plain"); w.Code != 401 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	p.wantCalls(t, "order")
}

func TestAdminRoutes(t *testing.T) {
	name128 := strings.Repeat("n", gateway.MaxAccountNameBytes)
	tests := []struct {
		name, method, path, body string
		status                   int
		did                      string // by root
	}{
		{"ok add", "POST", "/users", `{"username":"bob","password":"p"}`, 201, "add bob p member nil"},
		{"ok add, folded", "POST", "/users", `{"username":"BOB","password":"p","role":"admin","grants":[]}`, 201, "add bob p admin []"},
		{"ok add with grants", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"plant.*","rights":"rw"},{"rights":"r","room":"a:b"}]}`, 201, "add bob p member [plant.*:rw a:b:r]"},
		{"ok add, longest name", "POST", "/users", `{"username":"` + name128 + `","password":"p"}`, 201, "add " + name128 + " p member nil"},
		{"bad add, longer name", "POST", "/users", `{"username":"` + name128 + `n","password":"p"}`, 400, ""},
		{"bad add, Cyrillic a", "POST", "/users", `{"username":"аnn","password":"p"}`, 400, ""},
		{"bad add, Kelvin sign", "POST", "/users", `{"username":"\u212aim","password":"p"}`, 400, ""},
		{"bad add, full-width", "POST", "/users", `{"username":"ａｎｎ","password":"p"}`, 400, ""},
		{"bad add, zero width", "POST", "/users", `{"username":"an\u200bn","password":"p"}`, 400, ""},
		{"bad add, NUL", "POST", "/users", `{"username":"ann\u0000","password":"p"}`, 400, ""},
		{"bad add, no name", "POST", "/users", `{"password":"p"}`, 400, ""},
		{"bad add, no password", "POST", "/users", `{"username":"bob"}`, 400, ""},
		{"bad add, role", "POST", "/users", `{"username":"bob","password":"p","role":"owner"}`, 400, ""},
		{"bad add, empty role", "POST", "/users", `{"username":"bob","password":"p","role":""}`, 400, ""},
		{"bad add, pattern", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a b","rights":"r"}]}`, 400, ""},
		{"bad add, rights", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a","rights":"x"}]}`, 400, ""},
		{"bad add, pattern hidden in rights", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a","rights":"b:rw"}]}`, 400, ""},
		{"bad add, no rights", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a"}]}`, 400, ""},
		{"bad add, no room", "POST", "/users", `{"username":"bob","password":"p","grants":[{"rights":"r"}]}`, 400, ""},
		{"bad add, grant as a string", "POST", "/users", `{"username":"bob","password":"p","grants":["a:r"]}`, 400, ""},
		{"bad add, unknown member of a grant", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a","rights":"r","x":1}]}`, 400, ""},
		{"bad add, other case in a grant", "POST", "/users", `{"username":"bob","password":"p","grants":[{"room":"a","rights":"r","ROOM":"*"}]}`, 400, ""},
		{"bad add, null grants", "POST", "/users", `{"username":"bob","password":"p","grants":null}`, 400, ""},

		{"ok patch role", "PATCH", "/users/bob", `{"role":"admin"}`, 200, "patch bob role=admin"},
		{"ok patch all", "PATCH", "/users/bob", `{"role":"member","disabled":false,"grants":[{"room":"*","rights":"w"}],"password":"p"}`, 200, "patch bob role=member password=p disabled=false grants=[*:w]"},
		{"ok patch no grants", "PATCH", "/users/BOB", `{"grants":[]}`, 200, "patch bob grants=[]"},
		{"ok patch empty password", "PATCH", "/users/bob", `{"password":""}`, 200, "patch bob password="},
		{"bad patch nothing", "PATCH", "/users/bob", `{}`, 400, ""},
		{"bad patch without a body", "PATCH", "/users/bob", ``, 415, ""},
		{"bad patch null", "PATCH", "/users/bob", `{"disabled":null}`, 400, ""},
		{"bad patch role", "PATCH", "/users/bob", `{"role":"root"}`, 400, ""},
		{"bad patch room", "PATCH", "/users/bob", `{"room":"a"}`, 400, ""},
		{"bad patch grants", "PATCH", "/users/bob", `{"grants":[{"room":"","rights":"r"}]}`, 400, ""},

		{"ok get", "GET", "/users/bob", ``, 200, ""},
		{"bad get nobody", "GET", "/users/nobody", ``, 404, ""},
		{"bad get, name that cannot be", "GET", "/users/b%20b", ``, 404, ""},
		{"bad get, look-alike", "GET", "/users/b%D0%BEb", ``, 404, ""},
		{"ok delete", "DELETE", "/users/bob", ``, 204, "delete bob"},
		{"bad delete with members", "DELETE", "/users/bob", `{"force":true}`, 400, ""},
		{"ok unlock", "POST", "/users/bob/unlock", ``, 204, "unlock bob"},
		{"ok unlock, empty object", "POST", "/users/bob/unlock", `{}`, 204, "unlock bob"},
		{"bad unlock with members", "POST", "/users/bob/unlock", `{"for":1}`, 400, ""},
		{"ok reset", "POST", "/users/bob/password-reset", ``, 200, "reset of bob"},

		{"ok add device", "POST", "/devices", `{"name":"pump"}`, 201, "add pump  nil"},
		{"ok add device with all", "POST", "/devices", `{"name":"Pump","room":"plant.1","grants":[{"room":"a","rights":"r"}]}`, 201, "add pump plant.1 [a:r]"},
		{"bad add device, no name", "POST", "/devices", `{"room":"plant.1"}`, 400, ""},
		{"bad add device, room", "POST", "/devices", `{"name":"pump","room":"plant.*"}`, 400, ""},
		{"bad add device, role", "POST", "/devices", `{"name":"pump","role":"admin"}`, 400, ""},
		{"ok patch device", "PATCH", "/devices/pump", `{"room":"","disabled":true,"grants":[]}`, 200, `patch pump room="" disabled=true grants=[]`},
		{"ok patch device's room", "PATCH", "/devices/pump", `{"room":"a"}`, 200, `patch pump room="a"`},
		{"bad patch device, nothing", "PATCH", "/devices/pump", `{}`, 400, ""},
		{"bad patch device, role", "PATCH", "/devices/pump", `{"role":"admin"}`, 400, ""},
		{"bad patch device, room", "PATCH", "/devices/pump", `{"room":".a"}`, 400, ""},
		{"ok rotate", "POST", "/devices/pump/rotate-key", ``, 200, "rotate pump"},
		{"ok delete device", "DELETE", "/devices/pump", ``, 204, "delete pump"},

		{"ok audit", "GET", "/audit", ``, 200, "audit from the end, 50"},
		{"ok audit from the start", "GET", "/audit?after=0&limit=1000", ``, 200, "audit from 0, 1000"},
		{"ok audit, one", "GET", "/audit?after=9007199254740991&limit=1", ``, 200, "audit from 9007199254740991, 1"},
		{"bad audit, limit 0", "GET", "/audit?limit=0", ``, 400, ""},
		{"bad audit, limit 1001", "GET", "/audit?limit=1001", ``, 400, ""},
		{"bad audit, after", "GET", "/audit?after=-1", ``, 400, ""},
		{"bad audit, after too far", "GET", "/audit?after=9007199254740992", ``, 400, ""},
		{"bad audit, twice", "GET", "/audit?limit=1&limit=1", ``, 400, ""},
		{"bad audit, unknown", "GET", "/audit?before=1", ``, 400, ""},
		{"bad audit, unreadable", "GET", "/audit?limit=%zz", ``, 400, ""},
		{"bad audit, semicolon", "GET", "/audit?limit=1;after=2", ``, 400, ""},
	}
	for _, test := range tests {
		p := &people{setUp: true}
		a, _, _ := serve(p)
		w := ask(a, test.method, test.path, adminToken, test.body)
		if w.Code != test.status {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
		if test.did == "" {
			p.wantCalls(t, test.name)
		} else {
			p.wantCalls(t, test.name, "root: "+test.did)
		}
	}
}

func TestAdminAnswers(t *testing.T) {
	const ann = `{"username":"ann","kind":"user","role":"member","disabled":false,"grants":[],"created":1}`
	key, code := strings.Repeat("k", 43), strings.Repeat("c", 43)
	tests := []struct{ method, path, body, location, want string }{
		{"GET", "/users", ``, "", `{"users":[` + ann + `,{"username":"bob","kind":"user","role":"member","disabled":false,` +
			`"grants":[{"room":"*","rights":"rw"}],"created":1,"legacy_hash":true,"locked":true,"reset_requested":7}]}`},
		{"GET", "/users/ann", ``, "", ann},
		{"PATCH", "/users/ann", `{"disabled":true}`, "", ann},
		{"POST", "/users", `{"username":"ANN","password":"p"}`, "/users/ann", ann},
		{"POST", "/users/ann/password-reset", ``, "", `{"reset_token":"` + code + `","expires_in":1800}`},
		{"GET", "/devices", ``, "", `{"devices":[{"name":"pump","kind":"device","room":"plant.1","grants":[],"disabled":false,"created":1,"last_seen":5,"keys":2,"last_close":{"code":4004,"reason":"idle_timeout","ts":5},"last_error":{"code":"forbidden","ts":6},"clock_skew_ms":-3000},` +
			`{"name":"valve","kind":"device","grants":[],"disabled":false,"created":1,"keys":1}]}`},
		{"GET", "/devices/pump", ``, "", `{"name":"pump","kind":"device","grants":[],"disabled":false,"created":1,"keys":1,"last_close":{"code":4004,"reason":"idle_timeout","ts":5},"last_error":{"code":"forbidden","ts":6},"clock_skew_ms":-3000}`},
		{"POST", "/devices", `{"name":"a@b+c"}`, "/devices/a@b+c", `{"name":"a@b+c","kind":"device","grants":[],"disabled":false,"created":1,"keys":1,"device_key":"` + key + `"}`},
		{"POST", "/devices/PUMP/rotate-key", ``, "", `{"name":"pump","device_key":"` + key + `"}`},
		{"GET", "/audit", ``, "", `{"events":[{"seq":1,"ts":2,"event":"login","actor":"","subject":"ann","ip":"192.0.2.1","result":"failed","reason":"wrong_password","count":3},` +
			`{"seq":4,"ts":2,"event":"role_changed","actor":"root","subject":"ann","ip":"","result":"ok","reason":""}]}`},
	}
	a, _, _ := serve(&people{setUp: true})
	for _, test := range tests {
		w := ask(a, test.method, test.path, adminToken, test.body)
		if w.Body.String() != test.want+"\n" || w.Header().Get("Location") != test.location {
			t.Errorf("%s %s: %d %q %s", test.method, test.path, w.Code, w.Header().Get("Location"), w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: may be cached", test.method, test.path)
		}
	}
}

// No answer tells of a change that was refused.
func TestRefusedChangesAreErrors(t *testing.T) {
	for _, test := range []struct{ method, path, token, body string }{
		{"POST", "/auth/logout", memberToken, ``},
		{"POST", "/auth/password", memberToken, `{"current_password":"a","new_password":"b"}`},
		{"POST", "/auth/password-reset", "", `{"username":"a"}`},
		{"POST", "/auth/password-reset/confirm", "", `{"token":"a","new_password":"b"}`},
		{"DELETE", "/auth/sessions/" + string(session1), memberToken, ``},
		{"POST", "/users", adminToken, `{"username":"bob","password":"p"}`},
		{"PATCH", "/users/bob", adminToken, `{"disabled":true}`},
		{"DELETE", "/users/bob", adminToken, ``},
		{"DELETE", "/connections/c-2", adminToken, ``},
		{"POST", "/users/bob/unlock", adminToken, ``},
		{"POST", "/users/bob/password-reset", adminToken, ``},
		{"POST", "/devices", adminToken, `{"name":"pump"}`},
		{"PATCH", "/devices/pump", adminToken, `{"disabled":true}`},
		{"DELETE", "/devices/pump", adminToken, ``},
		{"POST", "/devices/pump/rotate-key", adminToken, ``},
		{"GET", "/audit", adminToken, ``},
	} {
		p := &people{setUp: true, fail: gateway.Errorf(gateway.CodeConflict, "no")}
		a, _, _ := serve(p)
		w := ask(a, test.method, test.path, test.token, test.body)
		if w.Code != 409 || codeOf(w) != "conflict" || w.Header().Get("Location") != "" || strings.Contains(w.Body.String(), strings.Repeat("k", 43)) {
			t.Errorf("%s %s: %d %v %s", test.method, test.path, w.Code, w.Header(), w.Body)
		}
		if len(p.calls) != 1 {
			t.Errorf("%s %s: did %q", test.method, test.path, p.calls)
		}
	}
}

func TestOwnPassword(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	if w := ask(a, "POST", "/auth/password", memberToken, `{"current_password":"a","new_password":"b"}`); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("change: %d %s", w.Code, w.Body)
	}
	for _, name := range []string{"ann", "nobody", "NOT A NAME", ""} {
		if w := ask(a, "POST", "/auth/password-reset", "", `{"username":"`+name+`"}`); w.Code != 202 || w.Body.String() != "{}\n" {
			t.Errorf("ask for %q: %d %s", name, w.Code, w.Body)
		}
	}
	if w := ask(a, "POST", "/auth/password-reset/confirm", "", `{"token":"c","new_password":"b"}`); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("confirm: %d %s", w.Code, w.Body)
	}
	p.wantCalls(t, "passwords", "ann: password of ann from a to b",
		": reset asked by ann", ": reset asked by nobody", ": reset asked by NOT A NAME", ": reset asked by ", ": reset c to b")
}
