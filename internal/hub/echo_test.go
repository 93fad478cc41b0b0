package hub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// post publishes over HTTP.
func (w *world) post(user gateway.AccountName, room gateway.RoomID, id gateway.MessageID) (hub.Receipt, error) {
	return w.hub.Publish(context.Background(), member(user, "*:rw"), room, id,
		gateway.Payload{Kind: gateway.PayloadJSON, Bytes: []byte("1")})
}

// acks are the seqs and times of the acks that have come.
func (p *peer) acks() (acks []string) {
	p.t.Helper()
	for _, f := range p.frames() {
		if f.Type == "ack" {
			acks = append(acks, fmt.Sprintf("%s %s %d %s %d", f.Room, f.ID, f.Seq, f.Durability, f.TS))
		}
	}
	return acks
}

// The same message of the same account in the same room is stored once, whatever
// way it comes and whoever restarts in between; its ack says what the first one
// said.
func TestPublishTwice(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem", "lobby", "fs"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				stop := w.stored.commitAlways()
				defer func() { stop() }()
				class := settingsOf(room).Durability
				p := w.connect(in(room), granted("*:w"))
				first := fmt.Sprintf("[%s a 1 %s %d]", room, class, time.Now().UnixMilli())
				p.send(`{"type":"message","id":"a","data":1}`)
				if got := fmt.Sprint(p.acks()); got != first {
					t.Fatalf("acks %s, want %s", got, first)
				}
				again := func(how string) {
					t.Helper()
					time.Sleep(time.Second)
					p.send(`{"type":"message","id":"a","data":2}`)
					if got := fmt.Sprint(p.acks()); got != first {
						t.Errorf("%s: acks %s, want %s", how, got, first)
					}
					r, err := w.post("ann", room, "a")
					got := fmt.Sprintf("[%s %s %d %s %d]", r.Room, r.ID, r.Seq, r.Durability, r.TS)
					if err != nil || got != first {
						t.Errorf("%s, over HTTP: %s, %v; want %s", how, got, err, first)
					}
				}
				again("on the same connection")
				p.leave()
				p = w.connect(in(room), granted("*:w"))
				again("on another connection")

				// Everything else is another message.
				p.send(`{"type":"message","id":"b","data":1}`)
				p.send(`{"type":"message","id":"a","room":"%s.b","data":1}`, room)
				p.send(`{"type":"message","data":1}`)
				p.send(`{"type":"message","data":1}`)
				for _, user := range []gateway.AccountName{"bob", "bob", "cid"} {
					if _, err := w.post(user, room, "a"); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				h := w.stored
				if class == gateway.DurabilityMemory {
					h = w.volatile
				}
				var kept []string
				for _, rec := range h.records(room) {
					kept = append(kept, fmt.Sprintf("%s/%s", rec.Message.User, rec.Message.ID))
				}
				if want := "[ann/a ann/b ann/ ann/ bob/a cid/a]"; fmt.Sprint(kept) != want {
					t.Errorf("kept %v, want %v", kept, want)
				}
				if n := len(h.records(room + ".b")); n != 1 {
					t.Errorf("%d messages in the other room", n)
				}
				p.frames()

				// A new hub on the same history.
				p.leave()
				w.restart()
				p = w.connect(in(room), granted("*:w"))
				again("after a restart")
			})
		})
	}
}

// While the first one waits for its commit, the others wait for the same.
func TestPublishTwiceBeforeTheCommit(t *testing.T) {
	for _, room := range []gateway.RoomID{"lobby", "fs"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, q := w.connect(in(room), granted("*:w")), w.connect(in("mem"), granted("*:w"))
				reader := w.connect(in(room))
				p.send(`{"type":"message","id":"a","data":1}`)
				time.Sleep(time.Millisecond)
				p.send(`{"type":"message","id":"a","data":1}`)
				q.send(`{"type":"message","id":"a","room":"%s","data":1}`, room)
				var receipt hub.Receipt
				done := make(chan struct{})
				go func() {
					defer close(done)
					receipt, _ = w.post("ann", room, "a")
				}()
				gone := w.connect(in(room), granted("*:w"))
				gone.send(`{"type":"message","id":"a","data":1}`)
				gone.leave()
				if acks := append(p.acks(), q.acks()...); len(acks) > 0 || returned(done) {
					t.Fatalf("before the commit: acks %v, HTTP answered: %v", acks, returned(done))
				}
				w.stored.commit()
				ack := fmt.Sprintf("%s a 1 %s %d", room, settingsOf(room).Durability, time.Now().UnixMilli()-1)
				if got, want := fmt.Sprint(p.acks()), fmt.Sprintf("[%s %s]", ack, ack); got != want {
					t.Errorf("acks %s, want %s", got, want)
				}
				if got, want := fmt.Sprint(q.acks()), fmt.Sprintf("[%s]", ack); got != want {
					t.Errorf("acks of the other connection %s, want %s", got, want)
				}
				if !returned(done) || receipt.Seq != 1 || receipt.Durability != settingsOf(room).Durability {
					t.Errorf("over HTTP: %v, %+v", returned(done), receipt)
				}
				if _, seqs := reader.resumed(room); fmt.Sprint(seqs) != "[1]" {
					t.Errorf("%v were announced", seqs)
				}
				if n := len(w.stored.records(room)); n != 1 {
					t.Errorf("%d are kept", n)
				}
			})
		})
	}
}

// Many may wait for one commit, but not without end.
func TestPublishTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(in("lobby"), granted("*:w"))
		for range 150 {
			p.send(`{"type":"message","id":"a","data":1}`)
		}
		refused := 0
		for _, f := range p.frames() {
			if f.Type == "error" && f.Code == "rate_limited" && f.ID == "a" {
				refused++
			}
		}
		w.stored.commit()
		if acks := p.acks(); len(acks) != 101 || refused != 49 {
			t.Errorf("%d acks, %d refused", len(acks), refused)
		}
		p.send(`{"type":"message","id":"a","data":1}`)
		if acks := p.acks(); len(acks) != 1 {
			t.Errorf("%d acks after the commit", len(acks))
		}
	})
}

// However many send the same message at once, on whatever ways, and whenever the
// commits come: one is stored, and everyone is told of that one.
func TestPublishTwiceAtOnce(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem", "lobby", "fs"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				stop := w.stored.commitAlways()
				const senders, ids = 6, 200
				var all sync.WaitGroup
				seqs := make([][ids]gateway.Seq, senders)
				var peers []*peer
				for range senders {
					peers = append(peers, w.connect(in("mem.x"), granted("*:w")))
				}
				for n, p := range peers {
					all.Go(func() {
						for i := range ids {
							if n%2 == 0 {
								p.send(`{"type":"message","room":"%s","id":"%d","data":1}`, room, i)
								continue
							}
							r, err := w.post("ann", room, gateway.MessageID(fmt.Sprint(i)))
							if err != nil {
								t.Error(err)
							}
							seqs[n][i] = r.Seq
						}
					})
				}
				all.Wait()
				synctest.Wait()
				stop()
				for n, p := range peers {
					for _, f := range p.frames() {
						if f.Type == "ack" {
							var i int
							_, _ = fmt.Sscan(f.ID, &i)
							seqs[n][i] = gateway.Seq(f.Seq)
						}
					}
				}
				h := w.stored
				if room == "mem" {
					h = w.volatile
				}
				kept := h.records(room)
				if len(kept) != ids {
					t.Fatalf("%d are kept, want %d", len(kept), ids)
				}
				for n := range senders {
					for i, seq := range seqs[n] {
						if seq == 0 || kept[seq-1].Message.ID != gateway.MessageID(fmt.Sprint(i)) {
							t.Fatalf("sender %d was told that message %d has seq %d", n, i, seq)
						}
					}
				}
			})
		})
	}
}

// What the history refuses is nobody's original.
func TestPublishAgainAfterARefusal(t *testing.T) {
	for _, room := range []gateway.RoomID{"lobby", "fs"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.connect(in(room), granted("*:w"))
				w.stored.set(func(h *history) { h.refuse = gateway.Errorf(gateway.CodeStorageFull, "full") })
				p.send(`{"type":"message","id":"a","data":1}`)
				if f := p.frames(); f[len(f)-1].Code != "storage_full" {
					t.Errorf("frames\n%s", texts(f))
				}
				w.stored.set(func(h *history) { h.refuse = nil })
				p.send(`{"type":"message","id":"a","data":1}`)
				w.stored.commit()
				if acks := p.acks(); len(acks) != 1 {
					t.Errorf("acks %v", acks)
				}
				w.stored.set(func(h *history) { h.broken = gateway.Errorf(gateway.CodeUnavailable, "closed") })
				p.send(`{"type":"message","id":"b","data":1}`)
				w.stored.set(func(h *history) { h.broken = nil })
				if f := p.frames(); len(f) != 1 || f[0].Code != "unavailable" || len(w.stored.records(room)) != 1 {
					t.Errorf("%d are kept, frames\n%s", len(w.stored.records(room)), texts(f))
				}
			})
		})
	}
}
