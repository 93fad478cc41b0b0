package main

import (
	"errors"
	"strconv"
	"syscall"
)

// slowPad makes messages long enough that a stuck reader's queue is full within
// the run, in bytes.
const slowPad = 4 << 10

// runSlow measures what readers that stop reading cost the others: a room of
// --subscribers, of whom --connections stop.
func runSlow(b *bench) error {
	stuck := b.opt.connections
	if b.opt.pid == 0 || stuck < 1 || stuck >= b.opt.subscribers {
		return errors.New("slow needs --pid, and fewer --connections than --subscribers")
	}
	publishers, err := b.openRooms(1, b.opt.subscribers)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.subscribers))
	b.enc.pad = slowPad
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate) / float64(b.opt.subscribers)}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	if _, err := b.timed(&p, "quiet_"); err != nil {
		return err
	}
	before, err := memoryOf(b.opt.pid)
	if err != nil {
		return err
	}
	deaf := b.loop.conns[b.opt.subscribers-stuck:]
	for _, c := range deaf {
		if err := b.loop.forget(c); err != nil {
			return err
		}
		// What the kernel would take for a reader that does not read.
		if err := syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096); err != nil {
			return err
		}
	}
	peak, stop := b.watchMemory()
	_, err = b.timed(&p, "")
	stop()
	if err != nil {
		return err
	}
	b.out.Figures["p99_times"] = b.out.Figures["p99_us"] / b.out.Figures["quiet_p99_us"]
	b.out.Figures["kib_per_stuck"] = max(0, float64(peak.Load())-float64(before.rss)) / 1024 / float64(stuck)
	for _, c := range deaf {
		b.loop.reset(c)
		c.got = c.room.published // they are not asked
	}
	return b.finish()
}
