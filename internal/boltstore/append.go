package boltstore

import (
	"errors"
	"fmt"
	"time"

	"edgegw/internal/gateway"
)

const (
	// maxCommitBytes bounds what one commit writes, and so how long it lasts.
	maxCommitBytes = 4 << 20
	// maxQueueBytes bounds what may wait for the writer.
	maxQueueBytes = 8 << 20
	// spaceTimeout is how long an Append waits for room in the queue.
	spaceTimeout = 2 * time.Second
)

var errClosed = errors.New("the store is closed")

// queue holds what waits for the writer. It is guarded by History.mu.
type queue struct {
	items []queued
	spare []queued // the slice of the batch before, to be used again
	bytes int
	// urgent counts the records of fsynced rooms among the items.
	urgent int
	// flush is set while what waits shall not wait for the window.
	flush bool
	// added and taken count the records that ever went in and out.
	added, taken uint64
	// space is closed and replaced when the writer took something.
	space chan struct{}
}

type queued struct {
	rec    *gateway.Record
	room   *room
	size   int
	urgent bool
}

func (q *queue) empty() bool { return len(q.items) == 0 }

// Append queues the record as the next of its room. It does not wait for the
// disk; only when the queue is full does it wait for the writer, 2 s at most. It
// returns CodeInternal when the record's seq is not head+1 or its time lies
// before the head's, CodeStorageFull while the disk is full, and CodeUnavailable when the queue stays full, after a
// commit failed and after Run or Close ended. A record that was refused was not
// taken in any way.
func (h *History) Append(rec *gateway.Record) error {
	settings := h.RoomSettings(rec.Room)
	item := queued{rec: rec, size: recordSize(rec), urgent: settings.Durability == gateway.DurabilityFsynced}
	h.mu.Lock()
	if h.err == nil && !h.opts.Space.Full() && !h.fitsLocked(item.size) {
		h.awaitSpaceLocked(item.size)
	}
	if err := h.admitLocked(&item); err != nil {
		h.mu.Unlock()
		return err
	}
	r := item.room
	r.tail = append(r.tail, rec)
	r.head.Seq, r.head.TS = rec.Message.Seq, rec.Message.TS
	// Seqs have no holes, so that the limit on messages is arithmetic: what
	// it asks for disappears at once and is deleted with a later fill.
	if n := gateway.Seq(max(1, settings.MaxMessages)); r.head.Seq > n {
		r.head.Oldest = max(r.head.Oldest, r.head.Seq-n+1)
	}
	if rec.Message.ID != "" {
		h.rememberLocked(r, &rec.Message)
	}
	q := &h.queue
	wake := q.empty() || item.urgent && q.urgent == 0 || q.bytes < maxCommitBytes && q.bytes+item.size >= maxCommitBytes
	q.items = append(q.items, item)
	q.bytes += item.size
	q.added++
	if item.urgent {
		q.urgent++
	}
	h.mu.Unlock()
	if wake {
		signal(h.wake)
	}
	return nil
}

func (h *History) admitLocked(item *queued) error {
	m := &item.rec.Message
	switch {
	case h.err != nil:
		return h.stoppedError("boltstore.Append")
	case h.opts.Space.Full():
		return fullError("boltstore.Append", errDiskFull)
	case !h.fitsLocked(item.size):
		return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the message store is too slow right now; try again",
			Op: "boltstore.Append", Err: errors.New("the queue is full"), RetryAfter: spaceTimeout}
	}
	r := h.rooms[item.rec.Room]
	if r == nil {
		r = h.newRoom(item.rec.Room)
	}
	if r.busy > 0 {
		return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the room is being changed; try again",
			Op: "boltstore.Append", Err: errors.New("an operation on the room is under way"), RetryAfter: time.Second}
	}
	if m.Seq != r.head.Seq+1 || m.TS < r.head.TS {
		return gateway.Wrap("boltstore.Append", fmt.Errorf("seq %d at %d does not follow seq %d at %d of room %s",
			m.Seq, m.TS, r.head.Seq, r.head.TS, r.id))
	}
	h.rooms[r.id], item.room = r, r
	return nil
}

// fitsLocked lets one record into an empty queue whatever its size.
func (h *History) fitsLocked(size int) bool {
	return h.queue.empty() || h.queue.bytes+size <= maxQueueBytes
}

func (h *History) awaitSpaceLocked(size int) {
	timer := time.NewTimer(spaceTimeout)
	defer timer.Stop()
	for h.err == nil && !h.fitsLocked(size) {
		space := h.queue.space
		h.mu.Unlock()
		expired := false
		select {
		case <-space:
		case <-h.stopped:
		case <-timer.C:
			expired = true
		}
		h.mu.Lock()
		if expired {
			return
		}
	}
}

// take hands the writer what the next commit should hold. Unless the window is
// over, only a waiting record of an fsynced room or a commit's worth of bytes
// makes it hand out anything. It returns nil when there is nothing to do.
func (h *History) take(windowOver bool) []queued {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := &h.queue
	if q.empty() || !windowOver && !q.flush && q.urgent == 0 && q.bytes < maxCommitBytes {
		return nil
	}
	n, size, urgent := 0, 0, 0
	for n < len(q.items) && (n == 0 || size+q.items[n].size <= maxCommitBytes) {
		size += q.items[n].size
		if q.items[n].urgent {
			urgent++
		}
		n++
	}
	batch := q.items[:n:n]
	if n == len(q.items) {
		q.items, q.spare, q.flush = q.spare[:0], nil, false
	} else {
		q.items = q.items[n:]
	}
	q.bytes -= size
	q.urgent -= urgent
	q.taken += uint64(n)
	close(q.space)
	q.space = make(chan struct{})
	return batch
}

// recycle gives the slice of a finished batch back.
func (h *History) recycle(batch []queued) {
	clear(batch)
	if cap(batch) > 4096 {
		return
	}
	h.mu.Lock()
	if cap(batch) > cap(h.queue.spare) {
		h.queue.spare = batch[:0]
	}
	h.mu.Unlock()
}

// stop makes every further Append fail with the error.
func (h *History) stop(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.stopped)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
