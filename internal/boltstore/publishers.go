package boltstore

import (
	"container/list"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
)

// publishers counts what all publishers take of memory. Those in idle may be
// forgotten, since the file has their ids too, and are in the order of their last
// use, the newest first; those in held have ids that are in no fill yet.
type publishers struct {
	idle, held list.List
	bytes      int
	// Beyond most, idle ones are forgotten; beyond full, ids of held ones are
	// cut, or beyond full and excess when that was not enough.
	most, full, excess int
}

// put counts the publisher anew and puts it in front of the others of its kind.
func (ps *publishers) put(p *publisher) {
	ps.remove(p)
	if p.unfilled {
		p.place = ps.held.PushFront(p)
	} else {
		p.place = ps.idle.PushFront(p)
	}
	ps.count(p)
}

// count follows what the list of a publisher in place takes.
func (ps *publishers) count(p *publisher) {
	ps.bytes -= p.bytes
	p.bytes = publisherOverhead + p.list.Bytes()
	ps.bytes += p.bytes
}

// use moves the publisher in front of the others of its kind, if it is in place.
func (ps *publishers) use(p *publisher) {
	if p.place != nil && !p.unfilled {
		ps.idle.MoveToFront(p.place)
	}
}

func (ps *publishers) remove(p *publisher) {
	if p.place == nil {
		return
	}
	ps.idle.Remove(p.place) // does nothing when it is in the other one
	ps.held.Remove(p.place)
	ps.bytes -= p.bytes
	p.place, p.bytes = nil, 0
}

// forget lets go what can be read again, as long as there is too much.
func (ps *publishers) forget() {
	for ps.bytes > ps.most && ps.idle.Len() > 1 {
		last := ps.idle.Back().Value.(*publisher)
		ps.remove(last)
		delete(last.room.publishers, last.user)
	}
	if ps.bytes <= ps.full {
		ps.excess = 0
	}
}

// fit lets go what can be read again, and when that is not enough, what is in no
// fill yet: of the publishers with the most ids the oldest, never the newest 64 of
// any. The next fill deletes in the file what was cut here.
func (ps *publishers) fit(now gateway.Timestamp) {
	ps.forget()
	if ps.bytes <= ps.full+ps.excess {
		return
	}
	var long []*publisher
	var lists []*once.List
	for e := ps.held.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*publisher); p.list.Len() > once.Newest {
			p.list.Trim(int64(max(now, p.room.head.TS)))
			ps.count(p)
			long, lists = append(long, p), append(lists, &p.list)
		}
	}
	if over := ps.bytes - (ps.full - ps.full/idSlack); over > 0 {
		once.Shorten(lists, over/once.EntryBytes+1)
	}
	for _, p := range long {
		ps.count(p)
	}
	// Those that keep 64 each may be too many still: what may wait for a fill
	// bounds them. Nothing is won by looking again with each message.
	ps.excess = max(0, ps.bytes+ps.full/idSlack-ps.full)
}
