package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// queue bounds what may wait for one socket.
func queue(n int) func(*hub.Options) {
	return func(o *hub.Options) { o.Limits.QueueBytes = n }
}

// filler is data of about n bytes that differs from message to message.
func filler(i, n int) string { return fmt.Sprintf(`"%d:%s"`, i, strings.Repeat("x", n)) }

// publishAlone publishes messages one by one, each in a batch of its own.
func (w *world) publishAlone(room gateway.RoomID, from, to, size int) {
	w.t.Helper()
	for i := from; i <= to; i++ {
		w.publish(room, filler(i, size))
		synctest.Wait()
	}
}

// However the bytes are dribbled out, a slow reader gets what a fast one gets.
func TestPartialWrites(t *testing.T) {
	for _, format := range []wire.Format{wire.FormatJSON, wire.FormatRaw} {
		for _, step := range []int{1, 7, 64, 1000, 70_000} {
			t.Run(fmt.Sprintf("ok %s, %d bytes at a time", format, step), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					as := func(c *hub.Connect) { c.Format = format }
					fast, slow := w.connect(as), w.connect(as)
					fast.frames()
					slow.frames()
					skip, skipOfSlow := len(fast.socket.bytes()), len(slow.socket.bytes())
					slow.socket.limit(0)
					count := min(40, 3*step)
					for i := range count {
						if i%3 == 0 {
							synctest.Wait() // some batches hold one message, some more
						}
						w.publish("mem", filler(i, i*7))
						slow.socket.allow(step / 5)
					}
					want := func() []byte { synctest.Wait(); return fast.socket.bytes()[skip:] }()
					for range len(want)/step + 2 {
						slow.socket.allow(step)
						synctest.Wait()
					}
					if got := slow.socket.bytes()[skipOfSlow:]; !bytes.Equal(got, want) {
						t.Errorf("%d bytes came, %d were sent, or they differ", len(got), len(want))
					}
					if slow.socket.isDown() {
						t.Error("closed")
					}
					if got, want := w.figures.delivered.n.Load(), int64(2*count); got != want {
						t.Errorf("%d messages counted as delivered, want %d", got, want)
					}
				})
			})
		}
	}
}

// What waits for a socket are the bytes of batches that others use as well:
// they must not be used again before they are written.
func TestWaitingBatchesAreNotReused(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem", "mem.drop", "mem.latest"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				slow, other := w.connect(in(room)), w.connect(in("mem.other"))
				slow.frames()
				slow.socket.limit(0)
				for i := range 20 {
					w.publish(room, filler(i, 300)) // batches of more than one
					if i%4 == 3 {
						synctest.Wait()
					}
				}
				for i := range 500 { // every buffer is used again
					w.publish("mem.other", filler(i, 400))
					synctest.Wait()
				}
				slow.socket.limit(unlimited)
				frames, rest := slow.stream()
				at := ledger(t, frames)[string(room)]
				if len(rest) > 0 || at.next != 21 {
					t.Errorf("after %d messages seq %d has to come, %d bytes are left", len(at.got), at.next, len(rest))
				}
				for seq, got := range at.got {
					if want := "http " + filler(int(seq)-1, 300); got != want {
						t.Errorf("seq %d is %.40s…, want %.40s…", seq, got, want)
					}
				}
				frames, _ = other.stream()
				if got := ledger(t, frames)["mem.other"].got; len(got) != 500 {
					t.Errorf("the other room had %d messages", len(got))
				}
			})
		})
	}
}

func TestSlowConsumerIsClosed(t *testing.T) {
	for _, c := range []struct {
		name  string
		space int // how many bytes the socket takes of the first message
		queue int // how much may wait
		count int // messages of 1 KB
		lost  int // how many waited when it was given up
		come  int // how many are read when it reads on
	}{
		{"ok nothing was begun", 0, 500, 3, 2, 1},
		{"ok inside a frame", 10, 500, 3, 2, 1},
		{"ok with a longer queue", 0, 3000, 4, 2, 1},
		{"ok inside a frame, with a longer queue", 10, 3000, 4, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(c.queue))
				slow, stuck, fast := w.connect(), w.connect(), w.connect()
				for _, p := range []*peer{slow, stuck} {
					p.frames()
					p.socket.limit(c.space)
				}
				w.publishAlone("mem", 1, c.count, 1000)
				slow.send(`{"type":"message","data":"too late"}`)
				slow.socket.limit(unlimited)
				synctest.Wait()
				if code, reason := slow.closed(); code != wire.CloseSlowConsumer || reason != "slow_consumer" {
					t.Errorf("closed with %d %q", code, reason)
				}
				frames, rest := slow.stream()
				if got := ledger(t, frames)["mem"].got; len(got) != c.come || len(rest) > 0 {
					t.Errorf("the slow one read %d messages and %d odd bytes, want %d", len(got), len(rest), c.come)
				}
				if n := w.figures.lost(hub.DropSlowConsumer); n != 2*c.lost {
					t.Errorf("%d messages counted as lost, want %d; %v", n, 2*c.lost, w.figures.dropped)
				}
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if !stuck.socket.isDown() {
					t.Error("the stuck one is still there")
				}
				if n := w.figures.closes(4002); n != 2 {
					t.Errorf("closed: %v, want two of 4002", w.figures.closed)
				}
				frames, _ = fast.stream()
				if got := ledger(t, frames)["mem"].got; len(got) != c.count {
					t.Errorf("the fast one has %d messages", len(got))
				}
			})
		})
	}
}

// A peer that takes nothing is given up when the write's time is over.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		p.frames()
		p.socket.limit(0)
		w.publishAlone("mem", 1, 3, 10)
		time.Sleep(9 * time.Second)
		if p.socket.isDown() {
			t.Fatal("closed before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !p.socket.isDown() || !p.ended {
			t.Error("not closed")
		}
		if n := w.figures.lost(hub.DropSlowConsumer); n != 3 {
			t.Errorf("%d messages counted as lost, want 3", n)
		}
		if n := w.figures.closes(4002); n != 1 {
			t.Errorf("closed: %v, want one of 4002", w.figures.closed)
		}
	})
}

func TestFailingSocket(t *testing.T) {
	for _, c := range []struct {
		name  string
		stuck bool
	}{{"ok at once", false}, {"ok under the writer", true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, q := w.connect(), w.connect()
				if c.stuck {
					p.socket.limit(3)
					w.publishAlone("mem", 1, 2, 10)
				}
				p.socket.fail(errReset)
				w.publishAlone("mem", 3, 4, 10)
				if !p.socket.isDown() || !p.ended {
					t.Error("not closed")
				}
				if frames, _ := q.stream(); len(ledger(t, frames)["mem"].got) < 2 {
					t.Errorf("the other has\n%s", texts(frames))
				}
			})
		})
	}
}

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

// Nobody can make the gateway keep much more than the limit for one socket,
// however small the pieces are.
func TestStuckSocketIsBounded(t *testing.T) {
	const limit = 64 << 10
	const one = 64<<10 + 8<<10 // a batch and its last message: one chunk may always wait
	for _, c := range []struct {
		name string
		room gateway.RoomID
		do   func(*world, *peer, int)
	}{
		{"ok tiny answers", "mem", func(_ *world, p *peer, _ int) { p.send(`{"type":"ping"}`) }},
		{"ok pongs", "mem", func(_ *world, p *peer, _ int) { p.session.Control(wire.OpPong, nil) }},
		{"ok errors", "mem", func(_ *world, p *peer, _ int) { p.send(`{"type":"x"}`) }},
		{"ok small messages", "mem", func(w *world, _ *peer, i int) { w.publishAlone("mem", i, i, 1) }},
		{"ok small messages, drop_oldest", "mem.drop", func(w *world, _ *peer, i int) { w.publishAlone("mem.drop", i, i, 1) }},
		{"ok large messages, drop_oldest", "mem.drop", func(w *world, _ *peer, i int) { w.publish("mem.drop", filler(i, 5000)) }},
		{"ok small messages, keep_latest", "mem.latest", func(w *world, _ *peer, i int) { w.publish("mem.latest", filler(i, 1)) }},
		{"ok large messages, keep_latest", "mem.latest", func(w *world, _ *peer, i int) { w.publish("mem.latest", filler(i, 5000)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(limit))
				p := w.connect(in(c.room))
				p.frames()
				p.socket.limit(0)
				most, keep := 0, 0
				for i := range 2000 {
					c.do(w, p, i)
					chunks, cost, kept := p.session.Waiting()
					most, keep = max(most, chunks), max(keep, kept)
					if cost > limit+one && !p.session.Closing() {
						t.Fatalf("%d wait, %d may", cost, limit)
					}
				}
				synctest.Wait()
				if most > limit/256+1 || keep > limit+one {
					t.Errorf("%d chunks waited and kept %d bytes", most, keep)
				}
				if dropping := c.room != "mem"; p.session.Closing() == dropping {
					t.Errorf("closing: %v", !dropping)
				}
				time.Sleep(11 * time.Second) // the writer's deadline
				synctest.Wait()
				if !p.socket.isDown() {
					t.Error("it is stuck, and still there")
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
