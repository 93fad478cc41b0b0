package app

import (
	"context"
	"time"

	"edgegw/internal/gateway"
)

const (
	// copyDelay is how long after an administrator's change the copy of the
	// account store is made: changes come in rows.
	copyDelay = time.Second
	// copyRest is the shortest time between two copies.
	copyRest = 10 * time.Second
	// copyEvery is how often a copy is made of what comes with everyday use, if
	// there was any: a copy writes the whole store.
	copyEvery = 6 * time.Hour
)

// runCopies keeps the verified copy of the account store that a damaged one is
// mended by. That a copy cannot be made ends nothing: the next is tried later.
func (a *App) runCopies(ctx context.Context, ready func()) error {
	ready()
	every := time.NewTicker(copyEvery)
	defer every.Stop()
	// What was committed just before a crash is not in it.
	a.saveCopy()
	for ctx.Err() == nil {
		changed := false
		select {
		case <-ctx.Done():
		case <-a.identity.Changes():
			changed = true
			sleep(ctx, copyDelay)
		case <-every.C:
		}
		if changed || a.identity.Outdated() {
			a.saveCopy() // a last time at the end too
		}
		sleep(ctx, copyRest)
	}
	return nil
}

func (a *App) saveCopy() {
	err := a.identity.SaveCopy()
	switch {
	case err == nil:
		a.logger.Debug("the copy of the account store is up to date", "event", "identity_copied")
	case gateway.CodeOf(err) == gateway.CodeStorageFull:
		a.logger.Warn("there is no space for a copy of the account store", "event", "identity_copy_failed", "reason", err.Error())
	default:
		a.logger.Error("the copy of the account store cannot be made", "event", "identity_copy_failed", "reason", err.Error())
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
