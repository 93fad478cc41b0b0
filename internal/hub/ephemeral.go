package hub

import (
	"bytes"
	"time"

	"edgegw/internal/gateway"
)

// ephemeralRate is how many presence and typing frames a room delivers a second
// at most, all its subscribers taken together. Without a limit a thousand
// accounts that return to one room would cost half a million deliveries.
const ephemeralRate = 20_000

// maxEphemeralBytes is how far messages may wait for a room's flusher until
// presence and typing give way to them.
const maxEphemeralBytes = maxPendingBytes / 2

// ephemeral is one presence or typing frame in a batch of such frames. It is not
// meant for the account that caused it.
type ephemeral struct {
	cause gateway.AccountName
	end   int // where it ends in the batch's bytes
}

// whisperLocked puts a frame that nobody keeps behind what waits to be written.
// It reports false when the room has no deliveries left for it, too much waits or
// the gateway is pressed, and true when nobody is there to be told.
func (r *room) whisperLocked(cause gateway.AccountName, frame func(dst []byte) []byte) bool {
	listeners := len(r.subs) - r.raws
	if listeners == 0 || r.crowd.aloneIs(cause) {
		return true
	}
	if r.hub.Pressure() >= PressureEphemeral || r.pendingBytes >= maxEphemeralBytes || !r.crowd.spend(r.hub, listeners) {
		return false
	}
	b := r.ephemeralBatchLocked()
	before := b.size()
	b.json = frame(b.json)
	b.ephemerals = append(b.ephemerals, ephemeral{cause, len(b.json)})
	r.pendingBytes += b.size() - before
	r.startFlusherLocked()
	return true
}

// aloneIs reports whether nobody but the account is there.
func (c *crowd) aloneIs(name gateway.AccountName) bool {
	_, there := c.members.get(name)
	return there && c.members.count() == 1
}

// ephemeralBatchLocked is batchLocked for ephemeral frames, which have batches of
// their own: they go out in their place between the messages, but who does not
// take them at once never gets them.
func (r *room) ephemeralBatchLocked() *batch {
	if n := len(r.pending); n > 0 {
		b := r.pending[n-1]
		if len(b.ephemerals) > 0 && b.size() < maxBatchBytes && r.isForAllLocked(b) {
			return b
		}
	}
	b := r.hub.newBatch(r.announced, r.subs)
	r.shared = true
	r.pending = append(r.pending, b)
	return b
}

// spend takes the deliveries of one frame out of what this tick has left, and
// reports false when that is not enough. The first frame of a tick always goes:
// a room may have more subscribers than its limit has deliveries.
func (c *crowd) spend(h *Hub, deliveries int) bool {
	if now := h.ticks.Load(); c.spentAt != now {
		c.spentAt, c.spent = now, 0
	}
	most := int(ephemeralRate * h.tickEvery / time.Second)
	if c.spent > 0 && int(c.spent)+deliveries > most {
		return false
	}
	c.spent += int32(deliveries)
	return true
}

// hearLocked writes a batch of ephemeral frames, but for those that the
// session's own account has caused. A socket for which anything waits gets none
// of them: they are the first that is shed.
func (s *Session) hearLocked(b *batch) {
	if s.raw {
		return
	}
	me := s.user()
	from, before := 0, 0 // where this run begins, and where the frame before ends
	for _, e := range b.ephemerals {
		if e.cause == me {
			if !s.hearRunLocked(b, from, before) {
				return
			}
			from = e.end
		}
		before = e.end
	}
	s.hearRunLocked(b, from, before)
}

// hearRunLocked writes frames that follow each other. It reports false when the
// socket took less: of a frame that was begun the rest follows, the others are
// left out.
func (s *Session) hearRunLocked(b *batch, from, to int) bool {
	switch {
	case from == to:
		return true
	case s.writing || len(s.queue) > 0:
		return false
	}
	n, ok := s.writeNowLocked(b.json[from:to])
	if !ok || n == 0 || n == to-from {
		return ok && n > 0
	}
	for _, e := range b.ephemerals {
		if e.end >= from+n {
			if rest := b.json[from+n : e.end]; len(rest) > 0 {
				s.queueLocked(chunk{bytes: bytes.Clone(rest), begun: true})
			}
			break
		}
	}
	return false
}
