package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// inBubble hides from rapid that its test has a deadline, which may not be asked
// for in a bubble.
type inBubble struct{ *testing.T }

// Whatever a slow subscriber of lossy rooms does, and however its socket takes
// bytes: in each of its stays in a room every seq is delivered once and in
// order, or stands in a gap, and what is delivered is what was published.
func TestModelLossyRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(100_000))
		rooms := []gateway.RoomID{"mem.drop", "mem.latest"}
		published := 0
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			p := w.connect(in(rooms[0]))
			defer p.leave()
			dropped := w.figures.lost(hub.DropOldest) + w.figures.lost(hub.DropKeepLatest)
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				room := rapid.SampledFrom(rooms).Draw(rt, "room")
				switch rapid.SampledFrom([]string{"publish", "publish", "publish", "limit", "allow", "subscribe", "unsubscribe", "settle"}).Draw(rt, "step") {
				case "publish":
					size := rapid.IntRange(0, 3000).Draw(rt, "size")
					for range rapid.IntRange(1, 12).Draw(rt, "burst") {
						published++
						w.publish(room, filler(published, size))
					}
				case "limit":
					p.socket.limit(rapid.IntRange(0, 500).Draw(rt, "bytes"))
				case "allow":
					p.socket.allow(rapid.IntRange(1, 20_000).Draw(rt, "bytes"))
				case "subscribe":
					p.send(`{"type":"subscribe","room":"%s"}`, room)
				case "unsubscribe":
					p.send(`{"type":"unsubscribe","room":"%s"}`, room)
				case "settle":
					synctest.Wait()
				}
			}
			p.socket.limit(unlimited)
			frames, rest := p.stream()
			if len(rest) > 0 || p.socket.isDown() {
				rt.Fatalf("%d bytes of a frame are left, closed: %v", len(rest), p.socket.isDown())
			}
			checkAgainstHistory(rt, w, ledger(rt, frames))
			gaps := 0
			for _, f := range frames {
				if f.Type == "gap" {
					gaps += int(f.To-f.From) + 1
				}
			}
			if n := w.figures.lost(hub.DropOldest) + w.figures.lost(hub.DropKeepLatest) - dropped; n != gaps {
				rt.Fatalf("%d messages counted as dropped, %d stand in gaps", n, gaps)
			}
		})
	})
}

// checkAgainstHistory compares what came with what is kept, and sees that who
// is still in a room has been given everything.
func checkAgainstHistory(t failer, w *world, all places) {
	for room, at := range all {
		h := w.volatile
		if settingsOf(gateway.RoomID(room)).Durability != gateway.DurabilityMemory {
			h = w.stored
		}
		kept := h.records(gateway.RoomID(room))
		if at.in && at.next != uint64(len(kept))+1 {
			t.Fatalf("room %s ends at %d, the newest is %d", room, at.next-1, len(kept))
		}
		for seq, got := range at.got {
			m := kept[seq-1].Message
			if want := fmt.Sprintf("%s %s", m.User, m.Payload.Bytes); m.Payload.Kind == gateway.PayloadJSON && got != want {
				t.Fatalf("room %s, seq %d is %.60q, kept is %.60q", room, seq, got, want)
			}
		}
	}
}

// Whatever happens to a socket in a room that disconnects: its peer has an
// unbroken beginning of what was sent, and behind it at most a close frame.
func TestModelDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(10_000))
		published := 0
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			format := rapid.SampledFrom([]wire.Format{wire.FormatJSON, wire.FormatRaw}).Draw(rt, "format")
			asked := func(c *hub.Connect) { c.Format = format }
			p, fast := w.connect(asked), w.connect(asked)
			defer p.leave()
			defer fast.leave()
			greeting, greetingOfFast := len(p.socket.bytes()), len(fast.socket.bytes())
			p.socket.limit(rapid.IntRange(0, 500).Draw(rt, "space"))
			p.socket.closeSpace = 100
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"publish", "publish", "allow", "settle", "abort", "close"}).Draw(rt, "step") {
				case "publish":
					published++
					w.publish("mem", filler(published, rapid.IntRange(0, 3000).Draw(rt, "size")))
				case "allow":
					p.socket.allow(rapid.IntRange(1, 5000).Draw(rt, "bytes"))
				case "settle":
					synctest.Wait()
				case "abort":
					if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
						p.session.Abort(wire.CloseIdleTimeout)
					}
				case "close":
					if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
						p.session.PeerClosed(wire.CloseNormal)
					}
				}
			}
			synctest.Wait()
			sent, came := fast.socket.bytes()[greetingOfFast:], p.socket.bytes()[greeting:]
			n := 0
			for n < len(came) && n < len(sent) && came[n] == sent[n] {
				n++
			}
			if n == len(came) {
				return
			}
			// A close frame may have been cut short, or wait for space, too.
			_, begun := parse(rt, format, sent[:n])
			behind, whole := came[n:], 2
			if len(behind) > 1 {
				whole += int(behind[1])
			}
			if len(begun) > 0 || behind[0] != 0x88 || len(behind) > whole || len(behind) == whole && !p.socket.isDown() {
				rt.Fatalf("behind %d bytes as sent, %d of them of a frame, came % x", n, len(begun), behind)
			}
		})
	})
}
