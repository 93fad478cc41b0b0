package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// runResume measures how fast a client gets what it missed: --connections
// messages, in one room. It comes back again and again.
func runResume(b *bench) error {
	if b.opt.target == targetBare {
		return errors.New("the baseline keeps no history to resume from")
	}
	publishers, err := b.openRooms(1, 1)
	if err != nil {
		return err
	}
	defer b.loop.close()
	missed := uint64(max(b.opt.connections, 1))
	b.row(strconv.FormatUint(missed, 10))
	a := newClosedLoop(b, publishers)
	a.most = missed
	if err := a.run(time.Minute); err != nil {
		return err
	}
	if a.acks < missed {
		return fmt.Errorf("only %d of %d messages were acknowledged in a minute", a.acks, missed)
	}
	times := 0
	m, err := b.measure(func() error {
		for end := b.now() + int64(b.opt.duration); b.now() < end; times++ {
			if err := b.resumeOnce(publishers[0]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(times) * float64(missed)
	b.out.Figures["ms_per_resume"] = m.seconds * 1e3 / float64(times)
	b.out.Figures["messages_per_s"] = n / m.seconds
	b.out.Figures["server_us_per_message"] = m.serverCPU / n * 1e6
	return b.finish()
}

// resumeOnce comes to a room of which it has nothing, and leaves when it has
// everything.
func (b *bench) resumeOnce(publisher *conn) error {
	c, err := b.dialer.ask(publisher.room, "&after=0&epoch="+publisher.epoch)
	if err == nil {
		err = b.dialer.enter(c)
	}
	if err != nil {
		return err
	}
	if !c.recovered {
		return errors.New("the server did not recover what it has acknowledged")
	}
	if err := b.loop.add(c); err != nil {
		return err
	}
	for end := b.now() + int64(dialTimeout); c.got < c.room.published; {
		if b.now() > end {
			return fmt.Errorf("%d of %d messages came in %s", c.got, c.room.published, dialTimeout)
		}
		if err := b.loop.wait(end); err != nil {
			return err
		}
	}
	b.loop.reset(c)
	return nil
}
