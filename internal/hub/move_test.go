package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// From and to class memory the room begins a new epoch, and its sockets are sent
// away to find out.
func TestConfigureTheClass(t *testing.T) {
	for _, c := range []struct {
		name   string
		room   gateway.RoomID
		to     gateway.Durability
		epoch  gateway.Epoch
		answer string // to a client of the old epoch that has everything
		behind string // to one that has a little less
		seq    uint64 // of what is published next
	}{
		{"ok queued to memory", "lobby", gateway.DurabilityMemory, "m2", "m2 seq 5 from 6 recovered true replay 0", "m2 seq 5 from 6 recovered false", 6},
		{"ok fsynced to memory", "fs", gateway.DurabilityMemory, "m2", "m2 seq 5 from 6 recovered true replay 0", "m2 seq 5 from 6 recovered false", 6},
		{"ok memory to queued", "mem", gateway.DurabilityQueued, "e2", "e2 seq 0 from 1 recovered false", "e2 seq 0 from 1 recovered false", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, keepSettings)
				w.fill(c.room, 1, 5)
				p, raw, replaying := w.connect(in(c.room)), w.connect(in(c.room), inRaw), w.connect(in("mem.other"))
				other := w.connect(in("mem.other"))
				replaying.subscribe(c.room, wire.Resume{HasAfter: true, Epoch: "e1"})
				info := w.configure(c.room, toClass(c.to))
				if info.Settings.Durability != c.to || info.Epoch != shown(c.room, c.epoch) || info.Subscribers != 0 {
					t.Errorf("configured: %+v", info)
				}
				for _, peer := range []*peer{p, raw, replaying} {
					if code, reason := peer.closed(); code != wire.CloseRestart || retryAfter(t, reason) == 0 {
						t.Errorf("closed with %d %q", code, reason)
					}
				}
				if other.socket.isDown() {
					t.Error("a socket that is not in the room was closed")
				}
				q, r := w.connect(in(c.room), after(5, "e1")), w.connect(in(c.room), after(3, "e1"))
				for _, back := range []struct {
					who  *peer
					want string
				}{{q, c.answer}, {r, c.behind}} {
					if answer, seqs := back.who.resumed(c.room); answer != back.want || len(seqs) > 0 {
						t.Errorf("answered %q, then came %v; want %q", answer, seqs, back.want)
					}
				}
				q.send(`{"type":"message","id":"new","data":1}`)
				w.stored.commit()
				if f := q.frames(); !slices.ContainsFunc(f, func(f frame) bool { return f.Type == "ack" && f.Seq == c.seq }) {
					t.Errorf("no ack of seq %d:\n%s", c.seq, texts(f))
				}
			})
		})
	}
}

// Who published just before the room went to memory, and did not hear of it, sends
// again: it is not there twice. What has gone with the memory can be sent again.
func TestConfigureAndPublishAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keepSettings)
		publish := func(id string, want uint64) {
			t.Helper()
			p := w.connect(in("lobby"))
			p.send(`{"type":"message","id":"%s","data":1}`, id)
			w.stored.commit()
			if f := p.frames(); !slices.ContainsFunc(f, func(f frame) bool { return f.Type == "ack" && f.ID == id && f.Seq == want }) {
				t.Errorf("%s: no ack of seq %d:\n%s", id, want, texts(f))
			}
		}
		publish("a", 1)
		publish("b", 2)
		w.configure("lobby", toClass(gateway.DurabilityMemory))
		publish("b", 2)
		publish("c", 3)
		publish("a", 1)
		publish("c", 3)
		w.configure("lobby", toClass(gateway.DurabilityQueued))
		publish("c", 3)
		publish("d", 4)
		w.configure("lobby", toClass(gateway.DurabilityMemory))
		if err := w.hub.Delete(t.Context(), "lobby"); err != nil {
			t.Fatal(err)
		}
		w.configure("lobby", toClass(gateway.DurabilityMemory))
		publish("a", 1) // another one
	})
}

// What is announced in memory follows for those who had everything when the room
// went there, as long as all of it is kept.
func TestConfigureToMemoryAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keepSettings)
		w.fill("lobby", 1, 3)
		if err := w.stored.NewEpoch("lobby"); err != nil {
			t.Fatal(err)
		}
		w.fill("lobby", 4, 5)
		w.configure("lobby", toClass(gateway.DurabilityMemory))
		w.fill("lobby", 6, 8)
		back := func(seq gateway.Seq, epoch gateway.Epoch, want, wantSeqs string) {
			t.Helper()
			p := w.connect(in("lobby"), after(seq, epoch))
			if answer, seqs := p.resumed("lobby"); answer != want || fmt.Sprint(seqs) != wantSeqs {
				t.Errorf("after %d of %s: answered %q, then came %v", seq, epoch, answer, seqs)
			}
			p.leave()
		}
		back(5, "e2", "m2 seq 8 from 6 recovered true replay 3", "[6 7 8]")
		back(7, "m2", "m2 seq 8 from 6 recovered true replay 1", "[8]")
		back(5, "m2", "m2 seq 8 from 6 recovered true replay 3", "[6 7 8]")
		back(4, "e2", "m2 seq 8 from 6 recovered false", "[]") // 5 is on disk
		back(6, "e2", "m2 seq 8 from 6 recovered false", "[]") // which e2 never had
		back(3, "e1", "m2 seq 8 from 6 recovered false", "[]")
		w.volatile.purge("lobby", 6)
		back(5, "e2", "m2 seq 8 from 7 recovered false", "[]")
		back(6, "m2", "m2 seq 8 from 7 recovered true replay 2", "[7 8]")
	})
}

// A room that was queued, then memory, then queued again goes on where it was.
// What came meanwhile is gone, and no client of before may take itself for
// complete.
func TestConfigureThereAndBack(t *testing.T) {
	for _, n := range []int{0, 3} { // messages in memory
		t.Run(fmt.Sprintf("ok %d messages", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, keepSettings)
				w.fill("lobby", 1, 5)
				w.configure("lobby", toClass(gateway.DurabilityMemory))
				// Whatever becomes of the settings: the store forgets at once.
				if past, err := w.stored.Past("lobby"); err != nil || len(past) > 0 {
					t.Errorf("the store remembers %+v, %v", past, err)
				}
				w.fill("lobby", 6, 5+n)
				info := w.configure("lobby", toClass(gateway.DurabilityQueued))
				epoch := gateway.Epoch(kept("lobby", string(info.Epoch)))
				if epoch[0] != 'e' || epoch == "e1" || info.Seq != 5 {
					t.Errorf("back: %+v", info)
				}
				w.fill("lobby", 6, 6)
				for _, had := range []func(*hub.Connect){
					after(5, "e1"), after(4, "e1"), after(5, "e2"), after(5, "m2"), after(gateway.Seq(5+n), "m2"), after(0, "e1"),
				} {
					p := w.connect(in("lobby"), had)
					if answer, seqs := p.resumed("lobby"); answer != string(epoch)+" seq 6 from 1 recovered false" || len(seqs) > 0 {
						t.Errorf("answered %q, then came %v", answer, seqs)
					}
				}
				p := w.connect(in("lobby"), after(5, epoch))
				if answer, seqs := p.resumed("lobby"); answer != string(epoch)+" seq 6 from 1 recovered true replay 1" || len(seqs) != 1 {
					t.Errorf("answered %q, then came %v", answer, seqs)
				}
			})
		})
	}
}
