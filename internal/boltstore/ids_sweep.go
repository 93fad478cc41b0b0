package boltstore

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
)

// sweptPieces is how many pieces of ids a fill looks at, so that it hardly takes
// longer for it.
const sweptPieces = 256

// idSweep is where the next fill goes on.
type idSweep struct {
	room, key []byte
}

// sweepIDs deletes pieces of which nothing can be found again. What an account
// publishes deletes its own; these are of accounts that have published much and
// then no more.
func (h *History) sweepIDs(tx *bolt.Tx) error {
	now, trusted := h.opts.AgeTime()
	if !trusted {
		return nil
	}
	cutoff := now.Add(-once.Window).UnixMilli()
	at := &h.idSweep
	c := tx.Bucket(bucketIDs).Cursor()
	name, _ := c.Seek(at.room)
	for budget := sweptPieces; budget > 0; name, _ = c.Next() {
		if name == nil {
			*at = idSweep{}
			return nil
		}
		if !bytes.Equal(name, at.room) {
			*at = idSweep{room: bytes.Clone(name)}
		}
		bucket := tx.Bucket(bucketIDs).Bucket(name)
		if bucket == nil {
			continue // not made by a store
		}
		stale, looked, next := stalePieces(bucket, gateway.RoomID(name), at.key, cutoff, budget)
		budget -= looked
		// Not while the cursor walks: deleting would move it.
		for _, key := range stale {
			if err := bucket.Delete(key); err != nil {
				return err
			}
		}
		if at.key = next; next == nil {
			at.room = append(at.room, 0) // done with that one
		}
	}
	return nil
}

// stalePieces looks for pieces to delete, account by account from the key on, and
// begins none when it has looked at enough. next is where it stopped.
func stalePieces(bucket *bolt.Bucket, id gateway.RoomID, from []byte, cutoff int64, enough int) (stale [][]byte, looked int, next []byte) {
	c := bucket.Cursor()
	key, _ := c.Seek(from)
	for ; key != nil && looked < enough; key, _ = c.Seek(next) {
		if len(key) < 9 {
			next = append(bytes.Clone(key), 0)
			continue
		}
		user := gateway.AccountName(key[:len(key)-9])
		pieces := oldestPieces(bucket, id, user, cutoff)
		looked += len(pieces)
		ids := 0
		for i := len(pieces) - 1; i >= 0; i-- {
			if ids >= once.Newest {
				stale = append(stale, idKey(user, pieces[i].first))
			}
			ids += len(pieces[i].entries)
		}
		next = append([]byte(user), 1)
	}
	if key == nil {
		next = nil
	}
	return stale, looked, next
}

// oldestPieces returns those that are too old, up to a bound, and the one behind
// them.
func oldestPieces(bucket *bolt.Bucket, id gateway.RoomID, user gateway.AccountName, cutoff int64) (pieces []idPiece) {
	prefix := idPrefix(user)
	var scratch []byte
	c := bucket.Cursor()
	for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix) && len(pieces) < sweptPieces; key, value = c.Next() {
		p := openPiece(id, user, keySeq(key[len(prefix):]), value, &scratch)
		pieces = append(pieces, p)
		if n := len(p.entries); n > 0 && p.entries[n-1].TS >= cutoff {
			break
		}
	}
	return pieces
}
