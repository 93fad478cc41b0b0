package accounts

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"edgegw/internal/gateway"
)

// journal gathers what a change has to tell: events, which the audit gets in the
// change's own transaction, and hooks, which run once that is durable.
type journal struct {
	origin gateway.Origin
	now    gateway.Timestamp
	events []gateway.AuditEvent
	hooks  []func()
}

// add audits an event of this change. reason is one word, or "".
func (j *journal) add(event gateway.Event, subject, reason string) {
	j.events = append(j.events, gateway.AuditEvent{
		TS: j.now, Event: event, Actor: j.origin.Actor, Subject: subject,
		IP: j.origin.IP, Result: gateway.ResultOK, Reason: reason, Count: 1,
	})
}

// after runs hook once the change is durable.
func (j *journal) after(hook func()) { j.hooks = append(j.hooks, hook) }

// update runs one change and its audit in one transaction. Once that is durable
// the revision moves, and the events are logged and the hooks run. A change that
// adds no event may write what nobody else depends on.
func (s *Service) update(ctx context.Context, change func(tx Tx, log *journal) error) error {
	j := &journal{origin: gateway.OriginOf(ctx), now: s.now()}
	var late []gateway.AuditEvent
	err := s.opts.Store.Update(func(tx Tx) error {
		if err := change(tx, j); err != nil {
			return err
		}
		if len(j.events) > 0 { // a commit comes anyway: what is held back goes along
			late = s.held.take()
		}
		for _, e := range append(late, j.events...) {
			if err := tx.AddEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.held.giveBack(late)
		return wrap("accounts.update", err)
	}
	if len(j.hooks) > 0 || slices.ContainsFunc(j.events, func(e gateway.AuditEvent) bool { return !e.Routine() }) {
		s.revision.Add(1)
	}
	for _, hook := range j.hooks {
		hook()
	}
	for i := range j.events {
		if e := &j.events[i]; e.Event != gateway.EventLogin { // Login logs its own, in every outcome
			s.logEvent(ctx, e)
		}
	}
	return nil
}

func (s *Service) logEvent(ctx context.Context, e *gateway.AuditEvent) {
	level := slog.LevelInfo
	if e.Result != gateway.ResultOK || e.Event == gateway.EventRefreshReused || e.Event == gateway.EventAccountLocked {
		level = slog.LevelWarn
	}
	s.log(ctx, level, strings.ReplaceAll(string(e.Event), "_", " "), e.Event, e.Subject, slog.String("reason", e.Reason))
}
