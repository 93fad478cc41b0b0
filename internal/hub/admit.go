package hub

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// places is what an account takes of the hub.
type places struct {
	taken  int32 // by admitted sessions
	device bool
}

// Admit checks a client's rights and the limits, and reserves its place. Every
// admitted session has to be ended with End, also when it was never started. It
// returns CodeForbidden, CodeRateLimited for a limit of one's own, and
// CodeUnavailable when the gateway is full or stopping.
func (h *Hub) Admit(c Connect) (*Session, error) {
	p := c.Principal
	if err := mayEnter(&p, c.Room); err != nil {
		h.noteRefused(&p, err)
		return nil, err
	}
	s := &Session{
		hub:     h,
		id:      h.idPrefix + strconv.FormatUint(h.nextID.Add(1), 36),
		raw:     c.Format == wire.FormatRaw,
		room:    c.Room,
		ip:      c.IP,
		address: gateway.AddressKey(c.IP),
		token:   c.TokenSession,
		since:   h.now(),
		born:    h.ticks.Load(),
		warned:  true, // until it is welcomed
	}
	if c.Resume != (wire.Resume{}) {
		resume := c.Resume // alone: the rest of c is not kept for it
		s.resume = &resume
	}
	s.principal.Store(&p)
	s.seen.Store(s.born)
	s.expires.Store(c.Expires.UnixMilli())
	if n := h.opts.Limits.MessageRate; n > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(n), 2*n)
	}
	if err := h.reserve(s); err != nil {
		h.noteRefused(&p, err)
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
		err := h.stoppingError()
		err.RetryAfter = h.slot()
		return err
	case over(h.admitted, l.Connections):
		err := gateway.Errorf(gateway.CodeUnavailable, "the gateway has as many connections as it may (max_connections)")
		err.RetryAfter = h.gate.slot(h.opts.Clock.Now(), fullSlot)
		return err
	case over(h.perIP[s.address], l.ConnectionsPerIP):
		return tooMany("this address")
	case over(int(h.perName[s.user()].taken), l.ConnectionsPerAccount):
		return tooMany("this account")
	}
	h.admitted++
	h.perIP[s.address]++
	h.enterLocked(s.principal.Load())
	h.sessions[s] = struct{}{}
	return nil
}

func tooMany(who string) error {
	err := gateway.Errorf(gateway.CodeRateLimited, "%s has as many connections as it may; close one first", who)
	err.RetryAfter = 5 * time.Second
	return err
}

func (h *Hub) leave(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.admitted--
	if h.perIP[s.address]--; h.perIP[s.address] == 0 {
		delete(h.perIP, s.address)
	}
	h.leaveLocked(s.user())
	if h.closing && h.admitted == 0 {
		h.drainedLocked()
	}
}

func (h *Hub) enterLocked(p *gateway.Principal) {
	of := h.perName[p.Name]
	of.taken++
	if of.taken == 1 {
		of.device = p.Kind == gateway.KindDevice
		if of.device {
			h.devices++
		}
	}
	h.perName[p.Name] = of
}

func (h *Hub) leaveLocked(name gateway.AccountName) {
	of := h.perName[name]
	if of.taken--; of.taken > 0 {
		h.perName[name] = of
		return
	}
	delete(h.perName, name)
	if of.device {
		h.devices--
	}
}
