package tlsport_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/localca"
	"edgegw/internal/tlsport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// port is a listener with a certificate for 127.0.0.1, and who trusts it.
type port struct {
	*tlsport.Listener
	trust *tls.Config

	mu      sync.Mutex
	refused []string
}

func open(t *testing.T) *port {
	t.Helper()
	ca, _, err := localca.Create("test", localca.Names{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var names localca.Names
	names.ParseName("127.0.0.1")
	certPEM, keyPEM, err := ca.Issue(names, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{trust: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}
	p.trust.RootCAs.AddCert(ca.Certificate())
	config := tlsport.Config(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }, time.Now)
	p.Listener = tlsport.Listen(inner, config, func(_, reason string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refused = append(p.refused, reason)
	})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func (p *port) reasons() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.refused, " ")
}

// line connects, and gives both ends.
func (p *port) line(t *testing.T, version uint16) (*tlsport.Line, *tls.Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, _ := p.Accept()
		accepted <- nc
	}()
	trust := p.trust.Clone()
	trust.MaxVersion = version
	client, err := tls.Dial("tcp", p.Addr().String(), trust)
	if err != nil {
		t.Fatal(err)
	}
	l, ok := tlsport.Take(<-accepted)
	if !ok {
		t.Fatal("it cannot be taken")
	}
	t.Cleanup(func() { _, _ = client.Close(), l.TCP().Close() })
	return l, client
}

func TestHandshakes(t *testing.T) {
	p := open(t)
	go func() {
		for {
			nc, err := p.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = nc.Close()
			}
		}
	}()
	for name, tt := range map[string]struct {
		change func(*tls.Config)
		reason string
	}{
		"ok 1.2":           {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, ""},
		"ok 1.3 with ALPN": {func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, ""},
		"bad 1.1":          {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, tlsport.ReasonTLS},
		"bad h2 alone":     {func(c *tls.Config) { c.NextProtos = []string{"h2"} }, tlsport.ReasonTLS},
		"bad CBC": {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}, tlsport.ReasonTLS},
		"bad unknown CA 1.2": {func(c *tls.Config) { c.MaxVersion, c.RootCAs = tls.VersionTLS12, x509.NewCertPool() }, tlsport.ReasonRefused},
	} {
		before := len(p.reasons())
		trust := p.trust.Clone()
		tt.change(trust)
		c, err := tls.Dial("tcp", p.Addr().String(), trust)
		if (err == nil) != (tt.reason == "") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if got := c.ConnectionState().NegotiatedProtocol; got != "" && got != "http/1.1" {
				t.Errorf("%s: speaks %s", name, got)
			}
			_ = c.Close()
			continue
		}
		for deadline := time.Now().Add(5 * time.Second); len(p.reasons()) == before && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
		if got := p.reasons()[before:]; strings.TrimSpace(got) != tt.reason {
			t.Errorf("%s: refused with %q, want %q", name, got, tt.reason)
		}
	}
	nc, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_, _ = nc.Write([]byte("GET /health HTTP/1.1\r\nHost: gw\r\n\r\n"))
	if b, _ := io.ReadAll(nc); !strings.HasPrefix(string(b), "HTTP/1.1 400 ") || !strings.Contains(string(b), "https://") {
		t.Errorf("plain HTTP is answered with %q", b)
	}
}

// Those who connect and say nothing keep nobody out, and take little memory.
func TestSilentOnes(t *testing.T) {
	p := open(t)
	go func() {
		for {
			nc, err := p.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = nc.Close()
			}
		}
	}()
	const silent = 400
	before := runtime.NumGoroutine()
	for range silent {
		nc, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
	}
	// Half of the places are for others; this one is of the same address, and has
	// to wait until the first of them are given up.
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(p.reasons(), tlsport.ReasonTooMany) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if n := runtime.NumGoroutine() - before; n > 2*(128+10) {
		t.Errorf("%d goroutines wait for them", n)
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 2 * time.Second}
	c, err := tls.DialWithDialer(other, "tcp", p.Addr().String(), p.trust)
	if err != nil {
		t.Fatalf("another address is kept out: %v", err)
	}
	_ = c.Close()
	if n := strings.Count(p.reasons(), tlsport.ReasonTooMany); n < silent-128 {
		t.Errorf("%d of %d were turned away", n, silent)
	}
}

// When all places are taken, those who say nothing lose theirs soon.
func TestSilentOnesAreGivenUp(t *testing.T) {
	p := open(t)
	go func() {
		for {
			nc, err := p.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = nc.Close()
			}
		}
	}()
	from := func(last byte) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}, Timeout: 7 * time.Second}
	}
	for i := range 256 {
		nc, err := from(byte(2+i/128)).Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
	}
	c, err := tls.DialWithDialer(from(9), "tcp", p.Addr().String(), p.trust)
	if err != nil {
		t.Fatalf("they keep others out for longer than it may take: %v", err)
	}
	_ = c.Close()
	if p.reasons() == "" || strings.Trim(p.reasons(), " timeou") != "" {
		t.Errorf("refused with %.100q", p.reasons())
	}
}

// pattern is a stream in which each place shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i>>8)*7 ^ byte(i)
	}
	return b
}

// What is written in whatever pieces, past a reader that stops, arrives whole and in
// order.
func TestWritesArrive(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := open(t)
		l, client := p.line(t, version)
		_ = l.TCP().SetWriteBuffer(16 << 10)
		want := pattern(3 << 20)
		sent := make(chan error, 1)
		go func() {
			rest, size, stuck := want, 1, 0
			for len(rest) > 0 {
				piece := rest[:min(size, len(rest))]
				size = size*5/3 + 1
				if size > 200_000 {
					size = 1
				}
				n, err := l.WriteNow(piece)
				if err == nil && n < len(piece) {
					stuck++
					_ = l.TCP().SetWriteDeadline(time.Now().Add(5 * time.Second))
					more := rest[len(piece):min(len(rest), len(piece)+777)]
					err = l.WriteAll([][]byte{piece[n:], nil, more})
					n = len(piece) + len(more)
					_ = l.TCP().SetWriteDeadline(time.Time{})
				}
				if err != nil {
					sent <- err
					return
				}
				rest = rest[n:]
			}
			if stuck < 3 {
				sent <- errors.New("the socket took everything at once")
				return
			}
			l.Shut()
			sent <- nil
		}()
		var got bytes.Buffer
		buf := make([]byte, 50_000)
		for {
			n, err := client.Read(buf)
			got.Write(buf[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%x: %d bytes arrived of %d, or others", version, got.Len(), len(want))
		}
	}
}

// fillUp writes until the socket takes no more, and says how many bytes of whole
// writes count as written.
func fillUp(t *testing.T, l *tlsport.Line) (whole int, rest []byte) {
	t.Helper()
	_ = l.TCP().SetWriteBuffer(16 << 10)
	b := pattern(16 << 10) // a record
	n := len(b)
	for n == len(b) {
		var err error
		if n, err = l.WriteNow(b); err != nil {
			t.Fatal(err)
		}
		if n == len(b) {
			whole += n
		}
	}
	return whole, b[n:]
}

// What counts as written is written, and what waits has an end.
func TestStuckReader(t *testing.T) {
	p := open(t)
	l, client := p.line(t, tls.VersionTLS13)
	whole, _ := fillUp(t, l)
	_ = l.TCP().Close()
	if got, _ := io.Copy(io.Discard, client); got < int64(whole) {
		t.Errorf("%d bytes count as written, and %d came", whole, got)
	}

	l, _ = p.line(t, tls.VersionTLS13)
	_, rest := fillUp(t, l)
	_ = l.TCP().SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if err := l.WriteAll([][]byte{rest, pattern(4 << 20)}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the writer ended with %v", err)
	}
	l.Shut() // returns at once
}
