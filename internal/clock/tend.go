package clock

import "time"

const (
	// standsFor is how long, in the time since boot, a time has to be vouched
	// for before ages are measured by it. A wrong time server or a slip of the
	// hand is noticed by then, and what is purged does not come back.
	standsFor = 24 * time.Hour
	// mayGrow is how much the time that ages are measured by may fall behind
	// meanwhile, for the small steps of a clock that is kept right.
	mayGrow = 10 * time.Minute
)

// wait is the time that has to stand: since when, and how far what ages are
// measured by was behind it then.
type wait struct{ since, lag time.Duration }

// ageOf is where the time that ages are measured by starts.
func ageOf(o Options, start int64) int64 {
	switch {
	case !o.Age.IsZero():
		return o.Age.UnixNano()
	case !o.Floor.IsZero():
		return o.Floor.UnixNano()
	}
	return start
}

// AgeTime is the time that ages are measured by, and whether any may be: not
// while nobody has vouched for the time. It goes on with the time since boot
// alone, over restarts from where it was, and comes up to Now when that has been
// vouched for through a whole day without a break. So no step of the clock, right
// or wrong, makes anything older; what is due by a right one goes a day later.
func (c *Clock) AgeTime() (now time.Time, trusted bool) {
	return time.Unix(0, int64(c.boot())+c.age.Load()).UTC(), c.Trusted()
}

// lag is how far AgeTime is behind Now.
func (c *Clock) lag() time.Duration { return time.Duration(c.offset.Load() - c.age.Load()) }

// Tend is to be called every second or so, by one goroutine. It has logical time
// follow a step of the wall clock that is larger than Options.MaxStep, and
// AgeTime come up to a time that has stood for a day. save is called with the
// time after a step before anybody sees it; when it fails, its error is
// returned and logical time goes on without the step.
func (c *Clock) Tend(save func(time.Time) error) error {
	err := c.follow(save)
	c.grow()
	return err
}

func (c *Clock) follow(save func(time.Time) error) error {
	wall := c.wall()
	want := wall.UnixNano() - int64(c.boot())
	if want-c.offset.Load() <= int64(c.maxStep) {
		return nil
	}
	if err := save(wall.UTC()); err != nil {
		return err
	}
	c.told.Store(false) // it is the wall clock's time now
	c.raise(want)
	return nil
}

func (c *Clock) grow() {
	boot, lag := c.boot(), c.lag()
	switch {
	case !c.vouched() || lag > c.wait.lag+mayGrow:
		c.wait = wait{since: boot, lag: lag}
	case boot-c.wait.since >= standsFor:
		c.age.Store(c.offset.Load())
		c.wait = wait{since: boot}
	}
}

// vouched reports whether somebody says right now that the time is what it is:
// a time server, against whom no other word counts, or who has Set it. That one
// of them did once is enough for Trusted, but a time server that has gone back
// on its word is no witness for what is to be purged.
func (c *Clock) vouched() bool {
	if c.isSynced() {
		return c.Trusted() && c.agrees() // the first also notes that it was synchronised
	}
	return c.told.Load()
}
