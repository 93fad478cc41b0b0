package boltstore

import (
	"container/list"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
)

const (
	// maxIDBytes bounds what publishers take of memory, so that a board of
	// 512 MB bears it: some 180,000 ids.
	maxIDBytes        = 16 << 20
	publisherOverhead = 256
	// idSlack is the part that is made free when ids have to be cut, so that
	// it is not done for each message: a sixteenth.
	idSlack = 16
)

// publisher is what is known of the ids that one account gave in one room. It is
// guarded by History.mu.
type publisher struct {
	room *room
	user gateway.AccountName
	list once.List
	// loaded says that the list has what the file holds; without that it
	// has only what was appended since. damaged says that the file holds
	// pieces which failed their sum.
	loaded, damaged bool
	// unfilled says that the list holds ids which are in no fill yet: it
	// is then the only place to find them in.
	unfilled bool
	// asked is what Find was asked for last, and sum its sum: in most cases
	// it is appended next.
	asked gateway.MessageID
	sum   once.Sum
	// place is where the publisher stands among the publishers, or nil;
	// bytes is what it counts there.
	place *list.Element
	bytes int
}

// Find looks for a message of the room that the account published under the same
// id: one of the last five minutes, or one of the account's newest 64 ids in the
// room whatever their age, whether the message is still kept or not. When the ids
// of all accounts are too many for memory, the oldest of those with the most are
// forgotten before the five minutes are over. The caller keeps others from
// appending to the room. It returns CodeUnavailable when the file cannot be read.
func (h *History) Find(id gateway.RoomID, user gateway.AccountName, message gateway.MessageID) (gateway.Found, error) {
	now := gateway.Timestamp(h.opts.Now().UnixMilli())
	sum := once.SumOf(string(message))
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
	if err := h.loadLocked(p, now); err != nil {
		return gateway.Found{}, err
	}
	p.asked, p.sum = message, sum
	e, ok := p.list.Find(sum, int64(max(now, r.head.TS)))
	if !ok {
		return gateway.Found{}, nil
	}
	found := gateway.Found{Seq: gateway.Seq(e.Seq), TS: gateway.Timestamp(e.TS)}
	if i := found.Seq - r.filled - 1; found.Seq > r.committed && i < gateway.Seq(len(r.tail)) {
		found.Record = r.tail[i]
	}
	return found, nil
}

// loadLocked reads what the file holds, without the lock, unless that was done.
func (h *History) loadLocked(p *publisher, now gateway.Timestamp) error {
	h.publishers.use(p)
	if p.loaded {
		return nil
	}
	if p.room.filled > 0 {
		newest := p.room.head.Seq
		h.mu.Unlock()
		older, bad, err := h.readIDs(p.room.id, p.user, newest)
		h.mu.Lock()
		if err != nil {
			return err
		}
		p.damaged = bad > 0
		p.list.Precede(older)
		p.list.Trim(int64(max(now, p.room.head.TS)))
	}
	p.loaded = true
	// It may have been forgotten while the lock was open: it serves this once.
	if p.room.publishers[p.user] == p {
		h.publishers.put(p)
		h.publishers.fit(now)
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
	if p.asked != m.ID {
		p.sum = once.SumOf(string(m.ID))
	}
	p.list.Add(once.Entry{Sum: p.sum, Seq: uint64(m.Seq), TS: int64(m.TS)})
	p.asked = ""
	if p.unfilled {
		h.publishers.count(p)
	} else {
		p.unfilled = true
		r.unfilled = append(r.unfilled, p)
		h.publishers.put(p)
	}
	if h.publishers.bytes > h.publishers.most {
		h.publishers.fit(gateway.Timestamp(h.opts.Now().UnixMilli()))
	}
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
		if p.list.Newest() > uint64(r.filled) {
			left = append(left, p)
			continue
		}
		p.unfilled, p.damaged = false, false
		h.publishers.put(p)
	}
	h.publishers.forget()
	clear(r.unfilled[len(left):])
	r.unfilled = left
}

// memoryOf is for a fill of the room.
func (h *History) memoryOf(r *room) idMemory {
	return idMemory{
		oldest: func(user gateway.AccountName) gateway.Seq {
			h.mu.Lock()
			defer h.mu.Unlock()
			if p := r.publishers[user]; p != nil && p.loaded && !p.damaged {
				return gateway.Seq(p.list.Oldest())
			}
			return 0
		},
		damaged: func(user gateway.AccountName, n int) { h.reportDamagedIDs(r.id, user, n) },
	}
}

// forgetLocked lets all of them go, with a room's messages.
func (h *History) forgetLocked(r *room) {
	for _, p := range r.publishers {
		h.publishers.remove(p)
	}
	r.publishers, r.unfilled = nil, nil
}
