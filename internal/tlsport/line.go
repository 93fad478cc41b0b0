package tlsport

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// recordBytes is the most plaintext that a record holds (RFC 8446 section 5.1).
const recordBytes = 16 << 10

// Line is a connection of a Listener that HTTP has given up. One goroutine reads;
// WriteNow and WriteAll are called by one at a time; Shut may come at any time.
//
// What is written becomes records, and a record that was begun has to be sent: what
// the socket does not take of one at once is kept, one record at most.
type Line struct {
	tls  *tls.Conn
	conn *conn
	// owed is 1 when the last byte that WriteNow was given is in a record that
	// waits. It was reported as not written, and comes again.
	owed int
}

// Take makes a Line of what an HTTP server has given away; ok is false for a
// connection that is not a Listener's.
func Take(nc net.Conn) (l *Line, ok bool) {
	t, ok := nc.(*tls.Conn)
	if !ok {
		return nil, false
	}
	c, ok := t.NetConn().(*conn)
	if !ok {
		return nil, false
	}
	c.mu.Lock()
	c.taken, c.writeFD = true, c.writeOnce
	c.mu.Unlock()
	return &Line{tls: t, conn: c}, true
}

// TCP is the connection below, for its deadlines and buffers. Nothing may be written
// to it.
func (l *Line) TCP() *net.TCPConn { return l.conn.TCPConn }

// Read reads what the peer has sent.
func (l *Line) Read(p []byte) (int, error) { return l.tls.Read(p) }

// WriteNow writes what the socket takes without waiting, and says how much of p that
// was. While a record waits it says one byte less than was taken, so that nothing
// counts as written before it is.
func (l *Line) WriteNow(p []byte) (n int, err error) {
	l.conn.mu.Lock()
	free, err := l.conn.pushLocked()
	l.conn.mu.Unlock()
	if !free || err != nil {
		return 0, err
	}
	if n = min(l.owed, len(p)); n > 0 {
		l.owed = 0
	}
	for free && n < len(p) {
		took, err := l.tls.Write(p[n:min(n+recordBytes, len(p))])
		n += took
		if err != nil {
			return n, err
		}
		free = !l.waits()
	}
	if !free {
		n, l.owed = n-1, 1
	}
	return n, nil
}

func (l *Line) waits() bool {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	return len(l.conn.left) > 0
}

// newBatches holds what small chunks are gathered in: a record costs the same
// whatever its size.
func newBatches() *sync.Pool {
	return &sync.Pool{New: func() any { return new([recordBytes]byte) }}
}

// WriteAll writes everything, until the write deadline of TCP. Of bufs the first byte
// may be one that WriteNow has reported as not written.
func (l *Line) WriteAll(bufs [][]byte) error {
	if err := l.waiting(true); err != nil {
		return err
	}
	batch := l.conn.batches.Get().(*[recordBytes]byte)
	err := l.gather(bufs, batch[:0])
	l.conn.batches.Put(batch)
	return errors.Join(err, l.waiting(false))
}

// waiting has writes wait, or not; what is left of earlier ones goes first.
func (l *Line) waiting(on bool) error {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	l.conn.wait = on
	if !on {
		return nil
	}
	return l.conn.flushLocked()
}

func (l *Line) gather(bufs [][]byte, batch []byte) error {
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		b, l.owed = b[l.owed:], 0
		for len(b) > 0 {
			n := copy(batch[len(batch):recordBytes], b)
			batch, b = batch[:len(batch)+n], b[n:]
			if len(batch) < recordBytes {
				continue
			}
			if _, err := l.tls.Write(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if len(batch) == 0 {
		return nil
	}
	_, err := l.tls.Write(batch)
	return err
}

// Shut tells the peer that nothing more comes, if that can be said at once.
func (l *Line) Shut() { _ = l.tls.CloseWrite() }
