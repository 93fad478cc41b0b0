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
// save is called with the new time before anybody sees it; when it fails, its
// error is returned and nothing has changed.
func (c *Clock) Set(to time.Time, save func(time.Time) error) error {
	if err := c.Begin(to, save); err != nil {
		return err
	}
	c.told.Store(true)
	c.synced.Store(true)
	return nil
}

// Begin is Set for a clock that another process will go on with: it moves there,
// and is trusted no more than before.
func (c *Clock) Begin(to time.Time, save func(time.Time) error) error {
	now := c.Now()
	if to.Before(now.Add(-behindSlack)) {
		return ErrBehind
	}
	if to.Before(now) {
		to = now
	}
	if err := save(to); err != nil {
		return err
	}
	c.Raise(to)
	c.floored.Store(true)
	return nil
}

// Raise moves logical time up to a time that is known to have been.
func (c *Clock) Raise(to time.Time) { c.raise(to.UnixNano() - int64(c.boot())) }

func (c *Clock) raise(want int64) {
	for offset := c.offset.Load(); want > offset; offset = c.offset.Load() {
		if c.offset.CompareAndSwap(offset, want) {
			return
		}
	}
}

// Wall is the system's wall clock, which may be wrong and jump.
func (c *Clock) Wall() time.Time { return c.wall().UTC() }
