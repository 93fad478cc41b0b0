package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// When a message is announced and when it is acked is what a room's class says.
func TestDurability(t *testing.T) {
	for _, c := range []struct {
		name           string
		room           gateway.RoomID
		before, behind string // types that arrive before the commit and after it
		durability     string
	}{
		{"ok memory acks at once", "mem", "ack message", "", "memory"},
		{"ok queued announces at once and acks after the commit", "lobby", "message", "ack", "queued"},
		{"ok fsynced does both after the commit", "fs", "", "ack message", "fsynced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.connect(in(c.room))
				p.frames()
				p.send(`{"type":"message","id":"a1","data":1}`)
				before := p.frames()
				w.stored.commit()
				behind := p.frames()
				if types(before) != c.before || types(behind) != c.behind {
					t.Fatalf("before the commit %q, after it %q; want %q and %q", types(before), types(behind), c.before, c.behind)
				}
				for _, f := range append(before, behind...) {
					if f.Seq != 1 || f.ID != "a1" || f.TS != time.Now().UnixMilli() || f.Type == "ack" && (f.Durability != c.durability || f.Room != string(c.room)) {
						t.Errorf("frame %s", f.payload)
					}
				}
				p.send(`no id, no ack`)
				w.stored.commit()
				if f := p.frames(); types(f) != "message" {
					t.Errorf("without an id\n%s", texts(f))
				}
				if n := len(w.figures.durations.take()); n != 2 {
					t.Errorf("%d durations observed, want 2", n)
				}
			})
		})
	}
}

// types lists the frames' types, an ack before a message: they come in either
// order.
func types(frames []frame) string {
	var acks, others []string
	for _, f := range frames {
		if f.Type == "ack" {
			acks = append(acks, f.Type)
		} else {
			others = append(others, f.Type)
		}
	}
	return strings.Join(append(acks, others...), " ")
}

// Who joins a fsynced room is told what was announced, and gets what follows.
func TestJoiningBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(in("fs"))
		p.send("1")
		p.send("2")
		q := w.connect(in("fs"), as("bob"))
		p.leave() // the room stays until its messages are announced
		if i, err := w.hub.Room(member("eve", "*:r"), "fs"); err != nil || i.Seq != 0 {
			t.Errorf("the room tells of seq %d before the commit, %v", i.Seq, err)
		}
		w.stored.commit()
		frames, _ := q.stream()
		if at := ledger(t, frames)["fs"]; len(at.got) != 2 || frames[1].Seq != 0 {
			t.Errorf("frames\n%s", texts(frames))
		}
		q.send("3")
		q.leave()
		if _, rooms := w.hub.Live(); rooms != 1 {
			t.Errorf("%d rooms are live, want 1: one message is not committed", rooms)
		}
	})
}

// Many acks of one commit are one write, in order.
func TestAcksOfOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(in("lobby"), granted("*:w")), w.connect(in("lobby"), granted("*:w"))
		for i := range 50 {
			p.send(`{"type":"message","id":"p%d","data":1}`, i)
			q.send(`{"type":"message","id":"q%d","room":"fs","data":1}`, i)
		}
		gone := w.connect(in("lobby"))
		gone.send(`{"type":"message","id":"gone","data":1}`)
		gone.leave()
		synctest.Wait()
		before := p.socket.direct
		w.stored.commit()
		for room, peer := range map[string]*peer{"lobby": p, "fs": q} {
			frames, _ := peer.stream()
			if at := ledger(t, frames)[room]; at.ack != 50 || len(frames) != 51 {
				t.Errorf("acked up to %d in %d frames", at.ack, len(frames))
			}
		}
		if n := p.socket.direct - before; n != 1 {
			t.Errorf("%d writes for the acks, want 1", n)
		}
	})
}

func TestPublishWithoutSession(t *testing.T) {
	for _, c := range []struct {
		name string
		room gateway.RoomID
		wait bool
	}{{"ok memory", "mem", false}, {"ok queued", "lobby", true}, {"ok fsynced", "fs", true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.connect(in(c.room))
				type result struct {
					hub.Receipt
					err error
				}
				done := make(chan result, 1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				go func() {
					r, err := w.hub.Publish(ctx, member("http", "*:w"), c.room, "i-1", gateway.Payload{Bytes: []byte("[1]")})
					done <- result{r, err}
				}()
				synctest.Wait()
				if c.wait && len(done) != 0 {
					t.Error("it returned before the commit")
				}
				w.stored.commit()
				want := hub.Receipt{Room: c.room, Seq: 1, TS: gateway.Timestamp(time.Now().UnixMilli()), ID: "i-1", Durability: settingsOf(c.room).Durability}
				if got := <-done; got.err != nil || got.Receipt != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				frames, _ := p.stream()
				if at := ledger(t, frames)[string(c.room)]; at.got[1] != "http [1]" {
					t.Errorf("frames\n%s", texts(frames))
				}
			})
		})
	}
}

// The commit may be faster than the publisher's next step.
func TestPublishWhileCommitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stored.commitAlways()()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error)
		for range 8 {
			go func() {
				var err error
				for range 200 {
					_, e := w.hub.Publish(ctx, member("http", "*:w"), "lobby", "", gateway.Payload{Bytes: []byte("1")})
					err = errors.Join(err, e)
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := len(w.stored.records("lobby")); n != 1600 {
			t.Errorf("%d messages, want 1600", n)
		}
	})
}

func TestPublishGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(in("fs"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.hub.Publish(ctx, member("http", "*:w"), "fs", "", gateway.Payload{Bytes: []byte("1")})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		p.frames()
		w.stored.commit()
		if f := p.frames(); types(f) != "message" {
			t.Errorf("it still appears; got\n%s", texts(f))
		}
	})
}

// What the history refuses was never announced, and leaves no hole.
func TestRefusedByHistory(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem", "lobby", "fs"} {
		t.Run("bad "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.connect(in(room))
				p.frames()
				h := w.stored
				if room == "mem" {
					h = w.volatile
				}
				full := gateway.Errorf(gateway.CodeStorageFull, "the disk is full")
				full.RetryAfter = time.Second
				h.set(func(h *history) { h.refuse = full })
				p.send(`{"type":"message","id":"a","data":1}`)
				p.expect(`{"type":"error","code":"storage_full","message":"the disk is full","id":"a","retry_after_ms":1000}`)
				if _, err := w.hub.Publish(t.Context(), member("http", "*:w"), room, "", gateway.Payload{Bytes: []byte("1")}); err != full {
					t.Errorf("publish: %v", err)
				}
				h.set(func(h *history) { h.refuse = nil })
				p.send(`{"type":"message","id":"b","data":2}`)
				w.stored.commit()
				if f := p.frames(); types(f) != "ack message" || f[0].Seq != 1 || f[1].Seq != 1 {
					t.Errorf("then\n%s", texts(f))
				}
			})
		})
	}
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		p.frames()
		var last int64
		for _, d := range []time.Duration{0, time.Second, -time.Hour, time.Minute, -24 * time.Hour, 48 * time.Hour} {
			w.clock.jump(d)
			p.send("x")
			f := p.frames()
			if len(f) != 1 || f[0].TS < last {
				t.Fatalf("after a jump of %v: %s is before %d", d, texts(f), last)
			}
			last = f[0].TS
		}
		if want := w.clock.Now().UnixMilli(); last != want {
			t.Errorf("the last is of %d, the clock says %d", last, want)
		}
		p.leave() // the room is forgotten, its time is not
		w.clock.jump(-time.Hour)
		q := w.connect()
		q.send("x")
		f, _ := q.stream()
		if f[2].TS < last || f[2].Seq != 7 {
			t.Errorf("a room that came back: %s", f[2].payload)
		}
	})
}

// A slow history holds back publishers, and nobody else.
func TestSlowHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(in("lobby")), w.connect(in("lobby"))
		gate := make(chan struct{})
		w.stored.set(func(h *history) { h.gate = gate })
		go p.send("waits")
		synctest.Wait()
		q.send(`{"type":"ping"}`)
		q.send(`{"type":"subscribe","room":"lobby"}`)
		q.send(`{"type":"message","room":"mem","id":"m","data":1}`)
		q.frames()
		if f, _ := q.stream(); types(f[2:]) != "ack pong subscribed" {
			t.Errorf("frames\n%s", texts(f))
		}
		w.stored.set(func(h *history) { h.gate = nil })
		close(gate)
		if f := q.frames(); types(f) != "message" {
			t.Errorf("then\n%s", texts(f))
		}
	})
}

// Publishers do not run ahead of the flusher without bound.
func TestPublishersWaitForTheFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) { o.Limits.QueueBytes = 64 << 20 })
		p := w.connect()
		release := p.socket.hold()
		big := `"` + strings.Repeat("x", 60<<10) + `"`
		const messages = 100 // 6 MiB
		done := make(chan struct{})
		for range 4 {
			go func() {
				for range messages / 4 {
					w.publish("mem", big)
				}
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		if n := len(w.volatile.records("mem")); n < 10 || n > 30 {
			t.Errorf("%d messages of 60 KiB were taken while 1 MiB may wait", n)
		}
		release()
		for range 4 {
			<-done
		}
		frames, _ := p.stream()
		if got := ledger(t, frames)["mem"].got; len(got) != messages {
			t.Errorf("%d messages arrived", len(got))
		}
	})
}
