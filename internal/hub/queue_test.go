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
