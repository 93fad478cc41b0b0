package hub

import (
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// EndSessions closes the sockets whose token belongs to one of the sessions with
// 4501, at once, whatever waits for them.
func (h *Hub) EndSessions(ids []gateway.SessionID) {
	over := make(map[gateway.SessionID]struct{}, len(ids))
	for _, id := range ids {
		over[id] = struct{}{}
	}
	delete(over, "") // what tokens without a session have is no name
	h.cut(wire.CloseSessionRevoked, func(s *Session) bool {
		_, ok := over[s.token]
		return ok
	})
}

// CloseAccount closes all sockets of the account with 4502, at once, whatever
// waits for them.
func (h *Hub) CloseAccount(name gateway.AccountName) {
	h.cut(wire.CloseAccountDisabled, func(s *Session) bool { return s.user() == name })
}

func (h *Hub) cut(code wire.CloseCode, match func(*Session) bool) {
	for _, s := range h.those(match) {
		s.Abort(code)
	}
}

// abortGrace is how long a cut peer has to take the rest of what was begun, and to
// learn why it is cut.
const abortGrace = 500 * time.Millisecond

// Abort closes the session at once, whatever waits: that is dropped. The close
// frame is sent as soon as it does not land inside another frame, which is at once
// unless the peer reads slowly; half a second later the socket ends without.
func (s *Session) Abort(code wire.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abortLocked(code, DropClosed)
}

func (s *Session) abortLocked(code wire.CloseCode, reason DropReason) {
	s.uncorkLocked()
	if s.closing && s.queuedBytes == 0 {
		return
	}
	before := s.closing
	s.closing = true
	if s.closeCode == 0 {
		s.closeCode = code
	}
	switch {
	case s.socket == nil:
		s.dropQueueLocked(reason)
	case before:
		s.dropQueueLocked(reason)
		s.socket.Shutdown()
	case s.writing:
		s.closeBehindBegunLocked(reason)
		s.wakeReplaysLocked()
		time.AfterFunc(abortGrace, s.socket.Shutdown)
	default:
		s.dropQueueLocked(reason)
		// A few bytes that do not fit now would not fit later either.
		_, _ = s.socket.WriteNow(wire.AppendClose(nil, code, s.hub.retryAfter(code)))
		s.socket.Shutdown()
	}
}

// retryAfter is when one client should return that is closed with the code; 0
// leaves it to the client.
func (h *Hub) retryAfter(code wire.CloseCode) time.Duration {
	switch code {
	case wire.CloseRestart, wire.CloseGoingAway:
		return h.slot()
	case wire.CloseRateLimited:
		return ratePause
	}
	return 0
}

// giveUpLocked closes a session that reads too slowly: whoever is slow, and not
// stuck, reads on and then learns why. The writer's deadline ends the others.
func (s *Session) giveUpLocked() {
	s.closing = true
	s.closeCode = wire.CloseSlowConsumer
	s.closeBehindBegunLocked(DropSlowConsumer)
}

// closeBehindBegunLocked drops everything that waits, but for a frame that was
// begun, and has the writer send the close frame behind that.
func (s *Session) closeBehindBegunLocked(reason DropReason) {
	var begun []chunk
	if len(s.queue) > 0 && s.queue[0].begun {
		begun = append(begun, s.queue[0])
		s.queue = s.queue[1:]
	}
	s.dropQueueLocked(reason)
	end := chunk{bytes: wire.AppendClose(nil, s.closeCode, s.hub.retryAfter(s.closeCode))}
	s.queuedBytes += end.cost()
	s.queue = append(begun, end)
}

// PeerClosed answers the peer's close frame with its own code (RFC 6455 section
// 5.5.1); 0 stands for a close without code.
func (s *Session) PeerClosed(code wire.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.uncorkLocked()
	if code == 0 {
		s.sendLocked(wire.AppendFrame(nil, wire.OpClose, nil))
	} else {
		s.sendLocked(wire.AppendFrame(nil, wire.OpClose, []byte{byte(code >> 8), byte(code)}))
	}
	s.closing = true
	s.wakeReplaysLocked()
	if !s.writing {
		s.socket.Shutdown()
	}
}

// breakLocked ends a session whose socket failed, or was ended under its
// writer.
func (s *Session) breakLocked() {
	s.closing = true
	reason := DropClosed
	if s.closeCode == wire.CloseSlowConsumer {
		reason = DropSlowConsumer
	}
	s.dropQueueLocked(reason)
	s.socket.Shutdown()
}

// closeAfterQueue sends what waits, then the close frame, then ends.
func (s *Session) closeAfterQueue(code wire.CloseCode, retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.uncorkLocked()
	if s.socket != nil {
		s.sendLocked(wire.AppendClose(nil, code, retryAfter))
	}
	s.closing = true
	s.wakeReplaysLocked()
	if s.closeCode == 0 {
		s.closeCode = code
	}
	if s.socket != nil && !s.writing {
		s.socket.Shutdown()
	}
}
