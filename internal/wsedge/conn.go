package wsedge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"edgegw/internal/hub"
	"edgegw/internal/tlsport"
	"edgegw/internal/wire"
)

// lingerTime is how long a closed connection is still read from. Closing it
// with bytes unread makes the kernel send a reset, which can overtake the close
// frame; and a peer that goes on sending shall not hold the socket.
const lingerTime = 500 * time.Millisecond

var errEnding = errors.New("connection is ending")

// conn is the net.Conn that gws is given, and the hub.Socket that the session
// is given, of one TCP connection. Its Read is the frame guard. Its Write
// understands what gws has to say and lets the session say it, in order and in
// our own words.
type conn struct {
	// Fixed after construction.
	*net.TCPConn
	line    *tlsport.Line // nil without TLS
	raw     syscall.RawConn
	session *hub.Session

	ending atomic.Bool

	// Owned by the reader.
	guard     guard
	early     []byte // arrived behind the handshake, before the hijack
	requestID string // until it is upgraded
	upgraded  bool
	breach    *violation
	readErr   error
	peerCode  uint16 // of the peer's close frame
	in        []byte // what readOnce fills, and what came of it
	received  int
	inErr     error
	readFD    func(fd uintptr) bool // readOnce, bound once

	// Owned by whoever holds the session's lock, from the session's start on.
	answer  []byte // to the handshake: it goes out with the first frames
	out     []byte
	written int
	outErr  error
	writeFD func(fd uintptr) bool // writeOnce, bound once
}

var (
	_ net.Conn   = (*conn)(nil)
	_ hub.Socket = (*conn)(nil)
)

func newConn(nc net.Conn, s *hub.Session, limits *guardLimits, early []byte) (*conn, error) {
	tcp, ok := nc.(*net.TCPConn)
	line, secured := tlsport.Take(nc)
	switch {
	case secured:
		tcp = line.TCP()
	case !ok:
		return nil, errors.New("not a TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := tcp.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	c := &conn{TCPConn: tcp, line: line, raw: raw, session: s, guard: newGuard(limits)}
	if len(early) > 0 {
		c.early = append(c.early, early...)
	}
	c.readFD, c.writeFD = c.readOnce, c.writeOnce
	return c, nil
}

func (c *conn) setSendBuffer(n int) {
	if n > 0 {
		_ = c.SetWriteBuffer(n) // a larger buffer is no reason to refuse a client
	}
}

// reader is the buffered reader that gws reads from.
func (c *conn) reader() *bufio.Reader { return bufio.NewReaderSize(c, readBufferBytes) }

// Read is called by gws only. It waits for the socket itself, here, and not
// further down: this is where an idle connection's goroutine stands for most of
// its life, and every call above it counts against the 2 KiB that a stack begins
// with. One more or two, and each connection would cost 2 KiB more.
func (c *conn) Read(p []byte) (int, error) {
	switch {
	case len(c.early) > 0 || c.guard.over():
	case c.line != nil:
		c.received, c.inErr = c.line.Read(p)
	default:
		c.in = p
		if err := c.raw.Read(c.readFD); err != nil {
			c.received, c.inErr = 0, err
		}
	}
	return c.pass(p)
}

// pass gives gws what the guard lets through of what has arrived.
func (c *conn) pass(p []byte) (int, error) {
	c.in = nil
	n, err := c.guard.read((*source)(c), p)
	if n > 0 {
		// What stands before an illegal frame still counts.
		return n, nil
	}
	var v *violation
	if errors.As(err, &v) {
		c.breach = v
	} else {
		c.readErr = err
	}
	return 0, err
}

// readOnce reports false when there is nothing to read: then the poller waits.
// The descriptor does not block; syscall.Read would also be too deep a call for
// the stack that Read is careful with.
func (c *conn) readOnce(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.in))), uintptr(len(c.in)))
		switch errno {
		case 0:
			c.received, c.inErr = int(n), nil
			if n == 0 {
				c.inErr = io.EOF
			}
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		default:
			c.received, c.inErr = 0, errno
		}
		return true
	}
}

// source is what the guard reads from: first the bytes that came early, then
// what Read has received. Once the connection is ending it passes nothing on.
type source conn

func (s *source) Read(p []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(p, s.early)
		if s.early = s.early[n:]; len(s.early) == 0 {
			s.early = nil
		}
		return n, nil
	}
	if s.ending.Load() {
		return 0, errEnding
	}
	if s.received > 0 {
		s.session.Touch()
	}
	return s.received, s.inErr
}

// Write is called by gws only: before the upgrade with its answer, afterwards
// with a close frame, since it is asked to send nothing else. Of that frame no
// more than the code is used, because gws puts Go's error texts into the
// reason.
func (c *conn) Write(p []byte) (int, error) {
	if !c.upgraded {
		c.keepAnswer(p)
		return len(p), nil
	}
	switch code := closeCodeOf(p); {
	case c.breach != nil:
		c.session.Abort(c.breach.code)
	case c.readErr != nil && !errors.Is(c.readErr, io.EOF):
		// The connection is gone, or was ended by the session.
	case code == wire.CloseInvalidUTF8:
		c.session.Abort(code)
	case code != 0 && c.guard.closed():
		c.session.PeerClosed(c.closeCode())
	case code == wire.CloseIllegalFrame || code == wire.CloseMessageTooLarge:
		c.session.Abort(code)
	default:
		c.session.PeerClosed(code)
	}
	return len(p), nil
}

// closeCode is the code of the peer's close frame, from the mask and the code
// that the guard has kept of it. gws would answer with codes of its own: a 1001
// with 1000, and a 1014 with 1002.
func (c *conn) closeCode() wire.CloseCode {
	return wire.CloseCode(uint16(c.guard.acc>>32) ^ uint16(c.guard.acc))
}

// keepAnswer keeps the answer to the handshake, with the request's id as every
// answer has it, for the session's first write: each write of its own costs as much
// as all else that a connection begins with.
func (c *conn) keepAnswer(p []byte) {
	status, rest, _ := bytes.Cut(p, []byte("\r\n"))
	c.answer = bytes.Join([][]byte{status, []byte("X-Request-ID: " + c.requestID), rest}, []byte("\r\n"))
}

// refuse sends what gws has answered when it did not upgrade.
func (c *conn) refuse() {
	_, _ = c.write(c.answer) // whoever is gone needs none
}

func closeCodeOf(frame []byte) wire.CloseCode {
	if len(frame) < 4 {
		return 0
	}
	return wire.CloseCode(binary.BigEndian.Uint16(frame[2:]))
}

// Close is called by gws when it has had its say. The socket stays open until
// linger.
func (c *conn) Close() error { return nil }

// SetDeadline and its kin are gws's for the handshake only; later deadlines are
// ours.
func (c *conn) SetDeadline(t time.Time) error {
	if c.upgraded {
		return nil
	}
	return c.TCPConn.SetDeadline(t)
}

// linger reads and forgets what the peer still sends, until it has closed or
// its time is up, and closes the socket. Who has sent a close frame gets what
// waits for it and the answer behind that: then it is the session that ends the
// stream, when its writer is through or has waited too long.
func (c *conn) linger() {
	if !c.guard.closed() {
		c.Shutdown()
	}
	if c.readErr == nil || errors.Is(c.readErr, errEnding) {
		_, _ = io.Copy(io.Discard, c.TCPConn)
	}
	c.Shutdown()
	_ = c.TCPConn.Close()
}

// WriteNow implements hub.Socket with one system call.
func (c *conn) WriteNow(p []byte) (int, error) {
	if c.answer != nil {
		return c.writeFirst(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	return c.write(p)
}

// writeFirst is the first WriteNow: the answer goes before p.
func (c *conn) writeFirst(p []byte) (int, error) {
	n, err := c.write(append(c.answer, p...))
	if n < len(c.answer) {
		c.answer = c.answer[n:]
		return 0, err
	}
	n -= len(c.answer)
	c.answer = nil
	return n, err
}

func (c *conn) write(p []byte) (int, error) {
	if c.line != nil {
		return c.line.WriteNow(p)
	}
	c.out, c.written, c.outErr = p, 0, nil
	err := c.raw.Write(c.writeFD)
	c.out = nil
	if err == nil {
		err = c.outErr
	}
	return c.written, err
}

// writeOnce always reports true: the poller shall not wait for the socket. The
// descriptor does not block, so the scheduler need not be told of the call; that
// is worth a twentieth of a saturated fan-out (docs/decisions/0003).
func (c *conn) writeOnce(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.out))), uintptr(len(c.out)))
		switch errno {
		case 0:
			c.written = int(n)
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			c.outErr = errno
		}
		return true
	}
}

// WriteAll implements hub.Socket.
func (c *conn) WriteAll(bufs [][]byte, timeout time.Duration) error {
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	// Shutdown sets the flag before its deadline: whichever of the two
	// deadlines comes last, one side sees the other.
	if c.ending.Load() {
		return errEnding
	}
	buffers := net.Buffers(bufs)
	if c.answer != nil { // the socket took not even that at once
		buffers = append(net.Buffers{c.answer}, bufs...)
		c.answer = nil
	}
	if err := c.writeAll(buffers); err != nil {
		return err
	}
	return c.SetWriteDeadline(time.Time{})
}

func (c *conn) writeAll(buffers net.Buffers) error {
	if c.line != nil {
		return c.line.WriteAll(buffers)
	}
	_, err := buffers.WriteTo(c.TCPConn)
	return err
}

// Shutdown implements hub.Socket: what was written goes out, then the end of
// the stream; the reader is woken at the latest when lingerTime is over.
func (c *conn) Shutdown() {
	if c.ending.Swap(true) {
		return
	}
	now := time.Now()
	_ = c.SetWriteDeadline(now)
	if c.line != nil {
		c.line.Shut()
	}
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(now.Add(lingerTime))
}
