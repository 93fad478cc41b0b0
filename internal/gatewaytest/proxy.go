package gatewaytest

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a gateway and does to their connections what
// bad networks do.
type Proxy struct {
	// URL is the address for clients, http://127.0.0.1:PORT. It stays the same
	// when the gateway behind it moves.
	URL string

	listener net.Listener
	tasks    sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // stalled, or a pipe's end
	target  string
	pipes   []*pipe
	// requests are the first lines of the requests that came.
	requests []string
	lost     string
	refuse   bool
	stalled  bool
	ended    bool
	rate     int // bytes a second in each direction, or 0
	up, down int // bytes that came from clients, and from gateways
}

// pipe is one connection through the proxy.
type pipe struct {
	client, gateway net.Conn
	// swallow: what comes from either side goes nowhere, and neither is told.
	swallow bool
	// loseAnswer: the connection breaks when the gateway answers.
	loseAnswer bool
	// held: what the client sent last is still on its way.
	held   bool
	closed bool
}

// NewProxy starts a proxy for the gateway at url. It ends with the test.
func NewProxy(t testing.TB, url string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: "http://" + l.Addr().String(), listener: l}
	p.changed = sync.NewCond(&p.mu)
	p.To(url)
	p.tasks.Go(p.acceptLoop)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.Reset()
		p.tasks.Wait()
	})
	return p
}

// To has new connections go to another gateway.
func (p *Proxy) To(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = strings.TrimPrefix(url, "http://")
}

// Target is the address of the gateway that new connections go to.
func (p *Proxy) Target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.target
}

// Refuse has new connections end at once, or not any more.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Reset breaks all connections: both sides get a TCP reset.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pipes {
		p.breakLocked(c)
	}
	p.pipes = nil
}

// HalfOpen has all connections of now look alive to both sides, while nothing
// comes through any more. New ones work.
func (p *Proxy) HalfOpen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pipes {
		c.swallow = true
	}
}

// Stall stops taking bytes from either side, of all connections, until it is
// called with false.
func (p *Proxy) Stall(stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = stalled
	p.changed.Broadcast()
}

// Slow passes so many bytes a second in each direction of each connection; 0 is
// as fast as it goes.
func (p *Proxy) Slow(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
}

// Orphan takes all connections of now from their clients by a reset, and leaves
// them open to the gateway. What the clients sent behind a Stall, which ends with
// this, reaches the gateway after d only: it may be older than what comes on new
// connections.
func (p *Proxy) Orphan(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	orphans := p.pipes
	p.pipes = nil
	for _, c := range orphans {
		c.held = true
		reset(c.client)
	}
	p.stalled = false
	p.changed.Broadcast()
	time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range orphans {
			c.held = false
		}
		p.changed.Broadcast()
	})
}

// LoseAnswer has the next request that begins like this reach the gateway, and
// its answer reach nobody.
func (p *Proxy) LoseAnswer(request string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = request
}

// Requests counts the requests that began like this.
func (p *Proxy) Requests(request string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if strings.HasPrefix(r, request) {
			n++
		}
	}
	return n
}

// Traffic is how many bytes have come from clients, and from gateways.
func (p *Proxy) Traffic() (up, down int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up, p.down
}

func (p *Proxy) breakLocked(c *pipe) {
	if c.closed {
		return
	}
	c.closed = true
	for _, conn := range []net.Conn{c.client, c.gateway} {
		if conn != nil { // else it was never opened
			reset(conn)
		}
	}
	p.changed.Broadcast()
}

// reset closes a connection with a TCP reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (p *Proxy) acceptLoop() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(conn) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	refuse, target := p.refuse || p.ended, p.target
	p.mu.Unlock()
	c := &pipe{client: client}
	var err error
	if !refuse {
		c.gateway, err = net.Dial("tcp", target)
	}
	p.mu.Lock()
	if refuse || err != nil || p.ended {
		p.breakLocked(c)
		p.mu.Unlock()
		return
	}
	p.pipes = append(p.pipes, c)
	p.mu.Unlock()
	var there sync.WaitGroup
	there.Go(func() { p.copyLoop(c, c.client, c.gateway, p.request) })
	p.copyLoop(c, c.gateway, c.client, p.answer)
	there.Wait() // a side that has not heard of the end goes on
	p.mu.Lock()
	defer p.mu.Unlock()
	p.breakLocked(c)
	p.pipes = slices.DeleteFunc(p.pipes, func(other *pipe) bool { return other == c })
}

// request notes what begins with a request line; no frame of a client does. It is
// called with mu held.
func (p *Proxy) request(c *pipe, chunk []byte) {
	p.up += len(chunk)
	line, _, _ := bytes.Cut(chunk, []byte("\r\n"))
	if method, _, found := bytes.Cut(line, []byte(" /")); !found || len(method) > len("OPTIONS") {
		return
	}
	p.requests = append(p.requests, string(line))
	if p.lost != "" && strings.HasPrefix(string(line), p.lost) {
		p.lost, c.loseAnswer = "", true
	}
}

// answer sees the bytes from the gateway. It is called with mu held.
func (p *Proxy) answer(c *pipe, chunk []byte) {
	p.down += len(chunk)
	if c.loseAnswer {
		p.breakLocked(c)
	}
}

// copyLoop passes bytes on in one direction. The end of one side is passed on as
// well: what came before it is not lost.
func (p *Proxy) copyLoop(c *pipe, from, to net.Conn, see func(*pipe, []byte)) {
	buf := make([]byte, 16<<10)
	for {
		p.mu.Lock()
		rate := p.rate
		p.mu.Unlock()
		window := buf
		if rate > 0 {
			window = buf[:max(rate/20, 1)]
		}
		n, err := from.Read(window)
		p.mu.Lock()
		if n > 0 {
			see(c, buf[:n])
		}
		for (p.stalled || c.held) && !c.closed {
			p.changed.Wait()
		}
		swallow := c.swallow
		p.mu.Unlock()
		if rate > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
		}
		if n > 0 && !swallow {
			_, _ = to.Write(buf[:n]) // its own reader finds out what is wrong
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok && !swallow {
				_ = tcp.CloseWrite()
			}
			return
		}
	}
}
