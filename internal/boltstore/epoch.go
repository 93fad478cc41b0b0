package boltstore

import (
	"errors"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

var errNoState = errors.New("its state record fails its sum")

// NewEpoch begins a new epoch of the room. The old one is remembered, with the
// newest message as its end, and that is on disk when NewEpoch returns. The
// caller keeps others from appending to the room. NewEpoch returns
// CodeUnavailable after a commit failed and after Run or Close ended.
func (h *History) NewEpoch(id gateway.RoomID) error {
	r := h.roomFor(id)
	var disk roomDisk
	return h.operate(&operation{
		room: r,
		change: func(tx *bolt.Tx) (err error) {
			disk, err = h.endEpoch(tx, r, newEpoch(h.state.generation))
			return err
		},
		apply: func() { r.begin(disk) },
	})
}

// endEpoch begins a new epoch of the room in the file.
func (h *History) endEpoch(tx *bolt.Tx, r *room, next gateway.Epoch) (roomDisk, error) {
	disk := r.disk
	if err := disk.enterGeneration(tx, r.id, &h.state); err != nil {
		return disk, err
	}
	past := append(readEpochs(tx, r.id), pastEpoch{disk.generation, disk.epoch, disk.filled})
	if err := putEpochs(tx, r.id, past); err != nil {
		return disk, err
	}
	disk.epoch = next
	return disk, disk.put(tx, r.id)
}

func (r *room) begin(disk roomDisk) {
	r.disk = disk
	r.head.Epoch = disk.epoch
}

// ForgetEpochs begins a new epoch of the room and remembers none of those before,
// nor the one that it ends: messages of the room are, or were, kept elsewhere, and
// who resumes may have missed them. That is on disk when ForgetEpochs returns. The
// caller keeps others from appending to the room. It returns CodeUnavailable after
// a commit failed and after Run or Close ended.
func (h *History) ForgetEpochs(id gateway.RoomID) error {
	r := h.roomFor(id)
	var disk roomDisk
	return h.operate(&operation{
		room: r,
		change: func(tx *bolt.Tx) (err error) {
			disk, err = h.forgetEpochs(tx, r)
			return err
		},
		apply: func() { r.begin(disk) },
	})
}

// forgetEpochs begins a new epoch of the room in the file, as if none had been.
func (h *History) forgetEpochs(tx *bolt.Tx, r *room) (roomDisk, error) {
	disk := r.disk
	if err := tx.Bucket(bucketEpochs).Delete([]byte(r.id)); err != nil {
		return disk, err
	}
	disk.generation, disk.epoch = h.state.generation, newEpoch(h.state.generation)
	return disk, disk.put(tx, r.id)
}

// leaveRooms forgets the epochs of rooms that are of class memory now, whoever has
// made them so: what is announced in this run will not be in their stored history,
// and the next run may take them for stored ones. Each start does it again, rather
// than trust that the last one did.
func (h *History) leaveRooms(tx *bolt.Tx) (err error) {
	for _, r := range h.rooms {
		if h.RoomSettings(r.id).Durability != gateway.DurabilityMemory {
			continue
		}
		if r.disk, err = h.forgetEpochs(tx, r); err != nil {
			return err
		}
	}
	return nil
}

// Past lists the epochs of the room that have ended, oldest first, 16 at most,
// each with the last seq that it durably holds. A room that was not used in an
// epoch of the whole store has it nevertheless: its clients were told so. It
// returns CodeUnavailable when the file cannot be read.
func (h *History) Past(id gateway.RoomID) ([]gateway.PastEpoch, error) {
	var past []pastEpoch
	var state storeState
	ok := true
	err := h.readFile("boltstore.Past", func(tx *bolt.Tx) {
		if state, ok = readState(tx); !ok {
			return
		}
		disk := roomDisk{first: 1}
		if value := tx.Bucket(bucketRooms).Get([]byte(id)); value != nil {
			// A damaged head tells no ends: none is remembered then.
			if disk, ok = readRoomDisk(id, value, new([]byte)); !ok {
				ok = true
				return
			}
		}
		past = keepNewest(append(readEpochs(tx, id), disk.ended(&state)...))
	})
	if err == nil && !ok {
		err = gateway.Wrap("boltstore.Past", errNoState)
	}
	if err != nil || len(past) == 0 {
		return nil, err
	}
	list := make([]gateway.PastEpoch, len(past))
	for i, p := range past {
		list[i] = gateway.PastEpoch{Epoch: p.epoch, End: p.end}
	}
	return list, nil
}

// ended lists the epochs that ended since the room was last filled: its own, and
// those of the generations in which it got nothing. They all ended at the newest
// message that it has, so that a client which saw all of one can go on without
// a gap.
func (d *roomDisk) ended(s *storeState) []pastEpoch {
	if d.generation == s.generation {
		return nil
	}
	var past []pastEpoch
	if d.generation > 0 {
		past = append(past, pastEpoch{d.generation, d.epoch, d.filled})
	}
	for _, p := range s.past {
		if p.generation > d.generation {
			past = append(past, pastEpoch{p.generation, p.epoch, d.filled})
		}
	}
	return past
}

// enterGeneration makes the generation the room's own, and remembers the epochs
// that the room leaves behind.
func (d *roomDisk) enterGeneration(tx *bolt.Tx, id gateway.RoomID, s *storeState) error {
	if d.generation == s.generation {
		return nil
	}
	if ended := d.ended(s); len(ended) > 0 {
		if err := putEpochs(tx, id, append(readEpochs(tx, id), ended...)); err != nil {
			return err
		}
	}
	d.generation, d.epoch = s.generation, s.epoch
	return nil
}

func putEpochs(tx *bolt.Tx, id gateway.RoomID, past []pastEpoch) error {
	v := appendPast(nil, keepNewest(past))
	return tx.Bucket(bucketEpochs).Put([]byte(id), appendSum(v, 0, id, 0))
}

// readEpochs returns the ended epochs of a room, oldest first. A damaged list
// reads as none: clients then fetch history instead of resuming.
func readEpochs(tx *bolt.Tx, id gateway.RoomID) []pastEpoch {
	body, ok := openSum(tx.Bucket(bucketEpochs).Get([]byte(id)), id, 0, new([]byte))
	if !ok {
		return nil
	}
	d := decoder{b: body}
	past := readPast(&d)
	if d.bad {
		return nil
	}
	return past
}
