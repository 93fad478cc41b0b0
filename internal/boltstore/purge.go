package boltstore

import (
	"math"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// purgeBatch is how many messages a transaction deletes at most (a fill: besides
// as many as it adds), so that live traffic never waits long for a purge.
const purgeBatch = 2000

// sweep looks for rooms that are beyond their limits without having got new
// messages. It reads memory only; what it finds is deleted between commits.
func (h *History) sweep() {
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	for _, r := range rooms {
		limits := h.limitsOf(r)
		d := &r.disk
		if d.count > 0 && (d.first < limits.oldest || d.bytes > limits.maxBytes || d.firstTS < limits.cutoff) {
			h.loosen(r)
		}
	}
	h.purge = h.garbage || len(h.loose) > 0 || h.inUse() > h.limit
}

// loosen notes that limits may ask for messages of the room to go.
func (h *History) loosen(r *room) {
	if !r.loose {
		r.loose = true
		h.loose = append(h.loose, r)
	}
}

// roomLimits is what a room may keep right now.
type roomLimits struct {
	oldest   gateway.Seq
	maxBytes int64
	cutoff   gateway.Timestamp
}

// limitsOf also hides what the tail holds beyond the limits: those records stand
// in the log, which nothing is deleted from, and will not go further.
func (h *History) limitsOf(r *room) roomLimits {
	settings := h.RoomSettings(r.id)
	limits := roomLimits{maxBytes: max(1, settings.MaxBytes), cutoff: math.MinInt64}
	if settings.MaxAge > 0 {
		if now, trusted := h.opts.AgeTime(); trusted {
			limits.cutoff = gateway.Timestamp(now.Add(-settings.MaxAge).UnixMilli())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	head := &r.head
	if n := gateway.Seq(max(1, settings.MaxMessages)); head.Seq > n {
		head.Oldest = max(head.Oldest, head.Seq-n+1)
	}
	tail := r.tail
	if r.pending > 0 && r.disk.filled >= tail[r.pending-1].Message.Seq {
		tail = tail[r.pending:] // the fill at hand has moved these
	}
	for i := len(tail) - 1; i >= 0; i-- {
		limits.maxBytes -= int64(recordSize(tail[i]))
		if limits.maxBytes < 0 || tail[i].Message.TS < limits.cutoff {
			head.Oldest = max(head.Oldest, tail[i].Message.Seq+1)
			break
		}
	}
	limits.oldest = head.Oldest
	return limits
}

// purgeSome is one transaction that only deletes.
func (h *History) purgeSome() error {
	err := h.update(0, func(tx *bolt.Tx) error { return h.purgeRooms(tx, purgeBatch) })
	if err == nil {
		h.purged()
	}
	return err
}

// purgeRooms deletes what is left of deleted rooms, and what the limits of loose
// rooms and the cap of the whole store ask for, up to budget messages.
func (h *History) purgeRooms(tx *bolt.Tx, budget int) error {
	swept, err := h.sweepGarbage(tx, budget)
	if err != nil {
		return err
	}
	budget -= swept
	for len(h.loose) > 0 && budget > 0 {
		r := h.loose[len(h.loose)-1]
		limits := h.limitsOf(r)
		n, _, err := h.drop(tx, r, budget, func(m oldest) bool {
			return m.seq >= limits.oldest && m.left <= limits.maxBytes && m.ts >= limits.cutoff
		})
		if err != nil {
			return err
		}
		if budget -= n; budget > 0 {
			r.loose = false
			h.loose = h.loose[:len(h.loose)-1]
		}
	}
	h.purge = h.garbage || len(h.loose) > 0
	if over := h.inUse() - h.limit; over > 0 && budget > 0 {
		n, err := h.purgeOldest(tx, budget, over+h.limit/100)
		h.purge = h.purge || n > 0
		return err
	}
	return nil
}

// purgeOldest deletes the oldest messages of all rooms, to within a few of each,
// until about need bytes are free.
func (h *History) purgeOldest(tx *bolt.Tx, budget int, need int64) (deleted int, err error) {
	const few = 16
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	for deleted < budget && need > 0 {
		var first *room
		next := gateway.Timestamp(math.MaxInt64)
		for _, r := range rooms {
			switch {
			case r.disk.count == 0:
			case first == nil || r.disk.firstTS < first.disk.firstTS:
				if first != nil {
					next = first.disk.firstTS
				}
				first = r
			default:
				next = min(next, r.disk.firstTS)
			}
		}
		if first == nil {
			return deleted, nil
		}
		n, freed, err := h.drop(tx, first, budget-deleted, func(m oldest) bool {
			return m.freed >= need || m.dropped >= few && m.ts > next
		})
		if err != nil || n == 0 {
			return deleted, err
		}
		deleted += n
		need -= freed
	}
	return deleted, nil
}

// oldest describes the oldest message of a room's bucket to whoever decides
// whether it stays.
type oldest struct {
	seq gateway.Seq
	ts  gateway.Timestamp
	// left is what the bucket holds with it, dropped and freed what went
	// before it.
	left, freed int64
	dropped     int
}

// drop deletes messages from the front of the room's bucket until keep says
// stop, at most budget of them.
func (h *History) drop(tx *bolt.Tx, r *room, budget int, keep func(oldest) bool) (n int, freed int64, err error) {
	bucket := tx.Bucket(bucketMessages).Bucket([]byte(r.id))
	if bucket == nil || r.disk.count == 0 {
		return 0, 0, nil
	}
	d := &r.disk
	var scratch []byte
	var keys [][]byte
	cursor := bucket.Cursor()
	key, value := cursor.First()
	seq, ts := d.first, d.firstTS
	for ; key != nil && len(keys) < budget; key, value = cursor.Next() {
		// A damaged message goes with its elder.
		if len(key) == seqBytes {
			seq = keySeq(key)
		}
		if t, ok := messageTime(r.id, seq, value, &scratch); ok {
			ts = t
		}
		if keep(oldest{seq: seq, ts: ts, left: d.bytes - freed, freed: freed, dropped: len(keys)}) {
			break
		}
		keys = append(keys, key)
		freed += int64(len(value))
	}
	if len(keys) == 0 {
		return 0, 0, nil
	}
	d.count, d.bytes = d.count-int64(len(keys)), d.bytes-freed
	d.first, d.firstTS = d.filled+1, d.ts
	if key == nil {
		d.count, d.bytes = 0, 0
	} else {
		if len(key) == seqBytes {
			seq = keySeq(key)
		}
		d.first, d.firstTS = seq, ts
		if t, ok := messageTime(r.id, d.first, value, &scratch); ok {
			d.firstTS = t
		}
	}
	// Not while the cursor walks: deleting would move it.
	for _, key := range keys {
		if err := bucket.Delete(key); err != nil {
			return 0, 0, err
		}
	}
	h.touched = append(h.touched, r)
	return len(keys), freed, d.put(tx, r.id)
}

// purged is what a purge means for memory, once it is on disk.
func (h *History) purged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.touched {
		r.head.Oldest = max(r.head.Oldest, r.disk.first)
	}
	clear(h.touched)
	h.touched = h.touched[:0]
}

// inUse is how much of the file holds something, after the last commit.
func (h *History) inUse() int64 {
	stats := h.db.Stats()
	return h.size.Load() - int64(stats.FreePageN+stats.PendingPageN)*int64(h.db.Info().PageSize)
}
