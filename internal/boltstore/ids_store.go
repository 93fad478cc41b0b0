package boltstore

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
)

// idMemory is what the memory of a store knows of the ids that go into a fill.
type idMemory struct {
	// oldest tells the oldest seq that is remembered of the account, or 0 if
	// only the file knows.
	oldest func(gateway.AccountName) gateway.Seq
	// damaged is told of each account of which pieces failed their sum: the
	// ids in them are forgotten, and a message that is sent again is then
	// stored again.
	damaged func(gateway.AccountName, int)
}

// storeIDs adds the ids of the records, which all are of the room and ascending,
// to what the file holds.
func storeIDs(tx *bolt.Tx, id gateway.RoomID, recs []*gateway.Record, memory idMemory) error {
	var users []gateway.AccountName
	added := make(map[gateway.AccountName][]once.Entry)
	for _, rec := range recs {
		m := &rec.Message
		if m.ID == "" {
			continue
		}
		entries, ok := added[m.User]
		if !ok {
			users = append(users, m.User)
		}
		added[m.User] = append(entries, once.Entry{Sum: once.SumOf(string(m.ID)), Seq: uint64(m.Seq), TS: int64(m.TS)})
	}
	if len(users) == 0 {
		return nil
	}
	bucket, err := tx.Bucket(bucketIDs).CreateBucketIfNotExists([]byte(id))
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := storeUser(bucket, id, user, added[user], memory); err != nil {
			return err
		}
	}
	return nil
}

// storeUser reads all pieces of the account only when nobody else knows them: a
// busy one has hundreds.
func storeUser(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, added []once.Entry, memory idMemory) error {
	read, oldest := readPieces, memory.oldest(user)
	if oldest > 0 {
		read, added = newestPieces, remembered(added, uint64(oldest))
	}
	old, bad := read(bucket, id, user, gateway.Seq(added[0].Seq)-1)
	if bad > 0 {
		memory.damaged(user, bad)
	}
	if oldest > 0 && len(old) > 0 {
		// The newest 64 in the file stay, whatever memory has forgotten: it
		// knows newer ones, and a crash may take those.
		if err := deletePieces(bucket, user, min(oldest, old[0].first)); err != nil {
			return err
		}
	}
	return addPieces(bucket, id, user, old, added)
}

// remembered leaves out what memory has forgotten before it came into a fill, but
// for the newest 64.
func remembered(added []once.Entry, oldest uint64) []once.Entry {
	for len(added) > once.Newest && added[0].Seq < oldest {
		added = added[1:]
	}
	return added
}

// deletePieces deletes those that hold only what is older than the seq.
func deletePieces(bucket *bolt.Bucket, user gateway.AccountName, oldest gateway.Seq) error {
	prefix := idPrefix(user)
	var keys [][]byte
	c := bucket.Cursor()
	for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix); {
		next, _ := c.Next()
		if !bytes.HasPrefix(next, prefix) || keySeq(next[len(prefix):]) > oldest {
			break
		}
		keys = append(keys, key)
		key = next
	}
	// Not while the cursor walks: deleting would move it.
	for _, key := range keys {
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// addPieces writes what the added entries make of the pieces: it fills the last
// one up, begins others, and deletes those of which nothing can be found again.
func addPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, old []idPiece, added []once.Entry) error {
	var l once.List
	var known []once.Entry
	open := idPiece{first: gateway.Seq(added[0].Seq)}
	for i, p := range old {
		known = append(known, p.entries...)
		if n := len(p.entries); i == len(old)-1 && n > 0 && n < pieceIDs {
			open = p
		}
	}
	l.Precede(known)
	for _, e := range added {
		l.Add(e)
	}
	for _, p := range old {
		if n := len(p.entries); n == 0 || p.entries[n-1].Seq < l.Oldest() {
			if err := bucket.Delete(idKey(user, p.first)); err != nil {
				return err
			}
		}
	}
	from := uint64(open.first)
	if len(open.entries) > 0 {
		from = open.entries[0].Seq
	}
	left := l.From(from)
	for first := open.first; len(left) > 0; {
		n := min(len(left), pieceIDs)
		if err := putPiece(bucket, id, user, idPiece{first: first, entries: left[:n]}); err != nil {
			return err
		}
		if left = left[n:]; len(left) > 0 {
			first = gateway.Seq(left[0].Seq)
		}
	}
	return nil
}
