package memstore

import (
	"container/list"
	"sort"
	"time"

	"edgegw/internal/gateway"
)

// What is remembered of the ids that an account gave to its messages in a room:
// the newest 64 whatever their age, and what else has been published in the last
// five minutes, up to a bound.
const (
	newestIDs = 64
	idWindow  = 5 * time.Minute
	mostIDs   = 4096
)

const (
	// idShare is the part of the total that ids may take: a quarter.
	idShare = 4
	// publisherOverhead and idOverhead are about what a publisher and one
	// of its ids cost besides their bytes.
	publisherOverhead = 400
	idOverhead        = 120
)

// publisher is what one account published in one room under an id.
type publisher struct {
	room *room
	user gateway.AccountName
	// entries ascend by seq; newest has the newest of each id among them.
	entries []published
	newest  map[gateway.MessageID]gateway.Seq
	bytes   int64
	place   *list.Element // in Store.publishers
}

type published struct {
	id  gateway.MessageID
	seq gateway.Seq
	ts  gateway.Timestamp
}

// Find looks for a message of the room that the account published under the same
// id: one of the last five minutes, up to 4,096 of them, or one of the account's
// newest 64 ids in the room whatever their age, whether the message is still kept
// or not. The ids of publishers that were silent for the longest go when all
// together take a quarter of the store. The error is always nil.
func (s *Store) Find(id gateway.RoomID, user gateway.AccountName, message gateway.MessageID) (gateway.Found, error) {
	now := gateway.Timestamp(s.opts.Now().UnixMilli())
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[id]
	if r == nil || r.publishers[user] == nil {
		return gateway.Found{}, nil
	}
	p := r.publishers[user]
	s.publishers.MoveToFront(p.place)
	seq, ok := p.newest[message]
	if !ok {
		return gateway.Found{}, nil
	}
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].seq >= seq })
	e := &p.entries[i]
	if len(p.entries)-i > newestIDs && e.ts < idCutoff(max(now, r.head.TS)) {
		return gateway.Found{}, nil
	}
	return gateway.Found{Seq: e.seq, TS: e.ts}, nil
}

func (s *Store) rememberLocked(r *room, m *gateway.Message) {
	p := r.publishers[m.User]
	if p == nil {
		p = &publisher{room: r, user: m.User, newest: make(map[gateway.MessageID]gateway.Seq)}
		if r.publishers == nil {
			r.publishers = make(map[gateway.AccountName]*publisher)
		}
		r.publishers[m.User] = p
		p.place = s.publishers.PushFront(p)
		s.countLocked(p, publisherOverhead)
	}
	s.publishers.MoveToFront(p.place)
	p.entries = append(p.entries, published{m.ID, m.Seq, m.TS})
	p.newest[m.ID] = m.Seq
	s.countLocked(p, idOverhead+int64(len(m.ID)))
	s.countLocked(p, -p.trim(m.TS))
	for s.idBytes > s.opts.TotalBytes/idShare && s.publishers.Len() > 1 {
		s.forgetLocked(s.publishers.Back().Value.(*publisher))
	}
}

// trim lets go what can never be found again, and returns how many bytes that
// were. It takes the time of the room's newest message: the next one's is no less.
func (p *publisher) trim(ts gateway.Timestamp) (freed int64) {
	n, cutoff := 0, idCutoff(ts)
	for left := len(p.entries); left > newestIDs && (left > mostIDs || p.entries[n].ts < cutoff); left-- {
		e := &p.entries[n]
		if p.newest[e.id] == e.seq {
			delete(p.newest, e.id)
		}
		freed += idOverhead + int64(len(e.id))
		*e = published{}
		n++
	}
	p.entries = p.entries[n:]
	return freed
}

// countLocked adds to what ids take, which is a part of what the store takes.
func (s *Store) countLocked(p *publisher, bytes int64) {
	p.bytes += bytes
	s.idBytes += bytes
	s.bytes += bytes
}

func (s *Store) forgetLocked(p *publisher) {
	s.countLocked(p, -p.bytes)
	s.publishers.Remove(p.place)
	delete(p.room.publishers, p.user)
}

func idCutoff(ts gateway.Timestamp) gateway.Timestamp {
	return ts - gateway.Timestamp(idWindow.Milliseconds())
}
