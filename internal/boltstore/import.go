package boltstore

import (
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// HistoryImport makes a new history file from the chunks of an Export. The file
// is left marked as open, so that the next start begins a new generation: what
// the old epochs were told and is not in the export is then known to be missing.
type HistoryImport struct {
	db   *bolt.DB
	path string
	// log holds the log until all rooms are known; a log is never large.
	log     []logItem
	state   bool
	deleted map[gateway.RoomID]bool
	scratch []byte
	// room counts what the bucket of the room at hand holds.
	room roomDisk
	id   gateway.RoomID
}

type logItem struct{ key, value []byte }

var errItem = errors.New("an item of the history fails its sum")

// NewHistoryImport makes an empty file at path, which must not exist. Whoever
// gives up has to call Abort.
func NewHistoryImport(path string) (*HistoryImport, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, refuse(nil, "%s is there already; move it away", path)
	}
	f := historyFile(&HistoryOptions{Path: path, MaxStoreBytes: storeLimit()})
	f.mapBytes, f.maxBytes = 0, 0
	db, err := openBolt(f, path)
	if err != nil {
		return nil, err
	}
	// Nobody uses the file before Finish has synced it.
	db.NoSync, db.NoGrowSync = true, true
	if err := db.Update(f.schema.create); err != nil {
		return nil, errors.Join(refusePath(path, err), db.Close(), os.Remove(path))
	}
	return &HistoryImport{db: db, path: path, deleted: make(map[gateway.RoomID]bool)}, nil
}

// Add takes the next chunk. It returns CodeUnavailable when anything in it is not
// exactly what was stored.
func (i *HistoryImport) Add(chunk []byte) error {
	err := i.db.Update(func(tx *bolt.Tx) error {
		d := decoder{b: chunk}
		for len(d.b) > 0 {
			kind := d.byte()
			room, key, value := gateway.RoomID(d.bytes()), d.bytes(), d.bytes()
			if d.bad {
				return errItem
			}
			if err := i.item(tx, kind, room, key, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return refuse(err, "the history in the archive is damaged; use another archive")
	}
	return nil
}

func (i *HistoryImport) item(tx *bolt.Tx, kind byte, id gateway.RoomID, key, value []byte) error {
	switch kind {
	case itemState:
		return i.putState(tx, value)
	case itemLog:
		i.log = append(i.log, logItem{append([]byte(nil), key...), append([]byte(nil), value...)})
		return nil
	case itemMessage:
		return i.message(tx, id, key, value)
	case itemHead:
		return i.head(tx, id, value)
	case itemEpochs:
		return i.sealed(tx.Bucket(bucketEpochs), id, value)
	case itemID:
		return i.ids(tx, id, key, value)
	case itemSettings:
		return i.sealed(tx.Bucket(bucketSettings), id, value)
	case itemDeleted:
		i.deleted[id] = true
		return nil
	}
	return errItem
}

func (i *HistoryImport) putState(tx *bolt.Tx, value []byte) error {
	if err := tx.Bucket(bucketMeta).Put(keyState, value); err != nil {
		return err
	}
	s, ok := readState(tx)
	if !ok {
		return errNoState
	}
	s.open, i.state = true, true
	return s.put(tx)
}

// sealed takes a value whose sum covers the room. One that was damaged in the
// store reads as none there, and is left out here.
func (i *HistoryImport) sealed(bucket *bolt.Bucket, id gateway.RoomID, value []byte) error {
	if _, ok := openSum(value, id, 0, &i.scratch); !ok {
		return nil
	}
	return bucket.Put([]byte(id), value)
}

// message takes a message; one that was damaged in the store is left out.
func (i *HistoryImport) message(tx *bolt.Tx, id gateway.RoomID, key, value []byte) error {
	seq := keySeq(key)
	if i.id != id {
		i.id, i.room = id, roomDisk{first: 1}
	}
	ts, ok := messageTime(id, seq, value, &i.scratch)
	if !ok {
		return nil
	}
	if seq <= i.room.filled {
		return errItem
	}
	bucket, err := tx.Bucket(bucketMessages).CreateBucketIfNotExists([]byte(id))
	if err != nil {
		return err
	}
	bucket.FillPercent = 1
	d := &i.room
	if d.count == 0 {
		d.first, d.firstTS = seq, ts
	}
	d.filled, d.ts = seq, ts
	d.count++
	d.bytes += int64(len(value))
	return bucket.Put(key, value)
}

// head takes the epoch of the room's stored head, and counts anew what it holds:
// some of its messages may have been purged while they were copied.
func (i *HistoryImport) head(tx *bolt.Tx, id gateway.RoomID, value []byte) error {
	disk, ok := readRoomDisk(id, value, &i.scratch)
	if !ok {
		// The next start makes it anew from the messages.
		return tx.Bucket(bucketRooms).Put([]byte(id), value)
	}
	if i.id != id {
		i.id, i.room = id, roomDisk{}
	}
	switch counted := i.room; {
	case counted.count == 0:
		disk.first, disk.firstTS = disk.filled+1, 0
	default:
		disk.first, disk.firstTS = counted.first, counted.firstTS
	}
	disk.count, disk.bytes = i.room.count, i.room.bytes
	i.room = disk
	return disk.put(tx, id)
}

// ids takes a piece of ids less what is newer than the room's messages: an ack
// for a message that is not there would be a lie.
func (i *HistoryImport) ids(tx *bolt.Tx, id gateway.RoomID, key, value []byte) error {
	if i.id != id || len(key) < 9 {
		return errItem
	}
	user, first := gateway.AccountName(key[:len(key)-9]), keySeq(key[len(key)-8:])
	body, ok := openSum(value, string(id)+"\x00"+string(user), uint64(first), &i.scratch)
	if !ok {
		return nil
	}
	entries := decodeIDs(body)
	for len(entries) > 0 && entries[len(entries)-1].Seq > uint64(i.room.filled) {
		entries = entries[:len(entries)-1]
	}
	if len(entries) == 0 {
		return nil
	}
	bucket, err := tx.Bucket(bucketIDs).CreateBucketIfNotExists([]byte(id))
	if err != nil {
		return err
	}
	return putPiece(bucket, id, user, idPiece{first: first, entries: entries})
}
