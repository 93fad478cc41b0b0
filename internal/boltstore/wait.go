package boltstore

import (
	"errors"

	"edgegw/internal/gateway"
)

// Wait returns when the queue is at most half full, so that an Append that
// follows finds room without waiting. Who calls it holds no lock that Committed
// may want. It returns CodeUnavailable when the writer does not catch up within
// 2 s, and lets the caller on while the history takes nothing: Append then says
// why.
func (h *History) Wait() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opts.Space.Full() {
		return nil
	}
	if h.err == nil && h.queue.bytes > maxQueueBytes/2 {
		h.awaitSpaceLocked(maxQueueBytes / 2)
	}
	if h.err == nil && h.queue.bytes > maxQueueBytes/2 {
		return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the message store is too slow right now; try again",
			Op: "boltstore.Wait", Err: errors.New("the queue is full"), RetryAfter: spaceTimeout}
	}
	return nil
}

// Flush has what was appended so far committed without waiting for the window.
// It returns at once; Committed tells when that is done.
func (h *History) Flush() {
	h.mu.Lock()
	h.queue.flush = !h.queue.empty()
	h.mu.Unlock()
	signal(h.wake)
}
