package hub_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

const lostOther = `{"type":"unsubscribed","room":"mem.b","reason":"forbidden"}`
const lostDefault = `{"type":"unsubscribed","room":"mem","reason":"forbidden"}`

func admin(name gateway.AccountName) gateway.Principal {
	return gateway.Principal{Name: name, Kind: gateway.KindUser, Role: gateway.RoleAdmin}
}

// A socket in mem and mem.b is given other rights.
func TestSetPrincipal(t *testing.T) {
	for _, c := range []struct {
		name  string
		to    gateway.Principal
		told  string // the frames that this brings
		hears string // the rooms that it still hears
		may   string // the rooms that it may still write to
	}{
		{"ok the same", member("ann", "*:rw"), "", "mem mem.b", "mem mem.b"},
		{"ok other words for the same", member("ann", "mem:rw", "mem.*:rw"), "", "mem mem.b", "mem mem.b"},
		{"ok admin", admin("ann"), "", "mem mem.b", "mem mem.b"},
		{"ok room lost", member("ann", "mem:rw"), lostOther, "mem", "mem"},
		{"ok reading lost", member("ann", "mem:rw", "mem.b:w"), lostOther, "mem", "mem mem.b"},
		{"ok writing lost", member("ann", "mem:rw", "mem.b:r"), "", "mem mem.b", "mem"},
		{"ok writing lost everywhere", member("ann", "*:r"), "", "mem mem.b", ""},
		{"ok reading of the default room lost", member("ann", "mem:w", "mem.b:rw"), lostDefault, "mem.b", "mem mem.b"},
		{"ok reading lost everywhere", member("ann", "*:w"), lostDefault + "\n" + lostOther, "", "mem mem.b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, other := w.connect(as("ann")), w.connect(as("bob"))
				for _, p := range []*peer{p, other} {
					p.send(`{"type":"subscribe","room":"mem.b"}`)
				}
				p.frames()
				other.frames()
				w.hub.SetPrincipal(c.to)
				if got := strings.TrimSuffix(texts(p.frames()), "\n"); got != c.told {
					t.Errorf("told\n%s\nwant\n%s", got, c.told)
				}
				w.publish("mem", "1")
				w.publish("mem.b", "1")
				if got := roomsOf(p.frames(), "message"); got != c.hears {
					t.Errorf("hears %q, want %q", got, c.hears)
				}
				p.send(`{"type":"message","id":"1","data":1}`)
				p.send(`{"type":"message","room":"mem.b","id":"2","data":1}`)
				if got := roomsOf(p.frames(), "ack"); got != c.may {
					t.Errorf("may write to %q, want %q", got, c.may)
				}
				if got := roomsOf(other.frames(), "message"); len(got) < len("mem mem.b") || p.socket.isDown() || other.socket.isDown() {
					t.Errorf("the other one hears %q; closed are %v and %v", got, p.socket.isDown(), other.socket.isDown())
				}
			})
		})
	}
}

// roomsOf lists the rooms of the frames of a type.
func roomsOf(frames []frame, kind string) string {
	var rooms []string
	for _, f := range frames {
		if f.Type == kind {
			rooms = append(rooms, f.Room)
		}
	}
	slices.Sort(rooms) // rooms do not wait for each other
	return strings.Join(rooms, " ")
}

// The raw format has no frames for it: what is lost just does not come.
func TestSetPrincipalRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(inRaw)
		w.hub.SetPrincipal(member("ann", "mem:w"))
		w.publish("mem", "1")
		if f := p.frames(); len(f) != 0 || p.socket.isDown() {
			t.Errorf("got %q, closed %v", texts(f), p.socket.isDown())
		}
		p.send("still allowed")
		w.hub.SetPrincipal(member("ann", "mem:r"))
		w.publish("mem", "2")
		if f := p.frames(); len(f) != 0 || w.figures.received.n.Load() != 1 {
			t.Errorf("got %q, %d messages received", texts(f), w.figures.received.n.Load())
		}
		p.send("not any more")
		if code, _ := p.closed(); code != wire.CloseForbidden {
			t.Errorf("closed with %d", code)
		}
	})
}

// What is gained can be used at once, and is not forced on anybody.
func TestSetPrincipalGains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(granted("mem:w"))
		p.frames()
		w.hub.SetPrincipal(member("ann", "*:rw"))
		w.publish("mem", "1")
		p.expect()
		p.send(`{"type":"subscribe","room":"mem"}`)
		p.send(`{"type":"subscribe","room":"mem.b"}`)
		p.expect(subscribedAt("mem", "e1", 1), subscribedAt("mem.b", "e1", 0))
		w.publish("mem", "2")
		if f := p.frames(); len(f) != 1 || f[0].Seq != 2 {
			t.Errorf("then\n%s", texts(f))
		}
	})
}

// Lost, gained, joined again, left: each stay is one of its own, and what was
// lost takes no place away.
func TestSetPrincipalBackAndForth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) { o.Limits.RoomsPerConnection = 2 })
		p, other := w.connect(), w.connect(as("bob"))
		for range 3 {
			p.send(`{"type":"subscribe","room":"mem.b"}`)
			w.publish("mem.b", `"heard"`)
			p.frames()
			w.hub.SetPrincipal(member("ann", "mem:rw"))
			w.hub.SetPrincipal(member("ann", "mem:rw")) // lost once
			w.publish("mem.b", `"missed"`)
			p.expect(lostOther)
			w.hub.SetPrincipal(member("ann", "*:rw"))
			w.publish("mem.b", `"missed"`)
			p.expect()
		}
		if _, rooms := w.hub.Live(); rooms != 2 {
			t.Errorf("%d rooms are live, want the default one and one that the reader has not let go of", rooms)
		}
		p.send(`{"type":"unsubscribe","room":"mem.b"}`)
		p.send(`{"type":"subscribe","room":"mem.c"}`)
		p.expect(`{"type":"unsubscribed","room":"mem.b","reason":"requested"}`, subscribedAt("mem.c", "e1", 0))
		if _, rooms := w.hub.Live(); rooms != 2 {
			t.Errorf("%d rooms are live, want mem and mem.c", rooms)
		}
		w.hub.SetPrincipal(member("ann", "mem:rw"))
		p.frames()
		p.send("talk") // the reader lets go of what was lost, whatever it reads
		if _, rooms := w.hub.Live(); rooms != 1 {
			t.Errorf("%d rooms are live, want mem", rooms)
		}
		w.hub.SetPrincipal(member("ann", "*:rw"))
		p.send(`{"type":"subscribe","room":"mem.c"}`)
		p.send(`{"type":"unsubscribe","room":"mem.c"}`)
		if _, rooms := w.hub.Live(); rooms != 1 {
			t.Errorf("%d rooms are live, want mem", rooms)
		}
		frames, _ := p.stream()
		ledger(t, frames)
		other.frames()
		w.hub.SetPrincipal(member("ann", "mem:w"))
		p.leave() // with a lost place
		w.publish("mem", "1")
		if f := other.frames(); len(f) != 1 {
			t.Errorf("the other one got\n%s", texts(f))
		}
	})
}

// One session can be given its rights alone, before it begins or later.
func TestSessionSetPrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.connect()
		other.frames()
		p, err := w.admit()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.session.SetPrincipal(member("ann", "mem:w")); err != nil {
			t.Error(err)
		}
		if err := p.session.Start(p.socket); err != nil {
			t.Error(err)
		}
		w.publish("mem", "1")
		if f := p.frames(); len(f) != 1 || f[0].Type != "welcome" {
			t.Errorf("who may only write got\n%s", texts(f))
		}
		if err := p.session.SetPrincipal(member("ann", "mem.b:rw")); gateway.CodeOf(err) != gateway.CodeForbidden {
			t.Errorf("without the default room: %v", err)
		}
		if code, _ := p.closed(); code != wire.CloseForbidden {
			t.Errorf("closed with %d", code)
		}
		if f := other.frames(); len(f) != 1 || other.socket.isDown() {
			t.Errorf("the other one got\n%s", texts(f))
		}
	})
}
