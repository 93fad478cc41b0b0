package hub

import (
	"context"
	"log/slog"
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
	TokenSession gateway.SessionID
	// Expires is when the token ends.
	Expires time.Time
	// Resume is what the client has of the default room; the raw format has
	// no resuming.
	Resume wire.Resume
}

// Session is one connection. Start, Text, Binary and End are called by its
// reader, one at a time; everything else may come from any goroutine.
type Session struct {
	// Fixed after construction.
	hub     *Hub
	id      string
	room    gateway.RoomID // the default room
	ip      string
	address string // what the ip is counted under
	since   gateway.Timestamp
	socket  Socket // set by Start
	raw     bool   // the format
	born    uint32 // the tick of its beginning; pings are spread by it

	// seen is the tick of the last sign of life.
	seen atomic.Uint32
	// expires is when the token ends, in Unix milliseconds.
	expires atomic.Int64
	// token is the token's session: written by the reader, with Hub.mu held.
	token gateway.SessionID

	// principal is replaced as a whole, with mu held. What happens with mu
	// held too sees the newest; a message that was checked just before may
	// still go through. Its name and kind stay.
	principal atomic.Pointer[gateway.Principal]

	// Owned by the reader.
	limiter *rate.Limiter // nil without a limit
	resume  *wire.Resume  // for Start; nil when nothing is resumed

	// Guarded by mu; but the list of subs is changed by the reader only, which
	// may read it without. Anyone else only ends a subscription, and leaves it
	// in the list, where it holds its room: the reader may be publishing there.
	mu     sync.Mutex
	excess *excess // nil as long as the limit was kept
	subs   []*subscription
	// greeting gathers what a session begins with, for one write; corked is
	// true until that.
	greeting    []byte
	corked      bool
	queue       []chunk
	queuedBytes int      // the cost of queue and of what the writer holds
	ended       bool     // some of subs have ended
	writing     bool     // a writer goroutine runs
	closing     bool     // nothing more is queued
	replays     *replays // nil while nothing is replayed
	closeCode   wire.CloseCode
	warned      bool   // the client knows that its token ends soon
	rtt         uint32 // of the newest ping, in µs; 0 while none has come back
	pinged      int64  // when the ping was sent that has not come back, in µs, or 0
}

// Start binds the session to its socket, greets the client and joins the
// default room. After an error the session is closed already.
func (s *Session) Start(socket Socket) error {
	s.mu.Lock()
	s.socket = socket
	early, code := s.closing, s.closeCode
	s.corked = !early
	s.mu.Unlock()
	defer s.uncork()
	if early { // it was closed between Admit and Start
		_, _ = socket.WriteNow(wire.AppendClose(nil, code, s.hub.retryAfter(code)))
		socket.Shutdown()
		return gateway.Errorf(gateway.CodeUnavailable, "the connection was closed before it began")
	}
	if !s.raw {
		s.greet()
	}
	var resume wire.Resume
	if s.resume != nil {
		resume, s.resume = *s.resume, nil
	}
	err := s.subscribe(s.room, resume)
	if err == nil || gateway.CodeOf(err) == gateway.CodeForbidden {
		return nil // with `w` alone nothing is delivered
	}
	s.Abort(wire.CloseFor(gateway.CodeOf(err)))
	return err
}

// uncork sends what a session begins with.
func (s *Session) uncork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncorkLocked()
}

// uncorkLocked is called before anything that does not belong to the beginning. It
// writes also when there is nothing to say: the socket may have kept its answer to
// the handshake for it.
func (s *Session) uncorkLocked() {
	if !s.corked {
		return
	}
	s.corked = false
	begin := s.greeting
	s.greeting = nil
	n, err := s.socket.WriteNow(begin)
	switch {
	case err != nil:
		s.breakLocked()
	case n < len(begin):
		s.queueLocked(chunk{bytes: begin[n:], begun: n > 0})
	}
}

// greet sends the welcome frame, and if the token ends soon says so at once.
func (s *Session) greet() {
	h, p := s.hub, s.principal.Load()
	now := h.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendLocked(wire.AppendWelcome(nil, wire.Welcome{
		User:            p.Name,
		Role:            p.Role,
		Room:            s.room,
		Connection:      s.id,
		Session:         string(s.token),
		ServerTime:      gateway.Timestamp(now.UnixMilli()),
		Clock:           h.opts.ClockState(),
		ExpiresIn:       max(0, s.expiresIn(now)),
		PingInterval:    h.opts.Limits.PingInterval,
		MaxMessageBytes: h.opts.Limits.MessageBytes,
	}))
	s.warned = false
	s.warnLocked(now)
}

// ID names the connection in frames, logs and to administrators.
func (s *Session) ID() string { return s.id }

// user names the session's account.
func (s *Session) user() gateway.AccountName { return s.principal.Load().Name }

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
	for _, sub := range s.subs {
		sub.endLocked()
	}
	s.reapLocked()
	s.subs = nil
	code := uint16(s.closeCode)
	s.mu.Unlock()
	if code == 0 {
		code = peer
	}
	if code == 0 {
		code = uint16(wire.CloseAbnormal)
	}
	s.hub.leave(s)
	s.hub.noteClosed(s.principal.Load(), code)
	s.hub.opts.Metrics.Closed(code)
	s.hub.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "connection ended",
		slog.String("event", "ws_closed"), slog.String("user", string(s.user())),
		slog.String("room", string(s.room)), slog.String("ip", s.ip),
		slog.String("connection", s.id), slog.Int("code", int(code)))
}
