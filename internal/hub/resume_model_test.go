package hub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// resumer is a client of the model: one connection at a time, and what it has of
// its room between them.
type resumer struct {
	name  gateway.AccountName
	p     *peer
	line  *line  // while it is connected
	start uint64 // behind which this connection's messages begin
	// has is what the client keeps of an epoch for as long as it is told
	// that nothing is missing.
	has   map[uint64]string
	epoch gateway.Epoch
	last  uint64
	seen  map[string]int
}

// resumeModel drives a hub and its model.
type resumeModel struct {
	w       *world
	lines   map[gateway.RoomID]*line
	clients []*resumer
	// owners has whose each epoch is that was ever shown, which are in shown.
	owners map[gateway.Epoch]gateway.RoomID
	shown  []gateway.Epoch
	n      int
	seen   map[string]int // how often something has happened
}

func modelRooms() []gateway.RoomID { return []gateway.RoomID{"mem", "lobby", "fs", "lobby.latest"} }

func newResumeModel(t *rapid.T, w *world, seen map[string]int) *resumeModel {
	m := &resumeModel{w: w, lines: make(map[gateway.RoomID]*line), owners: make(map[gateway.Epoch]gateway.RoomID), seen: seen}
	for _, room := range modelRooms() {
		m.renew(t, room, disk{})
	}
	for i := range 3 {
		m.clients = append(m.clients, &resumer{name: gateway.AccountName(fmt.Sprint("c", i)), seen: seen})
	}
	return m
}

func (m *resumeModel) disconnectFrom(t *rapid.T, l *line) {
	for _, c := range m.clients {
		if c.line == l {
			c.disconnect(t)
		}
	}
}

func (m *resumeModel) history(l *line) *history {
	if l.volatile {
		return m.w.volatile
	}
	return m.w.stored
}

func (m *resumeModel) publish(l *line, n int) {
	p := m.w.connect(in(l.room), as("filler"), granted("*:w"))
	for range n {
		m.n++
		data := filler(m.n, m.n*7%1000)
		l.data = append(l.data, data)
		p.send(`{"type":"message","data":%s}`, data)
	}
	p.leave()
}

func (m *resumeModel) commit() {
	m.w.stored.commit()
	for _, l := range m.lines {
		l.durable = uint64(len(l.data))
	}
}

// connect resumes with what the client has, or with anything else, and compares
// the answer with the model's.
func (m *resumeModel) connect(t *rapid.T, c *resumer, l *line) {
	c.disconnect(t)
	var r wire.Resume
	own := false
	switch rapid.SampledFrom([]string{"own", "own", "own", "own", "all", "any", "any", "alone", "nothing"}).Draw(t, "resume") {
	case "own":
		own = c.line != nil && c.line.room == l.room
		r = wire.Resume{After: gateway.Seq(c.last), HasAfter: true, Epoch: c.epoch}
		if !own {
			r = wire.Resume{}
		}
	case "all":
		r = wire.Resume{HasAfter: true, Epoch: l.epoch}
	case "any":
		epochs := append([]gateway.Epoch{l.epoch, l.epoch, "e99"}, m.shown...) // of other rooms, too
		r = wire.Resume{HasAfter: true, Epoch: rapid.SampledFrom(epochs).Draw(t, "epoch")}
		r.After = gateway.Seq(rapid.IntRange(0, len(l.data)+3).Draw(t, "after"))
	case "alone":
		r = wire.Resume{HasAfter: true, After: gateway.Seq(rapid.IntRange(0, len(l.data)+3).Draw(t, "after"))}
	}
	r.Latest = rapid.IntRange(0, 3).Draw(t, "latest") == 0
	recovered, follow := l.verdict(r)
	p := m.w.connect(in(l.room), as(c.name), func(hc *hub.Connect) { hc.Resume = r })
	f, _ := parse(t, wire.FormatJSON, p.socket.bytes())
	answer := f[1]
	switch {
	case answer.Epoch != string(l.epoch) || answer.Seq != l.head():
		t.Fatalf("%s: answered %s, want epoch %s and seq %d", l.room, answer.payload, l.epoch, l.head())
	case (answer.Recovered != nil) != (r.Epoch != "") || answer.Recovered != nil && *answer.Recovered != recovered:
		t.Fatalf("%s: %+v answered %s, want recovered %v", l.room, r, answer.payload, recovered)
	case (answer.Replay != nil) != (recovered || r.HasAfter && r.Epoch == ""):
		t.Fatalf("%s: %+v answered %s", l.room, r, answer.payload)
	case answer.Replay != nil && *answer.Replay != follow:
		t.Fatalf("%s: %+v answered %s, want replay %d", l.room, r, answer.payload, follow)
	case r.HasAfter && answer.From != min(l.purged, l.head())+1:
		t.Fatalf("%s: %+v answered %s, want from %d", l.room, r, answer.payload, l.purged+1)
	}
	if !own || !recovered {
		c.has = make(map[uint64]string)
	}
	m.seen[fmt.Sprintf("own epoch %v, recovered %v", own && r.Epoch == l.epoch, own && recovered)]++
	if own && l.moved && r.Epoch != l.epoch {
		m.seen[fmt.Sprintf("after a move, in memory %v, recovered %v", l.volatile, recovered)]++
	}
	c.p, c.line, c.start, c.epoch = p, l, l.head()-follow, l.epoch
	c.last = c.start
	if rapid.Bool().Draw(t, "slow") {
		p.socket.limit(rapid.IntRange(0, 1000).Draw(t, "space"))
		if follow > 20 && rapid.Bool().Draw(t, "bite") {
			synctest.Wait()
			m.purge(t, l) // under the replay
			p.socket.allow(rapid.IntRange(0, 100_000).Draw(t, "bytes"))
		}
	}
}

func (m *resumeModel) purge(t *rapid.T, l *line) {
	seq := uint64(rapid.IntRange(len(l.data)/2, len(l.data)).Draw(t, "purge"))
	l.purged = max(l.purged, seq)
	m.history(l).purge(l.room, gateway.Seq(seq))
}

// check follows what has come on the connection: from its start on every seq
// once, in order, as it was published; only what is purged may stand in a gap.
func (c *resumer) check(t *rapid.T) {
	frames, _ := c.p.stream()
	next := c.start + 1
	for i, f := range frames {
		switch f.Type {
		case "message":
			if f.Seq != next || f.Seq > uint64(len(c.line.data)) || string(f.Data) != c.line.data[f.Seq-1] {
				t.Fatalf("%s, frame %d: seq %d has to come: %.80s", c.line.room, i, next, f.payload)
			}
			c.has[f.Seq] = string(f.Data)
			next++
		case "gap":
			purged := f.Reason == "purged" && f.To <= c.line.purged
			if f.From != next || f.To < f.From || !purged && (f.Reason != "keep_latest" || c.line.room != "lobby.latest") {
				t.Fatalf("%s, frame %d: seq %d has to come, up to %d are purged: %s", c.line.room, i, next, c.line.purged, f.payload)
			}
			for seq := f.From; seq <= f.To; seq++ {
				c.has[seq] = c.line.data[seq-1] // fetched from history, or told that it is gone
			}
			next = f.To + 1
			c.seen[f.Reason]++
		}
	}
	if c.p.socket.isDown() {
		c.seen["closed"]++
	} else if next <= c.line.head() {
		c.seen["left in the middle"]++
	}
	c.last = next - 1
	// Who is told that nothing is missing has every message of the room.
	for seq, data := range c.has {
		if seq > uint64(len(c.line.data)) || c.line.data[seq-1] != data {
			t.Fatalf("%s: the client has %.60q as seq %d, which is not in the room", c.line.room, data, seq)
		}
		if seq > c.start && seq < next-1 && c.has[seq+1] == "" || seq == c.start && next > c.start+1 && c.has[seq+1] == "" {
			t.Fatalf("%s: the client has seq %d, but not %d", c.line.room, seq, seq+1)
		}
	}
}

// disconnect takes a connection away wherever its replay is.
func (c *resumer) disconnect(t *rapid.T) {
	if c.p == nil {
		return
	}
	c.check(t)
	c.p.leave()
	c.p = nil
}

func (m *resumeModel) step(t *rapid.T) {
	l := m.lines[rapid.SampledFrom([]gateway.RoomID{"mem", "lobby", "lobby", "fs", "lobby.latest"}).Draw(t, "room")]
	c := m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")]
	if c.line != nil && rapid.IntRange(0, 3).Draw(t, "elsewhere") > 0 {
		l = m.lines[c.line.room] // mostly it stays where it was
	}
	switch rapid.SampledFrom([]string{"publish", "publish", "publish", "connect", "connect", "connect", "read", "read",
		"commit", "commit", "purge", "purge", "disconnect", "crash", "move", "delete"}).Draw(t, "step") {
	case "publish":
		m.publish(l, rapid.IntRange(1, 90).Draw(t, "burst"))
	case "connect":
		m.connect(t, c, l)
	case "read":
		if c.p != nil {
			c.p.socket.allow(rapid.IntRange(1, 30_000).Draw(t, "bytes"))
		}
	case "commit":
		m.commit()
	case "purge":
		m.purge(t, l)
	case "disconnect":
		c.disconnect(t)
	case "crash":
		m.crash(t)
	case "move":
		m.move(t, l)
	case "delete":
		if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
			return
		}
		m.commit()
		m.disconnectFrom(t, l)
		if err := m.w.hub.Delete(context.Background(), l.room); err != nil {
			t.Fatal(err)
		}
		m.renew(t, l.room, disk{})
	}
	synctest.Wait()
}

// run lets clients and publishers do anything, and then checks everyone.
func (m *resumeModel) run(rt *rapid.T) {
	for range rapid.IntRange(10, 120).Draw(rt, "steps") {
		m.step(rt)
	}
	m.commit()
	synctest.Wait()
	for _, c := range m.clients {
		if c.p == nil {
			continue
		}
		c.p.socket.limit(unlimited)
		synctest.Wait()
		open := !c.p.socket.isDown()
		c.check(rt)
		if open && c.last != c.line.head() {
			rt.Fatalf("%s: the client ends at %d, the room at %d", c.line.room, c.last, c.line.head())
		}
		c.disconnect(rt)
	}
	if n := m.w.hub.Replays(); n != 0 {
		rt.Fatalf("%d replays go on", n)
	}
}

// Whatever happens between two connections and under a replay: the answer is
// what the rule says, everything above `after` comes once and in order, and who
// is told that nothing is missing has every message.
func TestModelResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[string]int)
		missing := func() (never []string) {
			for _, what := range []string{"own epoch true, recovered true", "own epoch false, recovered true", "own epoch false, recovered false",
				"left in the middle", "after a move, in memory true, recovered true", "after a move, in memory true, recovered false",
				"after a move, in memory false, recovered false"} {
				if seen[what] == 0 {
					never = append(never, what)
				}
			}
			return never
		}
		// Few runs are asked for on slow machines; they may miss what is rare.
		for round := 0; round == 0 || round < 20 && len(missing()) > 0; round++ {
			rapid.Check(inBubble{t}, func(rt *rapid.T) {
				w := newWorld(t, keepSettings, queue(rapid.SampledFrom([]int{4000, 20_000, 200_000}).Draw(rt, "queue")))
				newResumeModel(rt, w, seen).run(rt)
			})
		}
		t.Log(seen)
		if never := missing(); len(never) > 0 {
			t.Errorf("never: %v", never)
		}
	})
}
