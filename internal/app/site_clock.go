package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/gateway"
)

// latestTime is when the last set time may be: a typing error of a century would
// be hard to undo.
func latestTime() time.Time { return clock.Earliest().AddDate(50, 0, 0) }

// siteClock is the gateway's time for those who ask for it at the command line.
type siteClock struct {
	clock    *clock.Clock
	identity *boltstore.Identity
	note     func(ctx context.Context, event gateway.Event, subject, reason string) error
	// reset is true from a reset to the end of the process, in which the floor
	// is not raised any more; nil without a running gateway.
	reset *atomic.Bool
}

func (s siteClock) Show(context.Context) (adminsock.Clock, error) {
	var floor gateway.Timestamp
	err := s.identity.View(func(tx *boltstore.IdentityTx) error {
		floor = tx.ClockFloor()
		return nil
	})
	age, _ := s.clock.AgeTime()
	return adminsock.Clock{
		Now: s.clock.NowMS(), Wall: s.clock.Wall().UnixMilli(), Floor: int64(floor), Age: age.UnixMilli(),
		State: string(s.clock.State()), Running: s.reset != nil,
	}, err
}

func (s siteClock) Set(ctx context.Context, to adminsock.NewTime) (adminsock.Clock, error) {
	var none adminsock.Clock
	at := to.At
	if at.Before(clock.Earliest()) || at.After(latestTime()) {
		return none, gateway.Errorf(gateway.CodeInvalidRequest, "%s cannot be the time; give it as 2027-01-31T12:00:00Z", at.UTC().Format(time.RFC3339))
	}
	before := s.clock.Now()
	if !to.Force && before.After(clock.Earliest()) && at.After(before.AddDate(1, 0, 0)) {
		return none, gateway.Errorf(gateway.CodeConflict, "%s is more than a year ahead of the gateway's time, %s, and time never runs back; if that is what you mean, add --force",
			at.UTC().Format(time.RFC3339), before.Format(time.RFC3339))
	}
	if err := s.move(at); errors.Is(err, clock.ErrBehind) {
		return none, gateway.Errorf(gateway.CodeConflict, "the gateway's time is %s already and never runs back; if that is wrong, set the system's clock, run `edgegw clock reset`, and restart the gateway",
			before.Format(time.RFC3339))
	} else if err != nil {
		return none, err
	}
	if err := s.note(ctx, gateway.EventClockSet, "", fmt.Sprintf("by %v", at.Sub(before).Round(time.Second))); err != nil {
		return none, err
	}
	return s.Show(ctx)
}

// move has the clock of a running gateway set; that of one which does not run only
// begins there, for nobody's word outlives a start.
func (s siteClock) move(at time.Time) error {
	if s.reset != nil {
		return s.clock.Set(at, s.save)
	}
	return s.clock.Begin(at, s.save)
}

func (s siteClock) Reset(ctx context.Context) (adminsock.Clock, error) {
	var none adminsock.Clock
	wall := s.clock.Wall()
	if wall.Before(clock.Earliest()) {
		return none, gateway.Errorf(gateway.CodeConflict, "the system's clock says %s, which cannot be; set it first, for example with `timedatectl set-time`", wall.Format(time.RFC3339))
	}
	before := s.clock.Now()
	if err := s.note(ctx, gateway.EventClockReset, "", fmt.Sprintf("by %v", wall.Sub(before).Round(time.Second))); err != nil {
		return none, err
	}
	if s.reset != nil {
		s.reset.Store(true)
	}
	if err := s.save(wall); err != nil {
		return none, err
	}
	return s.Show(ctx)
}

func (s siteClock) save(floor time.Time) error {
	return s.identity.Update(func(tx *boltstore.IdentityTx) error {
		return tx.SetClockFloor(gateway.Timestamp(floor.UnixMilli()))
	})
}
