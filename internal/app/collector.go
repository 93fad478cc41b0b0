package app

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// headroomLooks is for how many looks' allocations the heap should last
	// from one garbage collection to the next: each takes milliseconds of a
	// small board's core, which messages wait for.
	headroomLooks = 8
	// mostHeadroom bounds the memory that this may take, in bytes.
	mostHeadroom = 16 << 20
	// mostPercent is for a heap that is next to empty.
	mostPercent = 800
)

// collector sets the garbage collector's percentage. A share of what lives is a
// good bound for the memory that many connections take. It is a bad one for a
// small heap with much traffic: that is collected several times in a second.
type collector struct {
	// base is the percentage of an idle gateway, 0 when somebody else has set it.
	base int

	samples   []metrics.Sample
	set       int
	allocated uint64
	rate      uint64 // what was allocated between the last two looks
}

func newCollector(base int) collector {
	return collector{base: base, set: base, samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
}

// look takes one look at how fast memory is allocated. calm is false when there
// is little memory left.
func (c *collector) look(calm bool) {
	if c.base == 0 {
		return
	}
	metrics.Read(c.samples)
	before, rate := c.allocated, c.rate
	c.allocated = c.samples[0].Value.Uint64()
	c.rate = c.allocated - before
	lives := uint64(1) // what the percentage is of
	for _, s := range c.samples[1:] {
		lives += s.Value.Uint64()
	}
	wanted := c.base
	// A burst, such as many connections at once, is no traffic that lasts.
	if calm {
		wanted = collectPercent(c.base, min(rate, c.rate), lives)
	}
	// Each change stops the world.
	if math.Abs(float64(wanted-c.set)) > float64(c.set)/4 || wanted == c.base && c.set != c.base {
		c.set = wanted
		debug.SetGCPercent(wanted)
	}
}

// collectPercent is the percentage with which as much may be allocated until the
// next collection as was in the last headroomLooks looks, within the bounds, and
// never less than base.
func collectPercent(base int, allocated, lives uint64) int {
	room := min(allocated*headroomLooks, mostHeadroom)
	return max(base, int(min(mostPercent, 100*room/lives))) // in 64 bits, which an int may not have
}
