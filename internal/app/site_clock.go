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

// historySlack is how far ahead of the saved floor the newest message may be and
// still tell the time: the floor is saved every ten minutes. What is further ahead
// is from a time that somebody has reset.
const historySlack = 15 * time.Minute

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
	return adminsock.Clock{
		Now: s.clock.NowMS(), Wall: s.clock.Wall().UnixMilli(), Floor: int64(floor), State: string(s.clock.State()), Running: s.reset != nil,
	}, err
}

func (s siteClock) Set(ctx context.Context, at time.Time) (adminsock.Clock, error) {
	var none adminsock.Clock
	if at.Before(clock.Earliest()) || at.After(latestTime()) {
		return none, gateway.Errorf(gateway.CodeInvalidRequest, "%s cannot be the time; give it as 2027-01-31T12:00:00Z", at.UTC().Format(time.RFC3339))
	}
	before := s.clock.Now()
	if err := s.clock.Set(at); errors.Is(err, clock.ErrBehind) {
		return none, gateway.Errorf(gateway.CodeConflict, "the gateway's time is %s already and never runs back; if that is wrong, set the system's clock, run `edgegw clock reset`, and restart the gateway",
			before.Format(time.RFC3339))
	} else if err != nil {
		return none, err
	}
	if err := s.save(at); err != nil {
		return none, err
	}
	if err := s.note(ctx, gateway.EventClockSet, "", fmt.Sprintf("by %v", at.Sub(before).Round(time.Second))); err != nil {
		return none, err
	}
	return s.Show(ctx)
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

// floor is what goes with every commit, 0 for nothing.
func (a *App) floor() gateway.Timestamp {
	if a.clock == nil || a.clockReset.Load() {
		return 0
	}
	return gateway.Timestamp(a.clock.Floor().UnixMilli())
}

// raiseClock takes the time of the newest message for one that has been.
func (a *App) raiseClock() {
	newest := time.UnixMilli(int64(a.history.NewestTime()))
	if ahead := newest.Sub(a.clock.Now()); ahead > 0 && ahead < historySlack {
		a.clock.Raise(newest)
	}
}
