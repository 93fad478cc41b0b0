package boltstore

// Backlog is how many bytes wait for the writer, and how many may.
func (h *History) Backlog() (bytes, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queue.bytes, maxQueueBytes
}
