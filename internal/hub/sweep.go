package hub

import (
	"context"
	"log/slog"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// tokenGrace is how long a socket outlives its token.
const tokenGrace = 25 * time.Second

// observeEvery is how often each live room's subscribers are observed.
const observeEvery = 10 * time.Second

// Run pings, closes who is silent or whose token has ended, tells who has left
// or stopped to type, and observes rooms, until ctx is done. One ticker does it for all connections, so that an idle
// one costs no timer. A ping, or the end of a silent peer, may come one sweep
// late: at most a second.
func (h *Hub) Run(ctx context.Context) error {
	ticker := time.NewTicker(h.tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			h.sweep(h.ticks.Add(1))
		case answer := <-h.beats:
			h.all() // through the lock that everything goes through
			close(answer)
		}
	}
}

// Beat returns nil when the goroutine of Run has answered, between two sweeps, and
// ctx's error when it has not by the end of ctx. It is for a watchdog.
func (h *Hub) Beat(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case h.beats <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ticksIn rounds up: a deadline is never early.
func (h *Hub) ticksIn(d time.Duration) uint32 {
	return uint32((d + h.tickEvery - 1) / h.tickEvery)
}

func (h *Hub) sweep(tick uint32) {
	ping := wire.AppendFrame(nil, wire.OpPing, nil)
	every := h.ticksIn(h.opts.Limits.PingInterval)
	silent := h.ticksIn(h.opts.Limits.PingInterval + gateway.IdleGrace)
	now := h.opts.Clock.Now()
	pressed := h.Pressure() >= PressureConnections
	for _, s := range h.all() {
		switch {
		case -s.expiresIn(now) > tokenGrace:
			s.Abort(wire.CloseTokenExpired)
		case tick-s.seen.Load() > silent:
			s.Abort(wire.CloseIdleTimeout)
		case tick != s.born && (tick-s.born)%every == 0:
			s.ping(ping)
		}
		if s.expiresIn(now) <= tokenWarning {
			s.warn(now)
		}
		s.tellExcess(now)
		if pressed {
			s.trim()
		}
	}
	h.tendRooms(tick, now)
	if tick%max(1, h.ticksIn(time.Second)) == 0 {
		h.observe(tick%h.ticksIn(observeEvery) == 0)
	}
}

func (h *Hub) observe(subscribers bool) {
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	for _, r := range rooms {
		r.mu.Lock()
		published, subs := r.published, len(r.subs)
		r.published = 0
		r.mu.Unlock()
		if published > 0 {
			h.opts.Metrics.RoomMessageRate.Observe(float64(published))
		}
		if subscribers && subs > 0 {
			h.opts.Metrics.RoomSubscribers.Observe(float64(subs))
		}
	}
}

func (h *Hub) logError(s *Session, err error) {
	h.opts.Logger.LogAttrs(context.Background(), slog.LevelError, "command failed",
		slog.String("event", "command_failed"), slog.String("user", string(s.user())),
		slog.String("connection", s.id), slog.Any("reason", err))
}
