package hub

import "runtime"

// Watched returns how many rooms the sweep looks after.
func (h *Hub) Watched() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watched)
}

// Sweep is what Run does at each of its ticks.
func (h *Hub) Sweep() { h.sweep(h.ticks.Add(1)) }

// Flushed returns when no flusher runs.
func (h *Hub) Flushed() {
	for h.flushers.Load() > 0 {
		runtime.Gosched()
	}
}
