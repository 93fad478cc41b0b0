package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// The reasons of an `unsubscribed` frame (PROTOCOL section 5).
const (
	reasonRequested = "requested"
	reasonForbidden = "forbidden" // the grant is gone
	reasonDeleted   = "deleted"   // the room is, with its history
)

// joined returns the session's place in the room, or nil. It is for the reader,
// which alone changes the list and so needs no lock. The place may have ended
// already, but it holds its room.
func (s *Session) joined(id gateway.RoomID) *subscription {
	for _, sub := range s.subs {
		if sub.room.id == id {
			return sub
		}
	}
	return nil
}

// endLocked takes the session out of the room, unless that was done before. The
// room is held until the reader reaps.
func (sub *subscription) endLocked() {
	if !sub.active {
		return
	}
	sub.active, sub.session.ended = false, true
	sub.room.remove(sub)
	sub.room.depart(sub.session.user())
	sub.session.wakeReplaysLocked()
}

// reapLocked takes the subscriptions that have ended out of the list, and lets
// go of their rooms. It is for the reader only.
func (s *Session) reapLocked() {
	if !s.ended {
		return
	}
	kept := s.subs[:0]
	for _, sub := range s.subs {
		if sub.active {
			kept = append(kept, sub)
		} else {
			s.hub.release(sub.room)
		}
	}
	clear(s.subs[len(kept):])
	s.subs, s.ended = kept, false
}

func (s *Session) subscribeCommand(c wire.Command) error {
	id := gateway.RoomID(c.Room)
	if err := mayRead(s.principal.Load(), id); err != nil {
		return err
	}
	if done, err := s.answerAgain(id, c.Resume); done {
		return err
	}
	if most := s.hub.opts.Limits.RoomsPerConnection; len(s.subs) >= most {
		return gateway.Errorf(gateway.CodeRateLimited, "a connection may be in %d rooms; leave one first", most)
	}
	return s.subscribe(id, c.Resume)
}

// subscribe joins the room, or returns CodeForbidden without a grant to read it.
func (s *Session) subscribe(id gateway.RoomID, resume wire.Resume) error {
	if err := mayRead(s.principal.Load(), id); err != nil {
		return err
	}
	if s.raw {
		resume = wire.Resume{}
	}
	return s.hub.follow(id, func(r *room) error { return s.join(r, resume) })
}

// join takes a place in the room. The session's lock is held from before the
// first message can be meant for it until the `subscribed` frame is on its way:
// so no message overtakes that frame, and none is missed. The grant is looked at
// under the lock as well: whoever takes it away either comes before, or finds
// the subscription.
func (s *Session) join(r *room, resume wire.Resume) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := mayRead(s.principal.Load(), r.id); err != nil {
		return err
	}
	sub := &subscription{session: s, room: r, active: true}
	follows, err := r.enter(sub, resume)
	if err != nil {
		return err
	}
	s.hub.hold(r)
	r.arrive(s.user())
	s.subs = append(s.subs, sub)
	if !s.raw {
		s.answerLocked(sub, &follows)
	}
	if sub.seq < follows.answer.Seq {
		s.startReplayLocked(sub)
	}
	return nil
}

// answerLocked says what follows, and what of it is left out.
func (s *Session) answerLocked(sub *subscription, f *resumption) {
	s.sendAboutLocked(sub, wire.AppendSubscribed(nil, f.answer))
	if f.skipped > 0 {
		s.leaveOutLocked(sub, f.skipped, f.from, DropPressure)
	}
}

// answerAgain answers who is in the room already, and reports false to others.
func (s *Session) answerAgain(id gateway.RoomID, resume wire.Resume) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	sub := s.joined(id)
	if sub == nil {
		return false, nil
	}
	follows, err := sub.room.again(sub, resume)
	if err != nil {
		return true, err
	}
	s.answerLocked(sub, &follows)
	if follows.from < sub.seq {
		sub.seq, sub.since = follows.from, follows.from
		s.startReplayLocked(sub)
	}
	return true, nil
}

// unsubscribeCommand leaves the room. Leaving a room that one is not in is
// answered in the same way.
func (s *Session) unsubscribeCommand(c wire.Command) {
	id := gateway.RoomID(c.Room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.joined(id); sub != nil {
		sub.endLocked()
		s.reapLocked()
	}
	s.sendLocked(wire.AppendUnsubscribed(nil, id, reasonRequested))
}
