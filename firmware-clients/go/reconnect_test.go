package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// TestCloseCodes ends a first connection with each code and looks at what the
// client does: how Run ends, or what it asks for before it is back.
func TestCloseCodes(t *testing.T) {
	for _, c := range []struct {
		code  int
		stops bool
		asks  string // before the second handshake
	}{
		{1000, false, ""}, {1001, false, ""}, {1002, true, ""}, {1007, true, ""}, {1009, false, ""}, {1011, false, ""}, {1012, false, ""},
		{4001, false, "POST /auth/refresh"}, {4002, false, ""}, {4003, false, ""}, {4004, false, ""}, {4499, false, ""},
		{4500, true, ""}, {4501, false, "POST /auth/login"}, {4502, true, ""}, {4503, true, ""}, {4999, true, ""},
	} {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Close(c.code, "some_name") })
			f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
			r := f.start(client.Options{})
			if c.stops {
				var closed *client.CloseError
				if err := r.wait(); !errors.As(err, &closed) || closed.Code != c.code {
					t.Errorf("Run returned %v", err)
				}
				return
			}
			await[client.Connected](r, 2, nil)
			want := []string{"POST /auth/login", "GET /ws", "GET /ws"}
			if c.asks != "" {
				want = slices.Insert(want, 2, c.asks)
			}
			if got := f.Asked(); !slices.Equal(got, want) {
				t.Errorf("asked for %v, want %v", got, want)
			}
		})
	}
}

// TestRetryAfterMS gives a time to wait in a close reason.
func TestRetryAfterMS(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Close(1012, "restart retry_after_ms=700 and more") })
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
	r := f.start(client.Options{})
	d := await[client.Disconnected](r, 1, nil)
	began := time.Now()
	await[client.Connected](r, 2, nil)
	if took := time.Since(began); d.Wait != 700*time.Millisecond || took < 600*time.Millisecond {
		t.Errorf("a wait of %v, which took %v", d.Wait, took)
	}
}

// TestHandshakes answers the first handshake with each status.
func TestHandshakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		code   string
		header []string
		stops  bool
		wait   time.Duration
		asks   string
	}{
		{name: "bad 400", status: 400, code: "invalid_request", stops: true},
		{name: "bad 403", status: 403, code: "forbidden", stops: true},
		{name: "ok 401 token_expired", status: 401, code: "token_expired", asks: "POST /auth/refresh"},
		{name: "ok 401 invalid_token", status: 401, code: "invalid_token", asks: "POST /auth/refresh"},
		{name: "ok 429", status: 429, code: "rate_limited", header: []string{"Retry-After", "1"}, wait: time.Second},
		{name: "ok 503", status: 503, code: "unavailable", header: []string{"Retry-After", "1"}, wait: time.Second},
		{name: "ok 502 of a proxy", status: 502},
		{name: "ok 404 of a proxy", status: 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.Refuse(c.status, c.code, c.header...)
			f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
			r := f.start(client.Options{})
			if c.stops {
				var refused *client.Error
				if err := r.wait(); !errors.As(err, &refused) || refused.Status != c.status || refused.Code != c.code {
					t.Errorf("Run returned %v", err)
				}
				return
			}
			d := await[client.Disconnected](r, 1, nil)
			if d.Wait < c.wait || d.Wait > c.wait+time.Second {
				t.Errorf("a wait of %v", d.Wait)
			}
			await[client.Connected](r, 1, nil)
			want := []string{"POST /auth/login", "GET /ws", "GET /ws"}
			if c.asks != "" {
				want = slices.Insert(want, 2, c.asks)
			}
			if got := f.Asked(); !slices.Equal(got, want) {
				t.Errorf("asked for %v, want %v", got, want)
			}
		})
	}
}

// TestSessionThatDoesNotHelp has the gateway refuse each token of a session that
// it refreshes.
func TestSessionThatDoesNotHelp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Refuse(401, "invalid_token").Refuse(401, "invalid_token")
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
	await[client.Connected](f.start(client.Options{}), 1, nil)
	want := []string{"POST /auth/login", "GET /ws", "POST /auth/refresh", "GET /ws", "POST /auth/login", "GET /ws"}
	if got := f.Asked(); !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

// TestNotBlind breaks handshakes without an answer: the client asks GET /auth/me
// before the next one, for as long as that gives no reason.
func TestNotBlind(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Answer(func(w http.ResponseWriter, _ *http.Request) func(*gatewaytest.Peer) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return nil
	})
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
	asked := 0
	f.On("/auth/me", func(w http.ResponseWriter, _ *http.Request) {
		switch asked++; asked {
		case 1:
			gatewaytest.Problem(w, 503, "unavailable")
		case 2:
			gatewaytest.Problem(w, 401, "token_expired")
		}
	})
	await[client.Connected](f.start(client.Options{}), 1, nil)
	want := []string{"POST /auth/login", "GET /ws", "GET /auth/me", "GET /auth/me", "POST /auth/refresh", "GET /ws"}
	if got := f.Asked(); !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

// TestWrongAnswers upgrades in ways that RFC 6455 forbids, and has the client
// come back.
func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct{ name, answer string }{
		{"bad accept", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n"},
		{"bad no upgrade", "Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"},
		{"bad extension", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"},
		{"bad subprotocol", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: bearer\r\n"},
		{"bad endless headers", "Upgrade: websocket\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.Answer(func(w http.ResponseWriter, r *http.Request) func(*gatewaytest.Peer) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return nil
				}
				defer func() { _ = conn.Close() }()
				headers := strings.ReplaceAll(c.answer, "ACCEPT", gatewaytest.Accept(r.Header.Get("Sec-WebSocket-Key")))
				_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n" + headers + "\r\n"))
				_, _ = conn.Write([]byte("\x81\x02{}"))
				return nil
			})
			f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
			r := f.start(client.Options{})
			if d := await[client.Disconnected](r, 1, nil); d.Err == nil || !strings.Contains(d.Err.Error(), "handshake") {
				t.Errorf("it ended with %v", d.Err)
			}
			await[client.Connected](r, 1, nil)
		})
	}
}

// TestBreaches has the gateway break the protocol: the client says so with a
// close code, and comes back.
func TestBreaches(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*gatewaytest.Peer)
		code int
	}{
		{"bad masked frame", func(p *gatewaytest.Peer) { _, _ = p.Write([]byte{0x81, 0x80, 1, 2, 3, 4}) }, 1002},
		{"bad text", func(p *gatewaytest.Peer) { p.Text("\xff") }, 1007},
		{"bad JSON", func(p *gatewaytest.Peer) { p.Text(`{"type":`) }, 1002},
		{"bad no object", func(p *gatewaytest.Peer) { p.Text(`7`) }, 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.Then(func(p *gatewaytest.Peer) {
				p.Welcome()
				c.do(p)
				op, payload := p.Next()
				if op != 0x88 || len(payload) < 2 || int(payload[0])<<8|int(payload[1]) != c.code {
					t.Errorf("the client answered %x %x", op, payload)
				}
			})
			f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
			await[client.Connected](f.start(client.Options{}), 2, nil)
		})
	}
}

// TestVersion stops a client that cannot speak with its gateway.
func TestVersion(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Text(strings.Replace(gatewaytest.Hello, `"protocol":1`, `"protocol":2`, 1))
		p.Drain()
	})
	if err := f.start(client.Options{}).wait(); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("Run returned %v", err)
	}
}

// TestNewFrames sends what later versions may send.
func TestNewFrames(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Text(`{"type":"later","room":"lobby","what":[1]}`)
		p.Send(0x82, "binary")
		p.Send(0x89, "are you there?")
		if op, payload := p.Next(); op != 0x8a || string(payload) != "are you there?" {
			t.Errorf("the ping was answered with %x %q", op, payload)
		}
		p.Text(`{"type":"message","room":"lobby","seq":1,"ts":5,"user":"bob","data":"x","later":{}}`)
		p.Drain()
	})
	r := f.start(client.Options{})
	if m := await[client.Message](r, 1, nil); string(m.Data) != `"x"` || m.TS.UnixMilli() != 5 {
		t.Errorf("the message reads %+v", m)
	}
	if n := len(of[client.Disconnected](r)); n != 0 {
		t.Errorf("%d breaks", n)
	}
}
