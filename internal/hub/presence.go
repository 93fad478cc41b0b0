package hub

import (
	"sort"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// presenceGrace is how long an account is still there after its last connection
// has left a room: who comes back within it was never away.
const presenceGrace = 15 * time.Second

// maxGraces is in how many rooms an account may have a grace at once; beyond
// that it leaves without one. A grace holds its room, and a client that walks
// through new rooms would hold more and more of them.
const maxGraces = 256

// crowd is who is in a room; all of it is guarded by room.mu.
type crowd struct {
	members members
	// due is what the sweep looks after, or nil when that is nothing.
	due *due
	// spent is how many deliveries of ephemeral frames the tick spentAt has
	// cost.
	spentAt uint32
	spent   int32
}

// due is what will happen in a room by itself. Only rooms that have any are
// watched by the sweep, and held by it.
type due struct {
	// graces are in the order of their ends. Of an account that came back
	// in time the entry stays until then.
	graces  []grace
	typists map[gateway.AccountName]typist
	// gathering is true while a timer is set that tells of typing.
	gathering bool
	// untold is the newest event that the room was not told, if it was not
	// told of a later one: with it the count would stay wrong.
	untold struct {
		name gateway.AccountName
		join bool
	}
}

// grace is an account's time between leaving and having left.
type grace struct {
	name gateway.AccountName
	left uint32 // as in member
}

// arrive notes that the account has one connection more in the room.
func (r *room) arrive(name gateway.AccountName) {
	now := r.hub.opts.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	m, there := r.crowd.members.get(name)
	m.connections++
	if !there {
		m.since = gateway.Timestamp(now.UnixMilli())
	}
	r.crowd.members.put(name, m)
	switch {
	case !there:
		r.tellPresenceLocked(name, true)
	case m.connections == 1:
		r.hub.graceOver(name)
	}
}

// depart notes that the account has one connection less in the room. After the
// last one it has stopped to type, and its grace begins.
func (r *room) depart(name gateway.AccountName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.crowd
	m, _ := c.members.get(name)
	if m.connections--; m.connections > 0 {
		c.members.put(name, m)
		return
	}
	if c.due != nil {
		if t, ok := c.due.typists[name]; ok {
			t.typing = false
			r.tellTypingLocked(name, t, r.hub.now())
		}
	}
	if !r.hub.graceBegins(name) {
		c.members.remove(name)
		r.tellPresenceLocked(name, false)
		return
	}
	d := r.watchLocked()
	// Coming and going within one tick leaves one entry.
	if left := r.hub.ticks.Load() + 1; m.left != left {
		m.left = left
		d.graces = append(d.graces, grace{name, left})
	}
	c.members.put(name, m)
}

// endGracesLocked lets those go who did not come back in time.
func (r *room) endGracesLocked(tick uint32) {
	c, graces := &r.crowd, r.crowd.due.graces
	most := r.hub.ticksIn(presenceGrace)
	over := 0
	for over < len(graces) && tick+1-graces[over].left > most {
		g := graces[over]
		over++
		m, ok := c.members.get(g.name)
		if !ok || m.connections > 0 || m.left != g.left {
			continue
		}
		c.members.remove(g.name)
		r.hub.graceOver(g.name)
		r.tellPresenceLocked(g.name, false)
	}
	if c.due.graces = graces[over:]; len(c.due.graces) == 0 {
		c.due.graces = nil
	}
}

// tellPresenceLocked tells everyone else in the room that the account has come
// or gone, and how many are there now. If that cannot be told, the next event
// carries the right count, or this one does later, when none follows.
func (r *room) tellPresenceLocked(name gateway.AccountName, join bool) {
	told := r.whisperLocked(name, func(dst []byte) []byte {
		return wire.AppendPresence(dst, r.id, name, join, r.crowd.members.count())
	})
	switch d := r.crowd.due; {
	case !told:
		d = r.watchLocked()
		d.untold.name, d.untold.join = name, join
	case d != nil:
		d.untold.name = ""
	}
}

// graceBegins reports false when the account has as many graces as it may.
func (h *Hub) graceBegins(name gateway.AccountName) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.graces[name] >= maxGraces {
		return false
	}
	h.graces[name]++
	return true
}

func (h *Hub) graceOver(name gateway.AccountName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.graces[name]--; h.graces[name] == 0 {
		delete(h.graces, name)
	}
}

// watchLocked has the sweep look after the room from now on.
func (r *room) watchLocked() *due {
	if r.crowd.due != nil {
		return r.crowd.due
	}
	r.crowd.due = new(due)
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watched[r] = struct{}{}
	r.refs++
	return r.crowd.due
}

// tend does what is due in a watched room, and lets go of it when nothing will
// be due any more.
func (r *room) tend(tick uint32, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.crowd.due
	if d == nil {
		return
	}
	if d.untold.name != "" {
		r.tellPresenceLocked(d.untold.name, d.untold.join)
	}
	r.endGracesLocked(tick)
	r.endTypingLocked(gateway.Timestamp(now.UnixMilli()))
	if len(d.graces) > 0 || len(d.typists) > 0 || d.untold.name != "" {
		return
	}
	r.crowd.due = nil
	r.hub.mu.Lock()
	delete(r.hub.watched, r)
	r.hub.mu.Unlock()
	r.hub.release(r)
}

func (h *Hub) tendRooms(tick uint32, now time.Time) {
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.watched))
	for r := range h.watched {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	for _, r := range rooms {
		r.tend(tick, now)
	}
}

// PresentUser is an account in a room.
type PresentUser struct {
	User gateway.AccountName
	// Since is when its first connection joined the room.
	Since gateway.Timestamp
	// Connections are its connections in the room; 0 while it is in its grace.
	Connections int
}

// Presence tells which accounts are in a room, those in grace included, sorted by
// name. It returns CodeForbidden without a grant to read the room.
func (h *Hub) Presence(p gateway.Principal, id gateway.RoomID) ([]PresentUser, error) {
	if err := mayRead(&p, id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	r := h.rooms[id]
	h.mu.Unlock()
	if r == nil {
		return nil, nil
	}
	r.mu.Lock()
	users := make([]PresentUser, 0, r.crowd.members.count())
	r.crowd.members.each(func(name gateway.AccountName, m member) {
		users = append(users, PresentUser{User: name, Since: m.since, Connections: int(m.connections)})
	})
	r.mu.Unlock()
	sort.Slice(users, func(i, j int) bool { return users[i].User < users[j].User })
	return users, nil
}
