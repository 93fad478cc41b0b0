package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

func mayRead(p *gateway.Principal, room gateway.RoomID) error {
	if p.May(gateway.RightRead, room) {
		return nil
	}
	return gateway.Errorf(gateway.CodeForbidden, "no grant to read this room; ask an administrator for one")
}

func mayWrite(p *gateway.Principal, room gateway.RoomID) error {
	if p.May(gateway.RightWrite, room) {
		return nil
	}
	return gateway.Errorf(gateway.CodeForbidden, "no grant to write to this room; ask an administrator for one")
}

func mayEnter(p *gateway.Principal, room gateway.RoomID) error {
	if p.MayEnter(room) {
		return nil
	}
	return gateway.Errorf(gateway.CodeForbidden, "no grant for this room; ask an administrator for one")
}

// SetPrincipal gives the account's sessions a new role and new grants, which are
// not changed afterwards. When it returns, subscriptions whose grant is gone
// have ended, and sessions that may no longer enter their default room are
// closed with 4503. What was queued for a socket before still goes out; nothing
// that is published later does. A gained grant subscribes nobody by itself.
//
// Calls for one account have to come in the order of its changes.
func (h *Hub) SetPrincipal(p gateway.Principal) {
	for _, s := range h.those(func(s *Session) bool { return s.user() == p.Name }) {
		_ = s.setPrincipal(&p) // who may not enter is closed, that is all
	}
}

// SetPrincipal is Hub.SetPrincipal for one session of the account. It returns
// CodeForbidden when the session may not enter its default room and was closed.
func (s *Session) SetPrincipal(p gateway.Principal) error { return s.setPrincipal(&p) }

func (s *Session) setPrincipal(p *gateway.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.principal.Store(p)
	if err := mayEnter(p, s.room); err != nil {
		s.abortLocked(wire.CloseForbidden, DropClosed)
		return err
	}
	for _, sub := range s.subs {
		id := sub.room.id
		if !sub.active || p.May(gateway.RightRead, id) {
			continue
		}
		sub.endLocked()
		if !s.raw {
			s.sendLocked(wire.AppendUnsubscribed(nil, id, reasonForbidden))
		}
	}
	return nil
}
