package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/telemetry"
	"edgegw/internal/webhook"
)

// The canaries: no log line may hold them.
const (
	code = "c0deCanary-Zr3dKx0VnB5tYw8LmC1hJfsGa6EuPo2i"
	path = "/services/T0/pathCanary?key=queryCanary"
)

// request is what a receiver got.
type request struct {
	method, uri, user string
	header            http.Header
	body              string
	last              bool // the connection ends with it
}

// answer is what a receiver does with its n-th request, counted from 0; nil
// answers 200.
type answer func(n int, w http.ResponseWriter, r *http.Request)

// status answers with each of the codes once, then with the last for good.
func status(codes ...int) answer {
	return func(n int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(codes[min(n, len(codes)-1)]) }
}

// receiver is a real server that notes what it gets and answers as told.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen []request
}

func newReceiver(t *testing.T, a answer) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r.note(a))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) note(a answer) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var p struct {
			Username string `json:"username"`
		}
		_ = json.Unmarshal(body, &p)
		r.mu.Lock()
		n := len(r.seen)
		r.seen = append(r.seen, request{req.Method, req.URL.RequestURI(), p.Username, req.Header, string(body), req.Close})
		r.mu.Unlock()
		if a != nil {
			a(n, w, req)
		}
	}
}

func (r *receiver) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// of gives the lines of an event.
func (l *lines) of(t *testing.T, event string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["event"] == event {
			found = append(found, line)
		}
	}
	return found
}

// world is a sender with its log and its clock.
type world struct {
	t    *testing.T
	log  *lines
	step atomic.Int64 // what the clock is ahead
	*webhook.Sender
}

func newWorld(t *testing.T, url string) *world {
	w := &world{t: t, log: &lines{}}
	w.Sender = webhook.New(webhook.Options{
		URL: url, Site: "plant-7", Version: "1.2.3",
		// Without the redaction of telemetry, which would cover a slip here.
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Now().Add(time.Duration(w.step.Load())) },
	})
	w.Hurry(20*time.Millisecond, 40*time.Millisecond, 60*time.Millisecond, 80*time.Millisecond)
	t.Cleanup(func() {
		for _, canary := range []string{"Canary", code[10:]} {
			if strings.Contains(w.log.String(), canary) {
				t.Errorf("%s is in the log:\n%s", canary, w.log)
			}
		}
	})
	return w
}

// run runs the sender for as long as the test lasts.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Second):
			w.t.Error("did not stop within a second")
		}
	})
}

func (w *world) ask(user gateway.AccountName, expires time.Duration) {
	ctx := gateway.WithOrigin(context.Background(), gateway.Origin{RequestID: "00f1e2d3c4b5a697"})
	w.Deliver(ctx, webhook.Reset{Username: user, Code: code, Expires: expires})
}

// lines waits for n lines of an event.
func (w *world) lines(event string, n int) []map[string]any {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if found := w.log.of(w.t, event); len(found) >= n {
			return found
		}
	}
	w.t.Fatalf("no %d lines %s in:\n%s", n, event, w.log)
	return nil
}

// wantLine waits for a line of an event and looks at some of its attributes.
func (w *world) wantLine(event string, want map[string]any) {
	w.t.Helper()
	line := w.lines(event, 1)[0]
	for key, v := range want {
		if line[key] != v {
			w.t.Errorf("%s: %s is %v, want %v", event, key, line[key], v)
		}
	}
	if line[telemetry.KeyUser] == nil || line["host"] == nil || line[telemetry.KeyRequestID] != "00f1e2d3c4b5a697" {
		w.t.Errorf("%s does not say about whom: %v", event, line)
	}
}
