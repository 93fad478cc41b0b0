package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Other is the label value of everything outside a closed table.
const Other = "other"

// Counter only grows. Its methods are safe for concurrent use and cost one
// atomic addition.
type Counter struct{ c *metrics.Counter }

// Inc adds 1.
func (c *Counter) Inc() { c.c.Inc() }

// Add adds n, which must not be negative.
func (c *Counter) Add(n int64) { c.c.AddInt64(n) }

// Value is the present count.
func (c *Counter) Value() uint64 { return c.c.Get() }

// CounterVec is a counter for each value of one label. The values are fixed at
// construction.
type CounterVec[K comparable] struct {
	known map[K]*Counter // read-only after construction
	other *Counter
}

// With gives the counter of a label value, or that of Other for a value outside
// the table. Hot paths call it once and keep the result.
func (v *CounterVec[K]) With(value K) *Counter {
	if c, ok := v.known[value]; ok {
		return c
	}
	return v.other
}

// Inc adds 1 to the counter of a label value.
func (v *CounterVec[K]) Inc(value K) { v.With(value).Inc() }

// Total is the sum over all label values.
func (v *CounterVec[K]) Total() uint64 {
	sum := v.other.Value()
	for _, c := range v.known {
		sum += c.Value()
	}
	return sum
}

// Gauge is a number that goes up and down. Its methods are safe for concurrent
// use.
type Gauge struct {
	v atomic.Int64
	f atomic.Pointer[func() int64]
}

// Set replaces the value.
func (g *Gauge) Set(n int64) { g.v.Store(n) }

// Add adds n, which may be negative.
func (g *Gauge) Add(n int64) { g.v.Add(n) }

// Follow asks f at each scrape from now on, instead of the value set. f must be
// safe for concurrent use and quick.
func (g *Gauge) Follow(f func() int64) { g.f.Store(&f) }

// Value is the present value.
func (g *Gauge) Value() int64 {
	if f := g.f.Load(); f != nil {
		return (*f)()
	}
	return g.v.Load()
}

// GaugeVec is a gauge for each value of one label, fixed at construction.
type GaugeVec struct {
	known map[string]*Gauge // read-only after construction
	other *Gauge
}

// With gives the gauge of a label value. For a value outside the table it gives
// one that is never written: sizes and levels of strangers cannot be added up.
func (v *GaugeVec) With(value string) *Gauge {
	if g, ok := v.known[value]; ok {
		return g
	}
	return v.other
}

// Histogram counts observations in buckets with upper bounds. Its methods are
// safe for concurrent use and do not allocate.
type Histogram struct{ h *metrics.PrometheusHistogram }

// Observe counts v, which must not be negative.
func (h *Histogram) Observe(v float64) { h.h.Update(v) }

// ObserveDuration counts d in seconds.
func (h *Histogram) ObserveDuration(d time.Duration) { h.h.Update(d.Seconds()) }

// HTTPClass is what is measured about one class of routes.
type HTTPClass struct {
	codes    CounterVec[int]
	duration *Histogram
}

// Observe counts one answer by its status and the time it took.
func (c *HTTPClass) Observe(status int, took time.Duration) {
	c.codes.Inc(status)
	c.duration.ObserveDuration(took)
}
