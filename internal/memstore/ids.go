package memstore

import (
	"container/list"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
)

const (
	// defaultIDBytes suits a board with 512 MB: some 180,000 ids.
	defaultIDBytes = 16 << 20
	// idSlack is the part that is made free when ids have to go, so that it
	// is not done for each message: a sixteenth.
	idSlack = 16
	// publisherOverhead is about what a publisher costs besides its ids.
	publisherOverhead = 400
)

// publisher is what one account published in one room under an id.
type publisher struct {
	room  *room
	user  gateway.AccountName
	list  once.List
	bytes int64
	place *list.Element // in Store.publishers
}

// Find looks for a message of the room that the account published under the same
// id: one of the last five minutes, or one of the account's newest 64 ids in the
// room whatever their age, whether the message is still kept or not. When the ids
// of all accounts are too many for memory, the oldest of those with the most are
// forgotten first, and the newest 64 only with publishers that were silent for the
// longest. The error is always nil.
func (s *Store) Find(id gateway.RoomID, user gateway.AccountName, message gateway.MessageID) (gateway.Found, error) {
	now := gateway.Timestamp(s.opts.Now().UnixMilli())
	sum := once.SumOf(string(message))
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[id]
	if r == nil || r.publishers[user] == nil {
		return gateway.Found{}, nil
	}
	p := r.publishers[user]
	s.publishers.MoveToFront(p.place)
	e, ok := p.list.Find(sum, int64(max(now, r.head.TS)))
	if !ok {
		return gateway.Found{}, nil
	}
	return gateway.Found{Seq: gateway.Seq(e.Seq), TS: gateway.Timestamp(e.TS)}, nil
}

func (s *Store) rememberLocked(r *room, m *gateway.Message) {
	p := r.publishers[m.User]
	if p == nil {
		p = &publisher{room: r, user: m.User}
		if r.publishers == nil {
			r.publishers = make(map[gateway.AccountName]*publisher)
		}
		r.publishers[m.User] = p
		p.place = s.publishers.PushFront(p)
	}
	s.publishers.MoveToFront(p.place)
	p.list.Add(once.Entry{Sum: once.SumOf(string(m.ID)), Seq: uint64(m.Seq), TS: int64(m.TS)})
	s.countLocked(p)
	if s.idBytes > s.opts.IDBytes {
		s.fitLocked()
	}
}

// fitLocked makes space for ids: of the publishers with the most the oldest go,
// and when all are down to their newest 64, those that were silent for the longest.
func (s *Store) fitLocked() {
	now := gateway.Timestamp(s.opts.Now().UnixMilli())
	goal := s.opts.IDBytes - s.opts.IDBytes/idSlack
	var long []*publisher
	var lists []*once.List
	for e := s.publishers.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*publisher); p.list.Len() > once.Newest {
			p.list.Trim(int64(max(now, p.room.head.TS)))
			s.countLocked(p)
			long, lists = append(long, p), append(lists, &p.list)
		}
	}
	if over := s.idBytes - goal; over > 0 {
		once.Shorten(lists, int(over/once.EntryBytes)+1)
	}
	for _, p := range long {
		s.countLocked(p)
	}
	for s.idBytes > goal && s.publishers.Len() > 1 {
		s.forgetLocked(s.publishers.Back().Value.(*publisher))
	}
}

// countLocked follows what the list of a publisher takes.
func (s *Store) countLocked(p *publisher) {
	s.idBytes -= p.bytes
	p.bytes = int64(publisherOverhead + p.list.Bytes())
	s.idBytes += p.bytes
}

func (s *Store) forgetLocked(p *publisher) {
	s.idBytes -= p.bytes
	s.publishers.Remove(p.place)
	delete(p.room.publishers, p.user)
}
