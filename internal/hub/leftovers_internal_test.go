package hub

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Leftovers tells what a hub without sessions and publishers still holds on to,
// which should be nothing.
func (h *Hub) Leftovers() []string {
	h.endGraces()
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []string
	for id, r := range h.rooms {
		left = append(left, fmt.Sprintf("room %s with %d references and %d subscribers", id, r.refs, len(r.subs)))
	}
	for s := range h.sessions {
		left = append(left, fmt.Sprintf("session %s of %s", s.id, s.user()))
	}
	for r := range h.watched {
		left = append(left, fmt.Sprintf("watched room %s", r.id))
	}
	for name, n := range h.graces {
		left = append(left, fmt.Sprintf("%d graces of account %s", n, name))
	}
	for ip, n := range h.perIP {
		left = append(left, fmt.Sprintf("%d places of address %s", n, ip))
	}
	for name, n := range h.perName {
		left = append(left, fmt.Sprintf("%d places of account %s", n.taken, name))
	}
	if h.devices != 0 {
		left = append(left, fmt.Sprintf("%d devices", h.devices))
	}
	if n := len(h.echo.waiting) + len(h.changing); n != 0 {
		left = append(left, fmt.Sprintf("%d messages or rooms that something waits for", n))
	}
	if n := h.unsettled.Load(); n != 0 {
		left = append(left, fmt.Sprintf("%d messages that are not settled", n))
	}
	if h.admitted != 0 {
		left = append(left, fmt.Sprintf("%d admitted", h.admitted))
	}
	return left
}

// endGraces lets as much time pass as the rooms that are watched need.
func (h *Hub) endGraces() {
	tick, now := h.ticks.Load(), h.opts.Clock.Now()
	for _, d := range []time.Duration{time.Minute, 2 * time.Minute} {
		h.tendRooms(tick+h.ticksIn(d), now.Add(d))
	}
}

// Waiting tells what waits for the session's socket: how many chunks, what they
// cost, and how much memory their bytes keep alive, a batch counted whole.
func (s *Session) Waiting() (chunks, cost, kept int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[*batch]bool)
	for _, c := range s.queue {
		switch {
		case c.batch == nil:
			kept += cap(c.bytes)
		case !seen[c.batch]:
			seen[c.batch] = true
			kept += c.batch.size()
		}
	}
	return len(s.queue), s.queuedBytes, kept
}

// Replays counts the replays that run.
func (h *Hub) Replays() int {
	n := 0
	for _, s := range h.all() {
		s.mu.Lock()
		if s.replays != nil {
			n += s.replays.running
		}
		s.mu.Unlock()
	}
	return n
}

// Held is what the session's replays hold of the live stream.
func (s *Session) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sub := range s.subs {
		if sub.replay != nil {
			n += sub.replay.heldCost
		}
	}
	return n
}
