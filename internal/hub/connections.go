package hub

import (
	"sort"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// ConnectionInfo describes a live connection to administrators.
type ConnectionInfo struct {
	// ID is what Session.ID returns and Cut takes.
	ID     string
	User   gateway.AccountName
	Kind   gateway.Kind
	Format wire.Format
	// Room is the default room.
	Room gateway.RoomID
	IP   string
	// Since is when it was admitted; LastSeen is when its newest frame came,
	// to the second.
	Since, LastSeen gateway.Timestamp
	// RTT is how long the newest ping took to come back; 0 while none has.
	RTT time.Duration
	// QueueBytes is what waits for the socket and what is being written, in
	// the measure of Limits.QueueBytes; QueueLen is how many pieces wait.
	QueueBytes, QueueLen int
	// Subscriptions is how many rooms it is in.
	Subscriptions int
}

// Connections describes all live connections, the oldest first.
func (h *Hub) Connections() []ConnectionInfo {
	now := h.now()
	sessions := h.all()
	sort.Slice(sessions, func(i, j int) bool {
		a, b := sessions[i], sessions[j]
		if a.since != b.since {
			return a.since < b.since
		}
		return len(a.id) < len(b.id) || len(a.id) == len(b.id) && a.id < b.id
	})
	infos := make([]ConnectionInfo, len(sessions))
	for i, s := range sessions {
		infos[i] = s.info(now)
	}
	return infos
}

func (s *Session) info(now gateway.Timestamp) ConnectionInfo {
	p := s.principal.Load()
	silent := time.Duration(s.hub.ticks.Load()-s.seen.Load()) * s.hub.tickEvery
	format := wire.FormatJSON
	if s.raw {
		format = wire.FormatRaw
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	subscriptions := 0
	for _, sub := range s.subs {
		if sub.active {
			subscriptions++
		}
	}
	return ConnectionInfo{
		ID: s.id, User: p.Name, Kind: p.Kind, Format: format, Room: s.room, IP: s.ip,
		Since: s.since, LastSeen: max(s.since, now-gateway.Timestamp(silent.Milliseconds())),
		RTT: time.Duration(s.rtt) * time.Microsecond, QueueBytes: s.queuedBytes, QueueLen: len(s.queue),
		Subscriptions: subscriptions,
	}
}

// Cut closes the connection with 4501, at once, whatever waits for it. It
// reports false when there is none of that id.
func (h *Hub) Cut(id string) bool {
	found := h.those(func(s *Session) bool { return s.id == id })
	for _, s := range found {
		s.Abort(wire.CloseSessionRevoked)
	}
	return len(found) > 0
}

// ping is left out while other bytes wait: those keep the peer busy enough.
func (s *Session) ping(frame []byte) {
	now := s.hub.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket != nil && len(s.queue) == 0 && !s.writing {
		s.pinged = now.UnixMicro()
		s.sendLocked(frame)
	}
}

// Pong notes how long the newest ping took. The reader calls it for every pong
// frame; one that answers no ping tells nothing.
func (s *Session) Pong() {
	s.mu.Lock()
	pinged := s.pinged
	s.pinged = 0
	s.mu.Unlock()
	if pinged == 0 {
		return
	}
	rtt := min(max(1, s.hub.opts.Clock.Now().UnixMicro()-pinged), int64(maxRTT/time.Microsecond))
	s.mu.Lock()
	s.rtt = uint32(rtt)
	s.mu.Unlock()
}

// maxRTT is more than any ping can take before its silent peer is closed: only
// a clock that jumps ahead can say so.
const maxRTT = time.Hour
