package main

import (
	"fmt"
	"slices"
	"time"
)

// runLatency measures publish to receive. Both ends are on this side, so one
// clock reads both times.
func runLatency(b *bench) error {
	publishers, err := b.openRooms(b.opt.rooms, b.opt.subscribers)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(fmt.Sprintf("%dx%d", b.opt.rooms, b.opt.subscribers))
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate) / float64(b.opt.subscribers)}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	m, err := b.timed(&p, "")
	if err != nil {
		return err
	}
	b.deliveryFigures(m)
	return b.finish()
}

// timed publishes for the run's length and enters how long the messages took.
// The figures' names get the prefix.
func (b *bench) timed(p *pace, prefix string) (measured, error) {
	expect := int(p.perSecond * float64(b.opt.subscribers) * b.opt.duration.Seconds())
	samples := make([]int64, 0, expect+expect/8)
	p.late = make([]int64, 0, int(p.perSecond*b.opt.duration.Seconds())+1)
	b.loop.onMessage = func(_ *conn, payload []byte, at int64) {
		samples = append(samples, at-int64(numberAfter(payload, `"t":`)))
	}
	m, err := b.measure(func() error { return p.run(b, b.opt.duration) })
	if err != nil {
		return m, err
	}
	if err := b.rest(stragglers); err != nil {
		return m, err
	}
	b.loop.onMessage = func(*conn, []byte, int64) {}
	slices.Sort(samples)
	slices.Sort(p.late)
	for name, q := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999} {
		b.out.Figures[prefix+name] = float64(percentile(samples, q)) / 1e3
		b.out.Figures["client_late_"+prefix+name] = float64(percentile(p.late, q)) / 1e3
	}
	return m, nil
}

// stragglers is how long messages are waited for that were published just before
// a measurement's end: a server that holds them longer is slow, and shows it in
// the next one.
const stragglers = 500 * time.Millisecond
