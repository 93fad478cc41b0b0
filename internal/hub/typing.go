package hub

import (
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

const (
	// typingLife is how long typing goes on without being renewed.
	typingLife = 6 * time.Second
	// typingEvery is how often a room is told of one account's typing, at
	// most. Of what changes faster it is told the outcome, by the next sweep: so
	// it is a little shorter than the time between two of them, or else a sweep
	// that comes 1 ms early would leave the change to the one after it.
	typingEvery = 950 * time.Millisecond
	// gatherFrom is the number of listeners from which a room is told of typing
	// every gatherFor only, of all accounts at once. One frame costs a write to
	// every listener, and so do ten that go together: where many listen, and many
	// type, typing would cost more than what is said.
	gatherFrom = 100
	gatherFor  = 250 * time.Millisecond
)

// typist is an account that types in a room, or has just stopped.
type typist struct {
	typing bool // what it said last
	shown  bool // what the room was told last
	until  gateway.Timestamp
	told   gateway.Timestamp // when the room was told last
}

// now is the logical time in milliseconds.
func (h *Hub) now() gateway.Timestamp { return gateway.Timestamp(h.opts.Clock.Now().UnixMilli()) }

// typingCommand needs the right to write, and like publishing no subscription. A
// room in which nobody is has nobody to tell.
func (s *Session) typingCommand(c wire.Command) error {
	id := s.room
	if len(c.Room) > 0 && string(c.Room) != string(id) {
		id = gateway.RoomID(c.Room)
	}
	p := s.principal.Load()
	if err := mayWrite(p, id); err != nil {
		return err
	}
	if r := s.hub.lookUp(id); r != nil {
		r.typing(p.Name, c.Start, s.hub.now())
		s.hub.release(r)
	}
	return nil
}

// lookUp is acquire for rooms that are live, and returns nil for others.
func (h *Hub) lookUp(id gateway.RoomID) *room {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r != nil {
		r.refs++
	}
	return r
}

func (r *room) typing(name gateway.AccountName, start bool, now gateway.Timestamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var t typist
	known := false
	if d := r.crowd.due; d != nil {
		t, known = d.typists[name]
	}
	if !known && (!start || len(r.subs) == r.raws) {
		return
	}
	t.typing = start
	if start {
		t.until = now + gateway.Timestamp(typingLife.Milliseconds())
	}
	if len(r.subs)-r.raws >= gatherFrom {
		r.gatherTypingLocked(name, t)
		return
	}
	r.tellTypingLocked(name, t, now)
}

// gatherTypingLocked leaves it to a timer to tell the room, with what else has
// changed by then.
func (r *room) gatherTypingLocked(name gateway.AccountName, t typist) {
	d := r.watchLocked()
	d.put(name, t)
	if d.gathering || t.typing == t.shown {
		return
	}
	d.gathering = true
	time.AfterFunc(gatherFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		d.gathering = false
		if r.crowd.due == d {
			r.endTypingLocked(r.hub.now())
		}
	})
}

func (d *due) put(name gateway.AccountName, t typist) {
	if d.typists == nil {
		d.typists = make(map[gateway.AccountName]typist)
	}
	d.typists[name] = t
}

// tellTypingLocked tells the room what it does not know yet, unless it was told
// of this account just before, or has no deliveries left: then a later sweep
// tells what holds by that time.
func (r *room) tellTypingLocked(name gateway.AccountName, t typist, now gateway.Timestamp) {
	if t.typing != t.shown && t.rested(now) {
		told := r.whisperLocked(name, func(dst []byte) []byte { return wire.AppendTyping(dst, r.id, name, t.typing) })
		if told {
			t.shown, t.told = t.typing, now
		}
	}
	r.watchLocked().put(name, t)
}

// rested reports whether the room may be told of the account again.
func (t typist) rested(now gateway.Timestamp) bool {
	return now-t.told >= gateway.Timestamp(typingEvery.Milliseconds())
}

// endTypingLocked ends what was not renewed, tells what could not be told
// before, and forgets who does not type any more.
func (r *room) endTypingLocked(now gateway.Timestamp) {
	d := r.crowd.due
	for name, t := range d.typists {
		switch {
		case t.typing && now >= t.until:
			t.typing = false
			r.tellTypingLocked(name, t, now)
		case t.typing != t.shown:
			r.tellTypingLocked(name, t, now)
		case !t.typing && t.rested(now):
			delete(d.typists, name)
		}
	}
	if len(d.typists) == 0 {
		d.typists = nil
	}
}
