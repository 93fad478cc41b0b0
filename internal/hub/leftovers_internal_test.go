package hub

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Leftovers tells what a hub without sessions and publishers still holds on to,
// which should be nothing.
func (h *Hub) Leftovers() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []string
	for id, r := range h.rooms {
		left = append(left, fmt.Sprintf("room %s with %d references and %d subscribers", id, r.refs, len(r.subs)))
	}
	for s := range h.sessions {
		left = append(left, fmt.Sprintf("session %s of %s", s.id, s.user()))
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
	if h.admitted != 0 {
		left = append(left, fmt.Sprintf("%d admitted", h.admitted))
	}
	return left
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
