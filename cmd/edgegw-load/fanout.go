package main

import (
	"strconv"
	"time"
)

// runFanoutCPU measures what a delivery costs while the server is far from
// busy, so that no queue can make it look cheap.
func runFanoutCPU(b *bench) error {
	publishers, err := b.openRooms(1, b.opt.subscribers)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.subscribers))
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate) / float64(b.opt.subscribers)}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	m, err := b.measure(func() error { return p.run(b, b.opt.duration) })
	if err != nil {
		return err
	}
	b.deliveryFigures(m)
	return b.finish()
}

// runFanoutMax measures how much a server can deliver. The publisher keeps
// --window messages in flight and sends the next when one of its own comes
// back; it is one subscriber among the others.
func runFanoutMax(b *bench) error {
	publishers, err := b.openRooms(1, b.opt.subscribers)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.subscribers))
	c, credits := publishers[0], b.opt.window
	b.loop.first = c
	b.loop.onMessage = func(from *conn, _ []byte, _ int64) {
		if from == c {
			credits++
		}
	}
	run := func(d time.Duration) error {
		for end := b.now() + int64(d); b.now() < end; {
			if credits > 0 {
				for ; credits > 0; credits-- {
					b.enc.publish(c, b.now(), false)
				}
				if err := b.loop.flush(c); err != nil {
					return err
				}
			}
			if err := b.loop.wait(end); err != nil {
				return err
			}
		}
		return nil
	}
	if err := run(b.opt.warmup); err != nil {
		return err
	}
	m, err := b.measure(func() error { return run(b.opt.duration) })
	if err != nil {
		return err
	}
	b.deliveryFigures(m)
	return b.finish()
}

// openRooms is how most scenarios begin.
func (b *bench) openRooms(rooms, subscribers int) ([]*conn, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	return b.joinRooms(rooms, subscribers)
}

func (b *bench) deliveryFigures(m measured) {
	b.out.Figures["deliveries_per_s"] = m.deliveries / m.seconds
	if m.deliveries > 0 {
		b.out.Figures["server_us_per_delivery"] = m.serverCPU / m.deliveries * 1e6
		b.out.Figures["client_us_per_delivery"] = m.clientCPU / m.deliveries * 1e6
	}
}

// finish waits for the stragglers and prints.
func (b *bench) finish() error {
	if err := b.drain(drainLimit); err != nil {
		return err
	}
	return b.out.print()
}
