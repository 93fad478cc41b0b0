package boltstore

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const headVersion = 1

// room is one room that was ever written to, deleted, or given an epoch.
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
	// publishers are the accounts whose ids are in memory; unfilled are
	// those of them that must stay there.
	publishers map[gateway.AccountName]*publisher
	unfilled   []*publisher
	// busy counts the operations that wait for the room: it takes nothing
	// meanwhile.
	busy int
	// lostEpoch is the epoch that begins behind lost messages, until it is
	// stored.
	lostEpoch gateway.Epoch
	// lives counts how often the room was deleted.
	lives int

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
	return tx.Bucket(bucketRooms).Put([]byte(id), d.sealed(id))
}

func (d *roomDisk) sealed(id gateway.RoomID) []byte {
	v := binary.AppendUvarint([]byte{headVersion}, d.generation)
	v = appendString(v, d.epoch)
	v = binary.AppendUvarint(v, uint64(d.filled))
	v = binary.AppendVarint(v, int64(d.ts))
	v = binary.AppendUvarint(v, uint64(d.first))
	v = binary.AppendVarint(v, int64(d.firstTS))
	v = binary.AppendVarint(v, d.count)
	v = binary.AppendVarint(v, d.bytes)
	return appendSum(v, 0, id, 0)
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

// rebuild makes a head from the bucket, for a room whose own head is damaged or,
// after a salvage, belongs to no epoch. A damaged one does not know the newest
// number, and the seqs may begin anew below old ones: what goes by them, the
// remembered epochs and the ids, is given up, and a new generation has to begin.
func (d roomDisk) rebuild(tx *bolt.Tx, id gateway.RoomID, s *storeState) (roomDisk, error) {
	if err := tx.Bucket(bucketEpochs).Delete([]byte(id)); err != nil {
		return roomDisk{}, err
	}
	disk := scanRoomDisk(tx, id)
	if d.epoch == "" && d.filled > disk.filled {
		disk.filled, disk.ts = d.filled, max(disk.ts, d.ts)
		if disk.count == 0 {
			disk.first = disk.filled + 1
		}
	}
	disk.generation, disk.epoch = s.generation, s.epoch
	return disk, discard(tx, bucketIDs, id)
}

// scanRoomDisk makes a head from the bucket.
func scanRoomDisk(tx *bolt.Tx, id gateway.RoomID) roomDisk {
	r := roomDisk{first: 1}
	bucket := tx.Bucket(bucketMessages).Bucket([]byte(id))
	if bucket == nil {
		return r
	}
	var scratch []byte
	for c, key, value := cursorFirst(bucket); key != nil; key, value = c.Next() {
		if len(key) == seqBytes {
			r.filled = keySeq(key)
		}
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

// newRoom makes a room that was never used.
func (h *History) newRoom(id gateway.RoomID) *room {
	return &room{id: id, head: gateway.RoomHead{Epoch: h.epoch, Oldest: 1}, disk: roomDisk{first: 1}}
}
