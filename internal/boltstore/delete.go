package boltstore

import (
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// Delete takes away the room's messages, ids and remembered epochs. The next
// message has seq 1, in a new epoch. That is on disk when Delete returns, and a
// crash in the middle leaves the room as it was or deleted; the space is given
// back in the background, little by little. The caller keeps others from
// appending to the room. Delete returns CodeUnavailable after a commit failed and
// after Run or Close ended.
func (h *History) Delete(id gateway.RoomID) error {
	r := h.roomFor(id)
	disk := roomDisk{generation: h.state.generation, epoch: newEpoch(h.state.generation), first: 1}
	return h.operate(&operation{
		room: r,
		change: func(tx *bolt.Tx) error {
			for _, parent := range [][]byte{bucketMessages, bucketIDs} {
				if err := discard(tx, parent, id); err != nil {
					return err
				}
			}
			if err := tx.Bucket(bucketEpochs).Delete([]byte(id)); err != nil {
				return err
			}
			return disk.put(tx, id)
		},
		apply: func() {
			h.forgetLocked(r)
			r.disk, r.tail, r.lives = disk, nil, r.lives+1
			r.filled, r.committed, r.filledTS = 0, 0, 0
			r.head = gateway.RoomHead{Epoch: disk.epoch, Oldest: 1}
			h.garbage, h.purge = true, true
		},
	})
}

// discard moves what the parent holds of the room out of everyone's sight, as a
// whole: no message has to be touched for that. The transaction must not have
// written to it before.
func discard(tx *bolt.Tx, parent []byte, id gateway.RoomID) error {
	from, garbage := tx.Bucket(parent), tx.Bucket(bucketGarbage)
	if from.Bucket([]byte(id)) == nil {
		return nil
	}
	n, err := garbage.NextSequence()
	if err != nil {
		return err
	}
	to, err := garbage.CreateBucket(numberKey(n))
	if err != nil {
		return err
	}
	return from.MoveBucket([]byte(id), to)
}

// sweepGarbage deletes up to budget entries of what was discarded.
func (h *History) sweepGarbage(tx *bolt.Tx, budget int) (swept int, err error) {
	garbage := tx.Bucket(bucketGarbage)
	for h.garbage && swept < budget {
		number, _ := garbage.Cursor().First()
		if number == nil {
			h.garbage = false
			return swept, nil
		}
		number = append([]byte(nil), number...)
		var n int
		name, _ := garbage.Bucket(number).Cursor().First()
		if name != nil {
			n, err = empty(garbage.Bucket(number).Bucket(name), budget-swept)
		}
		if swept += n; err == nil && swept < budget {
			err = garbage.DeleteBucket(number)
		}
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// empty deletes up to budget entries of the bucket.
func empty(bucket *bolt.Bucket, budget int) (int, error) {
	var names []byte
	var ends []int
	for c, key, _ := cursorFirst(bucket); key != nil && len(ends) < budget; key, _ = c.Next() {
		names = append(names, key...)
		ends = append(ends, len(names))
	}
	// Not while the cursor walks: deleting would move it.
	start := 0
	for _, end := range ends {
		if err := bucket.Delete(names[start:end]); err != nil {
			return 0, err
		}
		start = end
	}
	return len(ends), nil
}
