package boltstore

import (
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// collector gathers the messages of a page, going up or down in seq.
type collector struct {
	h           *History
	v           *view
	first, last gateway.Seq // what is still wanted
	limit       int
	messages    []gateway.Message
	bytes       int
	scratch     []byte
	user        gateway.AccountName // of the message before
}

// add reports whether there may be more.
func (c *collector) add(m gateway.Message) bool {
	if c.bytes += len(m.Payload.Bytes); c.bytes > maxPageBytes && len(c.messages) > 0 {
		c.limit = len(c.messages)
		return false
	}
	c.messages = append(c.messages, m)
	return len(c.messages) < c.limit
}

// decode has neighbours of one account share its name.
func (c *collector) decode(seq gateway.Seq, value []byte) (gateway.Message, bool) {
	m, ok := decodeMessage(c.v.id, seq, value, &c.scratch, c.user)
	c.user = m.User
	return m, ok
}

func (c *collector) done() bool { return len(c.messages) >= c.limit || c.first > c.last }

func (c *collector) fromTail(down bool) {
	from := max(c.first, c.v.filled+1)
	if c.done() || from > c.last {
		return
	}
	part := c.v.tail[from-c.v.filled-1 : c.last-c.v.filled]
	for i := range part {
		rec := part[i]
		if down {
			rec = part[len(part)-1-i]
		}
		if !c.add(rec.Message) {
			return
		}
	}
	if down {
		c.last = from - 1
	}
}

// fromBucket copies values out, a few at a time, and takes them apart after the
// transaction.
func (c *collector) fromBucket(down bool) error {
	last := min(c.last, c.v.filled)
	for !c.done() && c.first <= last {
		var raw rawBatch
		err := c.h.read(c.v.id, func(bucket *bolt.Bucket) {
			raw.load(bucket.Cursor(), c.first, last, min(readBatch, c.limit-len(c.messages)), down)
		})
		if err != nil {
			return err
		}
		if len(raw.seqs) == 0 {
			return nil
		}
		end := raw.seqs[len(raw.seqs)-1]
		if down {
			last = end - 1
		} else {
			c.first = end + 1
		}
		bad := 0
		for i, seq := range raw.seqs {
			m, ok := c.decode(seq, raw.value(i))
			if !ok {
				bad++
			} else if !c.add(m) {
				break
			}
		}
		c.h.reportDamaged(c.v.id, bad)
	}
	return nil
}

// rawGuess is the most memory that a run is given before it is known to need it.
const rawGuess = 64 << 10

// rawBatch is a run of values, copied into one piece of memory.
type rawBatch struct {
	seqs  []gateway.Seq
	ends  []int
	bytes []byte
}

func (r *rawBatch) value(i int) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.bytes[start:r.ends[i]:r.ends[i]]
}

func (r *rawBatch) load(c *bolt.Cursor, first, last gateway.Seq, limit int, down bool) {
	r.seqs, r.ends = make([]gateway.Seq, 0, limit), make([]int, 0, limit)
	key, value := c.Seek(seqKey(first))
	step := c.Next
	if down {
		step = c.Prev
		if key, value = c.Seek(seqKey(last)); key == nil {
			key, value = c.Last()
		} else if keySeq(key) > last {
			key, value = c.Prev()
		}
	}
	for ; key != nil && len(r.seqs) < limit; key, value = step() {
		if len(key) != seqBytes {
			continue // a damaged one, which says nothing of those behind it
		}
		seq := keySeq(key)
		if seq < first || seq > last || len(r.bytes)+len(value) > maxPageBytes && len(r.seqs) > 0 {
			return
		}
		if r.bytes == nil {
			// The others are likely as long.
			r.bytes = make([]byte, 0, min(limit*(len(value)+len(value)/8), rawGuess))
		}
		r.seqs = append(r.seqs, seq)
		r.bytes = append(r.bytes, value...)
		r.ends = append(r.ends, len(r.bytes))
	}
}
