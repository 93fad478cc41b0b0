package client

import (
	"context"
	"errors"
	"time"
)

// Clock is where a client takes its time from. Its two methods must not go
// backwards when the calendar does: a board without a battery wakes up in 1970
// and jumps when it hears of the time. What time.Now returns is good, because Go
// compares such times by a monotonic clock.
type Clock interface {
	// Now is only ever compared with other answers of Now.
	Now() time.Time
	// AfterFunc calls f on a goroutine of its own after d, unless stop comes
	// first, which reports whether it did.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// errTimeout is the cause of contexts that withTimeout has ended.
var errTimeout = errors.New("client: the gateway took too long to answer")

// withTimeout is context.WithTimeout by the client's clock.
func withTimeout(ctx context.Context, clock Clock, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := clock.AfterFunc(d, func() { cancel(errTimeout) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// sleep waits for d, and returns the context's error if that ends first.
func sleep(ctx context.Context, clock Clock, d time.Duration) error {
	over := make(chan struct{})
	stop := clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
