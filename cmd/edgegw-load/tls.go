package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"syscall"
	"time"
)

// descriptor is a file descriptor as crypto/tls wants it, a net.Conn, and still
// outside of the runtime's poller.
type descriptor struct{ fd int }

// Read says os.ErrDeadlineExceeded when nothing is there: after that error a
// tls.Conn can be read on.
func (d descriptor) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(d.fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, os.ErrDeadlineExceeded
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write waits for the socket: what a publisher sends is small.
func (d descriptor) Write(p []byte) (int, error) {
	for sent := 0; ; {
		n, err := syscall.Write(d.fd, p[sent:])
		sent += max(n, 0)
		switch {
		case sent == len(p):
			return sent, nil
		case err == syscall.EAGAIN:
			time.Sleep(20 * time.Microsecond)
		case err != nil && err != syscall.EINTR:
			return sent, err
		}
	}
}

func (d descriptor) Close() error                     { return syscall.Close(d.fd) }
func (d descriptor) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (d descriptor) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (d descriptor) SetDeadline(time.Time) error      { return nil }
func (d descriptor) SetReadDeadline(time.Time) error  { return nil }
func (d descriptor) SetWriteDeadline(time.Time) error { return nil }

// secure does the handshake. The server is the benchmark's own, so that nobody's
// certificate is checked.
func (c *conn) secure() error {
	c.secured = tls.Client(descriptor{c.fd}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) // #nosec G402 -- see above
	return c.secured.Handshake()
}

// receive is a read on a blocking socket; send writes everything.
func (c *conn) receive(b []byte) (int, error) {
	if c.secured != nil {
		return c.secured.Read(b)
	}
	return readSome(c.fd, b)
}

func (c *conn) send(b []byte) error {
	if c.secured != nil {
		_, err := c.secured.Write(b)
		return err
	}
	return writeAll(c.fd, b)
}

// readSecured reads until nothing is left: what TLS holds already, no poller tells
// of.
func (l *loop) readSecured(c *conn) error {
	for {
		held := copy(l.buf, c.partial)
		n, err := c.secured.Read(l.buf[held : held+readChunk])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.take(c, l.buf[:held+n]); err != nil {
			return err
		}
	}
}

// listenSecured is TLS for the baseline, with a certificate for nobody.
func listenSecured(addr string) (net.Listener, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", addr, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
}
