package tlsport

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// maxLeft is the most ciphertext that may wait for a socket: a record, and answers
// of TLS itself, which a peer asks for and then does not read.
const maxLeft = recordBytes + 8<<10

var errFlood = errors.New("tlsport: the peer asks for answers and reads none")

// conn is the TCP connection below a tls.Conn. As long as HTTP has it, it is no
// more than that; when a Line takes it, its writes stop waiting.
type conn struct {
	*net.TCPConn
	turn    *turn // during the handshake
	batches *sync.Pool

	mu    sync.Mutex
	raw   syscall.RawConn
	taken bool // by a Line
	wait  bool // a WriteAll is under way
	left  []byte

	out     []byte
	written int
	outErr  error
	writeFD func(fd uintptr) // writeOnce, bound once
}

func newConn(tcp *net.TCPConn, batches *sync.Pool) (*conn, error) {
	raw, err := tcp.SyscallConn()
	return &conn{TCPConn: tcp, raw: raw, batches: batches}, err
}

// Read gives the turn back for as long as it waits.
func (c *conn) Read(p []byte) (int, error) {
	t := c.turn
	if t == nil {
		return c.TCPConn.Read(p)
	}
	t.end()
	n, err := c.TCPConn.Read(p)
	t.begin()
	return n, err
}

// Write is called by TLS with whole records: by the writer with data, and by the
// reader with answers of TLS itself. All of p is taken or the connection is broken,
// since TLS cannot go back over a record.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.taken || c.wait: // nothing is left then
		return c.TCPConn.Write(p)
	case len(c.left) > 0:
		if len(c.left)+len(p) > maxLeft {
			return 0, errFlood
		}
		c.left = append(c.left, p...)
		return len(p), nil
	}
	n, err := c.writeNowLocked(p)
	if err != nil {
		return n, err
	}
	if n < len(p) {
		c.left = append(c.left, p[n:]...)
	}
	return len(p), nil
}

// flushLocked waits until what is left has gone.
func (c *conn) flushLocked() error {
	if len(c.left) == 0 {
		return nil
	}
	_, err := c.TCPConn.Write(c.left)
	c.left = nil
	return err
}

// pushLocked writes what it can of what is left, and reports whether that was all.
func (c *conn) pushLocked() (bool, error) {
	if len(c.left) == 0 {
		return true, nil
	}
	n, err := c.writeNowLocked(c.left)
	if c.left = c.left[n:]; len(c.left) == 0 {
		c.left = nil
	}
	return c.left == nil, err
}

// writeNowLocked is one system call; it returns what the socket has taken. It goes
// past the write deadline, which ends a writer that waits: the last words of TLS
// come behind that.
func (c *conn) writeNowLocked(p []byte) (int, error) {
	c.out, c.written, c.outErr = p, 0, nil
	err := c.raw.Control(c.writeFD)
	c.out = nil
	if err == nil {
		err = c.outErr
	}
	return c.written, err
}

// writeOnce is the same call as that of a connection without TLS, for the same
// reason (docs/decisions/0003): the descriptor does not block.
func (c *conn) writeOnce(fd uintptr) {
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
		return
	}
}

// mine reports whether a Line has the connection: then deadlines are its own, and
// not those of TLS, which sets some for its last words.
func (c *conn) mine() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

// SetDeadline and its kin are for HTTP.
func (c *conn) SetDeadline(t time.Time) error {
	if c.mine() {
		return nil
	}
	return c.TCPConn.SetDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.mine() {
		return nil
	}
	return c.TCPConn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.mine() {
		return nil
	}
	return c.TCPConn.SetWriteDeadline(t)
}
