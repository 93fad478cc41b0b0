package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"
)

// The key and the accept value of the example in RFC 6455 section 1.3. The key
// is there to tell WebSocket servers from others, and one will do for that.
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// dialTimeout bounds each blocking step of a handshake.
const dialTimeout = 10 * time.Second

// dialer opens WebSockets as plain file descriptors. A net.Conn would sit in
// the runtime's own poller too and be woken twice for every packet.
type dialer struct {
	addr    syscall.SockaddrInet4
	host    string
	target  string
	token   string
	tls     bool
	scratch [4096]byte
}

func newDialer(o options, token string) (*dialer, error) {
	ap, err := netip.ParseAddrPort(o.addr)
	if err != nil || !ap.Addr().Is4() {
		return nil, fmt.Errorf("--addr %q is not an IPv4 address with a port, for example 127.0.0.1:8080", o.addr)
	}
	return &dialer{
		addr: syscall.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())},
		host: o.addr, target: o.target, token: token, tls: o.tls,
	}, nil
}

// dial joins a room and returns once the server has said so: with the
// handshake's answer by the baseline, with `subscribed` by edgegw. The socket
// is still a blocking one.
func (d *dialer) dial(room string) (*conn, error) {
	c, err := d.ask(newRoom(room), "")
	if err != nil {
		return nil, err
	}
	return c, d.enter(c)
}

// ask sends a handshake; enter reads the answer. more is added to the query.
func (d *dialer) ask(room *room, more string) (*conn, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &conn{fd: fd, room: room, next: 1}
	if err := d.request(c, more); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("connect to room %s: %w", room.name, err)
	}
	return c, nil
}

func (d *dialer) request(c *conn, more string) error {
	limit := syscall.NsecToTimeval(int64(dialTimeout))
	err := errors.Join(
		syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit),
		syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
		syscall.Connect(c.fd, &d.addr),
	)
	if err != nil {
		return err
	}
	if d.tls {
		if err := c.secure(); err != nil {
			return err
		}
	}
	request := "GET /ws?room=" + c.room.name + more + " HTTP/1.1\r\nHost: " + d.host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + handshakeKey + "\r\n"
	if d.token != "" {
		request += "Sec-WebSocket-Protocol: bearer, " + d.token + "\r\n"
	}
	return c.send([]byte(request + "\r\n"))
}

// enter closes the socket when it returns an error.
func (d *dialer) enter(c *conn) error {
	err := d.readAnswer(c)
	if err == nil && d.target != targetBare {
		err = d.awaitSubscribed(c)
	}
	if err != nil {
		_ = syscall.Close(c.fd)
		return fmt.Errorf("connect to room %s: %w", c.room.name, err)
	}
	return nil
}

// refused is a handshake's answer that says when to come back.
type refused struct {
	line  string
	after time.Duration
}

func (r *refused) Error() string { return fmt.Sprintf("handshake answered %q", r.line) }

// readAnswer reads the 101 and leaves what came behind it in c.partial.
func (d *dialer) readAnswer(c *conn) error {
	var head []byte
	for {
		n, err := c.receive(d.scratch[:])
		if err != nil {
			return err
		}
		head = append(head, d.scratch[:n]...)
		if i := bytes.Index(head, []byte("\r\n\r\n")); i >= 0 {
			c.partial = append(c.partial, head[i+4:]...)
			head = head[:i]
			break
		}
		if len(head) > 16<<10 {
			return errors.New("the answer to the handshake has no end")
		}
	}
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
		after := numberAfter(bytes.ToLower(head), "\r\nretry-after: ")
		return &refused{string(line), time.Duration(after) * time.Second}
	}
	if !bytes.Contains(head, []byte(handshakeAccept)) {
		return errors.New("handshake answered with a wrong Sec-WebSocket-Accept")
	}
	if d.token != "" && bytes.Contains(head, []byte(d.token)) {
		return errors.New("handshake answer echoes the token")
	}
	return nil
}

// awaitSubscribed reads up to the `subscribed` frame and takes the room's
// newest seq from it, so that a message lost right behind it is seen too.
func (d *dialer) awaitSubscribed(c *conn) error {
	for {
		_, payload, n, err := nextFrame(c.partial)
		if err != nil {
			return err
		}
		if n == 0 {
			got, err := c.receive(d.scratch[:])
			if err != nil {
				return err
			}
			c.partial = append(c.partial, d.scratch[:got]...)
			continue
		}
		done := bytes.HasPrefix(payload, []byte(`{"type":"subscribed"`))
		if done {
			c.subscribed(payload)
		}
		c.partial = append(c.partial[:0], c.partial[n:]...)
		if done {
			return nil
		}
	}
}

// readSome is read(2) on a blocking socket; the end of the stream is an error.
func readSome(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		}
		return n, nil
	}
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && err != syscall.EINTR {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}
