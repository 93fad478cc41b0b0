package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// What an export consists of. A chunk is a run of items, each of them
//
//	kind room key value
//
// with the length before the last three. The values are as they are stored, with
// their sums, so that an import trusts nothing that was not stored.
const (
	itemState    byte = 1 + iota // the store's own record
	itemLog                      // number → record of any room
	itemMessage                  // seq → message of the room
	itemHead                     // the room's head, behind its messages
	itemEpochs                   // its remembered epochs
	itemID                       // a piece of its ids
	itemSettings                 // what an operator decided about it
	itemDeleted                  // the room was deleted since the export began
)

// The most of an export that is copied in one read transaction: while one is
// open, the file's pages that it sees cannot be used again.
const (
	exportRecords = 200
	exportBytes   = 512 << 10
)

// Export hands out everything that is on disk when it begins, in chunks of about
// 1 MiB at most, while the store goes on. What is written meanwhile may be in it
// or not, but never with a hole; a room that is deleted meanwhile is left out. A
// chunk is valid during the call; put may take its time, since no transaction is
// open then. Export returns put's error, ctx's, or CodeUnavailable when the file
// cannot be read.
func (h *History) Export(ctx context.Context, put func(chunk []byte) error) error {
	e := &export{h: h, ctx: ctx, put: put}
	before := h.lives()
	if err := e.head(); err != nil {
		return err
	}
	var last []byte
	for {
		id, err := e.nextRoom(last)
		if err != nil {
			return err
		}
		if id == nil {
			break
		}
		if err := e.room(gateway.RoomID(id)); err != nil {
			return err
		}
		last = id
	}
	if err := e.walk(itemSettings, "", bucketSettings, nil, nil, nil); err != nil {
		return err
	}
	if err := h.settled(ctx); err != nil {
		return err
	}
	for id, n := range h.lives() {
		if before[id] != n {
			e.item(itemDeleted, id, nil, nil)
		}
	}
	return e.flush()
}

// lives tells how often each room was deleted, those that never were left out.
func (h *History) lives() map[gateway.RoomID]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	lives := make(map[gateway.RoomID]int)
	for id, r := range h.rooms {
		if r.lives > 0 {
			lives[id] = r.lives
		}
	}
	return lives
}

// settled waits for a deletion that is on disk and not in memory yet.
func (h *History) settled(ctx context.Context) error {
	for h.operating() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// export is one export under way.
type export struct {
	h     *History
	ctx   context.Context
	put   func([]byte) error
	chunk []byte
	items int
}

func (e *export) item(kind byte, room gateway.RoomID, key, value []byte) {
	e.chunk = appendString(append(e.chunk, kind), room)
	e.chunk = appendString(e.chunk, string(key))
	e.chunk = binary.AppendUvarint(e.chunk, uint64(len(value)))
	e.chunk = append(e.chunk, value...)
	e.items++
}

func (e *export) full() bool { return e.items >= exportRecords || len(e.chunk) >= exportBytes }

// flush hands out what was gathered. No transaction is open.
func (e *export) flush() error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if len(e.chunk) == 0 {
		return nil
	}
	err := e.put(e.chunk)
	e.chunk, e.items = e.chunk[:0], 0
	return err
}

// head copies the state and the log, as far as it goes now. What leaves the log
// before it is reached is in its room's bucket by then, and those come later.
func (e *export) head() error {
	var end []byte
	ok := false
	err := e.h.readFile("boltstore.Export", func(tx *bolt.Tx) {
		if _, ok = readState(tx); ok {
			e.item(itemState, "", nil, tx.Bucket(bucketMeta).Get(keyState))
		}
		last, _ := tx.Bucket(bucketLog).Cursor().Last()
		end = bytes.Clone(last)
	})
	switch {
	case err != nil:
		return err
	case !ok:
		return gateway.Wrap("boltstore.Export", errNoState)
	case end == nil:
		return nil
	}
	return e.walk(itemLog, "", bucketLog, nil, end, nil)
}

func (e *export) nextRoom(last []byte) (id []byte, err error) {
	err = e.h.readFile("boltstore.Export", func(tx *bolt.Tx) {
		key, _ := after(tx.Bucket(bucketRooms).Cursor(), last)
		id = bytes.Clone(key)
	})
	return id, err
}

// room copies a room: its messages, in the transaction of the last of them its
// head and epochs, which so tell of nothing that is not there, and then its ids.
func (e *export) room(id gateway.RoomID) error {
	err := e.walk(itemMessage, id, bucketMessages, []byte(id), nil, func(tx *bolt.Tx) {
		e.item(itemHead, id, nil, tx.Bucket(bucketRooms).Get([]byte(id)))
		if epochs := tx.Bucket(bucketEpochs).Get([]byte(id)); epochs != nil {
			e.item(itemEpochs, id, nil, epochs)
		}
	})
	if err != nil {
		return err
	}
	return e.walk(itemID, id, bucketIDs, []byte(id), nil, nil)
}

// walk copies a bucket, or the one that it has under the name below, up to and
// with the key end, in as many transactions as it needs. atEnd sees the last one.
func (e *export) walk(kind byte, id gateway.RoomID, parent, below, end []byte, atEnd func(*bolt.Tx)) error {
	var last []byte
	for done := false; !done; {
		if err := e.flush(); err != nil {
			return err
		}
		err := e.h.readFile("boltstore.Export", func(tx *bolt.Tx) {
			bucket := tx.Bucket(parent)
			if below != nil {
				bucket = bucket.Bucket(below)
			}
			last, done = e.copySome(kind, id, bucket, last, end)
			if done && atEnd != nil {
				atEnd(tx)
			}
		})
		if err != nil {
			return err
		}
	}
	return e.flush()
}

// copySome copies what one transaction may, behind the key last.
func (e *export) copySome(kind byte, id gateway.RoomID, bucket *bolt.Bucket, last, end []byte) (_ []byte, done bool) {
	if bucket == nil {
		return last, true
	}
	c := bucket.Cursor()
	key, value := after(c, last)
	for ; key != nil && (end == nil || bytes.Compare(key, end) <= 0); key, value = c.Next() {
		if e.full() {
			return last, false
		}
		room := id
		if kind == itemSettings {
			room = gateway.RoomID(key)
		}
		e.item(kind, room, key, value)
		last = append(last[:0], key...)
	}
	return last, true
}

// after moves the cursor to the first key behind last, or to the first of all.
func after(c *bolt.Cursor, last []byte) (key, value []byte) {
	if last == nil {
		return c.First()
	}
	if key, value = c.Seek(last); bytes.Equal(key, last) {
		key, value = c.Next()
	}
	return key, value
}

// Export writes a whole copy of the file, as it is at one moment. w should not
// make it wait: for so long, pages that become free are not used again.
func (s *Identity) Export(w io.Writer) error {
	s.opening.RLock()
	defer s.opening.RUnlock()
	return guard(s.opts.Path, func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
}

// VerifyIdentity opens the copy of an identity store at path and looks at all of
// it: its structure, and every account. It may bring the copy to the current
// schema. It returns CodeUnavailable for one that is damaged or newer.
func VerifyIdentity(path string) (err error) {
	s, err := OpenIdentity(IdentityOptions{Path: path, Now: func() time.Time { return time.Time{} }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return guard(path, func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			var bad error
			for err := range tx.Check() { // to its end: it runs beside us
				bad = errors.Join(bad, err)
			}
			var scratch []byte
			err := tx.Bucket(buckets[binAccounts]).ForEach(func(key, value []byte) error {
				if _, ok := decodeAccount(gateway.AccountName(key), value, &scratch); !ok {
					return errSum
				}
				return nil
			})
			if bad = errors.Join(bad, err); bad != nil {
				return refuseDamaged(path, bad)
			}
			_, err = s.within(tx).RefreshKey()
			return err
		})
	})
}
