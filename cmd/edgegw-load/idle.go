package main

import (
	"errors"
	"strconv"
)

// runIdleMemory measures what an open connection costs the server while
// nothing happens. The server is left to itself: its collector runs when it
// wants to.
func runIdleMemory(b *bench) error {
	if b.opt.pid == 0 || b.opt.connections < 1 {
		return errors.New("idle-memory needs --pid and --connections")
	}
	if err := b.open(); err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.connections))
	before, err := memoryOf(b.opt.pid)
	if err != nil {
		return err
	}
	// Fifty to a room: a site has many rooms, and a room many members.
	const inRoom = 50
	for i := 0; i < b.opt.connections; i += inRoom {
		if _, err := b.join(roomName(i/inRoom), min(inRoom, b.opt.connections-i)); err != nil {
			return err
		}
	}
	if err := b.rest(b.opt.settle); err != nil {
		return err
	}
	after, err := memoryOf(b.opt.pid)
	if err != nil {
		return err
	}
	per := func(from, to uint64) float64 {
		return (float64(to) - float64(from)) / 1024 / float64(b.opt.connections)
	}
	b.out.Figures["anon_kib_per_connection"] = per(before.anon, after.anon)
	b.out.Figures["rss_kib_per_connection"] = per(before.rss, after.rss)
	b.out.Figures["pss_kib_per_connection"] = per(before.pss, after.pss)
	b.out.Figures["rss_mib"] = float64(after.rss) / (1 << 20)
	return b.finish()
}
