package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// Lost is told by the stored history which records can never be stored, though
// subscribers may have seen them. Whoever waits for them is told so, and the
// sockets of their rooms are closed with 1012: their clients come back to a new
// epoch. The history has begun it, and refuses what is published until then.
func (h *Hub) Lost(records []*gateway.Record) {
	err := gateway.Errorf(gateway.CodeStorageFull, "the gateway's disk is full and the message was not stored; send it again later")
	settled := 0
	echoes := h.echo.committed(records)
	rooms := make(map[gateway.RoomID]struct{})
	for _, rec := range records {
		rooms[rec.Room] = struct{}{}
		pub, ok := rec.Ticket.(*publication)
		if !ok {
			continue
		}
		if r := pub.room; r != nil {
			pub.room = nil
			h.release(r)
		}
		for _, p := range append(echoes[rec], pub) {
			p.fail(err)
			settled++
		}
	}
	for id := range rooms {
		h.evict(id)
	}
	h.unsettled.Add(-int64(settled))
}

func (p *publication) fail(err *gateway.Error) {
	p.err = err
	if s := p.session; s != nil {
		s.send(wire.AppendError(nil, err, []byte(p.record.Room), []byte(p.record.Message.ID)))
	}
	p.settle()
}

// evict ends a live room; who enters next finds what the history says.
func (h *Hub) evict(id gateway.RoomID) {
	h.mu.Lock()
	r := h.rooms[id]
	if r == nil {
		h.mu.Unlock()
		return
	}
	r.refs++
	delete(h.rooms, id)
	h.mu.Unlock()
	defer h.release(r)
	r.setGone(true)
	r.restart()
}
