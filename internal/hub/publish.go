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
	// durability is the room's class at the time.
	durability gateway.Durability
	// room is held until the commit in rooms that announce after it.
	room *room
	// session gets an ack; nil when none is wanted or the publisher is gone.
	session *Session
	// done is closed when the message is as durable as its room's class, or
	// with err set when it never will be; nil when nobody waits.
	done chan struct{}
	err  error
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
// without a grant to write, CodeStorageFull when the disk is full,
// CodeUnavailable when the history takes no more, and when ctx ends first; the message may then still appear.
func (h *Hub) Publish(ctx context.Context, p gateway.Principal, id gateway.RoomID, mid gateway.MessageID, payload gateway.Payload) (Receipt, error) {
	if err := mayWrite(&p, id); err != nil {
		return Receipt{}, err
	}
	pub := h.newPublication(p.Name, id, string(mid), payload)
	// Kept here as well: settling clears the publication's own.
	done := make(chan struct{})
	pub.done = done
	if err := h.follow(id, func(r *room) error { return r.publish(pub) }); err != nil {
		return Receipt{}, err
	}
	m := pub.record.Message
	select {
	case <-done:
		if pub.err != nil {
			return Receipt{}, pub.err
		}
		return Receipt{Room: id, Seq: m.Seq, TS: m.TS, ID: mid, Durability: pub.durability}, nil
	case <-h.storeGone:
		err := gateway.Errorf(gateway.CodeUnavailable, "the gateway's store has failed and the message may be stored or not; send it again, with the same id, when the gateway is back")
		err.RetryAfter = time.Second
		return Receipt{}, err
	case <-ctx.Done():
		return Receipt{}, endedEarly("hub.Publish", ctx, "the message may be stored or not; send it again, with the same id")
	}
}

// endedEarly is the error of a request whose client is gone, or whose time is over:
// no fault of the gateway's.
func endedEarly(op string, ctx context.Context, advice string) error {
	return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the request ended before its answer: " + advice, Op: op, Err: ctx.Err(), RetryAfter: time.Second}
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
	pub := s.hub.newPublication(p.Name, id, string(c.ID), c.Payload)
	if len(c.ID) > 0 {
		pub.session = s
	}
	s.hub.opts.Metrics.Received.Add(1)
	if sub := s.joined(id); sub != nil {
		if err := sub.room.publish(pub); err != errGone {
			return err
		}
	}
	return s.hub.follow(id, func(r *room) error { return r.publish(pub) })
}

// publish gives the message its place in the room, or finds that it has one. The
// history is asked first: what it refuses was never announced. It returns
// errGone when the room begins anew; the publication is then as it was.
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
	waits, err := r.place(pub)
	if err != nil {
		h.unsettled.Add(-1)
		return err
	}
	if !waits {
		h.opts.Metrics.PublishDuration.Observe(h.opts.Clock.Now().Sub(pub.received).Seconds())
		if s := pub.session; s != nil {
			s.send(wire.AppendAck(nil, pub.ack()))
		}
		pub.settle()
		h.unsettled.Add(-1)
	}
	return nil
}

// place reports whether the publication waits for a commit.
func (r *room) place(pub *publication) (waits bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waitLocked()
	if r.gone {
		return false, errGone
	}
	m := &pub.record.Message
	pub.durability = r.settings.Load().Durability
	if m.ID != "" {
		found, err := r.find(m)
		switch {
		case err != nil:
			return false, err
		case found.Seq != 0:
			return r.repeat(pub, found)
		}
	}
	m.Seq = r.head.Seq + 1
	m.TS = max(gateway.Timestamp(pub.received.UnixMilli()), r.head.TS)
	// Nothing overtakes what waits for its commit to be announced, also when
	// the room was of another class then.
	late := pub.durability == gateway.DurabilityFsynced || r.announced < r.head.Seq
	waits = pub.durability != gateway.DurabilityMemory
	if waits {
		pub.prepare(r, late)
	}
	if err := r.history.Append(&pub.record); err != nil {
		if waits {
			pub.unprepare(r)
		}
		return false, err
	}
	r.head.Seq, r.head.TS = m.Seq, m.TS
	r.published++
	if !late {
		r.announceLocked(m)
	}
	return waits, nil
}

// find looks for a message that was published under the same id: in a room that was
// moved to memory, also before.
func (r *room) find(m *gateway.Message) (gateway.Found, error) {
	found, err := r.history.Find(r.id, m.User, m.ID)
	if err != nil || found.Seq != 0 || r.settings.Load().Durability != gateway.DurabilityMemory {
		return found, err
	}
	if r.hub.opts.Volatile.Behind(r.id) == 0 {
		return found, nil
	}
	return r.hub.opts.Stored.Find(r.id, m.User, m.ID)
}

// prepare readies the publication for its commit, which may come as soon as the
// history has the record.
func (p *publication) prepare(r *room, late bool) {
	p.record.Ticket = p
	if late {
		p.room = r
		r.hub.hold(r)
	}
	if p.record.Message.ID != "" {
		r.hub.echo.expect(&p.record)
	}
}

func (p *publication) unprepare(r *room) {
	p.record.Ticket = nil
	if p.room != nil {
		r.hub.release(r)
		p.room = nil
	}
	if p.record.Message.ID != "" {
		r.hub.echo.forget(&p.record)
	}
}

// Committed is told by the stored history which records are on disk now, in
// commit order, from one goroutine at a time.
func (h *Hub) Committed(records []*gateway.Record) {
	now := h.opts.Clock.Now()
	settled := 0
	echoes := h.echo.committed(records)
	for _, rec := range records {
		pub, ok := rec.Ticket.(*publication)
		if !ok {
			continue
		}
		if r := pub.room; r != nil {
			r.mu.Lock()
			r.announceLocked(&rec.Message)
			r.mu.Unlock()
			pub.room = nil
			h.release(r)
		}
		h.acknowledge(pub, now)
		settled += 1 + len(echoes[rec])
		for _, echo := range echoes[rec] {
			echo.durability = pub.durability
			h.acknowledge(echo, now)
		}
	}
	for s, frames := range h.acks {
		s.send(frames)
	}
	clear(h.acks)
	h.unsettled.Add(-int64(settled))
}

// acknowledge gathers the acks, so that many of one session become one write.
func (h *Hub) acknowledge(pub *publication, now time.Time) {
	h.opts.Metrics.PublishDuration.Observe(now.Sub(pub.received).Seconds())
	if s := pub.session; s != nil {
		h.acks[s] = wire.AppendAck(h.acks[s], pub.ack())
	}
	pub.settle()
}

func (p *publication) ack() wire.Ack {
	m := &p.record.Message
	return wire.Ack{ID: m.ID, Room: p.record.Room, Seq: m.Seq, TS: m.TS, Durability: p.durability}
}

// settle tells who waits, and lets go of everything that the history's tail
// should not keep alive.
func (p *publication) settle() {
	if p.done != nil {
		close(p.done)
	}
	p.session, p.done = nil, nil
}
