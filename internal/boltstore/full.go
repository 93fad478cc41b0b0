package boltstore

import (
	"context"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const (
	// stuckRetry is how often a batch is tried again that found no space.
	stuckRetry = time.Second
	// stuckPatience is how long: then what it holds is lost.
	stuckPatience = 10 * time.Second
)

// reload reads again what the writer knows of the rooms' buckets: a transaction
// that was taken back had changed it already.
func (h *History) reload() error {
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	damaged := false
	err := h.readFile("boltstore.reload", func(tx *bolt.Tx) {
		var scratch []byte
		for _, r := range rooms {
			disk := roomDisk{first: 1}
			if value := tx.Bucket(bucketRooms).Get([]byte(r.id)); value != nil {
				var ok bool
				if disk, ok = readRoomDisk(r.id, value, &scratch); !ok {
					damaged = true
				}
			}
			r.disk = disk
		}
	})
	if err == nil && damaged {
		err = refuseDamaged(h.opts.Path, errNoState)
	}
	clear(h.touched)
	h.touched = h.touched[:0]
	h.garbage = true // whether there is any is found out again
	return err
}

// hold keeps a batch that found no space, as if it had never been tried.
func (h *History) hold(batch []queued) {
	for i := range batch {
		batch[i].room.pending--
	}
	h.tail.rooms = slices.DeleteFunc(h.tail.rooms, func(r *room) bool { return r.pending == 0 })
	if h.stuck == nil {
		h.stuckSince = h.opts.Now()
	}
	h.stuck = batch
}

// unstick tries a stuck batch again after a while. When there is no space for too
// long, it is lost, with everything behind it.
func (h *History) unstick(ctx context.Context) error {
	timer := time.NewTimer(stuckRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	batch := h.stuck
	h.stuck = nil
	since := h.stuckSince
	if err := h.commit(batch); err != nil || h.stuck == nil {
		return err
	}
	if h.stuckSince = since; h.opts.Now().Sub(since) >= stuckPatience {
		h.lose()
	}
	return nil
}

// lose gives up what is appended and not on disk. Its rooms take nothing until
// their new epochs are stored, and until then have them in memory only: after a
// crash they get others.
func (h *History) lose() {
	h.mu.Lock()
	lost := make([]*gateway.Record, 0, len(h.stuck)+len(h.queue.items))
	for _, batch := range [][]queued{h.stuck, h.queue.items} {
		for i := range batch {
			item := &batch[i]
			lost = append(lost, item.rec)
			if item.room.lostEpoch == "" {
				h.truncateLocked(item.room)
			}
		}
	}
	h.queue.taken += uint64(len(h.queue.items))
	h.queue.items, h.queue.spare, h.queue.bytes, h.queue.urgent, h.queue.flush = nil, nil, 0, 0, false
	close(h.queue.space)
	h.queue.space = make(chan struct{})
	h.mu.Unlock()
	h.stuck = nil
	h.log.Error("announced messages are lost: the disk is full. Their rooms begin new epochs", "event", "messages_lost",
		"records", len(lost), "rooms", len(h.lost))
	if h.opts.Observer.EpochResets != nil {
		h.opts.Observer.EpochResets(len(h.lost))
	}
	if h.opts.Lost != nil {
		h.opts.Lost(lost)
	}
}

// truncateLocked ends the room at its newest message on disk, in a new epoch.
func (h *History) truncateLocked(r *room) {
	keep := 0
	for keep < len(r.tail) && r.tail[keep].Message.Seq <= r.committed {
		keep++
	}
	r.tail = slices.Clip(r.tail[:keep])
	r.head.Seq, r.head.TS = r.filled, r.filledTS
	if keep > 0 {
		r.head.Seq, r.head.TS = r.tail[keep-1].Message.Seq, r.tail[keep-1].Message.TS
	}
	r.head.Oldest = min(r.head.Oldest, r.head.Seq+1)
	h.forgetLocked(r)
	for _, rec := range r.tail {
		if rec.Message.ID != "" {
			h.rememberLocked(r, &rec.Message)
		}
	}
	r.lostEpoch = newEpoch(h.state.generation)
	r.head.Epoch = r.lostEpoch
	r.busy++
	h.lost = append(h.lost, r)
}

// recoverLost stores the epochs of the rooms that have lost something.
func (h *History) recoverLost() error {
	if h.tail.records > 0 {
		if err := h.update(0, h.fill); err != nil {
			return err
		}
		h.filled()
	}
	disks := make([]roomDisk, len(h.lost))
	err := h.update(0, func(tx *bolt.Tx) (err error) {
		for i, r := range h.lost {
			if disks[i], err = h.endEpoch(tx, r, r.lostEpoch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range h.lost {
		r.begin(disks[i])
		r.lostEpoch = ""
		r.busy--
	}
	h.lost = nil
	return nil
}

// SpaceLook looks whether there is space again, on the disk or in the file. It is
// to be called every second or so.
func (h *History) SpaceLook() {
	space := h.opts.Space
	if space == nil {
		return
	}
	full := space.Full()
	space.Look(h.size.Load() - h.inUse())
	if full && !space.Full() {
		signal(h.wake) // for the rooms whose epochs wait
	}
}
