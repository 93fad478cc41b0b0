package main

import "time"

// pace publishes in an open loop: the k-th message is due at start + k·step,
// whatever the server does, goes to the publishers in turn, and carries the
// time at which it was due. A server that stalls therefore pays for the
// messages that could not be sent meanwhile (no coordinated omission).
type pace struct {
	publishers []*conn
	perSecond  float64
	withID     bool

	turn int
	late []int64 // nanoseconds from due to sent, when kept
}

// run publishes for a duration.
func (p *pace) run(b *bench, d time.Duration) error {
	start := b.now()
	total := int(p.perSecond * d.Seconds())
	due := func(k int) int64 { return start + int64(float64(k)/p.perSecond*1e9) }
	end := start + int64(d)
	for k := 0; b.now() < end; {
		for now := b.now(); k < total && due(k) <= now; k++ {
			c := p.publishers[p.turn%len(p.publishers)]
			p.turn++
			b.enc.publish(c, due(k), p.withID)
			if err := b.loop.flush(c); err != nil {
				return err
			}
			if p.late != nil {
				p.late = append(p.late, now-due(k))
			}
		}
		next := end
		if k < total {
			next = min(next, due(k))
		}
		if err := b.loop.wait(next); err != nil {
			return err
		}
	}
	return nil
}
