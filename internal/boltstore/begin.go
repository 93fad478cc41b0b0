package boltstore

import (
	"strconv"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// storeLimit is the largest store. On 32-bit machines the memory map has at most
// 256 MiB, and a fill needs some pages of it for a moment.
func storeLimit() int64 {
	if strconv.IntSize == 32 {
		return 240 << 20
	}
	return 1 << 50
}

func historyFile(opts *HistoryOptions) storeFile {
	f := storeFile{
		path:   opts.Path,
		schema: historySchema(),
		// A small store grows in small steps, so as not to step over its cap.
		growBytes: int(min(4<<20, max(256<<10, opts.MaxStoreBytes/32))),
		open:      opts.open,
	}
	wall := opts.MaxStoreBytes + opts.MaxStoreBytes/4 + 64<<20
	if strconv.IntSize == 64 {
		f.mapBytes, f.maxBytes = int(min(wall, 64<<30)), int(wall)
		return f
	}
	// Where addresses are scarce the map is what the cap needs, in the powers
	// of two that bbolt maps, and never grows: a larger one may not fit.
	f.mapBytes = 64 << 20
	for int64(f.mapBytes) < wall && f.mapBytes < 256<<20 {
		f.mapBytes *= 2
	}
	f.maxBytes = f.mapBytes
	return f
}

// begin loads the heads of all rooms, moves the log into the rooms' buckets,
// and marks the file as open, all in one transaction. When it was marked
// already, the last process did not stop cleanly: messages that it announced
// may be missing, and a new generation begins.
func (h *History) begin() error {
	resets, err := h.load()
	if gateway.CodeOf(err) == gateway.CodeStorageFull && h.opts.Space.lastResort() {
		resets, err = h.load()
	}
	if err != nil {
		return h.refuseBegin(err)
	}
	h.filled()
	h.epoch = h.state.epoch
	for _, r := range h.rooms {
		r.committed = r.filled
		r.head.Epoch = r.disk.epoch
		if r.disk.generation != h.state.generation {
			r.head.Epoch = h.epoch
		}
		if r.disk.epoch != r.head.Epoch {
			resets++
		}
	}
	h.sweep()
	h.reportBegin(resets)
	return nil
}

// load is the transaction of begin. It returns how many rooms had to be made
// anew.
func (h *History) load() (resets int, err error) {
	err = h.update(0, func(tx *bolt.Tx) error {
		h.rooms, h.tail = make(map[gateway.RoomID]*room), logTail{} // it may run twice
		var ok bool
		if h.state, ok = readState(tx); !ok {
			return refuseDamaged(h.opts.Path, errNoState)
		}
		h.loadSettings(tx)
		rebuilt, err := h.loadRooms(tx)
		if err != nil {
			return err
		}
		if err := h.replay(tx); err != nil {
			return err
		}
		if err := h.noteClasses(tx); err != nil {
			return err
		}
		if h.state.open || len(rebuilt) > 0 {
			h.state.advance()
		}
		for _, r := range rebuilt {
			r.disk.generation, r.disk.epoch = h.state.generation, h.state.epoch
			if err := r.disk.put(tx, r.id); err != nil {
				return err
			}
		}
		if err := h.leaveRooms(tx); err != nil {
			return err
		}
		resets = len(rebuilt)
		number, _ := tx.Bucket(bucketGarbage).Cursor().First()
		h.garbage = number != nil
		h.state.open = true
		return h.state.put(tx)
	})
	return resets, err
}

func (h *History) refuseBegin(err error) error {
	switch gateway.CodeOf(err) {
	case gateway.CodeStorageFull:
		return refuse(err, "%s cannot be opened: the disk is full; free some space", h.opts.Path)
	case gateway.CodeInternal:
		return refuse(err, "%s cannot be written; check the disk and its free space", h.opts.Path)
	}
	return err
}

func (h *History) reportBegin(resets int) {
	h.log.Info("history is open", "event", "store_open", "db", "history", "rooms", len(h.rooms), "generation", h.state.generation)
	if resets == 0 {
		return
	}
	h.log.Warn("rooms begin a new epoch: the last stop was not clean", "event", "epoch_reset", "rooms", resets)
	if h.opts.Observer.EpochResets != nil {
		h.opts.Observer.EpochResets(resets)
	}
}

// loadRooms reads the heads of all rooms and returns those that were damaged and
// made anew.
func (h *History) loadRooms(tx *bolt.Tx) (rebuilt []*room, err error) {
	var scratch []byte
	err = tx.Bucket(bucketRooms).ForEach(func(key, value []byte) (err error) {
		id := gateway.RoomID(key)
		disk, ok := readRoomDisk(id, value, &scratch)
		if !ok {
			disk = roomDisk{}
		}
		if ok = disk.generation > 0; !ok {
			if disk, err = disk.rebuild(tx, id, &h.state); err != nil {
				return err
			}
			h.log.Error("the head of a room is damaged and was made anew", "event", "head_damaged", "room", id, "seq", disk.filled)
		}
		oldest := disk.first
		if n := gateway.Seq(max(1, h.RoomSettings(id).MaxMessages)); disk.filled > n {
			oldest = max(oldest, disk.filled-n+1)
		}
		r := &room{
			id: id, disk: disk, filled: disk.filled, filledTS: disk.ts,
			head: gateway.RoomHead{Seq: disk.filled, Oldest: oldest, TS: disk.ts},
		}
		h.rooms[id] = r
		if !ok {
			rebuilt = append(rebuilt, r)
		}
		return nil
	})
	return rebuilt, err
}

// replay reads what the log holds and fills it into the rooms, under the
// generation that it was written in.
func (h *History) replay(tx *bolt.Tx) error {
	var scratch []byte
	bad := 0
	err := tx.Bucket(bucketLog).ForEach(func(key, value []byte) error {
		h.tail.records++
		rec, ok := decodeLogEntry(value, &scratch)
		if !ok {
			bad++
			return nil
		}
		r := h.rooms[rec.Room]
		if r == nil {
			r = h.newRoom(rec.Room)
			h.rooms[rec.Room] = r
		}
		if r.pending == 0 {
			h.tail.rooms = append(h.tail.rooms, r)
		}
		r.pending++
		r.tail = append(r.tail, rec)
		r.head.Seq, r.head.TS = rec.Message.Seq, rec.Message.TS
		return nil
	})
	if err != nil || h.tail.records == 0 {
		return err
	}
	h.reportDamaged("", bad)
	return h.fill(tx)
}

// markClean empties the log, so that the next start has nothing to replay, and
// notes that nothing is missing.
func (h *History) markClean() error {
	if !h.state.open {
		return nil
	}
	h.state.open = false
	err := h.update(0, func(tx *bolt.Tx) error {
		if h.tail.records > 0 {
			if err := h.fill(tx); err != nil {
				return err
			}
		}
		return h.state.put(tx)
	})
	switch {
	case gateway.CodeOf(err) == gateway.CodeStorageFull:
		h.state.open = true // as the file says
		h.log.Error("the disk is full: the stop cannot be noted as clean, and rooms will begin new epochs", "event", "disk_full")
		return nil
	case err != nil:
		return h.fail(err)
	}
	h.filled()
	return nil
}

// reportDamaged counts records that are left out, and logs the first ones.
func (h *History) reportDamaged(id gateway.RoomID, n int) {
	if n == 0 {
		return
	}
	if h.opts.Observer.Damaged != nil {
		h.opts.Observer.Damaged(n)
	}
	const most, every = 16, 1024
	if total := h.damaged.Add(int64(n)); total <= most || total%every == 0 {
		h.log.Error("stored messages are damaged and left out", "event", "record_damaged", "room", id, "records", n, "total", total)
	}
}
