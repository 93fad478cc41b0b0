package hub

import (
	"sync"
	"sync/atomic"

	"edgegw/internal/gateway"
)

// maxBatchBytes is where a batch is closed and the next begun: large enough to
// make one write call worth many messages, small enough for a socket's buffer.
const maxBatchBytes = 64 << 10

// maxReusedBytes is the largest buffer that goes back to the pool: one burst of
// long messages shall not keep its memory for good.
const maxReusedBytes = 4 * maxBatchBytes

// batch is a run of a room's messages, encoded once for all subscribers. It is
// filled under room.mu and immutable from the moment the flusher takes it.
type batch struct {
	json, raw []byte
	// lastJSON and lastRaw are where the newest message starts.
	lastJSON, lastRaw int
	first, last       gateway.Seq
	// ephemerals are the frames of a batch of presence and typing, which has
	// no messages; such a batch is never queued.
	ephemerals []ephemeral
	// to are the subscribers that the batch is for: those the room had when
	// the batch was begun.
	to []*subscription
	// refs counts the flusher and every queue that holds the bytes.
	refs atomic.Int32
	// waiting is where the bytes are counted while they wait for a socket,
	// else nil.
	waiting *atomic.Int64
	pool    *sync.Pool
}

func (h *Hub) newBatch(first gateway.Seq, to []*subscription) *batch {
	b, ok := h.batches.Get().(*batch)
	if !ok {
		b = &batch{pool: &h.batches}
	}
	b.first, b.to = first, to
	b.refs.Store(1)
	return b
}

func (b *batch) retain() { b.refs.Add(1) }

// countWaiting counts the bytes until they are released. It is for the one who
// has made the batch, and still holds it.
func (b *batch) countWaiting(sum *atomic.Int64) {
	b.waiting = sum
	sum.Add(int64(b.size()))
}

func (b *batch) messages() int { return int(b.last-b.first) + 1 }

func (b *batch) size() int { return len(b.json) + len(b.raw) }

func (b *batch) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	if b.waiting != nil {
		b.waiting.Add(-int64(b.size()))
		b.waiting = nil
	}
	if cap(b.json) > maxReusedBytes || cap(b.raw) > maxReusedBytes {
		return
	}
	b.json, b.raw, b.to = b.json[:0], b.raw[:0], nil
	b.lastJSON, b.lastRaw = 0, 0
	clear(b.ephemerals)
	b.ephemerals = b.ephemerals[:0]
	b.pool.Put(b)
}
