package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Before there is an administrator nothing is answered but what these routes do,
// with every method and a good token, too.
func TestOpenRoutes(t *testing.T) {
	open := []string{"/", "/assets/{name}", "/ca.crt", "/clients/{path}", "/health", "/livez", "/metrics", "/readyz", "/setup"}
	a, _, _ := server(false)
	var found []string
	for _, rt := range a.routes {
		if rt.open {
			found = append(found, rt.path)
		}
		path := strings.NewReplacer("{path}", "go/doc.go", "{name}", "bob", "{id}", string(session2)).Replace(rt.path)
		for method := range rt.methods {
			w := ask(a, method, path, adminToken, "")
			if refused := codeOf(w) == "setup_required"; refused == rt.open {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
			if !rt.open && (w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "10" || !strings.Contains(w.Body.String(), "/setup")) {
				t.Errorf("%s %s: %d, Retry-After %q, %s", method, path, w.Code, w.Header().Get("Retry-After"), w.Body)
			}
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, open) {
		t.Errorf("open are %v, want %v", found, open)
	}
}

func TestPostSetup(t *testing.T) {
	const good = `{"code":"kxrd-7pwa","password":"pw"}`
	tests := []struct {
		name, body, mediaType string
		done                  bool
		status                int
		call                  string
	}{
		{"ok", good, "application/json", false, 200, ": set up by kxrd-7pwa as admin with pw"},
		{"ok name", `{"code":"","username":"ada","password":"","cookie":false}`, "application/json", false, 200, ": set up by  as ada with "},
		{"ok empty name is the accounts' to refuse", `{"code":"A","username":"","password":"pw"}`, "application/json", false, 200, ": set up by A as  with pw"},
		{"bad set up", good, "application/json", true, 409, ""},
		{"bad no code", `{"password":"pw"}`, "application/json", false, 400, ""},
		{"bad no password", `{"code":"A"}`, "application/json", false, 400, ""},
		{"bad unknown", `{"code":"A","password":"pw","role":"admin"}`, "application/json", false, 400, ""},
		{"bad twice", `{"code":"A","code":"B","password":"pw"}`, "application/json", false, 400, ""},
		{"bad type", `{"code":12345678,"password":"pw"}`, "application/json", false, 400, ""},
		{"bad null", `{"code":"A","username":null,"password":"pw"}`, "application/json", false, 400, ""},
		{"bad form", "code=A&password=pw", "application/x-www-form-urlencoded", false, 415, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &people{setUp: tt.done}
			a, _, _ := serve(p)
			w := ask(a, "POST", "/setup", "", tt.body, "Content-Type", tt.mediaType)
			if w.Code != tt.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			var want []string
			if tt.call != "" {
				want = []string{tt.call}
			}
			p.wantCalls(t, tt.name, want...)
		})
	}
}

// The cookie keeps the refresh token from scripts, as at login.
func TestPostSetupWithCookie(t *testing.T) {
	a, _, _ := server(false)
	w := ask(a, "POST", "/setup", "", `{"code":"A","password":"pw","cookie":true}`, "Origin", "http://example.com")
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != 200 || strings.Contains(w.Body.String(), "refresh-2") || !strings.Contains(cookie, "edgegw_refresh=refresh-2; Path=/auth") {
		t.Errorf("%d %s, cookie %q", w.Code, w.Body, cookie)
	}
}
