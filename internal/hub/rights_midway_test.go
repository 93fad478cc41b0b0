package hub_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// Messages that were announced and not yet written when the grant went do not
// come behind `unsubscribed`, and nothing that waits comes out of order.
func TestSetPrincipalWhileMessagesWait(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem.b", "mem.drop", "mem.latest"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(5000))
				first, slow, held := w.connect(as("bob"), in(room)), w.connect(), w.connect()
				for _, p := range []*peer{slow, held} {
					p.send(`{"type":"subscribe","room":"%s"}`, room)
					p.frames()
				}
				slow.socket.limit(10)
				w.publishAlone(room, 1, 3, 1000)
				release := first.socket.hold()
				w.publishAlone(room, 4, 5, 1000) // the flusher waits with these
				w.hub.SetPrincipal(member("ann", "mem:rw"))
				release()
				w.publishAlone(room, 6, 6, 1000)
				slow.socket.limit(unlimited)
				for _, p := range []*peer{slow, held} {
					frames, rest := p.stream()
					at := ledger(t, frames)[string(room)]
					if at.in || at.next > 6 || len(rest) > 0 || p.socket.isDown() {
						t.Errorf("in the room: %v, seq %d has to come; frames\n%.300s", at.in, at.next, texts(frames))
					}
				}
			})
		})
	}
}

// The grant may go while a subscription is under way.
func TestSetPrincipalUnderASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		change := func(grants ...string) {
			w.volatile.set(func(h *history) {
				h.asked = func() { w.hub.SetPrincipal(member("ann", grants...)) }
			})
		}
		p := w.connect(in("lobby"))
		p.frames()
		change("lobby:rw")
		p.send(`{"type":"subscribe","room":"mem"}`)
		if f := p.frames(); len(f) != 1 || f[0].Code != "forbidden" || f[0].Room != "mem" {
			t.Errorf("answer\n%s", texts(f))
		}
		change("mem:w")
		q := w.connect()
		if f := q.frames(); len(f) != 1 || f[0].Type != "welcome" || q.socket.isDown() {
			t.Errorf("who may only write was greeted with\n%s", texts(f))
		}
		if code, _ := p.closed(); code != wire.CloseForbidden {
			t.Errorf("the other one's default room is lost; closed with %d", code)
		}
		q.leave()
		change()
		r := w.connect()
		if code, _ := r.closed(); code != wire.CloseForbidden {
			t.Errorf("closed with %d", code)
		}
		w.volatile.set(func(h *history) { h.asked = nil })
		w.publish("mem", "1")
		for _, p := range w.peers {
			if frames, _ := p.stream(); strings.Contains(texts(frames), `"type":"message"`) {
				t.Errorf("got\n%s", texts(frames))
			}
		}
	})
}

// The grant may go, and come back, while a command is under way: here when its
// rate is looked at.
func TestSetPrincipalUnderACommand(t *testing.T) {
	again := subscribedAt("mem.b", "e1", 0)
	for _, c := range []struct {
		name, frame string
		back        bool
		want        []string
	}{
		{"ok subscribing again", `{"type":"subscribe","room":"mem.b"}`, true, []string{lostOther, again}},
		{"bad subscribing again", `{"type":"subscribe","room":"mem.b"}`, false, []string{lostOther,
			`{"type":"error","code":"forbidden","message":"no grant to read this room; ask an administrator for one","room":"mem.b"}`}},
		{"ok unsubscribing", `{"type":"unsubscribe","room":"mem.b"}`, false, []string{lostOther,
			`{"type":"unsubscribed","room":"mem.b","reason":"requested"}`}},
		{"bad publishing", `{"type":"message","room":"mem.b","id":"1","data":1}`, false, []string{lostOther,
			`{"type":"error","code":"forbidden","message":"no grant to write to this room; ask an administrator for one","room":"mem.b","id":"1"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *hub.Options) { o.Limits.MessageRate = 100 })
				p := w.connect()
				p.send(`{"type":"subscribe","room":"mem.b"}`)
				p.frames()
				w.clock.once(func() {
					w.hub.SetPrincipal(member("ann", "mem:rw"))
					if c.back {
						w.hub.SetPrincipal(member("ann", "*:rw"))
					}
				})
				p.send("%s", c.frame)
				p.expect(c.want...)
				w.publish("mem.b", "1")
				if f := p.frames(); len(f) == 1 != c.back {
					t.Errorf("then\n%s", texts(f))
				}
			})
		})
	}
}
