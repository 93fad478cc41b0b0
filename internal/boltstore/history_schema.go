package boltstore

import (
	"slices"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// The buckets of history.db besides meta.
var (
	bucketLog      = []byte("log")      // number → record of any room
	bucketMessages = []byte("messages") // room → bucket of seq → message
	bucketRooms    = []byte("rooms")    // room → roomDisk
	bucketEpochs   = []byte("epochs")   // room → list of pastEpoch
	bucketIDs      = []byte("ids")      // room → bucket of account, seq → idPiece
	bucketGarbage  = []byte("garbage")  // number → bucket of what was in messages or ids
	bucketSettings = []byte("settings") // room → what an operator decided
)

func historySchema() schema {
	return schema{kind: "history", first: createHistory, steps: []func(*bolt.Tx) error{addIDs}}
}

func createHistory(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketLog, bucketMessages, bucketRooms, bucketEpochs} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	state := newState()
	return state.put(tx)
}

// migratedMessages is how many of a room's newest messages are looked at for
// their ids: all of a site would take too long, and whoever publishes again what
// was not acknowledged does so soon.
const migratedMessages = 256

// addIDs is schema version 2. It finds the ids of the newest messages, so that
// those that were on their way during the update are not stored twice.
func addIDs(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketIDs, bucketGarbage, bucketSettings} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	messages := tx.Bucket(bucketMessages)
	return messages.ForEachBucket(func(name []byte) error {
		id := gateway.RoomID(name)
		recs := newestRecords(messages.Bucket(name), id)
		return storeIDs(tx, id, recs, idMemory{
			oldest:  func(gateway.AccountName) gateway.Seq { return 0 },
			damaged: func(gateway.AccountName, int) {},
		})
	})
}

// newestRecords reads the newest messages of a room, ascending. Damaged ones are
// left out.
func newestRecords(bucket *bolt.Bucket, id gateway.RoomID) []*gateway.Record {
	var recs []*gateway.Record
	var scratch []byte
	c := bucket.Cursor()
	for key, value := c.Last(); key != nil && len(recs) < migratedMessages; key, value = c.Prev() {
		if m, ok := decodeMessage(id, keySeq(key), value, &scratch, ""); ok {
			recs = append(recs, &gateway.Record{Room: id, Message: m})
		}
	}
	slices.Reverse(recs)
	return recs
}
