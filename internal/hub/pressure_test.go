package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// Under pressure nobody is told of typing and presence. Who is there can be
// asked all the same, and when the pressure falls the room is told what it then
// does not know.
func TestPressureShedsPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann := w.connect()
		ann.hears()
		w.hub.SetPressure(hub.PressureEphemeral)
		bob, eve := w.connect(as("bob")), w.connect(as("eve"))
		eve.send(`{"type":"typing","state":"start"}`)
		bob.leave()
		w.sleep(20*time.Second, ann, eve)
		dan := w.connect(as("dan"))
		dan.send(`{"type":"typing","state":"start"}`)
		ann.hears()
		eve.hears()
		if got := w.present("mem"); got != "ann 1, dan 1, eve 1" {
			t.Errorf("present are %s", got)
		}
		ann.send("x")
		if f := eve.frames(); len(f) != 1 || f[0].Type != "message" {
			t.Errorf("frames\n%s", texts(f))
		}
		w.hub.SetPressure(hub.PressureNone)
		w.sleep(2*time.Second, ann, eve, dan)
		ann.hears(joins("mem", "dan", 3), `{"type":"typing","room":"mem","user":"dan","state":"start"}`)
		w.sleep(10*time.Second, ann, eve, dan)
		ann.hears(`{"type":"typing","room":"mem","user":"dan","state":"stop"}`)
		w.connect(as("fay"))
		ann.hears(joins("mem", "fay", 4))
	})
}

// comeBack is what a client is answered that comes back, and which seqs it was
// brought; those in a gap count as negative.
func (w *world) comeBack(asks ...func(*hub.Connect)) string {
	w.t.Helper()
	p := w.connect(append(asks, in("lobby"))...)
	synctest.Wait()
	got := summary(p.frames())
	p.leave()
	return got
}

func summary(frames []frame) (got string) {
	first, n := uint64(0), 0
	for _, f := range frames {
		switch f.Type {
		case "subscribed":
			if f.Recovered != nil {
				got += fmt.Sprintf("recovered %v, ", *f.Recovered)
			}
			if f.Replay != nil {
				got += fmt.Sprintf("replay %d, ", *f.Replay)
			}
			got += fmt.Sprintf("from %d", f.From)
		case "gap":
			got += fmt.Sprintf(", gap %d-%d %s", f.From, f.To, f.Reason)
		case "message":
			if n++; n == 1 {
				first = f.Seq
			}
		}
	}
	if n > 0 {
		got += fmt.Sprintf(", %d messages from %d", n, first)
	}
	return got
}

// Under pressure replays are short, and never silently: who would miss anything
// is told so.
func TestPressureCutsReplays(t *testing.T) {
	for _, c := range []struct {
		name       string
		ask        func(*hub.Connect)
		want, free string // what follows, and what does when the pressure has fallen
	}{
		{"ok short enough", after(800, "e1"),
			"recovered true, replay 200, from 1, 200 messages from 801", ""},
		{"bad one too many", after(799, "e1"),
			"recovered false, from 1", "recovered true, replay 201, from 1, 201 messages from 800"},
		{"bad from the beginning", after(0, "e1"),
			"recovered false, from 1", "recovered true, replay 1000, from 1, 1000 messages from 1"},
		{"bad too many, with the latest", func(c *hub.Connect) { after(0, "e1")(c); latest(c) },
			"recovered false, from 1, 1 messages from 1000", "recovered true, replay 1000, from 1, 1000 messages from 1"},
		{"ok without an epoch, short enough", after(800, ""),
			"replay 200, from 1, 200 messages from 801", ""},
		{"bad without an epoch", after(41, ""),
			"replay 200, from 1, gap 42-800 pressure, 200 messages from 801", "replay 959, from 1, 959 messages from 42"},
		{"ok beyond the head", after(2000, ""), "replay 0, from 1", ""},
		{"ok the latest", latest, "from 0, 1 messages from 1000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("lobby", 1, 1000)
				w.hub.SetPressure(hub.PressureReplays)
				if got := w.comeBack(c.ask); got != c.want {
					t.Errorf("under pressure: %s\nwant %s", got, c.want)
				}
				for _, p := range []hub.Pressure{hub.PressureEphemeral, hub.PressureNone} {
					w.hub.SetPressure(p)
					want := c.free
					if want == "" {
						want = c.want
					}
					if got := w.comeBack(c.ask); got != want {
						t.Errorf("under pressure %d: %s\nwant %s", p, got, want)
					}
				}
			})
		})
	}
}

// The same for who is in the room already, and what follows fits behind it.
func TestPressureCutsReplaysOfSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("lobby", 1, 1000)
		w.hub.SetPressure(hub.PressureReplays)
		p := w.connect(in("lobby"))
		p.frames()
		p.subscribe("lobby", wire.Resume{After: 10, HasAfter: true})
		if got, want := summary(p.frames()), "replay 200, from 1, gap 11-800 pressure, 200 messages from 801"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		p.subscribe("lobby", wire.Resume{After: 10, HasAfter: true})
		w.fill("lobby", 1001, 1001)
		if got, want := summary(p.frames()), "replay 0, from 1, 1 messages from 1001"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// pages counts how many pages the history reads at once.
func (w *world) pages(clients int) (most int) {
	w.t.Helper()
	var mu sync.Mutex
	now := 0
	w.stored.set(func(h *history) {
		h.paged = func() {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
		}
	})
	peers := make([]*peer, clients)
	for i := range peers {
		peers[i] = w.connect(in("lobby"), after(0, "e1"))
	}
	time.Sleep(time.Second)
	for _, p := range peers {
		if _, seqs := p.resumed("lobby"); len(seqs) != 190 {
			w.t.Errorf("%d messages came", len(seqs))
		}
		p.leave()
	}
	w.stored.set(func(h *history) { h.paged = nil })
	return most
}

// However many come back at once, few have a page in memory, and under pressure
// fewer.
func TestPagesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("lobby", 1, 190)
		for _, c := range []struct {
			pressure hub.Pressure
			want     int
		}{{hub.PressureNone, 32}, {hub.PressureReplays, 4}, {hub.PressureEphemeral, 32}} {
			w.hub.SetPressure(c.pressure)
			if got := w.pages(100); got != c.want {
				t.Errorf("under pressure %d: %d pages at once, want %d", c.pressure, got, c.want)
			}
		}
	})
}

// Who does not read what a replay brings keeps nobody else from it.
func TestStuckReplaysHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(100_000))
		w.hub.SetPressure(hub.PressureReplays)
		w.fill("lobby", 1, 190)
		for range 20 {
			p := w.connect(in("mem"))
			p.frames()
			p.socket.limit(1000)
			p.subscribe("lobby", wire.Resume{After: 0, HasAfter: true, Epoch: "e1"})
		}
		synctest.Wait()
		if got, want := w.comeBack(after(0, "e1")), "recovered true, replay 190, from 1, 190 messages from 1"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// Under the highest pressure less may wait for a socket; what waits is counted
// once however many it waits for, and no longer than it waits.
func TestPressureShortensQueues(t *testing.T) {
	t.Run("ok at the next message", func(t *testing.T) { testShortQueues(t, true) })
	t.Run("ok without one", func(t *testing.T) { testShortQueues(t, false) })
}

func testShortQueues(t *testing.T, publish bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(40_000))
		long := fmt.Sprintf(`"%02000d"`, 0)
		stuck := func() *peer {
			p := w.connect()
			p.frames()
			p.socket.limit(0)
			return p
		}
		a, b := stuck(), stuck()
		for range 8 {
			w.publish("mem", long)
			synctest.Wait()
		}
		if n := w.hub.WaitingBytes(); n < 8*2000 || n > 8*2200 {
			t.Errorf("%d bytes wait", n)
		}
		if a.session.Closing() || b.session.Closing() {
			t.Fatal("closed too early")
		}
		w.hub.SetPressure(hub.PressureConnections)
		if publish {
			w.publish("mem", long)
		} else {
			w.run()
			w.sleep(2*time.Second, a, b)
		}
		synctest.Wait()
		if !a.session.Closing() || !b.session.Closing() {
			t.Error("18 kB of 10 wait")
		}
		if n := w.hub.WaitingBytes(); n > 2200 {
			t.Errorf("%d bytes wait, those that the writer has in hand should", n)
		}
		a.socket.allow(unlimited)
		b.socket.allow(unlimited)
		synctest.Wait()
		if n := w.hub.WaitingBytes(); n != 0 {
			t.Errorf("%d bytes wait for nobody", n)
		}
		w.hub.SetPressure(hub.PressureNone)
		c := stuck()
		for range 8 {
			w.publish("mem", long)
		}
		synctest.Wait()
		if c.session.Closing() {
			t.Error("closed with half of what may wait")
		}
	})
}
