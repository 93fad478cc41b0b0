package gatewaytest

import (
	"bufio"
	"crypto/sha1" // #nosec G505 -- RFC 6455 asks for it, and it protects nothing there
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Peer is the gateway's end of a WebSocket of a Fake. It says what it is told,
// legal or not.
type Peer struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// upgrade makes a WebSocket of a request (RFC 6455 section 4.2.2). The subprotocol
// is bearer if the client has asked for one.
func upgrade(t testing.TB, w http.ResponseWriter, r *http.Request) (*Peer, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	protocol := ""
	if r.Header.Get("Sec-WebSocket-Protocol") != "" {
		protocol = "Sec-WebSocket-Protocol: bearer\r\n"
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%sSec-WebSocket-Accept: %s\r\n\r\n",
		protocol, Accept(r.Header.Get("Sec-WebSocket-Key")))
	return &Peer{Conn: conn, t: t, r: rw.Reader}, err
}

// Accept is the value of Sec-WebSocket-Accept for a handshake's key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- see above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Send sends a frame that is not masked; first is its first byte.
func (p *Peer) Send(first byte, payload string) { p.Raw(ServerFrame(first, payload)) }

// ServerFrame is a frame as gateways send it.
func ServerFrame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// Raw sends bytes.
func (p *Peer) Raw(b []byte) { _, _ = p.Write(b) }

// Text sends a text frame.
func (p *Peer) Text(payload string) { p.Send(0x81, payload) }

// Welcome greets, and answers for an empty default room.
func (p *Peer) Welcome() {
	p.Text(Hello)
	p.Text(`{"type":"subscribed","room":"lobby","epoch":"e1","seq":0}`)
}

// Close sends a close frame, and waits for the client's.
func (p *Peer) Close(code int, reason string) {
	p.Send(0x88, string([]byte{byte(code >> 8), byte(code)})+reason)
	p.Drain()
}

// Drain reads until the client has gone, or has closed.
func (p *Peer) Drain() {
	for {
		if first, _ := p.Next(); first == 0 || first == 0x88 {
			return
		}
	}
}

// Next reads a frame from the client; its first byte is 0 when there is none.
func (p *Peer) Next() (first byte, payload []byte) {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	var h [2]byte
	if _, err := io.ReadFull(p.r, h[:]); err != nil {
		return 0, nil
	}
	if h[1]&0x80 == 0 {
		p.t.Error("a frame of the client is not masked")
	}
	n := int(h[1] & 0x7f)
	if n == 126 {
		var ext [2]byte
		_, _ = io.ReadFull(p.r, ext[:])
		n = int(binary.BigEndian.Uint16(ext[:]))
	}
	b := make([]byte, 4+n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		return 0, nil
	}
	for i := range b[4:] {
		b[4+i] ^= b[i%4]
	}
	return h[0], b[4:]
}

// Command reads the next command.
func (p *Peer) Command() map[string]any {
	_, payload := p.Next()
	var m map[string]any
	_ = json.Unmarshal(payload, &m)
	return m
}

// Ack acknowledges the next message.
func (p *Peer) Ack(seq int) {
	m := p.Command()
	if m["type"] == "message" {
		p.Text(fmt.Sprintf(`{"type":"ack","id":%q,"room":"lobby","seq":%d,"ts":1,"durability":"queued"}`, m["id"], seq))
	}
}
