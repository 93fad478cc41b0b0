package hub_test

import (
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// lose has the stored history give up what it has not committed, as one does
// whose disk is full.
func (w *world) lose() {
	w.stored.mu.Lock()
	lost := w.stored.waiting
	w.stored.waiting = nil
	for _, rec := range lost {
		at := w.stored.lifeLocked(rec.Room)
		if len(w.stored.rooms[rec.Room]) > int(at.committed) {
			w.stored.rooms[rec.Room] = w.stored.rooms[rec.Room][:at.committed]
			w.stored.newEpochLocked(rec.Room)
		}
	}
	w.stored.mu.Unlock()
	w.hub.Lost(lost)
}

// Whoever waits for a message that can never be stored is told, nobody else's
// room ends, and everyone comes back to what is stored.
func TestLost(t *testing.T) {
	for _, room := range []gateway.RoomID{"lobby", "fs"} {
		t.Run(string(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, bystander := w.connect(in(room)), w.connect(in("mem"))
				raw := w.connect(in(room), func(c *hub.Connect) { c.Format = wire.FormatRaw })
				p.send(`{"type":"message","id":"kept","data":1}`)
				w.stored.commit()
				p.send(`{"type":"message","id":"lost","data":2}`)
				p.send(`{"type":"message","id":"lost","data":2}`) // waits for the same
				posted := make(chan error, 1)
				go func() {
					_, err := w.post("http", room, "lost too")
					posted <- err
				}()
				synctest.Wait()
				p.frames()
				w.lose()
				if err := <-posted; gateway.CodeOf(err) != gateway.CodeStorageFull {
					t.Errorf("over HTTP: %v", err)
				}
				errs := 0
				for _, f := range p.frames() {
					if f.Type == "error" && f.Code == "storage_full" && f.ID == "lost" && f.Room == string(room) {
						errs++
					}
				}
				if errs != 2 {
					t.Errorf("%d errors for two publications", errs)
				}
				for _, who := range []*peer{p, raw} {
					if code, _ := who.closed(); code != wire.CloseRestart {
						t.Errorf("closed with %d", code)
					}
				}
				if bystander.socket.isDown() {
					t.Error("a room that lost nothing has ended")
				}
				back := w.connect(in(room))
				joined := back.frames()[1]
				if joined.Type != "subscribed" || joined.Seq != 1 || kept(room, joined.Epoch) == "e1" {
					t.Errorf("back in %+v", joined)
				}
				back.send(`{"type":"message","id":"lost","data":2}`)
				w.stored.commit()
				if acks := back.acks(); len(acks) != 1 {
					t.Errorf("sent again: %v", acks)
				}
			})
		})
	}
}
