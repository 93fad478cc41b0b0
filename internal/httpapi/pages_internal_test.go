package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// pages are a dashboard of one file.
type pages struct{}

func (pages) Index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html>")
}

func (pages) Asset(w http.ResponseWriter, _ *http.Request, name string) bool {
	if name != "bob" { // as the tests of all routes fill {name}
		return false
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = io.WriteString(w, "main {}")
	return true
}

// The page is for everyone but programs that want JSON, before the first run too,
// with a policy that lets nothing from elsewhere in.
func TestIndex(t *testing.T) {
	for _, tt := range []struct {
		path, accept string
		page         bool
	}{
		{"/", "text/html,application/xhtml+xml,*/*;q=0.8", true},
		{"/", "*/*", true},
		{"/", "", true},
		{"/", "application/json", false},
		{"/", "text/html, application/json", true},
		{"/setup", "application/json", true},
	} {
		for _, done := range []bool{true, false} {
			a, _, _ := server(done)
			w := ask(a, "GET", tt.path, "", "", "Accept", tt.accept)
			h := w.Header()
			if page := strings.HasPrefix(w.Body.String(), "<!doctype"); w.Code != 200 || page != tt.page {
				t.Errorf("%s for %q, set up %v: %d %s", tt.path, tt.accept, done, w.Code, w.Body)
			}
			policy := h.Get("Content-Security-Policy")
			if tt.page && (!strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "unsafe") || h.Get("Referrer-Policy") != "no-referrer") {
				t.Errorf("%s: headers %v", tt.path, h)
			}
		}
	}
}

func TestAssets(t *testing.T) {
	a, _, _ := server(true)
	if w := ask(a, "GET", "/assets/bob", "", ""); w.Code != 200 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(a, "GET", "/assets/app.js", "", ""); w.Code != 404 || codeOf(w) != "not_found" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// shelf has two files.
type shelf struct{}

func (shelf) Names() []string { return []string{"go/doc.go", "javascript/edgegw.js"} }

func (shelf) File(name string) ([]byte, bool) {
	text, found := map[string]string{"go/doc.go": "package client", "javascript/edgegw.js": "export {}"}[name]
	return []byte(text), found
}

func TestClients(t *testing.T) {
	for _, tt := range []struct {
		path, mediaType, body string
		status                int
	}{
		{"/clients/", "application/json", `{"files":["go/doc.go","javascript/edgegw.js"]}`, 200},
		{"/clients/javascript/edgegw.js", "text/javascript; charset=utf-8", "export {}", 200},
		{"/clients/go/doc.go", "text/plain; charset=utf-8", "package client", 200},
		{"/clients/go", "application/problem+json", "", 404},
		{"/clients/../api.go", "application/problem+json", "", 404},
		{"/clients", "application/problem+json", "", 404},
	} {
		for _, done := range []bool{true, false} {
			a, _, _ := server(done)
			w := ask(a, "GET", tt.path, "", "")
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.mediaType || tt.body != "" && strings.TrimSpace(w.Body.String()) != tt.body {
				t.Errorf("%s, set up %v: %d %s %s", tt.path, done, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
}
