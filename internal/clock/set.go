package clock

import (
	"errors"
	"time"
)

// ErrBehind refuses to set the clock to a time that is over: everything that was
// given a time since would lie in the future.
var ErrBehind = errors.New("clock: that is before the gateway's time, which never runs back")

// behindSlack is how far behind a time may be that somebody has typed.
const behindSlack = 10 * time.Second

// Set says what time it is, on the word of somebody who knows: logical time moves
// there and is trusted from now on. It returns ErrBehind for a time that is more
// than a few seconds behind; what is less behind only makes the time trusted.
func (c *Clock) Set(to time.Time) error {
	if to.Before(c.Now().Add(-behindSlack)) {
		return ErrBehind
	}
	c.Raise(to)
	c.synced.Store(true)
	return nil
}

// Raise moves logical time up to a time that is known to have been.
func (c *Clock) Raise(to time.Time) {
	want := to.UnixNano() - int64(c.boot())
	for offset := c.offset.Load(); want > offset; offset = c.offset.Load() {
		if c.offset.CompareAndSwap(offset, want) {
			return
		}
	}
}

// Wall is the system's wall clock, which may be wrong and jump.
func (c *Clock) Wall() time.Time { return c.wall().UTC() }
