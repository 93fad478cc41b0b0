package gatewaytest

import (
	"sync/atomic"
	"time"

	"edgegw/internal/clock"
)

// Clock is the system's wall clock with steps of a test's own, forwards and
// backwards. The zero value has none.
type Clock struct{ step atomic.Int64 }

// Step sets the wall clock by d from where it is.
func (c *Clock) Step(d time.Duration) { c.step.Add(int64(d)) }

func (c *Clock) sources(floor time.Time) clock.Options {
	o := clock.System(floor)
	wall := o.Wall
	o.Wall = func() time.Time { return wall().Add(time.Duration(c.step.Load())) }
	return o
}
