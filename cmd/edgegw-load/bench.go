package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// bench is one run: its options, its sockets and what it found.
type bench struct {
	command string
	opt     options
	now     func() int64 // Unix time in nanoseconds that never jumps
	loop    *loop
	enc     encoder
	dialer  *dialer
	out     result
}

func newBench(command string, opt options) *bench {
	start := time.Now()
	base := start.UnixNano()
	return &bench{
		command: command, opt: opt,
		now: func() int64 { return base + int64(time.Since(start)) },
		enc: encoder{target: opt.target, user: opt.user},
		out: result{Row: command, Round: opt.round, Target: opt.target, Figures: map[string]float64{}},
	}
}

// open gets the token and makes the loop. From here on the client allocates
// next to nothing, so the collector is off: its pauses would be the server's.
func (b *bench) open() error {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 30)
	token, err := bearer(b.opt, time.Unix(0, b.now()))
	if err != nil {
		return err
	}
	if b.dialer, err = newDialer(b.opt, token); err != nil {
		return err
	}
	b.loop, err = newLoop(b.now)
	return err
}

// join opens n connections to a room. They share its ledger; the first of them
// is the room's publisher and a subscriber like the others.
func (b *bench) join(name string, n int) (*conn, error) {
	r := newRoom(name)
	var first *conn
	for range n {
		c, err := b.dialer.dial(name)
		if err != nil {
			return nil, err
		}
		c.room = r
		if first == nil {
			first = c
			c.idEnd = "-" + strconv.FormatInt(b.now(), 36) + `"`
		}
		if err := b.loop.add(c); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// joinRooms opens count rooms of n connections each and returns their
// publishers. It ends with a short rest: the baseline enters a connection into
// its room only after it has answered the handshake.
func (b *bench) joinRooms(count, n int) ([]*conn, error) {
	if count < 1 || n < 1 {
		return nil, fmt.Errorf("%s needs at least one room and one connection in it", b.command)
	}
	publishers := make([]*conn, count)
	for i := range publishers {
		var err error
		if publishers[i], err = b.join(roomName(i), n); err != nil {
			return nil, err
		}
	}
	return publishers, b.rest(200 * time.Millisecond)
}

// rest keeps answering pings for a while.
func (b *bench) rest(d time.Duration) error {
	for end := b.now() + int64(d); b.now() < end; {
		if err := b.loop.wait(end); err != nil {
			return err
		}
	}
	return nil
}

// drainLimit is how long a message may still be on its way after the last
// publish before it counts as missing.
const drainLimit = 5 * time.Second

// drain waits until all subscribers have all messages, or until the limit, and
// closes the books: what did not come is missing.
func (b *bench) drain(limit time.Duration) error {
	for end := b.now() + int64(limit); b.waitsForMore() && b.now() < end; {
		if err := b.loop.wait(end); err != nil {
			return err
		}
	}
	for _, c := range b.loop.conns {
		// Holes in the seqs are in Missing already; this adds what is
		// missing at the end.
		if seen := c.got + c.Missing; seen < c.room.published {
			c.Missing += c.room.published - seen
		}
		b.out.Faults.add(c.faultCounts)
	}
	b.out.Refusal = b.loop.refusal
	return nil
}

func (b *bench) waitsForMore() bool {
	return slices.ContainsFunc(b.loop.conns, func(c *conn) bool { return c.got+c.Missing < c.room.published })
}

// row adds the run's size to the scenario's name.
func (b *bench) row(size string) {
	b.out.Row = b.command + "/" + size
	if b.opt.tls {
		b.out.Row = b.command + "-tls/" + size
	}
}
