package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// joined returns the session's place in the room, or nil. It is for the reader,
// which alone changes subs, and so needs no lock.
func (s *Session) joined(id gateway.RoomID) *subscription {
	for _, sub := range s.subs {
		if sub.room.id == id {
			return sub
		}
	}
	return nil
}

func (s *Session) subscribeCommand(c wire.Command) error {
	id := gateway.RoomID(c.Room)
	if err := mayRead(s.principal, id); err != nil {
		return err
	}
	if sub := s.joined(id); sub != nil { // asking again answers again
		s.sendSubscribed(sub)
		return nil
	}
	if most := s.hub.opts.Limits.RoomsPerConnection; len(s.subs) >= most {
		return gateway.Errorf(gateway.CodeRateLimited, "a connection may be in %d rooms; leave one first", most)
	}
	return s.subscribe(id)
}

// subscribe joins the room. The session's lock is held from before the first
// message can be meant for it until the `subscribed` frame is on its way: so no
// message overtakes that frame, and none is missed.
func (s *Session) subscribe(id gateway.RoomID) error {
	r, err := s.hub.acquire(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscription{session: s, room: r, active: true}
	epoch, seq := r.add(sub)
	sub.seq = seq
	s.subs = append(s.subs, sub)
	if !s.raw {
		s.sendLocked(wire.AppendSubscribed(nil, id, epoch, seq))
	}
	return nil
}

// sendSubscribed answers who is in the room already. The seq is this
// connection's own newest: the room's may be ahead of it by what the flusher
// still carries, and the client would take that for messages it has had.
func (s *Session) sendSubscribed(sub *subscription) {
	r := sub.room
	r.mu.Lock()
	epoch := r.head.Epoch
	r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendAboutLocked(sub, wire.AppendSubscribed(nil, r.id, epoch, sub.seq))
}

// unsubscribeCommand leaves the room. Leaving a room that one is not in is
// answered in the same way.
func (s *Session) unsubscribeCommand(c wire.Command) {
	id := gateway.RoomID(c.Room)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, sub := range s.subs {
		if sub.room.id != id {
			continue
		}
		sub.active = false
		sub.room.remove(sub)
		s.hub.release(sub.room)
		last := len(s.subs) - 1
		s.subs[i], s.subs[last] = s.subs[last], nil
		s.subs = s.subs[:last]
		break
	}
	s.sendLocked(wire.AppendUnsubscribed(nil, id, "requested"))
}
