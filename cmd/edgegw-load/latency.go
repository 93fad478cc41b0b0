package main

import (
	"fmt"
	"slices"
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
	expect := int(float64(b.opt.rate) * b.opt.duration.Seconds())
	samples := make([]int64, 0, expect+expect/8)
	p.late = make([]int64, 0, cap(samples)/b.opt.subscribers)
	b.loop.onMessage = func(_ *conn, payload []byte, at int64) {
		samples = append(samples, at-int64(numberAfter(payload, `"t":`)))
	}
	m, err := b.measure(func() error { return p.run(b, b.opt.duration) })
	if err != nil {
		return err
	}
	b.deliveryFigures(m)
	if err := b.drain(drainLimit); err != nil {
		return err
	}
	slices.Sort(samples)
	slices.Sort(p.late)
	for name, q := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999} {
		b.out.Figures[name] = float64(percentile(samples, q)) / 1e3
		b.out.Figures["client_late_"+name] = float64(percentile(p.late, q)) / 1e3
	}
	return b.out.print()
}
