package hub

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// Socket is a session's way out. WriteNow and WriteAll are called with the
// session's lock held or from its one writer goroutine, never both at once.
// Shutdown may come at any time and more than once.
type Socket interface {
	// WriteNow writes what can be written without waiting and says how much
	// that was.
	WriteNow(p []byte) (int, error)
	// WriteAll writes everything, or fails when the peer takes nothing for
	// the timeout.
	WriteAll(bufs [][]byte, timeout time.Duration) error
	// Shutdown ends the sending side, and a WriteAll that is under way; the
	// reader sees the end soon after, also when the peer does nothing.
	Shutdown()
}

// Connect is what a client asks for when it connects.
type Connect struct {
	Principal gateway.Principal
	Room      gateway.RoomID
	Format    wire.Format
	IP        string
	RequestID string
	// TokenSession is the session that the token names, or empty.
	TokenSession string
	// Expires is when the token ends.
	Expires time.Time
}

// Session is one connection. Text, Binary and End are called by its reader,
// one at a time; everything else may come from any goroutine.
type Session struct {
	// Fixed after construction.
	hub       *Hub
	id        string
	principal gateway.Principal
	raw       bool           // the format
	room      gateway.RoomID // the default room
	ip        string
	token     string
	expires   gateway.Timestamp
	socket    Socket // set by Start
	born      uint32 // the tick of its beginning; pings are spread by it

	// seen is the tick of the last sign of life.
	seen atomic.Uint32

	// Owned by the reader.
	limiter *rate.Limiter // nil without a limit

	// Guarded by mu.
	mu          sync.Mutex
	subs        []*subscription // changed by the reader only
	queue       []chunk
	queuedBytes int  // the cost of queue and of what the writer holds
	writing     bool // a writer goroutine runs
	closing     bool // nothing more is queued
	closeCode   wire.CloseCode
}

// Admit checks a client's rights and the limits, and reserves its place. Every
// admitted session has to be ended with End, also when it was never started. It
// returns CodeForbidden, CodeRateLimited for a limit of one's own, and
// CodeUnavailable when the gateway is full or stopping.
func (h *Hub) Admit(c Connect) (*Session, error) {
	p := c.Principal
	if p.Role != gateway.RoleAdmin && !p.Grants.AllowAny(gateway.RightRead|gateway.RightWrite, c.Room) {
		return nil, gateway.Errorf(gateway.CodeForbidden, "no grant for this room; ask an administrator for one")
	}
	s := &Session{
		hub:       h,
		id:        h.idPrefix + strconv.FormatUint(h.nextID.Add(1), 36),
		principal: p,
		raw:       c.Format == wire.FormatRaw,
		room:      c.Room,
		ip:        c.IP,
		token:     c.TokenSession,
		expires:   gateway.Timestamp(c.Expires.UnixMilli()),
		born:      h.ticks.Load(),
	}
	s.seen.Store(s.born)
	if n := h.opts.Limits.MessageRate; n > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(n), 2*n)
	}
	if err := h.reserve(s); err != nil {
		return nil, err
	}
	// The line that ties the request to the connection; the request's id is
	// not kept.
	h.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "connection admitted",
		slog.String("event", "ws_opened"), slog.String("user", string(p.Name)), slog.String("room", string(c.Room)),
		slog.String("ip", c.IP), slog.String("request_id", c.RequestID), slog.String("connection", s.id))
	return s, nil
}

func (h *Hub) reserve(s *Session) error {
	l := h.opts.Limits
	h.mu.Lock()
	defer h.mu.Unlock()
	over := func(have, limit int) bool { return limit > 0 && have >= limit }
	switch {
	case h.closing:
		return h.stoppingError()
	case over(h.admitted, l.Connections):
		err := gateway.Errorf(gateway.CodeUnavailable, "the gateway has as many connections as it may (max_connections)")
		err.RetryAfter = h.retrySlot(h.admitted)
		return err
	case over(h.perIP[s.ip], l.ConnectionsPerIP):
		return tooMany("this address")
	case over(h.perName[s.principal.Name], l.ConnectionsPerAccount):
		return tooMany("this account")
	}
	h.admitted++
	h.perIP[s.ip]++
	h.perName[s.principal.Name]++
	h.sessions[s] = struct{}{}
	return nil
}

func tooMany(who string) error {
	err := gateway.Errorf(gateway.CodeRateLimited, "%s has as many connections as it may; close one first", who)
	err.RetryAfter = 5 * time.Second
	return err
}

// Start binds the session to its socket, greets the client and joins the
// default room. After an error the session is closed already.
func (s *Session) Start(socket Socket) error {
	s.mu.Lock()
	s.socket = socket
	early, code := s.closing, s.closeCode
	s.mu.Unlock()
	if early { // the hub began to stop between Admit and Start
		_, _ = socket.WriteNow(wire.AppendClose(nil, code, s.hub.retrySlot(1)))
		socket.Shutdown()
		return gateway.Errorf(gateway.CodeUnavailable, "the gateway is stopping")
	}
	if !s.raw {
		s.send(s.welcome())
	}
	if !s.principal.May(gateway.RightRead, s.room) {
		return nil
	}
	if err := s.subscribe(s.room); err != nil {
		s.Abort(wire.CloseFor(gateway.CodeOf(err)))
		return err
	}
	return nil
}

func (s *Session) welcome() []byte {
	h := s.hub
	now := h.opts.Clock.Now()
	return wire.AppendWelcome(nil, wire.Welcome{
		User:            s.principal.Name,
		Role:            s.principal.Role,
		Room:            s.room,
		Connection:      s.id,
		Session:         s.token,
		ServerTime:      gateway.Timestamp(now.UnixMilli()),
		Clock:           h.opts.ClockState(),
		ExpiresIn:       max(0, time.UnixMilli(int64(s.expires)).Sub(now)),
		PingInterval:    h.opts.Limits.PingInterval,
		MaxMessageBytes: h.opts.Limits.MessageBytes,
	})
}

// ID names the connection in frames, logs and to administrators.
func (s *Session) ID() string { return s.id }

// Touch notes a sign of life: any frame counts.
func (s *Session) Touch() { s.seen.Store(s.hub.ticks.Load()) }

// Closing reports whether the session takes no more frames.
func (s *Session) Closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// End leaves every room and gives the session's place back. peer is the close
// code that ended the connection if the gateway did not end it itself; 0 means
// none was received. The reader calls it once, last.
func (s *Session) End(peer uint16) {
	s.mu.Lock()
	s.closing = true
	s.dropQueueLocked(DropClosed)
	subs := s.subs
	s.subs = nil
	for _, sub := range subs {
		sub.active = false
		sub.room.remove(sub)
	}
	code := uint16(s.closeCode)
	s.mu.Unlock()
	for _, sub := range subs {
		s.hub.release(sub.room)
	}
	if code == 0 {
		code = peer
	}
	if code == 0 {
		code = uint16(wire.CloseAbnormal)
	}
	s.hub.leave(s)
	s.hub.opts.Metrics.Closed(code)
	s.hub.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "connection ended",
		slog.String("event", "ws_closed"), slog.String("user", string(s.principal.Name)),
		slog.String("room", string(s.room)), slog.String("ip", s.ip),
		slog.String("connection", s.id), slog.Int("code", int(code)))
}

func (h *Hub) leave(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.admitted--
	if h.perIP[s.ip]--; h.perIP[s.ip] == 0 {
		delete(h.perIP, s.ip)
	}
	if h.perName[s.principal.Name]--; h.perName[s.principal.Name] == 0 {
		delete(h.perName, s.principal.Name)
	}
	if h.closing && h.admitted == 0 {
		h.drainedLocked()
	}
}
