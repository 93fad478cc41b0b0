package client

import (
	"bufio"
	"context"
	"crypto/sha1" // #nosec G505 -- RFC 6455 wants it, and nothing about it is secret
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxHeaderBytes bounds the answer to a handshake.
const maxHeaderBytes = 64 << 10

// dialer opens connections to one gateway.
type dialer struct {
	opts *Options
	base *url.URL
}

// open connects to the gateway, with TLS where its address has https.
func (d *dialer) open(ctx context.Context) (net.Conn, error) {
	secure := d.base.Scheme == "https"
	port := d.base.Port()
	switch {
	case port == "" && secure:
		port = "443"
	case port == "":
		port = "80"
	}
	conn, err := d.opts.Dial(ctx, "tcp", net.JoinHostPort(d.base.Hostname(), port))
	if err != nil || !secure {
		return conn, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.opts.TLS != nil {
		config = d.opts.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = d.base.Hostname()
	}
	config.NextProtos = []string{"http/1.1"} // a WebSocket needs it
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// webSocket opens the WebSocket. What the gateway answers instead is an *Error
// with the status; any other error says that no answer of the gateway came.
func (d *dialer) webSocket(ctx context.Context, token string, query url.Values, alive func()) (*socket, error) {
	ctx, cancel := withTimeout(ctx, d.opts.Clock, d.opts.Timeout)
	defer cancel()
	conn, err := d.open(ctx)
	if err != nil {
		return nil, cause(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	in := &pulse{r: conn, left: maxHeaderBytes, alive: alive}
	r := bufio.NewReader(in)
	err = d.shakeHands(ctx, conn, r, token, query)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, cause(ctx, err)
	}
	in.left = math.MaxInt64
	return &socket{conn: conn, r: r, random: d.opts.Random, max: d.opts.MaxFrameBytes, timeout: d.opts.Timeout}, nil
}

func (d *dialer) shakeHands(ctx context.Context, conn net.Conn, r *bufio.Reader, token string, query url.Values) error {
	var nonce [16]byte
	if _, err := io.ReadFull(d.opts.Random, nonce[:]); err != nil {
		return err
	}
	key := base64.StdEncoding.EncodeToString(nonce[:])
	to := d.base.JoinPath("ws")
	to.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return err
	}
	h := req.Header
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	protocol := ""
	if d.opts.Subprotocol {
		protocol = "bearer"
		h.Set("Sec-WebSocket-Protocol", "bearer, "+token)
	} else {
		h.Set("Authorization", "Bearer "+token)
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	res, err := http.ReadResponse(r, req)
	if err != nil {
		return noEOF(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errorOf(res)
	}
	return checkAnswer(res.Header, key, protocol)
}

// checkAnswer is RFC 6455 section 4.1, and what the gateway promises of the
// subprotocol.
func checkAnswer(h http.Header, key, protocol string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- see the import
	switch {
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "upgrade"):
		return errors.New("client: the answer to the handshake does not upgrade")
	case h.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("client: the answer to the handshake is not to ours")
	case h.Get("Sec-WebSocket-Extensions") != "":
		return errors.New("client: the answer to the handshake has extensions that nobody asked for")
	case h.Get("Sec-WebSocket-Protocol") != protocol:
		return fmt.Errorf("client: the answer to the handshake has the subprotocol %q", h.Get("Sec-WebSocket-Protocol"))
	}
	return nil
}

// cause prefers the reason for which a context ended over what that broke.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pulse reads up to left bytes, and says so whenever some came.
type pulse struct {
	r     io.Reader
	left  int64
	alive func()
}

func (p *pulse) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, errors.New("client: the answer to the handshake is too long")
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if n > 0 {
		p.alive()
	}
	return n, err
}
