package app

import (
	"context"
	"time"
)

const (
	// scrubAfter is how long after the start all of the history is read: by then
	// those who came back with the power are served.
	scrubAfter = time.Minute
	// scrubEvery is how often it is read again. Cards rot while they lie still.
	scrubEvery = 7 * 24 * time.Hour
)

// runScrub looks for damage that a start has no time to look for.
func (a *App) runScrub(ctx context.Context, ready func()) error {
	ready()
	for wait := scrubAfter; ; wait = scrubEvery {
		sleep(ctx, wait)
		if ctx.Err() != nil {
			return nil
		}
		a.scrub(ctx)
	}
}

func (a *App) scrub(ctx context.Context) {
	found, err := a.history.Scrub(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		// A damaged page ends the store, and with it the process.
		a.logger.Error("the history cannot be read as a whole", "event", "scrub_failed", "reason", err.Error())
	default:
		a.damaged.Store(int64(found.Damaged))
		a.logger.Info("all of the history was read", "event", "scrubbed", "messages", found.Messages, "damaged", found.Damaged)
	}
}
