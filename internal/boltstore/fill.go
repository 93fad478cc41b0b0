package boltstore

import (
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// A fill moves the log into the rooms' buckets when it holds this much. The
// numbers bound the memory that the tails take and the time that a start needs;
// docs/decisions/0002-history-layout.md has what other numbers cost.
const (
	fillRecords = 5000
	fillBytes   = 1 << 20
)

// fill moves every pending record into its room's bucket and empties the log,
// all in the transaction at hand.
func (h *History) fill(tx *bolt.Tx) error {
	messages := tx.Bucket(bucketMessages)
	moved := 0
	for _, r := range h.tail.rooms {
		h.mu.Lock()
		recs, oldest := r.tail[:r.pending], r.head.Oldest
		h.mu.Unlock()
		if err := h.fillRoom(tx, messages, r, recs, oldest); err != nil {
			return err
		}
		moved += len(recs)
	}
	if h.tail.records > 0 {
		if err := tx.DeleteBucket(bucketLog); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bucketLog); err != nil {
			return err
		}
	}
	if err := h.sweepIDs(tx); err != nil {
		return err
	}
	return h.purgeRooms(tx, moved+purgeBatch)
}

func (h *History) fillRoom(tx *bolt.Tx, messages *bolt.Bucket, r *room, recs []*gateway.Record, oldest gateway.Seq) error {
	bucket, err := messages.CreateBucketIfNotExists([]byte(r.id))
	if err != nil {
		return err
	}
	bucket.FillPercent = 1
	d := &r.disk
	if err := d.enterGeneration(tx, r.id, &h.state); err != nil {
		return err
	}
	size := 0
	for _, rec := range recs {
		size += recordSize(rec)
	}
	arena := make([]byte, 0, size)
	for _, rec := range recs {
		m := &rec.Message
		d.filled, d.ts = m.Seq, m.TS
		if m.Seq < oldest {
			continue // a limit has taken it before it got here
		}
		start := len(arena)
		arena = appendMessage(arena, r.id, m)
		if err := bucket.Put(seqKey(m.Seq), arena[start:len(arena):len(arena)]); err != nil {
			return err
		}
		if d.count == 0 {
			d.first, d.firstTS = m.Seq, m.TS
		}
		d.count++
		d.bytes += int64(len(arena) - start)
	}
	if d.count == 0 {
		d.first = d.filled + 1
	}
	if err := storeIDs(tx, r.id, recs, h.memoryOf(r)); err != nil {
		return err
	}
	h.loosen(r)
	return d.put(tx, r.id)
}

// filled is what a fill means for memory, once it is on disk.
func (h *History) filled() {
	h.purged()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.tail.rooms {
		// A new slice: a reader may hold the old one.
		r.tail = append([]*gateway.Record(nil), r.tail[r.pending:]...)
		r.pending = 0
		r.filled, r.filledTS = r.disk.filled, r.disk.ts
		r.head.Oldest = max(r.head.Oldest, r.disk.first)
		h.releaseLocked(r)
	}
	clear(h.tail.rooms)
	h.tail.rooms = h.tail.rooms[:0]
	h.tail.records, h.tail.bytes = 0, 0
}
