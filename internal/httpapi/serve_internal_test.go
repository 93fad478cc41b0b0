package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

// server is an API with little behind it, and what it logged and counted.
func server(admin bool) (a *API, log *bytes.Buffer, counted *[]int) {
	return serve(&people{setUp: admin})
}

func serve(p *people) (a *API, log *bytes.Buffer, counted *[]int) {
	log, counted = &bytes.Buffer{}, new([]int)
	a = New(Options{
		Accounts: p, Rooms: chambers{p}, Connections: lines{p}, Board: desk{p}, Pages: pages{}, Clients: shelf{}, Archive: p.archive, ArchiveName: func() string { return "site-1.edgegw-backup" }, Clock: realClock{}, MaxMessageBytes: 1 << 16,
		Logger:  slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(_ string, status int, _ time.Duration) { *counted = append(*counted, status) },
		Health: func() Health {
			return Health{Status: HealthFailing, Clock: "floor", Checks: map[string]string{"tasks": "starting"}}
		},
		Ready:         func() bool { return false },
		CACertificate: func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") },
		WriteMetrics:  func(w io.Writer) { _, _ = io.WriteString(w, "x 1\n") },
		WebSocket:     http.NotFoundHandler(),
		SocketRefused: func(_ *http.Request, err error) { log.WriteString("socket refused " + err.Error()) },
	})
	return a, log, counted
}

// A panic in a handler is one failed request, and the log says where.
func TestPanicIsOneFailedRequest(t *testing.T) {
	a, log, counted := server(true)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/auth/me", nil)
	r.Header.Set("Authorization", "Bearer panic")
	a.ServeHTTP(w, r)
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "serve_internal_test.go") || !strings.Contains(log.String(), w.Header().Get("X-Request-ID")) {
		t.Errorf("the log says %s", log)
	}
	if len(*counted) != 1 || (*counted)[0] != 500 {
		t.Errorf("counted %v", *counted)
	}
}

func TestSetupComesFirst(t *testing.T) {
	a, log, _ := server(false)
	for path, status := range map[string]int{
		"/auth/me": 503, "/rooms": 503, "/ws": 503, "/health": 503, "/livez": 200, "/readyz": 503, "/metrics": 200, "/": 200, "/nothing": 404,
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		var body map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &body)
		setup := body["code"] == "setup_required"
		if w.Code != status || setup != (path == "/auth/me" || path == "/rooms" || path == "/ws") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if status == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", path)
		}
	}
	if strings.Count(log.String(), "socket refused") != 1 {
		t.Error("wsedge was not told of the one handshake that was refused")
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	a, _, _ := server(true)
	seen := map[string]bool{}
	for range 100 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/livez", nil)
		r.Header.Set("X-Request-ID", "mine")
		a.ServeHTTP(w, r)
		seen[w.Header().Get("X-Request-ID")] = true
	}
	if len(seen) != 100 || seen["mine"] || seen[""] {
		t.Errorf("%d ids in 100 requests", len(seen))
	}
}

func TestMetricsToken(t *testing.T) {
	a, _, _ := server(true)
	a.opts.MetricsToken = "right"
	for header, status := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer righ": 401, "right": 401, "Bearer right": 200} {
		for _, h := range []http.Handler{a, a.Metrics()} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/metrics", nil)
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			h.ServeHTTP(w, r)
			if w.Code != status {
				t.Errorf("%q: %d", header, w.Code)
			}
		}
	}
}

func TestPathForLog(t *testing.T) {
	key := strings.Repeat("k", 43)
	for path, want := range map[string]string{
		"/rooms/plant.7/messages":        "/rooms/plant.7/messages",
		"/users/" + key + "/unlock":      "/users/…/unlock",
		"/" + strings.Repeat("a/", 1000): "/" + strings.Repeat("a/", 511) + "a",
	} {
		if got := pathForLog(path); got != want {
			t.Errorf("%.60s is logged as %.60s", path, got)
		}
	}
}
