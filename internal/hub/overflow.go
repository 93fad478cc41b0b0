package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// makeRoomLocked drops what waits longest in rooms whose policy allows it, until
// the queue fits again. It reports false when there is nothing left to drop and
// the socket has to be closed.
func (s *Session) makeRoomLocked() bool {
	limit := s.hub.opts.Limits.QueueBytes
	for i := 0; i < len(s.queue) && s.queuedBytes > limit; i++ {
		c := &s.queue[i]
		if c.droppable() && c.sub.room.settings.Overflow == gateway.OverflowDropOldest {
			s.dropToGapLocked(i, c.last, DropOldest)
		}
	}
	s.compactLocked()
	return s.queuedBytes <= limit
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

// splitNewestLocked turns the chunk at i into a gap and a chunk of its newest
// message only.
func (s *Session) splitNewestLocked(i int) {
	c := s.queue[i]
	c.batch.retain()
	newest := c
	newest.first = c.last
	newest.bytes = c.batch.json[c.batch.lastJSON:]
	if s.format == wire.FormatRaw {
		newest.bytes = c.batch.raw[c.batch.lastRaw:]
	}
	s.dropToGapLocked(i, c.last-1, DropKeepLatest)
	s.queue = append(s.queue, newest)
	s.queuedBytes += len(newest.bytes)
}

// dropToGapLocked replaces the chunk at i by a gap up to last, merged with the
// gap before it if the room has one waiting. The gap stands where the messages
// stood, so that it is read before the next message of its room.
func (s *Session) dropToGapLocked(i int, last gateway.Seq, reason DropReason) {
	c := &s.queue[i]
	s.hub.opts.Metrics.Dropped(reason, int(last-c.first)+1)
	s.queuedBytes -= len(c.bytes)
	first := c.first
	c.drop()
	for j := i - 1; j >= 0; j-- {
		if g := &s.queue[j]; g.sub == c.sub {
			if g.gap {
				first = g.first
				s.queuedBytes -= len(g.bytes)
				g.sub, g.bytes = nil, nil
			}
			break
		}
	}
	*c = chunk{sub: c.sub, first: first, last: last, gap: true}
	if s.format == wire.FormatJSON { // raw has no frame to say it with
		c.bytes = wire.AppendGap(nil, c.sub.room.id, first, last, string(reason))
		s.queuedBytes += len(c.bytes)
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
