package hub_test

import (
	"slices"
	"testing/synctest"

	"pgregory.net/rapid"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// line is what the model knows of a room: what was published, in plain.
type line struct {
	room     gateway.RoomID
	epoch    gateway.Epoch // as clients know it
	ended    map[gateway.Epoch]uint64
	data     []string // data[i] has seq i+1
	durable  uint64
	purged   uint64
	fsynced  bool
	volatile bool
	moved    bool // from or to memory
	disk     disk
}

// disk is what is stored of a room that is one of class memory.
type disk struct {
	data   []string
	purged uint64
}

func (l *line) head() uint64 {
	if l.fsynced {
		return l.durable
	}
	return uint64(len(l.data))
}

// verdict is the rule, in its plainest words.
func (l *line) verdict(r wire.Resume) (recovered bool, follow uint64) {
	head, after := l.head(), uint64(r.After)
	kept := head - min(head, l.purged)
	if r.Epoch != "" {
		end, known := l.ended[r.Epoch]
		if r.Epoch == l.epoch {
			end, known = head, true
		}
		if known && after <= end && after >= min(l.purged, head) {
			return true, head - after
		}
	} else if r.HasAfter {
		if after >= head {
			return false, 0
		}
		return false, min(kept, head-after)
	}
	if r.Latest && kept > 0 {
		return false, 1
	}
	return false, 0
}

func (m *resumeModel) renew(t *rapid.T, room gateway.RoomID, kept disk) {
	l := &line{room: room, ended: make(map[gateway.Epoch]uint64), disk: kept, moved: kept.data != nil}
	m.lines[room] = l
	m.look(t, l)
}

// look takes in the room's class and epoch, which no other room may have had.
func (m *resumeModel) look(t *rapid.T, l *line) {
	info, err := m.w.hub.Room(member("eve", "*:r"), l.room)
	if err != nil {
		t.Fatal(err)
	}
	if owner, known := m.owners[info.Epoch]; known && owner != l.room {
		t.Fatalf("%s is in epoch %s, which was one of %s", l.room, info.Epoch, owner)
	} else if !known {
		m.owners[info.Epoch] = l.room
		m.shown = append(m.shown, info.Epoch)
	}
	l.epoch = info.Epoch
	l.fsynced = info.Settings.Durability == gateway.DurabilityFsynced
	l.volatile = info.Settings.Durability == gateway.DurabilityMemory
}

// move changes the room's class from or to memory.
func (m *resumeModel) move(t *rapid.T, l *line) {
	m.commit()
	m.disconnectFrom(t, l)
	before := l.epoch
	if l.volatile {
		class := gateway.DurabilityQueued
		if l.room == "fs" {
			class = gateway.DurabilityFsynced
		}
		m.w.configure(l.room, toClass(class))
		// What memory held is gone, and who was there has missed it.
		l.data, l.purged, l.durable = l.disk.data, l.disk.purged, uint64(len(l.disk.data))
		l.ended = make(map[gateway.Epoch]uint64)
	} else {
		m.w.configure(l.room, toClass(gateway.DurabilityMemory))
		// It goes on, with nothing of what is on disk.
		l.disk = disk{slices.Clip(l.data), l.purged}
		l.ended[l.epoch] = uint64(len(l.data))
		l.data, l.purged = l.disk.data, uint64(len(l.data))
	}
	l.moved = true
	if m.look(t, l); l.epoch == before {
		t.Fatalf("%s: epoch %s goes on after a move", l.room, l.epoch)
	}
}

// crash is a power cut: what was not durable is gone, and all connections.
func (m *resumeModel) crash(t *rapid.T) {
	for _, c := range m.clients {
		c.disconnect(t)
	}
	synctest.Wait()
	m.w.stored.crash()
	for _, room := range modelRooms() { // in an order that can be repeated
		if m.lines[room].volatile {
			_ = m.w.volatile.Delete(room)
		}
	}
	m.w.restart()
	for _, room := range modelRooms() {
		l := m.lines[room]
		if l.volatile {
			m.renew(t, room, l.disk)
			continue
		}
		l.data = slices.Clip(l.data[:l.durable])
		l.purged = min(l.purged, l.durable)
		before := l.epoch
		if m.look(t, l); l.epoch != before {
			l.ended[before] = l.durable
		}
	}
}
