package hub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

func TestSeveralRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(), w.connect(in("mem.b"))
		p.send(`{"type":"subscribe","room":"mem.b"}`)
		p.send(`{"type":"message","room":"mem.b","data":"b1"}`)
		p.send(`{"type":"message","data":"a1"}`)
		q.send(`{"type":"message","room":"mem","data":"a2"}`) // publishing needs no subscription
		q.send(`{"type":"message","room":"mem.c","data":"c1"}`)
		q.send("b2")
		frames, _ := p.stream()
		got := ledger(t, frames)
		if a, b := got["mem"].got, got["mem.b"].got; len(a) != 2 || a[2] != `ann "a2"` || len(b) != 2 || b[1] != `ann "b1"` || b[2] != `ann "b2"` || got["mem.c"] != nil {
			t.Errorf("frames\n%s", texts(frames))
		}
		frames, _ = q.stream()
		if got := ledger(t, frames); len(got["mem.b"].got) != 2 || got["mem"] != nil {
			t.Errorf("frames\n%s", texts(frames))
		}
		if _, rooms := w.hub.Live(); rooms != 2 {
			t.Errorf("%d rooms are live, want 2: nobody is in mem.c", rooms)
		}
		p.send(`{"type":"subscribe","room":"mem.c"}`)
		frames, _ = p.stream()
		if f := frames[len(frames)-1]; f.Type != "subscribed" || f.Seq != 1 {
			t.Errorf("a room that was forgotten goes on where it was; got %s", f.payload)
		}
	})
}

func TestUnsubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, q := w.connect(), w.connect()
		p.send("1")
		synctest.Wait() // leaving stops even what was announced before
		p.send(`{"type":"unsubscribe","room":"mem"}`)
		if i, err := w.hub.Room(member("eve", "*:r"), "mem"); err != nil || i.Subscribers != 1 {
			t.Errorf("%d subscribers are left, want 1; %v", i.Subscribers, err)
		}
		q.send("2")
		p.send("3") // publishing needs no subscription
		p.send(`{"type":"unsubscribe","room":"mem"}`)
		p.send(`{"type":"unsubscribe","room":"mem.never"}`)
		p.send(`{"type":"subscribe","room":"mem"}`)
		q.send("4")
		frames, _ := p.stream()
		at := ledger(t, frames)["mem"]
		if len(at.got) != 2 || at.got[4] != `ann "4"` {
			t.Errorf("frames\n%s", texts(frames))
		}
		answers := 0
		for _, f := range frames {
			if f.Type == "unsubscribed" {
				answers++
				if f.Reason != "requested" {
					t.Errorf("reason in %s", f.payload)
				}
			}
		}
		if answers != 3 {
			t.Errorf("%d answers to unsubscribe, want 3", answers)
		}
	})
}

func TestRoomLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		for i := range 127 {
			p.send(`{"type":"subscribe","room":"mem.%d"}`, i)
		}
		if f := p.frames(); len(f) != 129 || f[128].Type != "subscribed" {
			t.Fatalf("%d frames, the last is %s", len(f), f[len(f)-1].payload)
		}
		p.send(`{"type":"subscribe","room":"mem.129th"}`)
		p.send(`{"type":"subscribe","room":"mem.5"}`) // again is no other room
		p.send(`{"type":"unsubscribe","room":"mem.5"}`)
		p.send(`{"type":"subscribe","room":"mem.129th"}`)
		f := p.frames()
		if len(f) != 4 || f[0].Type != "error" || f[0].Room != "mem.129th" || f[1].Type != "subscribed" || f[3].Type != "subscribed" {
			t.Errorf("frames\n%s", texts(f))
		}
		if _, rooms := w.hub.Live(); rooms != 128 {
			t.Errorf("%d rooms are live, want 128", rooms)
		}
	})
}

// publish publishes as someone who is not connected.
func (w *world) publish(room gateway.RoomID, data string) {
	w.t.Helper()
	if _, err := w.hub.Publish(context.Background(), member("http", "*:rw"), room, "",
		gateway.Payload{Kind: gateway.PayloadJSON, Bytes: []byte(data)}); err != nil {
		w.t.Fatal(err)
	}
}

// While the flusher carries a batch, others gather. Who comes, goes and asks
// again meanwhile is given exactly what is announced after it came.
func TestComingAndGoingWhileBatchesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, stays, leaves, returns := w.connect(), w.connect(), w.connect(), w.connect()
		release := first.socket.hold()
		w.publish("mem", "1") // the flusher has it, and waits for the first
		synctest.Wait()
		w.publish("mem", "2")
		w.publish("mem", "3")
		comes := w.connect()
		if f := comes.frames(); f[1].Seq != 3 {
			t.Errorf("who comes is told %s, want seq 3", f[1].payload)
		}
		stays.frames()
		stays.send(`{"type":"subscribe","room":"mem"}`)
		if f := stays.frames(); len(f) != 1 || f[0].Type != "subscribed" || f[0].Seq != 0 {
			t.Errorf("nothing was delivered yet, and who asks again is told\n%s", texts(f))
		}
		leaves.send(`{"type":"unsubscribe","room":"mem"}`)
		returns.send(`{"type":"unsubscribe","room":"mem"}`)
		returns.send(`{"type":"subscribe","room":"mem"}`)
		w.publish("mem", "4")
		gone := w.connect()
		gone.leave()
		w.publish("mem", "5")
		release()

		for _, c := range []struct {
			name     string
			p        *peer
			from, to uint64
		}{{"first", first, 1, 5}, {"stays", stays, 1, 5}, {"leaves", leaves, 1, 0}, {"returns", returns, 4, 5}, {"comes", comes, 4, 5}} {
			frames, rest := c.p.stream()
			got := ledger(t, frames)["mem"].got
			if len(got) != int(c.to+1-c.from) || len(rest) > 0 {
				t.Errorf("%s: %d messages\n%s", c.name, len(got), texts(frames))
			}
			for seq := c.from; seq <= c.to; seq++ {
				if got[seq] != fmt.Sprintf("http %d", seq) {
					t.Errorf("%s: seq %d is %q", c.name, seq, got[seq])
				}
			}
		}
	})
}

// Removing a subscriber moves the last one into its place. A batch that waits
// must not see that.
func TestLeavingDoesNotDisturbABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var peers []*peer
		for range 6 {
			peers = append(peers, w.connect())
		}
		release := peers[0].socket.hold()
		w.publish("mem", "1")
		synctest.Wait()
		w.publish("mem", "2")
		peers[1].send(`{"type":"unsubscribe","room":"mem"}`)
		peers[2].leave()
		peers = append(peers, w.connect())
		w.publish("mem", "3")
		peers[3].send(`{"type":"unsubscribe","room":"mem"}`)
		w.publish("mem", "4")
		release()
		for i, want := range []int{4, 0, 0, 0, 4, 4, 2} {
			frames, _ := peers[i].stream()
			if i == 3 { // it left after 3 was announced, before it was delivered
				want = len(ledger(t, frames)["mem"].got)
			}
			if got := ledger(t, frames)["mem"].got; len(got) != want {
				t.Errorf("subscriber %d has %d messages, want %d\n%s", i, len(got), want, texts(frames))
			}
		}
	})
}

func TestRoomThatCannotBeLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		p.frames()
		broken := gateway.Wrap("history.Head", errors.New("disk /dev/mmcblk0 is gone"))
		w.stored.set(func(h *history) { h.broken = broken })
		p.send(`{"type":"subscribe","room":"lobby"}`)
		p.send(`{"type":"message","room":"lobby","id":"7","data":1}`)
		p.expect(`{"type":"error","code":"internal","message":"internal error","room":"lobby"}`,
			`{"type":"error","code":"internal","message":"internal error","room":"lobby","id":"7"}`)
		q, err := w.admit(in("lobby"))
		if err != nil {
			t.Fatal(err)
		}
		if err := q.session.Start(q.socket); gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("start: %v", err)
		}
		code, reason := q.closed()
		if retryAfter(t, reason); code != wire.CloseRestart {
			t.Errorf("closed with %d", code)
		}
		if _, rooms := w.hub.Live(); rooms != 1 {
			t.Errorf("%d rooms are live, want 1", rooms)
		}
		w.stored.set(func(h *history) { h.broken = nil })
		p.send(`{"type":"subscribe","room":"lobby"}`)
		p.expect(subscribedAt("lobby", "e1", 0))
	})
}

func TestQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stored.commitAlways()()
		p := w.connect(in("plant.1"))
		w.connect(in("mem"))
		w.publish("plant.2", "1")
		w.publish("plant.1", "1")
		w.publish("mem", "1")
		w.publish("other", "1")
		p.frames()

		infos, err := w.hub.Rooms(member("eve", "plant.*:r", "mem:rw", "other:w"))
		if err != nil || len(infos) != 3 || infos[0].Room != "mem" || infos[1].Room != "plant.1" || infos[2].Room != "plant.2" {
			t.Fatalf("rooms %+v, %v", infos, err)
		}
		if i := infos[1]; i.Subscribers != 1 || i.Seq != 1 || i.Epoch != shown("plant.1", "e1") || i.Settings.Durability != gateway.DurabilityQueued {
			t.Errorf("plant.1 is %+v", i)
		}
		if i := infos[2]; i.Subscribers != 0 || i.Seq != 1 {
			t.Errorf("plant.2 is %+v", i)
		}
		if i, err := w.hub.Room(member("eve", "*:r"), "unused"); err != nil || i.Seq != 0 || i.Subscribers != 0 {
			t.Errorf("an unused room is %+v, %v", i, err)
		}
		page, err := w.hub.Page(member("eve", "mem:r"), "mem", gateway.HistoryQuery{Limit: 10})
		if err != nil || len(page.Messages) != 1 || page.Messages[0].User != "http" {
			t.Errorf("page %+v, %v", page, err)
		}
		for name, err := range map[string]error{
			"room": second(w.hub.Room(member("eve", "other:w"), "other")),
			"page": second(w.hub.Page(member("eve", "other:w"), "other", gateway.HistoryQuery{Limit: 1})),
			"publish": second(w.hub.Publish(context.Background(), member("eve", "other:r"), "other", "",
				gateway.Payload{Bytes: []byte("1")})),
		} {
			if gateway.CodeOf(err) != gateway.CodeForbidden {
				t.Errorf("%s: %v, want forbidden", name, err)
			}
		}
		w.stored.set(func(h *history) { h.broken = gateway.Wrap("history.Rooms", errors.New("closed")) })
		if _, err := w.hub.Rooms(member("eve")); gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("rooms of a broken store: %v", err)
		}
		w.stored.set(func(h *history) { h.broken = nil })
		if _, rooms := w.hub.Live(); rooms != 2 {
			t.Errorf("%d rooms are live, want 2", rooms)
		}
	})
}

func second[T any](_ T, err error) error { return err }

var _ hub.History = (*history)(nil)
