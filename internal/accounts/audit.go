package accounts

import (
	"context"
	"sync"
	"time"

	"edgegw/internal/gateway"
)

const (
	// MaxAuditPage is the most events that Audit returns.
	MaxAuditPage = 1000
	// auditAge is how long events are kept, if their number allows.
	auditAge = 400 * 24 * time.Hour

	// Refused attempts are written at once, heldBurst of them and then one
	// every heldEvery; the others are held back, equal ones counted together,
	// until the next commit or for flushEvery: a flood of wrong passwords
	// must not wear the card out.
	heldBurst  = 60
	heldEvery  = 5 * time.Second
	flushEvery = 30 * time.Second
	maxHeld    = 256
)

// Audit returns up to limit events (1 to MaxAuditPage) in the order of their
// seq: the oldest above after, or the newest of all when after is nil. It returns
// CodeInvalidRequest for a limit out of range.
func (s *Service) Audit(ctx context.Context, after *uint64, limit int) (events []gateway.AuditEvent, err error) {
	if limit < 1 || limit > MaxAuditPage {
		return nil, gateway.Errorf(gateway.CodeInvalidRequest, "limit has to be 1 to %d", MaxAuditPage)
	}
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	err = s.opts.Store.View(func(tx Tx) (err error) {
		events, err = tx.Events(after, limit)
		return err
	})
	return events, wrap("accounts.Audit", err)
}

// attempt audits something that was refused. Whether that can be written changes
// nothing for the one who was refused.
func (s *Service) attempt(ctx context.Context, event gateway.Event, subject, reason string) {
	o := gateway.OriginOf(ctx)
	s.held.add(gateway.AuditEvent{
		TS: s.now(), Event: event, Actor: o.Actor, Subject: subject, IP: o.IP,
		Result: gateway.ResultFailed, Reason: reason, Count: 1,
	})
	if s.held.mayWrite(s.opts.Now()) {
		_ = s.flush(ctx) // a store that fails ends the gateway by itself
	}
}

// Note audits an event that is decided elsewhere, such as a socket that an
// administrator cut.
func (s *Service) Note(ctx context.Context, event gateway.Event, subject, reason string) error {
	return s.update(ctx, func(_ Tx, log *journal) error {
		log.add(event, subject, reason)
		return nil
	})
}

// NoteResult is Note of what may have failed.
func (s *Service) NoteResult(ctx context.Context, event gateway.Event, result gateway.Result, reason string) error {
	return s.update(ctx, func(_ Tx, log *journal) error {
		log.add(event, "", reason)
		log.events[0].Result = result
		return nil
	})
}

// flush writes what is held back.
func (s *Service) flush(context.Context) error {
	late := s.held.take()
	if len(late) == 0 {
		return nil
	}
	err := s.opts.Store.Update(func(tx Tx) error {
		for _, e := range late {
			if err := tx.AddEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.held.giveBack(late)
	}
	return wrap("accounts.flush", err)
}

// held keeps events that wait for a commit. Equal ones are counted together, and
// when there are too many different ones the rest is counted without names.
type held struct {
	mu     sync.Mutex
	events []gateway.AuditEvent
	budget *bucket
}

func (h *held) mayWrite(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.budget.take(now) == 0
}

func (h *held) add(e gateway.AuditEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) >= maxHeld-1 && !h.countLocked(e) {
		e.Actor, e.Subject, e.IP, e.Reason = "", "", "", "many"
	}
	if !h.countLocked(e) {
		h.events = append(h.events, e)
	}
}

// countLocked counts e on an equal event, if there is one. It moves to the end
// of its run: the time is that of the newest.
func (h *held) countLocked(e gateway.AuditEvent) bool {
	for i := range h.events {
		have := h.events[i]
		ts, n := have.TS, have.Count
		have.TS, have.Count = e.TS, e.Count
		if have == e {
			h.events[i].TS, h.events[i].Count = max(ts, e.TS), n+e.Count
			return true
		}
	}
	return false
}

func (h *held) take() []gateway.AuditEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := h.events
	h.events = nil
	return events
}

func (h *held) giveBack(events []gateway.AuditEvent) {
	for _, e := range events {
		h.add(e)
	}
}
