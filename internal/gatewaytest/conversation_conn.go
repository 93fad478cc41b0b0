package gatewaytest

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// receiveBytes is the kernel's receive buffer of a connection, so that one that
// stops reading is felt soon.
const receiveBytes = 64 << 10

// talker is a connection of a conversation. It reads all the time, unless it is
// told to stop, and keeps what comes.
type talker struct {
	socket *Socket
	ended  chan struct{} // the reader has
	over   bool          // the script knows of the end

	mu     sync.Mutex
	came   []Frame
	err    error         // how it ended; nil before
	news   chan struct{} // closed when came or err changes
	closed chan struct{} // closed to open the gate for good
	gate   chan struct{} // closed while it reads
}

// join connects, or returns the answer that refused it.
func (g *Gateway) join(query, token string) (*talker, Answer, error) {
	conn, err := g.connect()
	if err != nil {
		return nil, Answer{}, err
	}
	_ = tcpOf(conn).SetReadBuffer(receiveBytes)
	s, a, err := Upgrade(conn, query, nil, "Sec-WebSocket-Protocol: bearer, "+token)
	if err != nil || s == nil {
		return nil, a, err
	}
	s.Patience = 5 * time.Minute // a script says itself how long it waits
	c := &talker{
		socket: s, ended: make(chan struct{}), news: make(chan struct{}),
		closed: make(chan struct{}), gate: make(chan struct{}),
	}
	close(c.gate)
	go c.readLoop()
	return c, a, nil
}

func (c *talker) readLoop() {
	defer close(c.ended)
	for {
		c.mu.Lock()
		gate := c.gate
		c.mu.Unlock()
		select {
		case <-gate:
		case <-c.closed:
		}
		f, err := c.socket.Read()
		c.mu.Lock()
		if err != nil {
			c.err = err
		} else {
			c.came = append(c.came, f)
		}
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// next takes the oldest frame, or returns how the connection ended, or that
// neither came in time.
func (c *talker) next(within time.Duration) (f Frame, err error) {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		c.mu.Lock()
		news, err := c.news, c.err
		if len(c.came) > 0 {
			f, c.came = c.came[0], c.came[1:]
			c.mu.Unlock()
			return f, nil
		}
		c.mu.Unlock()
		if err != nil {
			return f, err
		}
		select {
		case <-news:
		case <-late.C:
			return f, fmt.Errorf("nothing came within %v", within)
		}
	}
}

// read stops the reader behind the frame that it reads, or lets it go on.
func (c *talker) read(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		close(c.gate)
	} else {
		c.gate = make(chan struct{})
	}
}

// drop ends the TCP connection, and waits for the reader.
func (c *talker) drop() {
	c.over = true
	_ = c.socket.Conn.Close()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	<-c.ended
}

// sayClose closes, and awaits the gateway's answer.
func (c *talker) sayClose(code int) error {
	c.over = true
	c.socket.Raw(ClientFrame(0x88, []byte{byte(code >> 8), byte(code)}))
	var closed *CloseError
	if _, err := c.next(patience); !errors.As(err, &closed) || closed.Code != code {
		return fmt.Errorf("the close %d was answered with %v", code, err)
	}
	return nil
}
