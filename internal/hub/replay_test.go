package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// A replay of thousands of messages to a slow reader is a page at a time: little
// waits for the socket, everything comes, and nobody else waits for it.
func TestReplayToASlowReader(t *testing.T) {
	for room, missed := range map[gateway.RoomID]int{"lobby": 10_000, "lobby.drop": 1000, "lobby.latest": 1000, "fs": 1000} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(100_000))
				w.fill(room, 1, missed)
				slow, fast := w.connect(in("mem")), w.connect(in(room))
				slow.frames()
				slow.socket.limit(5000)
				most, pages := 0, 0
				w.stored.set(func(h *history) { h.paged = func() { pages++ } })
				slow.subscribe(room, wire.Resume{After: 0, HasAfter: true, Epoch: "e1"})
				for published := missed; !slow.has(room, uint64(missed)+200); {
					synctest.Wait()
					_, cost, kept := slow.session.Waiting()
					most = max(most, cost, kept)
					// It is written to all the while, and the reader of
					// the slow one goes on.
					if published < missed+200 {
						published++
						w.fill(room, published, published)
						slow.send(`{"type":"ping"}`)
					}
					slow.socket.allow(20_000)
					if slow.socket.isDown() {
						t.Fatal("closed")
					}
				}
				for _, p := range []*peer{slow, fast} {
					frames, _ := p.stream()
					at := ledger(t, frames)[string(room)]
					checkAgainstHistory(t, w, places{string(room): at})
					// A slow reader of keep_latest has them live, only.
					if len(at.gaps) > 0 && (p == fast || room != "lobby.latest" || at.gaps[0][0] <= uint64(missed)) {
						t.Errorf("gaps %v", at.gaps)
					}
				}
				if most > 60_000 {
					t.Errorf("up to %d bytes waited", most)
				}
				if pages < missed/200 || pages > missed/100+300 {
					t.Errorf("%d pages were read", pages)
				}
				if n := w.figures.delivered.n.Load() + int64(w.figures.lost(hub.DropKeepLatest)); n != int64(missed)+2*200 {
					t.Errorf("%d messages counted, want %d", n, missed+2*200)
				}
			})
		})
	}
}

// has reports whether the room's seq has come.
func (p *peer) has(room gateway.RoomID, seq uint64) bool {
	synctest.Wait()
	return bytes.Contains(p.socket.bytes(), fmt.Appendf(nil, `"room":"%s","seq":%d,`, room, seq))
}

// While many publish at full speed, clients come back at every point and miss
// nothing.
func TestReplayIntoALiveRoom(t *testing.T) {
	for _, room := range []gateway.RoomID{"lobby", "fs", "mem"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(1<<20))
				defer w.stored.commitAlways()()
				w.fill(room, 1, 20)
				const each, publishers = 700, 3
				var all sync.WaitGroup
				for n := range publishers {
					p := w.connect(in(room), as(gateway.AccountName(fmt.Sprint("w", n))), granted("*:w"))
					all.Go(func() {
						for i := range each {
							p.send(`{"type":"message","data":"%d:%d"}`, n, i)
						}
					})
				}
				var mu sync.Mutex // peers are listed
				var clients []*peer
				for range 4 {
					all.Go(func() {
						for i := range 8 {
							mu.Lock()
							p := w.connect(in(room), after(gateway.Seq(i), "e1"))
							clients = append(clients, p)
							mu.Unlock()
							if i%4 == 0 {
								p.socket.limit(i * 2000)
								p.socket.allow(unlimited)
							}
						}
					})
				}
				all.Wait()
				synctest.Wait()
				for _, p := range clients {
					frames, rest := p.stream()
					if len(rest) > 0 || p.socket.isDown() {
						t.Fatalf("%d bytes are left, closed: %v", len(rest), p.socket.isDown())
					}
					if *frames[1].Recovered != true {
						t.Fatalf("answered %s", frames[1].payload)
					}
					places := ledger(t, frames)
					checkAgainstHistory(t, w, places)
					if at := places[string(room)]; len(at.gaps) > 0 || at.next != each*publishers+21 {
						t.Fatalf("the next is %d, gaps %v", at.next, at.gaps)
					}
				}
			})
		})
	}
}

// Whatever ends a subscription ends its replay at once, wherever that is.
func TestReplayEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*world, *peer)
		last string // the type of what comes last, "" when the socket is closed
	}{
		{"ok unsubscribed", func(_ *world, p *peer) { p.send(`{"type":"unsubscribe","room":"lobby"}`) }, "unsubscribed"},
		{"ok grant lost", func(w *world, _ *peer) { w.hub.SetPrincipal(member("ann", "mem:rw")) }, "unsubscribed"},
		{"ok deleted", func(w *world, _ *peer) { _ = w.hub.Delete(context.Background(), "lobby") }, "unsubscribed"},
		{"ok cut", func(_ *world, p *peer) { p.session.Abort(wire.CloseSessionRevoked) }, ""},
		{"ok closed by the peer", func(_ *world, p *peer) { p.session.PeerClosed(wire.CloseNormal) }, ""},
		{"ok connection gone", func(_ *world, p *peer) { p.leave() }, ""},
		{"ok connection reset", func(_ *world, p *peer) { p.socket.fail(errReset) }, ""},
	} {
		for _, where := range []string{"in the queue", "in a page"} {
			t.Run(c.name+" "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, queue(20_000), keepSettings)
					w.fill("lobby", 1, 2000)
					p := w.connect(in("mem"))
					p.frames()
					release := func() {}
					if where == "in a page" {
						release = w.stored.holdPages()
					} else {
						p.socket.limit(3000)
					}
					p.subscribe("lobby", wire.Resume{HasAfter: true, Epoch: "e1"})
					synctest.Wait()
					c.end(w, p)
					synctest.Wait()
					release()
					synctest.Wait()
					if n := w.hub.Replays(); n != 0 {
						t.Errorf("%d replays go on", n)
					}
					p.socket.limit(unlimited)
					frames, rest := p.stream()
					if c.last == "" {
						if !p.socket.isDown() {
							t.Error("the socket is open")
						}
						return
					}
					if got := frames[len(frames)-1].Type; got != c.last || len(rest) > 0 {
						t.Errorf("%q came last, %d bytes are left", got, len(rest))
					}
					ledger(t, frames)
				})
			})
		}
	}
}

// holdPages makes Page wait until the returned function is called.
func (h *history) holdPages() (release func()) {
	gate := make(chan struct{})
	h.set(func(h *history) { h.paged = func() { <-gate } })
	return func() {
		h.set(func(h *history) { h.paged = nil })
		close(gate)
	}
}

// A peer that takes nothing for the write timeout is closed in a replay, too.
func TestReplayToTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(20_000))
		w.fill("lobby", 1, 2000)
		p := w.connect(in("mem"))
		p.socket.limit(3000)
		p.subscribe("lobby", wire.Resume{HasAfter: true, Epoch: "e1"})
		time.Sleep(9 * time.Second)
		if p.socket.isDown() {
			t.Error("closed too early")
		}
		time.Sleep(2 * time.Second)
		if !p.socket.isDown() || w.figures.closes(4002) != 1 {
			t.Errorf("closed %v, with 4002: %d", p.socket.isDown(), w.figures.closes(4002))
		}
	})
}

// What retention takes before its turn, and what the store cannot read, stands
// in a gap: these seqs exactly, and nothing else is missing.
func TestReplayGaps(t *testing.T) {
	type gap struct {
		from, to uint64
		reason   string
	}
	for _, c := range []struct {
		name    string
		purge   gateway.Seq // when the first page is out
		damaged []gateway.Seq
		gaps    []gap
	}{
		{"ok nothing", 0, nil, nil},
		{"ok purged behind", 10, nil, nil},
		{"bad purged ahead", 400, nil, []gap{{17, 400, "purged"}}},
		{"bad all purged", 500, nil, []gap{{17, 500, "purged"}}},
		{"bad one damaged", 0, []gateway.Seq{300}, []gap{{300, 300, "damaged"}}},
		{"bad several damaged", 0, []gateway.Seq{3, 4, 20, 499}, []gap{{3, 4, "damaged"}, {20, 20, "damaged"}, {499, 499, "damaged"}}},
		{"bad the last damaged", 0, []gateway.Seq{500}, []gap{{500, 500, "damaged"}}},
		{"bad purged and damaged", 100, []gateway.Seq{20, 300}, []gap{{17, 100, "purged"}, {300, 300, "damaged"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("lobby", 1, 500)
				w.stored.damage("lobby", c.damaged...)
				pages := 0
				w.stored.set(func(h *history) {
					h.paged = func() {
						if pages++; pages == 2 && c.purge > 0 {
							w.stored.purge("lobby", c.purge)
						}
					}
				})
				p := w.connect(in("lobby"), after(0, "e1"))
				synctest.Wait()
				w.fill("lobby", 501, 501)
				frames, _ := p.stream()
				at := ledger(t, frames)["lobby"]
				var got []gap
				for _, f := range frames {
					if f.Type == "gap" {
						got = append(got, gap{f.From, f.To, f.Reason})
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(c.gaps) || at.next != 502 {
					t.Errorf("gaps %v, the next is %d; want %v and 502", got, at.next, c.gaps)
				}
				checkAgainstHistory(t, w, places{"lobby": at})
			})
		})
	}
}

// A history that fails ends the connection: its client comes back.
func TestReplayFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("lobby", 1, 500)
		pages := 0
		w.stored.set(func(h *history) {
			h.paged = func() {
				if pages++; pages == 2 {
					w.stored.set(func(h *history) { h.broken = errors.New("no disk") })
				}
			}
		})
		p := w.connect(in("lobby"), after(0, "e1"))
		if code, _ := p.closed(); code != wire.CloseRestart {
			t.Errorf("closed with %d", code)
		}
		w.stored.set(func(h *history) { h.broken = nil })
	})
}

// Many replays of one connection take turns: only one of them has a page.
func TestReplaysTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, queue(40_000))
		const rooms, missed = 20, 600
		p := w.connect(in("mem"))
		p.frames()
		for i := range rooms {
			w.fill(gateway.RoomID(fmt.Sprint("lobby", i)), 1, missed)
		}
		var mu sync.Mutex
		inPages, most := 0, 0
		w.stored.set(func(h *history) {
			h.paged = func() {
				mu.Lock()
				inPages++
				most = max(most, inPages)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				inPages--
				mu.Unlock()
			}
		})
		for i := range rooms {
			p.subscribe(gateway.RoomID(fmt.Sprint("lobby", i)), wire.Resume{HasAfter: true, Epoch: "e1"})
		}
		time.Sleep(time.Second)
		frames, _ := p.stream()
		for room, at := range ledger(t, frames) {
			if at.in && at.next != missed+1 && room != "mem" {
				t.Errorf("room %s ends at %d", room, at.next-1)
			}
		}
		if most != 1 {
			t.Errorf("%d pages at once", most)
		}
	})
}

// Long messages are read a few at a time, and never more waits than may.
func TestReplayOfLongMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, missed = 60_000, 40
		w := newWorld(t, queue(128<<10))
		for i := 1; i <= missed; i++ {
			w.publish("mem", filler(i, size))
		}
		p := w.connect(in("lobby"))
		p.frames()
		p.socket.limit(1000)
		p.subscribe("mem", wire.Resume{HasAfter: true, Epoch: "e1"})
		for !p.has("mem", missed) {
			synctest.Wait()
			if _, cost, kept := p.session.Waiting(); cost > 64<<10 || kept > 128<<10 || p.socket.isDown() {
				t.Fatalf("%d bytes wait, %d are kept; closed: %v", cost, kept, p.socket.isDown())
			}
			p.socket.allow(30_000)
		}
	})
}

// When the live stream is faster than the last page, it is let go again: it is
// not held without bound, and the socket is not closed for it.
func TestReplayLetsTheLiveStreamGo(t *testing.T) {
	for _, overflow := range []gateway.RoomID{"mem", "mem.drop", "mem.latest"} {
		t.Run("ok "+string(overflow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, queue(20_000))
				w.publishAlone(overflow, 1, 10, 100)
				release := w.volatile.holdPages()
				p := w.connect(in(overflow), after(0, "e1"))
				synctest.Wait()
				for i := 11; i <= 200; i++ {
					w.publishAlone(overflow, i, i, 1000)
					if held := p.session.Held(); held > 10_000+1500 {
						t.Fatalf("%d bytes are held", held)
					}
				}
				release()
				frames, _ := p.stream()
				at := ledger(t, frames)[string(overflow)]
				if at.next != 201 || len(at.got) != 200 || p.socket.isDown() {
					t.Errorf("%d came, the next is %d, closed: %v", len(at.got), at.next, p.socket.isDown())
				}
			})
		})
	}
}

// A batch that the flusher still carries when a replay has brought its messages
// is not sent again.
func TestReplayOvertakesTheFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.connect(in("mem"))
		p := w.connect(in("mem"), as("bob"))
		w.publish("mem", "1")
		synctest.Wait()
		hold := first.socket.hold()
		w.publish("mem", "2") // the flusher waits with it
		synctest.Wait()
		w.publish("mem", "3") // these wait for the flusher
		w.publish("mem", "4")
		q := w.connect(in("mem"), as("cid"), after(0, "e1"))
		synctest.Wait()
		w.publish("mem", "5")
		if _, seqs := q.resumed("mem"); fmt.Sprint(seqs) != "[1 2 3 4]" {
			t.Errorf("%v came", seqs)
		}
		// Asking again before anything was sent rewinds over what the
		// flusher has for one.
		r := w.connect(in("mem"), as("dan"))
		w.publish("mem", "6")
		r.subscribe("mem", wire.Resume{After: 2, HasAfter: true})
		synctest.Wait()
		w.publish("mem", "7")
		if answer, seqs := r.resumed("mem"); fmt.Sprint(seqs) != "[3 4 5 6]" || answer != "e1 seq 6 from 1 replay 4" {
			t.Errorf("answered %q, then %v came", answer, seqs)
		}
		hold()
		if _, seqs := q.resumed("mem"); fmt.Sprint(seqs) != "[5 6 7]" {
			t.Errorf("then %v came", seqs)
		}
		if _, seqs := r.resumed("mem"); fmt.Sprint(seqs) != "[7]" {
			t.Errorf("then %v came", seqs)
		}
		if _, seqs := p.resumed("mem"); fmt.Sprint(seqs) != "[1 2 3 4 5 6 7]" {
			t.Errorf("%v came live", seqs)
		}
	})
}

// What has just become fsynced is not shown by the history before its commit,
// but was announced: a replay waits for it.
func TestReplayWaitsForTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *hub.Options) {
			o.Settings = func(gateway.RoomID) gateway.RoomSettings { return settingsOf("lobby") }
		})
		p := w.connect(in("fs.was-queued"), granted("*:w"))
		for range 3 {
			p.send("x")
		}
		q := w.connect(in("fs.was-queued"), after(1, "e1"))
		time.Sleep(50 * time.Millisecond)
		if answer, seqs := q.resumed("fs.was-queued"); answer != "e1 seq 3 from 1 recovered true replay 2" || len(seqs) > 0 {
			t.Errorf("answered %q, then %v came", answer, seqs)
		}
		w.stored.commit()
		time.Sleep(50 * time.Millisecond)
		if _, seqs := q.resumed("fs.was-queued"); fmt.Sprint(seqs) != "[2 3]" {
			t.Errorf("after the commit %v came", seqs)
		}
	})
}
