package boltstore

import (
	"sync"

	"edgegw/internal/gateway"
)

// maxUnannouncedBytes bounds what is on disk and not announced yet. Beyond it
// the writer waits, and with it, in the end, whoever appends.
const maxUnannouncedBytes = 16 << 20

// acks holds the committed records that Committed has not been told of.
type acks struct {
	mu     sync.Mutex
	ready  *sync.Cond // on mu
	recs   []*gateway.Record
	bytes  int
	closed bool
}

func (a *acks) put(batch []queued) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		a.recs = append(a.recs, batch[i].rec)
		a.bytes += batch[i].size
	}
	a.ready.Signal()
}

func (a *acks) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes > maxUnannouncedBytes
}

func (a *acks) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.ready.Signal()
}

// next waits for records and swaps the given slice for them. It returns nil
// once the acks are closed and empty.
func (a *acks) next(spare []*gateway.Record) []*gateway.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.recs) == 0 {
		if a.closed {
			return nil
		}
		a.ready.Wait()
	}
	recs := a.recs
	a.recs, a.bytes = spare[:0], 0
	return recs
}

// announceLoop tells Committed what is on disk while the writer is already at
// the next commit. It ends when the acks are closed.
func (h *History) announceLoop() {
	var spare []*gateway.Record
	for {
		recs := h.acks.next(spare)
		if recs == nil {
			return
		}
		signal(h.announced)
		h.opts.Committed(recs)
		for _, rec := range recs {
			// The tail keeps the record for long; it must not keep the
			// publisher's session with it.
			rec.Ticket = nil
		}
		clear(recs)
		if spare = recs; cap(spare) > 4096 {
			spare = nil
		}
	}
}
