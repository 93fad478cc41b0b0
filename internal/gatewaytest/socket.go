package gatewaytest

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// Socket is a WebSocket client that does what it is told, legal or not.
type Socket struct {
	Conn net.Conn
	// Patience is how long a read waits for a frame.
	Patience time.Duration
	t        testing.TB // nil for one of Upgrade
	r        *bufio.Reader
}

// TCP is the connection below, with or without TLS in between.
func (s *Socket) TCP() *net.TCPConn { return tcpOf(s.Conn) }

func tcpOf(conn net.Conn) *net.TCPConn {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// Frame is a frame as it came.
type Frame struct {
	Opcode  byte
	Payload []byte
}

// CloseError is the end of a socket.
type CloseError struct {
	Code   int // 1005 without a code, 1006 without a close frame
	Reason string
}

// Error gives code and reason.
func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d %s", e.Code, e.Reason) }

// Dial connects to /ws with the token in Sec-WebSocket-Protocol, as browsers do.
func (g *Gateway) Dial(token, query string) *Socket {
	g.t.Helper()
	s, answer := g.Handshake(query, "Sec-WebSocket-Protocol: bearer, "+token)
	if s == nil {
		g.t.Fatalf("handshake: %d %s", answer.Status, answer.Body)
	}
	if got := answer.Header.Values("Sec-WebSocket-Protocol"); len(got) != 1 || got[0] != "bearer" {
		g.t.Fatalf("the gateway chose the subprotocol %q", got)
	}
	return s
}

// Handshake sends a handshake with the given header lines besides the usual
// ones; a line "-Name" leaves the usual one out. It returns no socket when the
// answer is not 101.
func (g *Gateway) Handshake(query string, lines ...string) (*Socket, Answer) {
	g.t.Helper()
	return g.HandshakeWith(query, nil, lines...)
}

// HandshakeWith is Handshake with bytes right behind it, in the same write.
func (g *Gateway) HandshakeWith(query string, behind []byte, lines ...string) (*Socket, Answer) {
	g.t.Helper()
	conn, err := g.connect()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	s, a, err := Upgrade(conn, query, behind, lines...)
	if err != nil {
		g.t.Fatalf("handshake: %v", err)
	}
	if a.Header.Get("X-Request-ID") == "" {
		g.t.Errorf("the answer %d to a handshake has no X-Request-ID", a.Status)
	}
	if s == nil {
		checkAnswer(g.t, "GET /ws", a)
		return nil, a
	}
	s.t = g.t
	return s, a
}

// Upgrade is HandshakeWith on a connection that is there already, for gateways
// elsewhere and for goroutines of a test: it returns an error when no answer
// comes, and checks none. Of the socket, only what returns errors may be used. A
// connection that does not become a socket is closed.
func Upgrade(conn net.Conn, query string, behind []byte, lines ...string) (*Socket, Answer, error) {
	usual := []string{
		"Host: " + conn.RemoteAddr().String(), "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + base64.StdEncoding.EncodeToString(random(16)),
	}
	request := "GET /ws" + query + " HTTP/1.1\r\n"
	for _, u := range usual {
		name, _, _ := strings.Cut(u, ":")
		left := false
		for _, l := range lines {
			left = left || l == "-"+name || strings.HasPrefix(l, name+":")
		}
		if !left {
			request += u + "\r\n"
		}
	}
	for _, l := range lines {
		if !strings.HasPrefix(l, "-") {
			request += l + "\r\n"
		}
	}
	s := &Socket{Conn: conn, Patience: patience, r: bufio.NewReader(conn)}
	s.Raw(append([]byte(request+"\r\n"), behind...))
	a, err := s.answer()
	if err != nil || a.Status != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, a, err
	}
	return s, a, nil
}

func (s *Socket) answer() (Answer, error) {
	_ = s.Conn.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(s.r, nil)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: res.StatusCode, Header: res.Header}
	if res.StatusCode != http.StatusSwitchingProtocols {
		a.Body, _ = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	return a, nil
}

// Raw sends bytes as they are. Errors are left to the next read: a gateway that
// closes on what it reads is often what a test wants.
func (s *Socket) Raw(b []byte) { _, _ = s.Conn.Write(b) }

// Send sends a text frame.
func (s *Socket) Send(text string) { s.Raw(ClientFrame(0x81, []byte(text))) }

// SendBinary sends a binary frame.
func (s *Socket) SendBinary(b []byte) { s.Raw(ClientFrame(0x82, b)) }

// ClientFrame is a masked frame with the given first byte.
func ClientFrame(first byte, payload []byte) []byte {
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(n))
	}
	mask := random(4)
	f = append(f, mask...)
	for i, c := range payload {
		f = append(f, c^mask[i%4])
	}
	return f
}

// Read returns the next data frame, and a *CloseError at the end. Pings are
// answered.
func (s *Socket) Read() (Frame, error) {
	for {
		f, err := s.ReadFrame()
		switch {
		case err != nil:
			return f, err
		case f.Opcode == 0x9:
			s.Raw(ClientFrame(0x8A, f.Payload))
		case f.Opcode == 0x8:
			e := &CloseError{Code: 1005}
			if len(f.Payload) >= 2 {
				e.Code, e.Reason = int(binary.BigEndian.Uint16(f.Payload)), string(f.Payload[2:])
			}
			return f, e
		case f.Opcode != 0xA:
			return f, nil
		}
	}
}

// ReadFrame returns the next frame of any kind; the end without a close frame is
// a *CloseError with 1006.
func (s *Socket) ReadFrame() (Frame, error) {
	_ = s.Conn.SetReadDeadline(time.Now().Add(s.Patience))
	var h [2]byte
	if err := s.fill(h[:]); err != nil {
		return Frame{}, err
	}
	if h[0]&0x70 != 0 || h[0]&0x80 == 0 || h[1]&0x80 != 0 {
		return Frame{}, fmt.Errorf("the gateway sent an illegal frame header %x", h)
	}
	n := uint64(h[1])
	if n >= 126 {
		var ext [8]byte
		size := 8
		if n == 126 {
			size = 2
		}
		if err := s.fill(ext[8-size:]); err != nil {
			return Frame{}, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	f := Frame{Opcode: h[0] & 0x0f, Payload: make([]byte, n)}
	return f, s.fill(f.Payload)
}

func (s *Socket) fill(b []byte) error {
	_, err := io.ReadFull(s.r, b)
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return &CloseError{Code: 1006, Reason: err.Error()}
}

// Next returns the next data frame as a JSON object and fails the test when
// there is none.
func (s *Socket) Next() map[string]any {
	s.t.Helper()
	f, err := s.Read()
	if err != nil {
		s.t.Fatalf("reading a frame: %v", err)
	}
	var m map[string]any
	if err := json.Unmarshal(f.Payload, &m); err != nil {
		s.t.Fatalf("frame %q is no JSON object", f.Payload)
	}
	return m
}

// Expect returns the next frame, which has to be of the given type.
func (s *Socket) Expect(typ string) map[string]any {
	s.t.Helper()
	m := s.Next()
	if m["type"] != typ {
		s.t.Fatalf("frame %v, want one of type %s", m, typ)
	}
	return m
}

// Joined reads the welcome and the answer to the first subscription.
func (s *Socket) Joined() (welcome, subscribed map[string]any) {
	s.t.Helper()
	return s.Expect("welcome"), s.Expect("subscribed")
}

// Ended reads until the socket closes and returns how it did.
func (s *Socket) Ended() *CloseError {
	s.t.Helper()
	for {
		_, err := s.Read()
		var closed *CloseError
		if errors.As(err, &closed) {
			if closed.Code != 1006 && !closeReason.MatchString(closed.Reason) {
				s.t.Errorf("the close reason %q is not one of the fixed ones", closed.Reason)
			}
			return closed
		}
		if err != nil {
			s.t.Fatalf("waiting for the close: %v", err)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
