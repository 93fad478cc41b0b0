package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

var errReadOnly = errors.New("written in a View")

// overlay is what one change has written so far.
type overlay struct {
	layers [bins]layer
	audit  *auditState           // nil: not asked for yet
	gone   []gateway.AccountName // accounts that were deleted
	shrunk bool                  // events went that tombstones may refer to
}

// layer is what was written to one bucket, sorted by key. Writers mostly come in
// order, so that few entries ever have to move.
type layer []entry

type entry struct {
	key, value []byte // a nil value: deleted
}

func (l layer) find(key []byte) (int, bool) {
	if n := len(l); n > 0 && bytes.Compare(l[n-1].key, key) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(l, key, func(e entry, key []byte) int { return bytes.Compare(e.key, key) })
}

// between is the part of the layer from one key up to and without another; nil
// is no bound.
func (l layer) between(from, to []byte) layer {
	first, _ := l.find(from)
	last := len(l)
	if to != nil {
		last, _ = l.find(to)
	}
	return l[first:max(first, last)]
}

// get returns what is stored under the key, or nil. It belongs to the store and
// is valid in the transaction.
func (t *IdentityTx) get(b bin, key []byte) []byte {
	if t.own != nil {
		if i, ok := t.own.layers[b].find(key); ok {
			return t.own.layers[b][i].value
		}
	}
	return t.tx.Bucket(buckets[b]).Get(key)
}

// put stores the value, unless it stands there already: what changes nothing
// shall not cost a commit. Key and value belong to the store then.
func (t *IdentityTx) put(b bin, key, value []byte) error {
	if bytes.Equal(t.get(b, key), value) {
		return t.mayWrite()
	}
	return t.write(b, entry{key, value})
}

// drop removes what stands under the key, if anything does.
func (t *IdentityTx) drop(b bin, key []byte) error {
	if t.get(b, key) == nil {
		return t.mayWrite()
	}
	return t.write(b, entry{key: key})
}

// dropRange removes everything from one key up to and without another.
func (t *IdentityTx) dropRange(b bin, from, to []byte) error {
	return t.dropAll(b, t.keysBetween(b, from, to))
}

func (t *IdentityTx) keysBetween(b bin, from, to []byte) (keys [][]byte) {
	for key := range t.scan(b, from, to) {
		keys = append(keys, key)
	}
	return keys
}

func (t *IdentityTx) dropAll(b bin, keys [][]byte) error {
	for _, key := range keys {
		if err := t.write(b, entry{key: key}); err != nil {
			return err
		}
	}
	return t.mayWrite()
}

func (t *IdentityTx) mayWrite() error {
	if t.own == nil {
		return gateway.Wrap("boltstore.IdentityTx", errReadOnly)
	}
	return nil
}

func (t *IdentityTx) write(b bin, e entry) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	// bbolt would refuse such a key too, but only when the change is no longer
	// alone in the transaction.
	if len(e.key) == 0 || len(e.key) > bolt.MaxKeySize {
		return gateway.Wrap("boltstore.IdentityTx", fmt.Errorf("a key of %d bytes", len(e.key)))
	}
	l := &t.own.layers[b]
	if i, ok := l.find(e.key); ok {
		(*l)[i] = e
	} else {
		*l = slices.Insert(*l, i, e)
	}
	return nil
}

// scan yields what lies from one key up to and without another, in order; nil is
// no bound. It merges what is stored with what is being written. Nothing may be
// written meanwhile.
func (t *IdentityTx) scan(b bin, from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		var ours layer
		if t.own != nil {
			ours = t.own.layers[b].between(from, to)
		}
		c := t.tx.Bucket(buckets[b]).Cursor()
		stored := func(key, value []byte) ([]byte, []byte) {
			if to != nil && bytes.Compare(key, to) >= 0 {
				return nil, nil
			}
			return key, value
		}
		key, value := stored(c.Seek(from))
		for key != nil || len(ours) > 0 {
			if len(ours) == 0 || key != nil && bytes.Compare(key, ours[0].key) < 0 {
				if !yield(key, value) {
					return
				}
				key, value = stored(c.Next())
				continue
			}
			e := ours[0]
			ours = ours[1:]
			if bytes.Equal(key, e.key) { // ours replaces it
				key, value = stored(c.Next())
			}
			if e.value != nil && !yield(e.key, e.value) {
				return
			}
		}
	}
}

// wrote reports whether there is anything to commit.
func (o *overlay) wrote() bool {
	return slices.ContainsFunc(o.layers[:], func(l layer) bool { return len(l) > 0 })
}

// apply hands what was written to the shared transaction.
func (o *overlay) apply(tx *bolt.Tx) error {
	for b := range bins {
		if len(o.layers[b]) == 0 {
			continue
		}
		bucket := tx.Bucket(buckets[b])
		if b == binAudit || b == binRoutine {
			bucket.FillPercent = 1 // only ever written at the end
		}
		for _, e := range o.layers[b] {
			var err error
			if e.value == nil {
				err = bucket.Delete(e.key)
			} else {
				err = bucket.Put(e.key, e.value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
