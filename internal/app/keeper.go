package app

import (
	"context"
	"time"

	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/gateway"
	"edgegw/internal/telemetry"
)

const (
	// tendEvery is how long a step of the system's clock may wait.
	tendEvery = time.Second
	// maxStep is what the system's clock may step ahead unsaved.
	maxStep = time.Minute
	// floorEvery is how often the clock's floor is saved at least.
	floorEvery = 10 * time.Minute
	// historySlack is how far ahead of the saved floor the newest message may be
	// and still tell the time: that is floorEvery, and a few small steps. What is
	// further ahead is from a time that somebody has reset.
	historySlack = 15 * time.Minute
	// flushLogEvery is how long a note on cut log lines may be late.
	flushLogEvery = 10 * time.Second
)

// keptClock are the sources of a clock that runClock tends.
func keptClock(sources func(floor time.Time) clock.Options) func(time.Time) clock.Options {
	return func(floor time.Time) clock.Options {
		o := sources(floor)
		o.MaxStep = maxStep
		return o
	}
}

// beginTime is called before anything is served: what is decided by the time of
// the start must not be undone by a power cut either.
func (a *App) beginTime() error {
	newest := time.UnixMilli(int64(a.history.NewestTime()))
	if ahead := newest.Sub(a.clock.Now()); ahead > 0 && ahead < historySlack {
		a.clock.Raise(newest) // it has been, for something was published then
	}
	return unlessFull(a.saveFloor(a.clock.Now()))
}

// unlessFull forgives a full disk: a later second tries again, and a step waits until
// then.
func unlessFull(err error) error {
	if gateway.CodeOf(err) == gateway.CodeStorageFull {
		return nil
	}
	return err
}

// runClock tends the clock and saves its floor, so that a start without a set
// clock does not fall behind it.
func (a *App) runClock(ctx context.Context, ready func()) error {
	ready()
	saved, served := a.clock.Now(), false
	flush := time.NewTicker(flushLogEvery)
	defer flush.Stop()
	tend := time.NewTicker(tendEvery)
	defer tend.Stop()
	for {
		select {
		case now := <-flush.C:
			telemetry.Flush(a.logger, now)
			if !served {
				served = true
				a.dropOld()
			}
		case <-tend.C:
			err := a.clock.Tend(func(to time.Time) error {
				err := a.saveStep(to)
				if err == nil {
					saved = to
				}
				return err
			})
			if err == nil && a.clock.Since(saved) >= floorEvery {
				saved = a.clock.Now()
				err = a.saveFloor(saved)
			}
			if err := unlessFull(err); err != nil {
				return err
			}
		case <-ctx.Done():
			return unlessFull(a.saveFloor(a.clock.Now()))
		}
	}
}

// saveStep is told where the system's clock has stepped to, before the gateway's
// time goes there.
func (a *App) saveStep(to time.Time) error {
	by := to.Sub(a.clock.Now())
	if err := a.saveFloor(to); err != nil {
		return err
	}
	a.logger.Info("the system's clock stepped ahead, and the gateway's time with it", "event", "clock_stepped", "by_s", int64(by.Seconds()))
	return nil
}

// saveFloor has no start begin before the given time.
func (a *App) saveFloor(at time.Time) error {
	floor := gateway.Timestamp(at.UnixMilli())
	return a.identity.Update(func(tx *boltstore.IdentityTx) error {
		if a.clockReset.Load() || floor <= tx.ClockFloor() {
			return nil
		}
		return tx.SetClockFloor(floor)
	})
}

// floor is what goes with every commit, 0 for nothing.
func (a *App) floor() (floor, age gateway.Timestamp) {
	if a.clock == nil || a.clockReset.Load() {
		return 0, 0
	}
	oldest, _ := a.clock.AgeTime()
	return gateway.Timestamp(a.clock.Floor().UnixMilli()), gateway.Timestamp(oldest.UnixMilli())
}
