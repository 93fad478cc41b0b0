package boltstore

import (
	"bytes"
	"encoding/binary"
	"slices"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
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
	entries []once.Entry
}

func idKey(user gateway.AccountName, first gateway.Seq) []byte {
	key := make([]byte, 0, len(user)+9)
	return binary.BigEndian.AppendUint64(append(append(key, user...), 0), uint64(first))
}

// readPieces returns what the room's bucket holds of the account, ascending.
// Entries out of order, or newer than the room's newest message, are of a file
// that was tampered with: they count as damaged.
func readPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, newest gateway.Seq) (pieces []idPiece, damaged int) {
	prefix := idPrefix(user)
	var scratch []byte
	last := uint64(0)
	c := bucket.Cursor()
	for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = c.Next() {
		p := openPiece(id, user, keySeq(key[len(prefix):]), value, &scratch)
		if n := len(p.entries); n == 0 || p.entries[0].Seq <= last || p.entries[n-1].Seq > uint64(newest) {
			p.entries = nil
			damaged++
		} else {
			last = p.entries[n-1].Seq
		}
		pieces = append(pieces, p)
	}
	return pieces, damaged
}

// newestPieces is readPieces, but stops when it has the newest 64 ids.
func newestPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, newest gateway.Seq) (pieces []idPiece, damaged int) {
	prefix := idPrefix(user)
	var scratch []byte
	next, ids := uint64(newest)+1, 0
	c := bucket.Cursor()
	for key, value := seekBefore(c, idKey(user, newest+1)); ids < once.Newest && bytes.HasPrefix(key, prefix); key, value = c.Prev() {
		p := openPiece(id, user, keySeq(key[len(prefix):]), value, &scratch)
		if n := len(p.entries); n == 0 || p.entries[n-1].Seq >= next {
			p.entries = nil
			damaged++
		} else {
			next = p.entries[0].Seq
			ids += n
		}
		pieces = append(pieces, p)
	}
	slices.Reverse(pieces)
	return pieces, damaged
}

// seekBefore moves the cursor to the last key before the given one.
func seekBefore(c *bolt.Cursor, key []byte) ([]byte, []byte) {
	if at, _ := c.Seek(key); at == nil {
		return c.Last()
	}
	return c.Prev()
}

func idPrefix(user gateway.AccountName) []byte { return idKey(user, 0)[:len(user)+1] }

func openPiece(id gateway.RoomID, user gateway.AccountName, first gateway.Seq, value []byte, scratch *[]byte) idPiece {
	p := idPiece{first: first}
	if body, ok := openSum(value, string(id)+"\x00"+string(user), uint64(first), scratch); ok {
		p.entries = decodeIDs(body)
	}
	return p
}

func decodeIDs(body []byte) []once.Entry {
	d := decoder{b: body}
	version, n := d.byte(), d.uvarint()
	if version != idsVersion || n > pieceIDs {
		return nil
	}
	entries := make([]once.Entry, n)
	var last once.Entry
	for i := range entries {
		e := &entries[i]
		d.array(e.Sum[:])
		e.Seq = last.Seq + d.uvarint()
		e.TS = last.TS + d.varint()
		if e.Seq <= last.Seq || d.bad {
			return nil
		}
		last = *e
	}
	return entries
}

func putPiece(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, p idPiece) error {
	v := make([]byte, 0, 32+24*len(p.entries)+len(id)+len(user))
	v = binary.AppendUvarint(append(v, idsVersion), uint64(len(p.entries)))
	var last once.Entry
	for _, e := range p.entries {
		v = append(v, e.Sum[:]...)
		v = binary.AppendUvarint(v, e.Seq-last.Seq)
		v = binary.AppendVarint(v, e.TS-last.TS)
		last = e
	}
	v = appendSum(v, 0, string(id)+"\x00"+string(user), uint64(p.first))
	return bucket.Put(idKey(user, p.first), v)
}

func (h *History) readIDs(id gateway.RoomID, user gateway.AccountName, newest gateway.Seq) (entries []once.Entry, bad int, err error) {
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
	return entries, bad, err
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
