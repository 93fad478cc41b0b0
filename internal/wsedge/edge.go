// Package wsedge is where WebSockets enter: the handshake with everything that
// is decided before it, the frame guard in front of the WebSocket library, and
// the socket that a hub session writes to. It is the only importer of gws.
//
// It gives no message a meaning; that is hub's and wire's business.
package wsedge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/lxzan/gws"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// readBufferBytes is small because there is one for every connection; longer
// payloads are read past it, straight into their message.
const readBufferBytes = 256

// Authenticator tells whose token it is. Its errors are *gateway.Error with
// CodeInvalidToken, CodeTokenExpired or CodeUnavailable.
type Authenticator interface {
	Authenticate(ctx context.Context, raw string) (accounts.Identity, error)
	// Revision moves after every change that an Identity depends on, and
	// before the hub is told of it.
	Revision() uint64
}

// Options are an edge's fixed parts; all are required.
type Options struct {
	Hub  *hub.Hub
	Auth Authenticator
	// Refuse answers a request that does not become a WebSocket.
	Refuse func(http.ResponseWriter, *http.Request, error)
	// Rejected counts refused handshakes by error code.
	Rejected func(gateway.Code)
	Logger   *slog.Logger
	Clock    interface{ Now() time.Time }
	// MaxMessageBytes is the largest message, its fragments taken together.
	MaxMessageBytes int
	// MessageRate is data frames a second and connection, 0 for no limit.
	MessageRate int
	// SendBufferBytes is asked of the kernel for each socket; 0 leaves its
	// default, in which minutes of a stuck reader can hide.
	SendBufferBytes int
}

// Edge upgrades requests and runs their connections. It is an http.Handler.
type Edge struct {
	opts   Options
	limits guardLimits
	// gws answers `bearer` only when it is told to, and fails a handshake
	// that does not offer it: so there is one upgrader for each case.
	plain, bearer *gws.Upgrader
}

// New makes an edge.
func New(opts Options) *Edge {
	e := &Edge{opts: opts}
	rate, burst := frameLimits(uint32(opts.MessageRate))
	e.limits = guardLimits{
		maxMessage: uint32(opts.MaxMessageBytes), frameRate: rate, frameBurst: burst,
		now: func() int64 { return opts.Clock.Now().UnixNano() },
	}
	option := func(subprotocols ...string) *gws.ServerOption {
		return &gws.ServerOption{
			ReadBufferSize:     readBufferBytes,
			ReadMaxPayloadSize: opts.MaxMessageBytes,
			CheckUtf8Enabled:   true,
			SubProtocols:       subprotocols,
			NewSession:         func() gws.SessionStorage { return noStorage{} },
			Logger:             quiet{},
		}
	}
	e.plain = gws.NewUpgrader(events{}, option())
	e.bearer = gws.NewUpgrader(events{}, option(wire.Subprotocol))
	return e
}

// ServeHTTP decides everything before the upgrade, so that refusals are plain
// HTTP answers: first whether there is time for it at all, then authentication,
// rights and the rest.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e.serve(w, r); err != nil {
		e.Refused(r, err)
		e.opts.Refuse(w, r, err)
	}
}

// serve returns an error when the request does not become a WebSocket, and has
// not been answered.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) error {
	if err := e.opts.Hub.BeginHandshake(); err != nil {
		return err
	}
	defer e.opts.Hub.EndHandshake()
	session, bearer, err := e.admit(r)
	if err != nil {
		return err
	}
	if err := e.upgrade(w, r, session, bearer); err != nil {
		session.End(0)
		return err
	}
	return nil
}

// Refused counts and logs a handshake that was refused, here or on its way here.
// It answers nothing.
func (e *Edge) Refused(r *http.Request, err error) {
	ge := gateway.AsError(err)
	e.opts.Rejected(ge.Code)
	o := gateway.OriginOf(r.Context())
	e.opts.Logger.LogAttrs(r.Context(), slog.LevelWarn, "handshake refused",
		slog.String("event", "ws_refused"), slog.String("ip", o.IP), slog.String("request_id", o.RequestID),
		slog.String("code", string(ge.Code)), slog.String("reason", ge.Message))
}

func (e *Edge) admit(r *http.Request) (s *hub.Session, bearer bool, err error) {
	raw, bearer, err := tokenOf(r.Header)
	if err != nil {
		return nil, false, err
	}
	revision := e.opts.Auth.Revision()
	id, err := e.opts.Auth.Authenticate(r.Context(), raw)
	if err != nil {
		return nil, false, err
	}
	if err := checkHandshake(r); err != nil {
		return nil, false, err
	}
	ask, err := parseQuery(r.URL.RawQuery, id.Room)
	if err != nil {
		return nil, false, err
	}
	o := gateway.OriginOf(r.Context())
	s, err = e.opts.Hub.Admit(hub.Connect{
		Principal: id.Principal, Room: ask.room, Format: ask.format, Resume: ask.resume,
		IP: o.IP, RequestID: o.RequestID, TokenSession: id.Session, Expires: id.ExpiresAt,
	})
	if err != nil {
		return nil, false, err
	}
	if err := e.catchUp(r.Context(), s, raw, revision); err != nil {
		s.End(0)
		return nil, false, err
	}
	return s, bearer, nil
}

// maxCatchUps is how often a handshake follows changes of accounts. Each of them
// is a commit on disk: a handshake is not overtaken by many.
const maxCatchUps = 8

// catchUp gives an admitted session what has changed since the revision at which
// its token was looked at. Of later changes the hub tells the session itself,
// but one that came before its admission has passed it by.
func (e *Edge) catchUp(ctx context.Context, s *hub.Session, raw string, seen uint64) error {
	for range maxCatchUps {
		now := e.opts.Auth.Revision()
		if now == seen {
			return nil
		}
		seen = now
		id, err := e.opts.Auth.Authenticate(ctx, raw)
		if err != nil {
			return err
		}
		if err := s.SetPrincipal(id.Principal); err != nil {
			return err
		}
	}
	err := gateway.Errorf(gateway.CodeUnavailable, "accounts are changing too fast; try again shortly")
	err.RetryAfter = time.Second
	return err
}

// upgrade takes the connection from the HTTP server and starts its reader.
// After the hijack nothing is answered any more, so it returns an error only
// for what fails before.
func (e *Edge) upgrade(w http.ResponseWriter, r *http.Request, s *hub.Session, bearer bool) error {
	netConn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return gateway.Wrap("wsedge.upgrade", fmt.Errorf("hijack: %w", err))
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	c, err := newConn(netConn, s, &e.limits, early)
	if err != nil {
		_ = netConn.Close()
		s.End(0)
		return nil
	}
	c.setSendBuffer(e.opts.SendBufferBytes)
	upgrader := e.plain
	if bearer {
		upgrader = e.bearer
		r.Header.Set(protocolHeader, wire.Subprotocol)
	}
	// gws knows one spelling of these; checkHandshake has read them all.
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	c.requestID = gateway.OriginOf(r.Context()).RequestID
	ws, err := upgrader.UpgradeFromConn(c, c.reader(), r)
	if err != nil {
		c.refuse()
		_ = netConn.Close()
		s.End(0)
		return nil
	}
	c.upgraded, c.requestID = true, ""
	// A goroutine of its own: the server's has a stack that has grown, and
	// holds the request. What it starts with is done here, so that its own
	// stack stays small for as long as nobody talks.
	go e.serveLoop(ws, c, e.start(c))
	return nil
}

func (e *Edge) start(c *conn) (ok bool) {
	defer func() { e.panicked(c, recover()) }()
	return c.session.Start(c) == nil
}

func (e *Edge) serveLoop(ws *gws.Conn, c *conn, ok bool) {
	defer e.finish(c)
	if ok {
		ws.ReadLoop()
	}
}

// finish is the reader's last deed.
func (e *Edge) finish(c *conn) {
	e.panicked(c, recover())
	c.linger()
	c.session.End(c.peerCode)
}

// panicked ends a connection that panicked, if it did. A panic in the library or
// under it costs that one connection, never the gateway.
func (e *Edge) panicked(c *conn, p any) {
	if p == nil {
		return
	}
	e.opts.Logger.LogAttrs(context.Background(), slog.LevelError, "connection panicked",
		slog.String("event", "ws_panic"), slog.String("connection", c.session.ID()),
		slog.String("reason", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	c.session.Abort(wire.CloseRestart)
}
