package hub

import (
	"bytes"
	"context"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// publication is a message between its arrival and its ack.
type publication struct {
	record   gateway.Record
	received time.Time
	// room is held until the commit in rooms that announce after it.
	room *room
	// session gets an ack; nil when none is wanted or the publisher is gone.
	session *Session
	// done is closed when the message is as durable as its room's class; nil
	// when nobody waits.
	done chan struct{}
}

// Receipt is what a publisher over HTTP gets back.
type Receipt struct {
	Room       gateway.RoomID
	Seq        gateway.Seq
	TS         gateway.Timestamp
	ID         gateway.MessageID
	Durability gateway.Durability
}

// Publish publishes on behalf of someone without a session, and returns once
// the message is as durable as the room's class says. It returns CodeForbidden
// without a grant to write, CodeUnavailable when the history takes no more, and
// the context's error when it ends first; the message may then still appear.
func (h *Hub) Publish(ctx context.Context, p gateway.Principal, id gateway.RoomID, mid gateway.MessageID, payload gateway.Payload) (Receipt, error) {
	if err := mayWrite(&p, id); err != nil {
		return Receipt{}, err
	}
	r, err := h.acquire(id)
	if err != nil {
		return Receipt{}, err
	}
	defer h.release(r)
	pub := h.newPublication(p.Name, id, string(mid), payload)
	// Kept here as well: settling clears the publication's own.
	done := make(chan struct{})
	pub.done = done
	if err := r.publish(pub); err != nil {
		return Receipt{}, err
	}
	m := pub.record.Message
	select {
	case <-done:
		return Receipt{Room: id, Seq: m.Seq, TS: m.TS, ID: mid, Durability: r.settings.Durability}, nil
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
}

// newPublication copies the payload: the frame it stands in belongs to the
// reader.
func (h *Hub) newPublication(user gateway.AccountName, room gateway.RoomID, id string, payload gateway.Payload) *publication {
	pub := &publication{received: h.opts.Clock.Now()}
	pub.record.Room = room
	pub.record.Message = gateway.Message{
		User: user, ID: gateway.MessageID(id),
		Payload: gateway.Payload{Kind: payload.Kind, Bytes: bytes.Clone(payload.Bytes)},
	}
	return pub
}

// publishCommand is a `message` command, or a bare text or binary frame.
func (s *Session) publishCommand(c wire.Command) error {
	id := s.room
	if len(c.Room) > 0 && string(c.Room) != string(id) {
		id = gateway.RoomID(c.Room)
	}
	p := s.principal.Load()
	if err := mayWrite(p, id); err != nil {
		return err
	}
	var r *room
	if sub := s.joined(id); sub != nil {
		r = sub.room
	} else {
		var err error
		if r, err = s.hub.acquire(id); err != nil {
			return err
		}
		defer s.hub.release(r)
	}
	pub := s.hub.newPublication(p.Name, id, string(c.ID), c.Payload)
	if len(c.ID) > 0 {
		pub.session = s
	}
	s.hub.opts.Metrics.Received.Add(1)
	return r.publish(pub)
}

// publish gives the message its place in the room. The history is asked first:
// what it refuses was never announced.
func (r *room) publish(pub *publication) error {
	h := r.hub
	if err := r.history.Wait(); err != nil {
		return err
	}
	h.unsettled.Add(1)
	if h.stopping.Load() {
		h.unsettled.Add(-1)
		return h.stoppingError()
	}
	if r.settings.Durability != gateway.DurabilityMemory {
		pub.record.Ticket = pub
	}
	late := r.settings.Durability == gateway.DurabilityFsynced
	if late {
		pub.room = r
		h.hold(r)
	}
	if err := r.place(pub, late); err != nil {
		if late {
			h.release(r)
		}
		h.unsettled.Add(-1)
		return err
	}
	if r.settings.Durability == gateway.DurabilityMemory {
		h.opts.Metrics.PublishDuration.Observe(h.opts.Clock.Now().Sub(pub.received).Seconds())
		if s := pub.session; s != nil {
			s.send(wire.AppendAck(nil, pub.ack(gateway.DurabilityMemory)))
		}
		pub.settle()
		h.unsettled.Add(-1)
	}
	return nil
}

func (r *room) place(pub *publication, late bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waitLocked()
	m := &pub.record.Message
	m.Seq = r.head.Seq + 1
	m.TS = max(gateway.Timestamp(pub.received.UnixMilli()), r.head.TS)
	if err := r.history.Append(&pub.record); err != nil {
		return err
	}
	r.head.Seq, r.head.TS = m.Seq, m.TS
	r.published++
	if !late {
		r.announceLocked(m)
	}
	return nil
}

// Committed is told by the stored history which records are on disk now, in
// commit order, from one goroutine at a time.
func (h *Hub) Committed(records []*gateway.Record) {
	now := h.opts.Clock.Now()
	settled := 0
	for _, rec := range records {
		pub, ok := rec.Ticket.(*publication)
		if !ok {
			continue
		}
		settled++
		durability := gateway.DurabilityQueued
		if r := pub.room; r != nil {
			durability = gateway.DurabilityFsynced
			r.mu.Lock()
			r.announceLocked(&rec.Message)
			r.mu.Unlock()
			pub.room = nil
			h.release(r)
		}
		h.opts.Metrics.PublishDuration.Observe(now.Sub(pub.received).Seconds())
		if s := pub.session; s != nil {
			// Many acks of one session become one write.
			h.acks[s] = wire.AppendAck(h.acks[s], pub.ack(durability))
		}
		pub.settle()
	}
	for s, frames := range h.acks {
		s.send(frames)
	}
	clear(h.acks)
	h.unsettled.Add(-int64(settled))
}

func (p *publication) ack(d gateway.Durability) wire.Ack {
	m := &p.record.Message
	return wire.Ack{ID: m.ID, Room: p.record.Room, Seq: m.Seq, TS: m.TS, Durability: d}
}

// settle tells who waits, and lets go of everything that the history's tail
// should not keep alive.
func (p *publication) settle() {
	if p.done != nil {
		close(p.done)
	}
	p.session, p.done = nil, nil
}
