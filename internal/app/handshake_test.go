package app_test

import (
	"fmt"
	"strings"
	"testing"

	"edgegw/internal/gatewaytest"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.User("ann", "plant.*:rw", "lobby:w")
	bearer := "Sec-WebSocket-Protocol: bearer, " + token
	auth := "Authorization: Bearer " + token
	tests := []struct {
		name, query string
		lines       []string
		status      int
		protocol    string
	}{
		{"ok subprotocol", "", []string{bearer}, 101, "bearer"},
		{"ok subprotocol in two lines", "", []string{"Sec-WebSocket-Protocol: bearer", "Sec-WebSocket-Protocol: " + token}, 101, "bearer"},
		{"ok authorization", "", []string{auth}, 101, ""},
		{"ok authorization, other case", "", []string{"authorization: BEARER " + token}, 101, ""},
		{"ok bearer and authorization", "", []string{"Sec-WebSocket-Protocol: bearer", auth}, 101, "bearer"},
		{"ok Connection with more", "", []string{bearer, "Connection: keep-alive, Upgrade"}, 101, "bearer"},
		{"ok Connection in two lines", "", []string{bearer, "Connection: keep-alive", "Connection: upgrade"}, 101, "bearer"},
		{"ok Upgrade with more", "", []string{bearer, "Upgrade: h2c, WebSocket"}, 101, "bearer"},
		{"ok room", "?room=plant.a&format=raw", []string{bearer}, 101, "bearer"},
		{"ok extension offered", "", []string{bearer, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, 101, "bearer"},
		{"bad no token", "", nil, 401, ""},
		{"bad bearer alone", "", []string{"Sec-WebSocket-Protocol: bearer"}, 401, ""},
		{"bad basic", "", []string{"Authorization: Basic " + token}, 401, ""},
		{"bad token in the query", "?token=" + token, nil, 401, ""},
		{"bad two tokens in a line", "", []string{bearer + ", " + token}, 400, ""},
		{"bad two tokens in two lines", "", []string{bearer, "Sec-WebSocket-Protocol: " + token}, 400, ""},
		{"bad two places", "", []string{bearer, auth}, 400, ""},
		{"bad two authorizations", "", []string{auth, auth}, 400, ""},
		{"bad token first", "", []string{"Sec-WebSocket-Protocol: " + token + ", bearer"}, 400, ""},
		{"bad other subprotocol", "", []string{"Sec-WebSocket-Protocol: mqtt, " + token}, 400, ""},
		{"bad Connection", "", []string{bearer, "Connection: notUpgradeX"}, 400, ""},
		{"bad Connection missing", "", []string{bearer, "-Connection"}, 400, ""},
		{"bad Upgrade", "", []string{bearer, "Upgrade: websockets"}, 400, ""},
		{"bad Upgrade missing", "", []string{bearer, "-Upgrade"}, 400, ""},
		{"bad version", "", []string{bearer, "Sec-WebSocket-Version: 8"}, 400, ""},
		{"bad version missing", "", []string{bearer, "-Sec-WebSocket-Version"}, 400, ""},
		{"bad key", "", []string{bearer, "Sec-WebSocket-Key: x"}, 400, ""},
		{"bad key of 15 bytes", "", []string{bearer, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"}, 400, ""},
		{"bad key missing", "", []string{bearer, "-Sec-WebSocket-Key"}, 400, ""},
		{"bad two keys", "", []string{bearer, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, 400, ""},
		{"bad room", "?room=../" + canary, []string{bearer}, 400, ""},
		{"bad empty room", "?room=", []string{bearer}, 400, ""},
		{"bad two rooms", "?room=plant.a&room=plant.b", []string{bearer}, 400, ""},
		{"bad format", "?format=" + canary, []string{bearer}, 400, ""},
		{"bad query", "?room=%zz", []string{bearer}, 400, ""},
		{"bad query, semicolon", "?format=raw;room=plant.a", []string{bearer}, 400, ""},
		{"bad raw with after", "?room=plant.a&format=raw&after=1", []string{bearer}, 400, ""},
		{"bad raw with epoch", "?room=plant.a&format=raw&epoch=x", []string{bearer}, 400, ""},
		{"bad raw with latest", "?room=plant.a&format=raw&latest=1", []string{bearer}, 400, ""},
		{"bad room without a grant", "?room=office", []string{bearer}, 403, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, a := g.Handshake(test.query, test.lines...)
			if a.Status != test.status || a.Header.Get("Sec-WebSocket-Protocol") != test.protocol {
				t.Fatalf("%d, subprotocol %q, want %d, %q: %s", a.Status, a.Header.Get("Sec-WebSocket-Protocol"), test.status, test.protocol, a.Body)
			}
			for name, values := range a.Header {
				if strings.Contains(strings.Join(values, " "), token) || strings.EqualFold(name, "Sec-WebSocket-Extensions") {
					t.Errorf("the answer has %s: %q", name, values)
				}
			}
			if strings.Contains(string(a.Body), canary) || strings.Contains(string(a.Body), token) {
				t.Errorf("the answer repeats what was sent: %s", a.Body)
			}
			if s != nil && !strings.Contains(test.query, "raw") {
				s.Expect("welcome")
			}
		})
	}
	if head := g.Do("HEAD", "/ws", token, nil, "Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="); head.Status != 400 || head.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
}

func TestRefusedHandshakesAreLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, a := g.Handshake("?room=" + canary + "/x")
	_, b := g.Handshake("?format="+canary, "Authorization: Bearer "+g.Token("admin"))
	for _, want := range []string{
		`"code":"invalid_token","reason":"a token is needed`, `"code":"invalid_request","reason":"format is unknown`,
		a.Header.Get("X-Request-ID"), b.Header.Get("X-Request-ID"), `"event":"ws_refused","ip":"127.0.0.1"`,
	} {
		if !strings.Contains(g.Log(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// Bytes that come in the same segment as the handshake are read by the HTTP
// server and have to find their way to the WebSocket.
func TestFramesRightBehindTheHandshake(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	var behind []byte
	behind = append(behind, gatewaytest.ClientFrame(0x81, []byte(`{"type":"message","id":"1","data":1}`))...)
	behind = append(behind, gatewaytest.ClientFrame(0x82, []byte(strings.Repeat("x", 1000)))...)
	behind = append(behind, gatewaytest.ClientFrame(0x81, []byte("Hello room!"))...)
	s, a := g.HandshakeWith("", behind, "Sec-WebSocket-Protocol: bearer, "+g.Token("admin"))
	if s == nil {
		t.Fatalf("handshake: %d", a.Status)
	}
	s.Joined()
	for seq := 1.0; seq <= 3; {
		m := s.Next()
		if m["type"] == "ack" {
			continue
		}
		if m["type"] != "message" || m["seq"] != seq {
			t.Fatalf("got %v, want the message %v", m, seq)
		}
		seq++
	}
}

// The bytes of a body, which a handshake has none of, are no frames.
func TestHandshakeWithABody(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s, a := g.HandshakeWith("", []byte("hello"), "Authorization: Bearer "+g.Token("admin"), "Content-Length: 5")
	if s == nil && a.Status != 400 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if s != nil {
		if end := s.Ended(); end.Code != 1002 {
			t.Errorf("it ended with %v", end)
		}
	}
}

// The log ties the request that opened a connection to the connection.
func TestOpenedConnectionsAreLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s, answer := g.Handshake("?room=plant", "Authorization: Bearer "+g.Token("admin"))
	welcome, _ := s.Joined()
	for line := range strings.Lines(g.Log()) {
		if strings.Contains(line, `"event":"ws_opened"`) {
			for _, part := range []string{
				`"user":"admin"`, `"room":"plant"`, `"request_id":"` + answer.Header.Get("X-Request-ID") + `"`,
				fmt.Sprintf(`"connection":"%v"`, welcome["connection"]),
			} {
				if !strings.Contains(line, part) {
					t.Errorf("%s is missing in %s", part, line)
				}
			}
			return
		}
	}
	t.Error("nothing was logged")
}
