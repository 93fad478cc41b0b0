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

// A first conversation: welcome, subscribed, messages, the own one included.
func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ann := w.connect(as("ann"), func(c *hub.Connect) { c.TokenSession = "s-9" })
		now := time.Now().UnixMilli()
		ann.expect(
			fmt.Sprintf(`{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"mem","connection":"%s","session":"s-9",`+
				`"server_time":%d,"clock":"synced","expires_in":3600,"ping_interval":25,"max_message_bytes":65536}`, ann.session.ID(), now),
			subscribedAt("mem", "e1", 0))
		bob := w.connect(as("bob"))
		bob.frames()
		ann.expect(`{"type":"presence","room":"mem","user":"bob","event":"join","count":2}`)

		ann.send("Hello room!")
		bob.send(`{"type":"message","data":{"t": 21.50}}`)
		bob.sendBinary([]byte{0xFF, 0})
		want := []string{
			fmt.Sprintf(`{"type":"message","room":"mem","seq":1,"ts":%d,"user":"ann","data":"Hello room!"}`, now),
			fmt.Sprintf(`{"type":"message","room":"mem","seq":2,"ts":%d,"user":"bob","data":{"t": 21.50}}`, now),
			fmt.Sprintf(`{"type":"message","room":"mem","seq":3,"ts":%d,"user":"bob","encoding":"base64","data":"/wA="}`, now),
		}
		ann.expect(want...)
		bob.expect(want...)

		bob.send(`{"type":"ping"}`)
		bob.expect(`{"type":"pong"}`)
		late := w.connect(as("eve"))
		if f := late.frames(); f[1].Seq != 3 {
			t.Errorf("subscribed at %d, the newest is 3", f[1].Seq)
		}
		if got := w.figures.received.n.Load(); got != 3 {
			t.Errorf("%d messages received, want 3", got)
		}
		if got := w.figures.delivered.n.Load(); got != 6 {
			t.Errorf("%d messages delivered, want 6", got)
		}
	})
}

func TestConnectionsHaveNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.connect(), w.connect()
		if a.session.ID() == b.session.ID() || a.session.ID() == "" {
			t.Errorf("ids %q and %q", a.session.ID(), b.session.ID())
		}
	})
}

func TestRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		writer := w.connect(as("writer"), granted("mem:w"))
		reader := w.connect(as("reader"), granted("mem:r"))
		if f := writer.frames(); len(f) != 1 || f[0].Type != "welcome" {
			t.Errorf("who may only write got %s", texts(f))
		}
		reader.frames()

		writer.send(`{"type":"message","id":"1","data":1}`)
		synctest.Wait()
		reader.send(`{"type":"message","id":"2","data":2}`)
		reader.send(`{"type":"message","room":"other","data":2}`)
		writer.send(`{"type":"subscribe","room":"mem"}`)
		writer.send(`{"type":"message","room":"other","data":3}`)

		f := writer.frames()
		if len(f) != 3 || f[0].Type != "ack" || f[0].Seq != 1 || f[1].Code != "forbidden" || f[1].Room != "mem" || f[2].Code != "forbidden" {
			t.Errorf("who may only write got\n%s", texts(f))
		}
		f = reader.frames()
		if len(f) != 3 || f[0].Seq != 1 || f[1].Code != "forbidden" || f[1].ID != "2" || f[2].Code != "forbidden" {
			t.Errorf("who may only read got\n%s", texts(f))
		}
		writer.send(`{"type":"message","data":4}`)
		if f := reader.frames(); len(f) != 1 || f[0].Seq != 2 {
			t.Errorf("after an error the connection lives; got\n%s", texts(f))
		}
		if f := writer.frames(); len(f) != 0 {
			t.Errorf("who may only write got\n%s", texts(f))
		}
		for _, p := range w.peers {
			p.leave()
		}
		if _, err := w.admit(granted("other:rw")); gateway.CodeOf(err) != gateway.CodeForbidden {
			t.Errorf("without a grant: %v, want forbidden", err)
		}
		admin := w.connect(granted(), func(c *hub.Connect) { c.Principal.Role = gateway.RoleAdmin })
		if f := admin.frames(); len(f) != 2 || f[1].Type != "subscribed" {
			t.Errorf("an admin may everything; got\n%s", texts(f))
		}
	})
}

// Whatever is wrong with a command, it is answered, and the next one works.
func TestBadCommandsAreAnswered(t *testing.T) {
	for _, c := range []struct{ name, frame, code, room, id string }{
		{"bad unknown type", `{"type":"nonsense","room":"mem","id":"a"}`, "invalid_request", "mem", "a"},
		{"bad message without data", `{"type":"message","id":"b"}`, "invalid_request", "", "b"},
		{"bad room id", `{"type":"subscribe","room":"../etc"}`, "invalid_request", "", ""},
		{"bad data twice", `{"type":"message","data":1,"data":2}`, "invalid_request", "", ""},
		{"bad nested too deep", `{"type":"message","data":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`, "invalid_request", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.connect()
				p.frames()
				p.send("%s", c.frame)
				f := p.frames()
				if len(f) != 1 || f[0].Type != "error" || f[0].Code != c.code || f[0].Room != c.room || f[0].ID != c.id || f[0].Message == "" {
					t.Fatalf("answer\n%s", texts(f))
				}
				p.send("still here")
				if f := p.frames(); len(f) != 1 || f[0].Seq != 1 {
					t.Errorf("then\n%s", texts(f))
				}
			})
		})
	}
}

func TestRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		raw, other := w.connect(inRaw), w.connect()
		other.frames()
		raw.send(`{"type":"ping"}`) // no command in this format
		raw.sendBinary([]byte{1, 2, 3})
		other.send(`{"type":"message","data":"a\u00e9"}`)
		other.send(`{"type":"message","data":[1, 2]}`)
		f := raw.frames()
		want := []frame{
			{op: wire.OpText, payload: `{"type":"ping"}`}, {op: wire.OpBinary, payload: "\x01\x02\x03"},
			{op: wire.OpText, payload: "aé"}, {op: wire.OpText, payload: "[1, 2]"},
		}
		if len(f) != len(want) {
			t.Fatalf("%d frames, want %d:\n%s", len(f), len(want), texts(f))
		}
		for i := range want {
			if f[i].op != want[i].op || f[i].payload != want[i].payload {
				t.Errorf("frame %d: opcode %#x %q, want %#x %q", i, f[i].op, f[i].payload, want[i].op, want[i].payload)
			}
		}
		all, _ := other.stream()
		got := ledger(t, all)["mem"].got
		if len(got) != 4 || got[1] != `ann "{\"type\":\"ping\"}"` || got[2] != `ann "AQID"` {
			t.Errorf("the json subscriber got %v", got)
		}
		// A subscriber of the json format that left costs no json.
		other.leave()
		raw.send("alone")
		if f := raw.frames(); len(f) != 1 || f[0].payload != "alone" {
			t.Errorf("got %q", texts(f))
		}
	})
}

// The raw format has no error frame: a refusal closes.
func TestRawRefusalCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(inRaw, granted("mem:r"))
		p.send("x")
		if code, reason := p.closed(); code != wire.CloseForbidden || reason != "forbidden" {
			t.Errorf("closed with %d %q", code, reason)
		}
		if n := w.figures.closes(4503); n != 1 {
			t.Errorf("%d connections counted as closed with 4503", n)
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) { o.Limits.MessageRate = 10 })
		p, raw := w.connect(), w.connect(inRaw, as("raw"), in("mem.raw"))
		p.frames()
		for range 25 { // a burst of two seconds' worth, and five more
			p.send("x")
		}
		f := p.frames()
		if errs := excesses(t, f, 100); errs != 1 || len(f) != 21 || w.figures.lost(hub.DropRateLimited) != 5 {
			t.Errorf("%d of %d frames are errors, %d counted", errs, len(f), w.figures.lost(hub.DropRateLimited))
		}
		// Whoever waits as told gets through, again and again, and hears of
		// the other four.
		for i := range 3 {
			time.Sleep(100 * time.Millisecond)
			p.send("x")
			f := p.frames()
			if errs := excesses(t, f, 100); len(f) != errs+1 || errs != i/2 {
				t.Errorf("after a pause\n%s", texts(f))
			}
		}
		for range 21 {
			raw.sendBinary([]byte("x"))
		}
		if code, reason := raw.closed(); code != wire.CloseRateLimited || reason != "rate_limited retry_after_ms=5000" {
			t.Errorf("raw is closed with %d %s, want 4003", code, reason)
		}
	})
}

func TestAdmitLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) {
			o.Limits.Connections, o.Limits.ConnectionsPerIP, o.Limits.ConnectionsPerAccount = 4, 3, 2
		})
		refused := func(what string, code gateway.Code, asks ...func(*hub.Connect)) {
			t.Helper()
			_, err := w.admit(asks...)
			if gateway.CodeOf(err) != code || gateway.AsError(err).RetryAfter <= 0 {
				t.Errorf("%s: %v, want %s with a time to retry", what, err, code)
			}
		}
		a1 := w.connect(as("a"))
		w.connect(as("a"))
		refused("third of an account", gateway.CodeRateLimited, as("a"), from("192.0.2.9"))
		if _, err := w.admit(as("b")); err != nil { // never started: counts as well
			t.Fatal(err)
		}
		refused("fourth of an address", gateway.CodeRateLimited, as("c"))
		w.connect(as("c"), from("2001:db8::1"))
		refused("fifth of all", gateway.CodeUnavailable, as("d"), from("2001:db8::2"))
		if n, _ := w.hub.Live(); n != 4 {
			t.Errorf("%d connections, want 4", n)
		}
		a1.leave()
		w.connect(as("a"))
	})
}

// What a connection begins with is one write, the answer to its handshake before
// it; and there is one when it has nothing to say, for that answer.
func TestBeginningIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish("mem", "1")
		for what, asks := range map[string][]func(*hub.Connect){
			"json":            {in("mem")},
			"raw":             {in("mem"), inRaw},
			"raw, write only": {in("mem"), inRaw, func(c *hub.Connect) { c.Principal = member("w", "mem:w") }},
			"token at its end": {in("mem"), func(c *hub.Connect) {
				c.Expires = time.Now().Add(10 * time.Second)
			}},
		} {
			p, err := w.admit(asks...)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.session.Start(p.socket); err != nil {
				t.Fatal(err)
			}
			if p.socket.direct != 1 || p.socket.queued != 0 {
				t.Errorf("%s: %d writes, %d later", what, p.socket.direct, p.socket.queued)
			}
			p.leave()
		}
	})
}

// One machine picks its IPv6 addresses from a whole /64.
func TestAdmitCountsNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) { o.Limits.ConnectionsPerIP = 2 })
		w.connect(from("2001:db8::1"))
		second := w.connect(from("2001:db8::2:3"))
		if _, err := w.admit(from("2001:db8::ffff")); gateway.CodeOf(err) != gateway.CodeRateLimited {
			t.Errorf("a third of one network: %v", err)
		}
		w.connect(from("2001:db8:0:1::1"))
		second.leave()
		w.connect(from("2001:db8::ffff"))
	})
}

// However a session ends, it is counted with the right code and leaves nothing;
// the world looks for the rest.
func TestEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*peer)
		code uint16
	}{
		{"ok never started", func(p *peer) { p.end(0) }, 1006},
		{"ok aborted before the start", func(p *peer) { p.session.Abort(wire.CloseTokenExpired); p.end(0) }, 4001},
		{"ok started, connection gone", func(p *peer) { _ = p.session.Start(p.socket); p.leave() }, 1006},
		{"ok peer closed", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.code = 1001
			p.session.PeerClosed(1001)
		}, 1001},
		{"ok aborted", func(p *peer) { _ = p.session.Start(p.socket); p.code = 1000; p.session.Abort(wire.CloseProtocolError) }, 4500},
		{"ok aborted twice, the first counts", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.session.Abort(wire.CloseIdleTimeout)
			p.session.Abort(wire.CloseProtocolError)
			p.end(0)
		}, 4004},
		{"ok aborted twice while a writer runs", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.socket.limit(3)
			p.send("waits")
			synctest.Wait()
			p.session.Abort(wire.CloseIdleTimeout)
			p.session.Abort(wire.CloseProtocolError)
			p.end(0)
		}, 4004},
		{"ok ended before the socket", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.socket.limit(3)
			p.send("begun")
			synctest.Wait()
			p.send("waits")
			synctest.Wait()
			p.end(0)
			if chunks, _, _ := p.session.Waiting(); chunks != 0 {
				p.t.Errorf("%d chunks wait for nobody", chunks)
			}
		}, 1006},
		{"ok stuck", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.socket.limit(3)
			p.send("waits")
			synctest.Wait()
			p.leave()
		}, 1006},
		{"ok socket fails", func(p *peer) {
			_ = p.session.Start(p.socket)
			p.socket.fail(errReset)
			p.send("x")
			synctest.Wait()
			p.end(0)
		}, 1006},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, err := w.admit()
				if err != nil {
					t.Fatal(err)
				}
				c.do(p)
				synctest.Wait()
				if !p.ended || w.figures.closes(c.code) != 1 || len(w.figures.closed) != 1 {
					t.Errorf("ended %v, closed %v, want one of %d", p.ended, w.figures.closed, c.code)
				}
				if !p.session.Closing() {
					t.Error("the session takes frames after its end")
				}
				p.session.Control(wire.OpPong, nil) // a late answer goes nowhere
				p.session.Abort(wire.CloseRestart)
				w.hub.Committed(nil)
			})
		})
	}
}

// The close frame comes last, in the peer's own code.
func TestPeerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(), w.connect()
		p.frames()
		p.session.PeerClosed(4999)
		p.session.PeerClosed(1000) // answered once
		q.send("too late for p")
		frames, _ := p.stream()
		if last := frames[len(frames)-1]; last.op != wire.OpClose || last.payload != "\x13\x87" || len(frames) != 3 {
			t.Errorf("stream\n%q", texts(frames))
		}
		q.session.PeerClosed(0)
		frames, _ = q.stream()
		if last := frames[len(frames)-1]; last.op != wire.OpClose || last.payload != "" {
			t.Errorf("stream\n%q", texts(frames))
		}
	})
}

func TestPeerClosedAfterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		p.frames()
		p.socket.limit(5)
		p.send("waits")
		synctest.Wait()
		p.session.PeerClosed(1001)
		if p.socket.isDown() {
			t.Error("the socket ended before what waited was written")
		}
		p.socket.limit(unlimited)
		f := p.frames()
		if len(f) != 2 || f[0].Seq != 1 || f[1].op != wire.OpClose || !p.socket.isDown() {
			t.Errorf("then\n%q, down %v", texts(f), p.socket.isDown())
		}
	})
}
