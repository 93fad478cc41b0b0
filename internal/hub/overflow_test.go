package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// drop_oldest: what is not delivered stands in a gap, at its place.
func TestDropOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(10_000))
		slow := w.connect(in("mem.drop"))
		slow.frames()
		slow.socket.limit(10)
		w.publishAlone("mem.drop", 1, 100, 1000)
		slow.send(`{"type":"ping"}`)
		if slow.socket.isDown() {
			t.Fatal("closed")
		}
		slow.socket.limit(unlimited)
		frames, _ := slow.stream()
		at := ledger(t, frames)["mem.drop"]
		if at.next != 101 || len(at.gaps) != 1 || at.got[1] == "" || at.got[100] != "http "+filler(100, 1000) {
			t.Errorf("%d messages, gaps %v, seq %d has to come", len(at.got), at.gaps, at.next)
		}
		if lost := w.figures.lost(hub.DropOldest); lost+len(at.got) != 100 || len(at.got) < 6 {
			t.Errorf("%d delivered, %d counted as lost", len(at.got), lost)
		}
		for _, f := range frames {
			if f.Type == "gap" && f.Reason != "drop_oldest" {
				t.Errorf("gap %s", f.payload)
			}
		}
		if last := frames[len(frames)-1]; last.Type != "pong" {
			t.Errorf("the last frame is %s", last.payload)
		}
	})
}

// The writer holds one long message and not two, with which nothing else could wait:
// the newest is there when the reader goes on.
func TestNewestWaitsBehindLongMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(131_072))
		slow := w.connect(in("mem.drop"))
		slow.frames()
		slow.socket.limit(0)
		slow.send(`{"type":"ping"}`)
		synctest.Wait()
		w.publishAlone("mem.drop", 1, 2, 61_000)
		slow.socket.limit(len(`{"type":"pong"}`) + 2)
		synctest.Wait()
		w.publishAlone("mem.drop", 3, 10, 61_000)
		slow.socket.limit(unlimited)
		synctest.Wait()
		frames, _ := slow.stream()
		if at := ledger(t, frames)["mem.drop"]; at.got[10] == "" || at.next != 11 {
			t.Errorf("%d messages, gaps %v, seq %d has to come", len(at.got), at.gaps, at.next)
		}
	})
}

// A batch that is longer than all that may wait is no reason to close, as long as
// the policy can drop what comes behind it.
func TestDroppingBehindALongBatch(t *testing.T) {
	for _, c := range []struct {
		room   gateway.RoomID
		format wire.Format
		most   int // chunks
		gap    [2]uint64
	}{
		{"mem.drop", wire.FormatJSON, 1, [2]uint64{2, 50}},
		{"mem.drop", wire.FormatRaw, 1, [2]uint64{}},
		{"mem.latest", wire.FormatJSON, 2, [2]uint64{2, 49}},
		{"mem.latest", wire.FormatRaw, 1, [2]uint64{}},
	} {
		t.Run(fmt.Sprintf("ok %s %s", c.room, c.format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(5000))
				slow := w.connect(in(c.room), func(ask *hub.Connect) { ask.Format = c.format })
				slow.socket.limit(0)
				w.publishAlone(c.room, 1, 1, 20_000)
				w.publishAlone(c.room, 2, 50, 1000)
				if slow.session.Closing() {
					t.Fatal("closed")
				}
				if chunks, _, kept := slow.session.Waiting(); chunks > c.most || kept > 5000 {
					t.Errorf("%d chunks of %d bytes wait", chunks, kept)
				}
				slow.socket.limit(unlimited)
				synctest.Wait()
				w.publishAlone(c.room, 51, 51, 10)
				if frames, _ := slow.stream(); c.format == wire.FormatJSON {
					at := ledger(t, frames)[string(c.room)]
					if at.next != 52 || len(at.gaps) != 1 || at.gaps[0] != c.gap || (at.got[50] != "") != (c.gap[1] < 50) {
						t.Errorf("%d messages, gaps %v, seq %d has to come", len(at.got), at.gaps, at.next)
					}
				}
			})
		})
	}
}

func TestKeepLatest(t *testing.T) {
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("ok batches of one: %v", alone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				slow := w.connect(in("mem.latest"))
				slow.frames()
				slow.socket.limit(10)
				w.publish("mem.latest", filler(1, 50)) // begun: has to end
				synctest.Wait()
				for i := 2; i <= 100; i++ {
					w.publish("mem.latest", filler(i, 50))
					if alone {
						synctest.Wait()
					}
				}
				synctest.Wait()
				if chunks, _, _ := slow.session.Waiting(); chunks > 2 {
					t.Errorf("%d chunks wait, want a gap and the newest", chunks)
				}
				slow.socket.limit(unlimited)
				frames, _ := slow.stream()
				at := ledger(t, frames)["mem.latest"]
				if at.next != 101 || len(at.got) != 2 || at.got[100] != "http "+filler(100, 50) ||
					len(at.gaps) != 1 || at.gaps[0] != [2]uint64{2, 99} {
					t.Errorf("frames\n%s", texts(frames))
				}
				if n := w.figures.lost(hub.DropKeepLatest); n != 98 {
					t.Errorf("%d messages counted as lost, want 98", n)
				}
			})
		})
	}
}

// Of a batch that waits, only its newest message stays.
func TestKeepLatestOfABatch(t *testing.T) {
	for _, format := range []wire.Format{wire.FormatJSON, wire.FormatRaw} {
		t.Run("ok "+string(format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				first := w.connect(in("mem.latest"))
				slow := w.connect(in("mem.latest"), func(c *hub.Connect) { c.Format = format })
				slow.frames()
				slow.socket.limit(10)
				w.publishAlone("mem.latest", 1, 1, 50)
				release := first.socket.hold()
				w.publishAlone("mem.latest", 2, 2, 50) // the flusher waits with it
				for i := 3; i <= 9; i++ {
					w.publish("mem.latest", filler(i, 50)) // these are one batch
				}
				release()
				synctest.Wait()
				slow.socket.limit(unlimited)
				f := slow.frames()
				var want []string
				for _, i := range []int{1, 9} {
					want = append(want, filler(i, 50))
				}
				if format == wire.FormatJSON {
					if len(f) != 3 || f[1].Type != "gap" || f[1].From != 2 || f[1].To != 8 {
						t.Fatalf("frames\n%s", texts(f))
					}
					if string(f[0].Data) != want[0] || string(f[2].Data) != want[1] {
						t.Errorf("frames\n%s", texts(f))
					}
				} else if len(f) != 2 || `"`+f[0].payload+`"` != want[0] || `"`+f[1].payload+`"` != want[1] {
					t.Errorf("frames\n%s", texts(f))
				}
			})
		})
	}
}

// The raw format has no frame to tell of a loss with.
func TestRawDropsSilently(t *testing.T) {
	for _, c := range []struct {
		name  string
		room  gateway.RoomID
		burst int // messages that may share a batch
	}{
		{"ok drop_oldest", "mem.drop", 1}, {"ok keep_latest", "mem.latest", 1}, {"ok keep_latest of batches", "mem.latest", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(5000))
				slow := w.connect(in(c.room), inRaw)
				slow.socket.limit(10)
				w.publishAlone(c.room, 1, 1, 1000)
				for i := 2; i <= 51; i++ {
					w.publish(c.room, filler(i, 1000))
					if i%c.burst == 0 {
						synctest.Wait()
					}
				}
				synctest.Wait()
				slow.socket.limit(unlimited)
				frames, rest := slow.stream()
				last := 0
				for _, f := range frames {
					var seq int
					if _, err := fmt.Sscanf(f.payload, "%d:", &seq); err != nil || seq <= last {
						t.Fatalf("after %d came %.30q, %v", last, f.payload, err)
					}
					last = seq
				}
				if last != 51 || len(frames) < 2 || len(frames) > 6 || len(rest) > 0 || slow.socket.isDown() {
					t.Errorf("%d messages came, the last is %d; %d bytes are left", len(frames), last, len(rest))
				}
			})
		})
	}
}

// Who asks again while messages wait is answered at the answer's own place:
// what is dropped before it and behind it are two gaps.
func TestAskingAgainWhileMessagesWait(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem.drop", "mem.latest"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(100_000))
				p := w.connect(in(room))
				p.frames()
				p.socket.limit(10)
				w.publishAlone(room, 1, 60, 2000)
				p.send(`{"type":"subscribe","room":"%s"}`, room)
				w.publishAlone(room, 61, 160, 2000)
				p.socket.limit(unlimited)
				frames, _ := p.stream()
				at := ledger(t, frames)[string(room)]
				if at.next != 161 || len(at.gaps) != 2 || at.gaps[0][1] != 60 || at.gaps[1][0] != 61 {
					t.Errorf("seq %d has to come, gaps %v", at.next, at.gaps)
				}
			})
		})
	}
}
