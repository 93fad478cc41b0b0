package webhook_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgegw/internal/gateway"
)

const halfHour = 30 * time.Minute

func TestDeliver(t *testing.T) {
	r := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		w.WriteHeader(http.StatusAccepted)
	})
	w := newWorld(t, r.URL+path)
	w.run()
	var users []string
	for i := range 20 {
		w.ask(gateway.AccountName(fmt.Sprintf("bob-%d", i)), halfHour+500*time.Millisecond)
		users = append(users, fmt.Sprintf("bob-%d", i))
	}
	w.lines("webhook_delivered", 20)
	var got []string
	for _, q := range r.got() {
		got = append(got, q.user)
		if q.header.Get("Cookie") != "" {
			t.Error("a cookie came back")
		}
		if !q.last {
			t.Error("the connection is kept")
		}
	}
	if diff := cmp.Diff(users, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	q := r.got()[0]
	wantBody := `{"event":"password_reset","site":"plant-7","username":"bob-0","reset_token":"` + code + `","expires_in":1800}`
	if q.method != "POST" || q.uri != path || q.body != wantBody {
		t.Errorf("got %s %s\n%s\nwant\n%s", q.method, q.uri, q.body, wantBody)
	}
	if q.header.Get("Content-Type") != "application/json" || q.header.Get("User-Agent") != "edgegw/1.2.3" {
		t.Errorf("headers: %v", q.header)
	}
	w.wantLine("webhook_delivered", map[string]any{"user": "bob-0", "host": strings.TrimPrefix(r.URL, "http://"), "status": 202.0, "tries": 1.0, "level": "INFO"})
}

// TestAnswers gives what each kind of answer leads to.
func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer answer
		tries  int
		event  string
		want   map[string]any
	}{
		{"ok no content", status(204), 1, "webhook_delivered", map[string]any{"status": 204.0}},
		{"ok after errors", status(500, 503, 429, 502, 200), 5, "webhook_delivered", map[string]any{"status": 200.0, "tries": 5.0}},
		{"ok endless body", func(_ int, w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, 1, "webhook_delivered", map[string]any{"status": 200.0}},
		{"bad request is not repeated", status(400), 1, "webhook_failed", map[string]any{"status": 400.0, "reason": "refused", "tries": 1.0, "level": "WARN"}},
		{"bad path is not repeated", status(404), 1, "webhook_failed", map[string]any{"status": 404.0}},
		{"bad errors without end", status(500), 5, "webhook_failed", map[string]any{"status": 500.0, "reason": "unavailable", "tries": 5.0}},
		{"bad code in the status line", func(_ int, w http.ResponseWriter, _ *http.Request) { hijack(w, code+" "+path+"\r\n\r\n") }, 5, "webhook_failed", map[string]any{"reason": "no_answer", "error": nil}},
		{"bad code in a broken header", func(_ int, w http.ResponseWriter, _ *http.Request) { hijack(w, "HTTP/1.1 200 OK\r\n"+code+"\r\n\r\n") }, 5, "webhook_failed", map[string]any{"reason": "no_answer"}},
		{"bad connection that ends", func(_ int, w http.ResponseWriter, _ *http.Request) { hijack(w, "") }, 5, "webhook_failed", map[string]any{"reason": "no_answer"}},
		{"bad header without end", func(_ int, w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
		}, 5, "webhook_failed", map[string]any{"reason": "no_answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t, tt.answer)
			w := newWorld(t, r.URL+path)
			w.run()
			w.ask("bob", halfHour)
			w.wantLine(tt.event, tt.want)
			got := r.got()
			if len(got) != tt.tries || len(w.log.of(t, "webhook_retried")) != tt.tries-1 {
				t.Errorf("%d tries, want %d:\n%s", len(got), tt.tries, w.log)
			}
			for _, q := range got {
				if !strings.Contains(q.body, code) {
					t.Errorf("a try without the code: %s", q.body)
				}
			}
		})
	}
}

// hijack answers with raw bytes.
func hijack(w http.ResponseWriter, raw string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	fmt.Fprint(conn, raw)
	conn.Close()
}

// TestRetryAfter measures the pause that a receiver asked for.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		least, most  time.Duration
	}{
		{"ok a second", "1", time.Second, 3 * time.Second},
		{"ok less than the own pause", "0", 20 * time.Millisecond, 900 * time.Millisecond},
		{"bad too long", "121", 20 * time.Millisecond, 900 * time.Millisecond},
		{"bad date", "Wed, 21 Oct 2099 07:28:00 GMT", 20 * time.Millisecond, 900 * time.Millisecond},
		{"bad negative", "-5", 20 * time.Millisecond, 900 * time.Millisecond},
		{"bad number", "99999999999999999999", 20 * time.Millisecond, 900 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := make(chan time.Time, 2)
			r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				at <- time.Now()
				if n == 0 {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(http.StatusTooManyRequests)
				}
			})
			w := newWorld(t, r.URL)
			w.run()
			w.ask("bob", halfHour)
			w.lines("webhook_delivered", 1)
			first, second := <-at, <-at
			if d := second.Sub(first); d < tt.least || d > tt.most {
				t.Errorf("came back after %v, want %v to %v", d, tt.least, tt.most)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		other := newReceiver(t, nil)
		r := newReceiver(t, func(_ int, w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, other.URL, code) })
		w := newWorld(t, r.URL+path)
		w.run()
		w.ask("bob", halfHour)
		w.wantLine("webhook_failed", map[string]any{"reason": "redirect", "status": float64(code), "tries": 1.0})
		if n := len(other.got()); n != 0 {
			t.Errorf("%d: the code went to another server", code)
		}
	}
}

func TestPlainReceiverBehindHTTPS(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, strings.Replace(r.URL, "http:", "https:", 1)+path)
	w.run()
	w.ask("bob", halfHour)
	w.wantLine("webhook_failed", map[string]any{"reason": "no_tls"})
}

func TestProxyOfTheEnvironmentIsNotAsked(t *testing.T) {
	// A name that is looked up, since loopback never goes through a proxy.
	w := newWorld(t, "http://receiver.invalid"+path)
	w.Hurry()
	w.run()
	w.ask("bob", halfHour)
	if line := w.lines("webhook_failed", 1)[0]; line["reason"] == "unavailable" || proxied.Load() != 0 {
		t.Errorf("the code went to the proxy: %v", line)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	w := newWorld(t, "http://"+l.Addr().String()+path)
	w.run()
	w.ask("bob", halfHour)
	w.wantLine("webhook_failed", map[string]any{"reason": "unreachable", "tries": 5.0,
		"error": "dial tcp " + l.Addr().String() + ": connect: connection refused"})
}

func TestBadURL(t *testing.T) {
	w := newWorld(t, "http://a/%zz"+path)
	w.run()
	w.ask("bob", halfHour)
	w.wantLine("webhook_failed", map[string]any{"reason": "bad_url"})
}
