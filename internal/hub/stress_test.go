package hub_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// client is one of the stress test's many: it does at random what clients do.
type client struct {
	w     *world
	p     *peer
	r     *rand.Rand
	n     int
	sent  map[string]string // id to data
	rooms []gateway.RoomID
	slow  bool
}

func (c *client) step() {
	room := c.rooms[c.r.IntN(len(c.rooms))]
	if c.slow {
		c.p.socket.allow(c.r.IntN(600))
	}
	c.n++
	switch c.r.IntN(16) {
	case 0, 1:
		c.p.send(`{"type":"subscribe","room":"%s"}`, room)
	case 2:
		c.p.send(`{"type":"unsubscribe","room":"%s"}`, room)
	case 3:
		c.p.send(`{"type":"ping"}`)
	case 4:
		c.p.send(`not %d a command`, c.n)
	case 5:
		c.p.sendBinary([]byte{byte(c.n), 0xFF})
	default:
		id := fmt.Sprintf("%s-%d", c.p.session.ID(), c.n)
		data := fmt.Sprintf(`{"from":"%s","pad":"%0*d"}`, id, c.r.IntN(300), c.n)
		c.sent[id] = data
		c.p.send(`{"type":"message","room":"%s","id":"%s","data":%s}`, room, id, data)
	}
}

// Many sessions come, go, join, leave and publish at once. Each of them follows
// its own frames as a client does, and compares them with what is kept.
func TestStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(40_000))
		stop := w.stored.commitAlways()
		rooms := []gateway.RoomID{"mem.a", "mem.drop", "mem.latest", "lobby", "lobby.drop", "fs", "fs.latest", "lobby.b"}
		var mu sync.Mutex
		var clients []*client
		join := func(worker, round int) *client {
			mu.Lock() // peers are listed
			defer mu.Unlock()
			asks := []func(*hub.Connect){as(gateway.AccountName(fmt.Sprintf("w%d", worker))), in(rooms[(worker+round)%len(rooms)])}
			if worker%8 == 7 {
				asks = append(asks, inRaw)
			}
			c := &client{w: w, p: w.connect(asks...), r: rand.New(rand.NewPCG(uint64(worker), uint64(round))),
				sent: make(map[string]string), rooms: rooms, slow: worker%4 == 3}
			if c.slow {
				c.p.socket.limit(200)
			}
			clients = append(clients, c)
			return c
		}
		// Whoever takes nothing at all loses something for certain, whoever is
		// slow only if the messages come fast enough.
		for worker, room := range []gateway.RoomID{"mem.drop", "mem.latest", "mem.a"} {
			c := join(100+worker, 0)
			c.p.send(`{"type":"subscribe","room":"%s"}`, room)
			c.p.socket.limit(0)
		}
		var workers sync.WaitGroup
		for worker := range 16 {
			workers.Go(func() {
				for round := range 6 {
					c := join(worker, round)
					for range 80 {
						c.step()
					}
					if round%3 != 2 { // some stay to the end
						c.p.leave()
					}
				}
			})
		}
		workers.Wait()
		for _, c := range clients {
			c.p.socket.limit(unlimited)
		}
		synctest.Wait()
		stop()
		synctest.Wait()
		for _, c := range clients {
			c.check(t)
		}
		// All of it has happened.
		for _, reason := range []hub.DropReason{hub.DropOldest, hub.DropKeepLatest, hub.DropSlowConsumer} {
			if w.figures.lost(reason) == 0 {
				t.Errorf("nothing was lost by %s", reason)
			}
		}
		if w.figures.delivered.n.Load() == 0 || w.figures.closes(4002) == 0 {
			t.Errorf("%d messages delivered, closed: %v", w.figures.delivered.n.Load(), w.figures.closed)
		}
	})
}

func (c *client) check(t *testing.T) {
	t.Helper()
	frames, rest := c.p.stream()
	if c.p.format == wire.FormatRaw {
		return // it says neither seq nor room; the others hold the promise
	}
	gone := c.p.socket.isDown()
	if len(rest) > 0 && !gone {
		t.Fatalf("%d bytes of a frame are left", len(rest))
	}
	all := ledger(t, frames)
	for _, at := range all {
		at.in = at.in && !gone
	}
	checkAgainstHistory(t, c.w, all)
	acked := 0
	for _, f := range frames {
		if f.Type != "ack" {
			continue
		}
		acked++
		h := c.w.volatile
		if settingsOf(gateway.RoomID(f.Room)).Durability != gateway.DurabilityMemory {
			h = c.w.stored
		}
		m := h.records(gateway.RoomID(f.Room))[f.Seq-1].Message
		if string(m.ID) != f.ID || string(m.Payload.Bytes) != c.sent[f.ID] || f.Durability != string(settingsOf(gateway.RoomID(f.Room)).Durability) {
			t.Fatalf("ack %s is of another message: %s", f.payload, m.Payload.Bytes)
		}
	}
	if !gone && acked != len(c.sent) {
		t.Fatalf("%d of %d messages were acked", acked, len(c.sent))
	}
}
