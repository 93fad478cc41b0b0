package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// stormLimit is when everybody has to be back.
const stormLimit = 30 * time.Second

// stormRoom is how many clients a room of the storm has.
const stormRoom = 100

// away is a client that was cut.
type away struct {
	was *conn
	due int64
}

// runStorm cuts --connections clients at once, publishes while they are away,
// and lets them all come back in the same moment, each with its position. It
// measures when the last of them has everything, and what that cost the server.
func runStorm(b *bench) error {
	if b.opt.target == targetBare {
		return errors.New("the baseline keeps no history to resume from")
	}
	rooms := max(1, b.opt.connections/stormRoom)
	publishers, err := b.openRooms(rooms, 1)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.connections))
	var cut []away
	for i := range b.opt.connections {
		c, err := b.dialer.ask(publishers[i%rooms].room, "")
		if err != nil {
			return err
		}
		if err := errors.Join(b.dialer.enter(c), b.loop.add(c)); err != nil {
			return err
		}
		cut = append(cut, away{was: c})
	}
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate)}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	for _, a := range cut {
		b.loop.reset(a.was)
	}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	var last, refusals int64
	m, err := b.measure(func() error {
		start := b.now()
		for len(cut) > 0 && b.now() < start+int64(stormLimit) {
			before := len(cut)
			if cut, err = b.comeBack(cut); err != nil {
				return err
			}
			if refusals += int64(len(cut)); len(cut) < before {
				last = b.now() - start
			}
		}
		if len(cut) > 0 {
			return fmt.Errorf("%d clients are not back after %s", len(cut), stormLimit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.out.Figures["back_s"] = float64(last) / 1e9
	b.out.Figures["refusals"] = float64(refusals)
	b.out.Figures["server_us_per_return"] = m.serverCPU / float64(b.opt.connections) * 1e6
	return b.finish()
}

// comeBack has all clients ask at once that are due, and returns those that were
// sent away again.
func (b *bench) comeBack(cut []away) (left []away, err error) {
	slices.SortFunc(cut, func(x, y away) int { return int(x.due - y.due) })
	if wait := cut[0].due - b.now(); wait > 0 {
		if err := b.rest(time.Duration(wait)); err != nil {
			return nil, err
		}
	}
	now := b.now()
	asked := make([]*conn, 0, len(cut))
	for i, a := range cut {
		if a.due > now {
			left = append(left, cut[i:]...)
			break
		}
		more := fmt.Sprintf("&after=%d&epoch=%s", a.was.next-1, a.was.epoch)
		c, err := b.dialer.ask(a.was.room, more)
		if err != nil {
			return nil, err
		}
		asked = append(asked, c)
	}
	for i, c := range asked {
		was := cut[i].was
		err := b.dialer.enter(c)
		var no *refused
		if errors.As(err, &no) && no.after > 0 {
			left = append(left, away{was, b.now() + int64(no.after)})
			continue
		}
		if err != nil {
			return nil, err
		}
		if !c.recovered || c.next != was.next || c.epoch != was.epoch {
			return nil, fmt.Errorf("room %s went on at %d, after a resume from %d", c.room.name, c.next, was.next-1)
		}
		// The books go on where the connection before has left them.
		c.got, c.faultCounts = was.got, was.faultCounts
		was.got, was.faultCounts = was.room.published, faultCounts{}
		if err := b.loop.add(c); err != nil {
			return nil, err
		}
	}
	return left, nil
}
