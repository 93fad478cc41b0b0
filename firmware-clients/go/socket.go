package client

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// readChunkBytes is how much memory a claimed length gets before as many
	// bytes have come.
	readChunkBytes = 64 << 10
	// keepBytes is the largest buffer that is kept for the next message.
	keepBytes = 64 << 10
)

// socket is an open WebSocket. One goroutine reads; any may write.
type socket struct {
	conn    net.Conn
	r       *bufio.Reader
	random  io.Reader
	max     int           // bytes of the longest message that is taken
	timeout time.Duration // for one write

	// Owned by the reader.
	message []byte // the message so far, its fragments taken together
	op      byte   // its opcode, or 0 between messages
	control [maxControlBytes]byte

	mu    sync.Mutex // a frame is written in one piece
	frame []byte
	// closed is set once a close frame is out; nothing follows it.
	closed bool
}

// read returns the next message, or the next control frame, which may come
// between a message's fragments. The payload is good until the next call.
func (s *socket) read() (op byte, payload []byte, err error) {
	for {
		h, err := readHeader(s.r)
		if err != nil {
			return 0, nil, err
		}
		if h.op >= opClose {
			payload = s.control[:h.length]
			_, err = io.ReadFull(s.r, payload)
			if err == nil && h.op == opClose {
				err = checkClose(payload)
			}
			return h.op, payload, noEOF(err)
		}
		if err := s.take(h); err != nil {
			return 0, nil, err
		}
		if h.final {
			op, s.op = s.op, opContinuation
			if op == opText && !utf8.Valid(s.message) {
				return 0, nil, &violation{code: closeInvalidUTF8, what: "a text is not UTF-8"}
			}
			return op, s.message, nil
		}
	}
}

// take reads a data frame's payload behind what there is of its message.
func (s *socket) take(h header) error {
	switch first := s.op == opContinuation; {
	case first && h.op == opContinuation:
		return illegal("a continuation of nothing")
	case !first && h.op != opContinuation:
		return illegal("a message begins inside another one")
	case first:
		s.op = h.op
		if s.message = s.message[:0]; cap(s.message) > keepBytes {
			s.message = nil
		}
	}
	if h.length > uint64(s.max-len(s.message)) {
		return &violation{code: closeMessageTooLarge, what: fmt.Sprintf("a message is longer than MaxFrameBytes (%d)", s.max)}
	}
	for left := int(h.length); left > 0; {
		n := min(left, readChunkBytes)
		start := len(s.message)
		s.message = append(s.message, make([]byte, n)...)
		if _, err := io.ReadFull(s.r, s.message[start:]); err != nil {
			return noEOF(err)
		}
		left -= n
	}
	return nil
}

// checkClose is RFC 6455 sections 5.5.1 and 7.4.
func checkClose(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	switch code := closeErrorOf(payload).Code; {
	case len(payload) == 1:
		return illegal("a close frame has half a code")
	case code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000:
		return illegal("a close frame has the code %d", code)
	case !utf8.Valid(payload[2:]):
		return &violation{code: closeInvalidUTF8, what: "a close reason is not UTF-8"}
	}
	return nil
}

// write sends one frame. Nothing goes out behind a close frame.
func (s *socket) write(op byte, payload []byte) error {
	var mask [4]byte
	if _, err := io.ReadFull(s.random, mask[:]); err != nil {
		return fmt.Errorf("client: no randomness for a mask: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = op == opClose
	s.frame = appendFrame(s.frame[:0], op, payload, mask)
	// A deadline of a socket is compared with the system's time, whatever the
	// client's own clock is.
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(s.frame)
	if cap(s.frame) > keepBytes {
		s.frame = nil
	}
	return err
}

// writeClose sends a close frame, or nothing if one went out before.
func (s *socket) writeClose(code int) {
	var payload []byte
	if code != closeNoStatus {
		payload = []byte{byte(code >> 8), byte(code)}
	}
	_ = s.write(opClose, payload) // the connection ends either way
}
