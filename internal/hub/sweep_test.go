package hub_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

func (p *peer) pings() int {
	p.t.Helper()
	n := 0
	for _, f := range p.frames() {
		if f.op == wire.OpPing {
			n++
		}
	}
	return n
}

func TestPings(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 3 * time.Second, 25 * time.Second} {
		t.Run("ok "+interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *hub.Options) { o.Limits.PingInterval = interval })
				w.run()
				p := w.connect(func(c *hub.Connect) { c.Expires = time.Now().Add(24 * time.Hour) })
				time.Sleep(interval / 2)
				q := w.connect(inRaw, func(c *hub.Connect) { c.Expires = time.Now().Add(24 * time.Hour) })
				p.frames()
				p.session.Touch()
				for range 20 {
					time.Sleep(interval)
					p.session.Touch()
					q.session.Touch()
				}
				// A ping may come one sweep late.
				for name, n := range map[string]int{"json": p.pings(), "raw": q.pings()} {
					if n < 19 || n > 20 {
						t.Errorf("%s: %d pings in 20 intervals", name, n)
					}
				}
				if p.socket.isDown() || q.socket.isDown() {
					t.Error("closed, though both gave signs of life")
				}
			})
		})
	}
}

func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		silent, lively, unborn := w.connect(), w.connect(), w.connect()
		unborn.leave()
		stuck := w.connect()
		stuck.socket.limit(0)
		w.publish("mem", "1")
		for range 34 {
			time.Sleep(time.Second)
			lively.send(`{"type":"ping"}`) // any frame counts
		}
		time.Sleep(time.Second)
		if silent.socket.isDown() {
			t.Fatal("closed after 35 s, though 25 s and 10 s more are granted")
		}
		lively.send(`{"type":"ping"}`)
		time.Sleep(2 * time.Second)
		if code, reason := silent.closed(); code != wire.CloseIdleTimeout || reason != "idle_timeout" {
			t.Errorf("closed with %d %q", code, reason)
		}
		if w.figures.closes(4004) != 1 {
			t.Errorf("closed: %v", w.figures.closed)
		}
		if lively.socket.isDown() {
			t.Error("the lively one is closed, too")
		}
	})
}

func TestTokenEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ends := func(d time.Duration) func(*hub.Connect) {
			return func(c *hub.Connect) { c.Expires = w.clock.Now().Add(d) }
		}
		p, later := w.connect(ends(time.Minute)), w.connect(ends(time.Hour))
		over := w.connect(ends(-time.Second))
		if f := over.frames(); f[0].Type != "welcome" || !strings.Contains(f[0].payload, `"expires_in":0,`) {
			t.Errorf("welcome of a token that has just ended: %s", f[0].payload)
		}
		for range 84 {
			time.Sleep(time.Second)
			p.session.Touch()
			later.session.Touch()
		}
		if p.socket.isDown() {
			t.Fatal("closed 24 s after the end of the token, 25 s are granted")
		}
		time.Sleep(2500 * time.Millisecond)
		for _, p := range []*peer{p, over} {
			if code, reason := p.closed(); code != wire.CloseTokenExpired || reason != "token_expired" {
				t.Errorf("closed with %d %q", code, reason)
			}
		}
		w.clock.jump(2 * time.Hour) // the token ends by the logical clock
		time.Sleep(time.Second)
		if code, _ := later.closed(); code != wire.CloseTokenExpired {
			t.Errorf("after a jump of the clock: closed with %d", code)
		}
	})
}

func TestRoomFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		p, _, _ := w.connect(), w.connect(), w.connect(in("mem.b"))
		p.frames()
		time.Sleep(500 * time.Millisecond)
		for range 7 {
			p.send("x")
		}
		time.Sleep(time.Second)
		p.send("x")
		time.Sleep(time.Second)
		if got := w.figures.rates.take(); len(got) != 2 || got[0] != 7 || got[1] != 1 {
			t.Errorf("messages a second: %v", got)
		}
		time.Sleep(8 * time.Second)
		if got := w.figures.subscribers.take(); len(got) != 2 || got[0]+got[1] != 3 {
			t.Errorf("subscribers after 10 s: %v", got)
		}
	})
}
