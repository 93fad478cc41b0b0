package hub

import (
	"errors"
	"os"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// maxWriteBytes is how much the writer takes out of the queue at once; the
// rest stays there, where the overflow policy can still reach it.
const maxWriteBytes = 64 << 10

// chunkBytes is what a waiting chunk counts beside its bytes. It bounds how many
// may wait: a peer that asks for tiny answers and reads none would otherwise
// take a multiple of its limit in bookkeeping.
const chunkBytes = 256

// chunk is something that waits for a socket: a batch's bytes, which are shared
// and counted, or bytes of the session's own.
type chunk struct {
	bytes []byte
	batch *batch        // nil for bytes of the session's own
	sub   *subscription // nil unless the bytes are about its room
	// first and last are the seqs that the bytes carry, or that a gap stands
	// for; 0 where the bytes only tell where the room stands.
	first, last gateway.Seq
	gap         bool
	// begun is true when the peer already has the chunk's beginning: the
	// rest has to follow. replayed is true when a replay brought it, which
	// sees to it itself that little waits: the policies leave it alone.
	begun, replayed bool
}

// carries reports whether the chunk's bytes are messages.
func (c *chunk) carries() bool { return c.first > 0 && !c.gap }

func (c *chunk) droppable() bool { return c.carries() && !c.begun && !c.replayed }

// cost is what the chunk counts against Limits.QueueBytes. One that has nothing
// to write is on its way out of the queue.
func (c *chunk) cost() int {
	if len(c.bytes) == 0 {
		return 0
	}
	return len(c.bytes) + chunkBytes
}

func (c *chunk) drop() {
	if c.batch != nil {
		c.batch.release()
		c.batch = nil
	}
	c.bytes = nil
}

// messages is how many messages the chunk delivers once it is written.
func (c *chunk) messages() int {
	if !c.carries() {
		return 0
	}
	return int(c.last-c.first) + 1
}

// deliver gives a batch to one subscriber and returns how many messages were
// written. It never waits: what the socket does not take at once is queued, and
// counted when the writer has written it.
func (s *Session) deliver(sub *subscription, b *batch) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing || !sub.active:
		return 0
	case len(b.ephemerals) > 0:
		s.hearLocked(b)
		return 0
	case b.last <= sub.seq:
		return 0 // a replay has brought it already
	case sub.replay != nil:
		s.holdLocked(sub, b)
		return 0
	}
	return s.giveLocked(sub, b)
}

func (s *Session) giveLocked(sub *subscription, b *batch) int {
	sub.seq = b.last
	bytes := b.json
	if s.raw {
		bytes = b.raw
	}
	n, ok := s.writeNowLocked(bytes)
	switch {
	case !ok:
		return 0
	case n == len(bytes):
		return b.messages()
	}
	b.retain()
	s.queueLocked(chunk{
		bytes: bytes[n:], batch: b, sub: sub,
		first: b.first, last: b.last, begun: n > 0,
	})
	return 0
}

// send gives bytes of the session's own to the socket. The caller does not
// touch them again.
func (s *Session) send(bytes []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendLocked(bytes)
}

func (s *Session) sendLocked(bytes []byte) { s.sendAboutLocked(nil, bytes) }

// sendAboutLocked sends what stands between the messages of sub's room, and
// may not change places with them or with a gap.
func (s *Session) sendAboutLocked(sub *subscription, bytes []byte) {
	if s.closing {
		return
	}
	if s.corked {
		s.greeting = append(s.greeting, bytes...)
		return
	}
	n, ok := s.writeNowLocked(bytes)
	if ok && n < len(bytes) {
		s.queueLocked(chunk{bytes: bytes[n:], sub: sub, begun: n > 0})
	}
}

// writeNowLocked writes what the socket takes at once, provided that nothing
// waits before it. ok is false when the socket is broken.
func (s *Session) writeNowLocked(bytes []byte) (n int, ok bool) {
	if s.uncorkLocked(); s.closing {
		return 0, false
	}
	if s.writing || len(s.queue) > 0 {
		return 0, true
	}
	n, err := s.socket.WriteNow(bytes)
	if err != nil {
		s.breakLocked()
		return n, false
	}
	return n, true
}

// queueLocked appends the chunk and sees to it that a writer runs. If more
// waits than may, the overflow policy of the chunk's room decides; one chunk may
// always wait, however long it is.
func (s *Session) queueLocked(c chunk) {
	s.queue = append(s.queue, c)
	s.queuedBytes += c.cost()
	if c.carries() && !c.replayed && c.sub.room.settings.Load().Overflow == gateway.OverflowKeepLatest {
		s.keepLatestLocked()
	}
	if len(s.queue) > 1 && s.queuedBytes > s.hub.queueBytes() && !s.makeRoomLocked() {
		s.giveUpLocked()
	}
	if !s.writing {
		s.writing = true
		s.hub.flushing.Add(1)
		go s.writeLoop()
	}
}

// writeLoop lives until the queue is empty.
func (s *Session) writeLoop() {
	defer s.hub.flushing.Done()
	var held []chunk
	var bufs [][]byte
	for {
		s.mu.Lock()
		delivered := 0
		for i := range held {
			delivered += held[i].messages()
			s.queuedBytes -= held[i].cost()
			held[i].drop()
		}
		s.hub.opts.Metrics.Delivered.Add(int64(delivered))
		s.wakeReplaysLocked()
		held, bufs = s.takeLocked(held[:0], bufs[:0])
		if len(held) == 0 {
			s.writing = false
			if s.closing {
				s.socket.Shutdown()
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := s.socket.WriteAll(bufs, s.hub.opts.Limits.WriteTimeout); err != nil {
			s.mu.Lock()
			s.writing = false
			if errors.Is(err, os.ErrDeadlineExceeded) && s.closeCode == 0 {
				s.closeCode = wire.CloseSlowConsumer // it cannot be told any more
			}
			s.queue = append(held, s.queue...) // lost like the rest of it
			s.breakLocked()
			s.mu.Unlock()
			return
		}
	}
}

// takeLocked moves chunks from the queue to the writer.
func (s *Session) takeLocked(held []chunk, bufs [][]byte) ([]chunk, [][]byte) {
	size, n := 0, 0
	// Two long messages at once would leave no room for a third: the newest
	// would be dropped as soon as it came.
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n].bytes) <= maxWriteBytes) {
		size += len(s.queue[n].bytes)
		bufs = append(bufs, s.queue[n].bytes)
		n++
	}
	held = append(held, s.queue[:n]...)
	rest := copy(s.queue, s.queue[n:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	if rest == 0 {
		s.queue = nil
	}
	return held, bufs
}

// Control sends a control frame, as soon as what waits before it is written.
func (s *Session) Control(op wire.Opcode, payload []byte) {
	s.send(wire.AppendFrame(nil, op, payload))
}

func (s *Session) dropQueueLocked(reason DropReason) {
	dropped := 0
	for i := range s.queue {
		c := &s.queue[i]
		dropped += c.messages()
		s.queuedBytes -= c.cost()
		c.drop()
	}
	s.queue = nil
	if dropped > 0 {
		s.hub.opts.Metrics.Dropped(reason, dropped)
	}
}
