package gatewaytest

import (
	"sync/atomic"
	"time"

	"edgegw/internal/clock"
)

// Clock is the system's wall clock with steps of a test's own, forwards and
// backwards, on a board that can be started anew. The zero value has no steps, and
// is as synchronised as the system is.
type Clock struct {
	step   atomic.Int64
	passed atomic.Int64
	boots  atomic.Uint64
	booted atomic.Int64 // time since the system's boot
	synced atomic.Int32 // 1 is yes, -1 is no
}

// Step sets the wall clock by d from where it is.
func (c *Clock) Step(d time.Duration) { c.step.Add(int64(d)) }

// Set sets the wall clock.
func (c *Clock) Set(to time.Time) { c.step.Store(int64(time.Until(to)) - c.passed.Load()) }

// Pass lets time pass, for the wall clock and the time since boot alike.
func (c *Clock) Pass(d time.Duration) { c.passed.Add(int64(d)) }

// Sync says whether a time server vouches for the wall clock.
func (c *Clock) Sync(synced bool) {
	c.synced.Store(-1)
	if synced {
		c.synced.Store(1)
	}
}

// Reboot has the next gateway run on a board that was just started.
func (c *Clock) Reboot() {
	c.boots.Add(1)
	c.booted.Store(int64(clock.System(time.Time{}).Boot()) + c.passed.Load())
}

// AwaitStep waits until the gateway's time has followed a step of its clock, which it
// does within a second.
func (g *Gateway) AwaitStep() {
	g.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if now, err := g.Admin().ShowClock(g.t.Context()); err != nil || now.Wall-now.Now < 1000 {
			return
		}
	}
	g.t.Fatal("the gateway's time does not follow the clock")
}

func (c *Clock) sources(floor time.Time) clock.Options {
	o := clock.System(floor)
	wall, boot, synced := o.Wall, o.Boot, o.Synced
	o.Wall = func() time.Time { return wall().Add(time.Duration(c.step.Load() + c.passed.Load())) }
	o.Boot = func() time.Duration { return boot() + time.Duration(c.passed.Load()-c.booted.Load()) }
	if n := c.boots.Load(); n > 0 {
		o.BootID += n
	}
	o.Synced = func() bool {
		said := c.synced.Load()
		return said > 0 || said == 0 && synced()
	}
	return o
}
