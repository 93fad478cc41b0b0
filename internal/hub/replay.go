package hub

import (
	"sync"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

const (
	// maxPageMessages is how many messages a replay reads at once, fewer
	// where they are long: about maxPageBytes of them.
	maxPageMessages = 200
	maxPageBytes    = 128 << 10
	// firstPageMessages is how many it reads before it knows how long they
	// are.
	firstPageMessages = 16
	// invisibleWait is how long a replay waits before it looks again for
	// messages that were announced and that the history does not show yet:
	// those of a room that has just become fsynced, until their commit.
	invisibleWait = 10 * time.Millisecond
)

// replay is a subscription's way from what its client has to the live stream. It
// reads the history page by page, and waits before each page until little is
// queued, so that it goes as fast as the client reads. The live stream passes it
// by meanwhile: that is in the history, too. Only when a page is left, what is
// announced from then on is held, and follows that page. If holding it takes too
// much, it is let go again, to be read from the history in its turn.
//
// All members are guarded by session.mu.
type replay struct {
	// closing in: the page up to upTo is the last, and what is announced
	// behind it is held.
	joining  bool
	paging   bool // has one of the hub's turns
	upTo     gateway.Seq
	held     []*batch
	heldCost int
}

// replays are what the replays of one session share. They take turns, so that
// there is one page in memory for each session, however many rooms it resumes.
type replays struct {
	changed *sync.Cond // on session.mu: a turn or the queue has changed, or a subscription ended
	running int
	turn    *subscription // whose page is on its way, or nil
}

// startReplayLocked brings the subscription what lies between its position and
// the live stream, on a goroutine of its own: the reader goes on.
func (s *Session) startReplayLocked(sub *subscription) {
	if s.closing {
		return
	}
	if s.replays == nil {
		s.replays = &replays{changed: sync.NewCond(&s.mu)}
	}
	s.replays.running++
	sub.replay = &replay{}
	s.hub.flushing.Add(1)
	go s.replayLoop(sub)
}

func (s *Session) wakeReplaysLocked() {
	if s.replays != nil {
		s.replays.changed.Broadcast()
	}
}

// replayLoop ends when the subscription is live, or has ended.
func (s *Session) replayLoop(sub *subscription) {
	defer s.hub.flushing.Done()
	limit := firstPageMessages
	for {
		q, more := s.nextPage(sub, limit)
		if !more {
			return
		}
		s.takePage(sub.replay)
		page, err := sub.room.history.Page(sub.room.id, q)
		if err != nil {
			s.hub.logError(s, err)
			s.Abort(wire.CloseFor(gateway.CodeOf(err)))
		} else {
			s.bring(sub, &page, q)
			limit = pageLimit(page.Messages, limit)
		}
		s.givePage(sub.replay)
	}
}

// takePage waits for one of the turns that all replays of the hub share.
func (s *Session) takePage(rp *replay) {
	s.hub.pages.take()
	s.mu.Lock()
	defer s.mu.Unlock()
	rp.paging = true
}

func (s *Session) givePage(rp *replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.givePageLocked(rp)
}

func (s *Session) givePageLocked(rp *replay) {
	if rp.paging {
		rp.paging = false
		s.hub.pages.give()
	}
}

// nextPage waits for the subscription's turn, and says what to read next. It
// reports false when there is nothing more to read for it.
func (s *Session) nextPage(sub *subscription, limit int) (q gateway.HistoryQuery, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, rp := s.replays, sub.replay
	for !s.overLocked(sub) {
		switch {
		case all.turn != nil && all.turn != sub || s.queuedBytes > s.replayBytes():
			all.changed.Wait()
		case rp.joining && sub.seq < rp.upTo:
			return s.pageLocked(sub, rp.upTo, limit), true
		case rp.joining && s.queuedBytes > 0 && s.queuedBytes+rp.heldCost > s.hub.queueBytes():
			all.changed.Wait() // the live stream is not begun with an overflow
		case rp.joining:
			s.goLiveLocked(sub)
			return q, false
		default:
			s.approachLocked(sub, limit)
			if !rp.joining {
				return s.pageLocked(sub, rp.upTo, limit), true
			}
		}
	}
	s.endReplayLocked(sub)
	return q, false
}

// overLocked reports whether nothing more is to be sent to the subscription.
func (s *Session) overLocked(sub *subscription) bool { return s.closing || !sub.active }

// replayBytes is how much may wait when a replay adds to it.
func (s *Session) replayBytes() int { return min(maxBatchBytes, s.hub.queueBytes()/4) }

func (s *Session) pageLocked(sub *subscription, upTo gateway.Seq, limit int) gateway.HistoryQuery {
	s.replays.turn = sub
	return gateway.HistoryQuery{After: sub.seq, Before: upTo + 1, Limit: limit, OldestFirst: true}
}

// approachLocked looks how far the subscription is behind. If a page is left, it
// ends the batch that is being filled: so every batch is either behind the page,
// and held, or in it.
func (s *Session) approachLocked(sub *subscription, limit int) {
	r, rp := sub.room, sub.replay
	r.mu.Lock()
	defer r.mu.Unlock()
	rp.upTo = r.announced
	if rp.upTo-sub.seq <= gateway.Seq(limit) {
		rp.joining, r.sealed = true, true
	}
}

// holdLocked keeps a batch that is announced while the last page is on its way.
func (s *Session) holdLocked(sub *subscription, b *batch) {
	rp := sub.replay
	if !rp.joining || b.last <= rp.upTo {
		return // the replay comes to it
	}
	cost := len(b.json) + chunkBytes
	if len(rp.held) > 0 && rp.heldCost+cost > s.hub.queueBytes()/2 {
		rp.letGo()
		s.wakeReplaysLocked()
		return
	}
	b.retain()
	rp.held = append(rp.held, b)
	rp.heldCost += cost
}

// letGo gives up joining the live stream.
func (rp *replay) letGo() {
	for _, b := range rp.held {
		b.release()
	}
	rp.joining, rp.held, rp.heldCost = false, nil, 0
}

func (s *Session) goLiveLocked(sub *subscription) {
	delivered := 0
	for _, b := range sub.replay.held {
		if !s.closing {
			delivered += s.giveLocked(sub, b)
		}
	}
	s.hub.opts.Metrics.Delivered.Add(int64(delivered))
	s.endReplayLocked(sub)
}

func (s *Session) endReplayLocked(sub *subscription) {
	sub.replay.letGo()
	sub.replay = nil
	all := s.replays
	if all.turn == sub {
		all.turn = nil
	}
	if all.running--; all.running == 0 {
		s.replays = nil
	}
	all.changed.Broadcast()
}

// bring sends a page, and a gap for what is missing in it.
func (s *Session) bring(sub *subscription, page *gateway.HistoryPage, q gateway.HistoryQuery) {
	next, rest := q.After+1, page.Messages
	for len(rest) > 0 {
		if first := rest[0].Seq; first > next {
			s.bringGap(sub, next, first-1)
			next = first
		}
		b := s.hub.newBatch(next, nil)
		for len(rest) > 0 && rest[0].Seq == next && b.size() < s.replayBytes() {
			b.lastJSON, b.last = len(b.json), next
			b.json = wire.AppendMessage(b.json, sub.room.id, &rest[0])
			next, rest = next+1, rest[1:]
		}
		if !s.bringBatch(sub, b) {
			return
		}
	}
	if len(page.Messages) == 0 {
		s.bringNothing(sub, page.Head, next, q.Before-1)
	}
	s.endTurn(sub)
}

// bringNothing deals with an empty page. What the history has had, and cannot
// give, is a gap; what it does not show yet comes later.
func (s *Session) bringNothing(sub *subscription, head gateway.RoomHead, first, last gateway.Seq) {
	switch {
	case first < head.Oldest:
		s.bringGap(sub, first, min(last, head.Oldest-1))
	case first <= head.Seq:
		s.bringGap(sub, first, min(last, head.Seq))
	default:
		sub.room.history.Flush()
		s.pauseReplay(sub)
	}
}

// pauseReplay returns after invisibleWait, or earlier when something happens to
// the session's replays.
func (s *Session) pauseReplay(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overLocked(sub) {
		return
	}
	s.givePageLocked(sub.replay)
	timer := time.AfterFunc(invisibleWait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wakeReplaysLocked()
	})
	defer timer.Stop()
	s.replays.changed.Wait()
}

// bringBatch sends a run of messages as soon as the queue has space for it. It
// reports false when the subscription has ended.
func (s *Session) bringBatch(sub *subscription, b *batch) bool {
	defer b.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	cost := len(b.json) + chunkBytes
	for !s.overLocked(sub) && s.queuedBytes > 0 && s.queuedBytes+cost > 2*s.replayBytes() {
		s.givePageLocked(sub.replay) // nobody else waits for this client
		s.replays.changed.Wait()
	}
	if s.overLocked(sub) {
		return false
	}
	sub.seq = b.last
	n, ok := s.writeNowLocked(b.json)
	switch {
	case !ok:
		return false
	case n == len(b.json):
		s.hub.opts.Metrics.Delivered.Add(int64(b.messages()))
		return true
	}
	b.countWaiting(&s.hub.waiting)
	b.retain()
	s.queueLocked(chunk{
		bytes: b.json[n:], batch: b, sub: sub,
		first: b.first, last: b.last, begun: n > 0, replayed: true,
	})
	return true
}

// bringGap says that messages cannot be brought any more.
func (s *Session) bringGap(sub *subscription, first, last gateway.Seq) {
	reason := DropDamaged
	if head, err := sub.room.history.Head(sub.room.id); err != nil || first < head.Oldest {
		reason = DropPurged
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overLocked(sub) {
		return
	}
	sub.seq = last
	s.leaveOutLocked(sub, first, last, reason)
}

// leaveOutLocked tells, and counts, what a replay does not bring.
func (s *Session) leaveOutLocked(sub *subscription, first, last gateway.Seq, reason DropReason) {
	s.hub.opts.Metrics.Dropped(reason, int(last-first)+1)
	s.sendAboutLocked(sub, wire.AppendGap(nil, sub.room.id, first, last, string(reason)))
}

// endTurn lets the session's other replays go on, unless this one has the live
// stream waiting.
func (s *Session) endTurn(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.replays; all.turn == sub && !sub.replay.joining {
		all.turn = nil
		all.changed.Broadcast()
	}
}

// pageLimit chooses the next page's length by the bytes of the last one.
func pageLimit(messages []gateway.Message, before int) int {
	if len(messages) == 0 {
		return before
	}
	size := 0
	for i := range messages {
		size += len(messages[i].Payload.Bytes) + messageBytes
	}
	return max(1, min(maxPageMessages, maxPageBytes*len(messages)/size))
}

// messageBytes is about what a message takes beside its payload.
const messageBytes = 128
