package boltstore

import (
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// Finish makes the file whole and syncs it. It returns CodeUnavailable when the
// chunks were not all of an export.
func (i *HistoryImport) Finish() error {
	if err := i.complete(); err != nil {
		return err
	}
	if err := errors.Join(i.db.Sync(), i.db.Close()); err != nil {
		return refusePath(i.path, err)
	}
	return nil
}

// Try is Finish for a file that is thrown away: nothing is synced.
func (i *HistoryImport) Try() error {
	return errors.Join(i.complete(), i.db.Close())
}

func (i *HistoryImport) complete() error {
	if !i.state {
		return refuse(errNoState, "the history in the archive is not whole; use another archive")
	}
	if err := i.db.Update(i.finish); err != nil {
		return refuse(err, "%s cannot be written; check the disk and its free space", i.path)
	}
	return nil
}

func (i *HistoryImport) finish(tx *bolt.Tx) error {
	for id := range i.deleted {
		for _, parent := range [][]byte{bucketMessages, bucketIDs} {
			if b := tx.Bucket(parent); b.Bucket([]byte(id)) != nil {
				if err := b.DeleteBucket([]byte(id)); err != nil {
					return err
				}
			}
		}
		for _, name := range [][]byte{bucketRooms, bucketEpochs} {
			if err := tx.Bucket(name).Delete([]byte(id)); err != nil {
				return err
			}
		}
	}
	return i.putLog(tx)
}

// putLog takes what is newer than the rooms' messages. The rest of the
// log had already been moved, or purged, when they were copied.
func (i *HistoryImport) putLog(tx *bolt.Tx) error {
	bucket := tx.Bucket(bucketLog)
	newest := make(map[gateway.RoomID]gateway.Seq)
	for _, item := range i.log {
		rec, ok := decodeLogEntry(item.value, &i.scratch)
		if !ok || i.deleted[rec.Room] {
			continue
		}
		seq, known := newest[rec.Room]
		if !known {
			if value := tx.Bucket(bucketRooms).Get([]byte(rec.Room)); value != nil {
				disk, ok := readRoomDisk(rec.Room, value, &i.scratch)
				if !ok {
					disk = scanRoomDisk(tx, rec.Room)
				}
				seq = disk.filled
			}
		}
		newest[rec.Room] = seq
		if rec.Message.Seq <= seq {
			continue
		}
		newest[rec.Room] = rec.Message.Seq
		if err := bucket.Put(item.key, item.value); err != nil {
			return err
		}
	}
	return nil
}

// Abort closes and removes the file.
func (i *HistoryImport) Abort() error {
	return errors.Join(i.db.Close(), os.Remove(i.path))
}
