package boltstore

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const headVersion = 1

// The buckets of history.db besides meta.
var (
	bucketLog      = []byte("log")      // number → record of any room
	bucketMessages = []byte("messages") // room → bucket of seq → message
	bucketRooms    = []byte("rooms")    // room → roomDisk
	bucketEpochs   = []byte("epochs")   // room → list of pastEpoch
)

// room is one room that was ever written to.
type room struct {
	id gateway.RoomID

	// Guarded by History.mu.

	// head is where the room stands, what waits for its commit included.
	head gateway.RoomHead
	// tail holds the records above filled, in order and without a hole. It
	// only grows at its end; a fill replaces it.
	tail []*gateway.Record
	// filled is the newest seq in the room's bucket and filledTS its time;
	// committed is the newest that is on disk at all.
	filled, committed gateway.Seq
	filledTS          gateway.Timestamp

	// Owned by the writer.

	disk roomDisk
	// pending is how many records at the start of tail are in the log, or
	// in the commit at hand.
	pending int
	// loose says that the room is in History.loose.
	loose bool
}

// roomDisk is the stored head of a room: what its bucket holds.
type roomDisk struct {
	generation uint64
	epoch      gateway.Epoch
	// filled is the newest seq ever put into the bucket and ts its time;
	// both outlive the message.
	filled gateway.Seq
	ts     gateway.Timestamp
	// first is the oldest seq in the bucket, or filled+1, and firstTS its
	// time.
	first   gateway.Seq
	firstTS gateway.Timestamp
	// count and bytes are what the bucket holds; bytes counts values.
	count, bytes int64
}

func (d *roomDisk) put(tx *bolt.Tx, id gateway.RoomID) error {
	v := binary.AppendUvarint([]byte{headVersion}, d.generation)
	v = appendString(v, d.epoch)
	v = binary.AppendUvarint(v, uint64(d.filled))
	v = binary.AppendVarint(v, int64(d.ts))
	v = binary.AppendUvarint(v, uint64(d.first))
	v = binary.AppendVarint(v, int64(d.firstTS))
	v = binary.AppendVarint(v, d.count)
	v = binary.AppendVarint(v, d.bytes)
	return tx.Bucket(bucketRooms).Put([]byte(id), appendSum(v, 0, id, 0))
}

func readRoomDisk(id gateway.RoomID, value []byte, scratch *[]byte) (roomDisk, bool) {
	body, ok := openSum(value, id, 0, scratch)
	d := decoder{b: body}
	version := d.byte()
	r := roomDisk{
		generation: d.uvarint(),
		epoch:      gateway.Epoch(d.bytes()),
		filled:     gateway.Seq(d.uvarint()),
		ts:         gateway.Timestamp(d.varint()),
		first:      gateway.Seq(d.uvarint()),
		firstTS:    gateway.Timestamp(d.varint()),
		count:      d.varint(),
		bytes:      d.varint(),
	}
	return r, ok && !d.bad && version == headVersion
}

// rebuildRoomDisk makes a head from the bucket, for a room whose own head is
// damaged. Its generation is none, so that the room begins a new epoch.
func rebuildRoomDisk(tx *bolt.Tx, id gateway.RoomID) roomDisk {
	r := roomDisk{first: 1}
	bucket := tx.Bucket(bucketMessages).Bucket([]byte(id))
	if bucket == nil {
		return r
	}
	var scratch []byte
	for c, key, value := cursorFirst(bucket); key != nil; key, value = c.Next() {
		r.filled = keySeq(key)
		if ts, ok := messageTime(id, r.filled, value, &scratch); ok {
			r.ts = ts
		}
		if r.count == 0 {
			r.first, r.firstTS = r.filled, r.ts
		}
		r.count++
		r.bytes += int64(len(value))
	}
	return r
}

func cursorFirst(bucket *bolt.Bucket) (c *bolt.Cursor, key, value []byte) {
	c = bucket.Cursor()
	key, value = c.First()
	return c, key, value
}

// enterGeneration makes the generation the room's own. The epochs that the room
// leaves behind ended at the newest message it has: they are remembered, so that
// a client which saw all of one can go on without a gap.
func (d *roomDisk) enterGeneration(tx *bolt.Tx, id gateway.RoomID, s *storeState) error {
	if d.generation == s.generation {
		return nil
	}
	if d.filled > 0 {
		past := readEpochs(tx, id)
		past = append(past, pastEpoch{d.generation, d.epoch, d.filled})
		for _, p := range s.past {
			if p.generation > d.generation {
				past = append(past, pastEpoch{p.generation, p.epoch, d.filled})
			}
		}
		v := appendPast(nil, keepNewest(past))
		if err := tx.Bucket(bucketEpochs).Put([]byte(id), appendSum(v, 0, id, 0)); err != nil {
			return err
		}
	}
	d.generation, d.epoch = s.generation, s.epoch
	return nil
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
