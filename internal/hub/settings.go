package hub

import (
	"context"
	"errors"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// errGone is for those who hold a room that begins anew: it is worth acquiring
// again. It never leaves the package.
var errGone = errors.New("the room begins anew")

// maxChanges is how often one command follows a room that begins anew. Each time
// takes a commit on disk.
const maxChanges = 8

// follow runs do on the room, and again when the room has begun anew meanwhile.
func (h *Hub) follow(id gateway.RoomID, do func(*room) error) error {
	for range maxChanges {
		r, err := h.acquire(id)
		if err != nil {
			return err
		}
		err = do(r)
		h.release(r)
		if err != errGone {
			return err
		}
	}
	err := gateway.Errorf(gateway.CodeUnavailable, "the room is being changed; try again shortly")
	err.RetryAfter = time.Second
	return err
}

// Configure changes how a room is set up, for good and at once. What change
// returns is returned; it is given what holds, and may be called though nothing
// changes in the end. A change from or to class memory ends the room's epoch, and
// closes its sockets with 1012: their clients come back and are told what they
// can recover.
func (h *Hub) Configure(ctx context.Context, id gateway.RoomID, change func(*gateway.RoomSettings) error) (RoomInfo, error) {
	if err := h.configure(ctx, id, change); err != nil {
		return RoomInfo{}, err
	}
	return h.describe(id)
}

func (h *Hub) configure(ctx context.Context, id gateway.RoomID, change func(*gateway.RoomSettings) error) error {
	h.changes.Lock()
	defer h.changes.Unlock()
	if ctx.Err() != nil {
		return endedEarly("hub.Configure", ctx, "nothing was changed")
	}
	before := h.opts.Settings(id)
	after := before
	if err := change(&after); err != nil {
		return err
	}
	if (before.Durability == gateway.DurabilityMemory) != (after.Durability == gateway.DurabilityMemory) {
		return h.renew(id, func() error { return h.move(id, &after) }, (*room).restart)
	}
	if err := h.opts.SaveSettings(id, &after); err != nil {
		return err
	}
	// Whoever makes the room from here on sees the new settings.
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[id]; r != nil {
		r.settings.Store(&after)
	}
	return nil
}

// Delete forgets a room with its history and what was configured for it. Its
// subscribers are told; who publishes next begins it at seq 1, in a new epoch.
// Sockets of the raw format cannot be told, and are closed with 1012.
func (h *Hub) Delete(ctx context.Context, id gateway.RoomID) error {
	h.changes.Lock()
	defer h.changes.Unlock()
	if ctx.Err() != nil {
		return endedEarly("hub.Delete", ctx, "nothing was deleted")
	}
	return h.renew(id, func() error {
		for _, history := range []History{h.opts.Stored, h.opts.Volatile} {
			if err := history.Delete(id); err != nil {
				return err
			}
		}
		return h.opts.SaveSettings(id, nil)
	}, (*room).dissolve)
}

// renew lets the room begin anew. While change runs, nobody enters the room and
// nothing is published in it; both wait, and find the new one. Its subscribers
// are dealt with by end when the change is made, and keep what they have when it
// fails; but when it fails halfway, the room has begun anew.
func (h *Hub) renew(id gateway.RoomID, change func() error, end func(*room)) error {
	changed := make(chan struct{})
	h.mu.Lock()
	h.changing[id] = changed
	r := h.rooms[id]
	if r != nil {
		r.refs++
	}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.changing, id)
		h.mu.Unlock()
		close(changed)
	}()
	if r == nil {
		return change()
	}
	defer h.release(r)
	r.setGone(true)
	err := change()
	if err != nil && r.unchanged() {
		r.setGone(false)
		return err
	}
	h.mu.Lock()
	delete(h.rooms, id)
	h.mu.Unlock()
	end(r)
	return err
}

func (r *room) setGone(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = gone
}

// unchanged reports whether the history still has the room as it was.
func (r *room) unchanged() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	head, err := r.history.Head(r.id)
	return err != nil || !r.loaded || head.Epoch == r.head.Epoch && head.Seq == r.head.Seq
}

// followers returns the subscriptions of a room that nobody enters any more.
func (r *room) followers() []*subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*subscription(nil), r.subs...)
}

// restart sends the room's sockets away, to come back spread over a while.
func (r *room) restart() {
	subs := r.followers()
	for _, sub := range subs {
		sub.session.closeAfterQueue(wire.CloseRestart, r.hub.slot())
	}
}

// dissolve tells the room's subscribers that it is deleted.
func (r *room) dissolve() {
	subs := r.followers()
	for _, sub := range subs {
		if sub.session.raw {
			sub.session.closeAfterQueue(wire.CloseRestart, r.hub.slot())
		} else {
			sub.session.expel(sub, reasonDeleted)
		}
	}
}

func (s *Session) expel(sub *subscription, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sub.active {
		return
	}
	sub.endLocked()
	s.sendAboutLocked(sub, wire.AppendUnsubscribed(nil, sub.room.id, reason))
}
