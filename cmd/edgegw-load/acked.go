package main

import (
	"errors"
	"fmt"
	"time"
)

// closedLoop keeps --window messages in flight for each publisher and sends
// the next when an ack comes.
type closedLoop struct {
	b     *bench
	ready []*conn // publishers with credit, one entry for each message
	acks  uint64
	sent  uint64
	most  uint64 // publishes in all; 0 is no limit
}

func newClosedLoop(b *bench, publishers []*conn) *closedLoop {
	a := &closedLoop{b: b}
	for _, c := range publishers {
		for range b.opt.window {
			a.ready = append(a.ready, c)
		}
	}
	b.loop.onAck = func(c *conn, _ int64) {
		a.acks++
		a.ready = append(a.ready, c)
	}
	return a
}

func (a *closedLoop) run(d time.Duration) error {
	b := a.b
	for end := b.now() + int64(d); b.now() < end; {
		for i, c := range a.ready {
			if a.most == 0 || a.sent < a.most {
				a.sent++
				b.enc.publish(c, b.now(), true)
			}
			// All that one publisher may send goes in one write.
			if i+1 == len(a.ready) || a.ready[i+1] != c {
				if err := b.loop.flush(c); err != nil {
					return err
				}
			}
		}
		a.ready = a.ready[:0]
		if a.most > 0 && a.acks == a.most {
			return nil
		}
		if err := b.loop.wait(end); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the acks that are still due. What does not come is a fault.
func (a *closedLoop) settle() error {
	a.most = max(a.sent, 1)
	if err := a.run(drainLimit); err != nil {
		return err
	}
	a.b.out.Faults.BadAcks += a.sent - a.acks
	return nil
}

// runAcked measures how many publishes a second the server can acknowledge,
// each after its commit is on disk. Every publisher is alone in its room and
// gets its own messages back as well.
func runAcked(b *bench) error {
	publishers, err := b.openRooms(b.opt.publishers, 1)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(fmt.Sprintf("%dx%d", b.opt.publishers, b.opt.window))
	a := newClosedLoop(b, publishers)
	if err := a.run(b.opt.warmup); err != nil {
		return err
	}
	before := a.acks
	m, err := b.measure(func() error { return a.run(b.opt.duration) })
	if err != nil {
		return err
	}
	acks := float64(a.acks - before)
	b.out.Figures["acks_per_s"] = acks / m.seconds
	b.out.Figures["server_us_per_ack"] = m.serverCPU / max(acks, 1) * 1e6
	if err := a.settle(); err != nil {
		return err
	}
	return b.finish()
}

// runFill gives a store its content.
func runFill(b *bench) error {
	publishers, err := b.openRooms(b.opt.publishers, 1)
	if err != nil {
		return err
	}
	defer b.loop.close()
	a := newClosedLoop(b, publishers)
	a.most = uint64(max(b.opt.connections, 1))
	if err := a.run(time.Minute); err != nil {
		return err
	}
	if a.acks < a.most {
		return fmt.Errorf("only %d of %d messages were acknowledged in a minute", a.acks, a.most)
	}
	return nil
}

// runWear measures what a slow, steady stream of messages costs a flash card.
func runWear(b *bench) error {
	if b.opt.pid == 0 {
		return errors.New("wear needs --pid")
	}
	publishers, err := b.openRooms(b.opt.publishers, 1)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(fmt.Sprintf("%dx%d", b.opt.publishers, b.opt.rate))
	a := newClosedLoop(b, nil)
	before, err := writtenBy(b.opt.pid)
	if err != nil {
		return err
	}
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate), withID: true}
	if _, err := b.measure(func() error { return p.run(b, b.opt.duration) }); err != nil {
		return err
	}
	a.sent = uint64(p.turn)
	if err := a.settle(); err != nil {
		return err
	}
	after, err := writtenBy(b.opt.pid)
	if err != nil {
		return err
	}
	b.out.Figures["acks"] = float64(a.acks)
	b.out.Figures["kib_per_ack"] = float64(after-before) / 1024 / max(float64(a.acks), 1)
	return b.finish()
}
