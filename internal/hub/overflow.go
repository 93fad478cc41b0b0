package hub

import (
	"bytes"
	"slices"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// makeRoomLocked drops what waits longest in rooms whose policy allows it, until
// the queue fits again. It reports false when there is nothing left to drop and
// the socket has to be closed.
func (s *Session) makeRoomLocked() bool {
	limit := s.hub.queueBytes()
	for i := 0; i < len(s.queue) && s.queuedBytes > limit; i++ {
		c := &s.queue[i]
		if c.droppable() && c.sub.room.settings.Load().Overflow == gateway.OverflowDropOldest {
			s.dropToGapLocked(i, c.last, DropOldest)
		}
	}
	s.compactLocked()
	return s.queuedBytes <= limit || s.onlyTheLeastWaitsLocked()
}

// onlyTheLeastWaitsLocked reports whether what is too long is in the writer's hands
// alone, which may be a whole batch: behind it waits no more than a gap for each
// room, and the newest message of those that keep the latest.
func (s *Session) onlyTheLeastWaitsLocked() bool {
	return !slices.ContainsFunc(s.queue, func(c chunk) bool {
		newest := c.carries() && c.first == c.last && c.sub.room.settings.Load().Overflow == gateway.OverflowKeepLatest
		return !c.gap && !newest
	})
}

// trim has the overflow policies look at a queue that was not too long when it
// was filled, and may be now.
func (s *Session) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing && len(s.queue) > 1 && s.queuedBytes > s.hub.queueBytes() && !s.makeRoomLocked() {
		s.giveUpLocked()
	}
}

// keepLatestLocked leaves only the newest message of the last chunk's room.
func (s *Session) keepLatestLocked() {
	newest := len(s.queue) - 1
	sub := s.queue[newest].sub
	for i := range newest {
		if c := &s.queue[i]; c.sub == sub && c.droppable() {
			s.dropToGapLocked(i, c.last, DropKeepLatest)
		}
	}
	if c := &s.queue[newest]; c.droppable() && c.first < c.last {
		s.splitNewestLocked(newest)
	}
	s.compactLocked()
}

// splitNewestLocked turns the last chunk, at i, into a gap and a chunk of its
// newest message only. That message is copied: it shall not keep a whole batch
// waiting with it.
func (s *Session) splitNewestLocked(i int) {
	c := s.queue[i]
	newest := chunk{sub: c.sub, first: c.last, last: c.last}
	if s.raw {
		newest.bytes = bytes.Clone(c.batch.raw[c.batch.lastRaw:])
	} else {
		newest.bytes = bytes.Clone(c.batch.json[c.batch.lastJSON:])
	}
	s.dropToGapLocked(i, c.last-1, DropKeepLatest)
	s.queue = append(s.queue, newest)
	s.queuedBytes += newest.cost()
}

// dropToGapLocked replaces the chunk at i by a gap up to last, merged with the
// gap before it if the room has one waiting. The gap stands where the messages
// stood, so that it is read before the next message of its room.
func (s *Session) dropToGapLocked(i int, last gateway.Seq, reason DropReason) {
	c := &s.queue[i]
	s.hub.opts.Metrics.Dropped(reason, int(last-c.first)+1)
	s.queuedBytes -= c.cost()
	first := c.first
	c.drop()
	for j := i - 1; j >= 0; j-- {
		if g := &s.queue[j]; g.sub == c.sub {
			if g.gap {
				first = g.first
				s.queuedBytes -= g.cost()
				g.sub, g.bytes = nil, nil
			}
			break
		}
	}
	*c = chunk{sub: c.sub, first: first, last: last, gap: true}
	if !s.raw { // raw has no frame to say it with
		c.bytes = wire.AppendGap(nil, c.sub.room.id, first, last, string(reason))
		s.queuedBytes += c.cost()
	}
}

// compactLocked removes chunks that have nothing left to write. A gap of the
// raw format is one: it is remembered only while others may merge with it.
func (s *Session) compactLocked() {
	kept := s.queue[:0]
	for _, c := range s.queue {
		if len(c.bytes) > 0 {
			kept = append(kept, c)
		}
	}
	clear(s.queue[len(kept):])
	s.queue = kept
}
