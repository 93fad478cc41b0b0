package boltstore

import (
	"errors"
	"slices"
	"sort"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const (
	// readBatch is how many messages one read transaction copies: a long one
	// keeps the file's memory map and its freed pages in place.
	readBatch = 200
	// maxPageBytes bounds a page of large messages; it then has fewer than
	// asked for, and Older or Newer says that there are more.
	maxPageBytes = 8 << 20
	// maxPageTries is how often a page is begun anew because its room was
	// deleted meanwhile.
	maxPageTries = 3
)

// view is what a reader may see of a room at one moment.
type view struct {
	id   gateway.RoomID
	head gateway.RoomHead
	// filled is the newest seq in the bucket; tail[i] has seq filled+1+i.
	filled gateway.Seq
	tail   []*gateway.Record
	lives  int
}

// Page reads a page of the room's history. Messages that wait for their commit
// are part of it, and of its Head, unless the room is fsynced. Without messages
// in the page, Older and Newer tell what lies before and after the queried
// seqs. A page holds at most 8 MiB of payload. It returns CodeInvalidRequest
// for a limit out of range and CodeUnavailable when the file cannot be read.
func (h *History) Page(id gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	if q.Limit < gateway.MinHistoryLimit || q.Limit > gateway.MaxHistoryLimit {
		return gateway.HistoryPage{}, gateway.Errorf(gateway.CodeInvalidRequest,
			"limit has to be %d to %d", gateway.MinHistoryLimit, gateway.MaxHistoryLimit)
	}
	committedOnly := h.RoomSettings(id).Durability == gateway.DurabilityFsynced
	for range maxPageTries {
		v := h.view(id, committedOnly)
		page, err := h.page(&v, q)
		if err != nil || h.alive(&v) {
			return page, err
		}
	}
	return gateway.HistoryPage{}, &gateway.Error{Code: gateway.CodeUnavailable, Message: "the room is being deleted; try again",
		Op: "boltstore.Page", Err: errors.New("the room was deleted while it was read")}
}

func (h *History) page(v *view, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	page := gateway.HistoryPage{Head: v.head}
	low, high := v.head.Oldest, v.head.Seq // the time range
	var err error
	if q.From != 0 && low <= high {
		low, err = h.seek(v, q.From)
	}
	if q.To != 0 && low <= high && err == nil {
		high, err = h.seek(v, q.To)
		high--
	}
	if err != nil || low > high {
		return page, err
	}
	first, last := max(low, q.After+1), high
	if q.Before > 0 {
		last = min(last, q.Before-1)
	}
	if first > last {
		page.Older = q.After >= low
		page.Newer = q.Before > 0 && q.Before <= high
		return page, nil
	}
	page.Messages, err = h.collect(v, first, last, q.Limit, q.OldestFirst)
	if n := len(page.Messages); n > 0 {
		first, last = page.Messages[0].Seq, page.Messages[n-1].Seq
	}
	page.Older, page.Newer = first > low, last < high
	return page, err
}

func (h *History) view(id gateway.RoomID, committedOnly bool) view {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		return view{id: id, head: gateway.RoomHead{Epoch: h.epoch, Oldest: 1}}
	}
	v := view{id: id, head: r.head, filled: r.filled, tail: r.tail, lives: r.lives}
	if n := int(r.committed - r.filled); committedOnly && n < len(v.tail) {
		v.head.Seq, v.head.TS = r.committed, r.filledTS
		v.tail = v.tail[:n]
		if n > 0 {
			v.head.TS = v.tail[n-1].Message.TS
		}
		v.head.Oldest = min(v.head.Oldest, v.head.Seq+1)
	}
	return v
}

// alive reports whether what was read of the view is of one life of the room: its
// bucket may have become another one's under the same seqs.
func (h *History) alive(v *view) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[v.id]
	return r == nil || r.lives == v.lives
}

// seek returns the seq of the oldest message that is not before ts, or head+1.
// Inside a room both seq and ts only grow, so that the room's bucket is the
// index on time: this is a binary search in it.
func (h *History) seek(v *view, ts gateway.Timestamp) (gateway.Seq, error) {
	low := v.head.Oldest
	if low > v.filled || len(v.tail) > 0 && v.tail[0].Message.TS < ts {
		i := sort.Search(len(v.tail), func(i int) bool { return v.tail[i].Message.TS >= ts })
		return max(low, v.filled+1+gateway.Seq(i)), nil
	}
	high := v.filled + 1
	err := h.read(v.id, func(bucket *bolt.Bucket) {
		cursor := bucket.Cursor()
		var scratch []byte
		for low < high {
			mid := low + (high-low)/2
			seq, at, ok := firstIntact(cursor, v.id, mid, high, &scratch)
			if !ok || at >= ts {
				high = mid
			} else {
				low = seq + 1
			}
		}
	})
	return low, err
}

// firstIntact reads the time of the first message in [from, to) that passes its
// sum, and its seq.
func firstIntact(c *bolt.Cursor, id gateway.RoomID, from, to gateway.Seq, scratch *[]byte) (gateway.Seq, gateway.Timestamp, bool) {
	for key, value := c.Seek(seqKey(from)); key != nil; key, value = c.Next() {
		seq := keySeq(key)
		if seq >= to {
			break
		}
		if ts, ok := messageTime(id, seq, value, scratch); ok {
			return seq, ts, true
		}
	}
	return 0, 0, false
}

// collect reads up to limit messages of [first, last], the oldest or the newest
// of them, and returns them ascending.
func (h *History) collect(v *view, first, last gateway.Seq, limit int, oldestFirst bool) ([]gateway.Message, error) {
	c := collector{h: h, v: v, first: first, last: last, limit: limit}
	c.messages = make([]gateway.Message, 0, min(gateway.Seq(limit), last-first+1))
	if oldestFirst {
		err := c.fromBucket(false)
		if err == nil {
			c.fromTail(false)
		}
		return c.messages, err
	}
	c.fromTail(true)
	err := c.fromBucket(true)
	slices.Reverse(c.messages)
	return c.messages, err
}

// read runs fn on the room's bucket, if there is one.
func (h *History) read(id gateway.RoomID, fn func(*bolt.Bucket)) error {
	return h.readFile("boltstore.Page", func(tx *bolt.Tx) {
		if bucket := tx.Bucket(bucketMessages).Bucket([]byte(id)); bucket != nil {
			fn(bucket)
		}
	})
}

// readFile runs fn in a read transaction. Its errors are CodeUnavailable.
func (h *History) readFile(op string, fn func(*bolt.Tx)) error {
	err := guard(h.opts.Path, func() error {
		h.opening.RLock()
		defer h.opening.RUnlock()
		return h.db.View(func(tx *bolt.Tx) error {
			fn(tx)
			return nil
		})
	})
	if err == nil {
		return nil
	}
	if isDamaged(err) {
		h.foundDamage(err)
	}
	return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the history cannot be read right now; try again", Op: op, Err: err}
}
