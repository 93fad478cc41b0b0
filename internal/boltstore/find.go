package boltstore

import (
	"container/list"

	"edgegw/internal/gateway"
)

const (
	// maxPublisherBytes bounds what publishers take of memory whose ids
	// could be read from the file again.
	maxPublisherBytes = 4 << 20
	publisherOverhead = 256
)

// publisher is what is known of the ids that one account gave in one room. It is
// guarded by History.mu.
type publisher struct {
	room *room
	user gateway.AccountName
	list idList
	// loaded says that the list has what the file holds; without that it
	// has only what was appended since.
	loaded bool
	// unfilled says that the list holds ids which are in no fill yet: it
	// is then the only place to find them in.
	unfilled bool
	// asked is what Find was asked for last, and sum its sum: in most cases
	// it is appended next.
	asked gateway.MessageID
	sum   idSum
	// place is where the publisher stands among those that may be
	// forgotten, or nil; bytes is what it counts there.
	place *list.Element
	bytes int
}

// publishers holds those that may be forgotten, the last used first.
type publishers struct {
	list  list.List
	bytes int
	most  int
}

func (ps *publishers) put(p *publisher) {
	if p.place != nil {
		ps.remove(p)
	}
	p.bytes = publisherOverhead + p.list.bytes()
	ps.bytes += p.bytes
	p.place = ps.list.PushFront(p)
	for ps.bytes > ps.most && ps.list.Len() > 1 {
		last := ps.list.Back().Value.(*publisher)
		ps.remove(last)
		delete(last.room.publishers, last.user)
	}
}

func (ps *publishers) remove(p *publisher) {
	if p.place != nil {
		ps.list.Remove(p.place)
		ps.bytes -= p.bytes
		p.place = nil
	}
}

// Find looks for a message of the room that the account published under the same
// id: one of the last five minutes, up to 4,096 of them, or one of the account's
// newest 64 ids in the room whatever their age, whether the message is still kept
// or not. The caller keeps others from appending to the room. It returns
// CodeUnavailable when the file cannot be read.
func (h *History) Find(id gateway.RoomID, user gateway.AccountName, message gateway.MessageID) (gateway.Found, error) {
	now := gateway.Timestamp(h.opts.Now().UnixMilli())
	sum := sumID(message)
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		return gateway.Found{}, nil
	}
	p := r.publishers[user]
	if p == nil {
		p = &publisher{room: r, user: user}
		r.enter(p)
	}
	if err := h.loadLocked(p); err != nil {
		return gateway.Found{}, err
	}
	p.asked, p.sum = message, sum
	e, ok := p.list.find(sum, max(now, r.head.TS))
	if !ok {
		return gateway.Found{}, nil
	}
	found := gateway.Found{Seq: e.seq, TS: e.ts}
	if i := e.seq - r.filled - 1; e.seq > r.committed && i < gateway.Seq(len(r.tail)) {
		found.Record = r.tail[i]
	}
	return found, nil
}

// loadLocked reads what the file holds, without the lock, unless that was done.
func (h *History) loadLocked(p *publisher) error {
	if p.place != nil {
		h.publishers.list.MoveToFront(p.place)
	}
	if p.loaded {
		return nil
	}
	if p.room.filled > 0 {
		newest := p.room.head.Seq
		h.mu.Unlock()
		older, err := h.readIDs(p.room.id, p.user, newest)
		h.mu.Lock()
		if err != nil {
			return err
		}
		p.list.precede(older)
		p.list.trim(p.room.head.TS)
	}
	p.loaded = true
	// It may have been forgotten while the lock was open: it serves this once.
	if !p.unfilled && p.room.publishers[p.user] == p {
		h.publishers.put(p)
	}
	return nil
}

// rememberLocked notes the id of a message that was just appended.
func (h *History) rememberLocked(r *room, m *gateway.Message) {
	p := r.publishers[m.User]
	if p == nil {
		p = &publisher{room: r, user: m.User}
		r.enter(p)
	}
	if !p.unfilled {
		p.unfilled = true
		h.publishers.remove(p)
		r.unfilled = append(r.unfilled, p)
	}
	if p.asked != m.ID {
		p.sum = sumID(m.ID)
	}
	p.list.add(idEntry{sum: p.sum, seq: m.Seq, ts: m.TS})
	p.asked = ""
}

func (r *room) enter(p *publisher) {
	if r.publishers == nil {
		r.publishers = make(map[gateway.AccountName]*publisher)
	}
	r.publishers[p.user] = p
}

// releaseLocked lets those be forgotten whose ids a fill has put on disk.
func (h *History) releaseLocked(r *room) {
	left := r.unfilled[:0]
	for _, p := range r.unfilled {
		if p.list.newest() > r.filled {
			left = append(left, p)
			continue
		}
		p.unfilled = false
		h.publishers.put(p)
	}
	clear(r.unfilled[len(left):])
	r.unfilled = left
}

// forgetLocked lets all of them go, with a room's messages.
func (h *History) forgetLocked(r *room) {
	for _, p := range r.publishers {
		h.publishers.remove(p)
	}
	r.publishers, r.unfilled = nil, nil
}
