package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		if all := w.hub.Connections(); len(all) != 0 {
			t.Errorf("%d connections of nobody", len(all))
		}
		start := gateway.Timestamp(time.Now().UnixMilli())
		time.Sleep(500 * time.Millisecond)
		ann := w.connect(from("192.0.2.7"))
		for _, room := range []string{"mem.b", "mem.c"} {
			ann.send(`{"type":"subscribe","room":"%s"}`, room)
		}
		time.Sleep(time.Second)
		bob := w.connect(in("mem.b"), inRaw, as("bob"), func(c *hub.Connect) { c.Principal.Kind = gateway.KindDevice })
		w.hub.SetPrincipal(member("ann", "mem:rw", "mem.c:rw"))
		w.sleep(5*time.Second, bob)
		bob.socket.limit(10)
		w.publish("mem.b", `"a message that does not fit"`)
		synctest.Wait()
		_, cost, _ := bob.session.Waiting()
		want := []hub.ConnectionInfo{
			{ID: ann.session.ID(), User: "ann", Kind: gateway.KindUser, Format: wire.FormatJSON, Room: "mem", IP: "192.0.2.7",
				Since: start + 500, LastSeen: start + 500, Subscriptions: 2},
			{ID: bob.session.ID(), User: "bob", Kind: gateway.KindDevice, Format: wire.FormatRaw, Room: "mem.b", IP: "192.0.2.1",
				Since: start + 1500, LastSeen: start + 6500, QueueBytes: cost, Subscriptions: 1},
		}
		got := w.hub.Connections()
		if len(got) != 2 || got[0] != want[0] || got[1] != want[1] || cost == 0 {
			t.Errorf("connections\n%+v\nwant\n%+v", got, want)
		}
		if w.hub.Cut("nobody") {
			t.Error("cut a connection that is not there")
		}
		if !w.hub.Cut(ann.session.ID()) {
			t.Error("did not find ann's connection")
		}
		if code, reason := ann.closed(); code != wire.CloseSessionRevoked || reason != "session_revoked" {
			t.Errorf("closed with %d %q", code, reason)
		}
		if bob.socket.isDown() || len(w.hub.Connections()) != 1 {
			t.Error("the wrong one was cut")
		}
	})
}

// The newest ping that came back tells how far the peer is.
func TestRTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		p := w.connect(inRaw)
		rtt := func() time.Duration { return w.hub.Connections()[0].RTT }
		p.session.Pong() // answers nothing
		for _, d := range []time.Duration{40 * time.Millisecond, 3 * time.Millisecond} {
			for p.pings() == 0 {
				w.sleep(100*time.Millisecond, p)
			}
			time.Sleep(d)
			had := rtt()
			p.session.Pong()
			// The ping is seen up to 100 ms after it was sent.
			if got := rtt(); got < d || got > d+100*time.Millisecond || got == had {
				t.Errorf("a ping took %v, not %v", got, d)
			}
			had = rtt()
			time.Sleep(time.Second)
			p.session.Pong() // answers nothing
			if rtt() != had {
				t.Errorf("a pong to no ping tells %v", rtt())
			}
		}
		w.sleep(25*time.Second, p)
		w.clock.jump(24 * 365 * time.Hour)
		p.session.Pong()
		if got := rtt(); got != time.Hour {
			t.Errorf("after a jump of the clock %v", got)
		}
	})
}
