package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
)

const (
	startTyping = `{"type":"typing","state":"start"}`
	stopTyping  = `{"type":"typing","state":"stop"}`
)

func typing(user, state string) string {
	return fmt.Sprintf(`{"type":"typing","room":"mem","user":"%s","state":"%s"}`, user, state)
}

// quiet lets the joins pass.
func (w *world) quiet() {
	for _, p := range w.peers {
		p.frames()
	}
}

func TestTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, bob, bob2, raw := w.connect(), w.connect(as("bob")), w.connect(as("bob")), w.connect(as("eve"), inRaw)
		w.quiet()
		bob.send(stopTyping) // before any start
		bob.send(startTyping)
		ann.hears(typing("bob", "start"))
		w.sleep(1100*time.Millisecond, ann, bob)
		bob2.send(stopTyping) // it is the account that types
		ann.hears(typing("bob", "stop"))
		w.sleep(3*time.Second, ann, bob, bob2)
		bob.send(`{"type":"typing","state":"start","room":"mem"}`)
		ann.hears(typing("bob", "start"))
		for range 4 { // renewals are silent
			w.sleep(4*time.Second, ann, bob, bob2, raw)
			bob.send(startTyping)
		}
		ann.hears()
		w.sleep(5900*time.Millisecond, ann, bob, bob2, raw)
		ann.hears()
		w.sleep(1200*time.Millisecond, ann, bob, bob2, raw)
		ann.hears(typing("bob", "stop"))
		w.sleep(10*time.Second, ann, bob, bob2, raw)
		for _, p := range []*peer{ann, bob, bob2} {
			p.hears()
		}
		if f := raw.frames(); len(f) != 1 || f[0].op != 9 { // a ping
			t.Errorf("the raw one got\n%s", texts(f))
		}
		if kept := len(w.volatile.records("mem")); kept != 0 {
			t.Errorf("%d messages are kept", kept)
		}
		if _, err := w.hub.Room(admin("root"), "mem"); err != nil || w.figures.delivered.n.Load() != 0 || w.figures.received.n.Load() != 0 {
			t.Errorf("%d counted as received, %d as delivered: %v", w.figures.received.n.Load(), w.figures.delivered.n.Load(), err)
		}
	})
}

// Where many listen they are told of all who type at once.
func TestTypingIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		var crowd []*peer
		for n := range 120 {
			crowd = append(crowd, w.connect(as(gateway.AccountName(fmt.Sprint("p", n)))))
		}
		w.sleep(10*time.Second, crowd...)
		w.quiet()
		listener := crowd[119]
		for n := range 10 {
			crowd[n].send(startTyping)
			time.Sleep(5 * time.Millisecond)
		}
		crowd[10].send(startTyping)
		crowd[10].send(stopTyping)
		listener.hears()
		w.sleep(200*time.Millisecond, crowd...)
		var want []string
		for n := range 10 {
			want = append(want, typing(fmt.Sprint("p", n), "start"))
		}
		got := strings.Fields(texts(listener.frames()))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("heard\n%s", strings.Join(got, "\n"))
		}
		crowd[0].send(stopTyping)
		listener.hears()
		w.sleep(2*time.Second, crowd...)
		listener.hears(typing("p0", "stop"))
	})
}

// At most one announcement a second and account; the last state wins.
func TestTypingIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, bob := w.connect(), w.connect(as("bob"))
		w.quiet()
		for _, frame := range []string{startTyping, stopTyping, startTyping, stopTyping} {
			bob.send("%s", frame)
		}
		ann.hears(typing("bob", "start"))
		w.sleep(900*time.Millisecond, ann, bob)
		ann.hears()
		w.sleep(1300*time.Millisecond, ann, bob)
		ann.hears(typing("bob", "stop"))
		w.sleep(2*time.Second, ann, bob)
		for _, frame := range []string{startTyping, stopTyping, startTyping} {
			bob.send("%s", frame)
		}
		w.sleep(2*time.Second, ann, bob)
		ann.hears(typing("bob", "start")) // what was in between is nobody's business
		const seconds = 20
		for i := range seconds * 100 {
			bob.send("%s", []string{stopTyping, startTyping}[i%2])
			time.Sleep(10 * time.Millisecond)
			ann.session.Touch()
		}
		bob.send(stopTyping)
		w.sleep(3*time.Second, ann, bob)
		f := ann.frames()
		if n := len(f); n < seconds/4 || n > seconds*1000/950+4 {
			t.Errorf("%d frames in %d s", n, seconds)
		}
		shown := true // since the start above
		for _, f := range f {
			if f.Type != "typing" {
				continue
			}
			if begins := strings.Contains(f.payload, "start"); begins == shown {
				t.Fatalf("told twice: %s", f.payload)
			} else {
				shown = begins
			}
		}
		if shown {
			t.Error("at the end it still types")
		}
		w.sleep(10*time.Second, ann, bob)
		ann.hears()
	})
}

// Typing ends with the account's last connection.
func TestTypingEndsOnLeave(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(w *world, p *peer)
	}{
		{"ok connection lost", func(_ *world, p *peer) { p.leave() }},
		{"ok unsubscribed", func(_ *world, p *peer) { p.send(`{"type":"unsubscribe","room":"mem"}`) }},
		{"ok grant lost", func(w *world, _ *peer) { w.hub.SetPrincipal(member("bob", "mem:w")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.run()
				ann, bob, bob2 := w.connect(), w.connect(as("bob")), w.connect(as("bob"))
				w.quiet()
				bob.send(startTyping)
				ann.hears(typing("bob", "start"))
				w.sleep(2*time.Second, ann, bob, bob2)
				bob2.leave()
				ann.hears()
				c.end(w, bob)
				ann.hears(typing("bob", "stop"))
				w.sleep(10*time.Second, ann, bob)
				ann.hears()
			})
		})
	}
}

// Typing needs the right to write, and like publishing no subscription.
func TestTypingRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, reader, writer := w.connect(), w.connect(as("bob"), granted("mem:r")), w.connect(as("eve"), granted("mem:w"))
		w.quiet()
		reader.send(startTyping)
		reader.expect(`{"type":"error","code":"forbidden","message":"no grant to write to this room; ask an administrator for one"}`)
		reader.send(`{"type":"typing","state":"start","room":"mem.b"}`)
		reader.expect(`{"type":"error","code":"forbidden","message":"no grant to write to this room; ask an administrator for one","room":"mem.b"}`)
		ann.hears()
		writer.send(startTyping)
		writer.expect()
		ann.hears(typing("eve", "start"))
		w.sleep(7500*time.Millisecond, ann, reader, writer)
		ann.hears(typing("eve", "stop"))
		reader.hears(typing("eve", "start"), typing("eve", "stop"))
		if n := w.hub.Watched(); n != 0 {
			w.sleep(2*time.Second, ann)
			t.Errorf("%d rooms are watched though nobody types, %d of them for good", n, w.hub.Watched())
		}
	})
}

// A flood costs its sender's rooms nothing, and makes no rooms.
func TestTypingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, bob := w.connect(), w.connect(as("bob"))
		w.quiet()
		for i := range 5000 {
			bob.send(startTyping)
			bob.send(`{"type":"typing","state":"start","room":"fs.%d"}`, i)
		}
		ann.hears(typing("bob", "start"))
		if _, rooms := w.hub.Live(); rooms != 1 || w.hub.Watched() != 1 {
			t.Errorf("%d rooms are live and %d watched", rooms, w.hub.Watched())
		}
		w.sleep(8*time.Second, ann, bob)
		ann.hears(typing("bob", "stop"))
		bob.expect()
	})
}

// Frames that go out together are not for everyone: nobody hears of itself, and
// a socket that takes only some of them gets those whole.
func TestTypingTogether(t *testing.T) {
	size := len(typing("bob", "start")) + 2
	for _, c := range []struct {
		name  string
		space int
		want  []string
	}{
		{"ok nothing fits", 0, nil},
		{"ok a part of the first", 7, []string{"bob"}},
		{"ok the first", size, []string{"bob"}},
		{"ok a part of the second", size + 1, []string{"bob", "eve"}},
		{"ok all", 3 * size, []string{"bob", "eve", "joe"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				zoe := w.connect(as("zoe"))
				ann, bob, eve, joe := w.connect(), w.connect(as("bob")), w.connect(as("eve")), w.connect(as("joe"))
				w.quiet()
				release := zoe.socket.hold()
				ann.send(startTyping) // the flusher stands at zoe now
				synctest.Wait()
				for _, p := range []*peer{bob, eve, joe} {
					p.send(startTyping)
				}
				ann.socket.limit(c.space)
				release()
				synctest.Wait()
				ann.socket.limit(unlimited)
				var want []string
				for _, user := range c.want {
					want = append(want, typing(user, "start"))
				}
				ann.hears(want...)
				zoe.hears(typing("ann", "start"), typing("bob", "start"), typing("eve", "start"), typing("joe", "start"))
				bob.hears(typing("ann", "start"), typing("eve", "start"), typing("joe", "start"))
				eve.hears(typing("ann", "start"), typing("bob", "start"), typing("joe", "start"))
				joe.hears(typing("ann", "start"), typing("bob", "start"), typing("eve", "start"))
				if _, rest := ann.stream(); len(rest) != 0 {
					t.Errorf("%d bytes of a frame are left", len(rest))
				}
			})
		})
	}
}

// Frames keep their place between the messages.
func TestTypingKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		zoe, bob := w.connect(as("zoe")), w.connect(as("bob"))
		w.quiet()
		release := zoe.socket.hold()
		bob.send("1")
		synctest.Wait()
		bob.send("2")
		bob.send(startTyping)
		bob.send("3")
		release()
		var got []string
		for _, f := range zoe.frames() {
			got = append(got, f.Type)
		}
		if s := strings.Join(got, " "); s != "message message typing message" {
			t.Errorf("the order is %s", s)
		}
		all, _ := bob.stream()
		ledger(t, all) // and the seqs are whole
	})
}

// What a room has no deliveries left for is told later, as it is by then.
func TestTypingWaitsForDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ann *peer
		for i := range 202 { // their joins take all there is
			ann = w.connect(as(gateway.AccountName(fmt.Sprintf("u%d", i))))
		}
		bob, eve := w.peers[0], w.peers[1]
		w.quiet()
		bob.send(startTyping)
		eve.send(startTyping)
		eve.send(stopTyping)
		ann.hears()
		w.run()
		w.sleep(1500*time.Millisecond, w.peers...)
		ann.hears(typing("u0", "start"))
		w.sleep(7*time.Second, w.peers...)
		ann.hears(typing("u0", "stop"))
	})
}
