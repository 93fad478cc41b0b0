package boltstore

import (
	"bytes"
	"encoding/binary"
	"sort"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// What an account published in a room is stored in pieces of 64 ids. The key of a
// piece is the account, 0x00 and the seq that it was begun with, its value
//
//	version count (sum seq ts)… crc
//
// with seq and ts as the difference to the entry before, and the room and the key
// in the sum. Only a fill writes pieces: what is in the log is found in memory, so
// that a commit costs no more for it. Limits on messages leave them. They are
// smaller than a page: a large value needs pages in a row, which a file that is
// nearly full does not have.
const (
	idsVersion = 1
	pieceIDs   = 64
)

// idPiece is one stored piece. It has no entries when it failed its sum.
type idPiece struct {
	first   gateway.Seq
	entries []idEntry
}

func idKey(user gateway.AccountName, first gateway.Seq) []byte {
	key := make([]byte, 0, len(user)+9)
	return binary.BigEndian.AppendUint64(append(append(key, user...), 0), uint64(first))
}

// readPieces returns what the room's bucket holds of the account, ascending.
// Entries out of order, or newer than the room's newest message, are of a file
// that was tampered with: they count as damaged.
func readPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, newest gateway.Seq) (pieces []idPiece, damaged int) {
	prefix := idKey(user, 0)[:len(user)+1]
	var scratch []byte
	last := gateway.Seq(0)
	c := bucket.Cursor()
	for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = c.Next() {
		p := idPiece{first: keySeq(key[len(prefix):])}
		if body, ok := openSum(value, string(id)+"\x00"+string(user), uint64(p.first), &scratch); ok {
			p.entries = decodeIDs(body)
		}
		if n := len(p.entries); n == 0 || p.entries[0].seq <= last || p.entries[n-1].seq > newest {
			p.entries = nil
			damaged++
		} else {
			last = p.entries[n-1].seq
		}
		pieces = append(pieces, p)
	}
	return pieces, damaged
}

func decodeIDs(body []byte) []idEntry {
	d := decoder{b: body}
	version, n := d.byte(), d.uvarint()
	if version != idsVersion || n > pieceIDs {
		return nil
	}
	entries := make([]idEntry, n)
	var last idEntry
	for i := range entries {
		e := &entries[i]
		d.array(e.sum[:])
		e.seq = last.seq + gateway.Seq(d.uvarint())
		e.ts = last.ts + gateway.Timestamp(d.varint())
		if e.seq <= last.seq || d.bad {
			return nil
		}
		last = *e
	}
	return entries
}

func putPiece(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, p idPiece) error {
	v := make([]byte, 0, 32+24*len(p.entries)+len(id)+len(user))
	v = binary.AppendUvarint(append(v, idsVersion), uint64(len(p.entries)))
	var last idEntry
	for _, e := range p.entries {
		v = append(v, e.sum[:]...)
		v = binary.AppendUvarint(v, uint64(e.seq-last.seq))
		v = binary.AppendVarint(v, int64(e.ts-last.ts))
		last = e
	}
	v = appendSum(v, 0, string(id)+"\x00"+string(user), uint64(p.first))
	return bucket.Put(idKey(user, p.first), v)
}

// storeIDs adds the ids of the records, which all are of the room and ascending,
// to what the file holds. damaged is told of each account of which pieces failed
// their sum: the ids in them are forgotten, and a message that is sent again is
// then stored again.
func storeIDs(tx *bolt.Tx, id gateway.RoomID, recs []*gateway.Record, damaged func(gateway.AccountName, int)) error {
	var users []gateway.AccountName
	added := make(map[gateway.AccountName][]idEntry)
	for _, rec := range recs {
		m := &rec.Message
		if m.ID == "" {
			continue
		}
		entries, ok := added[m.User]
		if !ok {
			users = append(users, m.User)
		}
		added[m.User] = append(entries, idEntry{sum: sumID(m.ID), seq: m.Seq, ts: m.TS})
	}
	if len(users) == 0 {
		return nil
	}
	bucket, err := tx.Bucket(bucketIDs).CreateBucketIfNotExists([]byte(id))
	if err != nil {
		return err
	}
	for _, user := range users {
		old, bad := readPieces(bucket, id, user, added[user][0].seq-1)
		if bad > 0 {
			damaged(user, bad)
		}
		if err := addPieces(bucket, id, user, old, added[user]); err != nil {
			return err
		}
	}
	return nil
}

// addPieces writes what the added entries make of the pieces: it fills the last
// one up, begins others, and deletes those of which nothing can be found again.
func addPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, old []idPiece, added []idEntry) error {
	var l idList
	open := idPiece{first: added[0].seq}
	for i, p := range old {
		l.entries = append(l.entries, p.entries...)
		if n := len(p.entries); i == len(old)-1 && n > 0 && n < pieceIDs {
			open = p
		}
	}
	for _, e := range added {
		l.add(e)
	}
	oldest := l.entries[0].seq
	for _, p := range old {
		if n := len(p.entries); n == 0 || p.entries[n-1].seq < oldest {
			if err := bucket.Delete(idKey(user, p.first)); err != nil {
				return err
			}
		}
	}
	from := open.first
	if len(open.entries) > 0 {
		from = open.entries[0].seq
	}
	left := l.entries[sort.Search(len(l.entries), func(i int) bool { return l.entries[i].seq >= from }):]
	for first := open.first; len(left) > 0; {
		n := min(len(left), pieceIDs)
		if err := putPiece(bucket, id, user, idPiece{first: first, entries: left[:n]}); err != nil {
			return err
		}
		if left = left[n:]; len(left) > 0 {
			first = left[0].seq
		}
	}
	return nil
}

func (h *History) readIDs(id gateway.RoomID, user gateway.AccountName, newest gateway.Seq) (entries []idEntry, err error) {
	bad := 0
	err = h.readFile("boltstore.Find", func(tx *bolt.Tx) {
		bucket := tx.Bucket(bucketIDs).Bucket([]byte(id))
		if bucket == nil {
			return
		}
		var pieces []idPiece
		pieces, bad = readPieces(bucket, id, user, newest)
		for _, p := range pieces {
			entries = append(entries, p.entries...)
		}
	})
	h.reportDamagedIDs(id, user, bad)
	return entries, err
}

func (h *History) reportDamagedIDs(id gateway.RoomID, user gateway.AccountName, n int) {
	if n == 0 {
		return
	}
	if h.opts.Observer.Damaged != nil {
		h.opts.Observer.Damaged(n)
	}
	h.log.Error("ids of an account's messages are damaged and forgotten: what is sent again is stored again",
		"event", "ids_damaged", "room", id, "user", user)
}
