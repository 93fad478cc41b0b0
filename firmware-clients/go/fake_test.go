package client_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
)

// fake is a gateway that does what a test tells it, right or wrong. It logs
// anyone in, and gives each WebSocket to its script.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	requests []string
	// handshakes are called one after the other, the last one again and again.
	// One that returns nil has answered itself.
	handshakes []func(w http.ResponseWriter, r *http.Request) func(*peer)
	me         func(w http.ResponseWriter)
	refresh    func(w http.ResponseWriter)
	pairs      int
}

// peer is the gateway's end of a WebSocket.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

const hello = `{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"lobby","connection":"c","server_time":1795455897123,"clock":"none","expires_in":900,"ping_interval":25,"max_message_bytes":1000}`

func newFake(t *testing.T) *fake {
	f := &fake{t: t}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.pairs++
	n, me, refresh := f.pairs, f.me, f.refresh
	f.mu.Unlock()
	switch r.URL.Path {
	case "/auth/me":
		if me != nil {
			me(w)
			return
		}
		_, _ = io.WriteString(w, `{"username":"ann"}`)
	case "/auth/refresh":
		if refresh != nil {
			refresh(w)
			return
		}
		fallthrough
	case "/auth/login":
		_, _ = fmt.Fprintf(w, `{"access_token":"a%d","expires_in":900,"refresh_token":"r%d"}`, n, n)
	case "/ws":
		f.webSocket(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) webSocket(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	shake := f.handshakes[0]
	if len(f.handshakes) > 1 {
		f.handshakes = f.handshakes[1:]
	}
	f.mu.Unlock()
	script := shake(w, r)
	if script == nil {
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		accept(r.Header.Get("Sec-WebSocket-Key")))
	script(&peer{Conn: conn, t: f.t, r: rw.Reader})
}

func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// then adds what the next WebSocket does once it is open.
func (f *fake) then(script func(*peer)) *fake {
	return f.answer(func(http.ResponseWriter, *http.Request) func(*peer) { return script })
}

// answer adds what the next handshake is answered.
func (f *fake) answer(shake func(http.ResponseWriter, *http.Request) func(*peer)) *fake {
	f.handshakes = append(f.handshakes, shake)
	return f
}

// refuse adds a handshake that is refused.
func (f *fake) refuse(status int, code string, headers ...string) *fake {
	return f.answer(func(w http.ResponseWriter, _ *http.Request) func(*peer) {
		problem(w, status, code, headers...)
		return nil
	})
}

func problem(w http.ResponseWriter, status int, code string, headers ...string) {
	for i := 0; i+1 < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%q,"detail":"no"}`, code)
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

// start runs a client against the fake.
func (f *fake) start(o client.Options) *run {
	o.URL = f.URL
	if o.Login.Source == nil && o.Login.Password == "" && o.Login.RefreshToken == "" {
		o.Login = client.Login{Username: "ann", Password: "pw"}
	}
	if o.Random == nil {
		o.Random = quick{}
	}
	return start(f.t, o)
}

// send sends a frame that is not masked.
func (p *peer) send(first byte, payload string) {
	b := []byte{first}
	if n := len(payload); n < 126 {
		b = append(b, byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	}
	_, _ = p.Write(append(b, payload...))
}

func (p *peer) text(payload string) { p.send(0x81, payload) }

// welcome greets, and answers for an empty default room.
func (p *peer) welcome() {
	p.text(hello)
	p.text(`{"type":"subscribed","room":"lobby","epoch":"e1","seq":0}`)
}

// close sends a close frame, and reads until the client has gone.
func (p *peer) close(code int, reason string) {
	p.send(0x88, string([]byte{byte(code >> 8), byte(code)})+reason)
	p.drain()
}

func (p *peer) drain() {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.Copy(io.Discard, p.r)
}

// next reads a frame from the client.
func (p *peer) next() (opcode byte, payload []byte) {
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

// command reads the next command.
func (p *peer) command() map[string]any {
	_, payload := p.next()
	var m map[string]any
	_ = json.Unmarshal(payload, &m)
	return m
}

// ack acknowledges the next message.
func (p *peer) ack(seq int) {
	m := p.command()
	if m["type"] == "message" {
		p.text(fmt.Sprintf(`{"type":"ack","id":%q,"room":"lobby","seq":%d,"ts":1,"durability":"queued"}`, m["id"], seq))
	}
}
