package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

func withToken(id gateway.SessionID) func(*hub.Connect) {
	return func(c *hub.Connect) { c.TokenSession = id }
}

func device(name gateway.AccountName) func(*hub.Connect) {
	return func(c *hub.Connect) { c.Principal.Name, c.Principal.Kind = name, gateway.KindDevice }
}

// cut is a way to close sockets from outside.
type cut struct {
	name string
	do   func(*hub.Hub)
	code wire.CloseCode
	why  string
	hits string // those of the peers that it closes
}

// The peers of the cuts: ann has two sockets of one session, one of another and
// one of a token without session; bob has a session, dev is a device.
var cuts = []cut{
	{"ok one session", end("s1"), 4501, "session_revoked", "ann/1 ann/1b"},
	{"ok sessions of several accounts", end("s2", "gone", "s3"), 4501, "session_revoked", "ann/2 bob/3"},
	{"ok the same twice", end("s2", "s2"), 4501, "session_revoked", "ann/2"},
	{"ok a device's", end("s4"), 4501, "session_revoked", "dev/4"},
	{"bad no session", end(), 0, "", ""},
	{"bad unknown session", end("s", "s11", "S1"), 0, "", ""},
	{"bad empty name", end(""), 0, "", ""},
	{"ok account", (func(h *hub.Hub) { h.CloseAccount("ann") }), 4502, "account_disabled", "ann/1 ann/1b ann/2 ann/"},
	{"ok account of a device", (func(h *hub.Hub) { h.CloseAccount("dev") }), 4502, "account_disabled", "dev/4"},
	{"bad unknown account", (func(h *hub.Hub) { h.CloseAccount("an") }), 0, "", ""},
	{"ok default room lost", lose("ann", "other:rw"), 4503, "forbidden", "ann/1 ann/1b ann/2 ann/"},
	{"ok everything lost", lose("bob"), 4503, "forbidden", "bob/3"},
	{"bad reading lost", lose("ann", "mem:w"), 0, "", ""},
	{"bad writing lost", lose("ann", "mem:r"), 0, "", ""},
	{"bad unknown account's rights", lose("eve"), 0, "", ""},
}

func end(ids ...gateway.SessionID) func(*hub.Hub) {
	return func(h *hub.Hub) { h.EndSessions(ids) }
}

func lose(name gateway.AccountName, left ...string) func(*hub.Hub) {
	return func(h *hub.Hub) { h.SetPrincipal(member(name, left...)) }
}

func (w *world) cutPeers(asks ...func(*hub.Connect)) (names []string, peers []*peer) {
	for _, c := range []struct {
		name string
		asks []func(*hub.Connect)
	}{
		{"ann/1", []func(*hub.Connect){as("ann"), withToken("s1")}},
		{"ann/1b", []func(*hub.Connect){as("ann"), withToken("s1")}},
		{"ann/2", []func(*hub.Connect){as("ann"), withToken("s2")}},
		{"ann/", []func(*hub.Connect){as("ann")}},
		{"bob/3", []func(*hub.Connect){as("bob"), withToken("s3")}},
		{"dev/4", []func(*hub.Connect){device("dev"), withToken("s4")}},
	} {
		p, err := w.admit(append(c.asks, asks...)...)
		if err != nil {
			w.t.Fatal(err)
		}
		names, peers = append(names, c.name), append(peers, p)
	}
	return names, peers
}

// Whoever is cut learns why, at once, and takes nobody along.
func TestCut(t *testing.T) {
	for _, format := range []wire.Format{wire.FormatJSON, wire.FormatRaw} {
		for _, c := range cuts {
			t.Run(fmt.Sprintf("%s, %s", c.name, format), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					names, peers := w.cutPeers(func(c *hub.Connect) { c.Format = format })
					for _, p := range peers {
						if err := p.session.Start(p.socket); err != nil {
							t.Fatal(err)
						}
					}
					c.do(w.hub)
					w.publish("mem", "1")
					synctest.Wait()
					hits := ""
					for i, p := range peers {
						if !p.socket.isDown() {
							continue
						}
						hits += " " + names[i]
						if code, why := p.closed(); code != c.code || why != c.why {
							t.Errorf("%s is closed with %d %q, want %d %q", names[i], code, why, c.code, c.why)
						}
						frames, _ := p.stream()
						if roomsOf(frames, "message") != "" || format == wire.FormatRaw && len(frames) > 1 {
							t.Errorf("%s got a message after the cut:\n%s", names[i], texts(frames))
						}
					}
					if want := c.hits; hits != "" && hits[1:] != want || hits == "" && want != "" {
						t.Errorf("closed are%s, want %s", hits, want)
					}
				})
			})
		}
	}
}

// A handshake may be under way: the session is admitted and has no socket yet.
// It never becomes live.
func TestCutBetweenAdmitAndStart(t *testing.T) {
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				names, peers := w.cutPeers()
				c.do(w.hub)
				hits := ""
				for i, p := range peers {
					err := p.session.Start(p.socket)
					w.publish("mem", "1")
					synctest.Wait()
					if !p.socket.isDown() {
						if err != nil {
							t.Errorf("%s: %v", names[i], err)
						}
						continue
					}
					hits += " " + names[i]
					frames, _ := p.stream()
					if code, why := p.closed(); code != c.code || why != c.why || len(frames) != 1 || err == nil {
						t.Errorf("%s: %v, closed with %d %q after\n%s", names[i], err, code, why, texts(frames))
					}
				}
				if want := c.hits; hits != "" && hits[1:] != want || hits == "" && want != "" {
					t.Errorf("closed are%s, want %s", hits, want)
				}
			})
		})
	}
}

// A peer that takes nothing cannot hold its socket: neither what waits for it
// nor the writer's time counts, but for half a second.
func TestCutOfTheStuck(t *testing.T) {
	for _, c := range cuts {
		if c.hits == "" {
			continue
		}
		for _, space := range []int{0, 10} { // 10 bytes are the beginning of a frame
			t.Run(fmt.Sprintf("%s, %d bytes taken", c.name, space), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, queue(4000))
					_, peers := w.cutPeers()
					for i, p := range peers {
						if err := p.session.Start(p.socket); err != nil {
							t.Fatal(err)
						}
						p.frames()
						p.socket.limit(space)
						if i == 1 { // this one is about to be closed as too slow
							p.send(`{"type":"subscribe","room":"mem.more"}`)
							w.publishAlone("mem.more", 1, 3, 3000)
						}
					}
					w.publishAlone("mem", 1, 3, 1000)
					began := time.Now()
					c.do(w.hub)
					if synctest.Wait(); time.Since(began) != 0 {
						t.Error("the cut waited")
					}
					time.Sleep(500 * time.Millisecond)
					synctest.Wait()
					gone := 0
					for _, p := range peers {
						if !p.socket.isDown() {
							continue
						}
						gone++
						if _, rest := p.stream(); !p.ended || len(rest) != space {
							t.Errorf("ended %v, after the beginning of a frame came % x", p.ended, rest)
						}
					}
					if n, _ := w.hub.Live(); gone == 0 || n != len(peers)-gone {
						t.Errorf("%d are gone, %d connections are left of %d", gone, n, len(peers))
					}
				})
			})
		}
	}
}

// Who reads on, however slowly, learns why it is cut: the code stands behind the
// frame that was begun, and nothing else does.
func TestCutOfASlowReader(t *testing.T) {
	for _, c := range cuts {
		if c.hits == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				names, peers := w.cutPeers()
				for _, p := range peers {
					if err := p.session.Start(p.socket); err != nil {
						t.Fatal(err)
					}
					p.frames()
					p.socket.limit(10)
				}
				w.publishAlone("mem", 1, 3, 1000)
				c.do(w.hub)
				w.publishAlone("mem", 4, 4, 1000)
				for _, p := range peers {
					p.socket.limit(unlimited)
				}
				synctest.Wait()
				hits := ""
				for i, p := range peers {
					if !p.socket.isDown() {
						continue
					}
					hits += " " + names[i]
					frames, rest := p.stream()
					if code, why := p.closed(); code != c.code || why != c.why || len(rest) > 0 || strings.Count(roomsOf(frames, "message"), "mem") > 1 {
						t.Errorf("%s is closed with %d %q, want %d %q, after\n%s", names[i], code, why, c.code, c.why, texts(frames))
					}
				}
				if hits == "" || hits[1:] != c.hits {
					t.Errorf("closed are%s, want %s", hits, c.hits)
				}
			})
		})
	}
}

// Frames that were read before the cut do nothing after it.
func TestCutSessionsCommandNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(withToken("s1")), w.connect(as("bob"))
		w.hub.EndSessions([]gateway.SessionID{"s1"})
		p.session.Text([]byte("too late"))
		p.session.Text([]byte(`{"type":"subscribe","room":"mem.other"}`))
		if frames := q.frames(); len(frames) != 2 {
			t.Errorf("the other one got\n%s", texts(frames))
		}
		if _, rooms := w.hub.Live(); rooms != 1 {
			t.Errorf("%d rooms are live", rooms)
		}
	})
}

func TestLiveDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		expect := func(want int) {
			t.Helper()
			if n := w.hub.LiveDevices(); n != want {
				t.Errorf("%d devices, want %d", n, want)
			}
		}
		expect(0)
		w.connect(as("ann"))
		a, b := w.connect(device("d1")), w.connect(device("d1"))
		w.connect(device("d2"))
		expect(2)
		a.leave()
		expect(2)
		w.hub.SetPrincipal(gateway.Principal{Name: "d1", Kind: gateway.KindDevice, Role: gateway.RoleMember, Grants: grantsOf("mem:w")})
		expect(2)
		b.leave()
		expect(1)
		w.hub.CloseAccount("d2")
		synctest.Wait()
		expect(0)
	})
}
