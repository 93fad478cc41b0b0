// Package tlsport is the TLS side of a TCP port: handshakes that cannot take the
// gateway down, and connections whose writes need not wait.
//
// What is spoken inside of TLS, and which certificate is shown, is not its business.
package tlsport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

const (
	// maxHandshakes are under way at once; whoever comes then waits in the
	// kernel. Each takes some 30 KiB until it has ended.
	maxHandshakes = 256
	// perAddress of them are of one address, or of one /64 of IPv6.
	perAddress = maxHandshakes / 2
	// patience is how long a handshake may take, and hurry how long when half of
	// the places are taken: those who send nothing shall not keep the others out.
	patience = 10 * time.Second
	hurry    = 2 * time.Second
)

// Config is what a gateway speaks: TLS 1.2 with the ciphers that Go holds for safe,
// and 1.3; HTTP/1.1 in it.
func Config(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), now func() time.Time) *tls.Config {
	return &tls.Config{
		GetCertificate: certificate, Time: now,
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		// A batch is one record. Small ones to begin with are for pages.
		DynamicRecordSizingDisabled: true,
	}
}

// Refused is told of handshakes that failed, with a reason in fixed words.
type Refused func(ip, reason string)

// The reasons.
const (
	ReasonTooMany   = "too_many"          // of this address at once
	ReasonPlainHTTP = "plain_http"        // a client that speaks no TLS
	ReasonSlow      = "timeout"           // it did not end in time
	ReasonGone      = "gone"              // the client went away
	ReasonTLS       = "not_agreed"        // nothing that both know, or no TLS at all
	ReasonRefused   = "refused_by_client" // which does not trust the certificate, mostly
)

// Listener gives connections whose handshake is over. Accept returns *tls.Conn.
type Listener struct {
	net.Listener
	config  *tls.Config
	refused Refused
	ctx     context.Context
	cancel  context.CancelFunc
	ready   chan accepted
	places  chan struct{} // one for each handshake under way
	turns   chan struct{} // one for each handshake that computes
	ended   sync.WaitGroup
	batches *sync.Pool

	mu    sync.Mutex
	peers map[netip.Prefix]int
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen takes over a TCP listener; it is closed with the new one.
func Listen(inner net.Listener, config *tls.Config, refused Refused) *Listener {
	l := &Listener{
		Listener: inner, config: config, refused: refused,
		ready: make(chan accepted), places: make(chan struct{}, maxHandshakes),
		// Messages shall not wait behind a hundred handshakes for a processor.
		turns: make(chan struct{}, runtime.GOMAXPROCS(0)),
		peers: make(map[netip.Prefix]int), batches: newBatches(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.ended.Go(l.acceptLoop)
	return l
}

// Accept returns a connection whose handshake is over.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends the listener and the handshakes that are under way, and waits for
// them.
func (l *Listener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.ended.Wait()
	return err
}

func (l *Listener) acceptLoop() {
	for {
		select {
		case l.places <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		nc, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			// The server decides whether it goes on, and how long it rests.
			if !l.give(accepted{err: err}) {
				return
			}
			continue
		}
		l.begin(nc)
	}
}

// give reports false when nobody accepts any more.
func (l *Listener) give(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *Listener) begin(nc net.Conn) {
	tcp, _ := nc.(*net.TCPConn)
	if tcp == nil {
		_ = nc.Close()
		<-l.places
		return
	}
	ip, peer := peerOf(nc)
	if !l.enter(peer) {
		_ = nc.Close()
		<-l.places
		l.refused(ip, ReasonTooMany)
		return
	}
	limit := patience
	if len(l.places) > maxHandshakes/2 {
		limit = hurry
	}
	l.ended.Go(func() {
		conn, err := l.shake(tcp, limit)
		l.leave(peer)
		<-l.places
		switch {
		case err != nil:
			_ = nc.Close()
			l.refused(ip, reasonOf(err))
		case !l.give(accepted{conn: conn}):
			_ = nc.Close()
		}
	})
}

func (l *Listener) enter(peer netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[peer] >= perAddress {
		return false
	}
	l.peers[peer]++
	return true
}

func (l *Listener) leave(peer netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[peer]--; l.peers[peer] == 0 {
		delete(l.peers, peer)
	}
}

// plainAnswer is for those who speak HTTP without TLS.
const plainAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 55\r\n\r\n" +
	"This port speaks TLS: the address begins with https://.\n"

func (l *Listener) shake(tcp *net.TCPConn, limit time.Duration) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, limit)
	defer cancel()
	c, err := newConn(tcp, l.batches)
	if err != nil {
		return nil, err
	}
	c.turn = &turn{free: l.turns, ctx: ctx}
	conn := tls.Server(c, l.config)
	err = conn.HandshakeContext(ctx)
	c.turn.end()
	c.turn = nil
	var no tls.RecordHeaderError
	if errors.As(err, &no) && no.Conn != nil && looksLikeHTTP(no.RecordHeader[:]) {
		_, _ = tcp.Write([]byte(plainAnswer)) // a fresh socket takes it at once
	}
	if err == nil {
		err = ctx.Err()
	}
	return conn, err
}

func looksLikeHTTP(b []byte) bool {
	switch string(b) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}

func reasonOf(err error) string {
	var no tls.RecordHeaderError
	var network net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &no):
		if looksLikeHTTP(no.RecordHeader[:]) {
			return ReasonPlainHTTP
		}
		return ReasonTLS
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonSlow
	case errors.As(err, &op) && op.Op == "remote error": // an alert of the client's
		return ReasonRefused
	case errors.As(err, &network), errors.Is(err, context.Canceled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonGone
	}
	return ReasonTLS
}

func peerOf(nc net.Conn) (ip string, peer netip.Prefix) {
	ap, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	addr := ap.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	peer, _ = addr.Prefix(bits)
	return addr.String(), peer
}

// turn is a handshake's turn on a processor: it has one from the moment that it has
// read something until it waits for the next.
type turn struct {
	free chan struct{}
	ctx  context.Context
	mine bool
}

func (t *turn) begin() {
	select {
	case t.free <- struct{}{}:
		t.mine = true
	case <-t.ctx.Done(): // the handshake ends, it need not compute any more
	}
}

func (t *turn) end() {
	if t.mine {
		<-t.free
		t.mine = false
	}
}
