package app_test

import (
	"bytes"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// masked is a frame header with the given bytes and a mask of zeros.
func masked(header ...byte) []byte { return append(header, 0, 0, 0, 0) }

// Each of these ends the connection with a fixed code and reason within a
// second, whatever the peer does then, and nothing but the connection.
func TestIllegalFrames(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "ping_interval=10m") // nobody reads the witness for long
	token := g.Token("admin")
	witness := g.Dial(token, "?room=w")
	witness.Joined()
	const top = 0xff
	frame := gatewaytest.ClientFrame
	tests := []struct {
		name  string
		bytes []byte
		code  int
	}{
		{"length with its top bit set", masked(0x82, 0xff, top, top, top, top, top, top, top, top), 1002},
		{"length 2^63", masked(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0), 1002},
		{"length 2^63-1", masked(0x82, 0xff, 0x7f, top, top, top, top, top, top, top), 1009},
		{"length 2^32", masked(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0), 1009},
		{"length 2^31", masked(0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0), 1009},
		{"length 16 MiB", masked(0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0), 1009},
		{"length in 64 bits too long", masked(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5), 1002},
		{"length in 16 bits too long", masked(0x82, 0xfe, 0, 5), 1002},
		{"unmasked", []byte{0x81, 0x01, 'x'}, 1002},
		{"reserved bit 1", masked(0xc1, 0x80), 1002},
		{"reserved bit 2", masked(0xa1, 0x80), 1002},
		{"reserved bit 3", masked(0x91, 0x80), 1002},
		{"opcode 3", masked(0x83, 0x80), 1002},
		{"opcode 7", masked(0x87, 0x80), 1002},
		{"opcode 11", masked(0x8b, 0x80), 1002},
		{"opcode 15", masked(0x8f, 0x80), 1002},
		{"continuation of nothing", frame(0x80, []byte("x")), 1002},
		{"message inside a message", append(frame(0x01, []byte("x")), frame(0x81, []byte("y"))...), 1002},
		{"ping in fragments", masked(0x09, 0x80), 1002},
		{"ping of 126 bytes", frame(0x89, make([]byte, 126)), 1002},
		{"close of one byte", frame(0x88, []byte{3}), 1002},
		{"close with a reserved code", frame(0x88, []byte{0x03, 0xed}), 1002}, // 1005
		{"close with code 0", frame(0x88, []byte{0, 0}), 1002},
		{"close with a reason that is not UTF-8", frame(0x88, []byte{0x03, 0xe8, 0xff}), 1007},
		{"text that is not UTF-8", frame(0x81, []byte("a\xffb")), 1007},
		{"text with half a character", frame(0x81, []byte("a\xc3")), 1007},
		{"text with a surrogate", frame(0x81, []byte("\xed\xa0\x80")), 1007},
		{"text that is not UTF-8 once joined", append(frame(0x01, []byte("\xc3")), frame(0x80, []byte("\x28"))...), 1007},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 1002},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1002},
		{"empty fragments without end", append(frame(0x01, nil), bytes.Repeat(masked(0x00, 0x80), 1000)...), 4003},
	}
	reasons := map[int]string{1002: "illegal_frame", 1007: "invalid_utf8", 1009: "message_too_large", 4003: "rate_limited retry_after_ms=5000"}
	t.Run("all", func(t *testing.T) { // ends when the parallel ones have
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				s := g.Dial(token, "?room=a")
				s.Joined()
				s.Raw(test.bytes)
				sent := time.Now()
				if end := s.Ended(); end.Code != test.code || end.Reason != reasons[test.code] {
					t.Errorf("it ended with %v, want %d %s", end, test.code, reasons[test.code])
				}
				awaitGone(t, s.Conn)
				// Half a second is waited for the peer; the rest is for machines
				// that are busy.
				if took := time.Since(sent); took > 1500*time.Millisecond {
					t.Errorf("the TCP connection ended after %v", took)
				}
			})
		}
	})
	witness.Send("alive")
	if m := nextOf(t, witness, "message"); string(m.Data) != `"alive"` {
		t.Errorf("the witness got %s", m.Data)
	}
	if strings.Contains(g.Log(), "panic") {
		t.Error("something panicked")
	}
}

// awaitGone sends until the system says that the other side has closed: a peer
// that does not care shall not keep the connection.
func awaitGone(t *testing.T, c net.Conn) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := c.Write([]byte{0x81, 0x80, 0, 0, 0, 0}); err != nil {
			return
		}
	}
	t.Error("the TCP connection is still there")
}

func TestCloseIsEchoed(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	for _, test := range []struct {
		name    string
		payload []byte
		code    int
	}{
		{"ok normal", []byte("\x03\xe8bye"), 1000},
		{"ok going away", []byte("\x03\xe9"), 1001},
		{"ok bad gateway", []byte("\x03\xf6"), 1014},
		{"ok without code", nil, 1005},
		{"ok a code of one's own", []byte("\x10\xe1see you"), 4321},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := g.Dial(token, "")
			s.Joined()
			s.Raw(gatewaytest.ClientFrame(0x88, test.payload))
			s.Raw(gatewaytest.ClientFrame(0x81, []byte("after the end")))
			if end := s.Ended(); end.Code != test.code || end.Reason != "" {
				t.Errorf("it ended with %v", end)
			}
		})
	}
	if page := history(t, g, token, "lobby", ""); len(page.Messages) != 0 {
		t.Errorf("a frame behind the close was taken: %v", page.Messages)
	}
	await(t, "the closed sockets", func() bool { return metric(t, g, "edgegw_ws_connections") == 0 })
	if !regexp.MustCompile(`"event":"ws_closed","user":"admin","room":"lobby","ip":"127.0.0.1","connection":"[^"]+","code":1000}`).MatchString(g.Log()) {
		t.Error("the log does not say who was closed with 1000")
	}
	for code, want := range map[string]float64{"1000": 1, "1001": 1, "1005": 1, "other": 2} {
		if n := metric(t, g, `edgegw_ws_closed_total{code="`+code+`"}`); n != want {
			t.Errorf("%v sockets counted with code %s, want %v", n, code, want)
		}
	}
}

// A peer that vanishes leaves nothing behind.
func TestPeersThatVanish(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	for i := range 20 {
		s := g.Dial(token, "?room=vanish")
		s.Joined()
		if i%2 == 0 {
			s.Raw(gatewaytest.ClientFrame(0x81, []byte("half"))[:5])
		}
		if tcp := s.Conn.(*net.TCPConn); i%3 == 0 {
			_ = tcp.SetLinger(0) // a reset
		}
		_ = s.Conn.Close()
	}
	await(t, "the end of all sockets", func() bool {
		return metric(t, g, "edgegw_ws_connections") == 0 && metric(t, g, "edgegw_rooms") == 0
	})
	if n := metric(t, g, `edgegw_ws_closed_total{code="1006"}`); n != 20 {
		t.Errorf("%v sockets counted with code 1006", n)
	}
}
