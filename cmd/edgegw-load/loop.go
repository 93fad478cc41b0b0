package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"unsafe"
)

// loop reads all sockets from one goroutine with epoll. A goroutine for each
// socket would cost the client twice as much as the frames themselves.
type loop struct {
	epfd   int
	now    func() int64 // nanoseconds, monotonic
	conns  []*conn
	events [512]syscall.EpollEvent
	buf    []byte

	// first, when set, is looked at after every few other sockets, so that
	// the publisher of a closed loop does not wait for all its room: a
	// server must never idle because this side is slow to ask for more.
	first *conn

	received uint64 // messages, in all
	skipped  uint64 // frames that are neither message nor ack
	refusal  string // the first error frame

	// Called for each message and each ack; at is when its read returned.
	onMessage func(c *conn, payload []byte, at int64)
	onAck     func(c *conn, at int64)
}

// fewEvents is how many sockets are read before l.first has its turn again.
const fewEvents = 8

// readChunk is the most bytes taken from a socket at once.
const readChunk = 64 << 10

func newLoop(now func() int64) (*loop, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &loop{
		epfd: fd, now: now,
		buf:       make([]byte, maxFramePayload+16+readChunk),
		onMessage: func(*conn, []byte, int64) {},
		onAck:     func(*conn, int64) {},
	}, nil
}

// add makes the socket non-blocking and takes the connection over.
func (l *loop) add(c *conn) error {
	if err := syscall.SetNonblock(c.fd, true); err != nil {
		return err
	}
	c.slot = int32(len(l.conns))
	l.conns = append(l.conns, c)
	if err := l.watch(c, syscall.EPOLL_CTL_ADD, syscall.EPOLLIN); err != nil {
		return err
	}
	// What came right behind the handshake's answer is here already.
	behind := append([]byte(nil), c.partial...)
	return l.take(c, behind)
}

func (l *loop) watch(c *conn, op int, events uint32) error {
	ev := syscall.EpollEvent{Events: events, Fd: c.slot}
	return syscall.EpollCtl(l.epfd, op, c.fd, &ev)
}

// reset cuts the connection without a word, as a power cut would. It stays in
// the books.
func (l *loop) reset(c *conn) {
	// Without it the kernel would still send what is on its way, and a FIN.
	_ = syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	_ = syscall.Close(c.fd)
	c.fd = -1
}

// forget stops reading a connection, which stays open.
func (l *loop) forget(c *conn) error { return l.watch(c, syscall.EPOLL_CTL_DEL, 0) }

func (l *loop) close() {
	for _, c := range l.conns {
		if c.fd >= 0 {
			_ = syscall.Close(c.fd)
		}
	}
	_ = syscall.Close(l.epfd)
}

// sysEpollPwait2 is one number on all of Linux's architectures. Its timeout
// has nanoseconds, where epoll_wait has milliseconds.
const sysEpollPwait2 = 441

// wait handles what arrives until the deadline or the first batch of events,
// whichever comes first. A deadline in the past only polls.
func (l *loop) wait(deadline int64) error {
	most := len(l.events)
	if l.first != nil {
		most = fewEvents
	}
	left := max(0, deadline-l.now())
	timeout := [2]int64{left / 1e9, left % 1e9}
	n, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(l.epfd), uintptr(unsafe.Pointer(&l.events[0])),
		uintptr(most), uintptr(unsafe.Pointer(&timeout)), 0, 0)
	if errno == syscall.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("epoll_pwait2: %w", errno)
	}
	for _, ev := range l.events[:n] {
		c := l.conns[ev.Fd]
		if c.fd < 0 {
			continue // reset since
		}
		if err := l.handle(c, ev.Events); err != nil {
			return err
		}
	}
	if l.first != nil {
		return l.handle(l.first, syscall.EPOLLIN)
	}
	return nil
}

func (l *loop) handle(c *conn, events uint32) error {
	if events&syscall.EPOLLOUT != 0 {
		if err := l.flush(c); err != nil {
			return err
		}
	}
	if events&^syscall.EPOLLOUT == 0 {
		return nil
	}
	if err := l.read(c); err != nil {
		return fmt.Errorf("room %s: %w", c.room.name, err)
	}
	return nil
}

// read takes one chunk from a socket and walks the frames in it.
func (l *loop) read(c *conn) error {
	if c.secured != nil {
		return l.readSecured(c)
	}
	held := copy(l.buf, c.partial)
	n, err := syscall.Read(c.fd, l.buf[held:held+readChunk])
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.ErrUnexpectedEOF
	}
	return l.take(c, l.buf[:held+n])
}

// take walks the frames in b and keeps what is left of it.
func (l *loop) take(c *conn, b []byte) error {
	at := l.now()
	for {
		op, payload, size, err := nextFrame(b)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		b = b[size:]
		if op == opText {
			l.text(c, payload, at)
		} else if err := l.control(c, op, payload); err != nil {
			return err
		}
	}
	c.partial = append(c.partial[:0], b...)
	return nil
}

func (l *loop) control(c *conn, op byte, payload []byte) error {
	switch op {
	case opPing:
		c.out = appendClientFrame(c.out, opPong, payload)
		return l.flush(c)
	case opClose:
		code := 1005
		if len(payload) >= 2 {
			code = int(payload[0])<<8 | int(payload[1])
			payload = payload[2:]
		}
		return fmt.Errorf("the server closed with %d %q", code, payload)
	case opPong:
		return nil
	}
	return fmt.Errorf("the server sent opcode %d", op)
}

// flush writes what the connection has to send; what the socket does not take
// goes when it is writable again.
func (l *loop) flush(c *conn) error {
	if len(c.out) == 0 && !c.waiting {
		return nil
	}
	if c.secured != nil {
		err := c.send(c.out)
		c.out = c.out[:0]
		return err
	}
	n, err := syscall.Write(c.fd, c.out)
	if err != nil && !errors.Is(err, syscall.EAGAIN) && err != syscall.EINTR {
		return err
	}
	c.out = append(c.out[:0], c.out[max(n, 0):]...)
	if stuck := len(c.out) > 0; stuck != c.waiting {
		c.waiting = stuck
		events := uint32(syscall.EPOLLIN)
		if stuck {
			events |= syscall.EPOLLOUT
		}
		return l.watch(c, syscall.EPOLL_CTL_MOD, events)
	}
	return nil
}
