package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// keepSettings gives a hub settings that can be saved.
func keepSettings(o *hub.Options) {
	var mu sync.Mutex
	saved := make(map[gateway.RoomID]gateway.RoomSettings)
	before := o.Settings
	o.Settings = func(id gateway.RoomID) gateway.RoomSettings {
		mu.Lock()
		defer mu.Unlock()
		if s, ok := saved[id]; ok {
			return s
		}
		return before(id)
	}
	o.SaveSettings = func(id gateway.RoomID, s *gateway.RoomSettings) error {
		mu.Lock()
		defer mu.Unlock()
		if s == nil {
			delete(saved, id)
		} else {
			saved[id] = *s
		}
		return nil
	}
}

// toClass is a change of a room's class.
func toClass(d gateway.Durability) func(*gateway.RoomSettings) error {
	return func(s *gateway.RoomSettings) error { s.Durability = d; return nil }
}

func (w *world) configure(room gateway.RoomID, change func(*gateway.RoomSettings) error) hub.RoomInfo {
	w.t.Helper()
	info, err := w.hub.Configure(context.Background(), room, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return info
}

// A change that leaves the class as it is, or moves it between queued and
// fsynced, holds for a live room at once, and its sockets do not notice.
func TestConfigureALiveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keepSettings, queue(5000))
		p := w.connect(in("lobby"), after(0, "e1"))
		p.send(`{"type":"message","id":"a","data":1}`)
		w.stored.commit()
		p.frames()

		// Announced after the commit from here on.
		info := w.configure("lobby", toClass(gateway.DurabilityFsynced))
		if info.Settings.Durability != gateway.DurabilityFsynced || info.Subscribers != 1 || info.Seq != 1 {
			t.Errorf("configured: %+v", info)
		}
		p.send(`{"type":"message","id":"b","data":1}`)
		p.expect()
		// And at once again; but nothing overtakes what waits.
		w.configure("lobby", toClass(gateway.DurabilityQueued))
		p.send(`{"type":"message","id":"c","data":1}`)
		p.expect()
		w.stored.commit()
		var got []string
		for _, f := range p.frames() {
			got = append(got, fmt.Sprint(f.Type, f.Seq, f.Durability))
		}
		slices.Sort(got) // a message and its ack come in either order
		if want := "[ack2fsynced ack3queued message2 message3]"; fmt.Sprint(got) != want {
			t.Errorf("after the commit %v, want %v", got, want)
		}
		p.send(`{"type":"message","id":"d","data":1}`)
		if f := p.frames(); types(f) != "message" {
			t.Errorf("then\n%s", texts(f))
		}
		w.stored.commit()
		p.frames()

		// The policy, too.
		w.configure("lobby", func(s *gateway.RoomSettings) error { s.Overflow = gateway.OverflowKeepLatest; return nil })
		p.socket.limit(10)
		for range 30 {
			w.hubPublish("lobby", filler(1, 500))
		}
		if p.socket.isDown() {
			t.Error("closed")
		}
		if s := w.opts.Settings("lobby"); s.Overflow != gateway.OverflowKeepLatest || s.Durability != gateway.DurabilityQueued {
			t.Errorf("saved %+v", s)
		}
	})
}

// hubPublish publishes without waiting for a commit.
func (w *world) hubPublish(room gateway.RoomID, data string) {
	w.t.Helper()
	p := w.connect(in(room), granted("*:w"))
	p.send(`{"type":"message","data":%s}`, data)
	synctest.Wait()
	p.leave()
}

func TestConfigureFails(t *testing.T) {
	broken := errors.New("no disk")
	for _, c := range []struct {
		name string
		do   func(*world) error
	}{
		{"bad change", func(w *world) error {
			_, err := w.hub.Configure(context.Background(), "lobby", func(s *gateway.RoomSettings) error {
				s.MaxMessages = 1
				return broken
			})
			return err
		}},
		{"bad saving", func(w *world) error {
			_, err := w.hub.Configure(context.Background(), "lobby", toClass(gateway.DurabilityFsynced))
			return err
		}},
		{"bad new epoch", func(w *world) error {
			w.stored.set(func(h *history) { h.broken = broken })
			defer w.stored.set(func(h *history) { h.broken = nil })
			_, err := w.hub.Configure(context.Background(), "lobby", toClass(gateway.DurabilityMemory))
			return err
		}},
		{"bad delete", func(w *world) error {
			w.stored.set(func(h *history) { h.broken = broken })
			defer w.stored.set(func(h *history) { h.broken = nil })
			return w.hub.Delete(context.Background(), "lobby")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *hub.Options) {
					o.SaveSettings = func(gateway.RoomID, *gateway.RoomSettings) error { return broken }
				})
				p := w.connect(in("lobby"))
				p.frames()
				if err := c.do(w); !errors.Is(err, broken) {
					t.Errorf("error %v", err)
				}
				p.send("1") // all is as it was
				if f := p.frames(); types(f) != "message" || p.socket.isDown() {
					t.Errorf("closed %v, frames\n%s", p.socket.isDown(), texts(f))
				}
				if info, err := w.hub.Room(member("eve", "*:r"), "lobby"); err != nil || info.Epoch != shown("lobby", "e1") || info.Settings != settingsOf("lobby") {
					t.Errorf("the room is %+v, %v", info, err)
				}
			})
		})
	}
	t.Run("bad gave up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := w.hub.Configure(ctx, "lobby", toClass(gateway.DurabilityMemory))
			if !errors.Is(err, context.Canceled) || !errors.Is(w.hub.Delete(ctx, "lobby"), context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	})
}

// A change that fails halfway has begun the room anew, and everyone is told so.
func TestConfigureFailsHalfway(t *testing.T) {
	broken := errors.New("no disk")
	for _, c := range []struct {
		name string
		do   func(*world) error
		told func(*testing.T, *peer)
	}{
		{"bad delete", func(w *world) error { return w.hub.Delete(context.Background(), "lobby") }, func(t *testing.T, p *peer) {
			p.expect(`{"type":"unsubscribed","room":"lobby","reason":"deleted"}`)
		}},
		{"bad class", func(w *world) error {
			_, err := w.hub.Configure(context.Background(), "lobby", toClass(gateway.DurabilityMemory))
			return err
		}, func(t *testing.T, p *peer) {
			if code, _ := p.closed(); code != wire.CloseRestart {
				t.Errorf("closed with %d", code)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *hub.Options) {
					o.SaveSettings = func(gateway.RoomID, *gateway.RoomSettings) error { return broken }
				})
				w.fill("lobby", 1, 3)
				p := w.connect(in("lobby"))
				p.frames()
				if err := c.do(w); !errors.Is(err, broken) {
					t.Errorf("error %v", err)
				}
				c.told(t, p)
				q := w.connect(in("lobby"), as("bob"), granted("*:w"))
				q.send(`{"type":"message","id":"a","data":1}`)
				w.stored.commit()
				if acks := q.acks(); len(acks) != 1 {
					t.Errorf("acks %v", acks)
				}
				if info, err := w.hub.Room(member("eve", "*:r"), "lobby"); err != nil || info.Epoch == shown("lobby", "e1") {
					t.Errorf("the room is %+v, %v", info, err)
				}
			})
		})
	}
}

// A deleted room leaves nothing behind: its subscribers are told, and who
// publishes next begins it.
func TestDelete(t *testing.T) {
	for _, room := range []gateway.RoomID{"mem", "lobby", "fs"} {
		t.Run("ok "+string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, keepSettings)
				p, raw := w.connect(in(room)), w.connect(in(room), inRaw)
				p.send(`{"type":"message","id":"a","data":1}`)
				w.stored.commit()
				p.subscribe("mem.other", wire.Resume{})
				p.frames()
				w.configure(room, func(s *gateway.RoomSettings) error { s.MaxMessages = 7; return nil })
				if err := w.hub.Delete(context.Background(), room); err != nil {
					t.Fatal(err)
				}
				p.expect(fmt.Sprintf(`{"type":"unsubscribed","room":"%s","reason":"deleted"}`, room))
				if code, _ := raw.closed(); code != wire.CloseRestart {
					t.Errorf("raw: closed with %d", code)
				}
				if s := w.opts.Settings(room); s != settingsOf(room) {
					t.Errorf("the settings are still %+v", s)
				}
				// The same id is a new message, at seq 1; who is not in the
				// room any more is not sent it.
				p.send(`{"type":"message","id":"a","data":1}`)
				w.stored.commit()
				if f := p.frames(); types(f) != "ack" || f[0].Seq != 1 {
					t.Errorf("frames\n%s", texts(f))
				}
				p.subscribe(room, wire.Resume{After: 1, HasAfter: true, Epoch: "e1"})
				if answer, seqs := p.resumed(room); answer[1:] != "2 seq 1 from 1 recovered false" || len(seqs) > 0 {
					t.Errorf("answered %q, then came %v", answer, seqs)
				}
				p.send(`{"type":"message","data":2}`)
				w.stored.commit()
				if _, seqs := p.resumed(room); fmt.Sprint(seqs) != "[2]" {
					t.Errorf("then came %v", seqs)
				}
			})
		})
	}
}

// While a room is being deleted, whoever publishes or joins waits, and finds the
// new one.
func TestDeleteHoldsTheOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, keepSettings, func(o *hub.Options) {
			save := o.SaveSettings
			o.SaveSettings = func(id gateway.RoomID, s *gateway.RoomSettings) error {
				<-gate
				return save(id, s)
			}
		})
		p, q := w.connect(in("mem")), w.connect(in("lobby"))
		p.send("1")
		p.frames()
		q.frames()
		deleted := make(chan struct{})
		go func() {
			defer close(deleted)
			if err := w.hub.Delete(context.Background(), "mem"); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		go p.send(`{"type":"message","id":"a","data":1}`) // it is still in the old one
		go q.subscribe("mem", wire.Resume{})
		synctest.Wait()
		p.expect()
		q.expect()
		close(gate)
		<-deleted
		synctest.Wait()
		frames := p.frames()
		if types(frames) != "ack unsubscribed" || frames[len(frames)-1].Seq > 1 {
			t.Errorf("frames\n%s", texts(frames))
		}
		answer, _ := q.resumed("mem")
		if answer != "m2 seq 0 from 0" && answer != "m2 seq 1 from 0" {
			t.Errorf("answered %q", answer)
		}
	})
}

// Rooms are deleted and changed while all is going on: every connection still
// sees each seq of a stay once and in order.
func TestDeleteUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keepSettings)
		defer w.stored.commitAlways()()
		rooms := []gateway.RoomID{"mem", "lobby", "fs"}
		var all sync.WaitGroup
		var peers []*peer
		for n := range 6 {
			p := w.connect(in("mem.x"), as(gateway.AccountName(fmt.Sprint("w", n))))
			peers = append(peers, p)
			all.Go(func() {
				for i := range 300 {
					room := rooms[(i+n)%3]
					if i%5 == n%5 {
						p.subscribe(room, wire.Resume{After: gateway.Seq(i % 7), HasAfter: true})
					}
					p.send(`{"type":"message","id":"%d","room":"%s","data":%d}`, i, room, i)
				}
			})
		}
		all.Go(func() {
			for i := range 40 {
				room := rooms[i%3]
				if i%4 == 3 {
					w.configure(room, func(s *gateway.RoomSettings) error { s.MaxMessages++; return nil })
				} else if err := w.hub.Delete(context.Background(), room); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Microsecond)
			}
		})
		all.Wait()
		synctest.Wait()
		for _, p := range peers {
			frames, rest := p.stream()
			if len(rest) > 0 || p.socket.isDown() {
				t.Fatalf("%d bytes are left, closed: %v", len(rest), p.socket.isDown())
			}
			errors, acks, deleted := 0, 0, 0
			for i := range frames {
				switch f := &frames[i]; {
				case f.Type == "ack":
					acks++
					f.Type = "" // its seqs begin anew with each deletion
				case f.Type == "error":
					errors++
				case f.Reason == "deleted":
					deleted++
				}
			}
			if acks+errors != 300 || deleted == 0 {
				t.Errorf("%d acks, %d errors, %d times told of a deletion", acks, errors, deleted)
			}
			ledger(t, frames)
		}
	})
}
